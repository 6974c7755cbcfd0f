/// The way between matrices as the field's files have them (one row per gate and unit, C order) and
/// as the kernels have them: panels of 16 units, in them a row for the bias and for each column, in
/// each row the gates side by side. The only place that permutes.
///
///     kernel[p][1 + k][g][l] = W[g N + 16 p + l][k]
///     kernel[p][0][g][l] = b[g N + 16 p + l]      zero where 16 p + l ≥ N
///
/// Counts that do not fit are programmer errors: the shapes of a file have been checked before.
public enum KernelOrder {
    /// Units in a panel.
    public static let panel = 16
    /// Gates of an LSTM, in the order i f g o: the kernels' and PyTorch's.
    public static let lstmGates = 4
    /// Gates of a GRU, in the order r z n: the kernels' and PyTorch's.
    public static let gruGates = 3

    /// Floats in a padded row of `units` units: 16 ⌈units/16⌉.
    public static func padded(_ units: Int) -> Int { (units + panel - 1) / panel * panel }

    /// An LSTM layer: `weightIH` [4H, I], `weightHH` [4H, H], `bias` [4H] → [⌈H/16⌉][1 + I +
    /// H][4][16].
    public static func lstm(weightIH: [Float], weightHH: [Float], bias: [Float]) -> [Float] {
        lstm(weightIH: weightIH, weightHH: weightHH, bias: bias, peepholes: [], weightHR: [])
    }

    /// The inverse of `lstm(weightIH:weightHH:bias:)`.
    public static func lstm(
        _ kernel: [Float], inputSize: Int, hiddenSize: Int
    ) -> (weightIH: [Float], weightHH: [Float], bias: [Float]) {
        let parts = lstm(
            kernel, inputSize: inputSize, hiddenSize: hiddenSize, hasPeepholes: false,
            projectionSize: nil)
        return (weightIH: parts.weightIH, weightHH: parts.weightHH, bias: parts.bias)
    }

    /// An LSTM layer of a variant: `peepholes` [3H] of i, f and o, or empty, and `weightHR` [R, H],
    /// PyTorch's projection, or empty, where `weightHH` is [4H, R] → [⌈H/16⌉][1 + I + (0 or 1) + R
    /// or H][4][16], then [⌈R/16⌉][H][16].
    public static func lstm(
        weightIH: [Float], weightHH: [Float], bias: [Float], peepholes: [Float], weightHR: [Float]
    ) -> [Float] {
        let units = bias.count / lstmGates
        guard peepholes.isEmpty || peepholes.count == 3 * units else {
            fatalError("\(peepholes.count) peepholes, expected \(3 * units)")
        }
        let none = Array(repeating: Float(0), count: peepholes.isEmpty ? 0 : units)
        let ifgo = Array(peepholes.prefix(2 * units)) + none + peepholes.dropFirst(2 * units)
        let gates = pack([bias, weightIH, ifgo, weightHH], units: units, gates: lstmGates)
        return weightHR.isEmpty
            ? gates : gates + pack([weightHR], units: weightHR.count / units, gates: 1)
    }

    /// The inverse of `lstm(weightIH:weightHH:bias:peepholes:weightHR:)`.
    public static func lstm(
        _ kernel: [Float], inputSize: Int, hiddenSize: Int, hasPeepholes: Bool, projectionSize: Int?
    ) -> (
        weightIH: [Float], weightHH: [Float], bias: [Float], peepholes: [Float], weightHR: [Float]
    ) {
        let columns = [1, inputSize, hasPeepholes ? 1 : 0, projectionSize ?? hiddenSize]
        let count = count(columns, hiddenSize, lstmGates)
        let parts = unpack(
            Array(kernel.prefix(count)), columns: columns, units: hiddenSize, gates: lstmGates)
        let projection = projectionSize.map {
            unpack(Array(kernel.dropFirst(count)), columns: [hiddenSize], units: $0, gates: 1)[0]
        }
        guard projection != nil || kernel.count == count else {
            fatalError("\(kernel.count) floats in kernel order, expected \(count)")
        }
        let peepholes = Array(parts[2].prefix(2 * hiddenSize)) + parts[2].dropFirst(3 * hiddenSize)
        return (
            weightIH: parts[1], weightHH: parts[3], bias: parts[0], peepholes: peepholes,
            weightHR: projection ?? []
        )
    }

    /// A plain recurrent layer: `weightIH` [H, I], `weightHH` [H, H], `bias` [H] → [⌈H/16⌉][1 + I +
    /// H][1][16].
    public static func rnn(weightIH: [Float], weightHH: [Float], bias: [Float]) -> [Float] {
        pack([bias, weightIH, weightHH], units: bias.count, gates: 1)
    }

    /// The inverse of `rnn(weightIH:weightHH:bias:)`.
    public static func rnn(
        _ kernel: [Float], inputSize: Int, hiddenSize: Int
    ) -> (weightIH: [Float], weightHH: [Float], bias: [Float]) {
        let parts = unpack(
            kernel, columns: [1, inputSize, hiddenSize], units: hiddenSize, gates: 1)
        return (weightIH: parts[1], weightHH: parts[2], bias: parts[0])
    }

    /// A GRU layer: `weightIH` [3H, I], `weightHH` [3H, H], `bias` [3H], and `hiddenBias` [H] of
    /// the candidate where the reset gate acts after the product, else empty → [⌈H/16⌉][1 + I + (0
    /// or 1) + H][3][16].
    public static func gru(weightIH: [Float], weightHH: [Float], bias: [Float], hiddenBias: [Float])
        -> [Float]
    {
        let units = bias.count / gruGates
        let none = Array(
            repeating: Float(0), count: hiddenBias.isEmpty ? 0 : bias.count - hiddenBias.count)
        return pack([bias, weightIH, none + hiddenBias, weightHH], units: units, gates: gruGates)
    }

    /// The inverse of `gru(weightIH:weightHH:bias:hiddenBias:)`.
    public static func gru(
        _ kernel: [Float], inputSize: Int, hiddenSize: Int, hasHiddenBias: Bool
    ) -> (weightIH: [Float], weightHH: [Float], bias: [Float], hiddenBias: [Float]) {
        let parts = unpack(
            kernel, columns: [1, inputSize, hasHiddenBias ? 1 : 0, hiddenSize], units: hiddenSize,
            gates: gruGates)
        return (
            weightIH: parts[1], weightHH: parts[3], bias: parts[0],
            hiddenBias: Array(parts[2].suffix(hiddenSize))
        )
    }

    /// A dense layer: `weight` [N, K], `bias` [N] → [⌈N/16⌉][1 + K][1][16].
    public static func dense(weight: [Float], bias: [Float]) -> [Float] {
        pack([bias, weight], units: bias.count, gates: 1)
    }

    /// The inverse of `dense(weight:bias:)`.
    public static func dense(_ kernel: [Float], inputSize: Int, outputSize: Int) -> (
        weight: [Float], bias: [Float]
    ) {
        let parts = unpack(kernel, columns: [1, inputSize], units: outputSize, gates: 1)
        return (weight: parts[1], bias: parts[0])
    }

    /// A convolution: `weight` [N, C, taps], where a kernel's rows and columns are one, `bias` [N]
    /// → [⌈N/16⌉][1 + taps × C][1][16].
    public static func convolution(weight: [Float], bias: [Float], inputChannels: Int) -> [Float] {
        let taps = weight.count / (bias.count * inputChannels)
        return dense(weight: exchanged(weight, rows: inputChannels, columns: taps), bias: bias)
    }

    /// The inverse of `convolution(weight:bias:inputChannels:)`.
    public static func convolution(
        _ kernel: [Float], inputChannels: Int, taps: Int, outputChannels: Int
    ) -> (weight: [Float], bias: [Float]) {
        let parts = dense(kernel, inputSize: taps * inputChannels, outputSize: outputChannels)
        return (
            weight: exchanged(parts.weight, rows: taps, columns: inputChannels), bias: parts.bias
        )
    }

    /// Matrices one after the other, each transposed.
    private static func exchanged(_ matrices: [Float], rows: Int, columns: Int) -> [Float] {
        let size = rows * columns
        guard size > 0 && matrices.count % size == 0 else {
            fatalError("\(matrices.count) floats are not matrices of \(rows) × \(columns)")
        }
        return matrices.indices.map { index in
            let (column, row) = (index % size).quotientAndRemainder(dividingBy: rows)
            return matrices[index - index % size + row * columns + column]
        }
    }

    /// An embedding: `weight` [V, E] → [V][16 ⌈E/16⌉].
    public static func embedding(weight: [Float], width: Int) -> [Float] {
        guard width > 0 && weight.count % width == 0 else {
            fatalError("\(weight.count) floats are not rows of \(width)")
        }
        let padding = Array(repeating: Float(0), count: padded(width) - width)
        return stride(from: 0, to: weight.count, by: width).flatMap {
            weight[$0..<$0 + width] + padding
        }
    }

    /// The inverse of `embedding(weight:width:)`.
    public static func embedding(_ kernel: [Float], width: Int) -> [Float] {
        guard width > 0 && kernel.count % padded(width) == 0 else {
            fatalError("\(kernel.count) floats are not rows of \(padded(width))")
        }
        return stride(from: 0, to: kernel.count, by: padded(width)).flatMap {
            kernel[$0..<$0 + width]
        }
    }

    /// Weights in kernel order as bfloat16 kernels read them: `columns` counts the bias. A vector
    /// of 16 lanes and the one behind it share words, the first one in the upper halves: gates i
    /// and f, g and o, or, where there is one gate, a panel and the next. Biases stay floats.
    ///
    /// - Returns: the bits of [pair or panel][max(gates, 2) · 16 biases, then columns - 1 rows of
    ///   half as many words].
    public static func bfloat16(_ kernel: [Float], columns: Int, gates: Int) -> [UInt32] {
        let panels = kernel.count / (columns * gates * panel)
        let together = gates == 1 ? 2 : 1
        let vectors = gates * together
        func bits(_ first: Int, _ column: Int, _ vector: Int, _ lane: Int) -> UInt32 {
            let p = first + vector / gates
            return p < panels
                ? kernel[((p * columns + column) * gates + vector % gates) * panel + lane]
                    .bitPattern : 0
        }
        var words: [UInt32] = []
        for first in stride(from: 0, to: panels, by: together) {
            for vector in 0..<vectors {
                for lane in 0..<panel { words.append(bits(first, 0, vector, lane)) }
            }
            for column in 1..<columns {
                for vector in stride(from: 0, to: vectors, by: 2) {
                    for lane in 0..<panel {
                        let upper = roundedToBFloat16(bits(first, column, vector, lane))
                        words.append(
                            upper | roundedToBFloat16(bits(first, column, vector + 1, lane)) >> 16)
                    }
                }
            }
        }
        return words
    }

    /// The nearest bfloat16 of a float, ties to even, as the bits of a float.
    static func roundedToBFloat16(_ bits: UInt32) -> UInt32 {
        let quietBit: UInt32 = 0x0040_0000
        let upper: UInt32 = 0xffff_0000
        if Float(bitPattern: bits).isNaN { return (bits | quietBit) & upper }
        return (bits + 0x7fff + (bits >> 16 & 1)) & upper
    }

    /// Matrices of `gates` · `units` rows each, their columns side by side.
    private static func pack(_ parts: [[Float]], units: Int, gates: Int) -> [Float] {
        let rows = gates * units
        guard rows > 0 && parts.allSatisfy({ $0.count % rows == 0 }) else {
            fatalError("\(parts.map(\.count)) floats are not columns of \(rows)")
        }
        let columns = parts.map { $0.count / rows }
        var kernel = Array(repeating: Float(0), count: count(columns, units, gates))
        walk(columns, units, gates) { kernel[$0] = parts[$1][$2] }
        return kernel
    }

    private static func unpack(_ kernel: [Float], columns: [Int], units: Int, gates: Int)
        -> [[Float]]
    {
        let expected = count(columns, units, gates)
        guard kernel.count == expected else {
            fatalError("\(kernel.count) floats in kernel order, expected \(expected)")
        }
        var parts = columns.map { Array(repeating: Float(0), count: gates * units * $0) }
        walk(columns, units, gates) { parts[$1][$2] = kernel[$0] }
        return parts
    }

    private static func count(_ columns: [Int], _ units: Int, _ gates: Int) -> Int {
        padded(units) * gates * columns.reduce(0, +)
    }

    /// Visits every element of the matrices: where it is in kernel order, which matrix it belongs
    /// to, and where it is in that.
    private static func walk(
        _ columns: [Int], _ units: Int, _ gates: Int,
        _ visit: (_ kernel: Int, _ part: Int, _ field: Int) -> Void
    ) {
        let allColumns = columns.reduce(0, +)
        for unit in 0..<units {
            let (p, lane) = unit.quotientAndRemainder(dividingBy: panel)
            for gate in 0..<gates {
                var column = 0
                for (part, width) in columns.enumerated() {
                    let row = (gate * units + unit) * width
                    for k in 0..<width {
                        visit(
                            ((p * allColumns + column) * gates + gate) * panel + lane, part, row + k
                        )
                        column += 1
                    }
                }
            }
        }
    }
}
