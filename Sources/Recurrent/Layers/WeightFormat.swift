/// How the weights of layers lie in memory for inference. Biases, states and sums are always
/// float32.
public enum WeightFormat: String, CaseIterable, Hashable, Sendable {
    /// As they were trained.
    case float32
    /// Rounded to 8 significant bits: half the memory, and faster where float32 weights do not fit
    /// the nearest cache. Every bit of the results is that of float32 weights so rounded, on every
    /// instruction set.
    case bfloat16
}
