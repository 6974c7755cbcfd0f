import CRecurrent
import RecurrentReference
import TestSupport

/// An error that says at which sizes it happened.
func at<Result>(_ sizes: some CustomStringConvertible, _ body: () throws -> Result) throws -> Result
{
    do { return try body() } catch { throw AtSizes(sizes: "\(sizes)", error: error) }
}
struct AtSizes: Error, CustomStringConvertible {
    let sizes: String
    let error: any Error
    var description: String { "\(sizes): \(error)" }
}

func exact(_ value: Double) -> RunningError { RunningError(value) }

/// The five kernels of a cell against its reference, each by itself.
struct CellChecks {
    let cell: any TestedCell.Type

    /// By the names of the kernels.
    var byKernel: [String: @Sendable (KernelTable) throws -> Void] {
        let checks: [String: @Sendable (CellRun, CellProblem<Double>) throws -> Void] = [
            "step": step, "forward": forward, "transpose": transpose,
            "backward_data": backwardData, "backward_weights": backwardWeights,
        ]
        var byKernel: [String: @Sendable (KernelTable) throws -> Void] = [:]
        for (kernel, check) in checks {
            let cases = kernel == "step" ? cell.cases.map(\.bare) : cell.cases
            byKernel["\(cell.name)_\(kernel)"] = { isa in
                for sizes in cases {
                    try at(sizes) { try check(CellRun(isa, sizes.problem), sizes.problem) }
                }
            }
        }
        return byKernel
    }
}

@Sendable private func forward(_ run: CellRun, _ problem: CellProblem<Double>) throws {
    let expected = problem.map(exact).forward()
    try Comparer.check(run.sizes.promised(run.forward()), run.sizes.flat(expected))
}

@Sendable private func step(_ run: CellRun, _ problem: CellProblem<Double>) throws {
    var expected = Solved<RunningError>()
    let solved = run.sizes.flat(problem.map(exact).forward())
    (expected.h, expected.c) = (solved.h, solved.c)
    try Comparer.check(run.steps(), expected)
}

@Sendable private func transpose(_ run: CellRun, _ problem: CellProblem<Double>) throws {
    try Comparer.checkSameBits(
        "transposed", run.transposed(), run.sizes.transposed(problem.parameters))
}

/// From a tape that is exact by definition, so that the bound holds the errors of the backward pass
/// alone. What the tape says of ended steps must not matter.
@Sendable private func backwardData(_ run: CellRun, _ problem: CellProblem<Double>) throws {
    let sizes = run.sizes
    let tape = problem.forward().map { Double(Float($0)) }
    var unread = tape
    for t in 0..<sizes.steps {
        for row in 0..<sizes.batch where !sizes.isValid(row: row, step: t) {
            func nan(_ values: [Double]) -> [Double] { values.map { _ in .nan } }
            if !tape.gates.isEmpty { unread.gates[t][row] = tape.gates[t][row].map(nan) }
            if !tape.m.isEmpty { unread.m[t][row] = nan(tape.m[t][row]) }
            if !tape.past.isEmpty { unread.past[t][row] = nan(tape.past[t][row]) }
        }
    }
    let memory = sizes.flat(unread).map { Float($0) }
    let transposed = sizes.transposed(problem.parameters)
    let with = try run.backward(memory, transposed: transposed)
    for hasDy in [true, false] {
        var problem = problem
        if !hasDy { problem.dy = nil }
        let backward = problem.map(exact).backward(tape.map(exact))
        var found = try CellRun(run.table, problem).backward(memory, transposed: transposed)
        for field in Solved<Float>.ofTape { found[keyPath: field.path] = [] }
        try Comparer.check(found, sizes.flat(nil, backward))
    }
    var without = try run.backward(memory, transposed: transposed, withDx: false)
    without.dx = with.dx
    try Comparer.checkSameBits(without, with)
}

/// From any tape and any gradients; those of ended steps, and the gates, must not matter.
@Sendable private func backwardWeights(_ run: CellRun, _ problem: CellProblem<Double>) throws {
    let sizes = run.sizes
    var generator = Generator(seed: 7)
    func random(_ sequence: [[[Double]]]) -> [[[Double]]] {
        sequence.enumerated().map { t, rows in
            rows.enumerated().map { row, values in
                t == sizes.steps || sizes.isValid(row: row, step: t)
                    ? generator.floats(values.count).map { Double($0) } : values.map { _ in .nan }
            }
        }
    }
    func random(_ states: [[Double]]) -> [[Double]] {
        states.map { generator.floats($0.count).map { Double($0) } }
    }
    var tape = problem.forward()
    var backward = problem.backward(tape)
    (tape.h, tape.m, tape.past) = (random(tape.h), random(tape.m), random(tape.past))
    tape.c = tape.c.map(random)
    tape.gates = tape.gates.map { $0.map { $0.map { $0.map { _ in .nan } } } }
    (backward.dhs, backward.dpast) = (random(backward.dhs), random(backward.dpast))
    for gate in sizes.cell.gates.indices {
        let one = random(backward.dgates.map { $0.map { $0[gate] } })
        for (t, rows) in one.enumerated() {
            for (row, values) in rows.enumerated() { backward.dgates[t][row][gate] = values }
        }
    }
    let expected = problem.map(exact).gradient(tape.map(exact), backward.map(exact))
    let found = try run.weights(sizes.flat(tape, backward).map { Float($0) })
    try Comparer.check("gradient", found, sizes.flat(expected))
}
