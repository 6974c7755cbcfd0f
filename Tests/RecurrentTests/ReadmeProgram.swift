import Foundation
import Recurrent

func learnAndPredict() throws -> (before: Float, after: Float) {
    // One value in, 24 hidden units, one value out; the same seed gives the same model on every
    // machine.
    let shape = ModelShape(
        input: .values(size: 1), layers: [.lstm(24)], outputSize: 1, loss: .meanSquaredError)
    var trainer = Trainer(
        Model(shape, seed: 1), optimizer: .adam(Adam(learningRate: 0.01)), batch: 1, steps: 40,
        initialState: .carried, clip: GradientClip(norm: 1))

    // Learn to predict the next sample of a signal, segment by segment. Nothing allocates in the
    // loop.
    let signal: [Float] = (0...400).map { [0, 0.6, 1, 0.6, 0, -0.6, -1, -0.6][$0 % 8] }
    var losses: [Double] = []
    losses.reserveCapacity(300)
    for segment in 0..<300 {
        let first = segment % 10 * 40
        if first == 0 { trainer.resetState() }
        losses.append(
            trainer.step(
                values: signal.span.extracting(first..<first + 40),
                targets: signal.span.extracting(first + 1..<first + 41)
            ).loss)
    }

    // Run it one sample at a time, as an audio callback would, with a state of its own.
    var state = ModelState(trainer.model)
    for sample in signal[..<42] { trainer.model.step(values: [sample].span, state: &state) }
    // torch.nn.LSTM and torch.nn.Linear load it
    try trainer.model.save(to: NSTemporaryDirectory() + "signal.safetensors")
    return (before: signal[42], after: state.withOutput { $0[0] })
}
