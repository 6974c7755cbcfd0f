import Foundation
import Recurrent
import RecurrentFormats

/// Where a training writes its model and, beside it, its checkpoint: nothing that is there is lost
/// unless that was asked for.
struct TrainingOutput {
    let path: String
    /// What a user should know where `--out` did not choose the file; nil where that is the usual
    /// one.
    let notice: String?
    /// Of what `--overwrite` replaces; nil where there is nothing.
    let replaced: UInt64?
    private let lock: FileLock

    var checkpoint: String { Self.checkpoint(path) }

    static func checkpoint(_ path: String) -> String { path + ".checkpoint" }

    /// The usual files, counted from 1: model.safetensors, model-2.safetensors, …
    private static func usual(_ number: Int) -> String {
        number == 1 ? "model.safetensors" : "model-\(number).safetensors"
    }

    /// - Parameter out: nil where it is left open. A new training then takes the first of the usual
    ///   files that is free, `--resume` the one whose checkpoint was written last, `--overwrite`
    ///   the first.
    init(_ out: String?, isResumed: Bool, overwrites: Bool, _ training: TrainingOptions)
        throws(Failure)
    {
        guard !isResumed || !overwrites else {
            throw Failure(.usage, "--overwrite: starts over; expected it without --resume")
        }
        if out == nil, !isResumed, !overwrites {
            (path, lock) = try Self.free(training)
            notice =
                path == Self.usual(1) ? nil : "\(Self.usual(1)) is taken: the model goes to \(path)"
            replaced = nil
            return
        }
        path = out ?? (isResumed ? Self.newest() : nil) ?? Self.usual(1)
        notice = out == nil && path != Self.usual(1) ? "goes on with \(path)" : nil
        try Self.check(path, training)
        lock = try Self.lock(path)
        let existing = Self.existing(path)
        if let existing, !isResumed, !overwrites {
            throw Failure(
                .cannotCreate,
                """
                \(existing): exists; expected --resume to go on with its training, --overwrite to \
                start over, or another --out
                """)
        }
        replaced = overwrites && existing == path ? try fileChecksum(path) : nil
    }

    /// The first of the usual files that neither is there nor is being made.
    private static func free(_ training: TrainingOptions) throws(Failure) -> (
        path: String, lock: FileLock
    ) {
        var number = 1
        while true {
            let path = usual(number)
            number += 1
            if existing(path) != nil { continue }
            try check(path, training)
            do {
                let lock = try Self.lock(path)
                // Another may have come and gone meanwhile.
                if existing(path) == nil { return (path: path, lock: lock) }
            } catch  where error.cause == .tryAgain {
                continue
            }
        }
    }

    private static func lock(_ path: String) throws(Failure) -> FileLock {
        do {
            return try FileLock(of: path)
        } catch  where error.code == EWOULDBLOCK {
            throw Failure(
                .tryAgain,
                """
                \(path): another training writes it; expected none: wait for its end, or \
                choose another --out
                """
            )
        } catch {
            throw Failure(.cannotCreate, "\(path): cannot be locked: \(error)")
        }
    }

    private static func check(_ path: String, _ training: TrainingOptions) throws(Failure) {
        for file in [path, checkpoint(path)] {
            try checkWritable(file, option: "--out")
            try training.checkDistinct(file, option: "--out")
        }
    }

    /// The file of a model or of its checkpoint, whichever is there.
    private static func existing(_ path: String) -> String? {
        [path, checkpoint(path)].first { FileStatus($0) != nil }
    }

    /// The usual file whose checkpoint was written last, in this folder.
    private static func newest() -> String? {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: ".")) ?? []
        let found = names.compactMap { name -> (path: String, number: Int, time: timespec)? in
            guard
                let match = name.wholeMatch(
                    of: /(model(?:-([0-9]{1,9}))?\.safetensors)\.checkpoint/)
            else { return nil }
            let number = match.2.flatMap { Int($0) } ?? 1
            var status = stat()
            guard usual(number) == match.1, stat(name, &status) == 0 else { return nil }
            return (path: String(match.1), number: number, time: status.st_mtim)
        }
        return found.max {
            ($0.time.tv_sec, $0.time.tv_nsec, $0.number) < (
                $1.time.tv_sec, $1.time.tv_nsec, $1.number
            )
        }?.path
    }
}

/// CRC-64 of the contents of a file.
func fileChecksum(_ path: String) throws(Failure) -> UInt64 {
    do {
        return try Checksum(contentsOf: path).value
    } catch {
        throw Failure(reading: error)
    }
}

/// Refuses a model whose file could not be read again, before it is trained.
func checkFileSize(_ shape: ModelShape, limit: Int = defaultFileLimit) throws(Failure) {
    guard shape.fileLength <= limit else {
        throw Failure(
            .usage,
            """
            memory: the model's file is too large; expected at most \(limit) bytes, found \
            \(shape.fileLength)
            """
        )
    }
}
