// AdaDelta (Zeiler 2012, algorithm 1), with a learning rate, which is 1 in the paper.

public struct AdaDelta: Sendable {
    public var rule: GradientRule
    public var learningRate: Double
    /// ρ.
    public var decay: Double
    public var epsilon: Double
    /// v, the running average of g².
    public var square: [Double]
    /// u, the running average of the squared steps.
    public var stepSquare: [Double]

    public init(
        count: Int, learningRate: Double = 1, decay: Double, epsilon: Double,
        rule: GradientRule = GradientRule()
    ) {
        self.rule = rule
        self.learningRate = learningRate
        self.decay = decay
        self.epsilon = epsilon
        square = Array(repeating: 0, count: count)
        stepSquare = square
    }

    public mutating func update(_ parameters: inout [Double], _ gradient: inout [Double]) {
        for n in parameters.indices {
            let g = rule(gradient[n], parameter: parameters[n])
            gradient[n] = 0
            square[n] = decay * square[n] + (1 - decay) * g * g
            let step =
                (stepSquare[n] + epsilon).squareRoot() / (square[n] + epsilon).squareRoot() * g
            stepSquare[n] = decay * stepSquare[n] + (1 - decay) * step * step
            parameters[n] -= learningRate * step
        }
    }
}
