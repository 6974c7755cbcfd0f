extension Trainer {
    /// More steps than any training makes, and few enough that what is counted by them does not
    /// overflow.
    private static let largestStep = Int(clamping: 1 << 48 as Int64)

    /// Segments learned so far, by `step` or `accumulate`.
    public var stepCount: Int { unsafe pass.pointee.step }

    /// Updates that have been made: none where the gradient was not finite.
    public var updateCount: Int { unsafe pass.pointee.updates }

    /// Rows with a target whose gradients have been accumulated since the last update.
    public var accumulatedCount: Int { unsafe pass.pointee.accumulated.count }

    /// Writes all that the steps to come depend on: parameters, moments, the states that are
    /// carried, a gradient that is being accumulated, the number of steps and updates, learning
    /// rate and momentum. A trainer made with the same arguments that takes it back goes on with
    /// the same bits. The file is safetensors, in kernel order, with a checksum, and whole or as it
    /// was. It may have any length.
    ///
    /// - Parameters:
    ///   - metadata: the owner's own, such as where in the data the next segment begins.
    ///   - model: a file whose permissions a new checkpoint gets, if it is there.
    /// - Throws: also where a key of `metadata` begins with `recurrent.`, as the checkpoint's own
    ///   do, or where a value is NaN or infinite.
    public func saveCheckpoint(
        to path: String, metadata: [String: String] = [:], permissionsOf model: String? = nil
    ) throws(ModelFileError) {
        if let key = metadata.keys.first(where: { $0.hasPrefix(CheckpointKey.prefix) }) {
            throw ModelFileError(
                path, what: "metadata \(key)",
                expected: "a key that does not begin with \(CheckpointKey.prefix)", found: key)
        }
        let own = [
            CheckpointKey.kind: kind, CheckpointKey.step: String(stepCount),
            CheckpointKey.updates: String(updateCount),
            CheckpointKey.learningRate: String(learningRate),
            CheckpointKey.momentum: String(momentum),
            CheckpointKey.lossSum: String(unsafe pass.pointee.accumulated.lossSum),
            CheckpointKey.count: String(accumulatedCount),
        ]
        try unsafe CheckpointFile.write(
            path, permissionsOf: model, metadata: metadata.merging(own) { _, own in own },
            checkpointBuffers(hasGradient: accumulatedCount > 0))
    }

    /// Takes back what `saveCheckpoint` has written, and returns the metadata that its owner gave.
    /// Changes nothing where it throws: where the file is damaged in any bit, is of another
    /// training or version, or has a number that no training writes.
    public mutating func restoreCheckpoint(contentsOf path: String) throws(ModelFileError)
        -> [String: String]
    {
        var file = try CheckpointFile(contentsOf: path)
        let metadata = file.metadata
        // The first item that differs, where there is one.
        let found = metadata[CheckpointKey.kind]!
        let pairs = zip(
            kind.split(separator: ", ", omittingEmptySubsequences: false),
            found.split(separator: ", ", omittingEmptySubsequences: false))
        guard found == kind else {
            let (expected, other) = pairs.first { $0 != $1 } ?? (kind[...], found[...])
            throw ModelFileError(
                path, what: "a checkpoint of another training", expected: String(expected),
                found: String(other))
        }
        func number<Value: LosslessStringConvertible>(
            _ key: String, _ expected: String, _ isValid: (Value) -> Bool
        ) throws(ModelFileError) -> Value {
            guard let text = metadata[key], let value = Value(text), isValid(value) else {
                throw ModelFileError(
                    path, what: "metadata \(key)", expected: expected,
                    found: metadata[key] ?? "none")
            }
            return value
        }
        let step: Int = try number(CheckpointKey.step, "0 to \(Self.largestStep)") {
            0...Self.largestStep ~= $0
        }
        let updates: Int = try number(CheckpointKey.updates, "0 to \(step)") { 0...step ~= $0 }
        var optimizer = unsafe pass.pointee.optimizer
        optimizer.learningRate = try number(CheckpointKey.learningRate, "a learning rate") {
            optimizer.learningRate = $0
            return optimizer.rangeError == nil
        }
        optimizer.momentum = try number(
            CheckpointKey.momentum, momentum > 0 ? "above 0 and below 1" : "0"
        ) {
            optimizer.momentum = $0
            return optimizer.rangeError == nil && (momentum > 0 ? $0 > 0 && Float($0) < 1 : $0 == 0)
        }
        let most = Double(step) * Double(targetCount)
        let count: Int = try number(CheckpointKey.count, "0 to \(most)") {
            $0 >= 0 && Double($0) <= most && Int64($0) <= 1 << 53
        }
        let lossSum: Double = try number(CheckpointKey.lossSum, count > 0 ? "a sum of losses" : "0")
        {
            $0 >= 0 && $0 <= Double(count) * Double(Float.greatestFiniteMagnitude)
        }
        let buffers = unsafe checkpointBuffers(hasGradient: count > 0)
        let values = try file.read(
            unsafe buffers.map { unsafe (name: $0.name, count: $0.memory.count) })
        let stride = unsafe pass.pointee.layout.momentStride
        for moment in optimizer.unsignedMoments {
            guard values[1][moment * stride..<(moment + 1) * stride].allSatisfy({ $0 >= 0 }) else {
                throw ModelFileError(
                    path, what: "moments", expected: "means of squares", found: "one below 0")
            }
        }
        let pass = unsafe pass
        unsafe pass.pointee.kernels.fill(
            pass.pointee.layout.parameters.count, 0, x: pass.pointee.gradients)
        for unsafe(floats, buffer) in unsafe zip(values, buffers) {
            _ = unsafe buffer.memory.update(fromContentsOf: floats)
        }
        unsafe pass.pointee.accumulated = Evaluation(lossSum: lossSum, count: count)
        unsafe pass.pointee.step = step
        unsafe pass.pointee.updates = updates
        unsafe pass.pointee.optimizer = optimizer
        return metadata.filter { !$0.key.hasPrefix(CheckpointKey.prefix) }
    }

    /// What must be the same for a checkpoint to fit, item by item.
    private var kind: String {
        let pass = unsafe pass
        let clip = unsafe pass.pointee.clip
        let mask = unsafe pass.pointee.mask
        let strengths = unsafe pass.pointee.regularization
        let input =
            switch model.shape.input {
            case .values(let size): "\(size) values"
            case .tokens(let vocabulary, let dimension):
                "\(vocabulary) tokens of \(dimension) features"
            }
        let layers = model.shape.layers.map {
            "\($0.cell.name) of \($0.hiddenSize)\($0.isBidirectional ? " both ways" : "")"
        }
        return unsafe [
            input, "layers \(layers.joined(separator: " - "))", "head \(model.shape.head.rawValue)",
            "\(model.shape.outputSize) outputs",
            "loss \(model.shape.loss)", "regularization \(strengths.l1) and \(strengths.l2)",
            "batch \(batch)", "steps \(steps)", "state \(initialState)",
            pass.pointee.optimizer.identity,
            "clip \(clip.norm ?? .infinity) and \(clip.value ?? .infinity)",
            "dropout \(mask.probability)", "recurrent dropout \(pass.pointee.recurrentDropout)",
            "seed \(mask.seed)",
        ].joined(separator: ", ")
    }

    /// The buffers that outlive a step, each in one piece; the gradient outlives one that
    /// accumulates.
    private func checkpointBuffers(hasGradient: Bool) -> [(
        name: String, memory: UnsafeMutableBufferPointer<Float>
    )] {
        let pass = unsafe pass
        let layout = unsafe pass.pointee.layout
        let moments = unsafe layout.momentStride * pass.pointee.optimizer.momentCount
        var buffers = unsafe [
            (
                name: "parameters",
                memory: UnsafeMutableBufferPointer(
                    start: pass.pointee.parameters, count: layout.parameters.count)
            ),
            (
                name: "moments",
                memory: UnsafeMutableBufferPointer(
                    start: pass.pointee.base + layout.moments, count: moments)
            ),
        ]
        if hasGradient {
            unsafe buffers.append(
                (
                    name: "gradient",
                    memory: UnsafeMutableBufferPointer(
                        start: pass.pointee.gradients, count: layout.parameters.count)
                ))
        }
        for (index, layer) in layout.layers.enumerated() {
            for (mode, offset) in layer.carried.enumerated() {
                unsafe buffers.append(
                    (
                        name: "state.\(index).\(TrainingMode(rawValue: mode)!)",
                        memory: UnsafeMutableBufferPointer(
                            start: pass.pointee.base + offset, count: layer.cell.shape.carriedCount)
                    ))
            }
        }
        return unsafe buffers
    }
}
