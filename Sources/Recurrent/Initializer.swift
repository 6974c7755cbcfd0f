internal import Formats

/// The usual initial weights, as PyTorch has them: U(-1/√H, 1/√H) for LSTM and dense layers (H the hidden size, or the input of the
/// dense layer), N(0, 1) for the embedding.
///
/// - Parameter generator: its numbers alone decide, so a seed gives the same weights on every machine.
func initialParameters(_ shape: ModelShape, using generator: inout SplitMix64) -> StateDictParameters {
    var embedding: [Float]?
    if case .tokens(let vocabulary, let dimension) = shape.input {
        embedding = KernelOrder.embedding(weight: generator.normal(vocabulary * dimension, deviation: 1), width: dimension)
    }
    let lstm = shape.hiddenSizes.indices.map { index in
        let layer = shape.layer(index, batch: 1, steps: 1)
        let (rows, limit) = (4 * layer.hiddenSize, 1 / Double(layer.hiddenSize).squareRoot())
        return KernelOrder.lstm(weightIH: generator.uniform(rows * layer.inputSize, limit: limit),
                                weightHH: generator.uniform(rows * layer.hiddenSize, limit: limit),
                                bias: zip(generator.uniform(rows, limit: limit), generator.uniform(rows, limit: limit)).map { $0 + $1 })
    }
    let hidden = shape.hiddenSizes.last!
    let limit = 1 / Double(hidden).squareRoot()
    let dense = KernelOrder.dense(weight: generator.uniform(shape.outputSize * hidden, limit: limit),
                                  bias: generator.uniform(shape.outputSize, limit: limit))
    return StateDictParameters(embedding: embedding, lstm: lstm, dense: dense)
}
