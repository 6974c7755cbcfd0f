import CRecurrent
import RecurrentReference
import TestSupport

/// Parameters, gradient and moments: in Float for the kernels, in Double or with a bound of their
/// error for the reference.
typealias OptimizerState<Value> = [[Value]]

/// A rule of the reference that has a kernel.
protocol KernelRule: UpdateRule {
    /// The kernel's name in kernel_list.h.
    static var kernel: String { get }
    /// All choices of conventions.
    static var cases: [OptimizerCase] { get }
    /// Those of the cases that tests of many steps run.
    static var followed: [Int] { get }

    func run(_ call: KernelCall)
}

extension KernelRule {
    static var followed: [Int] { [0] }
}

/// What the kernel of a rule is called with, its hyperparameters aside.
struct KernelCall {
    let kernels: recurrent_kernels, count: Int
    let state: [UnsafeMutablePointer<Float>]
    /// t.
    let step: Int
    let partition: recurrent_partition

    var parameters: UnsafeMutablePointer<Float> { state[0] }
    var gradient: UnsafeMutablePointer<Float> { state[1] }
    func moment(_ index: Int) -> UnsafeMutablePointer<Float> { state[2 + index] }
}

/// One optimizer with one choice of conventions, in its step after `steps` others.
struct OptimizerCase: Sendable, CustomStringConvertible {
    let rule: any KernelRule, steps: Int
    var description: String { "\(rule), \(steps) steps before" }

    init(_ rule: some KernelRule, after steps: Int = 0) { (self.rule, self.steps) = (rule, steps) }

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
        state += rule.moments.map { _ in floats() }
        // Squares are above those of all means, so that there is a variance.
        let means = rule.moments.indices.filter { rule.moments[$0] == .mean }
        for (index, moment) in rule.moments.enumerated() where moment == .square {
            for n in 0..<count {
                state[2 + index][n] = means.reduce(state[2 + index][n] * state[2 + index][n]) {
                    $0 + 1.5 * state[2 + $1][n] * state[2 + $1][n]
                }
            }
        }
        return state
    }

    /// One update by the reference.
    func reference<S: Scalar>(_ state: inout OptimizerState<S>) {
        var (parameters, gradient) = (state[0], state[1])
        var moments = UpdateState(Array(state[2...]), steps: steps)
        rule.update(&parameters, &gradient, &moments)
        state = [parameters, gradient] + moments.moments
    }

    /// Throws unless `update` does to a state of `count` elements what the reference does.
    func check(_ count: Int, _ update: (inout OptimizerState<Float>) throws -> Void) throws {
        let before = state(count)
        var after = before
        var expected = before.map { $0.map { RunningError(Double($0)) } }
        try update(&after)
        reference(&expected)
        for index in after.indices {
            // As much for rounding the coefficients.
            try Comparer.check(
                "buffer \(index) of \(count), \(self)", after[index],
                expected[index].map(\.value),
                bounds: expected[index].map { index == 1 ? 0 : 2 * $0.error + 0x1p-149 })
        }
    }

    /// One update by the kernel, in `partitions` parts.
    func run(_ isa: KernelTable, partitions: Int = 1, _ state: inout OptimizerState<Float>) throws {
        let count = state[0].count
        let buffers = state.map(GuardedBuffer.init)
        forPartitions(partitions) {
            rule.run(
                KernelCall(
                    kernels: isa.kernels, count: count, state: buffers.map(\.pointer),
                    step: steps + 1, partition: $0))
        }
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

    static let tests: [String: @Sendable (KernelTable) throws -> Void] = Dictionary(
        uniqueKeysWithValues: rules.map { ($0.kernel, checker($0.cases)) })
    static let all = rules.flatMap { $0.cases }
    static let followed = rules.flatMap { rule in rule.followed.map { rule.cases[$0] } }
}

extension GradientRule {
    var cValue: recurrent_gradient_rule { .init(scale: scale, clip_value: clipValue) }

    /// None of its parts, each, and all.
    static let all = [
        GradientRule(), GradientRule(scale: 0.25), GradientRule(clipValue: 0.125),
        GradientRule(weightDecay: 0.01),
        GradientRule(scale: -3, clipValue: 0.5, weightDecay: 0.1),
    ]
}
