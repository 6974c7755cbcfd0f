public import RecurrentReference

/// A mistake that an implementation of the plain recurrent layer may make.
public enum RNNMistake: String, CaseIterable, Sendable {
    // Forward.
    case biasMissing, biasTwice, lastInputMissing, lastHiddenUnitMissing, inputColumnOffByOne,
        WTransposed, UTransposed
    case activationMissing, otherActivation, hiddenStateOneStepTooOld, lastStepMissing,
        rowEndsOneStepEarly, rowsShareTheirState
    // Backward, to the pre-activations and the inputs.
    case derivativeMissing, derivativeHalf, derivativeOfStateBefore, dhNotCarried,
        dyOfLastStepMissing, dyOneStepLate, signFlipped
    case UTransposedInDh, WTransposedInDx, finalGradientMissing, finalGradientLostInEndedRows
    // Backward, to the parameters.
    case biasGradientMissing, biasGradientTwice, firstRowMissing, firstStepMissingInGradient,
        lastStepMissingInGradient, onlyLastStepInGradient
    case hiddenStateAfterForBefore, gradientColumnOffByOne, gradientNotAccumulated,
        gradientDividedByRows
}

/// Forward and backward in Double, element by element, with one mistake or none.
public struct FaultyRNN {
    let mistake: RNNMistake?
    let problem: RNNProblem<Double>

    public init(mistake: RNNMistake?, problem: RNNProblem<Double>) {
        self.mistake = mistake
        self.problem = problem
    }

    private func makes(_ mistake: RNNMistake) -> Bool { self.mistake == mistake }
    private var sizes: LSTMSizes { problem.sizes }
    private var units: Range<Int> { 0..<sizes.hidden }
    private var inputs: Range<Int> { 0..<sizes.input }
    private func steps(_ row: Int) -> Int {
        let length = sizes.lengths?[row] ?? sizes.steps
        return makes(.rowEndsOneStepEarly) ? max(length - 1, 0) : length
    }

    public func solution() -> RNNSolution<Double> {
        let h = forward()
        let backward = backward(h)
        return RNNSolution(h: h, backward: backward, gradient: gradient(h, backward))
    }

    private func activated(_ z: Double) -> Double {
        if makes(.activationMissing) { return z }
        let all = Activation.ofCells
        let index = all.firstIndex(of: problem.cell.f)!
        return all[makes(.otherActivation) ? (index + 1) % all.count : index](z)
    }

    private func derivative(_ h: Double) -> Double {
        if makes(.derivativeMissing) { return 1 }
        return problem.cell.f.derivative(y: h) * (makes(.derivativeHalf) ? 0.5 : 1)
    }

    private func forward() -> [[[Double]]] {
        var h = [problem.h0]
        let parameters = problem.cell.parameters
        for t in 0..<sizes.steps {
            h.append(h[t])
            for row in 0..<sizes.batch
            where t < steps(row) && !(makes(.lastStepMissing) && t == sizes.steps - 1) {
                let h_prev = h[makes(.hiddenStateOneStepTooOld) ? max(t - 1, 0) : t][
                    makes(.rowsShareTheirState) ? 0 : row]
                let x = problem.x[t][row]
                for n in units {
                    var z =
                        makes(.biasMissing)
                        ? 0 : makes(.biasTwice) ? 2 * parameters.b[n] : parameters.b[n]
                    for k in inputs.dropLast(makes(.lastInputMissing) ? 1 : 0) {
                        z +=
                            (makes(.WTransposed) ? parameters.W[k][n] : parameters.W[n][k])
                            * x[makes(.inputColumnOffByOne) ? (k + 1) % x.count : k]
                    }
                    for m in units.dropLast(makes(.lastHiddenUnitMissing) ? 1 : 0) {
                        z +=
                            (makes(.UTransposed) ? parameters.U[m][n] : parameters.U[n][m])
                            * h_prev[m]
                    }
                    h[t + 1][row][n] = activated(z)
                }
            }
        }
        return h
    }

    private func backward(_ h: [[[Double]]]) -> RNNBackward<Double> {
        let parameters = problem.cell.parameters
        var result = RNNBackward(
            dz: problem.dy.map { $0.map { $0.map { _ in 0 } } },
            dx: problem.x.map { $0.map { $0.map { _ in 0 } } }, dh0: problem.dh)
        for row in 0..<sizes.batch {
            if makes(.finalGradientMissing)
                || (makes(.finalGradientLostInEndedRows) && steps(row) < sizes.steps)
            {
                result.dh0[row] = units.map { _ in 0 }
            }
            for t in (0..<steps(row)).reversed() {
                let dz = units.map { n in
                    var dh = result.dh0[row][n]
                    if !(makes(.dyOfLastStepMissing) && t == sizes.steps - 1) {
                        dh += problem.dy[makes(.dyOneStepLate) ? max(t - 1, 0) : t][row][n]
                    }
                    return dh * derivative(h[makes(.derivativeOfStateBefore) ? t : t + 1][row][n])
                        * (makes(.signFlipped) ? -1 : 1)
                }
                result.dz[t][row] = dz
                result.dh0[row] = units.map { m in
                    if makes(.dhNotCarried) { return 0 }
                    return units.reduce(0.0) {
                        $0 + dz[$1]
                            * (makes(.UTransposedInDh) ? parameters.U[m][$1] : parameters.U[$1][m])
                    }
                }
                result.dx[t][row] = inputs.map { k in
                    units.reduce(0.0) {
                        $0 + dz[$1]
                            * (makes(.WTransposedInDx) ? parameters.W[k][$1] : parameters.W[$1][k])
                    }
                }
            }
        }
        return result
    }

    private func gradient(_ h: [[[Double]]], _ backward: RNNBackward<Double>) -> RNNCell<Double> {
        var result =
            makes(.gradientNotAccumulated) ? problem.gradient.map { _ in 0 } : problem.gradient
        for t in 0..<sizes.steps {
            if makes(.firstStepMissingInGradient) && t == 0 { continue }
            if makes(.lastStepMissingInGradient) && t == sizes.steps - 1 { continue }
            if makes(.onlyLastStepInGradient) && t < sizes.steps - 1 { continue }
            for row in 0..<sizes.batch
            where t < steps(row) && !(makes(.firstRowMissing) && row == 0) {
                let h_prev = h[makes(.hiddenStateAfterForBefore) ? t + 1 : t][row]
                let x = problem.x[t][row]
                for n in units {
                    let d =
                        backward.dz[t][row][n]
                        / (makes(.gradientDividedByRows) ? Double(sizes.batch) : 1)
                    for k in inputs {
                        result.parameters.W[n][k] +=
                            d * x[makes(.gradientColumnOffByOne) ? (k + 1) % x.count : k]
                    }
                    for m in units { result.parameters.U[n][m] += d * h_prev[m] }
                    result.parameters.b[n] +=
                        makes(.biasGradientMissing) ? 0 : makes(.biasGradientTwice) ? 2 * d : d
                }
            }
        }
        return result
    }
}
