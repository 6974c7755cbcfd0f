/// One direction of a recurrent layer in training: its weights, its tape, and the scratch that all
/// cells share.
@safe struct CellPass {
    let shape: AnyCellShape
    let weights: UnsafePointer<Float>, weightGradient: UnsafeMutablePointer<Float>
    let tape: CellTape
    /// Scratch; c is there in every cell, of zero floats where a cell has none.
    let gradients: CellGradients, transposed: UnsafeMutablePointer<Float>
    /// Tape: the mask of recurrent dropout, [B][V], for all time steps of a segment.
    let mask: UnsafeMutablePointer<Float>?

    /// h of each step, slot 0 left out: [T][B][V].
    var hidden: UnsafeMutablePointer<Float> { unsafe tape.h + shape.outputCount }

    /// - Parameter drops: whether the mask of recurrent dropout is used, where there is one.
    func forward(
        _ kernels: Kernels, lengths: UnsafePointer<Int>?, x: UnsafePointer<Float>, drops: Bool,
        _ partition: Partition
    ) {
        var tape = tape
        if !drops { unsafe tape.masked = nil }
        unsafe kernels.cellForward(
            shape, lengths: lengths, mask: drops ? mask.map { unsafe UnsafePointer($0) } : nil,
            x: x, weights: weights, tape: tape, partition: partition)
    }

    /// What the backward pass needs beside the gradient with respect to the output.
    func prepareBackward(_ kernels: Kernels, _ partition: Partition) {
        unsafe kernels.cellTranspose(
            shape, weights: weights, transposed: transposed, partition: partition)
        unsafe kernels.fill(shape.outputCount, 0, x: gradients.h, partition: partition)
        unsafe kernels.fill(shape.stateCount, 0, x: gradients.c!, partition: partition)
    }

    func backwardData(
        _ kernels: Kernels, lengths: UnsafePointer<Int>?, outputGradient: UnsafePointer<Float>,
        inputGradient: UnsafeMutablePointer<Float>?, _ partition: Partition
    ) {
        var gradients = gradients
        unsafe gradients.output = outputGradient
        unsafe gradients.input = inputGradient
        unsafe kernels.cellBackwardData(
            shape, lengths: lengths, mask: mask.map { unsafe UnsafePointer($0) },
            transposed: transposed, tape: tape, gradients: gradients, partition: partition)
    }

    func backwardWeights(
        _ kernels: Kernels, lengths: UnsafePointer<Int>?, x: UnsafePointer<Float>,
        _ partition: Partition
    ) {
        unsafe kernels.cellBackwardWeights(
            shape, lengths: lengths, x: x, tape: tape, gradients: gradients,
            weightGradient: weightGradient, partition: partition)
    }
}
