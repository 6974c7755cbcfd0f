internal import CRecurrent

/// The elementary functions, element by element; `y` may be `x`. Largest errors over all floats:
/// see vmath.h.
extension Kernels {
    /// y = e^x. Kernel: `vector_exp`.
    public func exp(_ count: Int, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>) {
        unsafe table.pointee.vector_exp(count, x, y)
    }

    /// y = log x. Kernel: `vector_log`.
    public func log(_ count: Int, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>) {
        unsafe table.pointee.vector_log(count, x, y)
    }

    /// y = tanh x. Kernel: `vector_tanh`.
    public func tanh(_ count: Int, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>) {
        unsafe table.pointee.vector_tanh(count, x, y)
    }

    /// y = 1 / (1 + e^-x). Kernel: `vector_sigmoid`.
    public func sigmoid(_ count: Int, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>) {
        unsafe table.pointee.vector_sigmoid(count, x, y)
    }
}
