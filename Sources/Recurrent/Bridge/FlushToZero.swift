internal import CRecurrent

/// Calls `body` while the processor takes subnormal numbers for zero on this thread, then puts the
/// floating-point mode back to exactly what it was, also where `body` throws. Scopes may be nested.
/// x86 (FTZ and DAZ of MXCSR) and arm64 (FZ of FPCR); elsewhere `body` is just called.
///
/// Nothing here needs it in silence: a state that decays comes to rest at zero. It is for the
/// caller's own signal processing around `step`, on processors where an operation on a subnormal
/// number costs a hundred cycles.
///
/// Inside, the same bits on every instruction set are not promised where a subnormal number is read
/// or would result. The mode is that of this thread: those that a `Trainer` owns keep theirs. The
/// compiler may move arithmetic that stands in `body` itself, unlike calls of kernels, over the
/// edges of the scope.
///
/// C counterpart: `recurrent_set_float_mode`.
@inline(never)
public func withFlushToZero<Result: ~Copyable, Failure: Error>(_ body: () throws(Failure) -> Result)
    throws(Failure) -> Result
{
    let found = recurrent_float_mode()
    recurrent_set_float_mode(recurrent_flushing_mode(found))
    defer { recurrent_set_float_mode(found) }
    return try body()
}
