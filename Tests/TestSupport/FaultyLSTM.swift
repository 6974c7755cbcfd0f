public import Reference

/// A mistake that an implementation of the LSTM may make.
public enum LSTMMistake: String, CaseIterable, Sendable {
    // Forward.
    case inputAndForgetGatesSwapped, inputAndOutputGatesSwapped, candidateAndOutputGatesSwapped
    case candidateThroughSigmoid, outputThroughTanh, tanhOfCellStateMissing
    case biasMissing, biasTwice, lastInputMissing, lastHiddenUnitMissing, inputColumnOffByOne
    case WTransposed, UTransposed
    case hiddenStateOneStepTooOld, cellStateOneStepTooOld, lastStepMissing, rowEndsOneStepEarly, rowsShareTheirState
    // Backward, to the gates and the inputs.
    case derivativeOfTanhOfCellMissing, derivativeOfCandidateMissing, derivativeOfInputGateMissing, derivativeOfForgetGateMissing
    case derivativeOfOutputGateMissing, derivativeOfOutputGateHalf
    case cellStateAfterForBefore, dcNotCarried, dhNotCarried, forgetGateMissingInDc, dhMissingInDc
    case signOfCandidateFlipped, UTransposedInDh, WTransposedInDx, oneGateMissingInDh, dyOfLastStepMissing, dyOneStepLate
    case finalGradientMissing, finalGradientLostInEndedRows
    // Backward, to the parameters.
    case biasGradientMissing, biasGradientTwice, firstRowMissing, firstStepMissingInGradient, lastStepMissingInGradient, onlyLastStepInGradient
    case hiddenStateAfterForBefore, gradientColumnOffByOne, gradientNotAccumulated, gradientDividedByRows
}

/// Forward and backward in Double, element by element, with one mistake or none.
public struct FaultyLSTM {
    let mistake: LSTMMistake?
    let problem: LSTMProblem<Double>

    public init(mistake: LSTMMistake?, problem: LSTMProblem<Double>) {
        self.mistake = mistake
        self.problem = problem
    }

    private func makes(_ mistake: LSTMMistake) -> Bool { self.mistake == mistake }
    private var sizes: LSTMSizes { problem.sizes }
    private var units: Range<Int> { 0..<sizes.hidden }
    private var inputs: Range<Int> { 0..<sizes.input }
    private func steps(_ row: Int) -> Int {
        let length = sizes.lengths?[row] ?? sizes.steps
        return makes(.rowEndsOneStepEarly) ? max(length - 1, 0) : length
    }

    public func solution() -> LSTMSolution<Double> {
        let tape = forward(), backward = backward(tape)
        return LSTMSolution(tape: tape, backward: backward, gradient: gradient(tape, backward))
    }

    private func sigmoid(_ x: Double) -> Double { 1 / (1 + Double.exp(-x)) }

    private func forward() -> LSTMTape<Double> {
        var tape = LSTMTape(gates: [], c: [problem.c0], h: [problem.h0])
        for t in 0..<sizes.steps {
            tape.gates.append((0..<sizes.batch).map { _ in LSTMGates(i: [], f: [], g: [], o: []).map { (_: [Double]) in units.map { _ in 0 } } })
            tape.c.append(tape.c[t])
            tape.h.append(tape.h[t])
            for row in 0..<sizes.batch where t < steps(row) && !(makes(.lastStepMissing) && t == sizes.steps - 1) {
                let x = problem.x[t][row]
                let h_prev = tape.h[makes(.hiddenStateOneStepTooOld) ? max(t - 1, 0) : t][makes(.rowsShareTheirState) ? 0 : row]
                let c_prev = tape.c[makes(.cellStateOneStepTooOld) ? max(t - 1, 0) : t][row]
                for n in units {
                    var pre = problem.cell.gates.all.map { gate in
                        var sum = makes(.biasMissing) ? 0 : makes(.biasTwice) ? 2 * gate.b[n] : gate.b[n]
                        for k in inputs.dropLast(makes(.lastInputMissing) ? 1 : 0) {
                            let weight = makes(.WTransposed) ? gate.W[k][n] : gate.W[n][k]
                            sum += weight * x[makes(.inputColumnOffByOne) ? (k + 1) % x.count : k]
                        }
                        for m in units.dropLast(makes(.lastHiddenUnitMissing) ? 1 : 0) {
                            sum += (makes(.UTransposed) ? gate.U[m][n] : gate.U[n][m]) * h_prev[m]
                        }
                        return sum
                    }
                    if makes(.inputAndForgetGatesSwapped) { pre.swapAt(0, 1) }
                    if makes(.inputAndOutputGatesSwapped) { pre.swapAt(0, 3) }
                    if makes(.candidateAndOutputGatesSwapped) { pre.swapAt(2, 3) }
                    let i = sigmoid(pre[0]), f = sigmoid(pre[1])
                    let g = makes(.candidateThroughSigmoid) ? sigmoid(pre[2]) : Double.tanh(pre[2])
                    let o = makes(.outputThroughTanh) ? Double.tanh(pre[3]) : sigmoid(pre[3])
                    let c = f * c_prev[n] + i * g
                    tape.c[t + 1][row][n] = c
                    tape.h[t + 1][row][n] = o * (makes(.tanhOfCellStateMissing) ? c : Double.tanh(c))
                    (tape.gates[t][row].i[n], tape.gates[t][row].f[n]) = (i, f)
                    (tape.gates[t][row].g[n], tape.gates[t][row].o[n]) = (g, o)
                }
            }
        }
        return tape
    }

    private func backward(_ tape: LSTMTape<Double>) -> LSTMBackward<Double> {
        var result = LSTMBackward(
            dgates: tape.gates.map { $0.map { $0.map { $0.map { _ in 0 } } } }, dx: problem.x.map { $0.map { $0.map { _ in 0 } } },
            dh0: problem.dh, dc0: problem.dc)
        for row in 0..<sizes.batch {
            if makes(.finalGradientMissing) || (makes(.finalGradientLostInEndedRows) && steps(row) < sizes.steps) {
                result.dh0[row] = units.map { _ in 0 }
                result.dc0[row] = units.map { _ in 0 }
            }
            for t in (0..<steps(row)).reversed() {
                let gates = tape.gates[t][row]
                var dgates = [[Double]](repeating: units.map { _ in 0 }, count: 4)
                for n in units {
                    let (i, f, g, o) = (gates.i[n], gates.f[n], gates.g[n], gates.o[n])
                    let tanh_c = Double.tanh(tape.c[t + 1][row][n])
                    var dh = result.dh0[row][n]
                    if !(makes(.dyOfLastStepMissing) && t == sizes.steps - 1) {
                        dh += problem.dy[makes(.dyOneStepLate) ? max(t - 1, 0) : t][row][n]
                    }
                    var dc = result.dc0[row][n]
                    if !makes(.dhMissingInDc) { dc += dh * o * (makes(.derivativeOfTanhOfCellMissing) ? 1 : 1 - tanh_c * tanh_c) }
                    let c_prev = tape.c[makes(.cellStateAfterForBefore) ? t + 1 : t][row][n]
                    let by_o = makes(.derivativeOfOutputGateMissing) ? 1 : makes(.derivativeOfOutputGateHalf) ? o : o * (1 - o)
                    dgates[0][n] = dc * g * (makes(.derivativeOfInputGateMissing) ? 1 : i * (1 - i))
                    dgates[1][n] = dc * c_prev * (makes(.derivativeOfForgetGateMissing) ? 1 : f * (1 - f))
                    dgates[2][n] = dc * i * (makes(.derivativeOfCandidateMissing) ? 1 : 1 - g * g) * (makes(.signOfCandidateFlipped) ? -1 : 1)
                    dgates[3][n] = dh * tanh_c * by_o
                    result.dc0[row][n] = makes(.dcNotCarried) ? 0 : makes(.forgetGateMissingInDc) ? dc : dc * f
                }
                result.dgates[t][row] = LSTMGates(i: dgates[0], f: dgates[1], g: dgates[2], o: dgates[3])
                result.dh0[row] = units.map { m in
                    var sum = 0.0
                    for (dgate, gate) in zip(dgates, problem.cell.gates.all).dropLast(makes(.oneGateMissingInDh) ? 1 : 0) {
                        for n in units { sum += dgate[n] * (makes(.UTransposedInDh) ? gate.U[m][n] : gate.U[n][m]) }
                    }
                    return makes(.dhNotCarried) ? 0 : sum
                }
                result.dx[t][row] = inputs.map { k in
                    var sum = 0.0
                    for (dgate, gate) in zip(dgates, problem.cell.gates.all) {
                        for n in units { sum += dgate[n] * (makes(.WTransposedInDx) ? gate.W[k][n] : gate.W[n][k]) }
                    }
                    return sum
                }
            }
        }
        return result
    }

    private func gradient(_ tape: LSTMTape<Double>, _ backward: LSTMBackward<Double>) -> LSTMCell<Double> {
        let start = problem.gradient
        var sums = (makes(.gradientNotAccumulated) ? start.map { _ in 0 } : start).gates.all
        for t in 0..<sizes.steps {
            if makes(.firstStepMissingInGradient) && t == 0 { continue }
            if makes(.lastStepMissingInGradient) && t == sizes.steps - 1 { continue }
            if makes(.onlyLastStepInGradient) && t < sizes.steps - 1 { continue }
            for row in 0..<sizes.batch where t < steps(row) && !(makes(.firstRowMissing) && row == 0) {
                let h = tape.h[makes(.hiddenStateAfterForBefore) ? t + 1 : t][row], x = problem.x[t][row]
                for (gate, dgate) in backward.dgates[t][row].all.enumerated() {
                    for n in units {
                        let d = makes(.gradientDividedByRows) ? dgate[n] / Double(sizes.batch) : dgate[n]
                        for k in inputs { sums[gate].W[n][k] += d * x[makes(.gradientColumnOffByOne) ? (k + 1) % x.count : k] }
                        for m in units { sums[gate].U[n][m] += d * h[m] }
                        sums[gate].b[n] += makes(.biasGradientMissing) ? 0 : makes(.biasGradientTwice) ? 2 * d : d
                    }
                }
            }
        }
        return LSTMCell(gates: LSTMGates(i: sums[0], f: sums[1], g: sums[2], o: sums[3]))
    }
}
