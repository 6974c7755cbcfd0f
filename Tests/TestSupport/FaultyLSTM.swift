public import RecurrentReference

/// A mistake that an implementation of the LSTM may make.
public enum LSTMMistake: String, CaseIterable, Sendable {
    // Forward.
    case inputAndForgetGatesSwapped, inputAndOutputGatesSwapped, candidateAndOutputGatesSwapped
    case candidateThroughSigmoid, outputThroughTanh, tanhOfCellStateMissing
    case biasMissing, biasTwice, lastInputMissing, lastHiddenUnitMissing, inputColumnOffByOne
    case WTransposed, UTransposed
    case hiddenStateOneStepTooOld, cellStateOneStepTooOld, lastStepMissing, rowEndsOneStepEarly,
        rowsShareTheirState
    // Backward, to the gates and the inputs.
    case derivativeOfTanhOfCellMissing, derivativeOfCandidateMissing, derivativeOfInputGateMissing,
        derivativeOfForgetGateMissing
    case derivativeOfOutputGateMissing, derivativeOfOutputGateHalf
    case cellStateAfterForBefore, dcNotCarried, dhNotCarried, forgetGateMissingInDc, dhMissingInDc
    case signOfCandidateFlipped, UTransposedInDh, WTransposedInDx, oneGateMissingInDh,
        dyOfLastStepMissing, dyOneStepLate
    case finalGradientMissing, finalGradientLostInEndedRows
    // Backward, to the parameters.
    case biasGradientMissing, biasGradientTwice, firstRowMissing, firstStepMissingInGradient,
        lastStepMissingInGradient, onlyLastStepInGradient
    case hiddenStateAfterForBefore, gradientColumnOffByOne, gradientNotAccumulated,
        gradientDividedByRows
    // Of the variants.
    case cellStateThroughTanh, inputPeepholeMissing, forgetPeepholeMissing, outputPeepholeMissing,
        inputPeepholeAfterForBefore
    case outputPeepholeBeforeForAfter, peepholesSwapped, coupledForgetGateIsInput, clipMissing,
        clipOfOutput, clipOneSided, projectionTwice
    case slopeOfTanhInCell, slopeOfTanhInCandidate, inputPeepholeMissingInDc,
        outputPeepholeMissingInDc, outputPeepholeBehindClip
    case coupledGateMissingInDi, coupledGateInDf, clipMissingInDc, clipCutsDo,
        projectionMissingInDm, projectionTransposed
    case peepholeGradientMissing, outputPeepholeGradientOfOldState, inputPeepholeGradientOfNewState,
        projectionGradientMissing
    case projectionGradientWithoutDy, projectionGradientOfStateForOutput

    public static let ofPlain = Array(allCases.prefix { $0 != .cellStateThroughTanh })
    public static let ofVariants = Array(allCases.drop { $0 != .cellStateThroughTanh })
    /// Cells of which one or the other shows each of `ofVariants`: a coupled cell has no peephole
    /// of its forget gate.
    public static let variants = [
        LSTMVariant(peepholes: true, clip: 0.25, projection: 4),
        LSTMVariant(sigmoid: true, peepholes: true, coupled: true, clip: 0.5, projection: 4),
    ]
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
    private var variant: LSTMVariant { sizes.variant }
    private var units: Range<Int> { 0..<sizes.hidden }
    private var outputs: Range<Int> { 0..<sizes.outputs }
    private var inputs: Range<Int> { 0..<sizes.input }
    private func steps(_ row: Int) -> Int {
        let length = sizes.lengths?[row] ?? sizes.steps
        return makes(.rowEndsOneStepEarly) ? max(length - 1, 0) : length
    }

    public func solution() -> LSTMSolution<Double> {
        let tape = forward()
        let backward = backward(tape)
        return LSTMSolution(tape: tape, backward: backward, gradient: gradient(tape, backward))
    }

    private func sigmoid(_ x: Double) -> Double { 1 / (1 + Double.exp(-x)) }
    private func squashedState(_ c: Double) -> Double {
        variant.sigmoid && !makes(.cellStateThroughTanh) ? sigmoid(c) : Double.tanh(c)
    }
    private func clipped(_ c: Double) -> Double {
        guard let clip = variant.clip, !makes(.clipMissing), !makes(.clipOfOutput) else { return c }
        return makes(.clipOneSided) ? min(c, clip) : min(max(c, -clip), clip)
    }

    /// What the peepholes add to the pre-activation of a gate: 0 (i), 1 (f) or 3 (o).
    private func peephole(_ gate: Int, _ n: Int, _ c: Double, unless mistake: LSTMMistake) -> Double
    {
        guard variant.peepholes, !makes(mistake) else { return 0 }
        return problem.cell.peepholes.all[makes(.peepholesSwapped) ? [3, 1, 2, 0][gate] : gate][n]
            * c
    }

    private func forward() -> LSTMTape<Double> {
        var tape = LSTMTape(gates: [], c: [problem.c0], m: [], h: [problem.h0])
        for t in 0..<sizes.steps {
            tape.m.append((0..<sizes.batch).map { _ in units.map { _ in 0 } })
            tape.gates.append(
                (0..<sizes.batch).map { _ in
                    LSTMGates(i: [], f: [], g: [], o: []).map { (_: [Double]) in
                        units.map { _ in 0 }
                    }
                })
            tape.c.append(tape.c[t])
            tape.h.append(tape.h[t])
            for row in 0..<sizes.batch
            where t < steps(row) && !(makes(.lastStepMissing) && t == sizes.steps - 1) {
                let x = problem.x[t][row]
                let h_prev = tape.h[makes(.hiddenStateOneStepTooOld) ? max(t - 1, 0) : t][
                    makes(.rowsShareTheirState) ? 0 : row]
                let c_prev = tape.c[makes(.cellStateOneStepTooOld) ? max(t - 1, 0) : t][row]
                for n in units {
                    var pre = problem.cell.gates.all.map { gate in
                        var sum =
                            makes(.biasMissing) ? 0 : makes(.biasTwice) ? 2 * gate.b[n] : gate.b[n]
                        for k in inputs.dropLast(makes(.lastInputMissing) ? 1 : 0) {
                            let weight = makes(.WTransposed) ? gate.W[k][n] : gate.W[n][k]
                            sum += weight * x[makes(.inputColumnOffByOne) ? (k + 1) % x.count : k]
                        }
                        for m in outputs.dropLast(makes(.lastHiddenUnitMissing) ? 1 : 0) {
                            sum += (makes(.UTransposed) ? gate.U[m][n] : gate.U[n][m]) * h_prev[m]
                        }
                        return sum
                    }
                    if makes(.inputAndForgetGatesSwapped) { pre.swapAt(0, 1) }
                    if makes(.inputAndOutputGatesSwapped) { pre.swapAt(0, 3) }
                    if makes(.candidateAndOutputGatesSwapped) { pre.swapAt(2, 3) }
                    let g =
                        variant.sigmoid || makes(.candidateThroughSigmoid)
                        ? sigmoid(pre[2]) : Double.tanh(pre[2])
                    func i(_ c: Double) -> Double {
                        sigmoid(pre[0] + peephole(0, n, c, unless: .inputPeepholeMissing))
                    }
                    func f(_ c: Double) -> Double {
                        sigmoid(pre[1] + peephole(1, n, c, unless: .forgetPeepholeMissing))
                    }
                    var (i, f) = (i(c_prev[n]), f(c_prev[n]))
                    if variant.coupled { f = makes(.coupledForgetGateIsInput) ? i : 1 - i }
                    if makes(.inputPeepholeAfterForBefore) {
                        i = sigmoid(
                            pre[0]
                                + peephole(
                                    0, n, f * c_prev[n] + i * g, unless: .inputPeepholeMissing))
                    }
                    let c = clipped(f * c_prev[n] + i * g)
                    let seen = makes(.outputPeepholeBeforeForAfter) ? c_prev[n] : c
                    pre[3] += peephole(3, n, seen, unless: .outputPeepholeMissing)
                    let o = makes(.outputThroughTanh) ? Double.tanh(pre[3]) : sigmoid(pre[3])
                    tape.c[t + 1][row][n] = c
                    var m = o * (makes(.tanhOfCellStateMissing) ? c : squashedState(c))
                    if makes(.clipOfOutput), let clip = variant.clip {
                        m = min(max(m, -clip), clip)
                    }
                    tape.m[t][row][n] = m
                    (tape.gates[t][row].i[n], tape.gates[t][row].f[n]) = (i, f)
                    (tape.gates[t][row].g[n], tape.gates[t][row].o[n]) = (g, o)
                }
                tape.h[t + 1][row] = projected(tape.m[t][row])
            }
        }
        return tape
    }

    private func projected(_ m: [Double]) -> [Double] {
        guard variant.projection != nil else { return m }
        return outputs.map { n in
            units.reduce(0) { $0 + problem.cell.projection[n][$1] * m[$1] }
                * (makes(.projectionTwice) ? 2 : 1)
        }
    }

    private func projectedBack(_ dh: [Double]) -> [Double] {
        guard variant.projection != nil else { return dh }
        if makes(.projectionMissingInDm) { return units.map { dh[$0 % dh.count] } }
        return units.map { n in
            outputs.reduce(0) { sum, k in
                let other = (n % sizes.outputs, k % sizes.hidden)
                return sum + dh[k]
                    * (makes(.projectionTransposed)
                        ? problem.cell.projection[other.0][other.1] : problem.cell.projection[k][n])
            }
        }
    }

    private func backward(_ tape: LSTMTape<Double>) -> LSTMBackward<Double> {
        var result = LSTMBackward(
            dgates: tape.gates.map { $0.map { $0.map { $0.map { _ in 0 } } } },
            dh: problem.dy.map { $0.map { $0.map { _ in 0 } } },
            dx: problem.x.map { $0.map { $0.map { _ in 0 } } }, dh0: problem.dh, dc0: problem.dc)
        for row in 0..<sizes.batch {
            if makes(.finalGradientMissing)
                || (makes(.finalGradientLostInEndedRows) && steps(row) < sizes.steps)
            {
                result.dh0[row] = outputs.map { _ in 0 }
                result.dc0[row] = units.map { _ in 0 }
            }
            for t in (0..<steps(row)).reversed() {
                let gates = tape.gates[t][row]
                var dgates = [[Double]](repeating: units.map { _ in 0 }, count: 4)
                var dh = result.dh0[row]
                if makes(.projectionGradientWithoutDy) { result.dh[t][row] = dh }
                if !(makes(.dyOfLastStepMissing) && t == sizes.steps - 1) {
                    dh = outputs.map {
                        dh[$0] + problem.dy[makes(.dyOneStepLate) ? max(t - 1, 0) : t][row][$0]
                    }
                }
                if !makes(.projectionGradientWithoutDy) { result.dh[t][row] = dh }
                let dm = projectedBack(dh)
                for n in units {
                    let (i, f, g, o) = (gates.i[n], gates.f[n], gates.g[n], gates.o[n])
                    let c = tape.c[t + 1][row][n]
                    let squashed_c = squashedState(c)
                    func slope(_ y: Double, unless mistake: LSTMMistake) -> Double {
                        variant.sigmoid && !makes(mistake) ? y * (1 - y) : 1 - y * y
                    }
                    let p = LSTMGates(i: 0, f: 1, g: 2, o: 3).map {
                        variant.peepholes && $0 != 2 ? problem.cell.peepholes.all[$0][n] : 0
                    }
                    let isClipped = variant.clip.map { c.magnitude >= $0 } ?? false
                    let by_o =
                        makes(.derivativeOfOutputGateMissing)
                        ? 1 : makes(.derivativeOfOutputGateHalf) ? o : o * (1 - o)
                    dgates[3][n] =
                        dm[n] * squashed_c * by_o * (makes(.clipCutsDo) && isClipped ? 0 : 1)
                    let by_peephole = makes(.outputPeepholeMissingInDc) ? 0 : dgates[3][n] * p.o
                    var dc =
                        result.dc0[row][n] + (makes(.outputPeepholeBehindClip) ? 0 : by_peephole)
                    if !makes(.dhMissingInDc) {
                        dc +=
                            dm[n] * o
                            * (makes(.derivativeOfTanhOfCellMissing)
                                ? 1 : slope(squashed_c, unless: .slopeOfTanhInCell))
                    }
                    if isClipped && !makes(.clipMissingInDc) { dc = 0 }
                    if makes(.outputPeepholeBehindClip) { dc += by_peephole }
                    let c_prev = tape.c[makes(.cellStateAfterForBefore) ? t + 1 : t][row][n]
                    let di =
                        dc * (variant.coupled && !makes(.coupledGateMissingInDi) ? g - c_prev : g)
                    let df = variant.coupled && !makes(.coupledGateInDf) ? 0 : dc * c_prev
                    let by_g =
                        makes(.derivativeOfCandidateMissing)
                        ? 1 : slope(g, unless: .slopeOfTanhInCandidate)
                    dgates[0][n] = di * (makes(.derivativeOfInputGateMissing) ? 1 : i * (1 - i))
                    dgates[1][n] = df * (makes(.derivativeOfForgetGateMissing) ? 1 : f * (1 - f))
                    dgates[2][n] = dc * i * by_g * (makes(.signOfCandidateFlipped) ? -1 : 1)
                    let dc_prev =
                        (makes(.forgetGateMissingInDc) ? dc : dc * f)
                        + (makes(.inputPeepholeMissingInDc) ? 0 : dgates[0][n] * p.i) + dgates[1][n]
                        * p.f
                    result.dc0[row][n] = makes(.dcNotCarried) ? 0 : dc_prev
                }
                result.dgates[t][row] = LSTMGates(
                    i: dgates[0], f: dgates[1], g: dgates[2], o: dgates[3])
                result.dh0[row] = outputs.map { m in
                    var sum = 0.0
                    for (dgate, gate) in zip(dgates, problem.cell.gates.all).dropLast(
                        makes(.oneGateMissingInDh) ? 1 : 0)
                    {
                        for n in units {
                            sum +=
                                dgate[n] * (makes(.UTransposedInDh) ? gate.U[m][n] : gate.U[n][m])
                        }
                    }
                    return makes(.dhNotCarried) ? 0 : sum
                }
                result.dx[t][row] = inputs.map { k in
                    var sum = 0.0
                    for (dgate, gate) in zip(dgates, problem.cell.gates.all) {
                        for n in units {
                            sum +=
                                dgate[n] * (makes(.WTransposedInDx) ? gate.W[k][n] : gate.W[n][k])
                        }
                    }
                    return sum
                }
            }
        }
        return result
    }

    private func gradient(_ tape: LSTMTape<Double>, _ backward: LSTMBackward<Double>) -> LSTMCell<
        Double
    > {
        let start = problem.gradient
        var gradient = makes(.gradientNotAccumulated) ? start.map { _ in 0 } : start
        var sums = gradient.gates.all
        for t in 0..<sizes.steps {
            if makes(.firstStepMissingInGradient) && t == 0 { continue }
            if makes(.lastStepMissingInGradient) && t == sizes.steps - 1 { continue }
            if makes(.onlyLastStepInGradient) && t < sizes.steps - 1 { continue }
            for row in 0..<sizes.batch
            where t < steps(row) && !(makes(.firstRowMissing) && row == 0) {
                let h = tape.h[makes(.hiddenStateAfterForBefore) ? t + 1 : t][row]
                let x = problem.x[t][row]
                for (gate, dgate) in backward.dgates[t][row].all.enumerated() {
                    for n in units {
                        let d =
                            makes(.gradientDividedByRows)
                            ? dgate[n] / Double(sizes.batch) : dgate[n]
                        for k in inputs {
                            sums[gate].W[n][k] +=
                                d * x[makes(.gradientColumnOffByOne) ? (k + 1) % x.count : k]
                        }
                        for m in outputs { sums[gate].U[n][m] += d * h[m] }
                        sums[gate].b[n] +=
                            makes(.biasGradientMissing) ? 0 : makes(.biasGradientTwice) ? 2 * d : d
                    }
                }
                addVariants(tape, backward, t, row, to: &gradient)
            }
        }
        gradient.gates = LSTMGates(i: sums[0], f: sums[1], g: sums[2], o: sums[3])
        return gradient
    }

    private func addVariants(
        _ tape: LSTMTape<Double>, _ backward: LSTMBackward<Double>, _ t: Int, _ row: Int,
        to gradient: inout LSTMCell<Double>
    ) {
        let (d, before, after) = (backward.dgates[t][row], tape.c[t][row], tape.c[t + 1][row])
        for n in units where variant.peepholes && !makes(.peepholeGradientMissing) {
            gradient.peepholes.i[n] +=
                d.i[n] * (makes(.inputPeepholeGradientOfNewState) ? after : before)[n]
            gradient.peepholes.f[n] += d.f[n] * before[n]
            gradient.peepholes.o[n] +=
                d.o[n] * (makes(.outputPeepholeGradientOfOldState) ? before : after)[n]
        }
        for k in outputs where variant.projection != nil && !makes(.projectionGradientMissing) {
            for n in units {
                gradient.projection[k][n] +=
                    backward.dh[t][row][k]
                    * (makes(.projectionGradientOfStateForOutput) ? after : tape.m[t][row])[n]
            }
        }
    }
}
