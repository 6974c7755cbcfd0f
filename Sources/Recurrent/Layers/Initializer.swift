internal import RecurrentFormats

/// Where the numbers of a matrix come from before anything is learned. n is the number of inputs of
/// a unit, m the number of units; the gates of a cell are matrices of their own.
public enum InitialWeights: Hashable, Sendable {
    /// Biases only. Weights of zero are refused: all units of a layer would compute the same, get
    /// the same gradient, and stay the same for ever (symmetry).
    case zero
    /// U(-1/√H, 1/√H), H the hidden size, or the inputs of a dense layer: PyTorch.
    case uniform
    /// N(0, deviation²)
    case gaussian(deviation: Double)
    /// Variance 1/n, the scaled normal of the lectures: LeCun, Bottou, Orr and Müller 1998, section
    /// 4.6.
    case lecunNormal, lecunUniform
    /// Variance 2/(n + m): Glorot and Bengio 2010, equations 12 and 16.
    case xavierNormal, xavierUniform
    /// Variance 2/n: He, Zhang, Ren and Sun 2015, equation 10.
    case heNormal, heUniform
    /// Orthonormal rows, or columns where there are fewer of them, times `gain`: Saxe, McClelland
    /// and Ganguli 2014.
    case orthogonal(gain: Double = 1)

    /// Whether the number that was asked for, if any, can be computed with.
    fileprivate var isFinite: Bool {
        switch self {
        case .gaussian(let number), .orthogonal(let number): Float(number).isFinite
        case .zero, .uniform, .lecunNormal, .lecunUniform, .xavierNormal, .xavierUniform, .heNormal,
            .heUniform:
            true
        }
    }

    /// `gates` matrices of `units` rows of `inputs` columns, one below the other; `hidden` is the H
    /// of `uniform`.
    package func draw(
        gates: Int = 1, units: Int, inputs: Int, hidden: Int, using generator: inout SplitMix64
    ) -> [Float] {
        let count = gates * units * inputs
        let n = Double(inputs)
        let m = Double(units)
        switch self {
        case .zero: return [Float](repeating: 0, count: count)
        case .uniform: return generator.uniform(count, limit: 1 / Double(hidden).squareRoot())
        case .gaussian(let deviation): return generator.normal(count, deviation: deviation)
        case .lecunNormal: return generator.normal(count, deviation: (1 / n).squareRoot())
        case .lecunUniform: return generator.uniform(count, limit: (3 / n).squareRoot())
        case .xavierNormal: return generator.normal(count, deviation: (2 / (n + m)).squareRoot())
        case .xavierUniform: return generator.uniform(count, limit: (6 / (n + m)).squareRoot())
        case .heNormal: return generator.normal(count, deviation: (2 / n).squareRoot())
        case .heUniform: return generator.uniform(count, limit: (6 / n).squareRoot())
        case .orthogonal(let gain):
            return (0..<gates).flatMap { _ in
                generator.orthogonal(rows: units, columns: inputs, gain: gain)
            }
        }
    }
}

/// The initial parameters of a model; PyTorch's where nothing else is said. The embedding is N(0,
/// 1).
public struct Initialization: Hashable, Sendable {
    /// W, of the inputs of the recurrent layers.
    public let inputWeights: InitialWeights
    /// U, of their hidden units.
    public let recurrentWeights: InitialWeights
    public let denseWeights: InitialWeights
    public let biases: InitialWeights
    /// The bias of every forget gate of an LSTM instead of a drawn one: 1 lets an LSTM remember
    /// from the start (Gers, Schmidhuber and Cummins 2000; Jozefowicz, Zaremba and Sutskever 2015).
    public let forgetBias: Float?
    /// How many steps a layer is to remember from the start, or nil for nothing special: the bias
    /// of a gate with σ that keeps the old state is ln u instead, u of U(1, longestMemory - 1) for
    /// each unit, and that of one that replaces it -ln u, so that the units forget after times of 1
    /// to longestMemory steps (chrono initialization: Tallec and Ollivier 2018, "Can recurrent
    /// neural networks warp time?", equation 16).
    public let longestMemory: Int?

    /// - Precondition: no weights are zero, and all numbers finite as floats; the longest memory is
    ///   3 at least, and not asked for together with a bias of forget gates.
    public init(
        inputWeights: InitialWeights = .uniform, recurrentWeights: InitialWeights = .uniform,
        denseWeights: InitialWeights = .uniform,
        biases: InitialWeights = .uniform, forgetBias: Float? = nil, longestMemory: Int? = nil
    ) {
        require(
            longestMemory ?? 3 >= 3 && (longestMemory == nil || forgetBias == nil),
            """
            initialization: expected a longest memory of 3 steps at least, or a bias of forget \
            gates
            """
        )
        require(
            forgetBias?.isFinite ?? true,
            "initialization: expected a finite bias of forget gates, found \(forgetBias!)")
        for (name, weights) in [
            ("input", inputWeights), ("recurrent", recurrentWeights), ("dense", denseWeights),
            ("bias", biases),
        ] {
            require(
                weights.isFinite,
                """
                initial \(name) weights: expected a deviation, or gain, that is finite, found \
                \(weights)
                """
            )
        }
        for (name, weights) in [
            ("input", inputWeights), ("recurrent", recurrentWeights), ("dense", denseWeights),
        ] {
            require(
                weights != .zero,
                """
                initial \(name) weights: found zero, with which all units of a layer would learn \
                the same; expected any other distribution
                """)
        }
        self.inputWeights = inputWeights
        self.recurrentWeights = recurrentWeights
        self.denseWeights = denseWeights
        self.biases = biases
        self.forgetBias = forgetBias
        self.longestMemory = longestMemory
    }

    /// - Parameter generator: its numbers alone decide, so a seed gives the same weights on every
    ///   machine.
    func parameters(_ shape: ModelShape, using generator: inout SplitMix64) -> StateDictParameters {
        var embedding: [Float]?
        if case .tokens(let vocabulary, let dimension) = shape.input {
            embedding = generator.normal(vocabulary * dimension, deviation: 1)
        }
        let kinds = shape.layers.flatMap { layer in (0..<layer.directions).map { _ in layer.cell } }
        let cells = zip(kinds, shape.stateDict.cells).map { kind, cell in
            let units = cell.hiddenSize
            func draw(_ weights: InitialWeights, gates: Int? = nil, inputs: Int) -> [Float] {
                weights.draw(
                    gates: gates ?? cell.kind.gates, units: units, inputs: inputs, hidden: units,
                    using: &generator)
            }
            let readsHidden = cell.kind.readsHidden
            var weights = CellWeights(
                weightIH: draw(inputWeights, inputs: cell.inputSize),
                weightHH: readsHidden ? draw(recurrentWeights, inputs: cell.outputSize) : [],
                biasIH: draw(biases, inputs: 1), biasHH: readsHidden ? draw(biases, inputs: 1) : [])
            if let projectionSize = cell.kind.projectionSize {
                weights.weightHR = recurrentWeights.draw(
                    units: projectionSize, inputs: units, hidden: units, using: &generator)
            }
            if cell.kind.hasPeepholes { weights.peepholes = draw(biases, gates: 3, inputs: 1) }
            func setBias(_ gate: Int, _ value: (Int) -> Float) {
                for unit in 0..<units {
                    weights.biasIH[gate * units + unit] = value(unit)
                    if readsHidden { weights.biasHH[gate * units + unit] = 0 }
                }
            }
            if let forgetBias, let (gate, sign) = kind.options.forgetGate {
                setBias(gate) { _ in sign * forgetBias }
            }
            if let longestMemory {
                let logarithms = generator.logarithms(units, limit: longestMemory - 1)
                for (gate, sign) in kind.options.memoryGates {
                    setBias(gate) { sign * logarithms[$0] }
                }
            }
            if let gate = kind.options.unusedGate { weights.clear(gate: gate, units: units) }
            return weights
        }
        let (inputs, units) = (shape.layers.last!.outputSize, shape.outputSize)
        let dense = AffineWeights(
            weight: denseWeights.draw(
                units: units, inputs: inputs, hidden: inputs, using: &generator),
            bias: biases.draw(units: units, inputs: 1, hidden: inputs, using: &generator))
        return StateDictParameters(embedding: embedding, cells: cells, dense: dense)
    }
}

extension CellWeights {
    /// Sets the weights of a gate that is not used to zero.
    fileprivate mutating func clear(gate: Int, units: Int) {
        func clear(_ values: inout [Float], columns: Int) {
            let count = units * columns
            for place in gate * count..<(gate + 1) * count { values[place] = 0 }
        }
        let rows = biasIH.count
        clear(&weightIH, columns: weightIH.count / rows)
        clear(&weightHH, columns: weightHH.count / rows)
        clear(&biasIH, columns: 1)
        clear(&biasHH, columns: 1)
        if !peepholes.isEmpty { clear(&peepholes, columns: 1) }
    }
}

extension SplitMix64 {
    /// ln u, u of U(1, limit): by the kernel, whose last bit does not depend on the machine.
    fileprivate mutating func logarithms(_ count: Int, limit: Int) -> [Float] {
        let numbers = (0..<count).map { _ in Float(1 + unit() * Double(limit - 1)) }
        var logarithms = numbers
        unsafe Kernels.best.log(count, x: numbers, y: &logarithms)
        return logarithms
    }

    /// Normal numbers made orthonormal by the modified Gram-Schmidt process, done twice (Giraud,
    /// Langou and Rozložník 2005).
    mutating func orthogonal(rows: Int, columns: Int, gain: Double) -> [Float] {
        let (count, length) = (min(rows, columns), max(rows, columns))
        var vectors: [[Double]] = []
        for _ in 0..<count {
            var vector = normal(length, deviation: 1).map(Double.init)
            for _ in 0..<2 {
                for other in vectors {
                    let product = zip(vector, other).reduce(0) { $0 + $1.0 * $1.1 }
                    for index in 0..<length { vector[index] -= product * other[index] }
                }
            }
            let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
            vectors.append(vector.map { $0 / norm })
        }
        return (0..<rows * columns).map { place in
            let (row, column) = place.quotientAndRemainder(dividingBy: columns)
            return Float(gain * (rows <= columns ? vectors[row][column] : vectors[column][row]))
        }
    }
}
