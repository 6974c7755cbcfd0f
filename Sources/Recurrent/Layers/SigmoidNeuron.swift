#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Android)
    internal import Android
#elseif canImport(WASILibc)
    internal import WASILibc
#elseif os(Windows)
    internal import WinSDK
#else
    internal import Glibc
#endif

/// A single neuron, y = σ(w·x + b), in Double: the least thing that learns, to be looked at rather
/// than to be fast. Goodfellow, Bengio and Courville 2016, section 6.2.2.2.
///
///     var neuron = SigmoidNeuron(weights: [0, 0], bias: 0)
///     let gradient = neuron.meanSquaredError(inputs: [[0, 1], [1, 1]], targets: [0, 1])
///     for n in neuron.weights.indices {
///         neuron.weights[n] -= learningRate * gradient.weightGradient[n]
///     }
///
/// Inside a network it is a dense layer of one output: `Kernels.denseForward` with
/// `DenseShape(rows:inputSize:outputSize: 1)`, and then `Kernels.activationForward` with
/// `.sigmoid`. `recurrent descend` shows its error as a surface.
public struct SigmoidNeuron: Hashable, Sendable {
    /// w
    public var weights: [Double]
    /// b
    public var bias: Double

    public init(weights: [Double], bias: Double) {
        self.weights = weights
        self.bias = bias
    }

    /// y = σ(w·x + b)
    ///
    /// - Precondition: there are as many inputs as weights.
    public func output(_ x: [Double]) -> Double {
        require(
            x.count == weights.count,
            "sigmoid neuron: expected \(weights.count) inputs, found \(x.count)")
        return 1 / (1 + exp(-zip(weights, x).reduce(bias) { $0 + $1.0 * $1.1 }))
    }

    /// E = 1/M Σ_m (y[m] - t[m])² over M samples, and its gradient, ∂E/∂w = 2/M Σ_m (y[m] - t[m])
    /// y[m] (1 - y[m]) x[m]: small wherever y is near 0 or 1, however wrong that is.
    ///
    /// - Precondition: there are as many targets as samples, at least one.
    public func meanSquaredError(inputs: [[Double]], targets: [Double]) -> (
        error: Double, weightGradient: [Double], biasGradient: Double
    ) {
        require(
            inputs.count == targets.count && !inputs.isEmpty,
            "sigmoid neuron: expected \(inputs.count) targets, found \(targets.count)")
        var error = 0.0
        var weightGradient = weights.map { _ in 0.0 }
        var biasGradient = 0.0
        let count = Double(inputs.count)
        for (x, target) in zip(inputs, targets) {
            let y = output(x)
            let derivative = 2 / count * (y - target) * y * (1 - y)
            error += (y - target) * (y - target) / count
            for n in x.indices { weightGradient[n] += derivative * x[n] }
            biasGradient += derivative
        }
        return (error, weightGradient, biasGradient)
    }
}
