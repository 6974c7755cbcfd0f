// LeCun et al. 1989, "Backpropagation Applied to Handwritten Zip Code Recognition"; Goodfellow,
// Bengio and Courville 2016, equations 9.7 to 9.13. Images are [image][row][column][channel]; a
// sequence is an image of one row.

/// Windows that move along an axis: window p has its tap k at the place p stride + k dilation -
/// padding.
public struct WindowAxis: Sendable, Equatable {
    public var size, windows, taps, stride, dilation, padding: Int

    public init(size: Int, windows: Int, taps: Int, stride: Int, dilation: Int, padding: Int) {
        (self.size, self.windows, self.taps) = (size, windows, taps)
        (self.stride, self.dilation, self.padding) = (stride, dilation, padding)
    }

    /// As many windows as fit between `padding` places outside at both ends.
    public init(size: Int, taps: Int, stride: Int = 1, dilation: Int = 1, padding: Int = 0) {
        let windows = (size + 2 * padding - dilation * (taps - 1) - 1) / stride + 1
        self.init(
            size: size, windows: windows, taps: taps, stride: stride, dilation: dilation,
            padding: padding)
    }

    /// Where the tap lies, if inside.
    func place(window: Int, tap: Int) -> Int? {
        let place = window * stride + tap * dilation - padding
        return (0..<size).contains(place) ? place : nil
    }

    /// The window that has its tap there, if there is one.
    func window(place: Int, tap: Int) -> Int? {
        let distance = place + padding - tap * dilation
        return distance >= 0 && distance % stride == 0 && distance / stride < windows
            ? distance / stride : nil
    }
}

/// The parameters of a convolution, or their gradient.
public struct Convolution<S: Scalar>: Sendable {
    public var W: [[[[S]]]]  // [outputs][kernel rows][kernel columns][inputs]
    public var b: [S]  // [outputs]
    public var rows, columns: WindowAxis

    public init(W: [[[[S]]]], b: [S], rows: WindowAxis, columns: WindowAxis) {
        (self.W, self.b, self.rows, self.columns) = (W, b, rows, columns)
    }

    /// y[i][j][m] = b[m] + Σ_k Σ_l Σ_c W[m][k][l][c] x[i s + k d - p][j s + l d - p][c]
    public func forward(x: [[[[S]]]]) -> [[[[S]]]] {
        x.map { image in
            (0..<rows.windows).map { i in
                (0..<columns.windows).map { j in
                    b.indices.map { m in
                        var runs: [(a: [S], b: [S])] = []
                        for k in 0..<rows.taps {
                            for l in 0..<columns.taps {
                                guard let row = rows.place(window: i, tap: k),
                                    let column = columns.place(window: j, tap: l)
                                else { continue }
                                runs.append((W[m][k][l], image[row][column]))
                            }
                        }
                        return S.sum(b[m], runs)
                    }
                }
            }
        }
    }

    /// dx[i][j][c] = Σ_k Σ_l Σ_m W[m][k][l][c] dy[(i + p - k d) / s][(j + p - l d) / s][m]
    public func backwardInput(dy: [[[[S]]]]) -> [[[[S]]]] {
        let inputs = W.first?.first?.first?.count ?? 0
        // [kernel rows][kernel columns][inputs][outputs]
        let columnsOfW = (0..<rows.taps).map { k in
            (0..<columns.taps).map { l in transposed(W.map { $0[k][l] }) }
        }
        return dy.map { image in
            (0..<rows.size).map { i in
                (0..<columns.size).map { j in
                    (0..<inputs).map { c in
                        var runs: [(a: [S], b: [S])] = []
                        for k in 0..<rows.taps {
                            for l in 0..<columns.taps {
                                guard let row = rows.window(place: i, tap: k),
                                    let column = columns.window(place: j, tap: l)
                                else { continue }
                                runs.append((columnsOfW[k][l][c], image[row][column]))
                            }
                        }
                        return S.sum(0, runs)
                    }
                }
            }
        }
    }

    /// Where `self` holds the gradient: dW[m][k][l][c] += Σ x[i s + k d - p][j s + l d - p][c]
    /// dy[i][j][m], db[m] += Σ dy[i][j][m], over all images and windows.
    public mutating func addGradient(x: [[[[S]]]], dy: [[[[S]]]]) {
        addRows(dy.flatMap { $0.flatMap { $0 } }, to: &b)
        for k in 0..<rows.taps {
            for l in 0..<columns.taps {
                var read: [[S]] = []
                var written: [[S]] = []
                for image in x.indices {
                    for i in 0..<rows.windows {
                        for j in 0..<columns.windows {
                            guard let row = rows.place(window: i, tap: k),
                                let column = columns.place(window: j, tap: l)
                            else { continue }
                            read.append(x[image][row][column])
                            written.append(dy[image][i][j])
                        }
                    }
                }
                var tap = W.map { $0[k][l] }
                addOuterProducts(written, read, to: &tap)
                for m in W.indices { W[m][k][l] = tap[m] }
            }
        }
    }
}
