/// The nearest float with 8 significant bits, ties to even: a bfloat16.
public func roundedToBFloat16(_ x: Float) -> Float {
    guard x.isFinite, x != 0 else { return x }
    let lastPlace = Double(sign: .plus, exponent: max(Int(x.exponent), -126) - 7, significand: 1)
    return Float((Double(x) / lastPlace).rounded(.toNearestOrEven) * lastPlace)
}

extension KernelOrder {
    /// A matrix of four groups, or of one, as the bfloat16 kernels read it. Written from their
    /// contracts in kernel_list.h alone.
    public func bfloat16(_ matrix: [Float]) -> [Float] {
        let pairs = groups == 1 ? (Self.panels(units) + 1) / 2 : Self.panels(units) * groups / 2
        // Both members of a pair: the panel and group of each.
        func members(_ pair: Int) -> [(panel: Int, group: Int)] {
            groups == 1
                ? [(2 * pair, 0), (2 * pair + 1, 0)]
                : [
                    (pair * 2 / groups, pair * 2 % groups),
                    (pair * 2 / groups, pair * 2 % groups + 1),
                ]
        }
        func value(_ member: (panel: Int, group: Int), _ column: Int, _ lane: Int) -> Float {
            member.panel < Self.panels(units)
                ? matrix[
                    matrixIndex(
                        group: member.group, unit: member.panel * Self.lanes + lane, column: column)
                ] : 0
        }
        let pairsTogether = groups == 1 ? 1 : groups / 2
        var words: [Float] = []
        for first in stride(from: 0, to: pairs, by: pairsTogether) {
            let together = first..<first + pairsTogether
            for member in together.flatMap(members) {
                words += (0..<Self.lanes).map { value(member, 0, $0) }
            }
            for column in 1..<columns {
                for pair in together.map(members) {
                    words += (0..<Self.lanes).map { lane in
                        let halves = pair.map {
                            roundedToBFloat16(value($0, column, lane)).bitPattern
                        }
                        return Float(bitPattern: halves[0] | halves[1] >> 16)
                    }
                }
            }
        }
        return words
    }

    /// The matrix with all columns but the bias rounded.
    public func bfloat16Rounded(_ matrix: [Float]) -> [Float] {
        matrix.enumerated().map {
            $0.offset / (groups * Self.lanes) % columns == 0
                ? $0.element : roundedToBFloat16($0.element)
        }
    }
}
