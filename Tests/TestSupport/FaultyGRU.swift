public import RecurrentReference

/// A mistake that an implementation of the GRU may make.
public enum GRUMistake: String, CaseIterable, Sendable {
    // Forward.
    case biasMissing, lastInputMissing, lastHiddenUnitMissing, UTransposed, gatesSwapped,
        updateGateTheOtherWayRound, otherDefinition
    case otherSquash, hiddenStateOneStepTooOld, lastStepMissing, rowEndsOneStepEarly,
        rowsShareTheirState
    // Backward, to the pre-activations and the inputs.
    case resetDerivativeMissing, updateDerivativeMissing, candidateDerivativeMissing,
        resetGradientMissing, resetNotInGradientOfPast
    case dhNotKept, dhNotCarried, dhNotCarriedByCandidate, dyOfLastStepMissing, dyOneStepLate,
        signOfUpdateFlipped, UTransposedInDh, candidateMissingInDx
    case finalGradientMissing, finalGradientLostInEndedRows
    // Backward, to the parameters.
    case biasGradientMissing, firstRowMissing, firstStepMissingInGradient,
        lastStepMissingInGradient, stateForPast, gradientNotAccumulated
}

/// Forward and backward in Double, element by element, with one mistake or none.
public struct FaultyGRU {
    let mistake: GRUMistake?
    let problem: GRUProblem<Double>

    public init(mistake: GRUMistake?, problem: GRUProblem<Double>) {
        self.mistake = mistake
        self.problem = problem
    }

    private func makes(_ mistake: GRUMistake) -> Bool { self.mistake == mistake }
    private var sizes: LSTMSizes { problem.sizes }
    private var units: Range<Int> { 0..<sizes.hidden }
    private func steps(_ row: Int) -> Int {
        let length = sizes.lengths?[row] ?? sizes.steps
        return makes(.rowEndsOneStepEarly) ? max(length - 1, 0) : length
    }
    private var definition: GRUDefinition {
        let all = GRUDefinition.allCases
        let index = all.firstIndex(of: problem.cell.definition)!
        return all[makes(.otherDefinition) ? (index + 1) % all.count : index]
    }
    private var resetsAfter: Bool { definition == .resetAfter }

    public func solution() -> GRUSolution<Double> {
        let tape = forward()
        let backward = backward(tape)
        return GRUSolution(tape: tape, backward: backward, gradient: gradient(tape, backward))
    }

    private func recurrent(_ gate: GateParameters<Double>, _ n: Int, _ h: [Double]) -> Double {
        units.dropLast(makes(.lastHiddenUnitMissing) ? 1 : 0).reduce(0) {
            $0 + (makes(.UTransposed) ? gate.U[$1][n] : gate.U[n][$1]) * h[$1]
        }
    }

    private func input(_ gate: GateParameters<Double>, _ n: Int, _ x: [Double]) -> Double {
        x.indices.dropLast(makes(.lastInputMissing) ? 1 : 0).reduce(
            makes(.biasMissing) ? 0 : gate.b[n]
        ) { $0 + gate.W[n][$1] * x[$1] }
    }

    private func forward() -> GRUTape<Double> {
        let zeros = units.map { _ in 0.0 }
        let ended = GRUGates(r: zeros, z: zeros, n: zeros)
        let cell = problem.cell
        var tape = GRUTape(
            gates: problem.x.map { $0.map { _ in ended } },
            past: problem.x.map { $0.map { _ in zeros } },
            h: Array(repeating: problem.h0, count: sizes.steps + 1))
        let (reset, update) =
            makes(.gatesSwapped) ? (cell.gates.z, cell.gates.r) : (cell.gates.r, cell.gates.z)
        for t in 0..<sizes.steps {
            tape.h[t + 1] = tape.h[t]
            for row in 0..<sizes.batch
            where t < steps(row) && !(makes(.lastStepMissing) && t == sizes.steps - 1) {
                let h = tape.h[makes(.hiddenStateOneStepTooOld) ? max(t - 1, 0) : t][
                    makes(.rowsShareTheirState) ? 0 : row]
                let x = problem.x[t][row]
                let r = units.map { Double.sigmoid(input(reset, $0, x) + recurrent(reset, $0, h)) }
                let z = units.map {
                    Double.sigmoid(input(update, $0, x) + recurrent(update, $0, h))
                }
                let past = units.map {
                    resetsAfter
                        ? cell.hiddenBias[$0] + recurrent(cell.gates.n, $0, h) : r[$0] * h[$0]
                }
                let n = units.map { n in
                    let sum =
                        input(cell.gates.n, n, x)
                        + (resetsAfter ? r[n] * past[n] : recurrent(cell.gates.n, n, past))
                    return (definition == .lecture) != makes(.otherSquash)
                        ? Double.sigmoid(sum) : Double.tanh(sum)
                }
                tape.gates[t][row] = GRUGates(r: r, z: z, n: n)
                tape.past[t][row] = past
                tape.h[t + 1][row] = units.map { k in
                    (definition == .lecture) != makes(.updateGateTheOtherWayRound)
                        ? (1 - z[k]) * h[k] + z[k] * n[k] : (1 - z[k]) * n[k] + z[k] * h[k]
                }
            }
        }
        return tape
    }

    private func backward(_ tape: GRUTape<Double>) -> GRUBackward<Double> {
        let zeros = units.map { _ in 0.0 }
        let ended = GRUGates(r: zeros, z: zeros, n: zeros)
        let gates = problem.cell.gates
        var result = GRUBackward(
            dgates: problem.x.map { $0.map { _ in ended } },
            dpast: problem.x.map { $0.map { _ in zeros } },
            dx: problem.x.map { $0.map { $0.map { _ in 0 } } }, dh0: problem.dh)
        func back(_ gate: GateParameters<Double>, _ k: Int, _ d: [Double]) -> Double {
            units.reduce(0) {
                $0 + d[$1] * (makes(.UTransposedInDh) ? gate.U[k][$1] : gate.U[$1][k])
            }
        }
        for row in 0..<sizes.batch {
            if makes(.finalGradientMissing)
                || (makes(.finalGradientLostInEndedRows) && steps(row) < sizes.steps)
            {
                result.dh0[row] = zeros
            }
            for t in (0..<steps(row)).reversed() {
                let (r, z, n) = (tape.gates[t][row].r, tape.gates[t][row].z, tape.gates[t][row].n)
                let h = tape.h[t][row]
                let past = tape.past[t][row]
                let dh = units.map { k in
                    let late = makes(.dyOneStepLate) ? max(t - 1, 0) : t
                    return result.dh0[row][k]
                        + (makes(.dyOfLastStepMissing) && t == sizes.steps - 1
                            ? 0 : problem.dy[late][row][k])
                }
                let isLecture = definition == .lecture
                let dn = units.map { k in
                    let slope = isLecture ? n[k] * (1 - n[k]) : 1 - n[k] * n[k]
                    return dh[k] * (isLecture ? z[k] : 1 - z[k])
                        * (makes(.candidateDerivativeMissing) ? 1 : slope)
                }
                let dz = units.map { k in
                    dh[k] * (n[k] - h[k]) * (isLecture != makes(.signOfUpdateFlipped) ? 1 : -1)
                        * (makes(.updateDerivativeMissing) ? 1 : z[k] * (1 - z[k]))
                }
                let dpast = units.map {
                    resetsAfter
                        ? dn[$0] * (makes(.resetNotInGradientOfPast) ? 1 : r[$0])
                        : back(gates.n, $0, dn)
                }
                let dr = units.map { k -> Double in
                    if makes(.resetGradientMissing) { return 0 }
                    return (resetsAfter ? dn[k] * past[k] : dpast[k] * h[k])
                        * (makes(.resetDerivativeMissing) ? 1 : r[k] * (1 - r[k]))
                }
                result.dgates[t][row] = GRUGates(r: dr, z: dz, n: dn)
                result.dpast[t][row] = dpast
                result.dh0[row] = units.map { k -> Double in
                    var d = makes(.dhNotKept) ? 0 : dh[k] * (isLecture ? 1 - z[k] : z[k])
                    if !makes(.dhNotCarriedByCandidate) {
                        d +=
                            resetsAfter
                            ? back(gates.n, k, dpast)
                            : dpast[k] * (makes(.resetNotInGradientOfPast) ? 1 : r[k])
                    }
                    return makes(.dhNotCarried)
                        ? 0 : d + back(gates.r, k, dr) + back(gates.z, k, dz)
                }
                result.dx[t][row] = problem.x[t][row].indices.map { k in
                    units.reduce(0.0) { sum, m in
                        let sum = sum + dr[m] * gates.r.W[m][k] + dz[m] * gates.z.W[m][k]
                        return makes(.candidateMissingInDx) ? sum : sum + dn[m] * gates.n.W[m][k]
                    }
                }
            }
        }
        return result
    }

    private func gradient(_ tape: GRUTape<Double>, _ backward: GRUBackward<Double>) -> GRUCell<
        Double
    > {
        var result =
            makes(.gradientNotAccumulated) ? problem.gradient.map { _ in 0 } : problem.gradient
        for t in 0..<sizes.steps {
            if makes(.firstStepMissingInGradient) && t == 0
                || makes(.lastStepMissingInGradient) && t == sizes.steps - 1
            {
                continue
            }
            for row in 0..<sizes.batch
            where t < steps(row) && !(makes(.firstRowMissing) && row == 0) {
                let h = tape.h[t][row]
                let x = problem.x[t][row]
                let dgates = backward.dgates[t][row]
                let dpast = backward.dpast[t][row]
                let past = makes(.stateForPast) ? h : tape.past[t][row]
                func add(
                    _ dgate: [Double], _ recurrent: [Double], _ h: [Double],
                    to gate: inout GateParameters<Double>
                ) {
                    for n in units {
                        for k in x.indices { gate.W[n][k] += dgate[n] * x[k] }
                        for m in units { gate.U[n][m] += recurrent[n] * h[m] }
                        gate.b[n] += makes(.biasGradientMissing) ? 0 : dgate[n]
                    }
                }
                add(dgates.r, dgates.r, h, to: &result.gates.r)
                add(dgates.z, dgates.z, h, to: &result.gates.z)
                if resetsAfter {
                    add(dgates.n, makes(.stateForPast) ? dgates.n : dpast, h, to: &result.gates.n)
                    for n in units {
                        result.hiddenBias[n] += makes(.biasGradientMissing) ? 0 : dpast[n]
                    }
                } else {
                    add(dgates.n, dgates.n, past, to: &result.gates.n)
                }
            }
        }
        return result
    }
}
