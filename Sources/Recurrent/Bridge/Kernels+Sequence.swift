internal import CRecurrent

/// Sequences of rows of units, time-major, that are copied or made one row each.
///
/// C counterpart: `recurrent_sequence_shape`.
public struct SequenceShape: Hashable, Sendable {
    /// T, time steps.
    public let steps: Int
    /// B, sequences side by side.
    public let batch: Int
    /// N, units of a row.
    public let units: Int
    /// Floats of each row that are written: the units, then zeros.
    public let width: Int
    /// Floats from one row that is read to the next, and from one that is written to the next.
    public let inputStride: Int, outputStride: Int
    /// Whether the steps of each sequence are taken from its last to its first.
    public let isReversed: Bool

    /// - Parameter width: 16 ⌈N/16⌉ where nothing else is said; so are the strides.
    /// - Precondition: steps, batch and units are in 1...`ModelShape.largestDimension`, steps ×
    ///   batch is at most 2^31; units ≤ width ≤ `outputStride`; units ≤ `inputStride`.
    public init(
        steps: Int, batch: Int, units: Int, width: Int? = nil, inputStride: Int? = nil,
        outputStride: Int? = nil, isReversed: Bool = false
    ) {
        self.steps = steps
        self.batch = batch
        self.units = units
        self.width = width ?? padded(units)
        self.inputStride = inputStride ?? padded(units)
        self.outputStride = outputStride ?? self.width
        self.isReversed = isReversed
        unsafe requireShape(recurrent_sequence_check(cValue), self)
    }

    var cValue: recurrent_sequence_shape {
        recurrent_sequence_shape(
            steps: steps, batch: batch, units: units, width: width, x_stride: inputStride,
            y_stride: outputStride,
            reversed: isReversed ? 1 : 0)
    }
}

/// What one row is made of a sequence.
///
/// C counterpart: `recurrent_sequence_pooling`.
public enum SequencePooling: String, CaseIterable, Sendable {
    /// Its last step; reversed, its first.
    case last
    /// The mean of its steps.
    case mean

    var cValue: recurrent_sequence_pooling {
        switch self {
        case .last: recurrent_sequence_last
        case .mean: recurrent_sequence_mean
        }
    }
}

extension Kernels {
    /// A copy of sequences, in time or against it; rows that have ended are zero. Kernel:
    /// `sequence_copy`.
    ///
    /// - Parameters:
    ///   - lengths: [B], steps of each sequence, or nil where every one has all `shape.steps`.
    ///   - x: [T][B][inputStride].
    ///   - y: [T][B][outputStride]; `width` floats of each row are written.
    public func sequenceCopy(
        _ shape: SequenceShape, lengths: UnsafePointer<Int>?, x: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>,
        partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.sequence_copy(&shape, lengths, x, y, partition.cValue)
    }

    /// The same, added to `y`. Kernel: `add_sequence`.
    public func addSequence(
        _ shape: SequenceShape, lengths: UnsafePointer<Int>?, x: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>,
        partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.add_sequence(&shape, lengths, x, y, partition.cValue)
    }

    /// One row of each sequence. Kernel: `sequence_pool`.
    ///
    /// - Parameters:
    ///   - x: [T][B][inputStride].
    ///   - y: [B][outputStride]; `width` floats of each row are written.
    public func sequencePool(
        _ shape: SequenceShape, _ pooling: SequencePooling, lengths: UnsafePointer<Int>?,
        x: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>, partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.sequence_pool(&shape, pooling.cValue, lengths, x, y, partition.cValue)
    }

    /// The gradient with respect to the steps of what `sequencePool` has made rows of. Kernel:
    /// `sequence_pool_backward`.
    ///
    /// - Parameters:
    ///   - outputGradient: [B][inputStride].
    ///   - inputGradient: [T][B][outputStride]; `width` floats of each row are written.
    public func sequencePoolBackward(
        _ shape: SequenceShape, _ pooling: SequencePooling, lengths: UnsafePointer<Int>?,
        outputGradient: UnsafePointer<Float>, inputGradient: UnsafeMutablePointer<Float>,
        partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.sequence_pool_backward(
            &shape, pooling.cValue, lengths, outputGradient, inputGradient, partition.cValue)
    }
}
