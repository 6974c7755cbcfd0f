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

/// Our update: one call for each share.
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
        pool = Pool(threadCount: threads, isAdaptive: true) { context, _, share in
            let call = context.assumingMemoryBound(to: Call.self).pointee
            let buffers = call.buffers
            call.kernels.update(
                call.rule, buffers.count, scale: OptimizerBuffers.scale,
                step: OptimizerBuffers.step,
                parameters: buffers.parameters, gradient: buffers.gradient,
                moments: buffers.moments,
                momentStride: buffers.momentStride, share: share)
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
    private let rule: Optimizer
    private let buffers: OptimizerBuffers

    init(_ rule: Optimizer, _ count: Int) {
        self.rule = rule
        buffers = OptimizerBuffers(rule, count)
    }

    func prepare() { buffers.refill() }

    func run(calls: Int) {
        for _ in 0..<calls { PlainLoop.update(rule, buffers) }
    }

    func results() -> [(name: String, values: [Float])] { buffers.results }
}

/// The rules as `Optimizer.named` makes them: their conventions are the default ones.
enum PlainLoop {
    static func update(_ rule: Optimizer, _ buffers: OptimizerBuffers) {
        let (p, g, first, second, third) = (
            buffers.parameters, buffers.gradient, buffers.moments,
            buffers.moments + buffers.momentStride,
            buffers.moments + 2 * buffers.momentStride
        )
        let (count, scale, rate) = (
            buffers.count, Float(OptimizerBuffers.scale), Float(rule.learningRate)
        )
        switch rule {
        case .sgd(let sgd) where sgd.momentum == 0:
            for k in 0..<count {
                p[k] -= rate * (scale * g[k])
                g[k] = 0
            }
        case .sgd(let sgd):
            let momentum = Float(sgd.momentum)
            for k in 0..<count {
                let gradient = scale * g[k]
                first[k] = momentum * first[k] + gradient
                p[k] -= rate * (sgd.nesterov ? gradient + momentum * first[k] : first[k])
                g[k] = 0
            }
        case .adaGrad(let adaGrad):
            let epsilon = Float(adaGrad.epsilon)
            for k in 0..<count {
                let gradient = scale * g[k]
                first[k] += gradient * gradient
                p[k] -= rate * gradient / (first[k].squareRoot() + epsilon)
                g[k] = 0
            }
        case .rmsProp(let rmsProp):
            let (decay, rest, epsilon) = (
                Float(rmsProp.decay), Float(1 - rmsProp.decay), Float(rmsProp.epsilon)
            )
            for k in 0..<count {
                let gradient = scale * g[k]
                first[k] = decay * first[k] + rest * gradient * gradient
                p[k] -= rate * gradient / (first[k].squareRoot() + epsilon)
                g[k] = 0
            }
        case .adaDelta(let adaDelta):
            let (decay, rest, epsilon) = (
                Float(adaDelta.decay), Float(1 - adaDelta.decay), Float(adaDelta.epsilon)
            )
            for k in 0..<count {
                let gradient = scale * g[k]
                first[k] = decay * first[k] + rest * gradient * gradient
                let step = ((second[k] + epsilon) / (first[k] + epsilon)).squareRoot() * gradient
                second[k] = decay * second[k] + rest * step * step
                p[k] -= rate * step
                g[k] = 0
            }
        case .nAdam(let nAdam):
            let (beta1, rest1, beta2, rest2) = (
                Float(nAdam.beta1), Float(1 - nAdam.beta1), Float(nAdam.beta2),
                Float(1 - nAdam.beta2)
            )
            func momentum(_ step: Int) -> Double {
                nAdam.beta1 * (1 - pow(0.96, Double(step) * nAdam.momentumDecay) / 2)
            }
            let (now, next) = (
                momentum(OptimizerBuffers.step), momentum(OptimizerBuffers.step + 1)
            )
            let product = (1...OptimizerBuffers.step).reduce(1.0) { $0 * momentum($1) }
            let power2 = pow(nAdam.beta2, Double(OptimizerBuffers.step))
            let (corrected2, epsilon) = (Float(1 / (1 - power2)), Float(nAdam.epsilon))
            let (ofGradient, ofFirst) = (
                Float((1 - now) / (1 - product)), Float(next / (1 - product * next))
            )
            for k in 0..<count {
                let gradient = scale * g[k]
                first[k] = beta1 * first[k] + rest1 * gradient
                second[k] = beta2 * second[k] + rest2 * gradient * gradient
                p[k] -=
                    rate * (ofGradient * gradient + ofFirst * first[k])
                    / ((second[k] * corrected2).squareRoot() + epsilon)
                g[k] = 0
            }
        case .rAdam(let rAdam):
            let (beta1, rest1, beta2, rest2) = (
                Float(rAdam.beta1), Float(1 - rAdam.beta1), Float(rAdam.beta2),
                Float(1 - rAdam.beta2)
            )
            let step = Double(OptimizerBuffers.step)
            let (power1, power2) = (pow(rAdam.beta1, step), pow(rAdam.beta2, step))
            let most = 2 / (1 - rAdam.beta2) - 1
            let length = most - 2 * step * power2 / (1 - power2)
            let squared =
                (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
            let adapted = Float(
                length > 5 ? (squared * (1 - power2)).squareRoot() / (1 - power1) : 0)
            let (corrected1, epsilon) = (Float(1 / (1 - power1)), Float(rAdam.epsilon))
            for k in 0..<count {
                let gradient = scale * g[k]
                first[k] = beta1 * first[k] + rest1 * gradient
                second[k] = beta2 * second[k] + rest2 * gradient * gradient
                p[k] -=
                    adapted > 0
                    ? rate * adapted * first[k] / (second[k].squareRoot() + epsilon)
                    : rate * corrected1 * first[k]
                g[k] = 0
            }
        case .adamax(let adamax):
            let (beta1, rest1, beta2, epsilon) = (
                Float(adamax.beta1), Float(1 - adamax.beta1), Float(adamax.beta2),
                Float(adamax.epsilon)
            )
            let corrected1 = Float(1 / (1 - pow(adamax.beta1, Double(OptimizerBuffers.step))))
            for k in 0..<count {
                let gradient = scale * g[k]
                first[k] = beta1 * first[k] + rest1 * gradient
                second[k] = max(beta2 * second[k], gradient.magnitude + epsilon)
                p[k] -= rate * corrected1 * first[k] / second[k]
                g[k] = 0
            }
        case .adam(let adam):
            let (beta1, rest1, beta2, rest2) = (
                Float(adam.beta1), Float(1 - adam.beta1), Float(adam.beta2), Float(1 - adam.beta2)
            )
            let power1 = (0..<OptimizerBuffers.step).reduce(1.0) { power, _ in power * adam.beta1 }
            let power2 = (0..<OptimizerBuffers.step).reduce(1.0) { power, _ in power * adam.beta2 }
            let (corrected1, corrected2, epsilon) = (
                Float(1 / (1 - power1)), Float(1 / (1 - power2)), Float(adam.epsilon)
            )
            let kept = Float(1 - adam.learningRate * adam.weightDecay)
            for k in 0..<count {
                let gradient = scale * g[k]
                first[k] = beta1 * first[k] + rest1 * gradient
                second[k] = beta2 * second[k] + rest2 * gradient * gradient
                var square = second[k]
                if adam.amsgrad {
                    square = max(third[k], square)
                    third[k] = square
                }
                p[k] =
                    kept * p[k] - rate * (first[k] * corrected1)
                    / ((square * corrected2).squareRoot() + epsilon)
                g[k] = 0
            }
        }
    }

    /// The operations per parameter of the rule's equations in kernel_list.h, one for each sign,
    /// root and maximum.
    static func operations(_ rule: Optimizer) -> Int {
        switch rule {
        case .sgd(let sgd): sgd.momentum == 0 ? 3 : sgd.nesterov ? 7 : 5
        case .adaGrad: 8
        case .rmsProp: 10
        case .adaDelta: 16
        case .nAdam: 18
        case .rAdam: 14
        case .adamax: 10
        case .adam(let adam): 15 + (adam.decoupled ? 1 : 0) + (adam.amsgrad ? 1 : 0)
        }
    }
}
