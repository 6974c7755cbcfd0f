import Foundation
import Recurrent
import Testing

/// 100 training steps from the same initial weights on the same batches as PyTorch in float64: see
/// Tests/Golden/training.py.
@Suite struct PyTorchTrainingTests {
    static let golden = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Golden")

    /// The optimizers of the script, with its settings.
    static let optimizers: [(name: String, rule: Optimizer)] = [
        ("sgd", .sgd(SGD(learningRate: 3))),
        ("momentum", .sgd(SGD(learningRate: 0.5, momentum: 0.9))),
        ("nesterov", .sgd(SGD(learningRate: 0.5, momentum: 0.9, nesterov: true))),
        ("adagrad", .adaGrad(AdaGrad(learningRate: 0.05))),
        ("rmsprop", .rmsProp(RMSProp(learningRate: 0.002))),
        ("adadelta", .adaDelta(AdaDelta())),
        ("adam", .adam(Adam(learningRate: 0.003))),
        ("adamw", .adam(Adam(learningRate: 0.003, weightDecay: 0.01, decoupled: true))),
        ("amsgrad", .adam(Adam(learningRate: 0.003, amsgrad: true))),
        ("nadam", .nAdam(NAdam(learningRate: 0.003))),
        ("radam", .rAdam(RAdam(learningRate: 0.003))),
        ("adamax", .adamax(Adamax(learningRate: 0.005))),
    ]

    @Test(arguments: optimizers.map(\.name))
    func followsFloat64Losses(name: String) throws {
        let (batch, steps, vocabulary) = (4, 12, 23)
        let rule = try #require(Self.optimizers.first { $0.name == name }).rule
        let json = try Data(contentsOf: Self.golden.appending(path: "training.json"))
        let expected = try #require(
            try JSONDecoder().decode([String: [[Double]]].self, from: json)[name])
        let model = try Model(contentsOf: Self.golden.appending(path: "training.safetensors").path)
        var trainer = Trainer(
            model, optimizer: rule, batch: batch, steps: steps, initialState: .carried,
            clip: GradientClip(norm: 0.1))
        func tokens(from first: Int) -> [Int32] {
            (first..<first + steps).flatMap { row in
                (0..<batch).map { Int32((row * row + 5 * row / 3 + 7 * $0) % vocabulary) }
            }
        }
        for (update, values) in expected.enumerated() {
            let tokens = (tokens(from: update * steps), tokens(from: update * steps + 1))
            let step = trainer.step(tokens: tokens.0.span, targets: tokens.1.span)
            #expect(abs(step.loss - values[0]) <= 1e-5 * values[0], "loss of step \(update)")
            // Later norms may differ more than the losses: AdaGrad and its like divide gradients
            // near zero by their own size.
            if update == 0 {
                #expect(
                    abs(step.gradientNorm - values[1]) <= 1e-6 * values[1],
                    "gradient norm of the first step")
            }
        }
    }
}
