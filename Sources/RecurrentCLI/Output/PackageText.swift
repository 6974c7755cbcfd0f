import Foundation

/// The text that `train` learns where it is given none: the package's own README, manifest and
/// sources, which every clone has.
enum PackageText {
    private static let landmarks = ["Package.swift", "CKernels", "Sources", "Tests"]
    private static let files = ["README.md", "Package.swift"]
    private static let folders = ["CKernels", "Sources", "Tests"]
    private static let endings: Set = ["swift", "h", "c", "md"]

    /// The package that `folder` is in.
    static func root(from folder: String) throws(Failure) -> String {
        var url = URL(fileURLWithPath: folder, isDirectory: true).standardizedFileURL
        while true {
            if landmarks.allSatisfy({
                FileManager.default.fileExists(atPath: url.appending(path: $0).path)
            }) {
                return url.path
            }
            guard url.path != "/" else {
                throw Failure(
                    .noInput,
                    """
                    \(folder): not in the package; expected --text, or a folder above with \
                    \(landmarks.joined(separator: ", ")), found none
                    """
                )
            }
            url = url.deletingLastPathComponent().standardizedFileURL
        }
    }

    /// Every file, one behind the other, folders and names in ascending order: the same text on
    /// every machine.
    static func read(root: String) throws(Failure) -> [Unicode.Scalar] {
        var text: [Unicode.Scalar] = []
        for path in paths(root: root)
        where FileManager.default.fileExists(atPath: "\(root)/\(path)") {
            text += try readText("\(root)/\(path)")
        }
        return text
    }

    private static func paths(root: String) -> [String] {
        files
            + folders.flatMap { folder in
                let paths =
                    FileManager.default.enumerator(atPath: "\(root)/\(folder)")?.compactMap {
                        $0 as? String
                    } ?? []
                return paths.filter { endings.contains(URL(fileURLWithPath: $0).pathExtension) }.map
                { "\(folder)/\($0)" }
                .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            }
    }
}
