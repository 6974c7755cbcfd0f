/// The state of one stream that runs through a model: what each layer keeps, and room for one time
/// step.
@safe public struct ModelState: ~Copyable, @unchecked Sendable {
    let shape: ModelShape
    let layout: StateLayout
    private let arena: Arena
    /// Which of the two buffers of h holds the last step's.
    var parity = 0
    /// Steps since the last reset.
    var steps = 0

    /// A state of zero.
    ///
    /// - Precondition: no layer is bidirectional: it would have to know the steps to come.
    public init(_ model: borrowing Model) {
        let shape = model.shape
        require(
            !shape.layers.contains(where: \.isBidirectional),
            "state: a bidirectional layer needs the whole sequence; expected one direction")
        self.shape = shape
        layout = StateLayout(shape)
        arena = Arena(layout.memory)
    }

    var base: UnsafeMutablePointer<Float> { unsafe arena.base }

    /// Whether the state is finite, and what came out last: one that is not stays so, until
    /// `reset`.
    public var isFinite: Bool {
        for layer in layout.layers {
            guard unsafe layer.cell.stateRows.isFinite(base + layer.c),
                unsafe layer.cell.hiddenRows.isFinite(base + layer.h[parity])
            else {
                return false
            }
        }
        return (0..<layout.dense.outputSize).allSatisfy { unsafe base[layout.output + $0].isFinite }
    }

    /// Resets the stream to zero.
    public mutating func reset() {
        unsafe base.update(repeating: 0, count: layout.memory.floats)
        steps = 0
    }

    /// The mean of the steps so far, bit for bit what `sequence_pool` makes of them: a sum in
    /// double, which still notices a step after days.
    fileprivate mutating func addToMean(_ h: UnsafePointer<Float>) -> UnsafeMutablePointer<Float> {
        let units = shape.layers.last!.outputSize
        let mean = unsafe base + layout.mean
        unsafe UnsafeMutableRawPointer(base + layout.sum).withMemoryRebound(
            to: Double.self, capacity: units
        ) { sum in
            for unit in 0..<units {
                unsafe sum[unit] += Double(h[unit])
                unsafe mean[unit] = Float(sum[unit] / Double(steps))
            }
        }
        return unsafe mean
    }

    /// Calls `body` with what the dense layer gave in the last step: logits, or values; of a model
    /// with one answer to a sequence, the answer to the steps so far.
    public func withOutput<Result>(_ body: (Span<Float>) throws -> Result) rethrows -> Result {
        try body(
            unsafe UnsafeBufferPointer(start: base + layout.output, count: layout.dense.outputSize)
                .span)
    }
}

/// Where the parts of a `ModelState` start.
struct StateLayout: Sendable {
    let embedding: EmbeddingShape?
    let dense: DenseShape
    let features: Int, output: Int
    /// The shapes of one step, which does not make them anew, and where each part lies.
    let layers: [(cell: AnyCellShape, c: Int, h: [Int], scratch: Int)]
    /// Where the head is a mean: the sum of the steps, in double, and the mean.
    let sum: Int, mean: Int
    let memory: Layout

    init(_ shape: ModelShape) {
        var layout = Layout()
        embedding = shape.table.map {
            EmbeddingShape(vocabulary: $0.rows, dimension: $0.units, rows: 1)
        }
        dense = shape.dense(rows: 1)
        features = layout.reserve(padded(shape.featureCount))
        layers = shape.layers.indices.map { index in
            let cell = shape.cell(index, batch: 1, steps: 1)
            return (
                cell: cell, c: layout.reserve(cell.stateCount),
                h: [layout.reserve(cell.outputCount), layout.reserve(cell.outputCount)],
                scratch: layout.reserve(cell.scratchCount)
            )
        }
        let meanCount = shape.head == .mean ? padded(shape.layers.last!.outputSize) : 0
        sum = layout.reserve(2 * meanCount)
        mean = layout.reserve(meanCount)
        output = layout.reserve(shape.outputSize)
        memory = layout
    }
}

extension Model {
    /// One time step on a token; `state.withOutput` has the logits. A token outside the
    /// vocabulary is a vector of zeros.
    ///
    /// - Precondition: the model's input is tokens; the state was made for a model of the same
    ///   shape.
    public func step(token: Int32, state: inout ModelState, kernels: Kernels = .best) {
        checkShape(state)
        guard let embedding = state.layout.embedding else {
            fail("model: the input is \(shape.input); expected values, found a token")
        }
        var token = token
        let features = unsafe state.base + state.layout.features
        unsafe kernels.embeddingForward(
            embedding, table: parameters + layout.embedding!, indices: &token, y: features)
        unsafe step(features: features, state: &state, kernels: kernels)
    }

    /// One time step on a vector of features; `state.withOutput` has the result. A feature that
    /// is NaN makes the state NaN, which it stays until its `reset`; infinite ones may.
    ///
    /// - Precondition: the model's input is values, of this count; the state was made for a model
    ///   of the same shape.
    public func step(values: Span<Float>, state: inout ModelState, kernels: Kernels = .best) {
        guard case .values(let size) = shape.input else {
            fail("model: the input is \(shape.input); expected a token, found values")
        }
        require(values.count == size, "values: expected \(size), found \(values.count)")
        checkShape(state)
        unsafe values.withUnsafeBufferPointer {
            unsafe step(features: $0.baseAddress!, state: &state, kernels: kernels)
        }
    }

    /// A state of another shape would be written beyond its end.
    private func checkShape(_ state: borrowing ModelState) {
        require(state.shape == shape, "state: made for a model of another shape")
    }

    private func step(features: UnsafePointer<Float>, state: inout ModelState, kernels: Kernels) {
        var x = unsafe features
        for (index, layer) in state.layout.layers.enumerated() {
            let h = unsafe state.base + layer.h[1 - state.parity]
            unsafe kernels.cellStep(
                layer.cell, weightFormat, x: x,
                weights: parameters + layout.cells[index][0],
                hPrevious: state.base + layer.h[state.parity], c: state.base + layer.c, h: h,
                scratch: state.base + layer.scratch)
            unsafe x = UnsafePointer(h)
        }
        if shape.head == .mean {
            state.steps += 1
            unsafe x = UnsafePointer(state.addToMean(x))
        }
        unsafe kernels.denseForward(
            state.layout.dense, weightFormat, x: x, weights: parameters + layout.dense,
            y: state.base + state.layout.output)
        state.parity = 1 - state.parity
    }
}
