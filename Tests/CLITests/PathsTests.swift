import Foundation
import RecurrentFormats
import Testing

@testable import recurrent_cli

/// Files by whatever names and of whatever kinds, and those beside them.
@Suite struct PathsTests {
    private let folder: Folder
    private let train =
        "\"$RECURRENT\" train \(smallModel.joined(separator: " ")) --epochs 1 --quiet"

    init() throws {
        folder = try Folder()
        try folder.write("text", sampleText)
    }

    /// A shell's `exec` keeps the process's number, by which a backup may be named.
    @Test func whatLiesBesideAnOutputIsLeftAlone() async throws {
        let names = ["m.$$", "m.checkpoint.$$", "picture.$$", ".recurrent-notes"].joined(
            separator: " ")
        for command in ["\(train) --out m", "\"$RECURRENT\" descend --steps 2 --svg picture"] {
            let run = try await shell(
                "for name in \(names); do echo x >\"$name\"; done; exec \(command)", in: folder)
            #expect(run.exitCode == 0, "\(run.error)")
            let others = folder.names.filter {
                !["m", "m.checkpoint", "picture", "text"].contains($0)
            }
            #expect(
                others.count { !$0.hasPrefix(".") } % 3 == 0 && others.contains(".recurrent-notes"))
            for name in others { #expect(try folder.read(name) == Array("x\n".utf8), "\(name)") }
        }
    }

    /// `caf\xe9`, as a file is called that comes from a system in Latin-1.
    @Test func namesThatAreNotUTF8AreTakenAsTheyAre() async throws {
        let run = try await shell(
            """
            set -e
            n=$(printf 'caf\\351'); cp text "$n.txt"
            \(train.replacingOccurrences(of: "--text text", with: "--text \"$n.txt\"")) --out "$n" \
            >printed
            test -f "$n"; test -f "$n.checkpoint"
            "$RECURRENT" evaluate "$n" --text "$n.txt" >/dev/null
            "$RECURRENT" inspect "$n" >/dev/null
            tail -n 1 printed >command
            bash command >/dev/null
            "$RECURRENT" descend --steps 2 --svg "$n.svg" >/dev/null; test -f "$n.svg"
            ls | grep -c caf
            "$RECURRENT" generate "$n.none" || echo $?
            "$RECURRENT" train --text text --out "$n.none/m" || echo $?
            "$RECURRENT" train --text "$n.txt" --out "$n.txt" || echo $?
            "$RECURRENT" generate "$n" --prompt "$n" || echo $?
            """, in: folder)
        #expect(
            run.exitCode == 0 && run.output == "4\n66\n73\n64\n64\n", "\(run.output)\(run.error)")
        #expect(
            run.error == """
                recurrent: caf\\xe9.none: No such file or directory
                recurrent: caf\\xe9.none/m: cannot be written: No such file or directory
                recurrent: --out: caf\\xe9.txt is the text; expected another file
                recurrent: --prompt: not text; expected UTF-8, found caf\\xe9

                """)
    }

    @Test func pipesAreRead() async throws {
        let run = try await shell(
            """
            set -e
            \(train) --out m >/dev/null
            "$RECURRENT" evaluate m --text text >expected
            bash -c '"$RECURRENT" evaluate m --text <(cat text)' >found; cmp expected found
            bash -c '"$RECURRENT" evaluate <(cat m) --text text' >found; cmp expected found
            "$RECURRENT" evaluate m --text /dev/stdin <text >found; cmp expected found
            cat text | "$RECURRENT" evaluate m --text /dev/stdin >found; cmp expected found
            mkfifo pipe; cat text >pipe & "$RECURRENT" evaluate m --text pipe >found; cmp expected \
            found
            """, in: folder)
        #expect(run.exitCode == 0, "\(run.output)\(run.error)")
    }

    @Test(arguments: ["train --text P", "generate P"])
    func whatNeverEndsIsRefused(command: String) async throws {
        let run = try await shell(
            """
            "$RECURRENT" \(command.replacing("P", with: "/dev/zero")); echo $?
            mkfifo pipe; "$RECURRENT" \(command.replacing("P", with: "pipe")); echo $?
            """, in: folder)
        #expect(run.output == "66\n66\n")
        #expect(
            run.error == """
                recurrent: /dev/zero: a device; expected a file or a pipe
                recurrent: pipe: a pipe into which nobody writes; expected a writer within 5000 ms

                """)
    }

    /// More than the shell lets a file have: an error, and nothing is left behind.
    @Test func aLimitOfTheSizeOfFilesIsOneLine() async throws {
        let run = try await shell("ulimit -f 1; exec \(train) --out m", in: folder)
        #expect(
            run.exitCode == 74 && run.error == "recurrent: m.checkpoint: File too large\n",
            "\(run.error)")
        #expect(folder.names == ["text"])
    }

    @Test func wordsOfAShellAreSeenAndCanBePasted() {
        #expect(quotedForShell("a/b-1.txt") == "a/b-1.txt")
        #expect(quotedForShell("it's") == "'it'\\''s'")
        #expect(quotedForShell("é ") == "'é '")
        #expect(quotedForShell("") == "''")
        #expect(
            quotedForShell(String(pathBytes: [0x27, 0x5C, 0xE9, 0x30, 0x0A]))
                == "$'\\'\\\\\\3510\\012'")
    }
}
