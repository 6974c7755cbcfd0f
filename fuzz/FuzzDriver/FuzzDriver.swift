public typealias Arguments = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
public typealias FuzzBody = @convention(c) (_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt

/// libFuzzer's loop over `body`. A fuzzer calls it from a `main` of its own: SwiftPM gives that the
/// name `<target>_main`, which the one that comes with libFuzzer does not have.
public func fuzz(_ count: CInt, _ arguments: Arguments, _ body: FuzzBody) -> CInt {
    var (count, arguments) = (count, arguments)
    return runDriver(&count, &arguments, body)
}

@_silgen_name("LLVMFuzzerRunDriver") private func runDriver(
    _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutablePointer<Arguments>,
    _ body: FuzzBody
) -> CInt
