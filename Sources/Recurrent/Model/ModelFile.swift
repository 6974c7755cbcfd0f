internal import RecurrentFormats

/// A model file that cannot be read or written. The description is one line: `file: tensor: what;
/// expected …, found …`.
public struct ModelFileError: Error, CustomStringConvertible, Sendable {
    public let description: String
    /// The C library's `errno` where the file could not be opened, read or written; nil where it
    /// has the wrong contents.
    public let code: Int32?

    init(_ error: FileError) {
        description = error.description
        code = error.code
    }

    init(_ path: String, _ error: FormatError) {
        description = "\(path.printable()): \(error)"
        code = nil
    }

    init(_ path: String, what: String = "not a model", expected: String, found: String) {
        let name = path.printable()
        description = "\(name): \(what); expected \(expected.excerpt), found \(found.excerpt)"
        code = nil
    }
}

/// The longest header of a model file: it holds the metadata, and with it the vocabulary.
let modelHeaderLimit = 16 << 20

extension Model {
    /// Reads a model from a safetensors file with PyTorch's names: `embedding.weight`,
    /// `lstm.weight_ih_l0` … (or another cell's name), `dense.weight`, `dense.bias`. Weights that
    /// are tied (`safetensors.torch.save_model`) are read as tensors that are equal, which training
    /// does not keep so.
    ///
    /// A file that this package has written says what the model is. One of PyTorch does not:
    /// whoever knows says it.
    ///
    /// - Parameters:
    ///   - loss: cross-entropy where neither the file nor the caller says anything.
    ///   - head: every step's where neither does.
    ///   - cells: one for each layer, such as `.rnn(.relu)`; the usual one of its kind where
    ///     neither says anything.
    ///   - weightFormat: what the weights of the layers are rounded to.
    /// - Throws: what is wrong with the file; also a tensor that is not the model's, and what the
    ///   file and the caller say differently.
    public init(
        contentsOf path: String, loss: ModelShape.Loss? = nil, head: ModelShape.Head? = nil,
        cells: [RecurrentCell]? = nil, weightFormat: WeightFormat = .float32
    ) throws(ModelFileError) {
        let file = try ModelFile(path)
        let (sizes, layers) = try file.layers(cells)
        guard let outputSize = sizes.outputSize else {
            throw ModelFileError(
                path, expected: "a dense layer (dense.weight, dense.bias)", found: "none")
        }
        let input: ModelShape.Input =
            if let vocabulary = sizes.vocabularySize {
                .tokens(vocabulary: vocabulary, dimension: sizes.inputSize)
            } else {
                .values(size: sizes.inputSize)
            }
        let shape = ModelShape(
            input: input, layers: layers, head: try file.head(head), outputSize: outputSize,
            loss: try file.loss(loss))
        guard weightFormat == .float32 || shape.canRoundWeights else {
            let cells = layers.map(\.cell.name).joined(separator: " ")
            throw ModelFileError(
                path, what: "weights cannot be rounded to \(weightFormat)",
                expected: "lstm alone", found: cells)
        }
        self.init(shape, parameters: try file.parameters(sizes), weightFormat: weightFormat)
        metadata = file.ownersMetadata
    }

    /// Writes the model, to a temporary file beside `path` that then takes its place, so that the
    /// file is whole or as it was. A model with a weight that is NaN or infinite, which could not
    /// be read again, is refused.
    ///
    /// PyTorch loads the file where it has all of the cells, and else refuses it for the names of
    /// the tensors.
    ///
    /// - Precondition: the weights are in float32.
    public func save(to path: String) throws(ModelFileError) {
        let bytes = try fileContents(path)
        do {
            try writeFile(path, bytes)
        } catch {
            throw ModelFileError(error)
        }
    }

    /// Returns what `save` writes.
    package func fileContents(_ path: String) throws(ModelFileError) -> [UInt8] {
        require(
            weightFormat == .float32,
            "model: weights rounded to \(weightFormat) are not saved; expected float32")
        let metadata = metadata.merging(ModelMetadata.entries(shape)) { _, ours in ours }
        let bytes: [UInt8]
        do {
            let tensors = stateDictParameters.tensors(shape: shape.stateDict)
            for tensor in tensors { try tensor.checkFinite() }
            bytes = try Safetensors.encode(
                tensors, metadata: metadata, headerLimit: modelHeaderLimit)
        } catch {
            throw ModelFileError(path, error)
        }
        guard bytes.count <= defaultFileLimit else {
            throw ModelFileError(
                path, what: "file too large", expected: "at most \(defaultFileLimit) bytes",
                found: "\(bytes.count)")
        }
        return bytes
    }
}

extension ModelShape {
    /// The length of a model's file, in bytes, with the longest header.
    package var fileLength: Int {
        modelHeaderLimit + stateDict.elementCount * MemoryLayout<Float>.size
    }
}

/// A model file that has been read: its tensors, and what it says of them.
struct ModelFile {
    private let path: String
    private let file: Safetensors
    /// Whether this package has written the file: what it does not say is then as the defaults have
    /// it.
    private let saysAll: Bool

    init(_ path: String) throws(ModelFileError) {
        self.path = path
        let file = try readSafetensors(path)
        saysAll = file.metadata[ModelMetadata.loss] != nil
        // What an owner of a model notes down is never taken for an alias.
        self.file = saysAll ? file : file.resolvingAliases()
        let known = ModelMetadata.own.union(MetadataKey.all)
        for key in file.metadata.keys.sorted()
        where key.hasPrefix(ModelMetadata.prefix) && !known.contains(key) {
            throw ModelFileError(
                path, what: "metadata \(key)",
                expected: "none but \(known.sorted().joined(separator: ", "))",
                found: "what this version does not know")
        }
    }

    var ownersMetadata: [String: String] { file.metadata.filter { ModelMetadata.isOwners($0.key) } }

    // MARK: Tensors

    /// The sizes of the file's tensors, under the names that they have there, and the layers that
    /// they are.
    ///
    /// - Parameter cells: what the caller says of them, layer by layer.
    func layers(_ cells: [RecurrentCell?]? = nil) throws(ModelFileError) -> (
        StateDictShape, [RecurrentLayer]
    ) {
        let found: StateDictShape
        do {
            found = try StateDictShape(file)
        } catch {
            throw ModelFileError(path, error)
        }
        // Before memory is taken for anything of these sizes.
        let dimensions =
            [found.vocabularySize ?? 1, found.inputSize, found.outputSize ?? 1]
            + found.layers.flatMap { [$0.hiddenSize, $0.outputSize] }
        if let size = dimensions.first(where: { !isDimension($0) }) {
            let largest = ModelShape.largestDimension
            throw ModelFileError(path, expected: "sizes up to \(largest)", found: "\(size)")
        }
        let layers = zip(found.layers, try self.cells(found.layers, cells)).map {
            RecurrentLayer($1, hiddenSize: $0.hiddenSize, isBidirectional: $0.isBidirectional)
        }
        let named = zip(found.layers, layers).map {
            StateDictLayer(
                $1.cell.options.kind, hiddenSize: $0.hiddenSize,
                isBidirectional: $0.isBidirectional,
                variant: $0.variant)
        }
        return (
            StateDictShape(
                vocabularySize: found.vocabularySize, inputSize: found.inputSize, layers: named,
                outputSize: found.outputSize), layers
        )
    }

    /// The weights of a file whose layers are those.
    func parameters(_ sizes: StateDictShape) throws(ModelFileError) -> StateDictParameters {
        do {
            return try StateDictParameters(file, shape: sizes)
        } catch {
            throw ModelFileError(path, error)
        }
    }

    // MARK: What a file and its reader say

    /// What the file says, else the caller, else neither.
    private func settled<Value: Equatable>(
        _ what: String, stated: Value?, _ caller: Value?, usual: Value
    ) throws(ModelFileError) -> Value {
        if let stated, let caller, stated != caller {
            throw ModelFileError(
                path, what: "another \(what) than the file's own", expected: "\(caller)",
                found: "\(stated)")
        }
        return stated ?? caller ?? usual
    }

    func loss(_ caller: ModelShape.Loss?) throws(ModelFileError) -> ModelShape.Loss {
        try settled("loss", stated: try statedLoss(), caller, usual: .crossEntropy)
    }

    func head(_ caller: ModelShape.Head?) throws(ModelFileError) -> ModelShape.Head {
        var stated: ModelShape.Head? = saysAll ? .everyStep : nil
        if let name = file.metadata[ModelMetadata.head] {
            stated = ModelShape.Head(rawValue: name)
            if stated == nil {
                let heads = ModelShape.Head.allCases.map(\.rawValue).joined(separator: ", ")
                throw ModelFileError(
                    path, what: "metadata \(ModelMetadata.head)", expected: "one of \(heads)",
                    found: name)
            }
        }
        return try settled("head", stated: stated, caller, usual: .everyStep)
    }

    private func statedLoss() throws(ModelFileError) -> ModelShape.Loss? {
        let name = file.metadata[ModelMetadata.loss]
        let delta = file.metadata[ModelMetadata.delta]
        guard name == ModelShape.Loss.huber().name else {
            if let delta {
                throw ModelFileError(
                    path, what: "metadata \(ModelMetadata.delta)",
                    expected:
                        "\(ModelMetadata.loss) \(ModelShape.Loss.huber().name) with it, or none",
                    found: delta)
            }
            guard let name else { return nil }
            let losses = [
                ModelShape.Loss.crossEntropy, .meanSquaredError, .meanAbsoluteError,
                .binaryCrossEntropy,
            ]
            guard let loss = losses.first(where: { $0.name == name }) else {
                throw ModelFileError(
                    path,
                    expected: "a loss of \(losses.map(\.name).joined(separator: ", ")) or huber",
                    found: name)
            }
            return loss
        }
        guard let value = delta.flatMap(Float.init), isHuberDelta(value) else {
            throw ModelFileError(
                path, expected: "a positive \(ModelMetadata.delta)", found: delta ?? "none")
        }
        return .huber(delta: value)
    }

    /// The cell of each layer: what the file says, else the caller, else PyTorch's.
    private func cells(_ layers: [StateDictLayer], _ caller: [RecurrentCell?]?)
        throws(ModelFileError) -> [RecurrentCell]
    {
        let usual = layers.map { RecurrentCell($0.kind) }
        let stated = try statedCells(layers, usual)
        let found = zip(stated, usual).map { $0 ?? $1 }
        guard let caller else { return found }
        let fits =
            caller.count == found.count
            && caller.indices.allSatisfy { index in
                guard let cell = caller[index] else { return true }
                return cell == stated[index] ?? cell && cell.defaultOfItsKind == usual[index]
            }
        guard fits else {
            let expected = caller.map { $0?.name ?? "any" }.joined(separator: " ")
            throw ModelFileError(
                path, what: "other cells than the file's own", expected: expected,
                found: found.map(\.name).joined(separator: " "))
        }
        return zip(caller, found).map { $0 ?? $1 }
    }

    /// What the names of the tensors and the metadata say, which are the same where both say
    /// something.
    private func statedCells(_ layers: [StateDictLayer], _ usual: [RecurrentCell])
        throws(ModelFileError) -> [RecurrentCell?]
    {
        var stated: [RecurrentCell?] = []
        for (layer, usual) in zip(layers, usual) {
            guard !layer.variant.isEmpty else {
                stated.append(saysAll ? usual : nil)
                continue
            }
            let name = "\(usual.kindName)(\(layer.variant))"
            guard let cell = RecurrentCell(named: name), cell.options.tensorsName == layer.variant,
                cell.defaultOfItsKind == usual
            else {
                throw ModelFileError(
                    path, what: name,
                    expected: "the name of a cell with the tensors of \(usual.name)",
                    found: "another")
            }
            stated.append(cell)
        }
        // The only one that says anything of cells that have PyTorch's names, as all had in earlier
        // versions.
        guard let names = file.metadata[ModelMetadata.cells] else { return stated }
        let named = names.split(separator: " ").map { RecurrentCell(named: String($0)) }
        let agree = zip(layers, zip(named, stated)).allSatisfy {
            $0.variant.isEmpty || $1.0 == $1.1
        }
        guard named.map({ $0?.defaultOfItsKind }) == usual, agree else {
            let expected = zip(layers, zip(stated, usual)).map { $0.variant.isEmpty ? $1.1 : $1.0! }
            throw ModelFileError(
                path, what: "metadata \(ModelMetadata.cells)",
                expected: "cells \(expected.map(\.name).joined(separator: " "))",
                found: names)
        }
        return named
    }
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
