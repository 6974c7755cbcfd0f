import CRecurrent
import Foundation
import RecurrentReference
import TestSupport
import Testing

/// f and f' of `count` floats, as the kernels compute them.
private func values(_ f: Activation, parameter: Float, _ isa: KernelTable, _ x: [Float]) -> (
    y: [Float], derivative: [Float]
) {
    var shape = recurrent_rows_shape(rows: 1, units: x.count)
    let all = recurrent_partition(index: 0, count: 1)
    let padded = shape.padded(x)
    var y = padded
    var dx = shape.padded(x.map { _ in 1 })
    isa.kernels.activation_forward(&shape, f.cValue, parameter, padded, &y, all)
    isa.kernels.activation_backward(&shape, f.cValue, parameter, padded, y, dx, &dx, all)
    return (Array(y[..<x.count]), Array(dx[..<x.count]))
}

/// Parameters of which multiples are exact: the errors are those of the function.
private let functions: [Activation] = Activation.allCases.map {
    if case .elu = $0 { .elu(alpha: 1) } else { $0 }
}

@Suite struct ActivationAccuracyTests {
    /// The rows of README.md's table of activations: a name in backticks, and the largest error in
    /// units in the last place.
    private static func stated() throws -> [String: Double] {
        let readme = URL(filePath: #filePath).deletingLastPathComponent().appending(
            path: "../../README.md")
        let rows = try String(contentsOf: readme, encoding: .utf8).split(separator: "\n").filter {
            $0.hasPrefix("| `")
        }.map { $0.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) } }
        return Dictionary(
            uniqueKeysWithValues: rows.compactMap { row in
                Double(row[row.count - 1]).map { (row[0].trimmingCharacters(in: ["`"]), $0) }
            })
    }

    /// What is added to the list of one must be in those of all.
    @Test func everyListHasEveryActivation() throws {
        #expect(Activation.allCases.count == Int(recurrent_activation_count))
        #expect(Set(try Self.stated().keys) == Set(Activation.allCases.map(\.name)))
        for f in Activation.allCases {
            #expect(f.derivativeReadsX == (recurrent_activation_reads_x(f.cValue) != 0), "\(f)")
        }
    }

    /// Every 40,009th float, or all 2^32 where RECURRENT_EXHAUSTIVE is 1: f within what README.md
    /// states, f' within 2^-22, the same bits on all instruction sets.
    @Test(arguments: functions) func everyFloat(f: Activation) async throws {
        let exhaustive = ProcessInfo.processInfo.environment["RECURRENT_EXHAUSTIVE"] == "1"
        let stride: UInt64 = exhaustive ? 1 : 40_009
        let bound = try #require(try Self.stated()[f.name])
        let parts = 64
        let worst = try await withThrowingTaskGroup(of: Double.self) { group in
            for part in 0..<parts {
                group.addTask {
                    let size = (1 << 32) / UInt64(parts)
                    let first = UInt64(part) * size
                    return try largestError(
                        f, Swift.stride(from: first, to: first + size, by: Int(stride)))
                }
            }
            return try await group.reduce(0, max)
        }
        #expect(worst <= bound, "\(f) is off by \(worst) ULP")
        #expect(
            worst >= (exhaustive ? 0.9 : 0.4) * bound,
            "README.md states \(bound), where \(worst) is found")
        if exhaustive { print("| `\(f.name)` | \(worst) |") }
    }

    private func largestError(_ f: Activation, _ bits: StrideTo<UInt64>) throws -> Double {
        let tables = [KernelTable.all[0], KernelTable.all[KernelTable.all.count - 1]]
        var bits = bits.makeIterator()
        var worst = 0.0
        while true {
            let x = (0..<4096).compactMap { _ in bits.next().map { Float(bitPattern: UInt32($0)) } }
            if x.isEmpty { return worst }
            let found = values(f, parameter: f.parameter, tables[1], x)
            let generic = values(f, parameter: f.parameter, tables[0], x)
            try Comparer.checkSameBits("y", generic.y, found.y)
            try Comparer.checkSameBits("dx", generic.derivative, found.derivative)
            for n in x.indices where x[n].isFinite {
                let z = Double(x[n])
                let expected: Double = f(z)
                let ulp = max(
                    Double(bitPattern: expected.bitPattern & Double.infinity.bitPattern)
                        * 0x1p-23, 0x1p-149)
                let error = (Double(found.y[n]) - expected).magnitude / ulp
                try Comparer.check(
                    "\(f)(\(z))", [found.y[n]], [expected], absolute: 100 * ulp, relative: 0)
                worst = max(worst, error)
                // From y, the derivative has the error of y.
                let seam = f.derivativeReadsX ? 0 : 0x1p-21
                let near: [Double] = [z - seam, z + seam].map { f.derivative(x: $0) }
                try Comparer.check(
                    "\(f)'(\(z))", [found.derivative[n]], [(near[0] + near[1]) / 2],
                    absolute: (near[0] - near[1]).magnitude / 2 + 0x1p-22, relative: 0)
            }
        }
    }

    /// Zeros stay where f(0) = 0, subnormals pass, and at infinity f and f' are their limits.
    @Test(arguments: KernelTable.all, functions) func specialValues(isa: KernelTable, f: Activation)
    {
        let x: [Float] = [0, -0.0, 0x1p-149, -0x1p-149, 0x1.8p-130, -0x1.8p-130]
        let found = values(f, parameter: f.parameter, isa, x)
        for n in x.indices {
            let expected: Double = f(Double(x[n]))
            #expect((Double(found.y[n]) - expected).magnitude <= max(0x1p-149, expected * 0x1p-23))
        }
        let far: [Float] = [-.infinity, .infinity, .nan]
        let ends = values(f, parameter: f.parameter, isa, far)
        for n in 0..<2 {
            // Far enough for every one that has a limit; what has none is as large as this.
            let z = n == 0 ? -1e6 : 1e6
            let limit: Double = f(z)
            let slope: Double = f.derivative(x: z)
            #expect(ends.y[n] == (limit.magnitude > 1 ? far[n] : Float(limit)), "\(f)(\(far[n]))")
            #expect(ends.derivative[n] == Float(slope), "\(f)'(\(far[n]))")
        }
        #expect(ends.y[2].isNaN)
        if f.derivativeReadsX { #expect(ends.derivative[2].isNaN) }
    }
}
