import Foundation

/// Curves over a common axis as SVG, one panel below the other, readable in light and in dark.
struct LineChart {
    struct Curve {
        let name: String
        let points: [(x: Double, y: Double)]
    }

    struct Panel {
        let title: String
        /// Whether y is drawn by its logarithm.
        let isLogarithmic: Bool
        /// In the same order in every panel; each has a colour of its own.
        let curves: [Curve]
    }

    let title: String, subtitle: String
    /// What x is.
    let axis: String
    let panels: [Panel]

    private static let width = 860.0, left = 64.0, right = 150.0, top = 84.0, panelHeight = 250.0, gap = 56.0
    private static let light = ["#0b62d6", "#c2570c", "#1a7f37", "#8250df", "#bf3989", "#7a6a00", "#0a7ea4", "#57606a", "#a40e26"]
    private static let dark = ["#62a8ff", "#ff9a52", "#56d364", "#bc8cff", "#f778ba", "#d8c24a", "#4fc3e8", "#a9b3bd", "#ff7b72"]

    var svg: String {
        let height = Self.top + Double(panels.count) * (Self.panelHeight + Self.gap)
        let body = panels.enumerated().map { panel($1, top: Self.top + Double($0) * (Self.panelHeight + Self.gap)) }
        func colours(_ colours: [String]) -> String {
            colours.enumerated().map { ".line\($0) { stroke: \($1); } .name\($0) { fill: \($1); }" }.joined(separator: " ")
        }
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Self.width.short) \(height.short)" width="\(Self.width.short)" height="\(height.short)" role="img">
            <title>\(title.escapedForXML)</title>
            <style>
            text { font: 12px system-ui, sans-serif; fill: #1b1f24; } .title { font-size: 17px; font-weight: 600; } .panel { font-weight: 600; }
            .paper { fill: #ffffff; } .grid { stroke: #d5dae0; } .curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
            .end { text-anchor: end; } .middle { text-anchor: middle; } .name { font-weight: 600; } \(colours(Self.light))
            @media (prefers-color-scheme: dark) {
            text { fill: #e4e8ec; } .paper { fill: #14171a; } .grid { stroke: #3a4149; } \(colours(Self.dark))
            }
            </style>
            <rect width="100%" height="100%" class="paper"/>
            <text x="16" y="28" class="title">\(title.escapedForXML)</text>
            <text x="16" y="48">\(subtitle.escapedForXML)</text>
            \(body.joined(separator: "\n"))
            </svg>

            """
    }

    private func panel(_ panel: Panel, top: Double) -> String {
        let points = panel.curves.flatMap(\.points).filter { $0.y.isFinite }
        let bottom = top + Self.panelHeight, end = Self.width - Self.right
        let xs = Scale([0] + points.map(\.x), from: Self.left, to: end), ys = Scale(points.map(\.y), from: bottom, to: top, isLogarithmic: panel.isLogarithmic)
        var parts = ["<text x=\"\(Self.left.short)\" y=\"\((top - 12).short)\" class=\"panel\">\(panel.title.escapedForXML)</text>"]
        for tick in ys.ticks {
            let y = ys.place(tick)
            parts.append("<line x1=\"\(Self.left.short)\" x2=\"\(end.short)\" y1=\"\(y.short)\" y2=\"\(y.short)\" class=\"grid\"/>")
            parts.append("<text x=\"\((Self.left - 8).short)\" y=\"\((y + 4).short)\" class=\"end\">\(tick.asTick)</text>")
        }
        for tick in xs.ticks {
            parts.append("<text x=\"\(xs.place(tick).short)\" y=\"\((bottom + 18).short)\" class=\"middle\">\(tick.asTick)</text>")
        }
        parts.append("<text x=\"\(end.short)\" y=\"\((bottom + 34).short)\" class=\"end\">\(axis.escapedForXML)</text>")
        var names: [(y: Double, index: Int)] = []
        for (index, curve) in panel.curves.enumerated() {
            let drawn = curve.points.filter { $0.y.isFinite }.map { "\(xs.place($0.x).short),\(ys.place($0.y).short)" }
            parts.append("<polyline points=\"\(drawn.joined(separator: " "))\" class=\"curve line\(index % Self.light.count)\"/>")
            names.append((y: curve.points.last { $0.y.isFinite }.map { ys.place($0.y) } ?? top, index: index))
        }
        // The legend: each name at the end of its curve, moved apart where they meet.
        names.sort { $0.y < $1.y }
        var next = top
        for (place, name) in names.enumerated() {
            let room = bottom + 12 - 15 * Double(names.count - place)
            let y = min(max(name.y, next), max(room, next))
            next = y + 15
            let text = panel.curves[name.index].name.escapedForXML
            parts.append("<text x=\"\((end + 8).short)\" y=\"\((y + 4).short)\" class=\"name name\(name.index % Self.light.count)\">\(text)</text>")
        }
        return parts.joined(separator: "\n")
    }
}

/// From values to places on the paper, and the round values between.
private struct Scale {
    private let low: Double, high: Double, start: Double, end: Double
    private let isLogarithmic: Bool
    let ticks: [Double]

    init(_ values: [Double], from start: Double, to end: Double, isLogarithmic: Bool = false) {
        (self.start, self.end, self.isLogarithmic) = (start, end, isLogarithmic)
        let (least, most) = (values.min() ?? 1, values.max() ?? 1)
        if isLogarithmic {
            let decades = Int(log10(least).rounded(.down))...Int(log10(most).rounded(.up))
            let all = decades.flatMap { decade in [1.0, 2, 5].map { $0 * pow(10, Double(decade)) } }
            let first = all.last { $0 <= least } ?? least, last = all.first { $0 >= most } ?? most
            ticks = all.filter { $0 >= first && $0 <= last }
            (low, high) = (log10(first), log10(max(last, first * 2)))
        } else {
            let span = max(most - least, 1e-9), power = pow(10, log10(span / 6).rounded(.down))
            let step = [1.0, 2, 5, 10].map { $0 * power }.first { span / $0 <= 6 } ?? 10 * power
            let first = (least / step).rounded(.down), last = (most / step).rounded(.up)
            ticks = stride(from: first, through: max(last, first + 1), by: 1).map { $0 * step }
            (low, high) = (ticks[0], ticks.last!)
        }
    }

    func place(_ value: Double) -> Double { start + ((isLogarithmic ? log10(value) : value) - low) / (high - low) * (end - start) }
}

extension Double {
    /// For coordinates.
    fileprivate var short: String { String(format: "%.1f", self) }
    fileprivate var asTick: String { String(format: "%g", self) }
}

extension String {
    var escapedForXML: String { replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;") }
}
