internal import CRecurrent
public import RecurrentFormats

/// The dimensions of a recurrent layer over a batch of sequences, and what its cell computes, as
/// `LSTMShape` for one cell, or `AnyCellShape` for any.
public protocol CellShape: KernelOrdered, Sendable where Weights == CellWeights {
    /// The kind of cell.
    static var name: String { get }
    /// The same shape, whatever its cell.
    var any: AnyCellShape { get }
    /// Nil for a shape of another cell.
    init?(_ shape: AnyCellShape)
}

/// The shape of a recurrent layer of any cell.
///
/// C counterpart: `recurrent_cell_shape`.
public struct AnyCellShape: CellShape, Hashable {
    var cValue: recurrent_cell_shape

    public static var name: String { "any cell" }

    init(cValue: recurrent_cell_shape) { self.cValue = cValue }

    public var any: AnyCellShape { self }
    public init(_ shape: AnyCellShape) { self = shape }

    /// - Precondition: as for the shape of `name`.
    init(
        _ name: String, _ cell: recurrent_cell, inputSize: Int, hiddenSize: Int, batch: Int,
        steps: Int, inputStride: Int?
    ) {
        require(
            isDimension(inputSize) && isDimension(hiddenSize) && isDimension(batch)
                && isDimension(steps) && isRowCount(steps * batch),
            """
            \(name) shape: expected dimensions of 1 to \(ModelShape.largestDimension) and at most \
            \(ModelShape.largestRowCount) rows, found input \(inputSize), hidden \(hiddenSize), \
            batch \(batch), steps \(steps)
            """)
        require(
            (inputStride ?? inputSize) >= inputSize && isDimension(inputStride ?? inputSize),
            """
            \(name) shape: expected an input stride of \(inputSize) to \
            \(ModelShape.largestDimension), found \(inputStride!)
            """
        )
        cValue = recurrent_cell_shape()
        cValue.cell = cell
        cValue.input = inputSize
        cValue.hidden = hiddenSize
        cValue.batch = batch
        cValue.steps = steps
        cValue.x_stride = inputStride ?? inputSize
    }

    /// The shape of one direction of a layer of a model.
    package init(
        _ layer: RecurrentLayer, inputSize: Int, batch: Int, steps: Int, inputStride: Int
    ) {
        self = layer.cell.options.shape(
            inputSize: inputSize, hiddenSize: layer.hiddenSize, batch: batch, steps: steps,
            inputStride: inputStride)
    }

    mutating func set(_ activation: Activation, _ gateActivation: GateActivation) {
        cValue.activation = activation.cValue
        cValue.slope = Activation.negativeSlope
        cValue.gate_activation = gateActivation.cValue
    }

    /// What the cell computes.
    var cell: RecurrentCell { RecurrentCell(cValue) }
}

extension CellShape {
    private var cValue: recurrent_cell_shape { any.cValue }

    /// I, features of the input.
    public var inputSize: Int { cValue.input }
    /// H, hidden units.
    public var hiddenSize: Int { cValue.hidden }
    /// B, sequences side by side.
    public var batch: Int { cValue.batch }
    /// T, time steps.
    public var steps: Int { cValue.steps }
    /// Floats from one input row to the next.
    public var inputStride: Int { cValue.x_stride }
    /// N, units of h: those of an LSTM's projection, or the hidden ones.
    public var outputSize: Int { recurrent_cell_outputs(cValue) }
    /// G, gates of a unit; 1 of a plain recurrent layer.
    public var gateCount: Int { recurrent_cell_gates(cValue) }
    /// Hidden units in whole panels, 16 ⌈H/16⌉: the length of a row of c in memory.
    public var paddedHiddenSize: Int { recurrent_padded(hiddenSize) }
    /// The length of a row of h in memory: `outputSize` in whole panels.
    public var paddedOutputSize: Int { recurrent_padded(outputSize) }

    /// Floats of the weights in kernel order. C counterpart: `recurrent_cell_weights_floats`.
    public var weightCount: Int { recurrent_cell_weights_floats(cValue) }
    /// The same in a format, in 32-bit words. C counterpart of bfloat16:
    /// `recurrent_cell_bfloat16_floats`.
    ///
    /// - Precondition: another cell than the plain LSTM has weights in float32.
    public func weightCount(_ format: WeightFormat) -> Int {
        switch format {
        case .float32: return weightCount
        case .bfloat16:
            require(canRoundWeights, "bfloat16 weights: expected the plain variant of the LSTM")
            return recurrent_cell_bfloat16_floats(cValue)
        }
    }
    /// Whether there is a kernel for weights that are not in float32: of the plain LSTM alone.
    public var canRoundWeights: Bool { any.cell.canRoundWeights }

    /// Floats of c at one time step, zero of cells that have none. C counterpart:
    /// `recurrent_cell_state_floats`.
    public var stateCount: Int { recurrent_cell_state_floats(cValue) }
    /// Floats of the tape of c, with slot 0 for the initial state. C counterpart:
    /// `recurrent_cell_state_tape_floats`.
    public var stateTapeCount: Int { recurrent_cell_state_tape_floats(cValue) }
    /// Floats of h at one time step: batch × padded output size. C counterpart:
    /// `recurrent_cell_output_floats`.
    public var outputCount: Int { recurrent_cell_output_floats(cValue) }
    /// Floats of the tape of h, with slot 0 for the initial state. C counterpart:
    /// `recurrent_cell_output_tape_floats`.
    public var outputTapeCount: Int { recurrent_cell_output_tape_floats(cValue) }
    /// Floats of the scratch of a step. C counterpart: `recurrent_cell_scratch_floats`.
    public var scratchCount: Int { recurrent_cell_scratch_floats(cValue) }
    /// Floats of the gates of all time steps. C counterpart: `recurrent_cell_gates_floats`.
    public var gatesCount: Int { recurrent_cell_gates_floats(cValue) }
    /// Floats of the gradient with respect to the pre-activations of all time steps. C
    /// counterpart: `recurrent_cell_dgates_floats`.
    public var preActivationGradientCount: Int { recurrent_cell_dgates_floats(cValue) }
    /// Floats of the tape of what a GRU's candidate takes from h, and of its gradient. C
    /// counterpart: `recurrent_cell_past_floats`.
    public var pastCount: Int { recurrent_cell_past_floats(cValue) }
    /// Floats of the transposed copy of the weights. C counterpart:
    /// `recurrent_cell_transposed_floats`.
    public var transposedCount: Int { recurrent_cell_transposed_floats(cValue) }
    /// Floats of the gradient with respect to the inputs. C counterpart:
    /// `recurrent_cell_dx_floats`.
    public var inputGradientCount: Int { recurrent_cell_dx_floats(cValue) }

    /// What is carried from segment to segment: c, where there is one, and h.
    var carriedCount: Int { stateCount + outputCount }
    /// h of each sequence, to which a mask of recurrent dropout belongs.
    var outputRows: RowsShape { RowsShape(rows: batch, units: outputSize) }
    /// Rows of c at one time step, none where a cell has none, and of h: one of each sequence.
    var stateRows: PaddedRows {
        PaddedRows(count: stateCount / paddedHiddenSize, units: hiddenSize)
    }
    var hiddenRows: PaddedRows { PaddedRows(count: batch, units: outputSize) }
}

extension AnyCellShape {
    public static func == (a: AnyCellShape, b: AnyCellShape) -> Bool { a.fields == b.fields }
    public func hash(into hasher: inout Hasher) { hasher.combine(fields) }
    private var fields: [AnyHashable] {
        [cell, cValue.slope, inputSize, hiddenSize, batch, steps, inputStride]
    }
}
