public import RecurrentReference

/// A mistake that an implementation of a cell may make: the reference's passes, one of which sees
/// another problem than it should, or gives another result than it did.
public struct CellMistake: Sendable {
    public typealias Problem = CellProblem<Double>
    public typealias Tape = CellTape<Double>
    public typealias Backward = CellBackward<Double>
    public typealias Parameters = CellParameters<Double>

    public let name: String
    private var forward: @Sendable (Problem) -> Tape = { $0.forward() }
    private var backward: @Sendable (Problem, Tape) -> Backward = { $0.backward($1) }
    private var gradient: @Sendable (Problem, Tape, Backward) -> Parameters = {
        $0.gradient($1, $2)
    }

    private init(_ name: String) { self.name = name }

    public static let none = CellMistake("none")

    public func solution(_ problem: Problem) -> CellSolution<Double> {
        let tape = forward(problem)
        let backward = backward(problem, tape)
        return CellSolution(
            tape: tape, backward: backward, gradient: gradient(problem, tape, backward))
    }

    /// The forward pass sees another problem.
    public static func forward(_ name: String, _ edit: @escaping @Sendable (inout Problem) -> Void)
        -> CellMistake
    {
        var mistake = CellMistake("\(name), forward")
        mistake.forward = {
            var problem = $0
            edit(&problem)
            return problem.forward()
        }
        return mistake
    }

    /// Each step of the forward pass sees another problem, or gives another tape, of whose rows
    /// those that have the step are edited one by one.
    public static func step(
        _ name: String,
        before: @escaping @Sendable (inout Problem, _ past: Tape, _ t: Int) -> Void = { _, _, _ in
        },
        after: @escaping @Sendable (inout Tape, Problem, _ row: Int) -> Void = { _, _, _ in }
    ) -> CellMistake {
        var mistake = CellMistake("\(name), step")
        mistake.forward = { problem in
            var tape = Tape(h: [problem.h0])
            for t in 0..<problem.sizes.steps {
                var step = problem.segment(t..<t + 1)
                step.h0 = tape.h[t]
                if t > 0 && !tape.c.isEmpty { step.c0 = tape.c[t] }
                before(&step, tape, t)
                var next = step.forward()
                for row in step.valid(0) { after(&next, step, row) }
                if t == 0 { tape.c = Array(next.c.prefix(1)) }
                tape.append(next)
            }
            return tape
        }
        return mistake
    }

    /// The backward pass sees another problem or tape.
    public static func backward(
        _ name: String, _ edit: @escaping @Sendable (inout Problem, inout Tape) -> Void
    ) -> CellMistake {
        var mistake = CellMistake("\(name), backward")
        mistake.backward = {
            var (problem, tape) = ($0, $1)
            edit(&problem, &tape)
            return problem.backward(tape)
        }
        return mistake
    }

    /// The backward pass gives another result.
    public static func afterBackward(
        _ name: String, _ edit: @escaping @Sendable (inout Backward, Problem, Tape) -> Void
    ) -> CellMistake {
        var mistake = CellMistake("\(name), backward")
        mistake.backward = {
            var backward = $0.backward($1)
            edit(&backward, $0, $1)
            return backward
        }
        return mistake
    }

    /// The gradient with respect to the pre-activations of one gate is another, from the gate, or
    /// from the cell state.
    public static func dgate(
        _ name: String, _ gate: Int, fromState: Bool = false,
        _ edit: @escaping @Sendable (_ dgate: Double, _ value: Double) -> Double
    ) -> CellMistake {
        afterBackward(name) { backward, problem, tape in
            for t in backward.dgates.indices {
                for row in problem.valid(t) {
                    // The gate of a cell that has none on its tape is h.
                    let gates = tape.gates.isEmpty ? [tape.h[t + 1][row]] : tape.gates[t][row]
                    backward.dgates[t][row][gate] = zip(
                        backward.dgates[t][row][gate],
                        fromState ? tape.c[t + 1][row] : gates[gate]
                    ).map(edit)
                }
            }
        }
    }

    /// Each step of the backward pass sees another problem or tape, or gives another result, of
    /// whose rows those that have the step are edited one by one.
    public static func backStep(
        _ name: String,
        before: @escaping @Sendable (inout Problem, inout Tape, _ row: Int) -> Void = { _, _, _ in
        },
        after: @escaping @Sendable (inout Backward, Problem, Tape, _ row: Int) -> Void = {
            _, _, _, _ in
        }
    ) -> CellMistake {
        var mistake = CellMistake("\(name), step back")
        mistake.backward = { problem, tape in
            var result: Backward?
            for t in (0..<problem.sizes.steps).reversed() {
                var (step, seen) = (problem.segment(t..<t + 1), tape.step(t))
                if let result {
                    step.dh = result.dh0
                    if !result.dc0.isEmpty { step.dc = result.dc0 }
                }
                for row in step.valid(0) { before(&step, &seen, row) }
                var earlier = step.backward(seen)
                for row in step.valid(0) { after(&earlier, step, seen, row) }
                if let later = result {
                    earlier.dgates += later.dgates
                    earlier.dhs += later.dhs
                    earlier.dpast += later.dpast
                    earlier.dx += later.dx
                }
                result = earlier
            }
            return result!
        }
        return mistake
    }

    /// The gradient with respect to the parameters sees something else.
    public static func gradient(
        _ name: String,
        _ edit: @escaping @Sendable (inout Problem, inout Tape, inout Backward) -> Void
    ) -> CellMistake {
        var mistake = CellMistake("\(name), gradient")
        mistake.gradient = {
            var (problem, tape, backward) = ($0, $1, $2)
            edit(&problem, &tape, &backward)
            return problem.gradient(tape, backward)
        }
        return mistake
    }

    /// The gradient is another; `again` gives it for what another pass left.
    public static func afterGradient(
        _ name: String,
        _ edit:
            @escaping @Sendable (
                inout Parameters, Problem, Tape, _ again: (Tape) -> Parameters
            ) -> Void
    ) -> CellMistake {
        var mistake = CellMistake("\(name), gradient")
        mistake.gradient = { problem, tape, backward in
            var gradient = problem.gradient(tape, backward)
            edit(&gradient, problem, tape) { problem.gradient($0, backward) }
            return gradient
        }
        return mistake
    }
}

extension CellMistake {
    /// All that can be made in a problem.
    public static func all(_ problem: Problem) -> [CellMistake] {
        forward(problem) + backward(problem) + ofGates(problem) + gradient(problem)
            + others(problem) + masks(problem) + problem.sizes.cell.mistakes(problem)
    }

    private static func forward(_ problem: Problem) -> [CellMistake] {
        let (hidden, last) = (problem.sizes.hidden, problem.sizes.steps - 1)
        func ofParameters(
            _ name: String, _ edit: @escaping @Sendable (inout GateParameters<Double>) -> Void
        ) -> CellMistake {
            forward(name) { $0.parameters.eachGate(edit) }
        }
        var mistakes = [
            ofParameters("bias missing") { $0.b = $0.b.map { _ in 0 } },
            ofParameters("bias twice") { $0.b = $0.b.map { 2 * $0 } },
            ofParameters("last input missing") { $0.W = $0.W.map { $0.dropLast() + [0] } },
            forward("input column off by one") { $0.x = $0.x.map { $0.map(shifted) } },
            step("hidden state one step too old", before: { $0.h0 = $1.h[max($2 - 1, 0)] }),
            step(
                "rows share their state",
                before: { step, _, _ in step.h0 = step.h0.map { _ in step.h0[0] } }),
            forward("last step missing") {
                $0.sizes.lengths = lengths($0).map { min($0, last) }
            },
            forward("row ends one step early") {
                $0.sizes.lengths = lengths($0).map { max($0 - 1, 0) }
            },
        ]
        if problem.sizes.cell.readsHidden {
            mistakes.append(
                ofParameters("last hidden unit missing") { $0.U = $0.U.map { $0.dropLast() + [0] } }
            )
        }
        if problem.sizes.hiddenColumns == hidden {
            mistakes.append(ofParameters("U transposed") { $0.U = columns($0.U) })
        }
        if problem.sizes.input == hidden {
            mistakes.append(ofParameters("W transposed") { $0.W = columns($0.W) })
        }
        for gate in problem.sizes.cell.gates.indices {
            for other in 0..<gate {
                mistakes.append(
                    forward("gates \(other) and \(gate) swapped") {
                        $0.parameters.gates.swapAt(other, gate)
                    })
            }
        }
        for gate in inUse(problem) where !problem.parameters.inner[gate].isEmpty {
            mistakes.append(
                forward("inner row of gate \(gate) missing") {
                    $0.parameters.inner[gate] = zeros($0.parameters.inner[gate])
                })
        }
        return mistakes
    }

    private static func backward(_ problem: Problem) -> [CellMistake] {
        let (steps, hidden) = (problem.sizes.steps, problem.sizes.hidden)
        var mistakes = [
            backStep(
                "dh not carried", after: { back, _, _, row in back.dh0[row] = zeros(back.dh0[row]) }
            ),
            backward("dy of last step missing") { problem, _ in
                problem.dy![steps - 1] = problem.dy![steps - 1].map(zeros)
            },
            backward("dy one step late") { problem, _ in
                problem.dy = Array(problem.dy!.prefix(1) + problem.dy!.dropLast())
            },
            backward("final gradient missing") { problem, _ in
                (problem.dh, problem.dc) = (problem.dh.map(zeros), problem.dc.map(zeros))
            },
            backward("final gradient lost in ended rows") { problem, _ in
                for (row, length) in lengths(problem).enumerated() where length < steps {
                    problem.dh[row] = zeros(problem.dh[row])
                    problem.dc[row] = zeros(problem.dc[row])
                }
            },
            backward("row ends one step early") { problem, _ in
                problem.sizes.lengths = lengths(problem).map { max($0 - 1, 0) }
            },
        ]
        if problem.sizes.hiddenColumns == hidden {
            mistakes.append(
                backward("U transposed") { problem, _ in
                    problem.parameters.eachGate { $0.U = columns($0.U) }
                })
        }
        if problem.sizes.input == hidden {
            mistakes.append(
                backward("W transposed") { problem, _ in
                    problem.parameters.eachGate { $0.W = columns($0.W) }
                })
        }
        return mistakes
    }

    /// Of one gate alone.
    private static func ofGates(_ problem: Problem) -> [CellMistake] {
        inUse(problem).flatMap { gate in
            func scaled(_ name: String, _ factor: @escaping @Sendable (Double) -> Double)
                -> CellMistake
            {
                dgate("\(name) of gate \(gate)", gate) { $0 * factor($1) }
            }
            let f = problem.sizes.cell.gates[gate]
            var mistakes = [
                scaled("sign") { _ in -1 },
                scaled("gradient missing") { _ in 0 },
                scaled("half the derivative") { _ in 0.5 },
                backward("gate \(gate) missing in dx") { problem, _ in
                    problem.parameters.gates[gate].W = problem.parameters.gates[gate].W.map(zeros)
                },
            ]
            if problem.sizes.cell.readsHidden {
                mistakes.append(
                    backward("gate \(gate) missing in dh") { problem, _ in
                        problem.parameters.gates[gate].U = problem.parameters.gates[gate].U.map(
                            zeros)
                    })
            }
            if case .sigmoid = f {
                mistakes.append(scaled("y for y (1 - y)") { 1 / (1 - $0) })
            }
            // Where the derivative is zero, its absence is another mistake; where it is 1, none.
            if !problem.solved().tape.gates.isEmpty && f.derivative(y: 0.25) != 1 {
                mistakes.append(scaled("derivative missing") { 1 / f.derivative(y: $0) })
            }
            return mistakes
        }
    }

    private static func gradient(_ problem: Problem) -> [CellMistake] {
        let (last, batch) = (problem.sizes.steps - 1, Double(problem.sizes.batch))
        func scaled(_ name: String, _ factor: @escaping @Sendable (Int, Int) -> Double)
            -> CellMistake
        {
            gradient(name) { _, _, backward in backward.scale(factor) }
        }
        func bias(_ name: String, _ factor: Double) -> CellMistake {
            afterGradient(name) { gradient, problem, _, _ in
                for gate in gradient.gates.indices {
                    gradient.gates[gate].b = zip(
                        problem.gradient.gates[gate].b, gradient.gates[gate].b
                    ).map { $0 + factor * ($1 - $0) }
                }
            }
        }
        let inner = afterGradient("inner rows missing") { gradient, problem, _, _ in
            gradient.inner = problem.gradient.inner
        }
        let hidden = gradient("hidden state after for before") { _, tape, _ in
            tape.h = Array(tape.h.dropFirst() + tape.h.suffix(1))
        }
        let cell = problem.sizes.cell
        return (cell.innerGates.isEmpty ? [] : [inner]) + (cell.readsHidden ? [hidden] : []) + [
            bias("bias missing", 0), bias("bias twice", 2),
            scaled("first row missing") { $1 == 0 ? 0 : 1 },
            scaled("first step missing") { t, _ in t == 0 ? 0 : 1 },
            scaled("last step missing") { t, _ in t == last ? 0 : 1 },
            scaled("only last step") { t, _ in t == last ? 1 : 0 },
            scaled("divided by rows") { _, _ in 1 / batch },
            gradient("column off by one") { problem, _, _ in
                problem.x = problem.x.map { $0.map(shifted) }
            },
            gradient("not accumulated") { problem, _, _ in
                problem.gradient = problem.gradient.map { _ in 0 }
            },
            gradient("row ends one step early") { problem, _, _ in
                problem.sizes.lengths = lengths(problem).map { max($0 - 1, 0) }
            },
        ]
    }

    /// Another activation or variant, forward or backward.
    private static func others(_ problem: Problem) -> [CellMistake] {
        problem.sizes.cell.others.flatMap { other in
            [
                forward("\(other)") { $0.sizes.cell = other },
                backward("\(other)") { problem, _ in problem.sizes.cell = other },
            ]
        }
    }

    private static func masks(_ problem: Problem) -> [CellMistake] {
        problem.mask == nil || !problem.sizes.cell.readsHidden
            ? []
            : [
                forward("mask missing") { $0.mask = nil },
                backward("mask missing") { problem, _ in problem.mask = nil },
                gradient("mask missing") { problem, _, _ in problem.mask = nil },
            ]
    }

    /// The gates that have a gradient.
    private static func inUse(_ problem: Problem) -> [Int] {
        let dgates = problem.solved().backward.dgates.joined()
        return problem.sizes.cell.gates.indices.filter { gate in
            dgates.contains { $0[gate].contains { $0 != 0 } }
        }
    }

    private static func lengths(_ problem: Problem) -> [Int] {
        problem.sizes.lengths ?? problem.h0.map { _ in problem.sizes.steps }
    }
    private static func zeros(_ values: [Double]) -> [Double] { values.map { _ in 0 } }
    private static func shifted(_ values: [Double]) -> [Double] {
        Array(values.dropFirst() + values.prefix(1))
    }
    private static func columns(_ matrix: [[Double]]) -> [[Double]] {
        matrix[0].indices.map { k in matrix.map { $0[k] } }
    }
}
