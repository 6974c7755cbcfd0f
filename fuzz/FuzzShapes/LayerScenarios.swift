import CKernels

extension Trial {
    func activations() {
        var shape = recurrent_rows_shape(rows: bytes.size(), units: bytes.size())
        let stride = recurrent_padded(shape.units), floats = recurrent_rows_floats(shape), f = activation()
        func open(_ name: StaticString) -> UnsafeMutablePointer<Float> {
            data(name, rows: shape.rows, used: shape.units, stride: stride, behind: .nan)
        }
        let x = open("x"), dy = open("dy"), y = result("y", floats), dx = result("dx", floats), dz = result("dz", floats)
        shares { kernels.activation_forward(&shape, f, 0.25, x, y, $0) }
        shares { kernels.activation_forward(&shape, f, 0.25, x, x, $0) }
        shares { kernels.activation_backward(&shape, f, 0.25, y, dy, dx, $0) }
        shares { kernels.softmax_backward(&shape, y, dy, dz, $0) }
        shares { kernels.activation_backward(&shape, f, 0.25, y, dy, dy, $0) }
        shares { kernels.softmax_backward(&shape, y, dx, y, $0) }
    }

    func normalization() {
        var shape = recurrent_rows_shape(rows: bytes.size(), units: bytes.size())
        let live: [Int32]? = bytes.flag() ? indices(shape.rows, end: 1) : nil
        let stride = recurrent_padded(shape.units), floats = recurrent_rows_floats(shape), epsilon = Float(0x1p-16)
        func open(_ name: StaticString, rows: Int) -> UnsafeMutablePointer<Float> {
            data(name, rows: rows, used: shape.units, stride: stride, behind: .nan)
        }
        let x = open("x", rows: shape.rows), dy = open("dy", rows: shape.rows), gamma = open("gamma", rows: 1), beta = open("beta", rows: 1)
        let average = open("running mean", rows: 1), variance = positive("running variance", stride)
        let mean = result("mean", stride), inverse = result("inverse deviation", stride), y = result("y", floats), dx = result("dx", floats)
        let dgamma = open("dgamma", rows: 1), dbeta = open("dbeta", rows: 1)
        let estimate = bytes.flag() ? recurrent_variance_biased : recurrent_variance_unbiased
        shares {
            kernels.batch_normalization_forward(&shape, live, epsilon, 0.125, estimate, x, gamma, beta, average, variance, mean, inverse, y, $0)
        }
        shares { kernels.batch_normalization_backward(&shape, live, x, gamma, mean, inverse, dy, dgamma, dbeta, dx, $0) }
        shares { kernels.batch_normalization_inference(&shape, epsilon, y, gamma, beta, average, variance, y, $0) }
        let means = result("means of rows", shape.rows), inverses = result("inverse deviations of rows", shape.rows)
        let z = result("z", floats), dz = result("dz", floats)
        shares { kernels.layer_normalization_forward(&shape, epsilon, x, gamma, beta, means, inverses, z, $0) }
        shares { kernels.layer_normalization_backward_parameters(&shape, x, means, inverses, dy, dgamma, dbeta, $0) }
        shares { kernels.layer_normalization_backward_input(&shape, x, gamma, means, inverses, dy, dz, $0) }
        shares { kernels.layer_normalization_backward_input(&shape, x, gamma, means, inverses, dy, dy, $0) }
    }
}
