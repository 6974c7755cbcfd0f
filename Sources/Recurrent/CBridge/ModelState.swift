/// The state of one stream that runs through a model: h and c of each layer, and room for one time step.
@safe public struct ModelState: ~Copyable, @unchecked Sendable {
    let shape: ModelShape
    let layout: StateLayout
    private let arena: Arena
    /// Which of the two buffers of h holds the last step's.
    var parity = 0

    /// The state of rest.
    public init(_ model: borrowing Model) {
        shape = model.shape
        layout = StateLayout(shape)
        arena = Arena(layout.memory)
    }

    var base: UnsafeMutablePointer<Float> { unsafe arena.base }

    /// Puts the stream into the state of rest.
    public mutating func reset() { unsafe base.update(repeating: 0, count: layout.memory.floats) }

    /// Lends what the dense layer gave in the last step: logits, or values.
    public func withOutput<Result>(_ body: (Span<Float>) throws -> Result) rethrows -> Result {
        try body(unsafe UnsafeBufferPointer(start: base + layout.output, count: layout.outputSize).span)
    }
}

/// Where the parts of a `ModelState` start.
struct StateLayout: Sendable {
    let features: Int, output: Int, outputSize: Int
    let layers: [(c: Int, h: [Int])]
    let memory: Layout

    init(_ shape: ModelShape) {
        var layout = Layout()
        features = layout.reserve(padded(shape.featureCount))
        layers = shape.hiddenSizes.map { size in
            (c: layout.reserve(size), h: [layout.reserve(size), layout.reserve(size)])
        }
        output = layout.reserve(shape.outputSize)
        outputSize = shape.outputSize
        memory = layout
    }
}

extension Model {
    /// One time step on a token; `state.withOutput` lends the logits. A token outside the vocabulary is a vector of zeros.
    ///
    /// - Precondition: the model's input is tokens; the state was made for a model of the same shape.
    public func step(token: Int32, state: inout ModelState, kernels: Kernels = .best) {
        guard case .tokens(let vocabulary, let dimension) = shape.input else { preconditionFailure("model: expected values, found a token") }
        checkShape(state)
        var token = token
        let features = unsafe state.base + state.layout.features
        unsafe kernels.embeddingForward(EmbeddingShape(vocabulary: vocabulary, dimension: dimension, rows: 1),
                                        table: parameters + layout.embedding!, indices: &token, y: features)
        unsafe step(features: features, state: &state, kernels: kernels)
    }

    /// One time step on a vector of features; `state.withOutput` lends the result. A feature that is NaN makes the state NaN, which
    /// it stays until its `reset`; infinite ones may.
    ///
    /// - Precondition: the model's input is values, of this count; the state was made for a model of the same shape.
    public func step(values: Span<Float>, state: inout ModelState, kernels: Kernels = .best) {
        guard case .values(let size) = shape.input else { preconditionFailure("model: expected a token, found values") }
        precondition(values.count == size, "values: expected \(size), found \(values.count)")
        checkShape(state)
        unsafe values.withUnsafeBufferPointer { unsafe step(features: $0.baseAddress!, state: &state, kernels: kernels) }
    }

    /// A state of another shape would be written beyond its end.
    private func checkShape(_ state: borrowing ModelState) {
        precondition(state.shape == shape, "state: made for a model of another shape")
    }

    private func step(features: UnsafePointer<Float>, state: inout ModelState, kernels: Kernels) {
        var x = unsafe features
        for (index, layer) in state.layout.layers.enumerated() {
            let h = unsafe state.base + layer.h[1 - state.parity]
            unsafe kernels.lstmStep(shape.layer(index, batch: 1, steps: 1), weightFormat, x: x, weights: parameters + layout.layers[index],
                                    hPrevious: state.base + layer.h[state.parity], c: state.base + layer.c, h: h)
            unsafe x = UnsafePointer(h)
        }
        unsafe kernels.denseForward(shape.dense(rows: 1), weightFormat, x: x, weights: parameters + layout.dense,
                                    y: state.base + state.layout.output)
        state.parity = 1 - state.parity
    }
}
