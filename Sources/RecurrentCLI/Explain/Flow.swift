import ArgumentParser
import Foundation
import Recurrent

struct Flow: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            """
            Shows how far gradients reach back through an RNN, a GRU and an LSTM that have \
            learned nothing yet: a table, and curves.
            """,
        discussion: """
            All of them read one sequence of the adding problem, from which a readout makes a \
            guess at the end. Norms are largest singular values. The recurrent matrices are \
            orthogonal times --gain; biases are zero, but --forget-bias where the name says that a \
            gate is open.
            """)

    /// Singular values take a time that grows with the cube.
    private static let largestHidden = 128

    @Option(parsing: .unconditional, help: ArgumentHelp("Time steps.", valueName: "number"))
    var steps = 100

    @Option(parsing: .unconditional, help: ArgumentHelp("Hidden units.", valueName: "number"))
    var hidden = 32

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "The singular values of the recurrent matrices: λ of the bound.", valueName: "number"))
    var gain = 0.95

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Bias of a gate that is open: f of the LSTM, z of the GRU.", valueName: "number"))
    var forgetBias = 5.0

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Seed of the weights and of the sequence.", valueName: "number"))
    var seed: UInt64 = 1

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Draw the norms as SVG.", valueName: "file"))
    var svg: String?

    @Flag(help: "Shows no progress, only the result.")
    var quiet = false

    @Flag(help: "Prints the result as one JSON object, and nothing else.")
    var json = false

    @OptionGroup var kernelOptions: KernelOptions

    func run() throws {
        try validated("--steps", steps, 2...10_000)
        try validated("--hidden", hidden, 1...Self.largestHidden)
        try checkPositive("--gain", gain)
        try validated("--forget-bias", forgetBias, -100...100)
        // Six floats of an LSTM's tape for each unit of each step of each row, of which there are
        // as many as units; and the text of the tables.
        let tape = 6 * 4 * Double(steps) * Double(hidden * (hidden + 15) / 16 * 16)
        try MemoryEstimate(bytes: tape * 1.25 + 1000 * Double(steps)).check(
            .usage, "--hidden, --steps")
        let kernels = try kernelOptions.kernels()
        if let svg { try checkWritable(svg, option: "--svg") }
        Interruption.watch()
        var bar = ProgressBar(quiet: quiet)
        let report = try FlowReport(
            steps: steps, hidden: hidden, gain: gain, forgetBias: forgetBias, seed: seed,
            kernels: kernels
        ) { name, fraction in
            try Interruption.check()
            bar.show(name, fraction: fraction, "")
        }
        bar.clear()
        guard report.isFinite else {
            throw Failure(
                .usage,
                """
                --gain: out of range for \(steps) steps; expected norms that are finite, found a \
                bound of \(report.bound.jacobianNorms.last!)
                """)
        }
        if let svg { try writeText(svg, report.chart.svg) }
        if json { try printJSON(report) } else { try printToStandardOutput(report.table) }
    }
}

/// What `flow` prints and draws.
struct FlowReport: Encodable {
    let steps: Int, hidden: Int, gain: Double, forgetBias: Double, seed: UInt64, isa: String
    let bound: GradientBound
    let flows: [GradientFlow]
    /// Of the LSTMs.
    let memory: [MemoryFlow]

    init(
        steps: Int, hidden: Int, gain: Double, forgetBias: Double, seed: UInt64, kernels: Kernels,
        onStep: (String, Double) throws -> Void
    ) throws {
        (self.steps, self.hidden, self.gain, self.forgetBias, self.seed, isa) = (
            steps, hidden, gain, forgetBias, seed, "\(kernels.isa)"
        )
        var generator = SplitMix64(seed: seed)
        let problem = AddingProblem(length: steps)
        let (x, targets) = problem.batch(1, using: &generator)
        let readout = (0..<hidden).map { _ in
            (2 * generator.unit() - 1) / Double(hidden).squareRoot()
        }
        let layers: [(name: String, cell: Cell, openness: Double)] = [
            ("RNN", .rnn, 0), ("GRU", .gru, 0), ("GRU, z open", .gru, forgetBias),
            ("LSTM", .lstm, 0), ("LSTM, f open", .lstm, forgetBias),
        ]
        var bound: GradientBound?
        var flows: [GradientFlow] = []
        var memory: [MemoryFlow] = []
        for (index, layer) in layers.enumerated() {
            // An LSTM is gone through twice.
            let parts = layer.cell == .lstm ? 2.0 : 1.0
            func tell(_ part: Double) throws {
                try onStep(layer.name, (Double(index) + part / parts) / Double(layers.count))
            }
            let weights = LayerWeights(
                layer.cell, inputSize: problem.inputSize, hiddenSize: hidden, gain: gain,
                openness: layer.openness, seed: seed)
            let unrolled = UnrolledLayer(layer.cell, weights, x: x, kernels: kernels)
            // L = (y - target)², y = readout · h_T
            let y = zip(readout, unrolled.hidden(after: steps)).reduce(0) { $0 + $1.0 * $1.1 }
            let lossGradient = readout.map { 2 * (y - Double(targets[0])) * $0 }
            if layer.cell == .rnn {
                bound = GradientBound(unrolled, weights, lossGradient: lossGradient)
            }
            flows.append(
                try GradientFlow(layer.name, unrolled, lossGradient: lossGradient, onStep: tell))
            if layer.cell == .lstm {
                memory.append(try MemoryFlow(layer.name, unrolled, weights) { try tell(1 + $0) })
            }
        }
        self.bound = bound!
        self.flows = flows
        self.memory = memory
    }

    /// Whether there is no norm that is too large for a number.
    var isFinite: Bool {
        let norms =
            panels.flatMap { $0.curves.flatMap(\.norms) }
            + memory.flatMap { $0.named.flatMap(\.norms) }
        return norms.allSatisfy(\.isFinite)
    }

    /// The curves over T - t of ‖∂h_T/∂h_t‖ and of ‖∂L/∂h_t‖, whose bound is ‖∂L/∂h_T‖ times the
    /// other.
    private var panels: [(title: String, curves: [(name: String, norms: [Double])])] {
        [
            (
                "‖∂h_T/∂h_t‖",
                [("bound (γλ)^(T-t)", bound.jacobianNorms)]
                    + flows.map { ($0.name, $0.jacobianNorms) }
            ),
            ("‖∂L/∂h_t‖", [("bound", bound.lossNorms)] + flows.map { ($0.name, $0.lossNorms) }),
        ]
    }

    var table: String {
        func number(_ value: Double) -> String { String(format: "%.3g", value) }
        func row(_ cells: [String]) -> String {
            tableRow(cells, widths: [17, 19, 12, 12, 14, 12, 14])
        }
        // 0, 1, 2, 5, 10, 20, 50 … and T
        let distances =
            [0]
            + (0...4).flatMap { decade in [1, 2, 5].map { $0 * Int(pow(10, Double(decade))) } }
            .filter { $0 < steps } + [steps]
        var lines: [String] = []
        for panel in panels {
            lines.append(row([panel.title + ", T-t"] + panel.curves.map(\.name)))
            lines += distances.map { distance in
                row(["\(distance)"] + panel.curves.map { number($0.norms[distance]) })
            }
            lines.append("")
        }
        lines.append(row(["‖∂c_t/∂c_{t-1}‖"] + memory[0].named.map(\.name)))
        for flow in memory {
            lines.append(
                row(
                    [flow.name]
                        + flow.named.map { number($0.norms.reduce(0, +) / Double($0.norms.count)) })
            )
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// What is smaller is not drawn: far below what rounding leaves of a sum of gradients.
    private static let least = 1e-12

    var chart: LineChart {
        func panel(_ title: String, _ curves: [(name: String, norms: [Double])]) -> LineChart.Panel
        {
            LineChart.Panel(
                title: title, isLogarithmic: true,
                curves: curves.map { curve in
                    LineChart.Curve(
                        name: curve.name,
                        points: curve.norms.enumerated().filter { $1 >= Self.least }.map {
                            (x: Double($0), y: $1)
                        })
                })
        }
        let open = memory.last!
        return LineChart(
            title:
                "How far gradients reach back: \(steps) steps of \(hidden) units, before training",
            subtitle:
                """
                γ = \(String(format: "%.3g", bound.gamma)), the largest derivative of tanh \
                met; λ = \(String(format: "%.3g", bound.lambda)), 
                """
                    + """
                    the largest singular value of U; open: a bias of \
                    \(String(format: "%g", forgetBias))
                    """,
            axis: "T - t, steps back from the end",
            panels: panels.map { panel($0.title, $0.curves) } + [
                panel("‖∂c_t/∂c_{t-1}‖ of the \(open.name), and its four terms", open.named)
            ])
    }
}
