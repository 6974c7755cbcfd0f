internal import RecurrentFormats

// A cell of its own from a file with PyTorch's names, of a module with such an attribute or of the
// bare layer. Either the file has nothing but the one layer, in one direction, or the caller
// chooses.

extension StreamingCell {
    /// Reads a recurrent layer from a safetensors file with PyTorch's names.
    ///
    /// - Parameters:
    ///   - layer: which one of several, or of those of a whole model, from 0; nil where the file
    ///     has nothing else.
    ///   - isReverse: whether it is the direction from the last step to the first of a
    ///     bidirectional layer.
    ///   - cell: what the file does not say, such as the `nonlinearity` of an `nn.RNN`; PyTorch's
    ///     default where neither says anything.
    ///   - weightFormat: what the weights are rounded to.
    @inlinable
    public init(
        contentsOf path: String, layer: Int? = nil, isReverse: Bool = false,
        cell: RecurrentCell? = nil, batch: Int = 1, weightFormat: WeightFormat = .float32,
        kernels: Kernels = .best
    ) throws(ModelFileError) {
        try self.init(path, layer, isReverse, cell, batch, weightFormat, kernels)
        reset()  // makes the metadata of this type, as the initializer for a shape does
    }

    @usableFromInline
    init(
        _ path: String, _ layer: Int?, _ isReverse: Bool, _ cell: RecurrentCell?, _ batch: Int,
        _ weightFormat: WeightFormat, _ kernels: Kernels
    ) throws(ModelFileError) {
        let found = try CellFile(path, layer: layer, isReverse: isReverse, cell)
        let shape = AnyCellShape(
            RecurrentLayer(found.cell, hiddenSize: found.hiddenSize), inputSize: found.inputSize,
            batch: batch, steps: 1, inputStride: found.inputSize)
        guard Shape(shape) != nil else {
            throw ModelFileError(
                path, what: "another kind of cell", expected: Shape.cellName,
                found: found.cell.name)
        }
        guard weightFormat == .float32 || shape.canRoundWeights else {
            throw ModelFileError(
                path, what: "weights cannot be rounded to \(weightFormat)",
                expected: "lstm", found: found.cell.name)
        }
        self.init(shape: shape, weightFormat, kernels)
        load(found.weights)
    }
}

extension CellShape {
    /// As model files name the cells of such shapes.
    fileprivate static var cellName: String {
        RecurrentCell.all.first { cell in
            let layer = RecurrentLayer(cell, hiddenSize: 1)
            let shape = AnyCellShape(layer, inputSize: 1, batch: 1, steps: 1, inputStride: 1)
            return Self(shape) != nil
        }!.kindName
    }
}

/// A layer of a file in one direction.
private struct CellFile {
    let cell: RecurrentCell
    let inputSize: Int, hiddenSize: Int
    let weights: CellWeights

    init(_ path: String, layer: Int?, isReverse: Bool, _ caller: RecurrentCell?)
        throws(ModelFileError)
    {
        let file = try ModelFile(path)
        let (all, _) = try file.layers()
        if layer == nil {
            let others = [
                all.vocabularySize == nil ? "" : "an embedding",
                all.layers.count == 1 ? "" : "\(all.layers.count) layers",
                all.layers.contains(where: \.isBidirectional) ? "two directions" : "",
                all.outputSize == nil ? "" : "a dense layer",
            ].filter { !$0.isEmpty }
            guard others.isEmpty else {
                throw ModelFileError(
                    path, what: "more than a cell",
                    expected: "one layer in one direction alone, or a choice by `layer:`",
                    found: others.joined(separator: ", "))
            }
        }
        let layer = layer ?? 0
        guard all.layers.indices.contains(layer) else {
            throw ModelFileError(
                path, what: "no layer \(layer)", expected: "a layer of 0...\(all.layers.count - 1)",
                found: "\(layer)")
        }
        guard !isReverse || all.layers[layer].isBidirectional else {
            throw ModelFileError(
                path, what: "layer \(layer)", expected: "two directions", found: "one")
        }
        let (sizes, layers) = try file.layers(
            caller.map { cell in all.layers.indices.map { $0 == layer ? cell : nil } })
        let index = layers[..<layer].reduce(0) { $0 + $1.directions } + (isReverse ? 1 : 0)
        cell = layers[layer].cell
        inputSize = sizes.cells[index].inputSize
        hiddenSize = layers[layer].hiddenSize
        weights = try file.parameters(sizes).cells[index]
    }
}
