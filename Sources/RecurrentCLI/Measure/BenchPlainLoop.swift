import Foundation
import Recurrent

/// Parameters, their gradient and a rule's moments.
struct OptimizerBuffers {
    /// What a clip of the global norm might multiply the gradient by.
    static let scale = 0.5
    /// The first step that is timed, of those that RAdam rectifies; its number goes into the
    /// corrections of Adam and its kin only.
    static let step = 8

    private let blocks = Blocks()
    let count: Int
    /// Moments lie `momentStride` floats apart.
    let momentStride: Int
    private let source: UnsafeMutablePointer<Float>
    let parameters, gradient, moments: UnsafeMutablePointer<Float>
    private let momentCount: Int

    init(_ rule: Optimizer, _ count: Int) {
        var generator = SplitMix64(seed: 2)
        func floats() -> [Float] { (0..<count).map { _ in Float(0.2 * generator.unit() - 0.1) } }
        self.count = count
        momentCount = rule.momentCount
        momentStride = (count + 15) / 16 * 16
        parameters = blocks(floats())
        source = blocks(floats())
        gradient = blocks(count)
        moments = blocks(momentCount * momentStride)
    }

    /// The gradient that an update leaves at zero.
    func refill() { gradient.update(from: source, count: count) }

    var results: [(name: String, values: [Float])] {
        [("parameters", Array(UnsafeBufferPointer(start: parameters, count: count)))]
            + (0..<momentCount).map {
                (
                    "moment \($0)",
                    Array(UnsafeBufferPointer(start: moments + $0 * momentStride, count: count))
                )
            }
    }
}

/// Our update: one call for each partition.
final class OptimizerEngine {
    struct Call {
        let kernels: Kernels
        let rule: Optimizer
        let buffers: OptimizerBuffers
    }

    private let pool: Pool
    private let call: UnsafeMutablePointer<Call>
    var buffers: OptimizerBuffers { call.pointee.buffers }

    init(_ rule: Optimizer, _ count: Int, kernels: Kernels, threads: Int) {
        pool = Pool(threadCount: threads, isAdaptive: true) { context, _, partition in
            let call = context.assumingMemoryBound(to: Call.self).pointee
            let buffers = call.buffers
            call.kernels.update(
                call.rule, buffers.count, scale: OptimizerBuffers.scale,
                step: OptimizerBuffers.step,
                parameters: buffers.parameters, gradient: buffers.gradient,
                moments: buffers.moments,
                momentStride: buffers.momentStride, partition: partition)
        }
        call = .allocate(capacity: 1)
        call.initialize(
            to: Call(kernels: kernels, rule: rule, buffers: OptimizerBuffers(rule, count)))
    }

    deinit {
        pool.close()
        call.deinitialize(count: 1)
        call.deallocate()
    }

    func update() { pool.run(call, phase: 0) }
}

struct OptimizerWork: Work {
    /// The gradient is zero from the second update on, so that the averages decay: after this many
    /// they are far from subnormal.
    static let mostCalls = 64
    private let engine: OptimizerEngine

    init(_ rule: Optimizer, _ count: Int, kernels: Kernels, threads: Int) {
        engine = OptimizerEngine(rule, count, kernels: kernels, threads: threads)
    }

    func prepare() { engine.buffers.refill() }

    func run(calls: Int) {
        for _ in 0..<calls { engine.update() }
    }

    func results() -> [(name: String, values: [Float])] { engine.buffers.results }
}

/// The textbook's update as a loop over arrays.
struct PlainLoopWork: Work {
    static let mostCalls = OptimizerWork.mostCalls
    private let rule: any PlainRule
    private let rate: Float
    private let buffers: OptimizerBuffers

    /// Nil for a rule without a loop.
    init?(_ rule: Optimizer, _ count: Int) {
        guard let plain = rule.anyRule as? any PlainRule else { return nil }
        (self.rule, rate) = (plain, Float(rule.learningRate))
        buffers = OptimizerBuffers(rule, count)
    }

    func prepare() { buffers.refill() }

    func run(calls: Int) {
        let at = PlainLoop(
            p: buffers.parameters, g: buffers.gradient, first: buffers.moments,
            second: buffers.moments + buffers.momentStride,
            third: buffers.moments + 2 * buffers.momentStride, count: buffers.count,
            scale: Float(OptimizerBuffers.scale), rate: rate)
        for _ in 0..<calls { rule.update(at) }
    }

    func results() -> [(name: String, values: [Float])] { buffers.results }
}

/// A rule that has such a loop, as `Optimizer.named` makes it: with the default conventions.
private protocol PlainRule {
    func update(_ at: PlainLoop)
}

/// What a loop goes over.
private struct PlainLoop {
    let p, g, first, second, third: UnsafeMutablePointer<Float>
    let count: Int
    let scale, rate: Float
}

extension SGD: PlainRule {
    fileprivate func update(_ at: PlainLoop) {
        if momentum == 0 {
            for k in 0..<at.count {
                at.p[k] -= at.rate * (at.scale * at.g[k])
                at.g[k] = 0
            }
            return
        }
        let momentum = Float(self.momentum)
        for k in 0..<at.count {
            let gradient = at.scale * at.g[k]
            at.first[k] = momentum * at.first[k] + gradient
            at.p[k] -=
                at.rate
                * (self.nesterov && !self.lookAhead
                    ? gradient + momentum * at.first[k] : at.first[k])
            at.g[k] = 0
        }
    }
}

extension AdaGrad: PlainRule {
    fileprivate func update(_ at: PlainLoop) {
        let epsilon = Float(self.epsilon)
        for k in 0..<at.count {
            let gradient = at.scale * at.g[k]
            at.first[k] += gradient * gradient
            at.p[k] -= at.rate * gradient / (at.first[k].squareRoot() + epsilon)
            at.g[k] = 0
        }
    }
}

extension RMSProp: PlainRule {
    fileprivate func update(_ at: PlainLoop) {
        let (decay, rest, epsilon) = (
            Float(self.decay), Float(1 - self.decay), Float(self.epsilon)
        )
        for k in 0..<at.count {
            let gradient = at.scale * at.g[k]
            at.first[k] = decay * at.first[k] + rest * gradient * gradient
            at.p[k] -= at.rate * gradient / (at.first[k].squareRoot() + epsilon)
            at.g[k] = 0
        }
    }
}

extension AdaDelta: PlainRule {
    fileprivate func update(_ at: PlainLoop) {
        let (decay, rest, epsilon) = (
            Float(self.decay), Float(1 - self.decay), Float(self.epsilon)
        )
        for k in 0..<at.count {
            let gradient = at.scale * at.g[k]
            at.first[k] = decay * at.first[k] + rest * gradient * gradient
            let step = ((at.second[k] + epsilon) / (at.first[k] + epsilon)).squareRoot() * gradient
            at.second[k] = decay * at.second[k] + rest * step * step
            at.p[k] -= at.rate * step
            at.g[k] = 0
        }
    }
}

extension NAdam: PlainRule {
    fileprivate func update(_ at: PlainLoop) {
        let (beta1, rest1, beta2, rest2) = (
            Float(self.beta1), Float(1 - self.beta1), Float(self.beta2),
            Float(1 - self.beta2)
        )
        func momentum(_ step: Int) -> Double {
            self.beta1 * (1 - pow(0.96, Double(step) * self.momentumDecay) / 2)
        }
        let (now, next) = (
            momentum(OptimizerBuffers.step), momentum(OptimizerBuffers.step + 1)
        )
        let product = (1...OptimizerBuffers.step).reduce(1.0) { $0 * momentum($1) }
        let power2 = pow(self.beta2, Double(OptimizerBuffers.step))
        let (corrected2, epsilon) = (Float(1 / (1 - power2)), Float(self.epsilon))
        let (ofGradient, ofFirst) = (
            Float((1 - now) / (1 - product)), Float(next / (1 - product * next))
        )
        for k in 0..<at.count {
            let gradient = at.scale * at.g[k]
            at.first[k] = beta1 * at.first[k] + rest1 * gradient
            at.second[k] = beta2 * at.second[k] + rest2 * gradient * gradient
            at.p[k] -=
                at.rate * (ofGradient * gradient + ofFirst * at.first[k])
                / ((at.second[k] * corrected2).squareRoot() + epsilon)
            at.g[k] = 0
        }
    }
}

extension RAdam: PlainRule {
    fileprivate func update(_ at: PlainLoop) {
        let (beta1, rest1, beta2, rest2) = (
            Float(self.beta1), Float(1 - self.beta1), Float(self.beta2),
            Float(1 - self.beta2)
        )
        let step = Double(OptimizerBuffers.step)
        let (power1, power2) = (pow(self.beta1, step), pow(self.beta2, step))
        let most = 2 / (1 - self.beta2) - 1
        let length = most - 2 * step * power2 / (1 - power2)
        let squared =
            (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
        let adapted = Float(
            length > 5 ? (squared * (1 - power2)).squareRoot() / (1 - power1) : 0)
        let (corrected1, epsilon) = (Float(1 / (1 - power1)), Float(self.epsilon))
        for k in 0..<at.count {
            let gradient = at.scale * at.g[k]
            at.first[k] = beta1 * at.first[k] + rest1 * gradient
            at.second[k] = beta2 * at.second[k] + rest2 * gradient * gradient
            at.p[k] -=
                adapted > 0
                ? at.rate * adapted * at.first[k] / (at.second[k].squareRoot() + epsilon)
                : at.rate * corrected1 * at.first[k]
            at.g[k] = 0
        }
    }
}

extension Adamax: PlainRule {
    fileprivate func update(_ at: PlainLoop) {
        let (beta1, rest1, beta2, epsilon) = (
            Float(self.beta1), Float(1 - self.beta1), Float(self.beta2),
            Float(self.epsilon)
        )
        let corrected1 = Float(1 / (1 - pow(self.beta1, Double(OptimizerBuffers.step))))
        for k in 0..<at.count {
            let gradient = at.scale * at.g[k]
            at.first[k] = beta1 * at.first[k] + rest1 * gradient
            at.second[k] = max(beta2 * at.second[k], gradient.magnitude + epsilon)
            at.p[k] -= at.rate * corrected1 * at.first[k] / at.second[k]
            at.g[k] = 0
        }
    }
}

extension Adam: PlainRule {
    fileprivate func update(_ at: PlainLoop) {
        let (beta1, rest1, beta2, rest2) = (
            Float(self.beta1), Float(1 - self.beta1), Float(self.beta2), Float(1 - self.beta2)
        )
        let power1 = (0..<OptimizerBuffers.step).reduce(1.0) { power, _ in power * self.beta1 }
        let power2 = (0..<OptimizerBuffers.step).reduce(1.0) { power, _ in power * self.beta2 }
        let (corrected1, corrected2, epsilon) = (
            Float(1 / (1 - power1)), Float(1 / (1 - power2)), Float(self.epsilon)
        )
        let kept = Float(1 - self.learningRate * self.weightDecay)
        for k in 0..<at.count {
            let gradient = at.scale * at.g[k]
            at.first[k] = beta1 * at.first[k] + rest1 * gradient
            at.second[k] = beta2 * at.second[k] + rest2 * gradient * gradient
            var square = at.second[k]
            if self.amsgrad {
                square = max(at.third[k], square)
                at.third[k] = square
            }
            at.p[k] =
                kept * at.p[k] - at.rate * (at.first[k] * corrected1)
                / ((square * corrected2).squareRoot() + epsilon)
            at.g[k] = 0
        }
    }
}
