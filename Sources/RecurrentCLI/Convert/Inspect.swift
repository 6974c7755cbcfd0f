import ArgumentParser
import Foundation
import Recurrent
import RecurrentFormats

struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            """
            Tells what a model is made of: layers, parameters, multiply-adds, and the memory \
            that running and training it takes.
            """
    )

    @Argument(help: "A model in safetensors, as train writes it.")
    var model: String

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Sequences side by side in training. (default: the model's, or 16)", valueName: "number"
        ))
    var batch: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Time steps of a segment in training. (default: the model's, or 64)",
            valueName: "number"))
    var steps: Int?

    @Flag(help: "Prints the result as one JSON object, and nothing else.")
    var json = false

    func run() throws {
        let model = try readLanguageModel(model)
        let sizes = 1...ModelShape.largestDimension
        let batch =
            try self.batch
            ?? metadataNumber(MetadataKey.batch, model.metadata, path: self.model, default: 16)
        let steps =
            try self.steps
            ?? metadataNumber(MetadataKey.steps, model.metadata, path: self.model, default: 64)
        try validated("--batch", batch, sizes)
        try validated("--steps", steps, sizes)
        if self.batch == nil, self.steps == nil, batch * steps > ModelShape.largestRowCount {
            throw Failure(
                .data,
                """
                \(self.model): metadata \(MetadataKey.batch) × \(MetadataKey.steps); \
                expected 1 to \(ModelShape.largestRowCount), found \(batch * steps)
                """)
        }
        try validated("--batch × --steps", batch * steps, 1...ModelShape.largestRowCount)
        let report = InspectReport(model, batch: batch, steps: steps)
        if json { try printJSON(report) } else { try printToStandardOutput(report.text) }
    }
}

/// What `inspect` prints.
struct InspectReport: Encodable {
    struct Part: Encodable {
        let name: String, parameters: Int
    }

    struct Layer: Encodable {
        let name: String
        let inputs: Int, units: Int
        let parameters: Int
        /// Parameters of each gate of a recurrent layer, in each direction, and of its projection;
        /// of the one sum, z, where there is no gate.
        let parts: [Part]?
        /// Of one time step.
        let multiplyAdds: Int
    }

    let layers: [Layer]
    let head: String, loss: String
    let parameters: Int, multiplyAdds: Int
    let batch: Int, steps: Int
    let parameterBytes: Int, stateBytes: Int
    /// Of a segment in training; a moment as an optimizer keeps none, one, two or three.
    let tapeBytes: Int, scratchBytes: Int, gradientBytes: Int, momentBytes: Int
    let metadata: [String: String]

    init(_ model: borrowing Model, batch: Int, steps: Int) {
        let shape = model.shape
        var layers: [Layer] = []
        var inputs: Int
        switch shape.input {
        case .values(let size): inputs = size
        case .tokens(let vocabulary, let dimension):
            layers.append(
                Layer(
                    name: "embedding", inputs: vocabulary, units: dimension,
                    parameters: vocabulary * dimension, parts: nil, multiplyAdds: 0))
            inputs = dimension
        }
        for (index, layer) in shape.layers.enumerated() {
            let all = layer.parameterCount(inputSize: inputs)
            let counts = layer.gateParameterCounts(inputSize: inputs)
            let projection = all / layer.directions - counts.reduce(0, +)
            let parts =
                zip(layer.cell.gateNames, counts).map { Part(name: $0, parameters: $1) }
                + (projection > 0 ? [Part(name: "projection", parameters: projection)] : [])
            layers.append(
                Layer(
                    name:
                        "\(layer.cell.name)\(layer.isBidirectional ? ", both ways" : "") \(index)",
                    inputs: inputs, units: layer.outputSize,
                    parameters: all, parts: parts,
                    multiplyAdds: layer.multiplyAdds(inputSize: inputs)))
            inputs = layer.outputSize
        }
        let outputs = shape.outputSize
        layers.append(
            Layer(
                name: "dense", inputs: inputs, units: outputs, parameters: outputs * (inputs + 1),
                parts: nil, multiplyAdds: outputs * inputs))

        let memory = shape.trainingMemory(batch: batch, steps: steps)
        self.layers = layers
        head = shape.head.rawValue
        loss = shape.loss.name
        parameters = layers.reduce(0) { $0 + $1.parameters }
        multiplyAdds = layers.reduce(0) { $0 + $1.multiplyAdds }
        (self.batch, self.steps) = (batch, steps)
        (parameterBytes, stateBytes) = (memory.gradientBytes, shape.stateBytes)
        (tapeBytes, scratchBytes, gradientBytes, momentBytes) = (
            memory.tapeBytes, memory.scratchBytes, memory.gradientBytes, memory.gradientBytes
        )
        metadata = model.metadata.filter { $0.key != MetadataKey.vocabulary }
    }

    var text: String {
        let names = max(11, layers.map(\.name.count).max()! + 2)
        func row(_ cells: [String]) -> String { tableRow(cells, widths: [names, 20, 14, 14]) }
        var lines = [row(["layer", "inputs → units", "parameters", "multiply-adds"])]
        lines += layers.map {
            row([
                $0.name, "\($0.inputs.grouped) → \($0.units.grouped)", $0.parameters.grouped,
                $0.multiplyAdds.grouped,
            ])
        }
        lines.append(row(["all", "\(loss), \(head)", parameters.grouped, multiplyAdds.grouped]))
        for layer in layers {
            guard let parts = layer.parts else { continue }
            lines.append(
                "\(layer.name): parameters of "
                    + parts.map { "\($0.name) \($0.parameters.grouped)" }.joined(separator: ", "))
        }
        lines.append(
            """
            memory to run: \(parameterBytes.asBytes) of parameters, \(stateBytes.asBytes) for \
            each stream
            """
        )
        lines.append(
            """
            memory to train, batch \(batch.grouped), \(steps.grouped) steps: tape \
            \(tapeBytes.asBytes), scratch \(scratchBytes.asBytes), 
            """
                + """
                gradient \(gradientBytes.asBytes), each moment of the optimizer \
                \(momentBytes.asBytes)
                """
        )
        lines += metadata.sorted { $0.key < $1.key }.map { key, value in
            "\(key.excerpt): \(value.excerpt)"
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

extension Int {
    /// Bytes in a unit that reads well.
    fileprivate var asBytes: String {
        switch self {
        case ..<10_000: "\(grouped) B"
        case ..<10_000_000: String(format: "%.1f kB", Double(self) / 1e3)
        default: String(format: "%.1f MB", Double(self) / 1e6)
        }
    }
}
