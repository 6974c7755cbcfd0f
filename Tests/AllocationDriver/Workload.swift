public import Recurrent

/// The names of everything that must not allocate once it is set up: a step of an LSTM whose cell
/// the compiler knows, and of each cell, a change of an image, a model's step, minimization by
/// L-BFGS, updates by several segments, and training with each optimizer.
public let workloads =
    ["cell", "convolution", "augmentation", "normalization", "model", "lbfgs", "full-batch"]
    + RecurrentCell.all.map(\.name) + Optimizer.names

/// Sets up a workload, and calls `body` with one step of it.
///
/// - Parameter threads: of the trainer.
/// - Returns: what `body` returns, or nil for a name that is none of `workloads`.
public func withStep<Result>(
    of workload: String, threads: Int, kernels: Kernels,
    _ body: (_ step: () -> Void) throws -> Result
) rethrows -> Result? {
    switch workload {
    case "cell":
        return try withStep(
            of: LSTMShape(inputSize: 3, hiddenSize: 5, batch: 2), kernels: kernels, body)
    case "convolution":
        var cell = ConvolutionCell(
            inputChannels: 3, outputChannels: 5, kernelSize: 2, dilation: 3, batch: 2,
            kernels: kernels)
        let x: [Float] = [0.5, -0.25, 1, 0, 2, -1]
        var y = [Float](repeating: 0, count: 2 * 5)
        return try body {
            var span = y.mutableSpan
            cell.step(x.span, into: &span)
        }
    case "normalization":
        var normalization = BatchNormalization(units: 5, kernels: kernels)
        let x = (0..<3 * 16).map { Float($0 % 7) }
        var y = x.map { -$0 }
        var dx = y.map { -$0 }  // memory of their own
        return try body {
            var span = y.mutableSpan
            normalization.forward(x.span, into: &span)
            var gradient = dx.mutableSpan
            normalization.backward(x.span, outputGradient: x.span, into: &gradient)
            normalization.inference(x.span, into: &span)
        }
    case "augmentation":
        var augmentation = ImageAugmentation(ImageSize(height: 5, width: 4, channels: 2), seed: 1)
        augmentation.rotation = 30
        augmentation.rowShift = 1
        let image = (0..<augmentation.size.count).map { Float($0) }
        var result = image.map { -$0 }  // memory of its own
        return try body {
            var span = result.mutableSpan
            augmentation.apply(to: image.span, into: &span)
        }
    case "model":
        let model = tinyModel()
        var state = ModelState(model)
        return try body { model.step(token: 1, state: &state, kernels: kernels) }
    case "lbfgs":
        var lbfgs = LBFGS(count: 5, history: 3, kernels: kernels)
        var parameters = (0..<5).map { Float(3 - $0) }
        return try body {
            var span = parameters.mutableSpan
            lbfgs.reset()
            lbfgs.minimize(&span, gradientCalls: 10) { p, gradient in
                var loss = 0.0
                for n in 0..<p.count {
                    gradient[n] = Float(n + 1) * (p[n] - 1)
                    loss += Double(gradient[n] * (p[n] - 1)) / 2
                }
                return loss
            }
            for n in 0..<span.count { span[n] += Float(n) - 2 }
        }
    case "full-batch":
        var trainer = Trainer(
            tinyModel(), optimizer: .adam(Adam()), batch: 2, steps: 3, clip: GradientClip(norm: 1),
            threads: threads, kernels: kernels)
        var lbfgs = LBFGS(for: trainer, history: 3)
        let tokens: [Int32] = [0, 1, 2, 3, 4, 0]
        let targets: [Int32] = [1, 2, 3, 4, 0, -1]
        return try body {
            trainer.resetState()
            trainer.accumulate(tokens: tokens.span, targets: targets.span)
            _ = trainer.update()
            _ = trainer.minimize(&lbfgs, gradientCalls: 3) { batch in
                batch.resetState()
                batch.accumulate(tokens: tokens.span, targets: targets.span)
            }
        }
    case "fault":
        return try body {
            precondition(Array(repeating: threads, count: threads + 100).count > threads)
        }
    default:
        if let cell = RecurrentCell(named: workload) {
            let layer = RecurrentLayer(cell, hiddenSize: 5)
            let shape = AnyCellShape(layer, inputSize: 3, batch: 2, steps: 1, inputStride: 3)
            return try withStep(of: shape, kernels: kernels, body)
        }
        guard let optimizer = Optimizer.named(workload) else { return nil }
        var trainer = Trainer(
            tinyModel(), optimizer: optimizer, batch: 2, steps: 3,
            clip: GradientClip(norm: 1, value: 0.5), dropout: 0.25,
            recurrentDropout: 0.25, threads: threads, kernels: kernels)
        let tokens: [Int32] = [0, 1, 2, 3, 4, 0]
        let targets: [Int32] = [1, 2, 3, 4, 0, -1]
        let lengths = [3, 2]
        return try body {
            trainer.resetState()
            _ = trainer.step(tokens: tokens.span, targets: targets.span)
            _ = trainer.step(tokens: tokens.span, targets: targets.span, lengths: lengths.span)
            trainer.learningRate *= 0.99
            _ = trainer.evaluate(tokens: tokens.span, targets: targets.span)
        }
    }
}

/// All that a cell does in an audio callback.
private func withStep<Shape: CellShape, Result>(
    of shape: Shape, kernels: Kernels, _ body: (_ step: () -> Void) throws -> Result
) rethrows -> Result {
    var cell = StreamingCell(shape, kernels: kernels)
    let x: [Float] = [0.5, -0.25, 1, 0, 2, -1]
    var h = [Float](repeating: 0, count: 2 * shape.outputSize)
    return try body {
        var span = h.mutableSpan
        cell.step(x.span, into: &span)
        _ = x.withUnsafeBufferPointer { unsafe cell.step($0) }
        if !cell.isFinite { cell.reset() }
        if !cell.isFinite(stream: 1) { cell.reset(stream: 1) }
        cell.reset()
        cell.reset(stream: 0)
    }
}

private func tinyModel() -> Model {
    Model(
        ModelShape(
            input: .tokens(vocabulary: 5, dimension: 3), layers: [.lstm(5), .lstm(3)],
            outputSize: 5, loss: .crossEntropy), seed: 1)
}
