import CRecurrent
import Foundation
import RecurrentFormats
import Testing

import enum TestSupport.Comparer
import struct TestSupport.KernelTable
import enum TestSupport.TestSizes

@testable import Recurrent

/// The unsafe-pointer face: that each call reaches the kernel that it names, and that both sides
/// agree about sizes.
@Suite struct KernelsTests {
    @Test func elementaryFunctionsReachTheirKernels() throws {
        let x: [Float] = [0.5, 1, 2]
        func apply(_ function: (Int, UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void)
            -> [Float]
        {
            var y = [Float](repeating: 0, count: 3)
            function(3, x, &y)
            return y
        }
        try Comparer.check(
            "exp", apply(Kernels.best.exp),
            [1.6487212707001282, 2.718281828459045, 7.38905609893065], absolute: 0, relative: 2e-7)
        try Comparer.check(
            "log", apply(Kernels.best.log), [-0.6931471805599453, 0, 0.6931471805599453],
            absolute: 0, relative: 2e-7)
        try Comparer.check(
            "tanh", apply(Kernels.best.tanh),
            [0.46211715726000973, 0.7615941559557649, 0.9640275800758169], absolute: 0,
            relative: 2e-7)
        try Comparer.check(
            "sigmoid", apply(Kernels.best.sigmoid),
            [0.6224593312018546, 0.7310585786300049, 0.8807970779778823], absolute: 0,
            relative: 3e-7)
    }

    /// What kernel_list.h says of infinite parameters, beside finite ones.
    @Test(arguments: ISA.available) func infiniteParametersStayUnlessTheyDecayIntoTheGradient(
        isa: ISA
    ) throws {
        let kernels = try Kernels(isa: isa)
        let count = 49
        func updated(_ optimizer: Optimizer) -> [Float] {
            var parameters = (0..<count).map { n in
                n % 7 == 0 ? Float.infinity : n % 7 == 3 ? -.infinity : 0.5
            }
            var moments = [Float](repeating: 0, count: 3 * count)
            for step in 1...3 {
                var gradient = (0..<count).map { Float($0 - 20) }
                kernels.update(
                    optimizer, count, scale: 1, step: step, parameters: &parameters,
                    gradient: &gradient, moments: &moments, momentStride: count)
            }
            return parameters
        }
        for name in Optimizer.names {
            let parameters = updated(try #require(Optimizer.named(name)))
            for (n, p) in parameters.enumerated() {
                #expect(
                    n % 7 == 0 ? p == .infinity : n % 7 == 3 ? p == -.infinity : p.isFinite,
                    "\(name)[\(n)] = \(p)")
            }
        }
        let decaying: [Optimizer] = [
            .sgd(SGD(weightDecay: 0.1)), .adaGrad(AdaGrad(weightDecay: 0.1)),
            .rmsProp(RMSProp(weightDecay: 0.1)),
            .adaDelta(AdaDelta(weightDecay: 0.1)), .adam(Adam(weightDecay: 0.1)),
            .nAdam(NAdam(weightDecay: 0.1)), .rAdam(RAdam(weightDecay: 0.1)),
            .adamax(Adamax(weightDecay: 0.1)),
        ]
        for optimizer in decaying {
            for (n, p) in updated(optimizer).enumerated() {
                #expect(
                    n % 7 == 0 || n % 7 == 3 ? p.isNaN : p.isFinite, "\(optimizer)[\(n)] = \(p)")
            }
        }
    }

    /// Every rule of the list of kernels is one of `Optimizer`, and has a row in the README.
    @Test func noTableLacksARule() throws {
        let end = "_update"
        let kernels = KernelTable.names.filter { $0.hasSuffix(end) }.map {
            String($0.dropLast(end.count))
        }
        #expect(Set(kernels) == Set(Optimizer.rules.map { "\($0)".lowercased() }))
        let readme = URL(filePath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent().appending(path: "README.md")
        let text = try String(contentsOf: readme, encoding: .utf8)
        #expect(kernels.filter { !text.contains("`\($0).swift`") } == [])
    }

    @Test func anInstructionSetThatIsMissingIsNamed() {
        for isa in ISA.allCases where !isa.isAvailable {
            let error = #expect(throws: UnsupportedISA.self) { try Kernels(isa: isa) }
            #expect(
                error?.description.contains(isa.rawValue) == true
                    && error?.description.contains("generic") == true)
        }
        #expect(ISA.available.first == .generic && ISA.available.contains(.best))
    }
}
