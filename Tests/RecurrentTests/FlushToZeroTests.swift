import CRecurrent
import Recurrent
import TestSupport
import Testing

@Suite struct FlushToZeroTests {
    /// A smallest normal number times a half: a subnormal number, or zero where those are flushed.
    /// Not inlined, so that it stays where it is.
    @inline(never) private func product(_ a: Float, _ b: Float) -> Float { a * b }
    private func flushesResults() -> Bool { product(.leastNormalMagnitude, 0.5) == 0 }
    private func flushesOperands() -> Bool { product(.leastNonzeroMagnitude, 0x1p64) == 0 }

    private struct Failure: Error, Equatable { let code: Int }
    private struct Handle: ~Copyable { let value: Int }

    @Test func flushesInsideAndNotOutside() {
        // Read behind the arithmetic, which raises the mode's sticky flags.
        #expect(!flushesResults() && !flushesOperands())
        let found = recurrent_float_mode()
        let inside = withFlushToZero { (flushesResults(), flushesOperands()) }
        #if arch(x86_64) || arch(arm64)
            #expect(inside == (true, true))
        #else
            #expect(inside == (false, false))
        #endif
        #expect(!flushesResults() && !flushesOperands())
        #expect(recurrent_float_mode() == found)
    }

    @Test func restoresWhatItFoundWhenTheBodyThrows() {
        let found = recurrent_float_mode()
        let throwing: () throws(Failure) -> Int = { () throws(Failure) in throw Failure(code: 3) }
        do throws(Failure) {
            _ = try withFlushToZero(throwing)
            Issue.record("nothing was thrown")
        } catch {
            #expect(error.code == 3)
        }
        #expect(recurrent_float_mode() == found)
    }

    /// A mode that somebody else has set is what an inner scope puts back.
    @Test func scopesAreNested() {
        withFlushToZero {
            let outer = recurrent_float_mode()
            withFlushToZero {}
            #expect(recurrent_float_mode() == outer)
            #expect(recurrent_flushing_mode(outer) == outer)
        }
        #expect(!flushesResults() && !flushesOperands())
    }

    @Test func resultsNeedNotBeCopyable() {
        let handle = withFlushToZero { Handle(value: 7) }
        #expect(handle.value == 7)
    }

    /// A kernel on every instruction set: h = 1/2 tanh(c) for a subnormal c, which is subnormal,
    /// and zero inside.
    @Test(arguments: ISA.available) func kernelsFlush(isa: ISA) throws {
        func step(_ cell: inout LSTMCell) -> Float {
            cell.state = [0, .leastNormalMagnitude]
            var h: [Float] = [.nan]
            var span = h.mutableSpan
            cell.step([0].span, into: &span)
            return h[0]
        }
        var cell = LSTMCell(inputSize: 1, hiddenSize: 1, kernels: try Kernels(isa: isa))
        #expect(step(&cell).isSubnormal)
        #if arch(x86_64) || arch(arm64)
            #expect(withFlushToZero { step(&cell) } == 0)
        #endif
        #expect(step(&cell).isSubnormal)
    }
}
