/// Why a minimization ended.
public enum MinimizationEnd: Hashable, Sendable {
    /// The gradient's norm is as small as was asked for.
    case gradient
    /// No lower loss was found, not even along the gradient: the minimum, as far as float32 can
    /// tell.
    case noDecrease
    /// No more gradients may be evaluated.
    case limit
    /// The loss or its gradient is not finite where it began.
    case notFinite
}

/// Where a minimization is.
public struct Minimization: Hashable, Sendable {
    public internal(set) var loss: Double
    /// ‖∇f‖.
    public internal(set) var gradientNorm: Double
    /// Steps done, and evaluations of loss and gradient.
    public internal(set) var iterations: Int, gradientCalls: Int
    /// Nil as long as it goes on.
    public internal(set) var end: MinimizationEnd?
}

/// Limited-memory BFGS with a line search for the strong Wolfe conditions: full-batch optimization
/// of second order, whose curvature comes from the last few steps. Nocedal and Wright 2006,
/// "Numerical Optimization", algorithms 7.4 and 7.5, 3.5 and 3.6; the line search takes the
/// rounding errors of float32 into account as Hager and Zhang 2005 do.
///
///     var lbfgs = LBFGS(count: 2)
///     let found = lbfgs.minimize(&parameters, gradientCalls: 100) { p, gradient in … }
///
/// After `init`, nothing allocates. The bits are the same on every instruction set. Kernels:
/// `dot_product`, `linear_combination`.
@safe public struct LBFGS: ~Copyable, @unchecked Sendable {
    public let count: Int
    /// Pairs of steps and changes of the gradient that are kept, at most.
    public let history: Int
    public let kernels: Kernels
    private let search: WolfeSearch
    private let arena: Arena
    private let vectors: Vectors
    private var state = Minimization(
        loss: .nan, gradientNorm: .nan, iterations: 0, gradientCalls: 0)
    /// Pairs that are kept, and the place of the next one.
    private var pairs = 0, next = 0
    /// Steps in a row whose loss was not lower.
    private var idle = 0

    /// A pair whose cosine is less tells of the gradient's rounding errors rather than of
    /// curvature.
    private static let leastCosine = 0x1p-24
    /// Gradients that one line search may evaluate: as many as a minimum needs that lies 2^20 times
    /// nearer than expected.
    private static let searchCalls = 20
    /// So many steps in a row without a lower loss are the end: what is left is rounding errors.
    private static let mostIdle = 5

    /// - Parameters:
    ///   - count: parameters.
    ///   - history: pairs of vectors that are kept; 3 to 20 are usual.
    ///   - sufficientDecrease: c1 of the line search.
    ///   - curvature: c2.
    /// - Precondition: count is positive, history in 1...`ModelShape.largestDimension`, 0 < c1 < c2
    ///   < 1 and c1 < 1/2.
    public init(
        count: Int, history: Int = 10, sufficientDecrease: Double = 1e-4, curvature: Double = 0.9,
        kernels: Kernels = .best
    ) {
        require(
            count > 0 && isDimension(history),
            "L-BFGS: expected a positive count and history, found \(count) and \(history)")
        require(
            sufficientDecrease > 0 && sufficientDecrease < min(curvature, 0.5) && curvature < 1,
            """
            L-BFGS: expected 0 < c1 < c2 < 1 and c1 < 1/2, found \(sufficientDecrease) and \
            \(curvature)
            """
        )
        self.count = count
        self.history = history
        self.kernels = kernels
        search = WolfeSearch(sufficientDecrease: sufficientDecrease, curvature: curvature)
        var layout = Layout()
        // Checks that they fit in memory, before C counts their blocks.
        let offsets = (0..<4 + 2 * history).map { _ in layout.reserve(count) }
        let blocks = Kernels.squaresBlockCount(count)
        let partial = layout.reserve(2 * blocks)
        let weights = layout.reserve(4 * history)
        arena = Arena(layout)
        let base = unsafe arena.base
        func doubles(_ offset: Int) -> UnsafeMutablePointer<Double> {
            unsafe UnsafeMutableRawPointer(base + offset).assumingMemoryBound(to: Double.self)
        }
        unsafe vectors = Vectors(
            kernels: kernels, count: count, start: base, startGradient: base + offsets[1],
            direction: base + offsets[2], gradient: base + offsets[3],
            steps: base + offsets[4], changes: base + offsets[4 + history], stride: offsets[1],
            partial: doubles(partial), blocks: blocks,
            products: doubles(weights), weights: doubles(weights) + history)
    }

    /// Forgets what the last steps have told: before another function is minimized, or between
    /// calls of `step` the parameters are changed from outside.
    public mutating func reset() {
        (pairs, next, idle) = (0, 0, 0)
        state = Minimization(loss: .nan, gradientNorm: .nan, iterations: 0, gradientCalls: 0)
    }

    // MARK: Unsafe-pointer calls

    /// Steps until the gradient is small, no lower loss is found, or `gradientCalls` more gradients
    /// have been evaluated, the first of them where it begins.
    ///
    /// - Parameters:
    ///   - parameters: [count], moved.
    ///   - gradient: [count], the gradient at `parameters` in the end.
    ///   - gradientTolerance: the gradient's norm that is small enough.
    ///   - loss: gives the loss at `parameters` and leaves its gradient in `gradient`.
    /// - Precondition: the counts are those, and gradientCalls > 1.
    @discardableResult
    public mutating func minimize(
        _ parameters: UnsafeMutableBufferPointer<Float>,
        gradient: UnsafeMutableBufferPointer<Float>,
        gradientCalls: Int, gradientTolerance: Double = 0, loss: () -> Double
    ) -> Minimization {
        require(
            gradientCalls > 1, "L-BFGS: expected at least 2 gradient calls, found \(gradientCalls)")
        let (most, overflow) = state.gradientCalls.addingReportingOverflow(gradientCalls)
        (state.loss, state.end, idle) = (.nan, nil, 0)
        while state.end == nil {
            unsafe step(
                parameters, gradient: gradient, mostCalls: overflow ? .max : most,
                gradientTolerance: gradientTolerance, loss: loss)
        }
        return state
    }

    /// One step: a direction, and a line search along it. Arguments as in `minimize`.
    ///
    /// - Parameter mostCalls: how many gradients may have been evaluated in all, since `init` or
    ///   `reset`.
    @discardableResult
    public mutating func step(
        _ parameters: UnsafeMutableBufferPointer<Float>,
        gradient: UnsafeMutableBufferPointer<Float>,
        mostCalls: Int = .max, gradientTolerance: Double = 0, loss: () -> Double
    ) -> Minimization {
        require(
            parameters.count == count && gradient.count == count,
            """
            L-BFGS: expected \(count) parameters and as many of the gradient, found \
            \(parameters.count) and \(gradient.count)
            """
        )
        let vectors = vectors
        let parameters = parameters.baseAddress!
        let gradient = gradient.baseAddress!
        if state.loss.isNaN {
            state.loss = loss()
            state.gradientNorm = unsafe vectors.dot(gradient, gradient).squareRoot()
            state.gradientCalls += 1
        }
        state.end = end(gradientTolerance)
        while state.end == nil {
            // One call is kept for the way back to the best point.
            let allowed = min(mostCalls - state.gradientCalls - 1, Self.searchCalls)
            guard allowed > 0 else {
                state.end = .limit
                break
            }
            var slope = unsafe vectors.makeDirection(
                gradient, pairs: pairs, next: next, history: history)
            if !(slope < 0) {  // The pairs are of no use.
                pairs = 0
                slope = unsafe vectors.makeDirection(
                    gradient, pairs: 0, next: next, history: history)
            }
            unsafe vectors.start.update(from: parameters, count: count)
            unsafe vectors.startGradient.update(from: gradient, count: count)
            let start = WolfeSearch.Point(length: 0, loss: state.loss, slope: slope)
            func point(_ length: Double) -> WolfeSearch.Point {
                unsafe vectors.kernels.linearCombination(
                    vectors.count, length, vectors.direction, 1, vectors.start, z: parameters)
                let loss = loss()
                return unsafe WolfeSearch.Point(
                    length: length, loss: loss, slope: vectors.dot(gradient, vectors.direction))
            }
            var left = allowed
            let found = search.run(
                from: start, length: pairs > 0 ? 1 : min(1, 1 / state.gradientNorm), calls: &left,
                point: point)
            state.gradientCalls += allowed - left
            guard let found else {
                unsafe parameters.update(from: vectors.start, count: count)
                unsafe gradient.update(from: vectors.startGradient, count: count)
                if pairs > 0 {
                    pairs = 0
                } else {
                    state.end = allowed < Self.searchCalls ? .limit : .noDecrease
                }
                continue
            }
            if !found.isLast {
                _ = point(found.point.length)
                state.gradientCalls += 1
            }
            unsafe keepPair(parameters, gradient)
            idle = found.point.loss < state.loss ? 0 : idle + 1
            state.loss = found.point.loss
            state.gradientNorm = unsafe vectors.dot(gradient, gradient).squareRoot()
            state.iterations += 1
            state.end = end(gradientTolerance)
            break
        }
        return state
    }

    private func end(_ gradientTolerance: Double) -> MinimizationEnd? {
        if !state.loss.isFinite || !state.gradientNorm.isFinite { return .notFinite }
        return state.gradientNorm <= gradientTolerance
            ? .gradient : idle >= Self.mostIdle ? .noDecrease : nil
    }

    /// Keeps s and y of the step that was done, unless they tell of no curvature: then H would not
    /// stay positive definite.
    private mutating func keepPair(
        _ parameters: UnsafePointer<Float>, _ gradient: UnsafePointer<Float>
    ) {
        let (s, y) = unsafe vectors.pair(next)
        unsafe kernels.linearCombination(count, 1, parameters, -1, vectors.start, z: s)
        unsafe kernels.linearCombination(count, 1, gradient, -1, vectors.startGradient, z: y)
        let product = unsafe vectors.dot(s, y)
        let norms = unsafe (vectors.dot(s, s) * vectors.dot(y, y)).squareRoot()
        guard product > Self.leastCosine * norms, product.isFinite else { return }
        unsafe vectors.products[next] = product
        next = (next + 1) % history
        pairs = min(pairs + 1, history)
    }
}

/// The safe face, with a gradient of its own.
extension LBFGS {
    /// Steps until the gradient is small, no lower loss is found, or `gradientCalls` more gradients
    /// have been evaluated.
    ///
    /// - Parameters:
    ///   - parameters: `count` of them, moved.
    ///   - gradientTolerance: the gradient's norm that is small enough.
    ///   - loss: gives the loss of these parameters and writes its gradient.
    /// - Precondition: there are `count` parameters, and gradientCalls > 1.
    @discardableResult
    public mutating func minimize(
        _ parameters: inout MutableSpan<Float>, gradientCalls: Int, gradientTolerance: Double = 0,
        loss: (Span<Float>, inout MutableSpan<Float>) -> Double
    ) -> Minimization {
        let gradient = unsafe ownGradient
        return unsafe parameters.withUnsafeMutableBufferPointer { parameters in
            unsafe minimize(
                parameters, gradient: gradient, gradientCalls: gradientCalls,
                gradientTolerance: gradientTolerance
            ) {
                var span = unsafe gradient.mutableSpan
                return unsafe loss(parameters.span, &span)
            }
        }
    }

    /// One step: a direction, and a line search along it. Arguments as in `minimize`.
    ///
    /// - Parameter mostCalls: how many gradients may have been evaluated in all, since `init` or
    ///   `reset`.
    /// - Precondition: there are `count` parameters, those that the last step left.
    @discardableResult
    public mutating func step(
        _ parameters: inout MutableSpan<Float>, mostCalls: Int = .max,
        gradientTolerance: Double = 0,
        loss: (Span<Float>, inout MutableSpan<Float>) -> Double
    ) -> Minimization {
        let gradient = unsafe ownGradient
        return unsafe parameters.withUnsafeMutableBufferPointer { parameters in
            unsafe step(
                parameters, gradient: gradient, mostCalls: mostCalls,
                gradientTolerance: gradientTolerance
            ) {
                var span = unsafe gradient.mutableSpan
                return unsafe loss(parameters.span, &span)
            }
        }
    }

    private var ownGradient: UnsafeMutableBufferPointer<Float> {
        unsafe UnsafeMutableBufferPointer(start: vectors.gradient, count: count)
    }
}

/// The vectors of L-BFGS: plain pointers, set up once.
@safe private struct Vectors {
    let kernels: Kernels
    let count: Int
    /// Where a step began, and the gradient there.
    let start: UnsafeMutablePointer<Float>, startGradient: UnsafeMutablePointer<Float>
    let direction: UnsafeMutablePointer<Float>
    /// For callers that have no buffer for it.
    let gradient: UnsafeMutablePointer<Float>
    /// s and y of each pair, `stride` floats apart.
    let steps: UnsafeMutablePointer<Float>, changes: UnsafeMutablePointer<Float>
    let stride: Int
    let partial: UnsafeMutablePointer<Double>
    let blocks: Int
    /// s · y of each pair, and its α in the recursion.
    let products: UnsafeMutablePointer<Double>, weights: UnsafeMutablePointer<Double>

    func pair(_ index: Int) -> (s: UnsafeMutablePointer<Float>, y: UnsafeMutablePointer<Float>) {
        unsafe (steps + index * stride, changes + index * stride)
    }

    func dot(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>) -> Double {
        unsafe kernels.dotProduct(count, x, y, partial: partial)
        return (0..<blocks).reduce(0) { unsafe $0 + partial[$1] }
    }

    /// Writes -H ∇f by the two-loop recursion, and returns its inner product with ∇f.
    func makeDirection(_ gradient: UnsafePointer<Float>, pairs: Int, next: Int, history: Int)
        -> Double
    {
        unsafe kernels.linearCombination(count, -1, gradient, 0, gradient, z: direction)
        func slot(_ age: Int) -> Int { (next - age + history) % history }
        for age in 0..<pairs {
            let index = slot(age + 1)
            let (s, y) = unsafe pair(index)
            unsafe weights[index] = dot(s, direction) / products[index]
            unsafe kernels.linearCombination(count, -weights[index], y, 1, direction, z: direction)
        }
        if pairs > 0 {
            let newest = slot(1)
            let y = unsafe pair(newest).y
            unsafe kernels.linearCombination(
                count, products[newest] / dot(y, y), direction, 0, direction, z: direction)
        }
        for age in (0..<pairs).reversed() {
            let index = slot(age + 1)
            let (s, y) = unsafe pair(index)
            unsafe kernels.linearCombination(
                count, weights[index] - dot(y, direction) / products[index], s, 1, direction,
                z: direction)
        }
        return unsafe dot(gradient, direction)
    }
}
