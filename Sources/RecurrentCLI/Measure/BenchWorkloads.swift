import CLimits
import Recurrent

/// The measurements, each of one workload.
extension BenchReport {
    static func step(
        _ shape: LSTMShape, _ weights: WeightFormat, _ settings: BenchSettings,
        _ limits: HardwareLimits
    ) throws(Failure) -> BenchReport {
        let data = LSTMData(shape)
        var report = BenchReport(
            lstm: "step", shape, withSteps: false, passes: 1, floor: limits.step(shape, weights),
            limits)
        var before = recurrent_pin()
        defer { recurrent_unpin(&before) }
        let peer = weights == .float32 ? OpenBLASBuild.step(data, threads: 1) : nil
        try report.measure(
            LSTMStepWork(data, weights, kernels: settings.kernels), against: peer,
            OpenBLASBuild.peer, settings)
        return report
    }

    static func sequence(_ shape: LSTMShape, _ settings: BenchSettings, _ limits: HardwareLimits)
        throws(Failure) -> BenchReport
    {
        let data = LSTMData(shape)
        let ours = LSTMSequenceWork(
            engine: LSTMEngine(
                data, kernels: settings.kernels, threads: settings.threads, training: false))
        var report = BenchReport(
            lstm: "sequence", shape, withSteps: true, passes: 1,
            floor: limits.sequence(shape, training: false), limits)
        try report.measure(
            ours, against: OpenBLASBuild.sequence(data, threads: settings.threads),
            OpenBLASBuild.peer, settings)
        return report
    }

    static func training(_ shape: LSTMShape, _ settings: BenchSettings, _ limits: HardwareLimits)
        throws(Failure) -> BenchReport
    {
        let data = LSTMData(shape)
        let ours = LSTMTrainingWork(
            engine: LSTMEngine(
                data, kernels: settings.kernels, threads: settings.threads, training: true))
        // The backward pass has two products for each one of the forward pass.
        var report = BenchReport(
            lstm: "train", shape, withSteps: true, passes: 3,
            floor: limits.sequence(shape, training: true), limits)
        try report.measure(
            ours, against: OpenBLASBuild.training(data, threads: settings.threads),
            OpenBLASBuild.peer, settings)
        return report
    }

    static func optimizer(
        _ name: String, _ rule: Optimizer, _ count: Int, _ settings: BenchSettings,
        _ limits: HardwareLimits
    ) throws(Failure) -> BenchReport {
        var report = BenchReport(
            name: "optimizer", sizes: [("parameters", count)],
            flops: Double(rule.operations * count),
            floor: limits.optimizer(count, momentCount: rule.momentCount), limits: limits,
            optimizer: name)
        // Parameters, gradient and moments are read and written once.
        report.bytes = Double((2 + rule.momentCount) * 2 * MemoryLayout<Float>.size * count)
        try report.measure(
            OptimizerWork(rule, count, kernels: settings.kernels, threads: settings.threads),
            against: PlainLoopWork(rule, count),
            Peer(key: "loop", name: "plain Swift loop, 1 thread"), settings)
        return report
    }

    private init(
        lstm name: String, _ shape: LSTMShape, withSteps: Bool, passes: Double, floor: Double,
        _ limits: HardwareLimits
    ) {
        let sizes =
            [("input", shape.inputSize), ("hidden", shape.hiddenSize), ("batch", shape.batch)]
            + (withSteps ? [("steps", shape.steps)] : [])
        self.init(
            name: name, sizes: sizes, flops: passes * forwardFlops(shape), floor: floor,
            limits: limits)
    }
}
