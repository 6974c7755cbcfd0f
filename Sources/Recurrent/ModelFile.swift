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
        description = "\(path.printable()): \(error)"
        isInputOutput = false
    }

    init(_ path: String, what: String = "not a model", expected: String, found: String) {
        let name = path.printable()
        description = "\(name): \(what); expected \(expected.excerpt), found \(found.excerpt)"
        isInputOutput = false
    }
}

/// What a saved model says of its loss, of its layers and of its head; of the last two only where they are not PyTorch's and every step's.
private let lossKey = "recurrent.loss", deltaKey = "recurrent.delta", cellsKey = "recurrent.cells", headKey = "recurrent.head"

/// The longest header of a model file: it holds the metadata, and with it the vocabulary.
let modelHeaderLimit = 16 << 20

extension Model {
    /// Reads a model from a safetensors file with PyTorch's names: `embedding.weight`, `lstm.weight_ih_l0` … (or `gru.`, `rnn.`),
    /// `dense.weight`, `dense.bias`. Cells, head and loss are those that were saved; in a file that does not say, a GRU is PyTorch's, a plain layer
    /// tanh, the head every step's, and the loss cross-entropy.
    ///
    /// - Parameter weightFormat: what the weights of the layers are rounded to.
    public init(contentsOf path: String, weightFormat: WeightFormat = .float32) throws(ModelFileError) {
        let file = try readSafetensors(path)
        let (sizes, layers, parameters) = try readParameters(file, path)
        guard let outputSize = sizes.outputSize else {
            throw ModelFileError(path, expected: "a dense layer (dense.weight, dense.bias)", found: "none")
        }
        let loss = try readLoss(file.metadata, path)
        let input: ModelShape.Input = if let vocabulary = sizes.vocabularySize {
            .tokens(vocabulary: vocabulary, dimension: sizes.inputSize)
        } else {
            .values(size: sizes.inputSize)
        }
        let headName = file.metadata[headKey] ?? ModelShape.Head.everyStep.rawValue
        guard let head = ModelShape.Head(rawValue: headName) else {
            let heads = ModelShape.Head.allCases.map(\.rawValue).joined(separator: ", ")
            throw ModelFileError(path, what: "metadata \(headKey)", expected: "one of \(heads)", found: headName)
        }
        let shape = ModelShape(input: input, layers: layers, head: head, outputSize: outputSize, loss: loss)
        guard weightFormat == .float32 || shape.canRoundWeights else {
            let cells = layers.map(\.cell.name).joined(separator: " ")
            throw ModelFileError(path, what: "weights cannot be rounded to \(weightFormat)", expected: "plain LSTM layers", found: cells)
        }
        self.init(shape, parameters: parameters, weightFormat: weightFormat)
        metadata = file.metadata.filter { ![lossKey, deltaKey, cellsKey, headKey].contains($0.key) }
    }

    /// Writes the model, to a temporary file beside `path` that then takes its place, so that the file is whole or as it was. A model with
    /// a weight that is NaN or infinite, which could not be read again, is refused.
    ///
    /// - Precondition: the weights are in float32.
    public func save(to path: String) throws(ModelFileError) {
        require(weightFormat == .float32, "model: weights rounded to \(weightFormat) are not saved; expected float32")
        var metadata = metadata
        metadata[lossKey] = shape.loss.name
        if case .huber(let delta) = shape.loss { metadata[deltaKey] = "\(delta)" }
        let cells = shape.layers.map(\.cell)
        if cells.map(\.defaultOfItsKind) != cells { metadata[cellsKey] = cells.map(\.name).joined(separator: " ") }
        if shape.head != .everyStep { metadata[headKey] = shape.head.rawValue }
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
        let (sizes, layers, parameters) = try readParameters(readSafetensors(path), path)
        guard case .lstm(let variant) = layers[0].cell else { throw ModelFileError(path, expected: "an LSTM layer", found: layers[0].cell.name) }
        self.init(inputSize: sizes.inputSize, hiddenSize: layers[0].hiddenSize, variant: variant, batch: batch, weightFormat: weightFormat, kernels: kernels)
        load(parameters.cells[0])
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

/// The sizes, the layers and the weights of the model in a file.
private func readParameters(_ file: Safetensors, _ path: String) throws(ModelFileError) -> (StateDictShape, [RecurrentLayer], StateDictParameters) {
    let found: StateDictShape
    do {
        found = try StateDictShape(file)
    } catch {
        throw ModelFileError(path, error)
    }
    // Before memory is taken for anything of these sizes.
    let dimensions = [found.vocabularySize ?? 1, found.inputSize, found.outputSize ?? 1]
        + found.layers.flatMap { [$0.hiddenSize, $0.outputSize] }
    if let size = dimensions.first(where: { !isDimension($0) }) {
        let largest = ModelShape.largestDimension
        throw ModelFileError(path, expected: "sizes up to \(largest)", found: "\(size)")
    }
    let layers = try readLayers(file.metadata, found, path)
    let sizes = StateDictShape(vocabularySize: found.vocabularySize, inputSize: found.inputSize, layers: layers.map(\.stateDict),
                               outputSize: found.outputSize)
    let parameters: StateDictParameters
    do {
        parameters = try StateDictParameters(file, shape: sizes)
    } catch {
        throw ModelFileError(path, error)
    }
    return (sizes, layers, parameters)
}

/// The layers that a file names, or those that its tensors are of with PyTorch's cells.
private func readLayers(_ metadata: [String: String], _ found: StateDictShape, _ path: String) throws(ModelFileError) -> [RecurrentLayer] {
    var cells = found.layers.map { RecurrentCell($0.kind) }
    if let names = metadata[cellsKey] {
        let named = names.split(separator: " ").map { RecurrentCell(named: String($0)) }
        guard named.map({ $0?.defaultOfItsKind }) == cells else {
            throw ModelFileError(path, what: "metadata \(cellsKey)", expected: "definitions of \(cells.map(\.name).joined(separator: " "))", found: names)
        }
        cells = named.map { $0! }
    }
    return zip(found.layers, cells).map { RecurrentLayer($1, hiddenSize: $0.hiddenSize, isBidirectional: $0.isBidirectional) }
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
