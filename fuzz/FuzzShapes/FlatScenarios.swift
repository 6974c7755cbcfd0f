import CKernels

/// Scenarios of kernels that walk over flat buffers: functions, norms, optimizers.
extension Trial {
    /// Some tens of floats, or some blocks of `sum_of_squares`.
    private func flatCount() -> Int { bytes.flag() ? bytes.size(130) : Int(RECURRENT_SQUARES_BLOCK) + 100 * bytes.size() }

    func functions() {
        let count = flatCount(), x = data("x", count)
        for (name, function) in [("exp" as StaticString, kernels.vector_exp), ("log", kernels.vector_log), ("tanh", kernels.vector_tanh),
                                 ("sigmoid", kernels.vector_sigmoid)] {
            let y = result(name, count)
            function(count, x, y)
        }
    }

    func norms() {
        let count = flatCount(), value = bytes.float(), blocks = recurrent_squares_blocks(count)
        let x = data("x", count), partial = doubles("partial", blocks), norm = doubles("norm", 1)
        shares { kernels.sum_of_squares(count, x, partial, $0) }
        kernels.global_norm(blocks, partial, norm)
        let penalty = doubles("penalty", blocks), gradient = data("gradient", count), l1 = oneOf(0, 0.01), l2 = oneOf(0, 0.3)
        shares { kernels.add_norm_penalty(count, l1, l2, x, gradient, penalty, $0) }
        shares { kernels.dot_product(count, x, gradient, partial, $0) }
        let a = oneOf(1, -0.5, 0), b = oneOf(1, 0, -3)
        shares { kernels.linear_combination(count, a, x, b, gradient, gradient, $0) }
        shares { kernels.fill(count, value, x, $0) }
    }

    func oneOf(_ values: Double...) -> Double { values[bytes.choice(values.count)] }

    private func rule() -> recurrent_gradient_rule {
        recurrent_gradient_rule(scale: oneOf(1, 0.25, 0, 3), clip_value: oneOf(.infinity, 0.5, 1e-3))
    }

    private func epsilonPlace() -> recurrent_epsilon_place {
        [recurrent_epsilon_outside, recurrent_epsilon_inside, recurrent_epsilon_uncorrected][bytes.choice(3)]
    }

    private func momentum() -> recurrent_momentum { bytes.flag() ? recurrent_momentum_velocity : recurrent_momentum_buffer }

    /// A mean of squares.
    func positive(_ name: StaticString, _ count: Int) -> UnsafeMutablePointer<Float> { buffer(name, count) { _ in bytes.float().magnitude } }

    func sgd() {
        var hyper = recurrent_sgd(
            gradient: rule(), learning_rate: oneOf(0.1, 1e-3), momentum: oneOf(0.9, 0), dampening: oneOf(0, 0.1), weight_decay: oneOf(0, 0.01),
            convention: momentum(), nesterov: bytes.flag(), first_step: bytes.flag())
        let count = flatCount(), parameters = data("parameters", count), gradient = data("gradient", count)
        let velocity = bytes.flag() ? data("buffer", count) : nil
        shares { kernels.sgd_update(count, &hyper, parameters, gradient, velocity, $0) }
    }

    func adagrad() {
        var hyper = recurrent_adagrad(
            gradient: rule(), learning_rate: oneOf(0.1, 1e-3), epsilon: oneOf(1e-10, 1e-7), weight_decay: oneOf(0, 0.01), epsilon_place: epsilonPlace())
        let count = flatCount(), parameters = data("parameters", count), gradient = data("gradient", count), sum = positive("sum", count)
        shares { kernels.adagrad_update(count, &hyper, parameters, gradient, sum, $0) }
    }

    func rmsprop() {
        var hyper = recurrent_rmsprop(
            gradient: rule(), learning_rate: oneOf(0.1, 1e-3), decay: oneOf(0.99, 0.9), epsilon: oneOf(1e-8, 1e-6), momentum: oneOf(0.9, 0),
            weight_decay: oneOf(0, 0.01), epsilon_place: epsilonPlace(), convention: momentum())
        let count = flatCount(), parameters = data("parameters", count), gradient = data("gradient", count), square = positive("square", count)
        let mean = bytes.flag() ? data("mean", count) : nil, velocity = bytes.flag() ? data("buffer", count) : nil
        shares { kernels.rmsprop_update(count, &hyper, parameters, gradient, square, mean, velocity, $0) }
    }

    func adadelta() {
        var hyper = recurrent_adadelta(
            gradient: rule(), learning_rate: oneOf(1, 1e-3), decay: oneOf(0.9, 0.95), epsilon: oneOf(1e-6, 1e-3), weight_decay: oneOf(0, 0.01))
        let count = flatCount(), parameters = data("parameters", count), gradient = data("gradient", count)
        let square = positive("square", count), stepSquare = positive("step square", count)
        shares { kernels.adadelta_update(count, &hyper, parameters, gradient, square, stepSquare, $0) }
    }

    func adam() {
        var hyper = recurrent_adam(
            gradient: rule(), learning_rate: oneOf(0.1, 1e-3), beta1: oneOf(0.9, 0), beta2: oneOf(0.999, 0.9), bias_correction1: oneOf(0.1, 1),
            bias_correction2: oneOf(0.001, 1), epsilon: oneOf(1e-8, 1e-3), weight_decay: oneOf(0, 0.01), decoupled: bytes.flag(),
            epsilon_place: epsilonPlace())
        let count = flatCount(), parameters = data("parameters", count), gradient = data("gradient", count)
        let first = data("first", count), second = positive("second", count), largest = bytes.flag() ? positive("largest", count) : nil
        shares { kernels.adam_update(count, &hyper, parameters, gradient, first, second, largest, $0) }
    }
}
