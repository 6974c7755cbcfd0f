public import RecurrentReference

/// A mistake that an implementation of a convolution may make.
public enum ConvolutionMistake: String, CaseIterable, Sendable {
    case biasMissing, biasTwice, kernelFlipped, kernelTransposed, lastTapMissing,
        lastChannelMissing, channelOffByOne
    case strideIgnored, dilationIgnored, paddingIgnored, paddingTwice, axesExchanged,
        outsideIsTheEdge, lastImageMissing
    case lastOutputMissingInDx, dxOfOneTap, biasGradientMissing, lastWindowMissingInGradient,
        gradientNotAccumulated, gradientOfOneImage
}

/// Forward and backward in Double, term by term, with one mistake or none.
public struct FaultyConvolution {
    let mistake: ConvolutionMistake?
    let problem: ConvolutionProblem<Double>

    public init(mistake: ConvolutionMistake?, problem: ConvolutionProblem<Double>) {
        self.mistake = mistake
        self.problem = problem
    }

    private func makes(_ mistake: ConvolutionMistake) -> Bool { self.mistake == mistake }

    private func place(_ axis: WindowAxis, _ window: Int, _ tap: Int) -> Int? {
        let padding = makes(.paddingIgnored) ? 0 : axis.padding * (makes(.paddingTwice) ? 2 : 1)
        let place =
            window * (makes(.strideIgnored) ? 1 : axis.stride) + tap
            * (makes(.dilationIgnored) ? 1 : axis.dilation) - padding
        if makes(.outsideIsTheEdge) { return min(max(place, 0), axis.size - 1) }
        return place >= 0 && place < axis.size ? place : nil
    }

    public func solution() -> ConvolutionSolution<Double> {
        let sizes = problem.sizes
        let W = problem.layer.W
        let (down, across) =
            makes(.axesExchanged) ? (sizes.columns, sizes.rows) : (sizes.rows, sizes.columns)
        var dx = problem.x.map { $0.map { $0.map { $0.map { _ in 0.0 } } } }
        var gradient = problem.gradient
        if makes(.gradientNotAccumulated) { gradient = gradient.map { _ in 0 } }
        var y = problem.dy
        for n in y.indices {
            for i in y[n].indices {
                for j in y[n][i].indices {
                    for m in y[n][i][j].indices {
                        let d = problem.dy[n][i][j][m]
                        let bias = problem.layer.b[m]
                        y[n][i][j][m] =
                            makes(.biasMissing) ? 0 : makes(.biasTwice) ? 2 * bias : bias
                        let isLast =
                            n == y.count - 1 && i == y[n].count - 1 && j == y[n][i].count - 1
                        let isAdded =
                            !(makes(.lastWindowMissingInGradient) && isLast)
                            && !(makes(.gradientOfOneImage) && n > 0)
                        if isAdded && !makes(.biasGradientMissing) { gradient.b[m] += d }
                        if makes(.lastImageMissing) && n == y.count - 1 { continue }
                        for k in 0..<sizes.rows.taps {
                            for l in 0..<sizes.columns.taps {
                                if makes(.lastTapMissing) && k == sizes.rows.taps - 1
                                    && l == sizes.columns.taps - 1
                                {
                                    continue
                                }
                                guard let row = place(down, i, k), let column = place(across, j, l),
                                    row < sizes.rows.size, column < sizes.columns.size
                                else { continue }
                                for c in 0..<sizes.inputs
                                where !(makes(.lastChannelMissing) && c == sizes.inputs - 1) {
                                    let (wk, wl) =
                                        makes(.kernelFlipped)
                                        ? (sizes.rows.taps - 1 - k, sizes.columns.taps - 1 - l)
                                        : makes(.kernelTransposed)
                                            ? (
                                                min(l, sizes.rows.taps - 1),
                                                min(k, sizes.columns.taps - 1)
                                            ) : (k, l)
                                    let wc = makes(.channelOffByOne) ? (c + 1) % sizes.inputs : c
                                    y[n][i][j][m] += W[m][wk][wl][wc] * problem.x[n][row][column][c]
                                    if isAdded {
                                        gradient.W[m][k][l][c] += d * problem.x[n][row][column][c]
                                    }
                                    if makes(.lastOutputMissingInDx) && m == sizes.outputs - 1
                                        || makes(.dxOfOneTap) && l > 0
                                    {
                                        continue
                                    }
                                    dx[n][row][column][c] += d * W[m][k][l][c]
                                }
                            }
                        }
                    }
                }
            }
        }
        return ConvolutionSolution(y: y, dx: dx, gradient: gradient)
    }
}
