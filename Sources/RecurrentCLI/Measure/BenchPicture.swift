import Foundation

/// Ratios to the floor, a row for each measurement, as SVG that reads in light and in dark.
struct BenchPicture {
    private static let width = 860.0, left = 250.0, right = 30.0, top = 92.0, rowHeight = 17.0
    private let summary: BenchSummary
    /// Powers of two, between which the axis runs.
    private let axis: ClosedRange<Int>

    init(_ summary: BenchSummary) {
        self.summary = summary
        let ratios =
            summary.reports.map(\.ratioToFloor) + summary.reports.compactMap(\.peerRatioToFloor)
        axis =
            min(
                -1, Int(log2(ratios.min()!).rounded(.down)))...max(
                2, Int(log2(ratios.max()!).rounded(.up)))
    }

    private func x(_ ratio: Double) -> Double {
        let part = (log2(ratio) - Double(axis.lowerBound)) / Double(axis.count - 1)
        return Self.left + part * (Self.width - Self.left - Self.right)
    }

    var svg: String {
        var marks: [String] = []
        var y = Self.top
        var group: String?
        for report in summary.reports {
            let name = "\(report.name), \(report.threads) thread\(report.threads == 1 ? "" : "s")"
            if name != group {
                y += group == nil ? 0 : Self.rowHeight / 2
                marks.append(Picture.text(16, y + 4, name, "strong"))
                y += Self.rowHeight
                group = name
            }
            let ours = x(report.ratioToFloor)
            marks.append(
                Picture.text(
                    Self.left - 12, y + 4,
                    report.name == report.title
                        ? report.sizesText : "\(report.title) \(report.sizesText)", "end"))
            if let peer = report.peer, let ratio = report.peerRatioToFloor {
                marks.append(Picture.line(ours, y, x(ratio), y, "grid between"))
                marks.append(
                    Picture.mark(
                        x(ratio), y, radius: 4, fill(peer), "\(peer.title): \(ratio.rounded)"))
            }
            marks.append(
                Picture.mark(
                    ours, y, radius: 5, Picture.colour(0).fill,
                    "ours: \(report.ratioToFloor.rounded)"))
            y += Self.rowHeight
        }
        let grid = axis.flatMap { power -> [String] in
            let place = x(exp2(Double(power)))
            return [
                Picture.line(place, Self.top - 12, place, y, power == 0 ? "floor" : "grid"),
                Picture.text(
                    place, y + 16, power < 0 ? "1/\(1 << -power)" : String(1 << power), "middle"),
            ]
        }
        return Picture.document(
            width: Self.width, height: y + 34, title: "Time over the hardware's floor",
            subtitle: subtitle,
            style: ".between { stroke-width: 3; } .floor { stroke: #7d8590; stroke-width: 2; }",
            body: legend + grid + marks)
    }

    private func fill(_ peer: Peer) -> String { Picture.colour(peer.key == "loop" ? 5 : 1).fill }

    private var subtitle: String {
        let limits = summary.limits
        return "Shortest of many calls; left is faster. \(limits[0].isa), peak "
            + limits.map {
                """
                \(String(format: "%.0f", $0.threadsGflops)) GFLOP/s on \($0.threads) \
                thread\($0.threads == 1 ? "" : "s")
                """
            }.joined(separator: ", ")
    }

    private var legend: [String] {
        var peers: [Peer] = []
        for case let peer? in summary.reports.map(\.peer)
        where !peers.contains(where: { $0.key == peer.key }) { peers.append(peer) }
        let names = [("ours", Picture.colour(0).fill)] + peers.map { ($0.title, fill($0)) }
        return names.enumerated().flatMap { index, name in
            let x = 22 + 250 * Double(index)
            return [
                Picture.mark(x, 66, radius: 5, name.1, name.0), Picture.text(x + 12, 70, name.0),
            ]
        }
    }
}
