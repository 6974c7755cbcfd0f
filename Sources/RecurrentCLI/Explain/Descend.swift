import ArgumentParser
import Foundation
import Recurrent

struct Descend: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            """
            Shows how optimizers find their way down error surfaces of two parameters: a \
            table, and a picture of their paths.
            """,
        discussion: """
            The kernels make the updates, as in a training. L-BFGS, which finds the lengths of its \
            steps itself, ends when it has evaluated as many gradients as the others.
            """)

    @Option(parsing: .unconditional, help: ArgumentHelp("Updates.", valueName: "number"))
    var steps = 200

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Draw the paths over contours as SVG.", valueName: "file"))
    var svg: String?

    @Flag(help: "Shows no progress, only the result.")
    var quiet = false

    @Flag(help: "Prints the result as one JSON object, and nothing else.")
    var json = false

    @OptionGroup var kernelOptions: KernelOptions

    func run() throws {
        try validated("--steps", steps, 1...1_000_000)
        // Places and errors of 28 descents, and what they are printed from.
        try MemoryEstimate(bytes: 4000 * Double(steps)).check(.usage, "--steps \(steps)")
        let kernels = try kernelOptions.kernels()
        if let svg { try checkWritable(svg, option: "--svg") }
        var bar = ProgressBar(quiet: quiet)
        var descents: [Descent] = []
        let count = ErrorSurface.all.count * Descent.optimizers.count
        for surface in ErrorSurface.all {
            for (index, optimizer) in Descent.optimizers.enumerated() {
                bar.show(surface.name, fraction: Double(descents.count) / Double(count), optimizer)
                // The last finds the lengths of its steps itself.
                descents.append(
                    index < surface.learningRates.count
                        ? Descent(
                            optimizer, learningRate: surface.learningRates[index], surface,
                            steps: steps, kernels: kernels)
                        : Descent(lbfgsOn: surface, steps: steps, kernels: kernels))
            }
        }
        bar.clear()
        let report = DescendReport(steps: steps, isa: "\(kernels.isa)", descents: descents)
        if let svg { try writeText(svg, report.picture) }
        if json { try printJSON(report) } else { try printToStandardOutput(report.table) }
    }
}

/// The way of one optimizer down one surface.
struct Descent: Encodable {
    static let optimizers = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "lbfgs"]

    let surface: String, optimizer: String
    let learningRate: Double?
    /// x and y, from the start on.
    private(set) var path: [[Float]]
    private(set) var errors: [Double]

    init(
        _ optimizer: String, learningRate: Double, _ surface: ErrorSurface, steps: Int,
        kernels: Kernels
    ) {
        self.surface = surface.name
        self.optimizer = optimizer
        self.learningRate = learningRate
        let rule = Optimizer.named(optimizer, learningRate: learningRate)!
        var place = [Float(surface.start.x), Float(surface.start.y)]
        var moments = [Float](repeating: 0, count: 2 * max(rule.momentCount, 1))
        path = [place]
        errors = [surface.value(surface.start.x, surface.start.y)]
        for step in 1...steps {
            let (dx, dy) = surface.gradient(Double(place[0]), Double(place[1]))
            var gradient = [Float(dx), Float(dy)]
            kernels.update(
                rule, 2, scale: 1, step: step, parameters: &place, gradient: &gradient,
                moments: &moments, momentStride: 2)
            path.append(place)
            errors.append(surface.value(Double(place[0]), Double(place[1])))
        }
    }

    /// L-BFGS, which stays where it ends.
    init(lbfgsOn surface: ErrorSurface, steps: Int, kernels: Kernels) {
        self.surface = surface.name
        optimizer = Self.optimizers.last!
        learningRate = nil
        var lbfgs = LBFGS(count: 2, kernels: kernels)
        var places = [[Float(surface.start.x), Float(surface.start.y)]]
        var place = places[0]
        var end: MinimizationEnd?
        while end == nil && places.count <= steps {
            var span = place.mutableSpan
            end =
                lbfgs.step(&span, mostCalls: steps) { place, gradient in
                    let (x, y) = (Double(place[0]), Double(place[1]))
                    let (dx, dy) = surface.gradient(x, y)
                    (gradient[0], gradient[1]) = (Float(dx), Float(dy))
                    return surface.value(x, y)
                }.end
            places.append(place)
        }
        path = places + Array(repeating: places.last!, count: steps + 1 - places.count)
        errors = path.map { surface.value(Double($0[0]), Double($0[1])) }
    }
}

/// What `descend` prints and draws.
struct DescendReport: Encodable {
    let steps: Int, isa: String
    let descents: [Descent]

    var table: String {
        func row(_ cells: [String]) -> String {
            tableRow(cells, widths: [16, 12, 10, 12, 14, 20], leftAligned: 2)
        }
        let rows = descents.map { descent in
            let end = descent.path.last!
            let errors = [descent.errors[descent.errors.count / 2], descent.errors.last!].map {
                String(format: "%.3g", $0)
            }
            return row(
                [descent.surface, descent.optimizer, descent.learningRate.map { "\($0)" } ?? "-"]
                    + errors
                    + [String(format: "(%.3f, %.3f)", end[0], end[1])])
        }
        return ([row(["surface", "optimizer", "rate", "half-way", "error", "place"])] + rows)
            .joined(separator: "\n") + "\n"
    }

    private static let width = 860.0, panelWidth = 396.0, panelHeight = 300.0, top = 100.0,
        gap = 40.0

    var picture: String {
        let legend = Descent.optimizers.enumerated().flatMap { index, name in
            let x = 22 + 110 * Double(index)
            return [
                Picture.mark(x, 66, radius: 5, Picture.colour(index).fill, name),
                Picture.text(x + 12, 70, name),
            ]
        }
        let panels = ErrorSurface.all.enumerated().flatMap { index, surface in
            panel(
                surface, left: 16 + Double(index % 2) * (Self.panelWidth + 36),
                top: Self.top + Double(index / 2) * (Self.panelHeight + Self.gap))
        }
        return Picture.document(
            width: Self.width, height: Self.top + 2 * (Self.panelHeight + Self.gap),
            title: "\(steps) updates down four surfaces",
            subtitle:
                """
                Each optimizer at the learning rate in the table, from the same start, L-BFGS \
                with as many gradients; lines of equal error
                """,
            style: ".contour { fill: none; stroke-width: 1; } .thin { stroke-width: 1.6; }",
            body: legend + panels)
    }

    private func panel(_ surface: ErrorSurface, left: Double, top: Double) -> [String] {
        func place(_ point: (x: Double, y: Double)) -> (x: Double, y: Double) {
            (
                x: left + (point.x - surface.x.lowerBound)
                    / (surface.x.upperBound - surface.x.lowerBound) * Self.panelWidth,
                y: top + Self.panelHeight - (point.y - surface.y.lowerBound)
                    / (surface.y.upperBound - surface.y.lowerBound) * Self.panelHeight
            )
        }
        func isInside(_ point: (x: Double, y: Double)) -> Bool {
            surface.x.contains(point.x) && surface.y.contains(point.y)
        }
        var parts = [Picture.text(left, top - 8, "\(surface.name): \(surface.formula)", "strong")]
        for level in surface.contours(count: 12) {
            parts.append(Picture.segments(level.map(place), "grid contour"))
        }
        for (index, descent) in descents.filter({ $0.surface == surface.name }).enumerated() {
            // A path ends where it leaves the paper.
            let points = descent.path.map { (x: Double($0[0]), y: Double($0[1])) }.prefix(
                while: isInside)
            parts.append(Picture.curve(points.map(place), "thin \(Picture.colour(index).line)"))
            if let last = points.last {
                parts.append(
                    Picture.mark(
                        place(last).x, place(last).y, radius: 4, Picture.colour(index).fill,
                        """
                        \(descent.optimizer): \
                        \(String(format: "%.3g", descent.errors[points.count - 1]))
                        """
                    ))
            }
        }
        return parts
    }
}
