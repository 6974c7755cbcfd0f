import Foundation
import Subprocess
import Testing

/// What a run of the built tool did.
struct Outcome {
    let exitCode: Int?
    let output: String
    let error: String

    /// The last line that is not empty.
    var lastLine: String { output.split(separator: "\n").last.map(String.init) ?? "" }
}

/// The built tool, which lies beside the tests.
private let toolPath = Bundle.main.executableURL!.deletingLastPathComponent().appending(
    path: "recurrent-cli"
).path

/// Runs the tool, in `folder` if there is one.
func recurrent(_ arguments: [String], in folder: Folder? = nil, environment: [String: String] = [:])
    async throws -> Outcome
{
    try await run(toolPath, arguments, in: folder, environment: environment)
}

/// Runs a line of shell, in which `$RECURRENT` is the tool.
func shell(_ line: String, in folder: Folder) async throws -> Outcome {
    try await run("/bin/sh", ["-c", line], in: folder, environment: ["RECURRENT": toolPath])
}

/// A line of shell that waits for a file, for two minutes at most: a tool that fails makes none.
func waiting(for file: String) -> String {
    "for n in $(seq 6000); do [ -e \(file) ] && break; sleep 0.02; done"
}

private func run(
    _ path: String, _ arguments: [String], in folder: Folder?, environment: [String: String]
) async throws -> Outcome {
    var variables: [Environment.Key: String?] = ["RECURRENT_ISA": nil]
    for (name, value) in environment { variables[Environment.Key(stringLiteral: name)] = value }
    let limit = 1 << 20
    let result = try await Subprocess.run(
        .path(.init(path)), arguments: Arguments(arguments),
        environment: .inherit.updating(variables),
        workingDirectory: folder.map { .init($0.path) }, output: .string(limit: limit),
        error: .string(limit: limit))
    var exitCode: Int?
    if case .exited(let code) = result.terminationStatus { exitCode = Int(code) }
    return Outcome(exitCode: exitCode, output: result.standardOutput, error: result.standardError)
}

/// Runs the tool with its stderr on a terminal of so many columns, and returns all that this is
/// told.
func onTerminal(
    columns: Int, _ arguments: [String], in folder: Folder, environment: [String: String] = [:]
)
    async throws -> (exitCode: Int32, screen: String)
{
    var terminal: Int32 = -1
    var end: Int32 = -1
    var size = winsize(ws_row: 25, ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
    try #require(openpty(&terminal, &end, nil, nil, &size) == 0)
    defer { close(terminal) }
    let tool = Process()
    tool.executableURL = URL(fileURLWithPath: toolPath)
    tool.arguments = arguments
    tool.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    let usual = ["TERM": "xterm", "NO_COLOR": "", "RECURRENT_ISA": ""]
    tool.environment = ProcessInfo.processInfo.environment.merging(usual) { $1 }.merging(
        environment
    ) { $1 }
    tool.standardInput = FileHandle.nullDevice
    tool.standardOutput = FileHandle.nullDevice
    tool.standardError = FileHandle(fileDescriptor: end, closeOnDealloc: false)
    try tool.run()
    close(end)
    // Until no process has the terminal open: then Linux says EIO.
    var screen: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 12)
    while true {
        let count = read(terminal, &chunk, chunk.count)
        guard count > 0 else { break }
        screen += chunk[..<count]
    }
    tool.waitUntilExit()
    return (tool.terminationStatus, String(decoding: screen, as: UTF8.self))
}

/// A temporary folder, gone with its owner.
final class Folder: Sendable {
    let path: String

    init() throws {
        path =
            FileManager.default.temporaryDirectory.appending(
                path: "recurrent-tests-\(UUID().uuidString)"
            ).path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The names of all that is in it, in order.
    var names: [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: path).sorted()) ?? []
    }

    func write(_ name: String, _ bytes: some Sequence<UInt8>) throws {
        try Data(bytes).write(to: url(name))
    }
    func write(_ name: String, _ text: String) throws { try write(name, text.utf8) }
    func read(_ name: String) throws -> [UInt8] { try Array(Data(contentsOf: url(name))) }

    private func url(_ name: String) -> URL { URL(fileURLWithPath: path).appending(path: name) }
}

/// A text that a small model learns fast, with scalars of one to four bytes.
let sampleText = (0..<60).map {
    "the \(["cat", "dog", "bird 𝄞", "貓"][$0 % 4]) sat on the \(["mat", "log", "été"][$0 % 3])\n"
}.joined()

/// Options of a model so small that a debug build trains it at once.
let smallModel = [
    "--text", "text", "--hidden", "12", "--embedding", "6", "--batch", "4", "--steps", "8",
    "--threads", "1",
]
