import Foundation
import Recurrent
import RecurrentFormats

/// Why the tool gave up: one line for stderr, `what; expected …, found …`, and an exit code.
struct Failure: Error, Equatable {
    /// The exit codes of sysexits(3) that the tool uses.
    enum Cause: Int32 {
        case usage = 64
        case data = 65
        case noInput = 66
        case software = 70
        case system = 71
        case cannotCreate = 73
        case
            inputOutput = 74
        case tryAgain = 75
    }

    let cause: Cause
    let message: String

    init(_ cause: Cause, _ message: String) {
        self.cause = cause
        self.message = message
    }

    /// A file that could not be read.
    init(reading error: FileError) {
        self.init(Self.cause(error.code), "\(error)")
    }

    private static func cause(_ code: Int32) -> Cause {
        switch code {
        case EFBIG: .data
        case EIO: .inputOutput
        default: .noInput
        }
    }

    /// A model that could not be read.
    init(reading error: ModelFileError) {
        self.init(error.code.map(Self.cause) ?? .data, "\(error)")
    }

    /// Memory that the system refused.
    init(_ error: OutOfMemory) { self.init(.system, "\(error)") }

    func exit() -> Never {
        printNotice(message)
        Foundation.exit(cause.rawValue)
    }
}

/// Returns `value` if it is in `range`, else throws a failure that names the option.
@discardableResult
func validated<Value: Comparable>(_ option: String, _ value: Value, _ range: ClosedRange<Value>)
    throws(Failure) -> Value
{
    guard range.contains(value) else {
        throw Failure(
            .usage,
            """
            \(option): out of range; expected \(range.lowerBound) to \(range.upperBound), \
            found \(value)
            """
        )
    }
    return value
}
