#if OpenBLAS
    import COpenBLAS
    import CRecurrent
    import RecurrentReference
    import Testing
    import TestSupport

    /// The three products against an implementation by other people, element by element.
    ///
    /// Ours against `sgemm`: both are sums of the same n products in different orders, so each is
    /// off by at most (n + 3) u Σ |terms|, u = 2^-24: `RunningError`'s bound, whose centre `dgemm`
    /// gives here. They are within the sum of both bounds of each other.
    @Suite struct OpenBLASTests {
        private static let sizes: [ProductSizes] =
            ProductSizes.all.filter { !$0.awkward }
            + [1, 3, 4].map {
                ProductSizes(rows: 37, inputs: 130, outputs: 65, groups: $0, gap: 3)
            }

        /// Throws unless `ours` and OpenBLAS's float result are within a bound of its double
        /// result, for sums of `terms` products.
        private func check(_ name: String, _ ours: [Float], _ product: BLASProduct, terms: Int)
            throws
        {
            let exact = product.inDouble
            let bounds = product.magnitudes.map { Double(terms + 3) * 0x1p-24 * $0 }
            try Comparer.check(name, ours, exact, bounds: bounds)
            try Comparer.check("\(name) of sgemm", product.inFloat, exact, bounds: bounds)
        }

        @Test(arguments: KernelTable.all) func forward(isa: KernelTable) throws {
            for sizes in Self.sizes {
                let run = ProductRun(isa, sizes)
                let outputs = sizes.groups * sizes.outputs
                let start = (0..<sizes.rows).flatMap { _ in run.layer.b }
                try check(
                    "y, \(sizes)", run.outputs(run.forward()),
                    BLASProduct(
                        rows: sizes.rows, columns: outputs, terms: sizes.inputs,
                        a: run.x.flatMap { $0 }, b: run.layer.W.flatMap { $0 },
                        bIsTransposed: true, start: start), terms: sizes.inputs)
            }
        }

        @Test(arguments: KernelTable.all) func backwardToTheInput(isa: KernelTable) throws {
            for sizes in Self.sizes {
                let run = ProductRun(isa, sizes)
                let outputs = sizes.groups * sizes.outputs
                let dx = try KernelOrder.unpadded(
                    run.backwardInput(), rows: sizes.rows, units: sizes.inputs
                ).flatMap { $0.map { Float($0) } }
                try check(
                    "dx, \(sizes)", dx,
                    BLASProduct(
                        rows: sizes.rows, columns: sizes.inputs, terms: outputs,
                        a: run.dy.flatMap { $0 }, b: run.layer.W.flatMap { $0 },
                        start: [Double](repeating: 0, count: sizes.rows * sizes.inputs)),
                    terms: outputs)
            }
        }

        @Test(arguments: KernelTable.all) func backwardToTheWeights(isa: KernelTable) throws {
            for sizes in Self.sizes {
                let run = ProductRun(isa, sizes)
                let outputs = sizes.groups * sizes.outputs
                let dw = try run.backwardWeights()
                // Row-major [outputs][1 + inputs], the bias in front: a column of ones in front of
                // x gives its gradient.
                let columns = (0...sizes.inputs).map { run.column($0, of: dw) }
                let ours = (0..<outputs).flatMap { output in columns.map { $0[output] } }
                let start = zip(run.gradient.b, run.gradient.W).flatMap { [$0] + $1 }
                try check(
                    "dW, \(sizes)", ours,
                    BLASProduct(
                        rows: outputs, columns: 1 + sizes.inputs, terms: sizes.rows,
                        a: run.dy.flatMap { $0 }, aIsTransposed: true,
                        b: run.x.flatMap { [1] + $0 }, start: start), terms: sizes.rows)
            }
        }

        /// The check must see one element that is off by more than the order of the sums explains,
        /// and a transposed operand.
        @Test func plantedErrors() throws {
            let sizes = ProductSizes(rows: 5, inputs: 33, outputs: 33, groups: 1)
            let run = ProductRun(KernelTable.all[0], sizes)
            let x = run.x.flatMap { $0 }
            let w = run.layer.W.flatMap { $0 }
            let start = (0..<5).flatMap { _ in run.layer.b }
            let right = BLASProduct(
                rows: 5, columns: 33, terms: 33, a: x, b: w, bIsTransposed: true, start: start)
            var ours = try run.outputs(run.forward())
            try check("y", ours, right, terms: 33)
            #expect(throws: Mismatch.self) {
                try check(
                    "y", ours,
                    BLASProduct(rows: 5, columns: 33, terms: 33, a: x, b: w, start: start),
                    terms: 33)
            }
            ours[70] += 1e-3
            #expect(throws: Mismatch.self) { try check("y", ours, right, terms: 33) }
        }
    }

    /// start + A B by OpenBLAS, row-major. A transposed operand is given as its transpose lies in
    /// memory. Every number is a float's value.
    private struct BLASProduct {
        let rows, columns, terms: Int
        let a: [Double]
        var aIsTransposed = false
        let b: [Double]
        var bIsTransposed = false
        let start: [Double]

        private var strides: (a: blasint, b: blasint) {
            (blasint(aIsTransposed ? rows : terms), blasint(bIsTransposed ? terms : columns))
        }
        private var transposed: (a: CBLAS_TRANSPOSE, b: CBLAS_TRANSPOSE) {
            (aIsTransposed ? CblasTrans : CblasNoTrans, bIsTransposed ? CblasTrans : CblasNoTrans)
        }

        private func product(_ a: [Double], _ b: [Double], _ start: [Double]) -> [Double] {
            var result = start
            cblas_dgemm(
                CblasRowMajor, transposed.a, transposed.b, blasint(rows), blasint(columns),
                blasint(terms), 1, a, strides.a, b, strides.b,
                1, &result, blasint(columns))
            return result
        }

        var inDouble: [Double] { product(a, b, start) }

        /// The sum of the magnitudes of the terms, for each element.
        var magnitudes: [Double] {
            product(a.map(\.magnitude), b.map(\.magnitude), start.map(\.magnitude))
        }

        var inFloat: [Float] {
            var result = start.map { Float($0) }
            cblas_sgemm(
                CblasRowMajor, transposed.a, transposed.b, blasint(rows), blasint(columns),
                blasint(terms), 1, a.map { Float($0) }, strides.a,
                b.map { Float($0) }, strides.b, 1, &result, blasint(columns))
            return result
        }
    }
#endif
