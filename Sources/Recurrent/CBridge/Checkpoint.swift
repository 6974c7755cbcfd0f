internal import Formats

/// What a checkpoint says beside its buffers.
private enum CheckpointKey {
    static let kind = "recurrent.checkpoint", step = "recurrent.step", updates = "recurrent.updates", learningRate = "recurrent.learning-rate"
    static let momentum = "recurrent.momentum", lossSum = "recurrent.accumulated-loss", count = "recurrent.accumulated-targets"
    static let own = [kind, step, updates, learningRate, momentum, lossSum, count]
}

extension Trainer {
    /// Writes all that the steps to come depend on: parameters, moments, the states that are carried, a gradient that is being accumulated, the
    /// number of steps and updates, learning rate and momentum. A trainer made with the same arguments that takes it back goes on with the same
    /// bits. The file is safetensors, in kernel order, and whole or as it was.
    ///
    /// - Parameters:
    ///   - metadata: the owner's own, such as where in the data the next segment begins.
    ///   - model: a file whose permissions a new checkpoint gets, if it is there.
    /// - Precondition: no key of `metadata` is one of the checkpoint's own, which begin with `recurrent.`.
    public func saveCheckpoint(to path: String, metadata: [String: String] = [:], permissionsOf model: String? = nil) throws(ModelFileError) {
        let own = [CheckpointKey.kind: kind, CheckpointKey.step: String(unsafe pass.pointee.step), CheckpointKey.updates: String(unsafe pass.pointee.updates),
                   CheckpointKey.learningRate: String(learningRate), CheckpointKey.momentum: String(momentum),
                   CheckpointKey.lossSum: String(unsafe pass.pointee.accumulated.lossSum),
                   CheckpointKey.count: String(unsafe pass.pointee.accumulated.count)]
        let all = metadata.merging(own) { _, _ in fail("checkpoint: a key of the metadata is the checkpoint's own") }
        let tensors = unsafe checkpointBuffers(hasGradient: pass.pointee.accumulated.count > 0).map { name, memory in
            Tensor(name: name, shape: [memory.count], values: unsafe Array(memory))
        }
        let bytes: [UInt8]
        do {
            bytes = try Safetensors.encode(tensors, metadata: all, headerLimit: modelHeaderLimit)
        } catch {
            throw ModelFileError(path, error)
        }
        do {
            try writeFile(path, bytes, permissionsOf: model)
        } catch {
            throw ModelFileError(error)
        }
    }

    /// Takes back what `saveCheckpoint` has written, and returns the metadata that its owner gave. Changes nothing where it throws.
    public mutating func restoreCheckpoint(contentsOf path: String) throws(ModelFileError) -> [String: String] {
        let file = try readSafetensors(path)
        guard let found = file.metadata[CheckpointKey.kind] else {
            throw ModelFileError(path, what: "not a checkpoint", expected: "metadata \(CheckpointKey.kind)", found: "none")
        }
        // The first item that differs, where there is one.
        let pairs = zip(kind.split(separator: ", ", omittingEmptySubsequences: false), found.split(separator: ", ", omittingEmptySubsequences: false))
        guard found == kind else {
            let (expected, other) = pairs.first { $0 != $1 } ?? (kind[...], found[...])
            throw ModelFileError(path, what: "a checkpoint of another training", expected: String(expected), found: String(other))
        }
        func number<Value: LosslessStringConvertible>(_ key: String, _ isValid: (Value) -> Bool) throws(ModelFileError) -> Value {
            guard let text = file.metadata[key], let value = Value(text), isValid(value) else {
                throw ModelFileError(path, what: "metadata \(key)", expected: "a number", found: file.metadata[key] ?? "none")
            }
            return value
        }
        let step: Int = try number(CheckpointKey.step) { $0 >= 0 }, updates: Int = try number(CheckpointKey.updates) { 0...step ~= $0 }
        let rate: Double = try number(CheckpointKey.learningRate) { $0 >= 0 && $0.isFinite }
        let momentum: Double = try number(CheckpointKey.momentum) { ($0 > 0) == (self.momentum > 0) && $0 >= 0 && $0 < 1 }
        let accumulated = Evaluation(lossSum: try number(CheckpointKey.lossSum) { _ in true }, count: try number(CheckpointKey.count) { $0 >= 0 })
        let buffers = unsafe checkpointBuffers(hasGradient: accumulated.count > 0)
        var values: [[Float]] = []
        for unsafe (name, memory) in unsafe buffers {
            do {
                values.append(try file.tensor(named: name).values)
            } catch {
                throw ModelFileError(path, error)
            }
            guard values.last!.count == memory.count else {
                throw ModelFileError(path, what: name, expected: "\(memory.count) floats", found: "\(values.last!.count)")
            }
        }
        let pass = unsafe pass
        unsafe pass.pointee.kernels.fill(pass.pointee.layout.parameters.count, 0, x: pass.pointee.gradients)
        for unsafe (floats, buffer) in unsafe zip(values, buffers) {
            _ = unsafe buffer.memory.update(fromContentsOf: floats)
        }
        unsafe pass.pointee.accumulated = accumulated
        unsafe pass.pointee.step = step
        unsafe pass.pointee.updates = updates
        learningRate = rate
        self.momentum = momentum
        return file.metadata.filter { !CheckpointKey.own.contains($0.key) }
    }

    /// What must be the same for a checkpoint to fit, item by item.
    private var kind: String {
        let pass = unsafe pass
        let clip = unsafe pass.pointee.clip, mask = unsafe pass.pointee.mask, strengths = unsafe pass.pointee.regularization
        let input = switch model.shape.input {
        case .values(let size): "\(size) values"
        case .tokens(let vocabulary, let dimension): "\(vocabulary) tokens of \(dimension) features"
        }
        let layers = model.shape.layers.map { "\($0.cell.name) of \($0.hiddenSize)\($0.isBidirectional ? " both ways" : "")" }
        return unsafe [input, "layers \(layers.joined(separator: " - "))", "head \(model.shape.head.rawValue)", "\(model.shape.outputSize) outputs",
                       "loss \(model.shape.loss)", "regularization \(strengths.l1) and \(strengths.l2)",
                       "batch \(batch)", pass.pointee.optimizer.identity, "clip \(clip.norm ?? .infinity) and \(clip.value ?? .infinity)",
                       "dropout \(mask.probability)", "recurrent dropout \(pass.pointee.recurrentDropout)", "seed \(mask.seed)"].joined(separator: ", ")
    }

    /// The buffers that outlive a step, each in one piece; the gradient outlives one that accumulates.
    private func checkpointBuffers(hasGradient: Bool) -> [(name: String, memory: UnsafeMutableBufferPointer<Float>)] {
        let pass = unsafe pass
        let layout = unsafe pass.pointee.layout
        let moments = unsafe layout.momentStride * pass.pointee.optimizer.momentCount
        var buffers = unsafe [(name: "parameters", memory: UnsafeMutableBufferPointer(start: pass.pointee.parameters, count: layout.parameters.count)),
                              (name: "moments", memory: UnsafeMutableBufferPointer(start: pass.pointee.base + layout.moments, count: moments))]
        if hasGradient {
            unsafe buffers.append((name: "gradient", memory: UnsafeMutableBufferPointer(start: pass.pointee.gradients, count: layout.parameters.count)))
        }
        for (index, layer) in layout.layers.enumerated() {
            for (purpose, offset) in layer.carried.enumerated() {
                unsafe buffers.append((name: "state.\(index).\(TrainingPurpose(rawValue: purpose)!)", memory: UnsafeMutableBufferPointer(
                    start: pass.pointee.base + offset, count: layer.cell.shape.carriedCount)))
            }
        }
        return unsafe buffers
    }
}
