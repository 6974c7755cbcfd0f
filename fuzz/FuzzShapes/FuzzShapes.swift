// Not part of a product: SwiftPM lends it because the library depends on it.
import CKernels
public import FuzzDriver

@_cdecl("FuzzShapes_main") public func main(_ count: CInt, _ arguments: Arguments) -> CInt {
    fuzz(count, arguments, fuzzShapes)
}

/// Bytes → sizes and data, on which every instruction set, in any number of shares, must leave the bits that the generic one leaves.
@_cdecl("LLVMFuzzerTestOneInput") public func fuzzShapes(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    var bytes = Bytes(Array(UnsafeBufferPointer(start: start, count: count)))
    let scenario = Trial.scenarios[bytes.choice(Trial.scenarios.count)]
    let shareCount = 1 + bytes.choice(5)
    let guarded = bytes.flag()
    func trial(_ table: UnsafePointer<recurrent_kernels>, shareCount: Int, guardCount: Int) -> Trial {
        let trial = Trial(table.pointee, bytes, shareCount: shareCount, guardCount: guardCount)
        scenario(trial)
        return trial
    }
    let expected = trial(recurrent_kernels_of(recurrent_isa_generic)!, shareCount: 1, guardCount: guarded ? 0 : 65)
    for isa in [recurrent_isa_generic, recurrent_isa_avx2, recurrent_isa_avx512] {
        guard let table = recurrent_kernels_of(isa) else { continue }
        trial(table, shareCount: shareCount, guardCount: guarded ? 65 : 0).check(against: expected)
    }
    return 0
}
