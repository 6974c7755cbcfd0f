import Recurrent

#if OpenBLAS
    import COpenBLAS
    #if canImport(Darwin)
        import Darwin
    #elseif canImport(Musl)
        import Musl
    #elseif canImport(Android)
        import Android
    #elseif canImport(WASILibc)
        import WASILibc
    #elseif os(Windows)
        import WinSDK
    #else
        import Glibc
    #endif

    /// The LSTM as a competent user writes it over a BLAS: one product for the inputs of all time
    /// steps, one per time step for the hidden units, and the gates in a loop with the C library's
    /// functions. The matrix is [4 H][I + H], PyTorch's two side by side, so that a step is one
    /// product; its gates are in the order i f g o.
    final class OpenBLASLSTM {
        let data: LSTMData
        private let blocks = Blocks()
        fileprivate let inputs, hidden, batch, steps: Int
        private let w, bias, xh, ones: UnsafeMutablePointer<Float>
        private let x, outputGradient: UnsafeMutablePointer<Float>
        /// [T][B][4 H], and their gradients.
        private let gates, gatesGradient: UnsafeMutablePointer<Float>
        /// [T + 1][B][H].
        fileprivate let c, h: UnsafeMutablePointer<Float>
        fileprivate let dw, db, dx, dh, dc: UnsafeMutablePointer<Float>

        private var width: Int { inputs + hidden }
        fileprivate var state: Int { batch * hidden }

        init(_ data: LSTMData, threads: Int) {
            openblas_set_num_threads(CInt(threads))
            self.data = data
            (inputs, hidden, batch, steps) = (
                data.shape.inputSize, data.shape.hiddenSize, data.shape.batch, data.shape.steps
            )
            let (inputs, hidden, rows) = (inputs, hidden, steps * batch)
            let width = inputs + hidden
            w = blocks(
                (0..<4 * hidden).flatMap { (row: Int) -> ArraySlice<Float> in
                    data.weightIH[row * inputs..<(row + 1) * inputs]
                        + data.weightHH[row * hidden..<(row + 1) * hidden]
                })
            bias = blocks(data.bias)
            xh = blocks(batch * width)
            ones = blocks([Float](repeating: 1, count: rows))
            x = blocks(data.x)
            outputGradient = blocks(data.outputGradient)
            gates = blocks(rows * 4 * hidden)
            gatesGradient = blocks(rows * 4 * hidden)
            c = blocks((steps + 1) * batch * hidden)
            h = blocks((steps + 1) * batch * hidden)
            dw = blocks(4 * hidden * width)
            db = blocks(4 * hidden)
            dx = blocks(rows * inputs)
            dh = blocks(batch * hidden)
            dc = blocks(batch * hidden)
        }

        /// gates [rows][4 H] += from [rows][columns] Wᵀ, for `columns` columns of the matrix.
        private func addProduct(
            _ rows: Int, _ columns: Int, of matrix: UnsafePointer<Float>,
            _ from: UnsafePointer<Float>, stride: Int,
            to gates: UnsafeMutablePointer<Float>
        ) {
            if rows == 1 {
                cblas_sgemv(
                    CblasRowMajor, CblasNoTrans, blasint(4 * hidden), blasint(columns), 1, matrix,
                    blasint(width), from, 1, 1, gates, 1)
            } else {
                cblas_sgemm(
                    CblasRowMajor, CblasNoTrans, CblasTrans, blasint(rows), blasint(4 * hidden),
                    blasint(columns), 1, from,
                    blasint(stride), matrix, blasint(width), 1, gates, blasint(4 * hidden))
            }
        }

        /// to [rows][columns] = factor · to + dgates [rows][4 H] W, for `columns` columns of the
        /// matrix.
        private func backProduct(
            _ rows: Int, _ columns: Int, of matrix: UnsafePointer<Float>,
            _ dgates: UnsafePointer<Float>,
            to: UnsafeMutablePointer<Float>
        ) {
            if rows == 1 {
                cblas_sgemv(
                    CblasRowMajor, CblasTrans, blasint(4 * hidden), blasint(columns), 1, matrix,
                    blasint(width), dgates, 1, 0, to, 1)
            } else {
                cblas_sgemm(
                    CblasRowMajor, CblasNoTrans, CblasNoTrans, blasint(rows), blasint(columns),
                    blasint(4 * hidden), 1, dgates,
                    blasint(4 * hidden), matrix, blasint(width), 0, to, blasint(columns))
            }
        }

        private func fillBias(_ rows: Int) {
            for row in 0..<rows { (gates + row * 4 * hidden).update(from: bias, count: 4 * hidden) }
        }

        /// The gates of one time step, in place, and what follows from them; rows of h lie `stride`
        /// floats apart.
        private func pointwise(
            _ gates: UnsafeMutablePointer<Float>, cPrevious: UnsafePointer<Float>,
            c: UnsafeMutablePointer<Float>,
            h: UnsafeMutablePointer<Float>, stride: Int
        ) {
            for row in 0..<batch {
                let i = gates + row * 4 * hidden
                let f = i + hidden
                let g = f + hidden
                let o = g + hidden
                for unit in 0..<hidden {
                    i[unit] = 1 / (1 + expf(-i[unit]))
                    f[unit] = 1 / (1 + expf(-f[unit]))
                    g[unit] = tanhf(g[unit])
                    o[unit] = 1 / (1 + expf(-o[unit]))
                    let cell = f[unit] * cPrevious[row * hidden + unit] + i[unit] * g[unit]
                    c[row * hidden + unit] = cell
                    h[row * stride + unit] = o[unit] * tanhf(cell)
                }
            }
        }

        fileprivate func step() {
            for row in 0..<batch {
                (xh + row * width).update(from: x + row * inputs, count: inputs)
            }
            fillBias(batch)
            addProduct(batch, width, of: w, xh, stride: width, to: gates)
            pointwise(gates, cPrevious: c, c: c, h: xh + inputs, stride: width)
        }

        fileprivate func forward() {
            fillBias(steps * batch)
            addProduct(steps * batch, inputs, of: w, x, stride: inputs, to: gates)
            for t in 0..<steps {
                let gates = gates + t * 4 * state
                addProduct(batch, hidden, of: w + inputs, h + t * state, stride: hidden, to: gates)
                pointwise(
                    gates, cPrevious: c + t * state, c: c + (t + 1) * state, h: h + (t + 1) * state,
                    stride: hidden)
            }
        }

        fileprivate func backward() {
            dh.update(repeating: 0, count: state)
            dc.update(repeating: 0, count: state)
            for t in (0..<steps).reversed() {
                let dgates = gatesGradient + t * 4 * state
                for row in 0..<batch {
                    let i = gates + t * 4 * state + row * 4 * hidden
                    let f = i + hidden
                    let g = f + hidden
                    let o = g + hidden
                    let di = dgates + row * 4 * hidden
                    let df = di + hidden
                    let dg = df + hidden
                    let d_o = dg + hidden
                    for unit in 0..<hidden {
                        let at = row * hidden + unit
                        let tanhC = tanhf(c[(t + 1) * state + at])
                        let dhHere = dh[at] + outputGradient[t * state + at]
                        let dcHere = dc[at] + dhHere * o[unit] * (1 - tanhC * tanhC)
                        di[unit] = dcHere * g[unit] * i[unit] * (1 - i[unit])
                        df[unit] = dcHere * c[t * state + at] * f[unit] * (1 - f[unit])
                        dg[unit] = dcHere * i[unit] * (1 - g[unit] * g[unit])
                        d_o[unit] = dhHere * tanhC * o[unit] * (1 - o[unit])
                        dc[at] = dcHere * f[unit]
                    }
                }
                backProduct(batch, hidden, of: w + inputs, dgates, to: dh)
            }
            let rows = blasint(steps * batch)
            let gateCount = blasint(4 * hidden)
            backProduct(steps * batch, inputs, of: w, gatesGradient, to: dx)
            cblas_sgemm(
                CblasRowMajor, CblasTrans, CblasNoTrans, gateCount, blasint(inputs), rows, 1,
                gatesGradient, gateCount, x, blasint(inputs),
                1, dw, blasint(width))
            cblas_sgemm(
                CblasRowMajor, CblasTrans, CblasNoTrans, gateCount, blasint(hidden), rows, 1,
                gatesGradient, gateCount, h, blasint(hidden),
                1, dw + inputs, blasint(width))
            cblas_sgemv(
                CblasRowMajor, CblasTrans, rows, gateCount, 1, gatesGradient, gateCount, ones, 1, 1,
                db, 1)
        }

        fileprivate func columns(_ range: Range<Int>, of matrix: UnsafePointer<Float>, rows: Int)
            -> [Float]
        {
            (0..<rows).flatMap {
                UnsafeBufferPointer(
                    start: matrix + $0 * width + range.lowerBound, count: range.count)
            }
        }

        fileprivate var stepState: [(name: String, values: [Float])] {
            [("h", columns(inputs..<width, of: xh, rows: batch)), ("c", floats(c, state))]
        }
    }

    private func floats(_ pointer: UnsafePointer<Float>, _ count: Int) -> [Float] {
        Array(UnsafeBufferPointer(start: pointer, count: count))
    }

    struct OpenBLASStepWork: Work {
        let lstm: OpenBLASLSTM

        func run(calls: Int) {
            for _ in 0..<calls { lstm.step() }
        }

        func results() -> [(name: String, values: [Float])] { lstm.stepState }
    }

    struct OpenBLASSequenceWork: Work {
        let lstm: OpenBLASLSTM

        func run(calls: Int) {
            for _ in 0..<calls { lstm.forward() }
        }

        func results() -> [(name: String, values: [Float])] {
            [
                ("h", floats(lstm.h + lstm.state, lstm.steps * lstm.state)),
                ("c", floats(lstm.c + lstm.state, lstm.steps * lstm.state)),
            ]
        }
    }

    struct OpenBLASTrainingWork: Work {
        let lstm: OpenBLASLSTM

        func run(calls: Int) {
            for _ in 0..<calls {
                lstm.forward()
                lstm.backward()
            }
        }

        func results() -> [(name: String, values: [Float])] {
            let gates = 4 * lstm.hidden
            return OpenBLASSequenceWork(lstm: lstm).results() + [
                ("dx", floats(lstm.dx, lstm.steps * lstm.batch * lstm.inputs)),
                ("dh", floats(lstm.dh, lstm.state)),
                ("dc", floats(lstm.dc, lstm.state)),
                ("dW", lstm.columns(0..<lstm.inputs, of: lstm.dw, rows: gates)),
                (
                    "dU",
                    lstm.columns(lstm.inputs..<lstm.inputs + lstm.hidden, of: lstm.dw, rows: gates)
                ), ("db", floats(lstm.db, gates)),
            ]
        }
    }

    enum OpenBLASBuild {
        /// It chooses its kernels by the processor when it starts, so the report says which.
        static var peer: Peer {
            Peer(
                key: "openblas", name: "OpenBLAS and scalar gates",
                core: String(cString: openblas_get_corename()))
        }
        static func step(_ data: LSTMData, threads: Int) -> OpenBLASStepWork? {
            OpenBLASStepWork(lstm: OpenBLASLSTM(data, threads: threads))
        }
        static func sequence(_ data: LSTMData, threads: Int) -> OpenBLASSequenceWork? {
            OpenBLASSequenceWork(lstm: OpenBLASLSTM(data, threads: threads))
        }
        static func training(_ data: LSTMData, threads: Int) -> OpenBLASTrainingWork? {
            OpenBLASTrainingWork(lstm: OpenBLASLSTM(data, threads: threads))
        }
    }
#else
    /// Built without the trait OpenBLAS, there is nothing to compare with.
    struct NoWork: Work {
        func run(calls: Int) {}
        func results() -> [(name: String, values: [Float])] { [] }
    }

    enum OpenBLASBuild {
        static let peer = Peer(key: "openblas", name: "OpenBLAS and scalar gates")
        static func step(_ data: LSTMData, threads: Int) -> NoWork? { nil }
        static func sequence(_ data: LSTMData, threads: Int) -> NoWork? { nil }
        static func training(_ data: LSTMData, threads: Int) -> NoWork? { nil }
    }
#endif
