internal import CRecurrent
public import RecurrentFormats

/// Units of a panel: those that lie side by side in kernel order.
package let panel = Int(RECURRENT_PANEL)

/// 16 ⌈count / 16⌉.
func padded(_ count: Int) -> Int { recurrent_padded(count) }

/// A shape of weights, which the kernels read in an order of their own: the kernel order of
/// kernel_order.h. Only those of the dimensions matter that the size of the weights depends on.
/// Gradients with respect to the weights are in kernel order too.
public protocol KernelOrdered {
    /// The weights as PyTorch has them.
    associatedtype Weights
    /// Floats of the weights in kernel order.
    var weightCount: Int { get }

    /// Writes weights in kernel order, with zeros past the last unit.
    ///
    /// - Precondition: the weights have the sizes of the shape, and `kernelOrder` has `weightCount`
    ///   floats.
    func pack(_ weights: Weights, to kernelOrder: inout MutableSpan<Float>)

    /// Returns the weights that are packed in `kernelOrder`. Where two biases have become their
    /// sum, that is `biasIH`, and `biasHH` is zero.
    ///
    /// - Precondition: `kernelOrder` has `weightCount` floats.
    func unpack(_ kernelOrder: Span<Float>) -> Weights
}

extension KernelOrdered {
    /// Returns weights in kernel order, `weightCount` floats.
    ///
    /// - Precondition: the weights have the sizes of the shape.
    public func pack(_ weights: Weights) -> [Float] {
        zeros(weightCount) { pack(weights, to: &$0) }
    }
}

extension CellShape {
    /// The layer as `RecurrentFormats` has it.
    private var stateDict: StateDictCell {
        StateDictCell(any.cell.options.kind, inputSize: inputSize, hiddenSize: hiddenSize)
    }

    /// C counterpart: `recurrent_cell_pack`.
    public func pack(_ weights: CellWeights, to kernelOrder: inout MutableSpan<Float>) {
        requireTensors(weights, of: stateDict)
        unsafe write(&kernelOrder, weightCount) {
            unsafe recurrent_cell_pack(
                any.cValue, weights.weightIH, weights.weightHH, weights.biasIH, weights.biasHH,
                weights.peepholes, weights.weightHR, $0)
        }
    }

    /// Writes weights in kernel order in a format. C counterpart of bfloat16:
    /// `recurrent_cell_bfloat16_pack`.
    ///
    /// - Precondition: the weights have the sizes of the shape, `words` has `weightCount(format)`
    ///   floats, and another cell than the plain LSTM is in float32.
    public func pack(
        _ weights: CellWeights, _ format: WeightFormat, to words: inout MutableSpan<Float>
    ) {
        switch format {
        case .float32: pack(weights, to: &words)
        case .bfloat16:
            let kernelOrder = pack(weights)
            unsafe write(&words, weightCount(format)) {
                unsafe recurrent_cell_bfloat16_pack(any.cValue, kernelOrder, $0)
            }
        }
    }

    /// C counterpart: `recurrent_cell_unpack`.
    public func unpack(_ kernelOrder: Span<Float>) -> CellWeights {
        var weights = zeroWeights(stateDict)
        unsafe read(kernelOrder, weightCount) {
            unsafe recurrent_cell_unpack(
                any.cValue, $0, &weights.weightIH, &weights.weightHH, &weights.biasIH,
                &weights.biasHH, &weights.peepholes, &weights.weightHR)
        }
        return weights
    }

    /// The same in memory of `weightCount(format)` words.
    func pack(
        _ weights: CellWeights, _ format: WeightFormat, to memory: UnsafeMutablePointer<Float>
    ) {
        let words = unsafe UnsafeMutableBufferPointer(start: memory, count: weightCount(format))
        var span = unsafe words.mutableSpan
        pack(weights, format, to: &span)
    }
    func unpack(_ memory: UnsafePointer<Float>) -> CellWeights {
        let floats = unsafe UnsafeBufferPointer(start: memory, count: weightCount)
        return unsafe unpack(floats.span)
    }
}

extension CellWeights {
    /// Traps where a number, or the sum of two biases, is NaN or infinite.
    func requireFinite() {
        for (name, values) in [
            ("weightIH", weightIH), ("weightHH", weightHH),
            ("biasIH + biasHH", biasHH.isEmpty ? biasIH : zip(biasIH, biasHH).map(+)),
            ("weightHR", weightHR),
            ("peepholes", peepholes),
        ] { Recurrent.requireFinite(values, name) }
    }
}

extension DenseShape: KernelOrdered {
    /// C counterpart: `recurrent_product_pack`.
    public func pack(_ weights: AffineWeights, to kernelOrder: inout MutableSpan<Float>) {
        requireCounts(weights, inputSize * outputSize, outputSize)
        unsafe write(&kernelOrder, weightCount) {
            unsafe recurrent_product_pack(cValue, weights.weight, weights.bias, $0)
        }
    }

    /// Writes weights in kernel order in a format. C counterpart of bfloat16:
    /// `recurrent_product_bfloat16_pack`.
    ///
    /// - Precondition: the weights have the sizes of the shape, and `words` has
    ///   `weightCount(format)` floats.
    public func pack(
        _ weights: AffineWeights, _ format: WeightFormat, to words: inout MutableSpan<Float>
    ) {
        switch format {
        case .float32: pack(weights, to: &words)
        case .bfloat16:
            let kernelOrder = pack(weights)
            unsafe write(&words, weightCount(format)) {
                unsafe recurrent_product_bfloat16_pack(cValue, kernelOrder, $0)
            }
        }
    }

    /// C counterpart: `recurrent_product_unpack`.
    public func unpack(_ kernelOrder: Span<Float>) -> AffineWeights {
        var weights = zeroWeights(inputSize * outputSize, outputSize)
        unsafe read(kernelOrder, weightCount) {
            unsafe recurrent_product_unpack(cValue, $0, &weights.weight, &weights.bias)
        }
        return weights
    }
}

extension ConvolutionShape: KernelOrdered {
    private var kernelCount: Int {
        outputChannels * inputChannels * rows.kernelSize * columns.kernelSize
    }

    /// C counterpart: `recurrent_convolution_pack`.
    public func pack(_ weights: AffineWeights, to kernelOrder: inout MutableSpan<Float>) {
        requireCounts(weights, kernelCount, outputChannels)
        unsafe write(&kernelOrder, weightCount) {
            unsafe recurrent_convolution_pack(cValue, weights.weight, weights.bias, $0)
        }
    }

    /// C counterpart: `recurrent_convolution_unpack`.
    public func unpack(_ kernelOrder: Span<Float>) -> AffineWeights {
        var weights = zeroWeights(kernelCount, outputChannels)
        unsafe read(kernelOrder, weightCount) {
            unsafe recurrent_convolution_unpack(cValue, $0, &weights.weight, &weights.bias)
        }
        return weights
    }
}

extension RowsShape {
    /// Returns rows, [M][N], with zeros past the last unit of each: `count` floats. Activations,
    /// states, targets and an embedding's table. C counterpart: `recurrent_rows_pack`.
    ///
    /// - Precondition: x has M × N floats.
    public func pack(_ x: [Float]) -> [Float] { zeros(count) { pack(x, to: &$0) } }

    func pack(_ x: [Float], to y: inout MutableSpan<Float>) {
        require(
            x.count == rows * units,
            "rows: expected \(rows) of \(units) units, found \(x.count) floats")
        unsafe write(&y, count) { unsafe recurrent_rows_pack(cValue, x, $0) }
    }

    /// Returns the units of padded rows, [M][N]. C counterpart: `recurrent_rows_unpack`.
    ///
    /// - Precondition: y has `count` floats.
    public func unpack(_ y: Span<Float>) -> [Float] {
        var x = [Float](repeating: 0, count: rows * units)
        unsafe read(y, count) { unsafe recurrent_rows_unpack(cValue, $0, &x) }
        return x
    }
}

// MARK: Memory and its sizes

private func zeros(_ count: Int, _ body: (inout MutableSpan<Float>) -> Void) -> [Float] {
    var floats = [Float](repeating: 0, count: count)
    var span = floats.mutableSpan
    body(&span)
    return floats
}

private func requireCount(_ found: Int, _ expected: Int) {
    require(found == expected, "kernel order: expected \(expected) floats, found \(found)")
}

private func write(
    _ floats: inout MutableSpan<Float>, _ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void
) {
    requireCount(floats.count, count)
    unsafe floats.withUnsafeMutableBufferPointer { unsafe body($0.baseAddress!) }
}

private func read(_ floats: Span<Float>, _ count: Int, _ body: (UnsafePointer<Float>) -> Void) {
    requireCount(floats.count, count)
    unsafe floats.withUnsafeBufferPointer { unsafe body($0.baseAddress!) }
}

private func zeroWeights(_ cell: StateDictCell) -> CellWeights {
    cell.weights(
        cell.parameters.map { [Float](repeating: 0, count: $0.shape.reduce(1, *)) })
}

private func zeroWeights(_ weight: Int, _ bias: Int) -> AffineWeights {
    AffineWeights(
        weight: [Float](repeating: 0, count: weight), bias: [Float](repeating: 0, count: bias))
}

private func requireTensors(_ weights: CellWeights, of cell: StateDictCell) {
    let wrong = cell.mismatch(weights)
    require(
        wrong == nil,
        "weights: \(wrong!.name): expected \(wrong!.expected) floats, found \(wrong!.found)")
}

private func requireCounts(_ weights: AffineWeights, _ weight: Int, _ bias: Int) {
    require(
        weights.weight.count == weight && weights.bias.count == bias,
        """
        weights: expected \(weight) floats and a bias of \(bias), found \
        \(weights.weight.count) and \(weights.bias.count)
        """)
}
