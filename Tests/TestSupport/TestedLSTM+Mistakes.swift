public import RecurrentReference

// The mistakes that an implementation of an LSTM alone can make.

/// A unit of one step, to be computed again.
private struct Unit {
    var i, f, g, o, c, m: Double
    let c_prev: Double
    let peepholes: LSTMGates<Double>
    let variant: LSTMVariant

    mutating func output() { m = o * variant.activation(c) }

    /// Everything from the gates on.
    mutating func again(clip: (Double) -> Double) {
        let old = c
        c = clip(f * c_prev + i * g)
        o = .sigmoid(.logit(o) + peepholes.o * (c - old))
        output()
    }
    mutating func again() {
        again { [variant] c in variant.clip.map { .clamp(c, $0) } ?? c }
    }
}

extension TestedLSTM {
    private func unit(_ name: String, _ edit: @escaping @Sendable (inout Unit) -> Void)
        -> CellMistake
    {
        .step(
            name,
            after: { tape, step, row in
                let gates = tape.gates[0][row]
                var m: [Double] = []
                for n in gates[0].indices {
                    let p = LSTMGates(step.parameters.inner).map { $0.isEmpty ? 0 : $0[n] }
                    var unit = Unit(
                        i: gates[0][n], f: gates[1][n], g: gates[2][n], o: gates[3][n],
                        c: tape.c[1][row][n], m: 0, c_prev: tape.c[0][row][n], peepholes: p,
                        variant: variant)
                    unit.output()
                    edit(&unit)
                    for (gate, value) in [unit.i, unit.f, unit.g, unit.o].enumerated() {
                        tape.gates[0][row][gate][n] = value
                    }
                    tape.c[1][row][n] = unit.c
                    m.append(unit.m)
                }
                if projection == nil {
                    tape.h[1][row] = m
                } else {
                    tape.m[0][row] = m
                    tape.h[1][row] = step.parameters.projection.map { .sum(0, [($0, m)]) }
                }
            })
    }

    /// The backward pass of a step sees another dc, from what h says of c: dm, o, and the
    /// derivative of f(c).
    private func state(
        _ name: String, as other: TestedLSTM? = nil,
        _ edit:
            @escaping @Sendable (
                inout Double, _ c: Double, _ dm: Double, _ o: Double, _ y: Double, _ slope: Double
            ) -> Void
    ) -> CellMistake {
        .backStep(
            name,
            before: { step, tape, row in
                let dh = step.total(row)
                for (n, c) in tape.c[1][row].enumerated() {
                    let dm =
                        projection == nil
                        ? dh[n]
                        : dh.indices.reduce(0) { $0 + dh[$1] * step.parameters.projection[$1][n] }
                    let y = variant.activation(c)
                    edit(
                        &step.dc[row][n], c, dm, tape.gates[0][row][3][n], y,
                        variant.activation.derivative(y: y))
                }
                if let other { step.sizes.cell = other }
            })
    }

    public func mistakes(_ problem: CellProblem<Double>) -> [CellMistake] {
        // Of others than σ the sums of the gates are not known.
        guard variant.gateActivation == .sigmoid else { return always }
        return always + ofGates + (variant.activation == .sigmoid ? ofSigmoid : ofTanh)
            + (variant.peepholes ? ofPeepholes : []) + (variant.coupled ? ofCoupled : [])
            + (variant.clip.map { ofClip($0, problem) } ?? [])
            + (variant.projection == nil ? [] : ofProjection)
    }

    private var always: [CellMistake] {
        [
            .step(
                "cell state one step too old",
                before: { if !$1.c.isEmpty { $0.c0 = $1.c[max($2 - 1, 0)] } }),
            unit("tanh of cell state missing") { $0.m = $0.o * $0.c },
            .backStep("cell state after for before", before: { $1.c[0][$2] = $1.c[1][$2] }),
            .backStep(
                "dc not carried",
                after: { back, _, _, row in
                    back.dc0[row] = back.dc0[row].map { _ in 0 }
                }),
            .backStep(
                "forget gate missing in dc",
                after: { back, _, tape, row in
                    back.dc0[row] = zip(back.dc0[row], tape.gates[0][row][1]).map(/)
                }),
            state("dh missing in dc") { dc, _, dm, o, _, slope in dc -= dm * o * slope },
            state("derivative of f(c) missing") { dc, _, dm, o, _, slope in
                dc += dm * o * (1 - slope)
            },
        ]
    }

    private var ofGates: [CellMistake] {
        [
            unit("output through tanh") {
                $0.o = .tanh(.logit($0.o))
                $0.output()
            }
        ]
    }

    private var ofTanh: [CellMistake] {
        [
            unit("candidate through sigmoid") {
                $0.g = .sigmoid(.atanh($0.g))
                $0.again()
            }
        ]
    }

    private var ofSigmoid: [CellMistake] {
        [
            unit("cell state through tanh") { $0.m = $0.o * .tanh($0.c) },
            state("slope of tanh in cell") { dc, _, dm, o, y, slope in
                dc += dm * o * (1 - y * y - slope)
            },
            .dgate("slope of tanh in candidate", 2) { $0 * (1 - $1 * $1) / ($1 * (1 - $1)) },
        ]
    }

    private var ofPeepholes: [CellMistake] {
        let used = variant.coupled ? [0, 3] : [0, 1, 3]
        func gradient(
            _ name: String, _ gate: Int, _ c: @escaping @Sendable ([[[Double]]]) -> [[[Double]]]
        ) -> CellMistake {
            .afterGradient(name) { gradient, _, tape, again in
                var tape = tape
                tape.c = c(tape.c)
                gradient.inner[gate] = again(tape).inner[gate]
            }
        }
        return used.map { gate in
            .backward("peephole of gate \(gate) missing in dc") { problem, _ in
                problem.parameters.inner[gate] = problem.parameters.inner[gate].map { _ in 0 }
            }
        } + [
            .forward("peepholes swapped") { $0.parameters.inner.swapAt(0, 3) },
            unit("input peephole after for before") {
                $0.i = .sigmoid(
                    .logit($0.i) + $0.peepholes.i * ($0.f * $0.c_prev + $0.i * $0.g - $0.c_prev))
                $0.again()
            },
            unit("output peephole before for after") {
                $0.o = .sigmoid(.logit($0.o) + $0.peepholes.o * ($0.c_prev - $0.c))
                $0.output()
            },
            gradient("output peephole of old state", 3) { Array($0.prefix(1) + $0.dropLast()) },
            gradient("input peephole of new state", 0) { Array($0.dropFirst() + $0.suffix(1)) },
        ]
    }

    private var ofCoupled: [CellMistake] {
        let uncoupled = with { $0.coupled = false }
        func mixed(_ name: String, _ gate: Int) -> CellMistake {
            .afterBackward(name) { backward, problem, tape in
                let other = uncoupled.backward(problem, tape)
                for t in backward.dgates.indices {
                    for row in problem.valid(t) {
                        backward.dgates[t][row][gate] = other.dgates[t][row][gate]
                    }
                }
            }
        }
        return [
            unit("coupled forget gate is input gate") {
                $0.f = $0.i
                $0.again()
            },
            mixed("coupled gate missing in di", 0), mixed("coupled gate in df", 1),
        ]
    }

    private func ofClip(_ clip: Double, _ problem: CellProblem<Double>) -> [CellMistake] {
        let isCut: @Sendable (Double) -> Bool = { $0.magnitude >= clip }
        var mistakes = [
            unit("clip of output") {
                $0.again { $0 }
                $0.m = .clamp($0.m, clip)
            },
            .dgate("clip cuts do", 3, fromState: true) { isCut($1) ? 0 : $0 },
        ]
        if problem.forward().c.joined().joined().contains(-clip) {
            mistakes.append(unit("clip one-sided") { $0.again { min($0, clip) } })
        }
        if variant.peepholes {
            mistakes.append(
                state("output peephole behind clip", as: with { $0.clip = nil }) {
                    dc, c, dm, o, _, slope in
                    if isCut(c) { dc = -dm * o * slope }
                })
        }
        return mistakes
    }

    private var ofProjection: [CellMistake] {
        func backward(
            _ name: String, _ element: @escaping @Sendable (_ P: [[Double]], Int, Int) -> Double
        ) -> CellMistake {
            .backward(name) { problem, _ in
                let P = problem.parameters.projection
                problem.parameters.projection = P.indices.map { k in
                    P[k].indices.map { element(P, k, $0) }
                }
            }
        }
        return [
            .step(
                "projection twice",
                after: { tape, _, row in
                    tape.h[1][row] = tape.h[1][row].map { 2 * $0 }
                }),
            backward("projection missing in dm") { P, k, n in n % P.count == k ? 1 : 0 },
            backward("projection transposed") { P, k, n in P[n % P.count][k % P[0].count] },
            .afterGradient("projection missing") { gradient, problem, _, _ in
                gradient.projection = problem.gradient.projection
            },
            .gradient("projection without dy") { problem, _, backward in
                for t in backward.dhs.indices {
                    for row in problem.valid(t) {
                        backward.dhs[t][row] = zip(backward.dhs[t][row], problem.dy![t][row]).map(-)
                    }
                }
            },
            .gradient("projection of state for output") { _, tape, _ in
                tape.m = Array(tape.c.dropFirst())
            },
        ]
    }
}
