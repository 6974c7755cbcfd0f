public import CRecurrent
public import RecurrentReference

/// A recurrent cell with its options, as all tests of cells see it: its reference, in the one form
/// that all cells have. A new cell is a file with a conformance, and a row of `testedCells`.
public protocol TestedCell: Sendable, CustomStringConvertible {
    /// What its kernels' names begin with.
    static var name: String { get }
    static var cell: recurrent_cell { get }
    /// What is asked of its kernels.
    static var cases: [CellCase] { get }
    /// Those that are asked at every size, and those that there are.
    static var plain: [any TestedCell] { get }
    static var all: [any TestedCell] { get }
    /// Those that give every unit of h another value, from the same weights.
    static var toldApart: [any TestedCell] { get }
    /// Layers in which mistakes are planted.
    static var planted: [CellCase] { get }

    /// The activation of each gate, in kernel order.
    var gates: [Activation] { get }
    /// Whether the gates read h, through U.
    var readsHidden: Bool { get }
    /// The gates that have a row between those of the inputs and those of h.
    var innerGates: [Int] { get }
    /// Whether the transposed copy holds these rows too.
    var transposesInnerRows: Bool { get }
    /// Units of h, where it is projected.
    var projection: Int? { get }
    /// With the options of a shape of this cell.
    init(_ shape: recurrent_cell_shape)
    /// Sets the options of a shape.
    func set(_ shape: inout recurrent_cell_shape)
    /// Makes the state of a layer without an input halve in each step, or about so. False where
    /// none comes to rest at zero.
    func decay(_ problem: inout CellProblem<Double>) -> Bool

    func forward<S: Scalar>(_ problem: CellProblem<S>) -> CellTape<S>
    func backward<S: Scalar>(_ problem: CellProblem<S>, _ tape: CellTape<S>) -> CellBackward<S>
    /// The problem's `gradient`, added to.
    func gradient<S: Scalar>(
        _ problem: CellProblem<S>, _ tape: CellTape<S>, _ backward: CellBackward<S>
    ) -> CellParameters<S>
    /// Mistakes that only this cell can make, or can make only so.
    func mistakes(_ problem: CellProblem<Double>) -> [CellMistake]
    /// Others with the same parameters, for which it may be mistaken.
    var others: [any TestedCell] { get }
}

/// One row for each cell, in C's order.
public let testedCells: [any TestedCell.Type] = [
    TestedLSTM.self, TestedRNN.self, TestedGRU.self, TestedMinGRU.self,
]

/// A layer of a cell over a batch of sequences.
public struct CellCase: Sendable, CustomStringConvertible {
    public var input, hidden, batch, steps: Int
    /// Rows of x lie this many floats further apart than they are long.
    public var gap = 0
    public var lengths: [Int]?
    public var awkward = false
    /// Whether there is a mask of recurrent dropout.
    public var dropout = false
    public var cell: any TestedCell

    public init(
        _ input: Int, _ hidden: Int, batch: Int = 1, steps: Int = 1, gap: Int = 0,
        lengths: [Int]? = nil, awkward: Bool = false, dropout: Bool = false,
        cell: any TestedCell = TestedLSTM()
    ) {
        (self.input, self.hidden, self.batch, self.steps) = (input, hidden, batch, steps)
        (self.gap, self.lengths, self.awkward, self.dropout) = (gap, lengths, awkward, dropout)
        self.cell = cell
    }

    public var description: String {
        """
        \(cell) I \(input) H \(hidden) B \(batch) T \(steps)\
        \(lengths.map { " lengths \($0)" } ?? "")\(awkward ? " awkward" : "")\
        \(dropout ? " dropout" : "")
        """
    }

    /// Units of h.
    public var outputs: Int { cell.projection ?? hidden }
    /// Columns of U.
    public var hiddenColumns: Int { cell.readsHidden ? outputs : 0 }
    public func isValid(row: Int, step: Int) -> Bool { lengths.map { step < $0[row] } ?? true }

    public func of(_ cell: any TestedCell) -> CellCase {
        var result = self
        result.cell = cell
        return result
    }

    /// The same for a kernel that knows neither lengths nor masks.
    public var bare: CellCase {
        var result = self
        (result.lengths, result.dropout) = (nil, false)
        return result
    }

    public var problem: CellProblem<Double> {
        CellProblem(self, seed: UInt64(input * 1000 + hidden))
    }
}

extension CellCase {
    /// Around one and two panels, one large, with every number of rows that a register tile has;
    /// rows that never start, end at once, and last to the end; rows of x that lie apart; and
    /// awkward data.
    public static let sizes = [
        CellCase(1, 1),
        CellCase(1, 15, batch: 2, steps: 3),
        CellCase(15, 16, batch: 3, steps: 4, gap: 3),
        CellCase(3, 16, batch: 7, steps: 3, lengths: [0, 1, 2, 3, 3, 0, 1]),
        CellCase(16, 17, batch: 4, steps: 2),
        CellCase(17, 31, batch: 5, steps: 3, lengths: [3, 2, 0, 1, 3]),
        CellCase(31, 33, batch: 6, steps: 2, gap: 1),
        CellCase(2, 33, batch: 1, steps: 5, lengths: [4]),
        CellCase(33, 64, batch: 7, steps: 2),
        CellCase(64, 1, batch: 1, steps: 6),
        CellCase(5, 64, batch: 13, steps: 1),
        CellCase(7, 65, batch: 2, steps: 2),
        CellCase(9, 131, batch: 2, steps: 2),
        CellCase(131, 3, batch: 3, steps: 2),
        CellCase(3, 4, batch: 2, steps: 0),
        CellCase(4, 5, batch: 4, steps: 20, lengths: [20, 19, 7, 0]),
        CellCase(6, 7, batch: 5, steps: 6, gap: 2, lengths: [6, 0, 3, 5, 1], awkward: true),
        CellCase(5, 18, batch: 3, steps: 4, awkward: true),
        CellCase(3, 50, batch: 4, steps: 3, awkward: true),
    ]

    /// One for each number of chains and panels that a recurrent sum has, and with dropout.
    static let sums = [
        CellCase(6, 7, batch: 5, steps: 6, gap: 2, lengths: [6, 0, 3, 5, 1], awkward: true),
        CellCase(3, 16, batch: 4, steps: 3),
        CellCase(4, 31, batch: 3, steps: 3), CellCase(2, 48, batch: 5, steps: 2),
        CellCase(5, 70, batch: 8, steps: 2),
        CellCase(
            6, 7, batch: 5, steps: 6, lengths: [6, 0, 3, 5, 1], awkward: true, dropout: true),
        CellCase(1, 1, steps: 3, dropout: true),
        CellCase(4, 33, batch: 3, steps: 3, gap: 1, dropout: true),
        CellCase(5, 70, batch: 8, steps: 2, dropout: true),
    ]

    /// Inputs as wide as the layer, so that a transposed matrix still fits; rows that end; one and
    /// two panels; dropout.
    static let square = [
        CellCase(5, 5, batch: 3, steps: 4, lengths: [4, 2, 3]),
        CellCase(18, 18, batch: 2, steps: 3, lengths: [3, 2]),
        CellCase(5, 5, batch: 3, steps: 4, lengths: [4, 2, 3], dropout: true),
    ]
}

extension TestedCell {
    /// All sizes with one cell after the other, and some with all of them.
    public static var cases: [CellCase] {
        CellCase.sizes.enumerated().map { $1.of(plain[$0 % plain.count]) }
            + CellCase.sums.flatMap { sizes in plain.map(sizes.of) }
    }
    public static var all: [any TestedCell] { plain }
    public static var toldApart: [any TestedCell] { plain }
    public static var planted: [CellCase] {
        CellCase.square.flatMap { sizes in plain.map(sizes.of) }
    }
    public var readsHidden: Bool { true }
    public var innerGates: [Int] { [] }
    public var transposesInnerRows: Bool { false }
    public var projection: Int? { nil }
}
