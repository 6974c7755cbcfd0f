import CRecurrent
import TestSupport
import Testing

/// Kernels that read bfloat16 give the bits of those that read the same weights as floats, which
/// are checked against the reference.

@Sendable func checkLSTMStepBFloat16(_ isa: KernelTable) throws {
    for sizes in CellCase.sizes.map(\.bare) {
        try at(sizes) {
            var rounded = CellRun(isa, sizes.problem)
            var packed = rounded
            packed.bfloat16 = true
            packed.w = sizes.order.bfloat16(packed.w)
            rounded.w = sizes.order.bfloat16Rounded(rounded.w)
            let expected = try rounded.steps()
            try Comparer.checkSameBits(packed.steps(), expected)
            packed.partitions = (0..<3).map { recurrent_partition(index: $0, count: 3) }
            try Comparer.checkSameBits(packed.steps(), expected)
        }
    }
}

@Sendable func checkProductForwardBFloat16(_ isa: KernelTable) throws {
    // Every number of vectors that the last pass may have.
    let widths = (1...17).map { ProductSizes(rows: 3, inputs: 7, outputs: 16 * $0 - 3, groups: 1) }
    for sizes in ProductSizes.all.filter({ $0.groups == 1 }) + widths {
        try at(sizes) {
            var run = ProductRun(isa, sizes)
            for count in [1, 2] {
                run.partitions = (0..<count).map { recurrent_partition(index: $0, count: count) }
                try Comparer.checkSameBits(
                    "y", run.forwardBFloat16(), run.roundedToBFloat16().forward())
            }
        }
    }
}
