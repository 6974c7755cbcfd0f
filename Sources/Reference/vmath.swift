#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#elseif canImport(WASILibc)
    import WASILibc
#elseif os(Windows)
    import WinSDK
#else
    import Glibc
#endif

extension Double: Scalar {
    public static func sqrt(_ x: Double) -> Double { x.squareRoot() }
    public static func exp(_ x: Double) -> Double { libraryExp(x) }
    public static func log(_ x: Double) -> Double { libraryLog(x) }
    public static func log(onePlus x: Double) -> Double { libraryLog1p(x) }
    public static func tanh(_ x: Double) -> Double { libraryTanh(x) }

    /// 1 / (1 + e^-x) = e^x / (1 + e^x): whichever has no overflow.
    public static func sigmoid(_ x: Double) -> Double {
        let decay = exp(-x.magnitude)
        return (x < 0 ? decay : 1) / (1 + decay)
    }

    /// erfc(-x / √2) / 2, which is as exact far to the left as elsewhere.
    public static func normalDistribution(_ x: Double) -> Double {
        libraryErfc(-x / sqrt(2)) / 2
    }

    public static func larger(_ a: Double, _ b: Double) -> Double { max(a, b) }
    public static func relu(_ x: Double) -> Double { max(x, 0) }
    public static func heaviside(_ x: Double) -> Double { x > 0 ? 1 : 0 }
    public static func clamp(_ x: Double, _ most: Double) -> Double { min(max(x, -most), most) }
    public static func clampDerivative(_ x: Double, _ most: Double) -> Double {
        x.magnitude < most ? 1 : 0
    }
}

// Outside of `Double`, where the names mean the library's functions.
private func libraryExp(_ x: Double) -> Double { exp(x) }
private func libraryLog(_ x: Double) -> Double { log(x) }
private func libraryErfc(_ x: Double) -> Double { erfc(x) }
private func libraryLog1p(_ x: Double) -> Double { log1p(x) }
private func libraryTanh(_ x: Double) -> Double { tanh(x) }
