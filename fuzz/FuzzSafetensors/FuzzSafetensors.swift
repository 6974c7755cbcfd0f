public import FuzzDriver
import RecurrentFormats

@_cdecl("FuzzSafetensors_main") public func main(_ count: CInt, _ arguments: Arguments) -> CInt {
    fuzz(count, arguments, fuzzSafetensors)
}

/// Bytes → an error, or tensors that survive being written and read again. Anything else traps.
@_cdecl("LLVMFuzzerTestOneInput") public func fuzzSafetensors(
    _ start: UnsafePointer<UInt8>, _ count: Int
) -> CInt {
    var bytes = Array(UnsafeBufferPointer(start: start, count: count))
    checkFile(bytes)
    // Once more with a length that fits, which a mutation seldom finds.
    if let end = bytes.dropFirst(8).lastIndex(of: UInt8(ascii: "}")) {
        for index in 0..<8 { bytes[index] = UInt8(truncatingIfNeeded: (end - 7) >> (8 * index)) }
        checkFile(bytes)
    }
    return 0
}

private func checkFile(_ bytes: [UInt8]) {
    do {
        let file = try Safetensors(bytes)
        if let shape = try? StateDictShape(file) { checkModel(file, shape) }
        checkTensors(file)
    } catch {
        precondition(
            !error.description.utf8.contains { $0 < UInt8(ascii: " ") },
            "an error of more than one line")
    }
}

/// A model whose shape was found loads, unless its elements are no finite floats, and comes back
/// from its own tensors as it was.
private func checkModel(_ file: Safetensors, _ shape: StateDictShape) {
    do {
        let parameters = try StateDictParameters(file, shape: shape)
        let written = try Safetensors(Safetensors.encode(parameters.tensors(shape: shape)))
        let found = try StateDictShape(written)
        precondition(found == shape, "\(found), not \(shape)")
        let again = try StateDictParameters(written, shape: shape)
        precondition(again == parameters, "other parameters")
    } catch {
        // The default names may be longer than those of a bare module.
        let expected: [FormatError.Problem] = [.notFloats, .notFinite, .wordLength]
        precondition(expected.contains(error.problem), error.description)
    }
}

private func checkTensors(_ file: Safetensors) {
    let tensors = file.entries.compactMap { try? file.tensor(named: $0.name) }
    do {
        // Escapes may make the header longer than it was.
        let written = try Safetensors.encode(tensors, metadata: file.metadata, headerLimit: .max)
        let again = try Safetensors(written, headerLimit: .max)
        precondition(again.metadata == file.metadata, "other metadata")
        for tensor in tensors {
            let found = try again.tensor(named: tensor.name)
            precondition(found.shape == tensor.shape, "\(found.shape), not \(tensor.shape)")
            precondition(
                found.values.map(\.bitPattern) == tensor.values.map(\.bitPattern),
                "\(tensor.name): other values")
        }
    } catch {
        preconditionFailure(error.description)
    }
}
