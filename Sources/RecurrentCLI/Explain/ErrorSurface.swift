import Foundation
import Recurrent

/// An error of two parameters, to watch optimizers on.
struct ErrorSurface {
    let name: String, formula: String
    let x: ClosedRange<Double>, y: ClosedRange<Double>
    let start: (x: Double, y: Double)
    /// For sgd, momentum, nesterov, adagrad, rmsprop and adam: near the largest that each of them
    /// stands here.
    let learningRates: [Double]
    let value: @Sendable (Double, Double) -> Double
    let gradient: @Sendable (Double, Double) -> (Double, Double)

    static let all = [sigmoidNeuron, ravine, saddle, rosenbrock]

    /// `SigmoidNeuron` with the mean squared error against what w = 2, b = -1 gives: flat wherever
    /// the neuron is saturated.
    static let sigmoidNeuron: ErrorSurface = {
        let inputs = [[-2], [-1.2], [-0.5], [0.3], [0.9], [1.6]]
        let targets = inputs.map(SigmoidNeuron(weights: [2], bias: -1).output)
        return ErrorSurface(
            name: "sigmoid neuron", formula: "mean of (σ(w x + b) - t)²", x: -8...8, y: -8...8,
            start: (-4.5, 3.5),
            learningRates: [8, 0.8, 0.8, 0.8, 0.1, 0.2],
            value: { w, b in
                SigmoidNeuron(weights: [w], bias: b).meanSquaredError(
                    inputs: inputs, targets: targets
                ).error
            },
            gradient: { w, b in
                let (_, dw, db) = SigmoidNeuron(weights: [w], bias: b).meanSquaredError(
                    inputs: inputs, targets: targets)
                return (dw[0], db)
            })
    }()

    /// Twenty times as steep across as along.
    static let ravine = ErrorSurface(
        name: "ravine", formula: "(x² + 20 y²) / 2", x: -10...10, y: -4...4, start: (-9, 2.5),
        learningRates: [0.09, 0.02, 0.02, 1, 0.12, 0.5],
        value: { x, y in (x * x + 20 * y * y) / 2 }, gradient: { x, y in (x, 20 * y) })

    /// Nearly flat at the origin, which attracts along x and repels along y.
    static let saddle = ErrorSurface(
        name: "saddle", formula: "x² - y² + y⁴ / 4", x: -2...2, y: -2...2, start: (-1.8, 0.001),
        learningRates: [0.1, 0.02, 0.02, 0.3, 0.03, 0.1],
        value: { x, y in x * x - y * y + y * y * y * y / 4 },
        gradient: { x, y in (2 * x, -2 * y + y * y * y) })

    /// Rosenbrock 1960: a curved valley with a flat floor.
    static let rosenbrock = ErrorSurface(
        name: "Rosenbrock", formula: "(1 - x)² + 100 (y - x²)²", x: -2...2, y: -1...3,
        start: (-1.2, 1),
        learningRates: [0.0015, 0.0006, 0.0006, 0.5, 0.01, 0.1],
        value: { x, y in (1 - x) * (1 - x) + 100 * (y - x * x) * (y - x * x) },
        gradient: { x, y in (-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)) })

    /// Lines of equal error by marching squares (Lorensen and Cline 1987, in two dimensions): pairs
    /// of points for each of `count` levels, which are evenly spaced in the logarithm of the error
    /// above the lowest.
    func contours(count: Int, cells: Int = 56) -> [[(x: Double, y: Double)]] {
        func point(_ range: ClosedRange<Double>, _ index: Double) -> Double {
            range.lowerBound + (range.upperBound - range.lowerBound) * index / Double(cells)
        }
        let grid = (0...cells).map { row in
            (0...cells).map { column in value(point(x, Double(column)), point(y, Double(row))) }
        }
        let least = grid.joined().min()!
        let most = grid.joined().max()!
        let floor = (most - least) * 2e-3
        return (1...count).map { index in
            let level =
                least + floor
                * (pow((most - least) / floor + 1, Double(index) / Double(count + 1)) - 1)
            var segments: [(x: Double, y: Double)] = []
            for row in 0..<cells {
                for column in 0..<cells {
                    let corners = [(0, 0), (1, 0), (1, 1), (0, 1)].map {
                        (x: column + $0.0, y: row + $0.1)
                    }
                    // Where the level crosses the sides of the cell, one after the other: two
                    // points make a line, four make two.
                    for side in 0..<4 {
                        let (a, b) = (corners[side], corners[(side + 1) % 4])
                        let (low, high) = (grid[a.y][a.x] - level, grid[b.y][b.x] - level)
                        guard (low < 0) != (high < 0) else { continue }
                        let part = low / (low - high)
                        segments.append(
                            (
                                x: point(x, Double(a.x) + part * Double(b.x - a.x)),
                                y: point(y, Double(a.y) + part * Double(b.y - a.y))
                            ))
                    }
                }
            }
            return segments
        }
    }
}
