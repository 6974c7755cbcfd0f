import Foundation
import Recurrent
import RecurrentFormats
import Testing

/// What a terminal obeys: two that start a sequence of control, DEL, a separator of lines, a change
/// of the writing direction.
private let hostile = "\u{1B}[2J\u{9B}31m\u{7F}\u{2028}\u{202E}"

@Suite struct OutputTests {
    private let folder: Folder

    init() throws { folder = try Folder() }

    private func save(_ name: String, _ metadata: [String: String]) throws {
        let shape = ModelShape(
            input: .tokens(vocabulary: 7, dimension: 3), layers: [.lstm(5)], outputSize: 7,
            loss: .crossEntropy)
        var model = Model(shape, seed: 1)
        model.metadata = metadata
        try model.save(to: folder.path + "/" + name)
    }

    private func isShowable(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { $0 == "\n" || $0 == "\t" || $0.isPrintable }
    }

    @Test func generatedTextDrivesNoTerminal() async throws {
        try save("model", ["recurrent.vocabulary": "\u{1B}\u{7F}\u{9B}\u{202E}\t"])
        let run = try await recurrent(
            ["generate", "model", "--length", "300", "--temperature", "3"], in: folder)
        #expect(run.exitCode == 0 && isShowable(run.output), "\(run.output.debugDescription)")
        for part in ["\\u{1B}", "\\u{7F}", "\\u{009B}", "\\u{202E}", "\t", "\n"] {
            #expect(run.output.contains(part))
        }
        // Joiners belong to scripts and to emoji.
        try save("joiners", ["recurrent.vocabulary": "\u{200C}\u{200D}abc"])
        let joined = try await recurrent(
            ["generate", "joiners", "--prompt", "a\u{200D}b", "--length", "0"], in: folder)
        #expect(joined.output == "a\u{200D}b\n" && joined.error.isEmpty)
    }

    @Test func inspectShowsNoMetadataRaw() async throws {
        let long = String(repeating: "x", count: 10_000_000)
        try save("model", [hostile: "a" + hostile, "long": long])
        let run = try await recurrent(["inspect", "model"], in: folder)
        #expect(run.exitCode == 0 && isShowable(run.output) && run.output.utf8.count < 3000)
        #expect(
            run.output.contains("\\u{1B}[2J\\u{009B}31m\\u{7F}\\u{2028}\\u{202E}: a\\u{1B}"),
            "\(run.output)")
        try save("model", [hostile: "a" + hostile])
        let json = try await recurrent(["inspect", "model", "--json"], in: folder)
        #expect(
            json.exitCode == 0 && isShowable(json.output) && json.output.count { $0 == "\n" } == 1)
        let report = try #require(
            JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
        #expect(
            report["metadata"] as? [String: String] == [hostile: "a" + hostile],
            "the same text, whole")
    }

    @Test func errorsAreOneShortLineWhateverTheyQuote() async throws {
        try save(
            "model",
            [
                "recurrent.vocabulary": "abcde",
                "recurrent.batch": String(repeating: "9\u{202E}", count: 2_000_000),
            ])
        let long = String(repeating: "x", count: 100_000)
        for (arguments, exitCode) in [
            (["inspect", "model"], 65), (["inspect", hostile], 66), (["inspect", long], 66),
            (["train", "--optimizer", hostile + long], 64),
            (["train", "--steps", hostile + long], 64), (["train", "--\(hostile)"], 64),
            ([hostile], 64),
            (["train", "--text", hostile], 66),
            (["train", "--text", "-", "--out", "\(hostile)/m"], 73),
        ] {
            let run = try await recurrent(arguments, in: folder)
            #expect(
                run.exitCode == exitCode && run.output.isEmpty,
                "\(arguments.map { $0.prefix(50) }): \(run)")
            #expect(
                isShowable(run.error) && run.error.count { $0 == "\n" } == 1
                    && run.error.hasPrefix("recurrent: "))
            #expect(run.error.unicodeScalars.count < 20_000)
        }
    }

    @Test func namesOfFilesAreShownAsTheyAreReadable() async throws {
        try folder.write(hostile, sampleText)
        let options = smallModel.dropFirst(2) + ["--text", hostile, "--epochs", "1"]
        let run = try await recurrent(
            ["train"] + options + ["--out", hostile + ".model"], in: folder)
        #expect(run.exitCode == 0 && isShowable(run.output), "\(run.output)\(run.error)")
        let continued = try await recurrent(
            ["generate", hostile + ".model", "--length", "5"], in: folder)
        #expect(continued.exitCode == 0)
        // As the last line says, in a shell that knows $'…'.
        try folder.write("command", run.lastLine)
        let pasted = try await shell("bash command", in: folder)
        #expect(
            pasted.exitCode == 0 && pasted.output.hasPrefix("the "),
            "\(run.lastLine)\n\(pasted.error)")

        let compared = try await recurrent(
            ["compare"] + options + ["--optimizers", "sgd", "--svg", "a.svg"], in: folder)
        #expect(compared.exitCode == 0)
        let svg = String(decoding: try folder.read("a.svg"), as: UTF8.self)
        #expect(isShowable(svg) && svg.contains("optimizers on \\u{1B}[2J"))
    }

    /// A terminal of 80 columns scrolls where a line has more, one of 24 where it has more than
    /// that.
    @Test(arguments: [80, 24]) func progressStaysOnOneLineOfTheTerminal(columns: Int) async throws {
        try folder.write("text", sampleText)
        let train = ["train"] + smallModel + ["--out", "model"]
        let evaluate = ["evaluate", "model", "--text", "text"]
        let others = [
            ["compare"] + smallModel + ["--epochs", "1", "--optimizers", "sgd"],
            ["tune"] + smallModel + ["--lowest", "0.01", "--highest", "0.01"],
            ["flow", "--steps", "5", "--hidden", "2"],
            ["learn", "adding", "--length", "3", "--updates", "3", "--hidden", "2"],
            ["descend", "--steps", "2"],
        ]
        for arguments in [
            train + ["--epochs", "3"], train + ["--epochs", "4", "--resume"], evaluate,
        ] + (columns < 80 ? others : []) {
            let (exitCode, screen) = try await onTerminal(columns: columns, arguments, in: folder)
            #expect(exitCode == 0)
            let lines = screen.replacing(/\u{1B}\[[0-9]*[mK]/, with: "").split(separator: "\r")
                .filter { !$0.isEmpty }
            #expect(
                !lines.isEmpty
                    && lines.allSatisfy { $0.unicodeScalars.count < columns && !$0.contains("\n") },
                "\(lines)")
            #expect(screen.contains("\u{1B}[32m") && screen.hasSuffix("\r\u{1B}[K"))
            if arguments.contains("--resume") {
                #expect(
                    lines.first?.contains("left") == false
                        && lines.allSatisfy { !$0.contains("0:00 left") }, "\(lines)")
            }
        }
        let quiet = try await onTerminal(
            columns: columns, train + ["--epochs", "5", "--resume", "--quiet"], in: folder)
        #expect(quiet.exitCode == 0 && quiet.screen.isEmpty)
        let plain = try await onTerminal(
            columns: columns, evaluate, in: folder, environment: ["NO_COLOR": "1"])
        #expect(
            plain.exitCode == 0 && plain.screen.contains("░") && !plain.screen.contains("\u{1B}[3"))
        let dumb = try await onTerminal(
            columns: columns, evaluate, in: folder, environment: ["TERM": "dumb"])
        #expect(dumb.exitCode == 0 && dumb.screen.isEmpty)
    }

    @Test func pathsMayBeginWithAHyphen() async throws {
        let options = smallModel.dropFirst(2) + ["--epochs", "1"]
        try folder.write("-t.txt", sampleText)
        let run = try await recurrent(
            ["train", "--text", "-t.txt", "--out", "-m"] + options, in: folder)
        #expect(run.exitCode == 0 && run.error.isEmpty && folder.names.contains("-m"))
        let continued = try await shell(run.lastLine, in: folder)
        #expect(continued.exitCode == 0 && continued.error.isEmpty)
        let compared = try await recurrent(
            ["compare", "--text", "-t.txt", "--optimizers", "sgd", "--svg", "-a.svg"] + options,
            in: folder)
        #expect(compared.exitCode == 0 && folder.names.contains("-a.svg"))
        // Standard input, with the bits of the file; a file of that name is ./-
        let piped = try await shell(
            """
            cat ./-t.txt | \"$RECURRENT\" train --text - --out piped \
            \(options.joined(separator: " "))
            """,
            in: folder)
        #expect(piped.exitCode == 0 && piped.error.isEmpty)
        #expect(try folder.read("piped") == folder.read("-m"))
        let measured = try await shell(
            "\"$RECURRENT\" evaluate ./-m --text - <./-t.txt", in: folder)
        #expect(measured.exitCode == 0 && measured.output.hasPrefix("perplexity "))
        for (input, message, exitCode) in [
            ("</dev/null", "no text; ", 65), ("<&-", "Bad file descriptor", 66),
            ("<.", "Is a directory", 66),
        ] {
            let failed = try await shell(
                "\"$RECURRENT\" evaluate ./-m --text - \(input)", in: folder)
            #expect(
                failed.exitCode == exitCode
                    && failed.error.hasPrefix("recurrent: standard input: \(message)"), "\(failed)")
        }
    }
}
