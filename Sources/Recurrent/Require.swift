/// Traps with a text that a release build prints as well, which `precondition` does not, unless
/// `condition` holds.
///
/// The check costs what that of `precondition` does: the text is made, out of line, only where it
/// fails.
@inline(__always)
func require(
    _ condition: Bool, _ message: @autoclosure () -> String, file: StaticString = #file,
    line: UInt = #line
) {
    if !condition { fail(message(), file: file, line: line) }
}

/// Traps with a text.
@inline(never)
func fail(_ message: @autoclosure () -> String, file: StaticString = #file, line: UInt = #line)
    -> Never
{
    fatalError(message(), file: file, line: line)
}

/// Traps where one of `values` is NaN or infinite: it would spread to whatever is computed from it.
func requireFinite(_ values: [Float], _ name: String) {
    guard let index = values.firstIndex(where: { !$0.isFinite }) else { return }
    fail("\(name): expected finite numbers, found \(values[index]) at index \(index)")
}
