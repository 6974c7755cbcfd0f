import Formats
import Foundation

/// Refuses a path that nothing can be written to, by writing an empty file beside it: before the work, not after it.
func checkWritable(_ path: String, option: String) throws(Failure) {
    guard !path.isEmpty else { throw Failure(.usage, "\(option): expected a path, found none") }
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
        let type = try? FileManager.default.attributesOfItem(atPath: URL(fileURLWithPath: path).resolvingSymlinksInPath().path)[.type]
        guard type as? FileAttributeType == .typeRegular else {
            throw Failure(.cannotCreate, "\(path): cannot be written; expected a file, found \(isFolder.boolValue ? "a folder" : "something else")")
        }
        guard FileManager.default.isWritableFile(atPath: path) else {
            throw Failure(.cannotCreate, "\(path): cannot be written; expected a file that may be written, found one that may not")
        }
    }
    let probe = "\(path).\(ProcessInfo.processInfo.processIdentifier)"
    do {
        try writeFile(probe, [])
    } catch {
        throw Failure(.cannotCreate, "\(path): cannot be written: \(String(cString: strerror(error.code)))")
    }
    unlink(probe)
}

extension TrainingOptions {
    /// Refuses to write over the text that is learned, by whatever paths the two are named.
    func checkDistinct(_ path: String, option: String) throws(Failure) {
        var one = stat(), other = stat()
        guard let text, stat(text, &one) == 0, stat(path, &other) == 0, one.st_dev == other.st_dev, one.st_ino == other.st_ino else { return }
        throw Failure(.usage, "\(option): \(path) is the text; expected another file")
    }
}

/// The command that continues a prompt with a model, to be pasted into a shell in the current folder.
func generateCommand(model: String, prompt: String) -> String {
    let folder = FileManager.default.currentDirectoryPath + "/"
    var tool = CommandLine.arguments[0]
    if tool.hasPrefix(folder) { tool.removeFirst(folder.count) }
    return [tool, "generate", model, "--prompt", prompt].map(quotedForShell).joined(separator: " ")
}

/// As one word of a shell's command line.
func quotedForShell(_ word: String) -> String {
    let plain = word.unicodeScalars.allSatisfy { $0.isASCII && ($0.properties.isAlphabetic || ("0"..."9").contains($0) || "/._-+,:=@%".unicodeScalars.contains($0)) }
    return plain && !word.isEmpty ? word : "'" + word.replacingOccurrences(of: "'", with: "'\\''") + "'"
}
