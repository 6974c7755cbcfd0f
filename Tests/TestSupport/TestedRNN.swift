public import CRecurrent
public import RecurrentReference

/// The plain recurrent layer.
public struct TestedRNN: TestedCell {
    public var f = Activation.tanh
    public init(_ f: Activation = .tanh) { self.f = f }
    public init(_ shape: recurrent_cell_shape) {
        f = Activation(shape)
    }

    public static let name = "rnn"
    public static let cell = recurrent_cell.rnn
    public static var plain: [any TestedCell] { Activation.ofCells.map { TestedRNN($0) } }
    public static var toldApart: [any TestedCell] {
        [TestedRNN(.tanh), TestedRNN(.sigmoid), TestedRNN(.relu)]
    }
    /// The hard sigmoids aside: their derivative is the same whatever the state is, so that no
    /// gradient tells that a state is wrong.
    public static var planted: [CellCase] {
        let others = Activation.ofCells.filter {
            ![.hardSigmoidFifth, .hardSigmoidSixth].contains($0)
        }
        return CellCase.square.flatMap { sizes in others.map { sizes.of(TestedRNN($0)) } }
    }
    public var description: String { "RNN \(f)" }
    public var gates: [Activation] { [f] }
    public func set(_ shape: inout recurrent_cell_shape) {
        f.set(&shape)
    }

    public func decay(_ problem: inout CellProblem<Double>) -> Bool {
        let U = problem.parameters.gates[0].U.indices.map { n in
            problem.parameters.gates[0].U.indices.map { $0 == n ? 0.5 : 0 }
        }
        problem.parameters = problem.parameters.map { _ in 0 }
        problem.parameters.gates[0].U = U
        problem.h0 = problem.h0.map { $0.map(\.magnitude) }
        return f(0.0) == 0
    }

    private func cell<S>(_ parameters: CellParameters<S>) -> RNNCell<S> {
        RNNCell(parameters: parameters.gates[0], f: f)
    }

    public func forward<S>(_ p: CellProblem<S>) -> CellTape<S> {
        CellTape(
            h: cell(p.parameters).forward(x: p.x, h0: p.h0, lengths: p.sizes.lengths, mask: p.mask))
    }

    public func backward<S>(_ p: CellProblem<S>, _ tape: CellTape<S>) -> CellBackward<S> {
        let found = cell(p.parameters).backward(
            h: tape.h, dy: p.dy, dh: p.dh, lengths: p.sizes.lengths, mask: p.mask)
        return CellBackward(dgates: found.dz.map { $0.map { [$0] } }, dx: found.dx, dh0: found.dh0)
    }

    public func gradient<S>(_ p: CellProblem<S>, _ tape: CellTape<S>, _ backward: CellBackward<S>)
        -> CellParameters<S>
    {
        var gradient = cell(p.gradient)
        gradient.addGradient(
            x: p.x, h: tape.h, dz: backward.dgates.map { $0.map { $0[0] } },
            lengths: p.sizes.lengths, mask: p.mask)
        return CellParameters(gates: [gradient.parameters], inner: [[]])
    }

    /// The next activation; and max(x, x), which is none, and whose derivative is missing.
    public var others: [any TestedCell] {
        let all = Activation.ofCells
        return [
            TestedRNN(all[(all.firstIndex(of: f)! + 1) % all.count]),
            TestedRNN(.leakyReLU(slope: 1)),
        ]
    }

    public func mistakes(_ problem: CellProblem<Double>) -> [CellMistake] {
        [.backStep("derivative of state before", before: { $1.h[1][$2] = $1.h[0][$2] })]
    }
}

extension Activation {
    /// The name without a parameter.
    public var name: String { String("\(self)".prefix { $0 != "(" }) }

    /// That of the same place in the list.
    public var cValue: recurrent_activation {
        let place = Self.allCases.firstIndex { $0.name == name }!
        return recurrent_activation(rawValue: UInt32(place))!
    }

    /// f of a cell.
    init(_ shape: recurrent_cell_shape) {
        self = Self.allCases[Int(shape.activation.rawValue)]
        if case .leakyReLU = self { self = .leakyReLU(slope: Double(shape.slope)) }
    }

    /// That of the gates of a cell.
    static func gate(_ shape: recurrent_cell_shape) -> Activation {
        ofGates[Int(shape.gate_activation.rawValue)]
    }

    func set(_ shape: inout recurrent_cell_shape, gates: Activation = .sigmoid) {
        shape.activation = cValue
        if case .leakyReLU(let slope) = self { shape.slope = Float(slope) }
        let gate = Self.ofGates.firstIndex(of: gates)!
        shape.gate_activation = recurrent_gate_activation(rawValue: UInt32(gate))!
    }

    /// In the order of RECURRENT_GATE_ACTIVATIONS.
    private static let ofGates: [Activation] = [
        .sigmoid, .tanh, .relu, .hardSigmoidFifth, .hardSigmoidSixth,
    ]

    public var parameter: Float {
        if case .leakyReLU(let slope) = self { return Float(slope) }
        if case .elu(let alpha) = self { return Float(alpha) }
        return .nan
    }
}
