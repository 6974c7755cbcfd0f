import CLimits
import Foundation
import Recurrent

/// The most memory that this process may take.
enum MemoryLimit {
    /// The least of what the machine has, what its control groups allow and what its own limits
    /// leave beside its threads.
    static var bytes: UInt64 {
        let left = recurrent_memory_left()
        return min(
            ProcessInfo.processInfo.physicalMemory, ofControlGroups(),
            left == .max ? left : left / 4 * 3)
    }

    /// The threads beside the first one for which a quarter of what the limits of this process
    /// leave has room. Each takes address space, but hardly any memory: a stack of 8 MiB and, in
    /// glibc, a heap of 64 MiB of its own. A training has as many again to measure with.
    static var threads: Int {
        Int(min(recurrent_memory_left() / 4 / (2 * (8 + 64) << 20), UInt64(Int32.max)))
    }

    /// The least limit of the control groups of this process; `UInt64.max` where there is none.
    ///
    /// - Parameter root: where the file system begins.
    static func ofControlGroups(root: String = "") -> UInt64 {
        controlGroups("memory", root: root).reduce(.max) { least, folder in
            let name = folder.isUnified ? "memory.max" : "memory.limit_in_bytes"
            return min(least, folder.words(of: name).first.flatMap { UInt64($0) } ?? .max)
        }
    }
}

/// What a command will take, in bytes, before it takes anything. In Double, so that nothing
/// overflows.
struct MemoryEstimate {
    private(set) var bytes: Double

    /// A text that is read, cut and made into tokens.
    init(textOf bytes: Int) { self.bytes = Self.bytesPerByteOfText * Double(bytes) }

    /// The longest text that there is memory for, in bytes.
    static var longestText: Int { Int(min(Double(MemoryLimit.bytes) / bytesPerByteOfText, 0x1p53)) }

    /// A model's file that is read: the file, its tensors, the tensors in kernel order and the
    /// model itself.
    init(modelOf bytes: Int) { self.bytes = 4 * Double(bytes) }

    /// A model and its trainer, from the layout that is allocated, and what saving both takes: the
    /// model three times, or the parameters and moments of a checkpoint twice.
    init(
        training shape: ModelShape, batch: Int, steps: Int, momentCount: Int, dropout: Bool = false,
        recurrentDropout: Bool = false
    ) {
        let memory = shape.trainingMemory(
            batch: batch, steps: steps, momentCount: momentCount, dropout: dropout,
            recurrentDropout: recurrentDropout)
        bytes =
            Double(memory.bytes) + Double(1 + max(3, 2 * (1 + momentCount)))
            * Double(memory.gradientBytes)
    }

    /// A text that is measured: the tape of one of its segments.
    init(measuring text: Batches, with shape: ModelShape) {
        bytes = Double(shape.trainingMemory(batch: text.batch, steps: text.steps).tapeBytes)
    }

    static func + (one: MemoryEstimate, other: MemoryEstimate) -> MemoryEstimate {
        var sum = one
        sum.bytes += other.bytes
        return sum
    }

    init(bytes: Double) { self.bytes = bytes }

    /// Of ASCII, which has the most characters to a byte: `train` was measured to take 16.
    private static let bytesPerByteOfText = 20.0

    /// Refuses what is too much, before anything is allocated.
    ///
    /// - Parameter what: begins the message: the option, or the file.
    func check(_ cause: Failure.Cause, _ what: String, available: UInt64 = MemoryLimit.bytes)
        throws(Failure)
    {
        guard bytes <= Double(available) else {
            throw Failure(
                cause,
                """
                \(what): too large for the memory; expected at most \
                \((Double(available) / 1e9).rounded) GB, found \((bytes / 1e9).rounded) GB
                """)
        }
    }
}

/// Refuses a file that this process has no memory to read. What has no size, such as a pipe,
/// passes.
func checkMemory(readingTextFrom path: String) throws(Failure) {
    guard path != "-" else { return }  // standard input
    try MemoryEstimate(textOf: fileSize(path)).check(.data, path)
}

func checkMemory(readingModelFrom path: String) throws(Failure) {
    try MemoryEstimate(modelOf: fileSize(path)).check(.data, path)
}

private func fileSize(_ path: String) -> Int {
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_size) : 0
}

/// Refuses more rows than kernels count, then more memory than there is.
func checkMemory(
    _ shape: ModelShape, batch: Int, steps: Int, momentCount: Int, dropout: Bool = false,
    recurrentDropout: Bool = false,
    beside other: MemoryEstimate = MemoryEstimate(bytes: 0), available: UInt64 = MemoryLimit.bytes
) throws(Failure) {
    let (rows, overflow) = batch.multipliedReportingOverflow(by: steps)
    guard !overflow, rows <= ModelShape.largestRowCount else {
        throw Failure(
            .usage,
            """
            batch × steps: out of range; expected 1 to \(ModelShape.largestRowCount), found \
            \(batch) × \(steps)
            """
        )
    }
    let training = MemoryEstimate(
        training: shape, batch: batch, steps: steps, momentCount: momentCount, dropout: dropout,
        recurrentDropout: recurrentDropout)
    try (training + other).check(.usage, "the model", available: available)
}

extension TrainingText {
    /// Inputs and targets that stay beside the training, and room for the lines' ends.
    var memory: MemoryEstimate {
        MemoryEstimate(bytes: 16 * Double(training.tokenCount + development.tokenCount))
    }
}

extension SequenceTask {
    /// The sequences of an update, those that are made for the next, and those that are measured
    /// on: one-hot rows, symbols and targets, and the question of each step.
    func memory(batch: Int) -> MemoryEstimate {
        let sequences = 2 * Double(batch) + 256
        let bytesPerStep = Double(4 * inputSize + 128)
        return MemoryEstimate(bytes: sequences * Double(steps) * bytesPerStep)
    }
}
