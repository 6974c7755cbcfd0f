import Foundation
import Recurrent
import Testing

/// Models after a few training steps have the same bits everywhere: hashes of their files. Those of
/// each kernel are in Tests/Golden/hashes.txt.
@Suite struct TrainedBitsTests {
    /// To be replaced by what the failures print where training has changed on purpose. Of a rule
    /// that is not here, all must have the bits of the first.
    static let hashes: [String: UInt64] = [
        "sgd": 0x1EC9_65BC_FB0F_B047, "momentum": 0xD242_8D17_0301_2E9B,
        "nesterov": 0x7AC6_D3D9_58BE_3132,
        "adagrad": 0xBD89_A5F5_E96A_3431, "rmsprop": 0x77AB_440C_8974_6652,
        "adadelta": 0xB495_2A51_3287_F195,
        "adam": 0x49F7_2263_0A5E_63E7, "adamw": 0x511D_34DC_0554_7E7A,
        "amsgrad": 0x2A2A_5B36_7721_F5B5, "nadam": 0xB0C6_A1B3_7DAA_AD71,
        "radam": 0xDB59_22C5_13C5_0EAE, "adamax": 0x8DDE_4143_1721_DB55,
        "nesterov-look-ahead": 0x50D4_DDB6_74F7_8C5E, "lion": 0xE443_7672_D3A5_9497,
    ]

    /// FNV-1a of 64 bits.
    private func hash(_ bytes: Data) -> UInt64 {
        bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }

    private func train(_ optimizer: Optimizer, threads: Int, isa: ISA) throws -> UInt64 {
        let shape = ModelShape(
            input: .tokens(vocabulary: 11, dimension: 9), layers: [.lstm(36), .lstm(17)],
            outputSize: 11, loss: .crossEntropy)
        var trainer = Trainer(
            Model(shape, seed: 1), optimizer: optimizer, batch: 3, steps: 5, initialState: .carried,
            clip: GradientClip(norm: 0.5), dropout: 0.2, threads: threads,
            kernels: try Kernels(isa: isa))
        for segment in 0..<3 {
            let tokens = (0..<15).map { Int32((segment + $0 * $0) % 11) }
            let targets = tokens.map { ($0 * 3 + 1) % 11 }
            _ = trainer.step(tokens: tokens.span, targets: targets.span)
        }
        let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: file) }
        try trainer.model.save(to: file.path)
        return hash(try Data(contentsOf: file))
    }

    @Test(arguments: Optimizer.names) func areTheSameEverywhere(optimizer: String) throws {
        let rule = try #require(Optimizer.named(optimizer))
        let expected =
            try Self.hashes[optimizer] ?? train(rule, threads: 1, isa: ISA.available[0])
        for isa in ISA.available {
            for threads in 1...4 {
                let hash = try train(rule, threads: threads, isa: isa)
                #expect(
                    hash == expected, "0x\(String(hash, radix: 16)) with \(isa), \(threads) threads"
                )
            }
        }
    }
}
