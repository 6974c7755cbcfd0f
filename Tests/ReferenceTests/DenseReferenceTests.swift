import ComplexModule
import RealModule
import RecurrentReference
import TestSupport
import Testing

@Suite struct DenseReferenceTests {
    @Test func backwardAgainstComplexStep() {
        var generator = Generator(seed: 2)
        func matrix(_ rows: Int, _ columns: Int) -> [[Double]] {
            (0..<rows).map { _ in generator.floats(columns).map { Double($0) } }
        }
        let layer = Dense(W: matrix(3, 4), b: matrix(1, 3)[0])
        let x = matrix(5, 4)
        let dy = matrix(5, 3)
        let step = 1e-30
        var gradient = Dense<Double>(W: matrix(3, 4).map { $0.map { _ in 0 } }, b: [0, 0, 0])
        gradient.addGradient(x: x, dy: dy)
        func complex(_ matrix: [[Double]]) -> [[Complex<Double>]] {
            matrix.map { $0.map { Complex($0) } }
        }
        func derivative(_ move: (inout Dense<Complex<Double>>, inout [[Complex<Double>]]) -> Void)
            -> Double
        {
            var (layer, x) = (
                Dense(W: complex(layer.W), b: layer.b.map { Complex($0) }), complex(x)
            )
            move(&layer, &x)
            return zip(layer.forward(x: x).joined(), dy.joined()).reduce(0) {
                $0 + $1.0.imaginary / step * $1.1
            }
        }
        for n in 0..<3 {
            expectClose(
                [gradient.b[n]], [derivative { layer, _ in layer.b[n].imaginary = step }],
                relative: 1e-12)
            for k in 0..<4 {
                expectClose(
                    [gradient.W[n][k]], [derivative { layer, _ in layer.W[n][k].imaginary = step }],
                    relative: 1e-12)
            }
        }
        let dx = layer.backwardInput(dy: dy)
        for m in 0..<5 {
            for k in 0..<4 {
                expectClose(
                    [dx[m][k]], [derivative { _, x in x[m][k].imaginary = step }], relative: 1e-12)
            }
        }
    }
}
