internal import Formats

/// A model file that cannot be read or written. The description is one line: `file: tensor: what; expected …, found …`.
public struct ModelFileError: Error, CustomStringConvertible, Sendable {
    public let description: String
    /// Whether the file could not be opened, read or written at all, rather than having the wrong contents.
    public let isInputOutput: Bool

    init(_ error: FileError) {
        description = error.description
        isInputOutput = true
    }

    init(_ path: String, _ error: FormatError) {
        description = "\(path): \(error)"
        isInputOutput = false
    }

    init(_ path: String, what: String = "not a model", expected: String, found: String) {
        description = "\(path): \(what); expected \(expected), found \(found)"
        isInputOutput = false
    }
}

/// What a saved model says of its loss.
private let lossKey = "recurrent.loss", deltaKey = "recurrent.delta"

/// The longest header of a model file: it holds the metadata, and with it the vocabulary.
let modelHeaderLimit = 16 << 20

extension Model {
    /// Reads a model from a safetensors file with PyTorch's names: `embedding.weight`, `lstm.weight_ih_l0` …, `dense.weight`,
    /// `dense.bias`. The loss is the one that was saved, or cross-entropy.
    ///
    /// - Parameter weightFormat: what the weights of the layers are rounded to.
    public init(contentsOf path: String, weightFormat: WeightFormat = .float32) throws(ModelFileError) {
        let file = try readSafetensors(path)
        let (sizes, parameters) = try readParameters(file, path)
        guard let outputSize = sizes.outputSize else {
            throw ModelFileError(path, expected: "a dense layer (dense.weight, dense.bias)", found: "none")
        }
        let loss = try readLoss(file.metadata, path)
        let input: ModelShape.Input = if let vocabulary = sizes.vocabularySize {
            .tokens(vocabulary: vocabulary, dimension: sizes.inputSize)
        } else {
            .values(size: sizes.inputSize)
        }
        self.init(ModelShape(input: input, hiddenSizes: sizes.hiddenSizes, outputSize: outputSize, loss: loss), parameters: parameters,
                  weightFormat: weightFormat)
        metadata = file.metadata
        metadata[lossKey] = nil
        metadata[deltaKey] = nil
    }

    /// Writes the model, to a temporary file beside `path` that then takes its place, so that the file is whole or as it was. A model with
    /// a weight that is NaN or infinite, which could not be read again, is refused.
    ///
    /// - Precondition: the weights are in float32.
    public func save(to path: String) throws(ModelFileError) {
        precondition(weightFormat == .float32, "model: weights rounded to \(weightFormat) are not saved; expected float32")
        var metadata = metadata
        metadata[lossKey] = shape.loss.name
        if case .huber(let delta) = shape.loss { metadata[deltaKey] = "\(delta)" }
        let bytes: [UInt8]
        do {
            let tensors = stateDictParameters.tensors(shape: shape.stateDict)
            for tensor in tensors { try tensor.checkFinite() }
            bytes = try Safetensors.encode(tensors, metadata: metadata, headerLimit: modelHeaderLimit)
        } catch {
            throw ModelFileError(path, error)
        }
        do {
            try writeFile(path, bytes)
        } catch {
            throw ModelFileError(error)
        }
    }
}

extension LSTMCell {
    /// Reads the first layer of an `nn.LSTM` from a safetensors file with PyTorch's names, with a prefix `lstm.` or without.
    ///
    /// - Parameter weightFormat: what the weights are rounded to.
    public init(contentsOf path: String, batch: Int = 1, weightFormat: WeightFormat = .float32, kernels: Kernels = .best) throws(ModelFileError) {
        let (sizes, parameters) = try readParameters(readSafetensors(path), path)
        self.init(inputSize: sizes.inputSize, hiddenSize: sizes.hiddenSizes[0], batch: batch, weightFormat: weightFormat, kernels: kernels)
        load(parameters.lstm[0])
    }
}

/// The loss that a file names, cross-entropy where it names none.
private func readLoss(_ metadata: [String: String], _ path: String) throws(ModelFileError) -> ModelShape.Loss {
    guard let name = metadata[lossKey] else { return .crossEntropy }
    guard name == ModelShape.Loss.huber().name else {
        let losses = [ModelShape.Loss.crossEntropy, .meanSquaredError, .meanAbsoluteError, .binaryCrossEntropy]
        guard let loss = losses.first(where: { $0.name == name }) else {
            throw ModelFileError(path, expected: "a loss of \(losses.map(\.name).joined(separator: ", ")) or huber", found: name)
        }
        return loss
    }
    guard let delta = metadata[deltaKey].flatMap(Float.init), isHuberDelta(delta) else {
        throw ModelFileError(path, expected: "a positive \(deltaKey)", found: metadata[deltaKey] ?? "none")
    }
    return .huber(delta: delta)
}

/// The sizes and the weights of the model in a file.
private func readParameters(_ file: Safetensors, _ path: String) throws(ModelFileError) -> (StateDictShape, StateDictParameters) {
    let sizes: StateDictShape, parameters: StateDictParameters
    do {
        sizes = try StateDictShape(file)
        parameters = try StateDictParameters(file, shape: sizes)
    } catch {
        throw ModelFileError(path, error)
    }
    let largest = ([sizes.vocabularySize ?? 1, sizes.inputSize, sizes.outputSize ?? 1] + sizes.hiddenSizes).max()!
    guard largest <= ModelShape.largestDimension else {
        throw ModelFileError(path, expected: "sizes up to \(ModelShape.largestDimension)", found: "\(largest)")
    }
    return (sizes, parameters)
}

func readSafetensors(_ path: String) throws(ModelFileError) -> Safetensors {
    let bytes: [UInt8]
    do {
        bytes = try readFile(path)
    } catch {
        throw ModelFileError(error)
    }
    do {
        return try Safetensors(bytes, headerLimit: modelHeaderLimit)
    } catch {
        throw ModelFileError(path, error)
    }
}
