internal import CRecurrent
public import RecurrentFormats

/// The dimensions of a recurrent layer over a batch of sequences, and what its cell computes:
/// `LSTMShape`, `GRUShape`, `RNNShape`, or `AnyCellShape` of any of them.
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
public struct AnyCellShape: CellShape {
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
    init(_ layer: RecurrentLayer, inputSize: Int, batch: Int, steps: Int, inputStride: Int) {
        let hiddenSize = layer.hiddenSize
        self =
            switch layer.cell {
            case .lstm(let variant):
                LSTMShape(
                    inputSize: inputSize, hiddenSize: hiddenSize, variant: variant, batch: batch,
                    steps: steps, inputStride: inputStride
                ).any
            case .gru(let definition):
                GRUShape(
                    inputSize: inputSize, hiddenSize: hiddenSize, definition: definition,
                    batch: batch, steps: steps, inputStride: inputStride
                ).any
            case .rnn(let activation):
                RNNShape(
                    inputSize: inputSize, hiddenSize: hiddenSize, activation: activation,
                    batch: batch, steps: steps, inputStride: inputStride
                ).any
            }
    }
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
    public var canRoundWeights: Bool { LSTMShape(any)?.variant == .plain }

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

/// The dimensions of an LSTM layer.
public struct LSTMShape: CellShape, Hashable {
    public static var name: String { "LSTM" }
    public let any: AnyCellShape
    public var variant: LSTMVariant { LSTMVariant(any.cValue.lstm) }

    /// - Precondition: all dimensions are in 1...`ModelShape.largestDimension`, steps × batch is at
    ///   most 2^31, and `inputStride`, where given, is at least `inputSize`.
    public init(
        inputSize: Int, hiddenSize: Int, variant: LSTMVariant = .plain, batch: Int = 1,
        steps: Int = 1, inputStride: Int? = nil
    ) {
        var any = AnyCellShape(
            Self.name, .lstm, inputSize: inputSize, hiddenSize: hiddenSize, batch: batch,
            steps: steps, inputStride: inputStride)
        any.cValue.lstm = variant.cValue
        self.any = any
    }

    public init?(_ shape: AnyCellShape) {
        guard shape.cValue.cell == .lstm else { return nil }
        any = shape
    }
}

/// The dimensions of a GRU layer, and its definition.
public struct GRUShape: CellShape, Hashable {
    public static var name: String { "GRU" }
    public let any: AnyCellShape
    public var definition: GRUDefinition { GRUDefinition(any.cValue.gru) }

    /// - Precondition: as for `LSTMShape`.
    public init(
        inputSize: Int, hiddenSize: Int, definition: GRUDefinition = .resetAfter, batch: Int = 1,
        steps: Int = 1, inputStride: Int? = nil
    ) {
        var any = AnyCellShape(
            Self.name, .gru, inputSize: inputSize, hiddenSize: hiddenSize, batch: batch,
            steps: steps, inputStride: inputStride)
        any.cValue.gru = definition.cValue
        self.any = any
    }

    public init?(_ shape: AnyCellShape) {
        guard shape.cValue.cell == .gru else { return nil }
        any = shape
    }
}

/// The dimensions of a plain recurrent layer, and its activation.
public struct RNNShape: CellShape, Hashable {
    public static var name: String { "RNN" }
    public let any: AnyCellShape
    /// f, one of `Activation.ofCells`.
    public var activation: Activation { Activation(any.cValue.activation) }
    /// Of `leakyReLU`.
    public var negativeSlope: Float { any.cValue.slope }

    /// - Precondition: as for `LSTMShape`; the activation is one of `Activation.ofCells`, and the
    ///   slope is in 0...1.
    public init(
        inputSize: Int, hiddenSize: Int, activation: Activation = .tanh,
        negativeSlope: Float = Activation.negativeSlope, batch: Int = 1, steps: Int = 1,
        inputStride: Int? = nil
    ) {
        require(
            (0...1).contains(negativeSlope),
            "RNN shape: expected a negative slope in 0...1, found \(negativeSlope)")
        require(
            Activation.ofCells.contains(activation),
            """
            RNN shape: expected one of the activations of cells, \
            \(Activation.ofCells.map(\.rawValue).joined(separator: ", ")), found \
            \(activation.rawValue)
            """)
        var any = AnyCellShape(
            Self.name, .rnn, inputSize: inputSize, hiddenSize: hiddenSize, batch: batch,
            steps: steps, inputStride: inputStride)
        any.cValue.activation = activation.cValue
        any.cValue.slope = negativeSlope
        self.any = any
    }

    public init?(_ shape: AnyCellShape) {
        guard shape.cValue.cell == .rnn else { return nil }
        any = shape
    }
}

extension AnyCellShape: Hashable {
    public static func == (a: AnyCellShape, b: AnyCellShape) -> Bool {
        a.sizes == b.sizes && a.options == b.options
    }
    public func hash(into hasher: inout Hasher) {
        hasher.combine(sizes)
        hasher.combine(options)
    }
    private var sizes: [Int] { [inputSize, hiddenSize, batch, steps, inputStride] }
    private var options: [AnyHashable] {
        switch cValue.cell {
        case .lstm: ["LSTM", LSTMVariant(cValue.lstm)]
        case .rnn: ["RNN", Activation(cValue.activation), cValue.slope]
        case .gru: ["GRU", GRUDefinition(cValue.gru)]
        }
    }
}
