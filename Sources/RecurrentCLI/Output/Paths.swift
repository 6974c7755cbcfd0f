import Foundation
import RecurrentFormats

/// The words of the command line, the tool's own name first. A byte that is not UTF-8 is in them as
/// paths have it: Swift's own `CommandLine.arguments` would name another file.
let commandLineArguments: [String] = (0..<Int(CommandLine.argc)).map { index in
    let word = CommandLine.unsafeArgv[index]!
    return String(pathBytes: UnsafeRawBufferPointer(start: word, count: strlen(word)))
}

/// The text of an option, which unlike a path must be UTF-8.
func textArgument(_ word: String, option: String) throws(Failure) -> String {
    guard let text = String(validating: word.pathBytes, as: UTF8.self) else {
        throw Failure(.usage, "\(option): not text; expected UTF-8, found \(word)")
    }
    return text
}

/// Refuses a path that nothing can be written to: before the work, not after it.
func checkWritable(_ path: String, option: String) throws(Failure) {
    guard !path.isEmpty else { throw Failure(.usage, "\(option): expected a path, found none") }
    do {
        try checkWritable(path)
    } catch {
        let reason =
            switch error.code {
            case EISDIR: "expected a file, found a folder"
            case EINVAL: "expected a file, found something else"
            default: error.reason
            }
        throw Failure(.cannotCreate, "\(path): cannot be written: \(reason)")
    }
}

/// Whether two paths lead to one file that is there.
func isSameFile(_ path: String, _ other: String) -> Bool {
    guard let one = FileStatus(path), let two = FileStatus(other) else { return false }
    return one.isSame(as: two)
}

extension TrainingOptions {
    /// Refuses to write over the text that is learned, by whatever paths the two are named.
    func checkDistinct(_ path: String, option: String) throws(Failure) {
        guard let text, text != "-", isSameFile(text, path) else { return }
        throw Failure(.usage, "\(option): \(path) is the text; expected another file")
    }
}

/// The command that continues a prompt with a model, to be pasted into a shell in the current
/// folder.
func generateCommand(model: String, prompt: String) -> String {
    let folder = FileManager.default.currentDirectoryPath + "/"
    var tool = commandLineArguments[0]
    if tool.hasPrefix(folder) { tool.removeFirst(folder.count) }
    // A path is not an option.
    let model = model.hasPrefix("-") ? "./" + model : model
    return [tool, "generate", model, "--prompt", prompt].map(quotedForShell).joined(separator: " ")
}

/// As one word of a shell's command line, all of it to be seen and to be pasted.
func quotedForShell(_ word: String) -> String {
    if word.unicodeScalars.contains(where: { !$0.isPrintable }) {
        let quoted = word.unicodeScalars.map { scalar in
            switch scalar {
            case "'", "\\": "\\" + String(scalar)
            case _ where !scalar.isPrintable:
                // Octal, which unlike hexadecimal has an end: three digits.
                String(scalar).pathBytes.map { byte in
                    let digits = String(byte, radix: 8)
                    return "\\" + String(repeating: "0", count: 3 - digits.count) + digits
                }.joined()
            default: String(scalar)
            }
        }
        return "$'" + quoted.joined() + "'"
    }
    let plain = word.unicodeScalars.allSatisfy { scalar in
        guard scalar.isASCII else { return false }
        return scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
            || "/._-+,:=@%".unicodeScalars.contains(scalar)
    }
    return plain && !word.isEmpty
        ? word : "'" + word.replacingOccurrences(of: "'", with: "'\\''") + "'"
}
