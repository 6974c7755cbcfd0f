import Foundation
import Recurrent
import RecurrentFormats
import RecurrentReference
import Testing

@testable import recurrent_cli

#if canImport(FoundationXML)
    import FoundationXML
#endif

@Suite struct FlowTests {
    private static let inputs = 3, units = 5, steps = 7
    /// Of Jacobians of order one, in single precision.
    private static let bound = 1e-5

    /// A layer whose gates are neither closed nor open, and the same one as the reference has it.
    private func weights(_ cell: Cell) -> LayerWeights {
        LayerWeights(
            cell, inputSize: Self.inputs, hiddenSize: Self.units, gain: 1.3, openness: 0.7, seed: 3)
    }

    private func gates(_ weights: LayerWeights) -> [GateParameters<Double>] {
        let weights = weights.all
        return (0..<weights.biasIH.count / Self.units).map { gate in
            let rows = gate * Self.units..<(gate + 1) * Self.units
            return GateParameters(
                W: rows.map { row in
                    weights.weightIH[row * Self.inputs..<(row + 1) * Self.inputs].map(Double.init)
                },
                U: rows.map { row in
                    weights.weightHH[row * Self.units..<(row + 1) * Self.units].map(Double.init)
                },
                b: weights.biasIH[rows].map(Double.init))
        }
    }

    private var x: [Float] {
        var generator = SplitMix64(seed: 4)
        return (0..<Self.steps * Self.inputs).map { _ in Float(2 * generator.unit() - 1) }
    }

    private var referenceX: [[[Double]]] {
        (0..<Self.steps).map { [x[$0 * Self.inputs..<($0 + 1) * Self.inputs].map(Double.init)] }
    }

    private func lstm(_ weights: LayerWeights) -> RecurrentReference.LSTMCell<Double> {
        let gates = gates(weights)
        return RecurrentReference.LSTMCell(
            gates: LSTMGates(i: gates[0], f: gates[1], g: gates[2], o: gates[3]))
    }

    /// ∂h_T/∂h_t by the reference: each unit vector, back over the last `count` steps.
    private func referenceJacobian(_ cell: Cell, _ weights: LayerWeights, back count: Int)
        -> [Double]
    {
        let zeros = [[Double](repeating: 0, count: Self.units)]
        let first = Self.steps - count
        let gates = gates(weights)
        return (0..<Self.units).flatMap { unit in
            var unitVector = zeros
            unitVector[0][unit] = 1
            switch cell {
            case .rnn:
                let cell = RecurrentReference.RNNCell(parameters: gates[0], f: .tanh)
                let h = cell.forward(x: referenceX, h0: zeros)
                return cell.backward(h: Array(h[first...]), dy: nil, dh: unitVector).dh0[0]
            case .gru:
                let cell = RecurrentReference.GRUCell(
                    gates: GRUGates(r: gates[0], z: gates[1], n: gates[2]), hiddenBias: zeros[0],
                    variant: .resetAfter)
                let tape = cell.forward(x: referenceX, h0: zeros)
                let end = GRUTape(
                    gates: Array(tape.gates[first...]), past: Array(tape.past[first...]),
                    h: Array(tape.h[first...]))
                return cell.backward(tape: end, dy: nil, dh: unitVector).dh0[0]
            case .lstm:
                let cell = lstm(weights)
                let tape = cell.forward(x: referenceX, h0: zeros, c0: zeros)
                let end = LSTMTape(
                    gates: Array(tape.gates[first...]), c: Array(tape.c[first...]),
                    m: Array(tape.m[first...]), h: Array(tape.h[first...]))
                return cell.backward(tape: end, dy: nil, dh: unitVector, dc: zeros).dh0[0]
            }
        }
    }

    @Test(arguments: Cell.allCases) func jacobiansAreTheReferences(cell: Cell) {
        let weights = weights(cell)
        let layer = UnrolledLayer(cell, weights, x: x, kernels: .best)
        for count in 0...Self.steps {
            if count > 0 { layer.goBack(step: Self.steps - count) }
            for (found, expected) in zip(
                layer.jacobian.elements, referenceJacobian(cell, weights, back: count))
            {
                let error = abs(found - expected)
                #expect(error <= Self.bound, "\(cell), \(count) steps back")
            }
        }
    }

    /// Each way from c_{t-1} to c_t, by the reference's derivatives of one step by the
    /// pre-activation that it goes through.
    @Test func waysBetweenMemoriesAreTheReferences() {
        let weights = weights(.lstm)
        let cell = lstm(weights)
        let zeros = [[Double](repeating: 0, count: Self.units)]
        let layer = UnrolledLayer(.lstm, weights, x: x, kernels: .best)
        let tape = cell.forward(x: referenceX, h0: zeros, c0: zeros)
        for step in 1..<Self.steps {
            let paths = MemoryPaths(layer, weights, step: step)
            let c = cell.jacobians(
                gates: tape.gates[step][0], c: tape.c[step + 1][0], c_prev: tape.c[step][0]
            ).c
            let dh_dc = zip(tape.gates[step - 1][0].o, tape.c[step][0]).map {
                $0 * (1 - tanh($1) * tanh($1))
            }
            func expectEqual(
                _ found: SquareMatrix, _ name: String, _ expected: (Int, Int) -> Double
            ) {
                for n in 0..<Self.units {
                    for m in 0..<Self.units {
                        let error = abs(found[n, m] - expected(n, m))
                        #expect(error <= Self.bound, "\(name) at step \(step)")
                    }
                }
            }
            expectEqual(paths.direct, "f itself") { $0 == $1 ? c.c_prev[$0] : 0 }
            for (path, derivatives, gate) in [
                (paths.throughI, c.preActivations.i, cell.gates.i),
                (paths.throughF, c.preActivations.f, cell.gates.f),
                (paths.throughG, c.preActivations.g, cell.gates.g),
            ] {
                expectEqual(path, "through a gate") { derivatives[$0] * gate.U[$0][$1] * dh_dc[$1] }
            }
            expectEqual(paths.sum, "all four") {
                ($0 == $1 ? c.c_prev[$0] : 0) + c.h_prev[$0][$1] * dh_dc[$1]
            }
        }
    }

    @Test func spectralNormsAreLargestSingularValues() {
        func expectNorm(_ matrix: SquareMatrix, _ norm: Double) {
            let error = abs(matrix.spectralNorm - norm)
            #expect(error <= 1e-9 * norm, "\(matrix)")
        }
        expectNorm(SquareMatrix(size: 1) { _, _ in -2 }, 2)
        expectNorm(SquareMatrix(size: 3) { _, _ in 0 }, 0)
        // aᵀa has 25, 20 and 25: the eigenvalues 45 and 5.
        expectNorm(SquareMatrix(size: 2) { [[3, 0], [4, 5]][$0][$1] }, 45.0.squareRoot())
        expectNorm(SquareMatrix(size: 4) { $0 == $1 ? [1, -7, 3, 1e-30][$0] : 0 }, 7)
        // Rank one, but for rounding, at scales whose squares are far from one.
        for scale in [1.0, 1e-30, 1e30] {
            expectNorm(
                SquareMatrix(size: 6) { scale * (Double($0 + 1) / 3) * (Double($1 + 1) / 7) },
                scale * 91 / 21)
        }
        let orthogonal = LayerWeights(
            .rnn, inputSize: 1, hiddenSize: 9, gain: 0.8, openness: 0, seed: 1
        ).recurrentMatrix(gate: 0)
        #expect(abs(orthogonal.spectralNorm - 0.8) <= 1e-6)
    }

    @Test(arguments: [0.5, 0.95, 1.5]) func plainGradientsStayWithinTheirBound(gain: Double) throws
    {
        let report = try FlowReport(
            steps: 30, hidden: 6, gain: gain, forgetBias: 5, seed: 2, kernels: .best
        ) { _, _ in }
        #expect(
            abs(report.bound.lambda - gain) <= 1e-6 && report.bound.gamma <= 1
                && report.bound.gamma > 0.9)
        for (norms, bounds) in [
            (report.flows[0].jacobianNorms, report.bound.jacobianNorms),
            (report.flows[0].lossNorms, report.bound.lossNorms),
        ] {
            #expect(norms.count == 31 && bounds.count == 31)
            for (norm, bound) in zip(norms, bounds) {
                #expect(norm <= bound * (1 + Self.bound) && norm > 0)
            }
        }
    }

    @Test func plainGradientsVanishAndThoseOfOpenGatesStay() async throws {
        let folder = try Folder()
        let run = try await recurrent(
            ["flow", "--steps", "50", "--hidden", "8", "--json", "--svg", "flow.svg"], in: folder)
        #expect(run.exitCode == 0 && run.error.isEmpty)
        let report = try #require(
            JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        let flows = try #require(report["flows"] as? [[String: Any]])
        for flow in flows {
            let name = try #require(flow["name"] as? String)
            let norms = try #require(flow["jacobian_norms"] as? [Double])
            #expect(norms.count == 51 && norms[0] == 1)
            #expect(
                name.hasSuffix("open") ? norms[50] > 0.05 : norms[50] < 1e-4,
                "\(name): \(norms[50])")
        }
        let memory = try #require(report["memory"] as? [[String: Any]])
        #expect(memory.map { ($0["through_i"] as? [Double])?.count } == [49, 49])

        let curves = Curves()
        let parser = XMLParser(data: Data(try folder.read("flow.svg")))
        parser.delegate = curves
        #expect(parser.parse(), "\(String(describing: parser.parserError))")
        #expect(curves.count == 6 + 6 + 5)
    }

    @Test func theTableHasARowForEachDistance() async throws {
        let run = try await recurrent(["flow", "--steps", "30", "--hidden", "4"])
        let lines = run.output.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(run.exitCode == 0 && run.error.isEmpty)
        try #require(lines.count == 22)
        #expect(
            lines[1...7].map { $0.split(separator: " ")[0] } == [
                "0", "1", "2", "5", "10", "20", "30",
            ], "\(run.output)")
    }

    @Test(arguments: [
        ["--steps", "1"], ["--hidden", "0"], ["--hidden", "129"], ["--gain", "0"],
        ["--gain", "nan"], ["--forget-bias", "nan"],
        ["--seed", "-1"], ["--isa", "neon"], ["--svg", ""],
    ])
    func badOptionsAreRefused(arguments: [String]) async throws {
        let run = try await recurrent(["flow"] + arguments)
        #expect(
            run.exitCode == 64 && run.output.isEmpty && run.error.contains(arguments[0]),
            "\(run.error)")
    }

    private final class Curves: NSObject, XMLParserDelegate {
        var count = 0

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
            qualifiedName: String?, attributes: [String: String]
        ) {
            if name == "polyline" { count += 1 }
        }
    }
}
