public import CRecurrent
public import Testing

/// The kernels of one instruction set, named in test output.
public struct KernelTable: @unchecked Sendable, CustomTestStringConvertible {
    public let table: UnsafePointer<recurrent_kernels>

    /// Those that this processor has, slowest first.
    public static let all: [KernelTable] = [
        recurrent_isa_generic, recurrent_isa_avx2, recurrent_isa_avx512,
    ]
    .compactMap { recurrent_kernels_of($0).map { KernelTable(table: $0) } }

    /// The table's function pointers.
    public var kernels: recurrent_kernels { table.pointee }

    public var testDescription: String { String(cString: recurrent_isa_name(table.pointee.isa)) }

    /// The names in kernel_list.h, in its order.
    public static let names: [String] = {
        var names: [String] = []
        while let name = recurrent_kernel_name(names.count) { names.append(String(cString: name)) }
        return names
    }()
}
