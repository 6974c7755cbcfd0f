import CRecurrent
import Foundation
import RecurrentReference
import TestSupport
import Testing

/// The functions of vmath.h, with what each promises over all floats.
enum VectorFunction: String, CaseIterable, Sendable {
    case exp, log, tanh, sigmoid

    /// The largest error in units in the last place, as vmath.h and kernel_list.h state it.
    var bound: Double {
        switch self {
        case .exp: 0.90
        case .log: 0.96
        case .tanh: 1.15
        case .sigmoid: 1.95
        }
    }

    /// Where the error is largest, of all floats.
    var worst: Float {
        switch self {
        case .exp: 0x1.4f623cp+2
        case .log: 0x1.69f77ep+0
        case .tanh: 0x1.1052bp-1
        case .sigmoid: -0x1.155814p+4
        }
    }

    /// The largest error in thousandths of a unit in the last place, as README.md's table states
    /// it: the first column of its first line that begins with the function.
    func statedThousandths() throws -> Int {
        let readme = URL(filePath: #filePath).deletingLastPathComponent().appending(
            path: "../../README.md")
        let line = try #require(
            String(contentsOf: readme, encoding: .utf8).split(separator: "\n").first {
                $0.hasPrefix("| \(rawValue) | ")
            })
        let figure = try #require(
            Double(line.split(separator: "|")[1].trimmingCharacters(in: .whitespaces)))
        return Int((figure * 1000).rounded())
    }

    func callAsFunction(
        _ kernels: recurrent_kernels, _ count: Int, _ x: UnsafePointer<Float>,
        _ y: UnsafeMutablePointer<Float>
    ) {
        switch self {
        case .exp: kernels.vector_exp(count, x, y)
        case .log: kernels.vector_log(count, x, y)
        case .tanh: kernels.vector_tanh(count, x, y)
        case .sigmoid: kernels.vector_sigmoid(count, x, y)
        }
    }

    func reference(_ x: Double) -> Double {
        switch self {
        case .exp: Double.exp(x)
        case .log: Double.log(x)
        case .tanh: Double.tanh(x)
        case .sigmoid: Double.sigmoid(x)
        }
    }

    /// Whether `y` must be the nearest float to the true value: where a bounded function reaches
    /// its limits.
    func mustBeNearest(_ nearest: Float) -> Bool {
        switch self {
        case .exp, .log: false
        case .tanh: nearest == 0 || nearest.magnitude == 1
        case .sigmoid: nearest == 0 || nearest == 1
        }
    }

    /// The error of `y` in units in the last place of the true value; infinite where no rounding
    /// error may be.
    func error(_ x: Float, _ y: Float) -> Double {
        let expected = reference(Double(x))
        let nearest = Float(expected)
        if expected.isNaN || y.isNaN { return expected.isNaN && y.isNaN ? 0 : .infinity }
        if nearest.isInfinite || y.isInfinite || mustBeNearest(nearest) {
            return y == nearest && y.sign == nearest.sign ? 0 : .infinity
        }
        if expected != 0 && y.sign != expected.sign { return .infinity }
        let exponentMask = Double.infinity.bitPattern
        let ulp = max(Double(bitPattern: expected.bitPattern & exponentMask) * 0x1p-23, 0x1p-149)
        return (Double(y) - expected).magnitude / ulp
    }

    /// Every length of tail, buffers aligned to a float only, and in place.
    func checkSizes(_ isa: KernelTable) throws {
        var generator = Generator(seed: 5)
        for count in TestSizes.few + [TestSizes.large] {
            let x = generator.awkwardFloats(count, scale: 10)
            for inPlace in [false, true] {
                let from = GuardedBuffer(x)
                let to = inPlace ? from : GuardedBuffer(repeating: 0, count: count)
                self(isa.kernels, count, from.pointer, to.pointer)
                for (x, y) in zip(x, try to.checkedValues(rawValue)) {
                    #expect(error(x, y) <= bound, "\(rawValue)(\(x)) = \(y)")
                }
            }
        }
    }
}

/// Every `stride`-th float in the order of its bits: +0 to +∞, NaN, -0 to -∞, NaN.
private struct Walk: Sendable {
    let function: VectorFunction
    let stride: UInt64
    private static let chunk = 65_536

    struct Findings: Sendable {
        var error = 0.0
        var x: Float = 0
        var faults: [String] = []

        mutating func add(_ fault: @autoclosure () -> String) {
            if faults.count < 3 { faults.append(fault()) }
        }
    }

    /// The whole walk, on all cores.
    func run() async -> Findings {
        let chunks = Int(((1 << 32) / stride) / UInt64(Self.chunk)) + 1
        let parts = min(chunks, 64)
        return await withTaskGroup(of: Findings.self) { group in
            for part in 0..<parts {
                group.addTask { check(chunks: part * chunks / parts..<(part + 1) * chunks / parts) }
            }
            return await group.reduce(into: Findings()) { all, some in
                if some.error > all.error { (all.error, all.x) = (some.error, some.x) }
                for fault in some.faults { all.add(fault) }
            }
        }
    }

    private func check(chunks: Range<Int>) -> Findings {
        let fastest = KernelTable.all[KernelTable.all.count - 1]
        var findings = Findings()
        var x = [Float](repeating: 0, count: Self.chunk)
        var y = x
        var other = x
        for chunk in chunks {
            // Chunks overlap by one float, so that every pair of neighbours is compared.
            let first = UInt64(chunk) * UInt64(Self.chunk - 1) * stride
            let count = min(
                Self.chunk, Int(((1 << 32) - min(first, 1 << 32) + stride - 1) / stride))
            for n in 0..<count { x[n] = Float(bitPattern: UInt32(first + UInt64(n) * stride)) }
            function(fastest.kernels, count, x, &y)
            checkErrors(x, y, count, &findings)
            if function == .tanh || function == .sigmoid { checkMonotone(x, y, count, &findings) }
            // The generic kernels emulate the fused multiply-add: a walk over all floats has them
            // at every 16th chunk.
            let slowest = stride > 1 || chunk % 16 == 0 ? 0 : 1
            for isa in KernelTable.all.dropLast().dropFirst(slowest) {
                function(isa.kernels, count, x, &other)
                checkSameBits(x, y, other, count, &findings, isa.testDescription)
            }
            if function == .tanh {
                for n in 0..<count {
                    x[n] = -x[n]
                    y[n] = -y[n]
                }
                function(fastest.kernels, count, x, &other)
                checkSameBits(x, y, other, count, &findings, "odd")
            }
        }
        return findings
    }

    private func checkErrors(_ x: [Float], _ y: [Float], _ count: Int, _ findings: inout Findings) {
        for n in 0..<count {
            let error = function.error(x[n], y[n])
            if error > findings.error { (findings.error, findings.x) = (error, x[n]) }
        }
    }

    private func checkMonotone(_ x: [Float], _ y: [Float], _ count: Int, _ findings: inout Findings)
    {
        for n in 1..<max(count, 1) where x[n].sign == x[n - 1].sign && !x[n].isNaN {
            let ordered = x[n].sign == .minus ? y[n] <= y[n - 1] : y[n] >= y[n - 1]
            if !ordered { findings.add("not monotone at \(x[n]): \(y[n - 1]), \(y[n])") }
        }
    }

    private func checkSameBits(
        _ x: [Float], _ y: [Float], _ other: [Float], _ count: Int, _ findings: inout Findings,
        _ name: String
    ) {
        for n in 0..<count
        where y[n].bitPattern != other[n].bitPattern && !(y[n].isNaN && other[n].isNaN) {
            findings.add("\(name) at \(x[n]): \(other[n]), expected \(y[n])")
        }
    }
}

@Suite struct VMathTests {
    /// Every 4,099th float, or all 2^32 where RECURRENT_EXHAUSTIVE is 1.
    @Test(arguments: VectorFunction.allCases)
    func everyFloat(function: VectorFunction) async throws {
        let all = ProcessInfo.processInfo.environment["RECURRENT_EXHAUSTIVE"] == "1"
        let findings = await Walk(function: function, stride: all ? 1 : 4099).run()
        #expect(
            findings.error <= function.bound,
            "\(function) is off by \(findings.error) ULP at \(findings.x)")
        #expect(findings.faults.isEmpty)
        var y: Float = 0
        function(KernelTable.all[0].kernels, 1, [function.worst], &y)
        let worst = function.error(function.worst, y)
        let thousandths = Int((worst * 1000).rounded(.up))
        #expect(
            findings.error <= worst && (!all || findings.error == worst),
            "\(function): \(findings.error) at \(findings.x), expected \(worst)")
        // What vmath.h and README.md state is what is found, not more.
        #expect(worst > function.bound - 0.01)
        #expect(
            try thousandths == function.statedThousandths(),
            "README.md, \(function): expected \(thousandths) thousandths")
        if all { print("| \(function) | \(Double(thousandths) / 1000) | at \(findings.x)") }
    }

    /// Neighbours of the places where a formula, an exponent or a limit changes.
    @Test(arguments: VectorFunction.allCases, KernelTable.all)
    func neighboursOfSeams(function: VectorFunction, isa: KernelTable) {
        let seams: [Float] = [
            0, 0x1p-126, 0x1p-24, 0.34657359, 0.5, 0.70710678, 1, 1.4142135, 8.6625, 9.010913,
            16.63553, 17.328679, 40, 87.33654,
            88.72284, 89, 103.97208, 104, 1e10, .greatestFiniteMagnitude, .infinity,
        ]
        let x = seams.flatMap { seam in
            (-20...20).map { Float(bitPattern: UInt32(clamping: Int(seam.bitPattern) + $0)) }
        }
        for sign: Float in [1, -1] {
            let signed = x.map { sign * $0 }
            var y = signed
            function(isa.kernels, y.count, signed, &y)
            for (x, y) in zip(signed, y) {
                #expect(function.error(x, y) <= function.bound, "\(function)(\(x)) = \(y)")
            }
        }
    }

    @Test(arguments: KernelTable.all)
    func specialValues(isa: KernelTable) {
        let x: [Float] = [0, -0.0, .infinity, -.infinity, .nan, 1]
        let expected: [VectorFunction: [Float]] = [
            .exp: [1, 1, .infinity, 0, .nan, 2.7182817],
            .log: [-.infinity, -.infinity, .infinity, .nan, .nan, 0],
            .tanh: [0, -0.0, 1, -1, .nan, 0.7615942],
            .sigmoid: [0.5, 0.5, 1, 0, .nan, 0.7310586],
        ]
        for function in VectorFunction.allCases {
            var y = x
            function(isa.kernels, x.count, x, &y)
            #expect(throws: Never.self) {
                try Comparer.checkSameBits(function.rawValue, y, expected[function]!)
            }
        }
    }
}
