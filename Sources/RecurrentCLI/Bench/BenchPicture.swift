import Foundation

/// Ratios to the floor, a row for each measurement, as SVG that reads in light and in dark.
struct BenchPicture {
    private static let width = 860, left = 250, right = 30, top = 92, rowHeight = 17
    private let summary: BenchSummary
    /// Powers of two, between which the axis runs.
    private let axis: ClosedRange<Int>

    init(_ summary: BenchSummary) {
        self.summary = summary
        let ratios = summary.reports.map(\.ratioToFloor) + summary.reports.compactMap(\.peerRatioToFloor)
        axis = min(-1, Int(log2(ratios.min()!).rounded(.down)))...max(2, Int(log2(ratios.max()!).rounded(.up)))
    }

    private func x(_ ratio: Double) -> String {
        let part = (log2(ratio) - Double(axis.lowerBound)) / Double(axis.count - 1)
        return String(format: "%.1f", Double(Self.left) + part * Double(Self.width - Self.left - Self.right))
    }

    private func text(_ x: String, _ y: Int, _ text: String, _ classes: String = "") -> String {
        "<text x=\"\(x)\" y=\"\(y)\"\(classes.isEmpty ? "" : " class=\"\(classes)\"")>\(text.escapedForXML)</text>"
    }

    var svg: String {
        var marks: [String] = []
        var y = Self.top
        var group: String?
        for report in summary.reports {
            let name = "\(report.name), \(report.threads) thread\(report.threads == 1 ? "" : "s")"
            if name != group {
                y += group == nil ? 0 : Self.rowHeight / 2
                marks.append(text("16", y + 4, name, "group"))
                y += Self.rowHeight
                group = name
            }
            marks.append(text(String(Self.left - 12), y + 4, report.name == report.title ? report.sizesText : "\(report.title) \(report.sizesText)", "end"))
            if let peer = report.peer, let ratio = report.peerRatioToFloor {
                marks.append("<line x1=\"\(x(report.ratioToFloor))\" x2=\"\(x(ratio))\" y1=\"\(y)\" y2=\"\(y)\" class=\"between\"/>")
                marks.append("<circle cx=\"\(x(ratio))\" cy=\"\(y)\" r=\"4\" class=\"\(peer.key)\"><title>\(peer.title): \(ratio.rounded)</title></circle>")
            }
            marks.append("<circle cx=\"\(x(report.ratioToFloor))\" cy=\"\(y)\" r=\"5\" class=\"ours\"><title>ours: \(report.ratioToFloor.rounded)</title></circle>")
            y += Self.rowHeight
        }
        let height = y + 34
        let grid = axis.flatMap { power -> [String] in
            let ratio = exp2(Double(power)), label = ratio < 1 ? "1/\(1 << -power)" : String(1 << power)
            return ["<line x1=\"\(x(ratio))\" x2=\"\(x(ratio))\" y1=\"\(Self.top - 12)\" y2=\"\(y)\" class=\"\(power == 0 ? "floor" : "grid")\"/>",
                    text(x(ratio), y + 16, label, "middle")]
        }
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(Self.width) \(height)" width="\(Self.width)" height="\(height)" role="img">
            <title>Time over the hardware's floor</title>
            <style>
            text { font: 12px system-ui, sans-serif; fill: #1b1f24; }
            .title { font-size: 17px; font-weight: 600; } .group { font-weight: 600; } .end { text-anchor: end; } .middle { text-anchor: middle; }
            .paper { fill: #ffffff; } .grid, .between { stroke: #d5dae0; } .between { stroke-width: 3; } .floor { stroke: #1b1f24; stroke-width: 1.5; }
            .ours { fill: #0b62d6; } .openblas { fill: #c2570c; } .loop { fill: #7a6a00; }
            @media (prefers-color-scheme: dark) {
            text { fill: #e4e8ec; } .paper { fill: #14171a; } .grid, .between { stroke: #3a4149; } .floor { stroke: #e4e8ec; }
            .ours { fill: #62a8ff; } .openblas { fill: #ff9a52; } .loop { fill: #d8c24a; }
            }
            </style>
            <rect width="100%" height="100%" class="paper"/>
            \(text("16", 28, "Time over the hardware's floor", "title"))
            \(text("16", 48, subtitle))
            \(legend)
            \((grid + marks).joined(separator: "\n"))
            </svg>

            """
    }

    private var subtitle: String {
        let limits = summary.limits
        return "Shortest of many calls; left is faster. \(limits[0].isa), peak "
            + limits.map { "\(String(format: "%.0f", $0.threadsGflops)) GFLOP/s on \($0.threads) thread\($0.threads == 1 ? "" : "s")" }.joined(separator: ", ")
    }

    private var legend: String {
        var peers: [Peer] = []
        for case let peer? in summary.reports.map(\.peer) where !peers.contains(where: { $0.key == peer.key }) { peers.append(peer) }
        let names = [("ours", "ours")] + peers.map { ($0.key, $0.title) }
        return names.enumerated().map { index, name in
            let x = 22 + 250 * index
            return "<circle cx=\"\(x)\" cy=\"66\" r=\"5\" class=\"\(name.0)\"/>" + text(String(x + 12), 70, name.1)
        }.joined(separator: "\n")
    }
}
