import TestSupport
import Testing

/// The test of each kernel, by its name in kernel_list.h: against the reference, element by
/// element, on one instruction set.
let kernelTests = testedCells.reduce(
    into: otherKernelTests.merging(OptimizerCase.tests) { test, _ in test }
) { tests, cell in
    tests.merge(CellChecks(cell: cell).byKernel) { first, _ in first }
}

private let otherKernelTests: [String: @Sendable (KernelTable) throws -> Void] = [
    "vector_exp": { try VectorFunction.exp.checkSizes($0) },
    "vector_log": { try VectorFunction.log.checkSizes($0) },
    "vector_tanh": { try VectorFunction.tanh.checkSizes($0) },
    "vector_sigmoid": { try VectorFunction.sigmoid.checkSizes($0) },
    "product_forward": checkProductForward,
    "product_forward_bfloat16": checkProductForwardBFloat16,
    "product_transpose": checkProductTranspose,
    "product_backward_input": checkProductBackwardInput,
    "product_backward_weights": checkProductBackwardWeights,
    "lstm_step_bfloat16": checkLSTMStepBFloat16,
    "convolution_forward": checkConvolutionForward,
    "convolution_transpose": checkConvolutionTranspose,
    "convolution_backward_input": checkConvolutionBackwardInput,
    "convolution_backward_weights": checkConvolutionBackwardWeights,
    "pooling_forward": checkPoolingForward,
    "pooling_backward": checkPoolingBackward,
    "activation_forward": checkActivationForward,
    "activation_backward": checkActivationBackward,
    "batch_normalization_forward": checkBatchNormalizationForward,
    "batch_normalization_inference": checkBatchNormalizationInference,
    "batch_normalization_backward": checkBatchNormalizationBackward,
    "layer_normalization_forward": checkLayerNormalizationForward,
    "layer_normalization_backward_input": checkLayerNormalizationBackward,
    "layer_normalization_backward_parameters": checkLayerNormalizationBackward,
    "sequence_copy": checkSequenceCopy,
    "add_sequence": checkAddSequence,
    "sequence_pool": checkSequencePool,
    "sequence_pool_backward": checkSequencePoolBackward,
    "embedding_forward": checkEmbeddingForward,
    "embedding_backward": checkEmbeddingBackward,
    "softmax": checkSoftmax,
    "softmax_backward": checkSoftmaxBackward,
    "softmax_cross_entropy": checkSoftmaxCrossEntropy,
    "mean_squared_error": RowLossCase.checker(.meanSquaredError),
    "mean_absolute_error": RowLossCase.checker(.meanAbsoluteError),
    "huber_loss": RowLossCase.checker(.huberLoss),
    "binary_cross_entropy": RowLossCase.checker(.binaryCrossEntropy),
    "sum_losses": checkSumLosses,
    "dropout": checkDropout,
    "sum_of_squares": checkSumOfSquares,
    "global_norm": checkGlobalNorm,
    "fill": checkFill,
    "add_norm_penalty": checkAddNormPenalty,
    "dot_product": checkDotProduct,
    "linear_combination": checkLinearCombination,
]

@Suite struct KernelListTests {
    /// Iterates the list of kernels itself, so a kernel that has no test fails here.
    @Test(arguments: KernelTable.names, KernelTable.all)
    func againstReference(kernel: String, isa: KernelTable) throws {
        let test = try #require(
            kernelTests[kernel], "\(kernel) is in kernel_list.h and has no test")
        try test(isa)
    }
}
