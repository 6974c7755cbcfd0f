internal import CRecurrent

/// Rows of units that a pointwise kernel works on, each padded to 16 ⌈N/16⌉ floats.
///
/// C counterpart: `recurrent_rows_shape`.
public struct RowsShape: Hashable, Sendable {
    /// M.
    public let rows: Int
    /// N.
    public let units: Int

    /// - Precondition: units are in 1...`ModelShape.largestDimension`, rows in 1...2^31.
    public init(rows: Int, units: Int) {
        self.rows = rows
        self.units = units
        unsafe requireShape(recurrent_rows_check(cValue), self)
    }

    var cValue: recurrent_rows_shape { recurrent_rows_shape(rows: rows, units: units) }
    /// Floats of the padded rows. C counterpart: `recurrent_rows_floats`.
    public var count: Int { recurrent_rows_floats(cValue) }
}

/// Which elements dropout drops: a function of these numbers and of the element's place alone, so
/// the gradient's call repeats the mask.
///
/// C counterpart: `recurrent_dropout`.
public struct DropoutMask: Hashable, Sendable {
    public var seed: UInt64
    /// Another mask for each value.
    public var counter: UInt64
    /// p, of dropping an element, in 0..<1.
    public let probability: Float

    /// - Precondition: probability in 0..<1.
    public init(seed: UInt64, counter: UInt64 = 0, probability: Float) {
        require(
            (0..<1).contains(probability),
            "dropout: expected a probability in 0..<1, found \(probability)")
        self.seed = seed
        self.counter = counter
        self.probability = probability
    }

    var cValue: recurrent_dropout {
        recurrent_dropout(seed: seed, counter: counter, probability: probability)
    }
}

extension Kernels {
    /// Softmax of each row: probabilities, in place where both are the same. Kernel: `softmax`.
    public func softmax(
        _ shape: RowsShape, logits: UnsafePointer<Float>,
        probabilities: UnsafeMutablePointer<Float>, partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.softmax(&shape, logits, probabilities, partition.cValue)
    }

    /// Cross-entropy of the softmax of each row with its target, in nats, and the gradient with
    /// respect to the logits times `scale`. A target outside 0..<N gives zero for both. Kernel:
    /// `softmax_cross_entropy`.
    public func softmaxCrossEntropy(
        _ shape: RowsShape, logits: UnsafePointer<Float>, targets: UnsafePointer<Int32>,
        scale: Float,
        losses: UnsafeMutablePointer<Float>, logitsGradient: UnsafeMutablePointer<Float>?,
        partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.softmax_cross_entropy(
            &shape, logits, targets, scale, losses, logitsGradient, partition.cValue)
    }

    /// Mean squared error of each row, and the gradient with respect to `y` times `scale`; rows
    /// where `valid` is zero give zero. Kernel: `mean_squared_error`.
    public func meanSquaredError(
        _ shape: RowsShape, y: UnsafePointer<Float>, targets: UnsafePointer<Float>,
        valid: UnsafePointer<Int32>?,
        scale: Float, losses: UnsafeMutablePointer<Float>,
        outputGradient: UnsafeMutablePointer<Float>?,
        partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.mean_squared_error(
            &shape, y, targets, valid, scale, losses, outputGradient, partition.cValue)
    }

    /// Mean absolute error of each row, and the gradient with respect to `y` times `scale`, as
    /// `meanSquaredError`. Kernel: `mean_absolute_error`.
    public func meanAbsoluteError(
        _ shape: RowsShape, y: UnsafePointer<Float>, targets: UnsafePointer<Float>,
        valid: UnsafePointer<Int32>?,
        scale: Float, losses: UnsafeMutablePointer<Float>,
        outputGradient: UnsafeMutablePointer<Float>?,
        partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.mean_absolute_error(
            &shape, y, targets, valid, scale, losses, outputGradient, partition.cValue)
    }

    /// Huber's loss of each row, with `delta` above zero, and the gradient with respect to `y`
    /// times `scale`, as `meanSquaredError`. Kernel: `huber_loss`.
    public func huberLoss(
        _ shape: RowsShape, y: UnsafePointer<Float>, targets: UnsafePointer<Float>,
        valid: UnsafePointer<Int32>?, delta: Float,
        scale: Float, losses: UnsafeMutablePointer<Float>,
        outputGradient: UnsafeMutablePointer<Float>?, partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.huber_loss(
            &shape, y, targets, valid, delta, scale, losses, outputGradient, partition.cValue)
    }

    /// Binary cross-entropy, in nats, of the sigmoids of each row's logits with targets of 0...1,
    /// the mean of the row, and the gradient with respect to the logits times `scale`, as
    /// `meanSquaredError`. Kernel: `binary_cross_entropy`.
    public func binaryCrossEntropy(
        _ shape: RowsShape, logits: UnsafePointer<Float>, targets: UnsafePointer<Float>,
        valid: UnsafePointer<Int32>?,
        scale: Float, losses: UnsafeMutablePointer<Float>,
        logitsGradient: UnsafeMutablePointer<Float>?,
        partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.binary_cross_entropy(
            &shape, logits, targets, valid, scale, losses, logitsGradient, partition.cValue)
    }

    /// The sum of `count` losses, in Double. Kernel: `sum_losses`.
    public func sumLosses(_ count: Int, losses: UnsafePointer<Float>) -> Double {
        var sum = 0.0
        unsafe table.pointee.sum_losses(count, losses, &sum)
        return sum
    }

    /// Inverted dropout; the gradient is the same call on the gradient. Kernel: `dropout`.
    public func dropout(
        _ shape: RowsShape, mask: DropoutMask, x: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>, partition: Partition = .all
    ) {
        var shape = shape.cValue
        var mask = mask.cValue
        unsafe table.pointee.dropout(&shape, &mask, x, y, partition.cValue)
    }
}
