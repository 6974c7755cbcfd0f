import Formats
import Foundation
import Recurrent

/// Reads a language model that `train` has written.
func readLanguageModel(_ path: String, weightFormat: WeightFormat = .float32) throws(Failure) -> Model {
    guard !path.isEmpty else { throw Failure(.usage, "<model>: expected a path, found none") }
    do {
        return try Model(contentsOf: path, weightFormat: weightFormat)
    } catch {
        throw Failure(reading: error)
    }
}

extension Vocabulary {
    /// The vocabulary that a model was saved with.
    init(_ model: borrowing Model, path: String) throws(Failure) {
        guard let text = model.metadata[MetadataKey.vocabulary] else {
            throw Failure(.data, "\(path): no language model; expected metadata \(MetadataKey.vocabulary), found none")
        }
        self.init(scalars: Array(text.unicodeScalars))
        guard case .tokens(count, _) = model.shape.input, model.shape.outputSize == count, model.shape.loss == .crossEntropy else {
            throw Failure(.data, """
                \(path): no language model; expected \(count) tokens in and out and cross-entropy, \
                found \(model.shape.input), \(model.shape.outputSize) outputs and \(model.shape.loss)
                """)
        }
    }
}

/// The number that metadata has under a key, or the usual one where it has none.
func metadataNumber(_ key: String, _ metadata: [String: String], path: String, default usual: Int) throws(Failure) -> Int {
    guard let text = metadata[key] else { return usual }
    guard let number = Int(text), (1...ModelShape.largestDimension).contains(number) else {
        throw Failure(.data, """
            \(path): metadata \(key); expected 1 to \(ModelShape.largestDimension), \
            found \(text.excerpt)
            """)
    }
    return number
}

/// Refuses a model that does not fit in memory together with its trainer, before anything is allocated.
///
/// An estimate from below, in Double so that nothing overflows: parameters, once for the model, once for the gradient, once for each
/// moment, and three times while they are made or saved; and for each row of a segment the tape and the scratch of every layer.
func checkMemory(_ shape: ModelShape, batch: Int, steps: Int, momentCount: Int,
                 available: UInt64 = ProcessInfo.processInfo.physicalMemory) throws(Failure) {
    let vocabulary = Double(shape.outputSize)
    var inputSize = 0.0, parameters = 0.0, row = vocabulary
    if case .tokens(_, let dimension) = shape.input {
        inputSize = Double(dimension)
        parameters = vocabulary * inputSize
        row += inputSize
    }
    for layer in shape.layers {
        let hidden = Double(layer.hiddenSize), gates = Double(layer.cell.gateNames.count), directions = Double(layer.directions)
        parameters += directions * gates * hidden * (inputSize + hidden + 1)
        row += directions * (gates + 2) * hidden
        inputSize = directions * hidden
    }
    parameters += vocabulary * (inputSize + 1)
    let floats = parameters * Double(5 + momentCount) + row * Double(batch) * Double(steps)
    let bytes = floats * Double(MemoryLayout<Float>.size)
    guard bytes <= Double(available) else {
        throw Failure(.usage, "memory: the model is too large; expected at most \((Double(available) / 1e9).rounded) GB, found \((bytes / 1e9).rounded) GB")
    }
}
