import Foundation
import RecurrentFormats

/// A picture as SVG that reads in light and in dark: what all of them share.
enum Picture {
    /// Of curves and marks that stand beside each other.
    private static let light = [
        "#0b62d6", "#c2570c", "#1a7f37", "#8250df", "#bf3989", "#7a6a00", "#0a7ea4", "#57606a",
        "#a40e26",
    ]
    private static let dark = [
        "#62a8ff", "#ff9a52", "#56d364", "#bc8cff", "#f778ba", "#d8c24a", "#4fc3e8", "#a9b3bd",
        "#ff7b72",
    ]

    /// The classes of the `index`-th colour are `line` for strokes and `fill` for text and marks.
    static func colour(_ index: Int) -> (line: String, fill: String) {
        ("line\(index % light.count)", "fill\(index % light.count)")
    }

    /// - Parameters:
    ///   - style: of classes that this picture alone has.
    ///   - body: below a title and a subtitle, which end at y = 56.
    static func document(
        width: Double, height: Double, title: String, subtitle: String, style: String,
        body: [String]
    ) -> String {
        func colours(_ colours: [String]) -> String {
            colours.enumerated().map { ".line\($0) { stroke: \($1); } .fill\($0) { fill: \($1); }" }
                .joined(separator: " ")
        }
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(width.place) \(height.place)" \
            width="\(width.place)" height="\(height.place)" role="img">
            <title>\(title.escapedForXML)</title>
            <style>
            text { font: 12px system-ui, sans-serif; fill: #1b1f24; } .title { font-size: 17px; \
            font-weight: 600; } .strong { font-weight: 600; }
            .end { text-anchor: end; } .middle { text-anchor: middle; } .paper { fill: #ffffff; } \
            .grid { stroke: #d5dae0; }
            .curve { fill: none; stroke-width: 2; stroke-linejoin: round; } \(style) \
            \(colours(light))
            @media (prefers-color-scheme: dark) {
            text { fill: #e4e8ec; } .paper { fill: #14171a; } .grid { stroke: #3a4149; } \
            \(colours(dark))
            }
            </style>
            <rect width="100%" height="100%" class="paper"/>
            \(text(16, 28, title, "title"))
            \(text(16, 48, subtitle))
            \(body.joined(separator: "\n"))
            </svg>

            """
    }

    static func text(_ x: Double, _ y: Double, _ text: String, _ classes: String = "") -> String {
        """
        <text x="\(x.place)" y="\(y.place)"\(classes.isEmpty ? "" : " class=\"\(classes)\"")>\
        \(text.escapedForXML)</text>
        """
    }

    static func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ classes: String)
        -> String
    {
        """
        <line x1=\"\(x1.place)\" y1=\"\(y1.place)\" x2=\"\(x2.place)\" y2=\"\(y2.place)\" \
        class=\"\(classes)\"/>
        """
    }

    /// A round mark that tells its value to who points at it.
    static func mark(_ x: Double, _ y: Double, radius: Double, _ classes: String, _ title: String)
        -> String
    {
        """
        <circle cx=\"\(x.place)\" cy=\"\(y.place)\" r=\"\(radius.place)\" \
        class=\"\(classes)\"><title>\(title.escapedForXML)</title></circle>
        """
    }

    /// Lines between the first and the second point, the third and the fourth, and so on.
    static func segments(_ points: [(x: Double, y: Double)], _ classes: String) -> String {
        let path = points.enumerated().map {
            "\($0 % 2 == 0 ? "M" : "L")\($1.x.place) \($1.y.place)"
        }
        return "<path d=\"\(path.joined())\" class=\"\(classes)\"/>"
    }

    static func curve(_ points: [(x: Double, y: Double)], _ classes: String) -> String {
        """
        <polyline \
        points=\"\(points.map { "\($0.x.place),\($0.y.place)" }.joined(separator: " "))\" \
        class=\"curve \(classes)\"/>
        """
    }
}

extension Double {
    /// As a coordinate: tenths are finer than what is seen.
    fileprivate var place: String { String(format: "%.1f", self) }
}

extension String {
    /// XML has no place for most controls, not even as references.
    fileprivate var escapedForXML: String {
        printable().replacing("&", with: "&amp;").replacing("<", with: "&lt;")
            .replacing(">", with: "&gt;")
    }
}
