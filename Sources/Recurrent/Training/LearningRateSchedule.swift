/// How the learning rate changes from update to update: a function of the number of updates done,
/// and of nothing else, so that a training that was cut off goes on as if it had not been.
///
///     trainer.learningRate = 0.002 * schedule.factor(step)
///
/// The same bits on every machine: only operations that IEEE 754 rounds exactly are used. Most
/// follow the classes of the same name in `torch.optim.lr_scheduler`; their final rates are given
/// here as parts of the first one.
public indirect enum LearningRateSchedule: Hashable, Sendable {
    /// 1
    case constant
    /// γ^⌊t / s⌋: PyTorch's StepLR.
    case steps(every: Int, factor: Double)
    /// γ^t: PyTorch's ExponentialLR.
    case exponential(factor: Double)
    /// 1 / (1 + k t)
    case inverseTime(decay: Double)
    /// From `first` to `last` in so many steps, then `last`: PyTorch's LinearLR.
    case linear(from: Double, to: Double, steps: Int)
    /// Half a period of a cosine from 1 to `last` in so many steps, then `last`: Loshchilov and
    /// Hutter 2017, equation 5; PyTorch's CosineAnnealingLR up to there.
    case cosine(steps: Int, last: Double)
    /// The same again and again, each period `growth` times as long as the one before it: PyTorch's
    /// CosineAnnealingWarmRestarts.
    case cosineWithRestarts(steps: Int, growth: Int, last: Double)
    /// From `first` up to 1 in `rise` × `steps`, then down to `last`, each half a period of a
    /// cosine: Smith and Topin 2018; PyTorch's OneCycleLR, whose first rate is 1/25 of the highest
    /// and whose last is 1/250,000.
    case oneCycle(
        steps: Int, rise: Double = 0.3, first: Double = 1.0 / 25, last: Double = 1.0 / 250_000)
    /// Up to another schedule's first factor in equal parts, (t + 1) / (steps + 1) of it, then that
    /// schedule from its beginning.
    case warmUp(steps: Int, then: LearningRateSchedule)

    /// What the learning rate is multiplied by in update `step`, counted from 0.
    ///
    /// - Precondition: step ≥ 0, and every number of steps is positive.
    public func factor(_ step: Int) -> Double {
        require(step >= 0, "schedule: expected step ≥ 0, found \(step)")
        let t = Double(step)
        switch self {
        case .constant: return 1
        case .steps(let every, let factor):
            check(every)
            return integerPower(factor, step / every)
        case .exponential(let factor): return integerPower(factor, step)
        case .inverseTime(let decay): return 1 / (1 + decay * t)
        case .linear(let first, let last, let steps):
            check(steps)
            return first + (last - first) * min(t / Double(steps), 1)
        case .cosine(let steps, let last):
            check(steps)
            return Self.halfCosine(from: 1, to: last, min(t / Double(steps), 1))
        case .cosineWithRestarts(let steps, let growth, let last):
            check(steps, growth)
            var period = steps
            var begin = 0
            if growth == 1 {
                begin = step / period * period
            } else {
                while step - begin >= period {
                    begin += period
                    let (longer, overflow) = period.multipliedReportingOverflow(by: growth)
                    period = overflow ? .max : longer
                }
            }
            return Self.halfCosine(from: 1, to: last, Double(step - begin) / Double(period))
        case .oneCycle(let steps, let rise, let first, let last):
            check(steps)
            let top = rise * Double(steps) - 1
            let end = Double(steps - 1)
            if t <= top { return Self.halfCosine(from: first, to: 1, t / top) }
            return Self.halfCosine(
                from: 1, to: last, end > top ? min((t - top) / (end - top), 1) : 1)
        case .warmUp(let steps, let then):
            check(steps)
            return step < steps
                ? (Double(step) + 1) / (Double(steps) + 1) * then.factor(0)
                : then.factor(step - steps)
        }
    }

    /// last + (first - last) (1 + cos π part) / 2, for 0 ≤ part ≤ 1.
    private static func halfCosine(from first: Double, to last: Double, _ part: Double) -> Double {
        // Rounding must not make a rate that falls to zero negative.
        last + (first - last) * (1 + min(max(sine(Double.pi * (0.5 - part)), -1), 1)) / 2
    }

    private func check(_ counts: Int...) {
        require(
            counts.allSatisfy { $0 > 0 },
            "schedule: expected positive numbers of steps, found \(counts)")
    }
}

/// The learning rate goes down when the development error no longer does: PyTorch's
/// ReduceLROnPlateau with an absolute threshold.
public struct PlateauSchedule: Hashable, Codable, Sendable {
    /// What the rate is multiplied by each time: a half by default.
    public let factor: Double
    /// Errors in a row without improvement that are waited for.
    public let patience: Int
    /// How much lower an error must be to count as one.
    public let threshold: Double
    /// The product of the factors so far.
    public private(set) var current = 1.0
    private var best = Double.infinity
    private var worse = 0

    /// - Precondition: 0 < factor < 1, patience ≥ 0, threshold ≥ 0.
    public init(factor: Double = 0.5, patience: Int = 0, threshold: Double = 0) {
        require(
            factor > 0 && factor < 1 && patience >= 0 && threshold >= 0,
            """
            plateau: expected a factor between 0 and 1, patience and threshold of at least 0, \
            found \(factor), \(patience), \(threshold)
            """
        )
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
    }

    /// Whether this can have become of `first`, a schedule at its beginning.
    package func isPossible(since first: PlateauSchedule) -> Bool {
        factor == first.factor && patience == first.patience && threshold == first.threshold
            && current > 0 && current <= 1
            && !best.isNaN && 0...patience ~= worse
    }

    /// Takes the development error of an epoch, and returns what the first learning rate is
    /// multiplied by from now on.
    @discardableResult
    public mutating func update(error: Double) -> Double {
        if error < best - threshold {
            best = error
            worse = 0
        } else {
            worse += 1
        }
        if worse > patience {
            current *= factor
            worse = 0
        }
        return current
    }
}

/// μ of Nesterov's momentum in update `step`, counted from 0: min(1 - 2^(-1 - log2(⌊t / 250⌋ + 1)),
/// most), where the power is 1 / (2 ⌊t / 250⌋ + 2). Sutskever, Martens, Dahl and Hinton 2013,
/// section 3.
///
/// - Precondition: step ≥ 0.
public func momentumSchedule(_ step: Int, most: Double) -> Double {
    require(step >= 0, "momentum schedule: expected step ≥ 0, found \(step)")
    return min(1 - 1 / Double(2 * (step / 250) + 2), most)
}
