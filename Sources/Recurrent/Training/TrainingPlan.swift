/// What a trainer will do, and the memory that it takes, before it consumes its model: where the
/// system refuses, the model is still there.
///
///     let plan = try TrainingPlan(
///         for: model.shape, optimizer: .adam(Adam()), batch: 16, steps: 64)
///     var trainer = Trainer(model, plan)
public struct TrainingPlan: ~Copyable {
    public let shape: ModelShape
    public let optimizer: Optimizer
    public let batch: Int
    public let steps: Int
    public let dropout: Float, recurrentDropout: Float
    let layout: TrainingLayout
    let arena: Arena

    /// Takes the memory. Parameters as in `Trainer.init`.
    ///
    /// - Throws: `OutOfMemory` where the system refuses.
    /// - Precondition: batch and steps are in 1...`ModelShape.largestDimension`, their product is
    ///   at most 2^31; both dropouts and the optimizer's hyperparameters are in range.
    public init(
        for shape: ModelShape, optimizer: Optimizer, batch: Int, steps: Int, dropout: Float = 0,
        recurrentDropout: Float = 0
    ) throws(OutOfMemory) {
        require(
            isDimension(batch) && isDimension(steps) && isRowCount(batch * steps),
            """
            trainer: expected batch and steps of 1 to \(ModelShape.largestDimension), at most \
            \(ModelShape.largestRowCount) rows, found \(batch) and \(steps)
            """)
        require(optimizer.rangeError == nil, optimizer.rangeError!)
        require(
            (0..<1).contains(recurrentDropout),
            "recurrent dropout: expected a probability in 0..<1, found \(recurrentDropout)")
        let layout = TrainingLayout(
            shape, batch: batch, steps: steps, momentCount: optimizer.momentCount,
            dropout: dropout > 0,
            recurrentDropout: recurrentDropout > 0)
        arena = try Arena(taking: layout.memory)
        self.layout = layout
        self.shape = shape
        self.optimizer = optimizer
        self.batch = batch
        self.steps = steps
        self.dropout = dropout
        self.recurrentDropout = recurrentDropout
    }
}
