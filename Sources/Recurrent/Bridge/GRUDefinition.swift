internal import CRecurrent

/// The definitions of the GRU that are in use, with r, z = σ(W x + U h + b) in all of them. Their
/// weights do not fit one another.
///
/// C counterpart: `recurrent_gru_definition`.
public enum GRUDefinition: String, CaseIterable, Sendable {
    /// n = tanh(W x + b + r∘(U h + b′)), h = (1 - z)∘n + z∘h: PyTorch, Keras by default, cuDNN.
    case resetAfter
    /// n = tanh(W x + U (r∘h) + b), h = (1 - z)∘n + z∘h: Cho et al. 2014, equations 5 to 8.
    case resetBefore
    /// n = σ(W x + U (r∘h) + b), h = (1 - z)∘h + z∘n: the lecture form s = (1 - i)∘s + i∘s̃, where
    /// o is r, i is z and s̃ is n.
    case lecture

    init(_ definition: recurrent_gru_definition) {
        self = Self.allCases.first { $0.cValue == definition }!
    }

    var cValue: recurrent_gru_definition {
        switch self {
        case .resetAfter: .reset_after
        case .resetBefore: .reset_before
        case .lecture: .lecture
        }
    }
}
