/// An element that is not what it should be.
public struct Mismatch: Error, CustomStringConvertible, Sendable {
    public let name: String
    public let index: Int
    public let actual: Float
    public let expected: Double
    public let bound: Double
    public var description: String {
        """
        \(name)[\(index)]: expected \(expected) ± \(bound), found \(actual) (off by \
        \((Double(actual) - expected).magnitude))
        """
    }
}

/// Compares floats with their values in Double, element by element: never by a norm.
public enum Comparer {
    /// The first element of `actual` that is further than its bound from `expected`, or has the
    /// wrong sign where the bound leaves the sign no choice, or is NaN where it should not be (or
    /// the other way round), or infinite.
    ///
    /// - Parameter bound: the largest allowed |actual - expected| for an element, in the units of
    ///   the values.
    public static func firstMismatch(
        _ name: String, _ actual: some Collection<Float>, _ expected: some Collection<Double>,
        bound: (Int) -> Double
    ) -> Mismatch? {
        precondition(
            actual.count == expected.count,
            "\(name): \(actual.count) elements, expected \(expected.count)")
        // Arrays and a range, because debug builds are slow at anything more generic.
        let (actual, expected) = (Array(actual), Array(expected))
        for index in 0..<actual.count {
            let (a, e) = (actual[index], expected[index])
            let allowed = bound(index)
            let found = Double(a)
            let same: Bool
            if e.isNaN || found.isNaN {
                same = e.isNaN && found.isNaN
            } else if e.isInfinite || found.isInfinite {
                same = e == found || Float(e) == a
            } else {
                same =
                    (found - e).magnitude <= allowed
                    && (e.magnitude <= allowed || found.sign == e.sign)
            }
            if !same {
                return Mismatch(name: name, index: index, actual: a, expected: e, bound: allowed)
            }
        }
        return nil
    }

    /// Throws the first mismatch, for a bound of `absolute` + `relative` · |expected|.
    public static func check(
        _ name: String, _ actual: some Collection<Float>, _ expected: some Collection<Double>,
        absolute: Double, relative: Double
    ) throws(Mismatch) {
        let values = Array(expected)
        if let mismatch = firstMismatch(
            name, actual, values, bound: { absolute + relative * values[$0].magnitude })
        {
            throw mismatch
        }
    }

    /// Throws the first mismatch, for a bound of each element of its own.
    public static func check(
        _ name: String, _ actual: some Collection<Float>, _ expected: some Collection<Double>,
        bounds: [Double]
    ) throws(Mismatch) {
        if let mismatch = firstMismatch(name, actual, expected, bound: { bounds[$0] }) {
            throw mismatch
        }
    }

    /// Throws unless the bits are the same, element by element (all NaN count as one).
    public static func checkSameBits(_ name: String, _ actual: [Float], _ expected: [Float])
        throws(Mismatch)
    {
        precondition(
            actual.count == expected.count,
            "\(name): \(actual.count) elements, expected \(expected.count)")
        for index in 0..<actual.count {
            let (a, e) = (actual[index], expected[index])
            if a.bitPattern == e.bitPattern || (a.isNaN && e.isNaN) { continue }
            throw Mismatch(name: name, index: index, actual: a, expected: Double(e), bound: 0)
        }
    }

    /// Throws unless the elements at `indices` are zeros.
    public static func checkZeros(_ name: String, _ actual: [Float], at indices: [Int])
        throws(Mismatch)
    {
        for index in indices where actual[index] != 0 {
            throw Mismatch(
                name: "\(name), padding", index: index, actual: actual[index], expected: 0, bound: 0
            )
        }
    }

    /// Throws the first mismatch with values that carry their own bounds.
    public static func check(
        _ name: String, _ actual: some Collection<Float>, _ expected: [RunningError]
    ) throws(Mismatch) {
        if let mismatch = firstMismatch(
            name, actual, expected.map(\.value), bound: { expected[$0].error })
        {
            throw mismatch
        }
    }

    /// Throws the first mismatch of any array, each number first rounded to a float (which is exact
    /// for a kernel's numbers).
    public static func check(_ actual: Named<Double>, _ expected: Named<RunningError>)
        throws(Mismatch)
    {
        precondition(actual.map(\.name) == expected.map(\.name))
        for (a, e) in zip(actual, expected) {
            try check(a.name, a.values.map { Float($0) }, e.values)
        }
    }
}

/// Named arrays, element by element the same in what is found and in what is expected.
public typealias Named<Element> = [(name: String, values: [Element])]
