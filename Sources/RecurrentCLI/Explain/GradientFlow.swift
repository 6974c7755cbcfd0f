import Foundation
import Recurrent

/// How far gradients reach back from the end of a sequence; entry k of each list is for the state k
/// steps before the end, h_{T-k}.
struct GradientFlow: Encodable {
    let name: String
    /// ‖∂h_T/∂h_t‖₂
    private(set) var jacobianNorms: [Double] = []
    /// ‖∂L/∂h_t‖
    private(set) var lossNorms: [Double] = []

    /// Carries the derivatives of h_T and, with them, those of a loss whose gradient with respect
    /// to h_T is known back to the initial state.
    ///
    /// - Parameter onStep: is called with the share of the steps that is done, before each.
    init(
        _ name: String, _ layer: UnrolledLayer, lossGradient: [Double],
        onStep: (Double) throws -> Void
    ) rethrows {
        self.name = name
        for step in (0...layer.steps).reversed() {
            try onStep(1 - Double(step) / Double(layer.steps))
            if step < layer.steps { layer.goBack(step: step) }
            let jacobian = layer.jacobian
            jacobianNorms.append(jacobian.spectralNorm)
            lossNorms.append(euclideanNorm(jacobian.transposedProduct(lossGradient)))
        }
    }
}

/// What bounds the gradient of a plain recurrent layer: ‖∂h_T/∂h_t‖₂ ≤ (γ λ)^(T - t). Pascanu,
/// Mikolov and Bengio 2013, "On the difficulty of training recurrent neural networks", section 2.1.
struct GradientBound: Encodable {
    /// The largest derivative of tanh that the layer has met, and the largest singular value of U.
    let gamma: Double, lambda: Double
    let jacobianNorms: [Double], lossNorms: [Double]

    init(_ layer: UnrolledLayer, _ weights: LayerWeights, lossGradient: [Double]) {
        let gamma = (1...layer.steps).flatMap { step in
            layer.hidden(after: step).map { 1 - $0 * $0 }
        }.max()!
        let lambda = weights.recurrentMatrix(gate: 0).spectralNorm
        var norms = [1.0]
        for _ in 0..<layer.steps { norms.append(norms.last! * gamma * lambda) }
        let lossNorm = euclideanNorm(lossGradient)
        (self.gamma, self.lambda) = (gamma, lambda)
        (jacobianNorms, lossNorms) = (norms, norms.map { $0 * lossNorm })
    }
}

/// The ways from c_{t-1} to c_t in an LSTM: c = f c_prev + i g, where f, i and g have c_prev in
/// them by h_prev = o_prev tanh(c_prev).
struct MemoryPaths {
    let direct: SquareMatrix, throughF: SquareMatrix, throughI: SquareMatrix, throughG: SquareMatrix

    /// ∂c_t/∂c_{t-1}, all of it.
    var sum: SquareMatrix { direct + throughF + throughI + throughG }

    /// - Parameter step: counted from 0; not the first, whose c_prev and h_prev are the initial
    ///   state.
    init(_ layer: UnrolledLayer, _ weights: LayerWeights, step: Int) {
        let (i, f, g) = (
            layer.gate(0, step: step), layer.gate(1, step: step), layer.gate(2, step: step)
        )
        let c_prev = layer.memory(after: step)
        let o_prev = layer.gate(3, step: step - 1)
        let dh_dc = zip(o_prev, c_prev).map { $0 * (1 - tanh($1) * tanh($1)) }
        func through(_ gate: Int, _ derivative: (Int) -> Double) -> SquareMatrix {
            let U = weights.recurrentMatrix(gate: gate)
            let derivatives = c_prev.indices.map(derivative)
            return SquareMatrix(size: U.size) { derivatives[$0] * U[$0, $1] * dh_dc[$1] }
        }
        direct = SquareMatrix(size: f.count) { $0 == $1 ? f[$0] : 0 }
        throughF = through(1) { c_prev[$0] * f[$0] * (1 - f[$0]) }
        throughI = through(0) { g[$0] * i[$0] * (1 - i[$0]) }
        throughG = through(2) { i[$0] * (1 - g[$0] * g[$0]) }
    }
}

/// The norms of the ways from c_{t-1} to c_t; entry k of each list is for t = T - k, down to t = 2.
struct MemoryFlow: Encodable {
    let name: String
    private(set) var direct: [Double] = [], throughF: [Double] = [], throughI: [Double] = [],
        throughG: [Double] = [], sum: [Double] = []

    init(
        _ name: String, _ layer: UnrolledLayer, _ weights: LayerWeights,
        onStep: (Double) throws -> Void
    ) rethrows {
        self.name = name
        for step in (1..<layer.steps).reversed() {
            try onStep(1 - Double(step) / Double(layer.steps))
            let paths = MemoryPaths(layer, weights, step: step)
            direct.append(paths.direct.spectralNorm)
            throughF.append(paths.throughF.spectralNorm)
            throughI.append(paths.throughI.spectralNorm)
            throughG.append(paths.throughG.spectralNorm)
            sum.append(paths.sum.spectralNorm)
        }
    }

    /// Each with what it is.
    var named: [(name: String, norms: [Double])] {
        [
            ("all four", sum), ("f itself", direct), ("through f", throughF),
            ("through i", throughI), ("through g", throughG),
        ]
    }
}

private func euclideanNorm(_ x: [Double]) -> Double { x.reduce(0) { $0 + $1 * $1 }.squareRoot() }
