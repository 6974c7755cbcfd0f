import Foundation
import Testing

@testable import Recurrent

@Suite struct InitializerTests {
    private static let (units, inputs, hidden) = (60, 90, 64)

    /// Variance, and the largest magnitude.
    private static let distributions: [(weights: InitialWeights, variance: Double, most: Double)] =
        {
            let (n, m, h) = (Double(inputs), Double(units), Double(hidden))
            func normal(_ weights: InitialWeights, _ variance: Double) -> (
                weights: InitialWeights, variance: Double, most: Double
            ) {
                (weights, variance, 6 * variance.squareRoot())
            }
            func uniform(_ weights: InitialWeights, _ variance: Double) -> (
                weights: InitialWeights, variance: Double, most: Double
            ) {
                (weights, variance, (3 * variance).squareRoot())
            }
            return [
                uniform(.uniform, 1 / (3 * h)), normal(.gaussian(deviation: 0.3), 0.09),
                normal(.lecunNormal, 1 / n), uniform(.lecunUniform, 1 / n),
                normal(.xavierNormal, 2 / (n + m)), uniform(.xavierUniform, 2 / (n + m)),
                normal(.heNormal, 2 / n), uniform(.heUniform, 2 / n),
            ]
        }()

    /// Mean and variance within five standard deviations of what so many numbers have; the bound
    /// itself is reached only by uniform numbers.
    @Test(arguments: distributions.indices) func moments(index: Int) {
        let (weights, variance, most) = Self.distributions[index]
        var generator = SplitMix64(seed: 7)
        let values = weights.draw(
            gates: 4, units: Self.units, inputs: Self.inputs, hidden: Self.hidden, using: &generator
        ).map(Double.init)
        let count = Double(values.count)
        #expect(values.count == 4 * Self.units * Self.inputs)
        #expect(
            abs(values.reduce(0, +) / count) <= 5 * (variance / count).squareRoot(),
            "\(weights): mean")
        let found = values.reduce(0) { $0 + $1 * $1 } / count
        // A normal number's square has the variance 2 σ⁴, which is more than a uniform one's.
        #expect(
            abs(found - variance) <= 5 * variance * (2 / count).squareRoot(),
            "\(weights): variance \(found), expected \(variance)")
        #expect(values.allSatisfy { abs($0) <= most * (1 + 1e-7) }, "\(weights): limit")
        #expect(values.contains { abs($0) > 0.6 * most }, "\(weights): spread")
    }

    @Test(arguments: [(16, 16), (40, 17), (17, 40), (1, 1), (1, 5), (5, 1)])
    func orthogonalRowsOrColumns(rows: Int, columns: Int) {
        var generator = SplitMix64(seed: 3)
        let gain = 1.5
        let matrix = InitialWeights.orthogonal(gain: gain).draw(
            gates: 4, units: rows, inputs: columns, hidden: rows, using: &generator
        ).map(Double.init)
        let (count, length) = (min(rows, columns), max(rows, columns))
        for gate in 0..<4 {
            func element(_ vector: Int, _ place: Int) -> Double {
                matrix[
                    gate * rows * columns
                        + (rows <= columns ? vector * columns + place : place * columns + vector)]
            }
            for one in 0..<count {
                for other in 0...one {
                    let product = (0..<length).reduce(0) {
                        $0 + element(one, $1) * element(other, $1)
                    }
                    // Each element is rounded to a float.
                    #expect(
                        abs(product - (one == other ? gain * gain : 0)) <= 3e-7,
                        "gate \(gate): \(one) · \(other)")
                }
            }
        }
        #expect(
            rows * columns == 1
                || matrix[..<(rows * columns)] != matrix[(rows * columns)..<(2 * rows * columns)],
            "gates are drawn apart")
    }

    private static let shape = ModelShape(
        input: .tokens(vocabulary: 5, dimension: 3), layers: [.lstm(17), .lstm(4)], outputSize: 6,
        loss: .crossEntropy)

    private func parameters(_ initialization: Initialization, seed: UInt64 = 1) -> [[Float]] {
        let parameters = Model(Self.shape, seed: seed, initialization: initialization)
            .stateDictParameters
        return parameters.cells.map { $0.tensors.flatMap { $0 } }
            + [parameters.dense!.weight + parameters.dense!.bias, parameters.embedding!]
    }

    @Test func aSeedGivesTheSameAndAnotherSeedOthers() {
        let orthogonal = Initialization(
            inputWeights: .xavierUniform, recurrentWeights: .orthogonal(), denseWeights: .heNormal,
            biases: .zero)
        for initialization in [Initialization(), orthogonal] {
            #expect(parameters(initialization) == parameters(initialization))
            #expect(parameters(initialization) != parameters(initialization, seed: 2))
        }
        #expect(parameters(orthogonal) != parameters(Initialization()))
    }

    /// Gate f of the bias, which is the third tensor.
    @Test func forgetGatesAreBiased() {
        let plain = parameters(Initialization())
        let biased = parameters(Initialization(forgetBias: 1))
        let first = 4 * 17 * (3 + 17) + 17
        for place in plain[0].indices {
            let isForgetBias = (first..<first + 17).contains(place)
            #expect(biased[0][place] == (isForgetBias ? 1 : plain[0][place]))
        }
        #expect(plain[2...] == biased[2...], "the numbers of the other layers stay the same")
    }

    /// The gates that keep the old state have ln u, those that replace it -ln u, u in 1 ... 99; the
    /// others are as they were.
    @Test(arguments: [
        (RecurrentCell.lstm(.plain), [-1, 1, 0, 0]),
        (.lstm(LSTMVariant(hasCoupledGates: true)), [-1, 0, 0, 0]),
        (.gru(.resetAfter), [0, 1, 0]), (.gru(.resetBefore), [0, 1, 0]),
        (.gru(.lecture), [0, -1, 0]), (.rnn(.tanh), [0]), (.minGRU, [-1, 0]),
    ])
    func memoriesAreOfAllLengths(cell: RecurrentCell, signs: [Float]) {
        let units = 20
        let shape = ModelShape(
            input: .values(size: 1), layers: [RecurrentLayer(cell, hiddenSize: units)],
            outputSize: 1, loss: .meanSquaredError)
        func biases(_ initialization: Initialization) -> [[Float]] {
            let weights = Model(shape, seed: 5, initialization: initialization).stateDictParameters
                .cells[0]
            let sum =
                weights.biasHH.isEmpty
                ? weights.biasIH : zip(weights.biasIH, weights.biasHH).map(+)
            return signs.indices.map { Array(sum[$0 * units..<($0 + 1) * units]) }
        }
        let plain = biases(Initialization())
        let spread = biases(Initialization(longestMemory: 100))
        for (gate, sign) in signs.enumerated() {
            guard sign != 0 else {
                #expect(spread[gate] == plain[gate])
                continue
            }
            let times = spread[gate].map { exp(Double(sign * $0)) }
            #expect(
                times.allSatisfy { $0 >= 1 && $0 <= 99.001 } && times.min()! < 30
                    && times.max()! > 70, "\(cell), gate \(gate): \(times)")
        }
        if cell == .lstm(.plain) { #expect(spread[0] == spread[1].map { -$0 }) }
    }

    /// The forget gate of a coupled cell is what the input gate leaves: 1 - σ(-1) = σ(1); it has no
    /// weights of its own.
    @Test func coupledGatesForgetThroughTheInputGate() {
        let variant = LSTMVariant(hasPeepholes: true, hasCoupledGates: true, projectionSize: 3)
        let units = 5
        let shape = ModelShape(
            input: .values(size: 2), layers: [.lstm(units, variant)], outputSize: 1,
            loss: .meanSquaredError)
        let weights = Model(shape, seed: 5, initialization: Initialization(forgetBias: 1))
            .stateDictParameters.cells[0]
        #expect(weights.biasIH[..<units].allSatisfy { $0 == -1 })
        func gate(_ matrix: [Float], _ gate: Int, of gates: Int = 4) -> ArraySlice<Float> {
            let count = matrix.count / gates
            return matrix[gate * count..<(gate + 1) * count]
        }
        for matrix in [weights.weightIH, weights.weightHH, weights.biasIH] {
            #expect(gate(matrix, 1).allSatisfy { $0 == 0 })
        }
        #expect(gate(weights.peepholes, 1, of: 3).allSatisfy { $0 == 0 })
        for other in [0, 2, 3] {
            #expect(gate(weights.weightIH, other).allSatisfy { $0 != 0 })
        }
    }

    @Test func memoriesThatCannotBeAreRefused() async {
        await #expect(processExitsWith: .failure) { _ = Initialization(longestMemory: 2) }
        await #expect(processExitsWith: .failure) {
            _ = Initialization(forgetBias: 1, longestMemory: 9)
        }
    }

    @Test func biasesMayBeZero() {
        let dense = parameters(Initialization(biases: .zero))[2]
        #expect(dense[24...].allSatisfy { $0 == 0 } && dense[..<24].allSatisfy { $0 != 0 })
    }

    @Test func weightsOfZeroAreRefused() async {
        await #expect(processExitsWith: .failure) { _ = Initialization(inputWeights: .zero) }
        await #expect(processExitsWith: .failure) { _ = Initialization(recurrentWeights: .zero) }
        await #expect(processExitsWith: .failure) { _ = Initialization(denseWeights: .zero) }
    }

    @Test func numbersThatAreNotFiniteAreRefused() async {
        let gain = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Initialization(recurrentWeights: .orthogonal(gain: .nan))
        }
        #expect(
            says(gain, "initial recurrent weights: expected a deviation, or gain, that is finite"))
        let bias = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Initialization(forgetBias: .infinity)
        }
        #expect(says(bias, "initialization: expected a finite bias of forget gates, found inf"))
    }
}
