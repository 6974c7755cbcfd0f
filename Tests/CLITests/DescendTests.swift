import Foundation
import Recurrent
import Testing

@testable import recurrent_cli

#if canImport(FoundationXML)
    import FoundationXML
#endif

@Suite struct DescendTests {
    /// Central differences, whose error here is below 1e-5 of the largest second derivative.
    @Test(arguments: ErrorSurface.all.indices) func gradientsAreThoseOfTheError(index: Int) {
        let surface = ErrorSurface.all[index]
        let step = 1e-5
        for x in stride(from: surface.x.lowerBound, through: surface.x.upperBound, by: 0.37) {
            for y in stride(from: surface.y.lowerBound, through: surface.y.upperBound, by: 0.41) {
                let (dx, dy) = surface.gradient(x, y)
                let differences = (
                    (surface.value(x + step, y) - surface.value(x - step, y)) / (2 * step),
                    (surface.value(x, y + step) - surface.value(x, y - step)) / (2 * step)
                )
                #expect(
                    abs(dx - differences.0) <= 1e-6 * max(abs(dx), 1)
                        && abs(dy - differences.1) <= 1e-6 * max(abs(dy), 1),
                    "\(surface.name) at \(x), \(y)")
            }
        }
    }

    /// On the circles of x² + y², every point lies at one distance from the middle, within what a
    /// cell's straight lines leave.
    @Test func contoursAreLinesOfEqualError() {
        let bowl = ErrorSurface(
            name: "bowl", formula: "x² + y²", x: -2...2, y: -2...2, start: (1, 1),
            learningRates: [],
            value: { $0 * $0 + $1 * $1 }, gradient: { (2 * $0, 2 * $1) })
        let levels = bowl.contours(count: 5, cells: 80)
        let radii = levels.map { $0.map { ($0.x * $0.x + $0.y * $0.y).squareRoot() } }
        #expect(levels.count == 5 && levels.allSatisfy { !$0.isEmpty && $0.count % 2 == 0 })
        for level in radii { #expect(level.max()! - level.min()! <= 0.02) }
        #expect(radii.map { $0[0] } == radii.map { $0[0] }.sorted(), "levels rise")
    }

    @Test func everyPathGoesDown() async throws {
        let folder = try Folder()
        let run = try await recurrent(
            ["descend", "--steps", "60", "--json", "--svg", "paths.svg"], in: folder)
        #expect(run.exitCode == 0 && run.error.isEmpty)
        let report = try #require(
            JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        let descents = try #require(report["descents"] as? [[String: Any]])
        #expect(descents.count == ErrorSurface.all.count * Descent.optimizers.count)
        for descent in descents {
            let errors = try #require(descent["errors"] as? [Double])
            #expect(
                errors.count == 61 && errors.last! < errors[0],
                "\(descent["surface"]!), \(descent["optimizer"]!)")
        }
        let shapes = Shapes()
        let parser = XMLParser(data: Data(try folder.read("paths.svg")))
        parser.delegate = shapes
        #expect(parser.parse(), "\(String(describing: parser.parserError))")
        #expect(
            shapes.counts["polyline"] == descents.count
                && shapes.counts["path"] == 12 * ErrorSurface.all.count)
    }

    @Test func lbfgsComesToTheEndOfTheValley() {
        let descent = Descent(lbfgsOn: .rosenbrock, steps: 60, kernels: .best)
        #expect(
            descent.path.count == 61 && descent.path.last == [1, 1] && descent.errors.last == 0)
        #expect(
            zip(descent.errors, descent.errors.dropFirst()).allSatisfy { $1 <= $0 },
            "no step goes up")
    }

    /// By hand: x - 0.09 x, y - 0.09 · 20 y.
    @Test func plainDescentTakesItsFirstStep() {
        let descent = Descent("sgd", learningRate: 0.09, .ravine, steps: 1, kernels: .best)
        #expect(
            abs(descent.path[1][0] + 9 * 0.91) <= 1e-5
                && abs(descent.path[1][1] + 2.5 * 0.8) <= 1e-5)
    }

    @Test(arguments: [["--steps", "0"], ["--steps", "x"], ["--svg", ""], ["--isa", "neon"]])
    func badOptionsAreRefused(arguments: [String]) async throws {
        let run = try await recurrent(["descend"] + arguments)
        #expect(run.exitCode == 64 && run.output.isEmpty)
    }

    private final class Shapes: NSObject, XMLParserDelegate {
        var counts: [String: Int] = [:]

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
            qualifiedName: String?, attributes: [String: String]
        ) {
            counts[name, default: 0] += 1
        }
    }
}
