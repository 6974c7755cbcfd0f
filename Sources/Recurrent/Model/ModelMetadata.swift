/// What the tool `recurrent` reads of a language model, beside what a model file says of every
/// model.
package enum MetadataKey {
    /// Every scalar of the vocabulary, in the order of its tokens.
    package static let vocabulary = "recurrent.vocabulary"
    /// How the training text was cut: what `inspect` tells the memory of.
    package static let batch = "recurrent.batch", steps = "recurrent.steps"

    static let all: Set = [vocabulary, batch, steps]
}

/// What a saved model says of itself: of its loss always, of its cells and its head only where they
/// are not the usual ones.
enum ModelMetadata {
    /// Of all keys that are the package's.
    static let prefix = "recurrent."
    static let loss = "recurrent.loss", delta = "recurrent.delta", cells = "recurrent.cells",
        head = "recurrent.head"
    static let own: Set = [loss, delta, cells, head]

    /// Whether a key is its owner's to set.
    static func isOwners(_ key: String) -> Bool {
        !key.hasPrefix(prefix) || MetadataKey.all.contains(key)
    }

    /// What a file has to say of a model.
    static func entries(_ shape: ModelShape) -> [String: String] {
        var entries = [loss: shape.loss.name]
        if case .huber(let delta) = shape.loss { entries[Self.delta] = "\(delta)" }
        let cells = shape.layers.map(\.cell)
        // The names of the tensors tell the others.
        if cells.contains(where: { $0.options.tensorsName.isEmpty && $0 != $0.defaultOfItsKind }) {
            entries[Self.cells] = cells.map(\.name).joined(separator: " ")
        }
        if shape.head != .everyStep { entries[head] = shape.head.rawValue }
        return entries
    }
}
