import CRecurrent
import RecurrentFormats
import RecurrentReference
import TestSupport
import Testing

@testable import Recurrent

/// A model of any mix of layers, with a segment to train it on.
struct StackCase: CustomStringConvertible, Sendable {
    let layers: [RecurrentLayer]
    let head: ModelShape.Head
    let readsTokens: Bool
    let lengths: [Int]?
    let batch = 3, steps = 4, inputSize = 2, outputSize = 5, seed: UInt64 = 6

    static let all: [StackCase] = [
        StackCase([.gru(5), .lstm(4)], .everyStep, readsTokens: false, ends: false),
        StackCase(
            [.lstm(3, isBidirectional: true), .rnn(17)], .everyStep, readsTokens: true, ends: true),
        StackCase(
            [.rnn(3, .sigmoid), .gru(9, .resetBefore, isBidirectional: true)], .mean,
            readsTokens: true, ends: true),
        StackCase(
            [.gru(17, .lecture, isBidirectional: true)], .lastStep, readsTokens: false, ends: true),
        StackCase(
            [
                .lstm(3, Recurrent.LSTMVariant(gateActivation: .hardSigmoidSixth)),
                .gru(4, Recurrent.GRUVariant(zReplaces: true, activation: .leakyReLU)),
            ], .everyStep, readsTokens: false, ends: false),
        StackCase(
            [.lstm(16, isBidirectional: true), .lstm(2, isBidirectional: true)], .lastStep,
            readsTokens: true, ends: false),
        StackCase(
            [.rnn(4), .gru(3, .lecture), .lstm(5)], .lastStep, readsTokens: false, ends: true),
        StackCase([.lstm(4)], .mean, readsTokens: false, ends: false),
        StackCase(
            [
                .lstm(
                    5,
                    Recurrent.LSTMVariant(
                        activation: .sigmoid, hasPeepholes: true, hasCoupledGates: true,
                        cellClip: 0.45,
                        projectionSize: 3)), .rnn(4),
            ],
            .everyStep, readsTokens: false, ends: true),
        StackCase(
            [
                .lstm(3, Recurrent.LSTMVariant(projectionSize: 17), isBidirectional: true),
                .lstm(18, Recurrent.LSTMVariant(hasPeepholes: true)),
            ], .lastStep,
            readsTokens: true, ends: true),
        StackCase(
            [.lstm(6, Recurrent.LSTMVariant(hasCoupledGates: true, projectionSize: 2)), .gru(3)],
            .mean, readsTokens: false, ends: false),
    ]

    init(_ layers: [RecurrentLayer], _ head: ModelShape.Head, readsTokens: Bool, ends: Bool) {
        (self.layers, self.head, self.readsTokens) = (layers, head, readsTokens)
        lengths = ends ? [4, 1, 3] : nil
    }

    var description: String {
        let layers = layers.map {
            $0.cell.name + ($0.isBidirectional ? " both ways" : "") + " of \($0.hiddenSize)"
        }.joined(separator: ", ")
        return
            """
            \(layers), \(head), \(readsTokens ? "tokens" : "values"), \
            \(lengths == nil ? "whole" : "ended")
            """
    }

    var shape: ModelShape {
        ModelShape(
            input: readsTokens
                ? .tokens(vocabulary: outputSize, dimension: inputSize) : .values(size: inputSize),
            layers: layers, head: head,
            outputSize: outputSize, loss: readsTokens ? .crossEntropy : .meanSquaredError)
    }
    var rows: Int { head == .everyStep ? steps * batch : batch }
    func isValid(_ row: Int, _ step: Int) -> Bool { lengths.map { step < $0[row] } ?? true }

    var tokens: [Int32] { (0..<steps * batch).map { Int32($0 * $0 % 7 % outputSize) } }
    var classes: [Int32] { (0..<rows).map { Int32(($0 * 3 + 1) % outputSize) } }
    /// NaN where a sequence has ended.
    var values: [Float] {
        (0..<steps * batch * inputSize).map {
            isValid($0 / inputSize % batch, $0 / inputSize / batch)
                ? Float($0 * 7 % 13) / 13 - 0.4 : .nan
        }
    }
    var targets: [Float] { (0..<rows * outputSize).map { Float($0 * 5 % 11) / 11 } }

    func trainer(
        _ model: consuming Model, _ optimizer: Optimizer = .sgd(SGD(learningRate: 1)),
        dropout: Float = 0, recurrentDropout: Float = 0,
        threads: Int = 1, kernels: Kernels = .best
    ) -> Trainer {
        Trainer(
            model, optimizer: optimizer, batch: batch, steps: steps, initialState: .carried,
            dropout: dropout,
            recurrentDropout: recurrentDropout, seed: seed, threads: threads, kernels: kernels)
    }

    func step(_ trainer: inout Trainer) -> TrainingStep {
        readsTokens
            ? trainer.step(tokens: tokens.span, targets: classes.span, lengths: lengths?.span)
            : trainer.step(values: values.span, targets: targets.span, lengths: lengths?.span)
    }

    func evaluate(_ trainer: inout Trainer) -> Evaluation {
        readsTokens
            ? trainer.evaluate(tokens: tokens.span, targets: classes.span, lengths: lengths?.span)
            : trainer.evaluate(values: values.span, targets: targets.span, lengths: lengths?.span)
    }

    func predict(_ trainer: inout Trainer) {
        if readsTokens {
            trainer.predict(tokens: tokens.span, lengths: lengths?.span)
        } else {
            trainer.predict(values: values.span, lengths: lengths?.span)
        }
    }
}

/// The tensors of a model, as its file has them.
struct Tensors: Equatable {
    var values: [String: [Double]] = [:]

    init(_ model: borrowing Model) throws {
        let folder = try TemporaryFolder()
        let path = folder.path("model")
        try model.save(to: path)
        let file = try Safetensors(readFile(path))
        for entry in file.entries {
            values[entry.name] = try file.tensor(named: entry.name).values.map(Double.init)
        }
    }

    /// Rows of `columns` numbers.
    func matrix(_ name: String, _ columns: Int) -> [[Double]] {
        let all = values[name]!
        return stride(from: 0, to: all.count, by: columns).map { Array(all[$0..<$0 + columns]) }
    }
}

extension StackCase {
    /// h of every step of a direction, by the reference.
    private func run(
        _ layer: RecurrentLayer, _ name: (String) -> String, _ tensors: Tensors, x: [[[Double]]],
        mask: [[Double]]?
    ) -> [[[Double]]] {
        let (inputs, units) = (x[0][0].count, layer.hiddenSize)
        let shape = AnyCellShape(
            layer, inputSize: inputs, batch: batch, steps: steps, inputStride: inputs)
        let cell = testedCells.first { $0.cell == shape.cValue.cell }!.init(shape.cValue)
        func rows(_ parameter: String, _ gate: Int, _ columns: Int) -> [[Double]] {
            guard tensors.values[name(parameter)] != nil else { return [] }
            return Array(
                tensors.matrix(name(parameter), columns)[gate * units..<(gate + 1) * units])
        }
        func bias(_ parameter: String, _ gate: Int) -> [Double] {
            rows(parameter, gate, 1).flatMap { $0 }
        }
        let peepholes = tensors.values[name("peephole")].map { _ in
            tensors.matrix(name("peephole"), units)
        }
        var problem = CellProblem(
            CellCase(inputs, units, batch: batch, steps: steps, lengths: lengths, cell: cell),
            seed: 0)
        problem.parameters = CellParameters(
            gates: cell.gates.indices.map { gate in
                let hasOwn = peepholes == nil && cell.innerGates.contains(gate)
                let (ih, hh) = (bias("bias_ih", gate), bias("bias_hh", gate))
                return GateParameters(
                    W: rows("weight_ih", gate, inputs),
                    U: cell.readsHidden
                        ? rows("weight_hh", gate, layer.unitCount) : ih.map { _ in [] },
                    b: hasOwn || hh.isEmpty ? ih : zip(ih, hh).map(+))
            },
            inner: cell.gates.indices.map { gate in
                guard let place = cell.innerGates.firstIndex(of: gate) else { return [] }
                return peepholes?[place] ?? bias("bias_hh", gate)
            },
            projection: cell.projection == nil ? [] : tensors.matrix(name("weight_hr"), units))
        problem.x = x
        problem.h0 = x[0].map { _ in [Double](repeating: 0, count: layer.unitCount) }
        problem.c0 = x[0].map { _ in [Double](repeating: 0, count: units) }
        problem.mask = mask
        return Array(problem.forward().h.dropFirst())
    }

    /// What the dense layer gives for each row, by the reference: nothing for one that has ended.
    /// Recurrent dropout is that of the first step.
    func outputs(_ tensors: Tensors, recurrentDropout: Double = 0) -> [[Double]] {
        func mask(_ layer: Int, _ direction: Int) -> [[Double]]? {
            guard recurrentDropout > 0 else { return nil }
            let ones = (0..<batch).map { _ in [Double](repeating: 1, count: layers[layer].unitCount)
            }
            return Dropout(
                seed: seed, counter: 1 << 63 + UInt64(2 * layer + direction),
                probability: recurrentDropout)(ones)
        }
        var x = (0..<steps).map { t in
            (0..<batch).map { b in
                let row = t * batch + b
                if readsTokens {
                    return tensors.matrix("embedding.weight", inputSize)[Int(tokens[row])]
                }
                return (0..<inputSize).map { Double(values[row * inputSize + $0]) }
            }
        }
        for (index, layer) in layers.enumerated() {
            // Cells that PyTorch does not have go by their whole name.
            let cell = layer.cell.name
            let isWhole = tensors.values["\(cell).bias_ih_l\(index)"] != nil
            let module = isWhole ? cell : String(cell.prefix { $0 != "(" })
            func name(_ parameter: String) -> String { "\(module).\(parameter)_l\(index)" }
            let forward = run(layer, name, tensors, x: x, mask: mask(index, 0))
            guard layer.isBidirectional else {
                x = forward
                continue
            }
            let reversed = run(
                layer, { name($0) + "_reverse" }, tensors,
                x: sequenceCopy(x, lengths: lengths, reversed: true),
                mask: mask(index, 1))
            let backward = sequenceCopy(reversed, lengths: lengths, reversed: true)
            x = zip(forward, backward).map { zip($0, $1).map(+) }
        }
        let dense = Dense(
            W: tensors.matrix("dense.weight", x[0][0].count), b: tensors.values["dense.bias"]!)
        switch head {
        case .everyStep: return x.flatMap { dense.forward(x: $0) }
        case .mean: return dense.forward(x: sequencePool(x, lengths: lengths, .mean))
        case .lastStep:
            let last = sequencePool(x, lengths: lengths, .last)
            let first = sequencePool(x, lengths: lengths, .last, reversed: true)
            let units = layers.last!.unitCount
            return dense.forward(
                x: zip(last, first).map { Array($0.prefix(units) + $1.dropFirst(units)) })
        }
    }

    /// The mean loss of the rows that have a target.
    func loss(_ tensors: Tensors, recurrentDropout: Double = 0) -> Double {
        let valid = (0..<rows).filter { isValid($0 % batch, $0 / batch) }
        let outputs = outputs(tensors, recurrentDropout: recurrentDropout)
        let losses = valid.map { row in
            readsTokens
                ? softmaxCrossEntropy(outputs[row], target: Int(classes[row])).loss
                : meanSquaredError(
                    outputs[row],
                    target: targets[row * outputSize..<(row + 1) * outputSize].map(Double.init)
                ).loss
        }
        return losses.reduce(0, +) / Double(valid.count)
    }
}
