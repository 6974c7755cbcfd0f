import Recurrent

/// The adding problem: Hochreiter and Schmidhuber 1997, "Long Short-Term Memory", section 5.4; here
/// as in Le, Jaitly and Hinton 2015, section 4.1.
///
/// A step is given a number of U(0, 1) and a mark, which is 1 at one step of each half of the
/// sequence and 0 at the others. The target at the end is the sum of the two numbers that are
/// marked.
struct AddingProblem {
    /// The variance of the target: the mean squared error of who always says 1.
    static let baseline = 1.0 / 6
    /// How far from the target an answer may be.
    static let tolerance = 0.04

    let length: Int

    /// - Returns: values [T][B][number, mark] and targets [B].
    func batch(_ count: Int, using generator: inout SplitMix64) -> (
        values: [Float], targets: [Float]
    ) {
        var values = [Float](repeating: 0, count: length * count * inputSize)
        var targets = [Float](repeating: 0, count: count)
        let half = length / 2
        for row in 0..<count {
            for step in 0..<length { values[(step * count + row) * 2] = Float(generator.unit()) }
            for step in [
                generator.index(below: half), half + generator.index(below: length - half),
            ] {
                values[(step * count + row) * 2 + 1] = 1
                targets[row] += values[(step * count + row) * 2]
            }
        }
        return (values: values, targets: targets)
    }
}

extension SplitMix64 {
    /// One of 0..<count.
    mutating func index(below count: Int) -> Int { Int(unit() * Double(count)) }
}
