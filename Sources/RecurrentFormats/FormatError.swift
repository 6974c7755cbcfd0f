/// Why the contents of a file were refused. The description is one line, "tensor: what; expected …,
/// found …", to be printed behind the path of the file.
public struct FormatError: Error, Equatable, Sendable {
    public enum Problem: String, Sendable {
        // The frame of a file.
        case shortFile = "file cut short"
        case headerLimit = "header too long"
        case headerPastEnd = "header reaches past the end of the file"
        case headerStart = "header does not start with an object"
        case padding = "bytes behind the header's object"
        // The header's text.
        case encoding = "header is not UTF-8"
        case syntax = "header is not the JSON it should be"
        case escape = "bad escape in a string"
        case integer = "not a plain integer up to 2^53"
        case wordLength = "bad length of a name"
        case duplicate = "key occurs twice"
        case unknownField = "unknown field"
        case missingField = "missing field"
        case tensorLimit = "too many tensors"
        // One tensor.
        case elementType = "unknown element type"
        case rank = "too many dimensions"
        case offsets = "data_offsets is not a pair in ascending order"
        case shapeOverflow = "number of elements overflows"
        case sizeOverflow = "number of bits overflows"
        case partialByte = "elements do not fill whole bytes"
        case size = "shape and data_offsets disagree"
        case hole = "hole or overlap in front of the data"
        case fileLength = "data does not end where the file ends"
        // What a reader asks for.
        case notFloats = "elements cannot be read as floats"
        case missingTensor = "missing tensor"
        case unexpectedTensor = "unexpected tensor"
        case shape = "wrong shape"
        case notFinite = "not a number that can be computed with"
    }

    public let problem: Problem
    /// The tensor concerned, where there is one.
    public let tensor: String?
    public let expected: String
    public let found: String

    init(_ problem: Problem, tensor: String? = nil, expected: String, found: String) {
        self.problem = problem
        self.tensor = tensor
        self.expected = expected
        self.found = found
    }
}

extension FormatError: CustomStringConvertible {
    public var description: String {
        let subject = tensor.map { $0.excerpt + ": " } ?? ""
        return "\(subject)\(problem.rawValue); expected \(expected.excerpt), found \(found.excerpt)"
    }
}
