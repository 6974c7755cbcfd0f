import CRecurrent
import RecurrentReference
import TestSupport

/// Parameters, gradient and moments, in Float for the kernels or in Double for the reference.
typealias OptimizerState<Value> = [[Value]]

extension OptimizerState<Double> {
    /// Calls `body` with the parameters and the gradient.
    mutating func update(_ body: (inout [Double], inout [Double]) -> Void) {
        var parameters = self[0]
        var gradient = self[1]
        body(&parameters, &gradient)
        self[0] = parameters
        self[1] = gradient
    }
}

/// One optimizer with one choice of conventions: its kernel, its reference, and its formula in
/// intervals.
struct OptimizerCase: Sendable, CustomStringConvertible {
    typealias Pointers = [UnsafeMutablePointer<Float>]
    let description: String
    /// Whether each moment is an average of squares, and so not negative.
    let squares: [Bool]
    let kernel:
        @Sendable (
            _ kernels: recurrent_kernels, _ count: Int, _ state: Pointers, _ share: recurrent_share
        ) -> Void
    let reference: @Sendable (_ state: inout OptimizerState<Double>) -> Void
    /// Parameter and moments of one element after the update, from parameter, gradient and moments
    /// before it.
    let formula: @Sendable (_ element: [Interval]) -> [Interval]

    static let sizes = [0, 1, 15, 16, 17, 31, 33, 64]
    static let largeSizes = [131, 4097]

    /// A state of magnitudes from 2^-20 to 40, with zeros and subnormals, and averages that
    /// gradients can have.
    func state(_ count: Int) -> OptimizerState<Float> {
        var generator = Generator(seed: UInt64(count + description.utf8.count))
        func floats() -> [Float] {
            generator.awkwardFloats(count).map {
                $0
                    * Float(
                        sign: .plus, exponent: Int.random(in: -20...0, using: &generator),
                        significand: 1)
            }
        }
        var state = [floats(), floats()]
        for (index, square) in squares.enumerated() {
            // A square follows the moment before it, if there is one, so that there is a variance.
            let moment = floats()
            let mean =
                index > 0 && !squares[index - 1]
                ? state[index + 1] : [Float](repeating: 0, count: count)
            state.append(square ? zip(moment, mean).map { $0 * $0 + 1.5 * $1 * $1 } : moment)
        }
        return state
    }

    /// Throws unless `update` does to a state of `count` elements what the reference does.
    func check(_ count: Int, _ update: (inout OptimizerState<Float>) throws -> Void) throws {
        let before = state(count)
        var after = before
        var expected = before.map { $0.map(Double.init) }
        try update(&after)
        reference(&expected)
        try Comparer.check("gradient, \(self)", after[1], expected[1], absolute: 0, relative: 0)
        let values = (0..<count).map { n in formula(before.map { Interval(Double($0[n])) }) }
        for (output, index) in ([0] + Array(2..<before.count)).enumerated() {
            let bounds = (0..<count).map { values[$0][output].bound(around: expected[index][$0]) }
            try Comparer.check(
                "buffer \(index) of \(count), \(self)", after[index], expected[index],
                bounds: bounds)
        }
    }

    /// One update by the kernel, in `shares` parts.
    func run(_ isa: KernelTable, shares: Int = 1, _ state: inout OptimizerState<Float>) throws {
        let count = state[0].count
        let buffers = state.map(GuardedBuffer.init)
        forShares(shares) { kernel(isa.kernels, count, buffers.map(\.pointer), $0) }
        for buffer in buffers { try buffer.checkGuards(description) }
        state = buffers.map(\.values)
    }

    /// The test of a kernel: all `cases` against the reference, the first and the last at large
    /// sizes too.
    static func checker(_ cases: [OptimizerCase]) -> @Sendable (KernelTable) throws -> Void {
        { isa in
            for (index, test) in cases.enumerated() {
                for count in sizes + (index == 0 || index == cases.count - 1 ? largeSizes : []) {
                    try test.check(count) { try test.run(isa, &$0) }
                }
            }
        }
    }

    static let all = sgd + adaGrad + rmsProp + adaDelta + adam + nAdam + rAdam + adamax
}

/// Below this, averages of gradients become zero; see update.h.
let momentLeast = 0x1p-100
/// The least average of squares.
let squareLeast = 0x1p-120

extension GradientRule {
    /// The rule in intervals.
    func interval(_ gradient: Interval, parameter: Interval) -> Interval {
        (scale * gradient).clamped(to: clipValue) + weightDecay * parameter
    }

    var cValue: recurrent_gradient_rule { .init(scale: scale, clip_value: clipValue) }

    /// None of its parts, each, and all.
    static let all = [
        GradientRule(), GradientRule(scale: 0.25), GradientRule(clipValue: 0.125),
        GradientRule(weightDecay: 0.01),
        GradientRule(scale: -3, clipValue: 0.5, weightDecay: 0.1),
    ]
}

/// decay · average + (1 - decay) · new, as the kernels do it.
func average(_ decay: Double, _ average: Interval, _ new: Interval) -> Interval {
    (average - (1 - decay) * average) + (1 - decay) * new
}
