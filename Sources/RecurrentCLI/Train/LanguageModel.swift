import Foundation
import Recurrent
import RecurrentFormats

/// Reads a language model that `train` has written.
func readLanguageModel(_ path: String, weightFormat: WeightFormat = .float32) throws(Failure)
    -> Model
{
    guard !path.isEmpty else { throw Failure(.usage, "<model>: expected a path, found none") }
    try checkMemory(readingModelFrom: path)
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
            throw Failure(
                .data,
                """
                \(path): no language model; expected metadata \(MetadataKey.vocabulary), found \
                none
                """
            )
        }
        self.init(scalars: Array(text.unicodeScalars))
        guard model.shape.head == .everyStep, !model.shape.layers.contains(where: \.isBidirectional)
        else {
            throw Failure(
                .data,
                """
                \(path): no language model; expected an output for every step and layers that read \
                forward, found head \
                \(model.shape.head.rawValue)\
                \(model.shape.head == .everyStep ? " and a bidirectional layer" : "")
                """)
        }
        guard case .tokens(count, _) = model.shape.input, model.shape.outputSize == count,
            model.shape.loss == .crossEntropy
        else {
            throw Failure(
                .data,
                """
                \(path): no language model; expected \(count) tokens in and out and cross-entropy, \
                found \(model.shape.input), \(model.shape.outputSize) outputs and \
                \(model.shape.loss)
                """)
        }
    }
}

/// The number that metadata has under a key, or the usual one where it has none.
func metadataNumber(_ key: String, _ metadata: [String: String], path: String, default usual: Int)
    throws(Failure) -> Int
{
    guard let text = metadata[key] else { return usual }
    guard let number = Int(text), (1...ModelShape.largestDimension).contains(number) else {
        throw Failure(
            .data,
            """
            \(path): metadata \(key); expected 1 to \(ModelShape.largestDimension), \
            found \(text.excerpt)
            """)
    }
    return number
}
