import Foundation
import Recurrent
import RecurrentFormats
import TestSupport
import Testing

@Suite struct LossTests {
    private static let ofValues = [
        ModelShape.Loss.meanSquaredError, .meanAbsoluteError, .huber(delta: 0.75),
        .binaryCrossEntropy,
    ]

    /// The mean loss of all rows, and its gradient, by the kernel of this loss.
    private func run(_ loss: ModelShape.Loss, _ file: Safetensors, _ kernels: Kernels) throws -> (
        loss: Double, gradient: [Float]
    ) {
        let isBinary = loss == .binaryCrossEntropy
        let hasLogits = isBinary || loss == .crossEntropy
        let outputs = try file.tensor(named: hasLogits ? "logits" : "y")
        let targets = try file.tensor(named: isBinary ? "probabilities" : "values").values
        let shape = RowsShape(rows: outputs.shape[0], units: outputs.shape[1])
        let scale = 1 / Float(shape.rows)
        func padded(_ floats: [Float]) -> [Float] { shape.pack(floats) }
        var (y, losses) = (padded(outputs.values), [Float](repeating: .nan, count: shape.rows))
        var x = y
        switch loss {
        case .crossEntropy:
            let classes = try file.tensor(named: "classes").values.map { Int32($0) }
            kernels.softmaxCrossEntropy(
                shape, logits: x, targets: classes, scale: scale, losses: &losses,
                logitsGradient: &y)
        case .meanSquaredError:
            kernels.meanSquaredError(
                shape, y: x, targets: padded(targets), valid: nil, scale: scale, losses: &losses,
                outputGradient: &y)
        case .meanAbsoluteError:
            kernels.meanAbsoluteError(
                shape, y: x, targets: padded(targets), valid: nil, scale: scale, losses: &losses,
                outputGradient: &y)
        case .huber(let delta):
            kernels.huberLoss(
                shape, y: x, targets: padded(targets), valid: nil, delta: delta, scale: scale,
                losses: &losses, outputGradient: &y)
        case .binaryCrossEntropy:
            kernels.binaryCrossEntropy(
                shape, logits: x, targets: padded(targets), valid: nil, scale: scale,
                losses: &losses, logitsGradient: &y)
        }
        x = shape.unpack(y.span)
        return (kernels.sumLosses(shape.rows, losses: losses) / Double(shape.rows), x)
    }

    /// torch.nn.MSELoss, L1Loss, HuberLoss, BCEWithLogitsLoss and CrossEntropyLoss:
    /// Tests/Golden/make_losses.py.
    @Test(arguments: ISA.available, ofValues + [.crossEntropy]) func agreesWithPyTorch(
        isa: ISA, loss: ModelShape.Loss
    ) throws {
        let file = try Safetensors(
            try readFile(PyTorchTrainingTests.golden.appending(path: "losses.safetensors").path))
        let (mean, gradient) = try run(loss, file, try Kernels(isa: isa))
        let expected = try file.tensor(named: loss.name + ".loss").values[0]
        let slopes = try file.tensor(named: loss.name + ".gradient").values
        #expect(abs(mean - Double(expected)) <= 3e-7 * Double(expected))
        // Each of 114 outputs has a share of the mean; where σ and its target cancel, both have
        // their error.
        try Comparer.check(
            "gradient", gradient, slopes.map(Double.init), absolute: 2e-7 / 114, relative: 1e-6)
    }

    // MARK: Training

    private let batch = 3, steps = 6
    private var values: [Float] { (0..<18).map { Float($0 * $0 % 5) / 5 } }
    /// The sum with the value before it exceeds a half, or not.
    private var targets: [Float] {
        values.enumerated().map { index, value in
            value + (index < batch ? 0 : values[index - batch]) > 0.5 ? 1 : 0
        }
    }

    private func model(_ loss: ModelShape.Loss) -> Model {
        Model(
            ModelShape(input: .values(size: 1), layers: [.lstm(17)], outputSize: 1, loss: loss),
            seed: 2)
    }

    @Test(arguments: ofValues) func smallModelLearns(loss: ModelShape.Loss) {
        var trainer = Trainer(
            model(loss), optimizer: .adam(Adam(learningRate: 0.02)), batch: batch, steps: steps)
        var losses: [Double] = []
        let before = trainer.evaluate(values: values.span, targets: targets.span)
        for _ in 0..<300 {
            trainer.resetState()
            losses.append(trainer.step(values: values.span, targets: targets.span).loss)
        }
        #expect(losses[0] == before.loss && before.count == 18)
        #expect(losses.last! < losses[0] / 20, "\(losses[0]) → \(losses.last!)")
    }

    /// What the trainer reports is the loss of the model's outputs.
    @Test(arguments: ofValues) func reportsTheLossOfTheOutputs(loss: ModelShape.Loss) {
        let model = model(loss)
        var expected = 0.0
        for sequence in 0..<batch {
            var state = ModelState(model)
            for step in 0..<steps {
                let row = step * batch + sequence
                let target = Double(targets[row])
                model.step(values: [values[row]].span, state: &state)
                let y = state.withOutput { Double($0[0]) }
                let error = abs(y - target)
                switch loss {
                case .meanSquaredError: expected += error * error / 18
                case .meanAbsoluteError: expected += error / 18
                case .huber(let delta):
                    let delta = Double(delta)
                    expected +=
                        (error <= delta ? error * error / 2 : delta * (error - delta / 2)) / 18
                case .binaryCrossEntropy: expected += log(1 + exp(target == 1 ? -y : y)) / 18
                case .crossEntropy: Issue.record("not of values")
                }
            }
        }
        var trainer = Trainer(model, optimizer: .sgd(SGD()), batch: batch, steps: steps)
        #expect(
            abs(trainer.evaluate(values: values.span, targets: targets.span).loss - expected)
                <= 1e-6 * expected)
    }

    // MARK: Files

    @Test(arguments: ofValues + [.crossEntropy, .huber(delta: 0.1), .huber(delta: 1e-30)])
    func filesKeepTheLoss(loss: ModelShape.Loss) throws {
        let folder = try TemporaryFolder()
        let path = folder.path("model.safetensors")
        let model = model(loss)
        try model.save(to: path)
        let read = try Model(contentsOf: path)
        #expect(read.shape == model.shape && read.metadata == model.metadata)
    }

    @Test(arguments: [
        (
            ["recurrent.loss": "hinge"],
            """
            expected a loss of crossEntropy, meanSquaredError, meanAbsoluteError, \
            binaryCrossEntropy or huber, found hinge
            """
        ),
        (["recurrent.loss": "huber"], "expected a positive recurrent.delta, found none"),
        (
            ["recurrent.loss": "huber", "recurrent.delta": "0"],
            "expected a positive recurrent.delta, found 0"
        ),
        (
            ["recurrent.loss": "huber", "recurrent.delta": "inf"],
            "expected a positive recurrent.delta, found inf"
        ),
        (
            ["recurrent.loss": "huber", "recurrent.delta": "nan"],
            "expected a positive recurrent.delta, found nan"
        ),
    ]) func refusesOtherLosses(metadata: [String: String], message: String) throws {
        let folder = try TemporaryFolder()
        let path = folder.path("model.safetensors")
        try model(.meanSquaredError).save(to: path)
        let file = try Safetensors(try readFile(path))
        try writeFile(
            path,
            Safetensors.encode(
                try file.entries.map { try file.tensor(named: $0.name) }, metadata: metadata))
        let error = #expect(throws: ModelFileError.self) { _ = try Model(contentsOf: path) }
        #expect(error?.description.hasSuffix(message) == true, "\(error?.description ?? "")")
    }

    @Test func wrongUseTraps() async {
        await #expect(processExitsWith: .failure) {
            _ = ModelShape(
                input: .values(size: 1), layers: [.lstm(3)], outputSize: 2, loss: .huber(delta: 0))
        }
        await #expect(processExitsWith: .failure) {
            _ = ModelShape(
                input: .values(size: 1), layers: [.lstm(3)], outputSize: 2,
                loss: .huber(delta: .infinity))
        }
        await #expect(processExitsWith: .failure) {
            let shape = ModelShape(
                input: .values(size: 1), layers: [.lstm(3)], outputSize: 1,
                loss: .binaryCrossEntropy)
            var trainer = Trainer(Model(shape, seed: 1), optimizer: .sgd(SGD()), batch: 1, steps: 2)
            _ = trainer.step(values: ([0, 1] as [Float]).span, targets: ([0, 1] as [Int32]).span)
        }
    }
}
