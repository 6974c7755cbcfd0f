import Foundation
public import FuzzDriver
import Recurrent
import RecurrentFormats

@_cdecl("FuzzCheckpoint_main") public func main(_ count: CInt, _ arguments: Arguments) -> CInt {
    fuzz(count, arguments, fuzzCheckpoint)
}

/// A checkpoint with edits that a parser understands, and the right checksum → an error that
/// changes nothing, or a trainer that learns on. Anything else traps.
///
/// An edit is a byte that chooses what is edited, one that chooses where, and what comes in its
/// place.
@_cdecl("LLVMFuzzerTestOneInput") public func fuzzCheckpoint(
    _ start: UnsafePointer<UInt8>, _ count: Int
) -> CInt {
    var input = UnsafeBufferPointer(start: start, count: count)[...]
    var metadata = whole.metadata
    var tensors = whole.tensors
    var data = whole.data
    func next() -> Int { input.popFirst().map(Int.init) ?? 0 }
    while !input.isEmpty {
        let edit = next()
        let place = next()
        let key = whole.keys[place % whole.keys.count]
        switch edit % 6 {
        case 0: metadata[key] = extremes[next() % extremes.count]
        case 1:
            metadata[key] = String(
                (0..<8).reduce(Int64(0)) { number, _ in number << 8 | Int64(next()) })
        case 2:
            metadata[key] = String(
                Double(bitPattern: (0..<8).reduce(0) { number, _ in number << 8 | UInt64(next()) }))
        case 3: metadata[key] = nil
        case 4:
            let floats = data.count / 4
            let index = (place << 8 | next()) % floats
            for byte in 0..<4 { data[4 * index + byte] = UInt8(next()) }
        default:
            guard !tensors.isEmpty else { break }
            let index = place % tensors.count
            if next() % 2 == 0 {
                tensors.append(tensors.remove(at: index))
            } else {
                tensors[index].shape = [next()]
            }
        }
    }
    write(metadata, tensors, data)
    var trainer = makeTrainer()
    do throws(ModelFileError) {
        _ = try trainer.restoreCheckpoint(contentsOf: path)
        if trainer.accumulatedCount > 0 { _ = trainer.update() }
        for _ in 0..<2 { _ = step(&trainer) }
    } catch {
        var other = makeTrainer()
        precondition(
            !error.description.utf8.contains { $0 < UInt8(ascii: " ") },
            "an error of more than one line")
        precondition(step(&trainer) == step(&other), "an error that changes the trainer: \(error)")
    }
    return 0
}

private let extremes = [
    "0", "-1", "1", "5", "9223372036854775807", "-9223372036854775808", "1e300", "-1e300", "1e-320",
    "nan", "inf", "", "+1",
]
private let path =
    NSTemporaryDirectory() + "fuzz-checkpoint-\(ProcessInfo.processInfo.processIdentifier)"

/// A checkpoint in the middle of an accumulation, taken apart.
private let whole:
    (
        metadata: [String: String], keys: [String],
        tensors: [(name: String, elementType: ElementType, shape: [Int])], data: [UInt8]
    ) = {
        var trainer = makeTrainer()
        _ = step(&trainer)
        trainer.accumulate(values: values.span, targets: values.span)
        do {
            try trainer.saveCheckpoint(to: path)
            let bytes = try readFile(path)
            let header = try Safetensors.Header(bytes, fileLength: bytes.count, limit: .max)
            return (
                header.metadata, header.metadata.keys.sorted(),
                header.entries.dropLast().map {
                    (name: $0.name, elementType: $0.elementType, shape: $0.shape)
                },
                Array(bytes[header.count..<bytes.count - 8])
            )
        } catch {
            preconditionFailure("\(error)")
        }
    }()

private let values: [Float] = [0.5, -1, 0.25, 0.75]

private func makeTrainer() -> Trainer {
    Trainer(
        Model(
            ModelShape(
                input: .values(size: 1), layers: [.rnn(1)], outputSize: 1, loss: .meanSquaredError),
            seed: 3),
        optimizer: .rmsProp(RMSProp(momentum: 0.5)), batch: 1, steps: 4, initialState: .carried,
        dropout: 0.5, recurrentDropout: 0.5, seed: 5)
}

private func step(_ trainer: inout Trainer) -> TrainingStep {
    trainer.step(values: values.span, targets: values.span)
}

/// Lengths may not be those of the data any more: then it is the reader's to say so.
private func write(
    _ metadata: [String: String],
    _ tensors: [(name: String, elementType: ElementType, shape: [Int])], _ data: [UInt8]
) {
    do {
        let all = tensors + [(name: "checksum", elementType: ElementType.u64, shape: [1])]
        let bytes = try Safetensors.encodeHeader(all, metadata: metadata, limit: .max) + data
        var checksum = Checksum()
        checksum.add(bytes)
        try Data(bytes + checksum.bytes).write(to: URL(fileURLWithPath: path))
    } catch {
        preconditionFailure("\(error)")
    }
}
