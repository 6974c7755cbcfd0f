internal import CRecurrent

/// An instruction set that the kernels are compiled for. The bits of every result are the same on
/// all of them.
///
/// C counterpart: `recurrent_isa`.
public enum ISA: String, CaseIterable, Sendable {
    /// What the compiler's target has: NEON on arm64, SSE2 on x86-64 (correct, and slow: no fused
    /// multiply-add).
    case generic
    /// x86-64 with AVX2 and FMA.
    case avx2
    /// x86-64 with AVX-512 F, BW, DQ and VL.
    case avx512

    /// The fastest one of this processor.
    public static var best: ISA { allCases.last(where: \.isAvailable) ?? .generic }

    /// Those that this processor has, slowest first.
    public static var available: [ISA] { allCases.filter(\.isAvailable) }

    /// Whether this processor has it.
    public var isAvailable: Bool { unsafe recurrent_kernels_of(cValue) != nil }

    var cValue: recurrent_isa {
        switch self {
        case .generic: recurrent_isa_generic
        case .avx2: recurrent_isa_avx2
        case .avx512: recurrent_isa_avx512
        }
    }
}
