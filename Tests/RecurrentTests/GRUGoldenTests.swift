import RecurrentFormats
import RecurrentReference
import TestSupport
import Testing

/// A direction of a bidirectional nn.GRU of PyTorch: Tests/Golden/make_gru.py. Time runs as the
/// direction does.
struct GRUGolden: Sendable, CustomStringConvertible {
    static let both = [GRUGolden(suffix: ""), GRUGolden(suffix: "_reverse")]
    let suffix: String
    var description: String { "nn.GRU\(suffix)" }

    private static let file = Result {
        try Safetensors(
            try readFile(PyTorchTrainingTests.golden.appending(path: "gru.safetensors").path))
    }

    /// A parameter, or its gradient.
    func parameter(_ name: String) throws -> [Float] {
        try Self.file.get().tensor(named: name + "_l0" + suffix).values
    }

    /// [steps][batch][…]: x, and the h, dy and dx of this direction.
    func sequence(_ name: String) throws -> [[[Double]]] {
        let tensor = try Self.file.get().tensor(named: name == "x" ? name : name + suffix)
        let steps = split(split(tensor.values, tensor.shape[2]), tensor.shape[1])
        return suffix == "" ? steps : steps.reversed()
    }

    /// [batch][hidden]: h0 or dh0.
    func state(_ name: String) throws -> [[Double]] {
        let tensor = try Self.file.get().tensor(named: name)
        return split(split(tensor.values, tensor.shape[2]), tensor.shape[1])[suffix == "" ? 0 : 1]
    }

    private func split<Element>(_ elements: [Element], _ count: Int) -> [[Element]] {
        stride(from: 0, to: elements.count, by: count).map { Array(elements[$0..<$0 + count]) }
    }
    private func split(_ elements: [Float], _ count: Int) -> [[Double]] {
        split(elements.map { Double($0) }, count)
    }

    /// The parameters, or their gradient, as the reference has them.
    func cell(_ prefix: String = "") throws -> CellParameters<Double> {
        let (weightIH, weightHH) = (
            try parameter(prefix + "weight_ih"), try parameter(prefix + "weight_hh")
        )
        let (biasIH, biasHH) = (
            try parameter(prefix + "bias_ih"), try parameter(prefix + "bias_hh")
        )
        let hidden = biasIH.count / 3
        func gate(_ index: Int, bias: [Double]) -> GateParameters<Double> {
            func rows(_ matrix: [Float]) -> [[Double]] {
                Array(
                    split(matrix, matrix.count / (3 * hidden))[
                        index * hidden..<(index + 1) * hidden])
            }
            return GateParameters(W: rows(weightIH), U: rows(weightHH), b: bias)
        }
        let (input, recurrent) = (split(biasIH, hidden), split(biasHH, hidden))
        // The two biases of r and z are added; the gradient with respect to their sum is that by
        // either.
        func bias(_ index: Int) -> [Double] {
            prefix == "" ? zip(input[index], recurrent[index]).map { $0 + $1 } : input[index]
        }
        return CellParameters(
            gates: [gate(0, bias: bias(0)), gate(1, bias: bias(1)), gate(2, bias: input[2])],
            inner: [[], [], recurrent[2]])
    }
}

@Suite struct GRUGoldenTests {
    /// The reference is what PyTorch calls a GRU. The file's numbers are rounded to floats.
    @Test(arguments: GRUGolden.both) func referenceIsPyTorch(golden: GRUGolden) throws {
        let reference = TestedGRU(.resetAfter)
        let cell = try reference.cell(golden.cell())
        let x = try golden.sequence("x")
        let h0 = try golden.state("h0")
        let tape = cell.forward(x: x, h0: h0)
        let backward = cell.backward(
            tape: tape, dy: try golden.sequence("dy"), dh: h0.map { $0.map { _ in 0 } })
        var gradient = try reference.cell(golden.cell().map { _ in 0 })
        gradient.addGradient(x: x, tape: tape, backward: backward)
        func check(_ name: String, _ found: [Double], _ expected: [Double]) throws {
            try Comparer.check(
                name, found.map { Float($0) }, expected, absolute: 1e-9, relative: 2e-7)
        }
        func flat(_ sequence: some Sequence<[[Double]]>) -> [Double] {
            sequence.flatMap { $0.flatMap { $0 } }
        }
        try check("h", flat(tape.h.dropFirst()), flat(golden.sequence("h")))
        try check("dx", flat(backward.dx), flat(golden.sequence("dx")))
        try check("dh0", flat([backward.dh0]), flat([golden.state("dh0")]))
        try check("gradient", reference.parameters(gradient).flat, golden.cell("d").flat)
    }
}
