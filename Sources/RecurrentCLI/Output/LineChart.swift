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

    private static let width = 860.0, left = 64.0, right = 150.0, top = 84.0, panelHeight = 250.0,
        gap = 56.0

    var svg: String {
        Picture.document(
            width: Self.width,
            height: Self.top + Double(panels.count) * (Self.panelHeight + Self.gap), title: title,
            subtitle: subtitle,
            style: "",
            body: panels.enumerated().flatMap {
                panel($1, top: Self.top + Double($0) * (Self.panelHeight + Self.gap))
            })
    }

    private func panel(_ panel: Panel, top: Double) -> [String] {
        let points = panel.curves.flatMap(\.points).filter { $0.y.isFinite }
        let bottom = top + Self.panelHeight
        let end = Self.width - Self.right
        let xs = Scale([0] + points.map(\.x), from: Self.left, to: end)
        let ys = Scale(points.map(\.y), from: bottom, to: top, isLogarithmic: panel.isLogarithmic)
        var parts = [Picture.text(Self.left, top - 12, panel.title, "strong")]
        for tick in ys.ticks {
            parts.append(Picture.line(Self.left, ys.place(tick), end, ys.place(tick), "grid"))
            parts.append(Picture.text(Self.left - 8, ys.place(tick) + 4, tick.asTick, "end"))
        }
        parts += xs.ticks.map { Picture.text(xs.place($0), bottom + 18, $0.asTick, "middle") }
        parts.append(Picture.text(end, bottom + 34, axis, "end"))
        var names: [(y: Double, index: Int)] = []
        for (index, curve) in panel.curves.enumerated() {
            let drawn = curve.points.filter { $0.y.isFinite }.map {
                (x: xs.place($0.x), y: ys.place($0.y))
            }
            parts.append(Picture.curve(drawn, Picture.colour(index).line))
            names.append((y: drawn.last?.y ?? top, index: index))
        }
        // The legend: each name at the end of its curve, moved apart where they meet.
        names.sort { $0.y < $1.y }
        var next = top
        for (place, name) in names.enumerated() {
            let room = bottom + 12 - 15 * Double(names.count - place)
            let y = min(max(name.y, next), max(room, next))
            next = y + 15
            parts.append(
                Picture.text(
                    end + 8, y + 4, panel.curves[name.index].name,
                    "strong \(Picture.colour(name.index).fill)"))
        }
        return parts
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
            // Some ten lines at most: over many decades not even each power of ten.
            let every = (decades.count + 7) / 8
            let all =
                decades.count <= 4
                ? decades.flatMap { decade in [1.0, 2, 5].map { $0 * pow(10, Double(decade)) } }
                : (0...(decades.count + every - 2) / every).map {
                    pow(10, Double(decades.lowerBound + $0 * every))
                }
            let first = all.last { $0 <= least } ?? least
            let last = all.first { $0 >= most } ?? most
            ticks = all.filter { $0 >= first && $0 <= last }
            (low, high) = (log10(first), log10(max(last, first * 2)))
        } else {
            let span = max(most - least, 1e-9)
            let power = pow(10, log10(span / 6).rounded(.down))
            let step = [1.0, 2, 5, 10].map { $0 * power }.first { span / $0 <= 6 } ?? 10 * power
            let first = (least / step).rounded(.down)
            let last = (most / step).rounded(.up)
            ticks = stride(from: first, through: max(last, first + 1), by: 1).map { $0 * step }
            (low, high) = (ticks[0], ticks.last!)
        }
    }

    func place(_ value: Double) -> Double {
        start + ((isLogarithmic ? log10(value) : value) - low) / (high - low) * (end - start)
    }
}

extension Double {
    fileprivate var asTick: String { String(format: "%g", self) }
}
