import Foundation
import Recurrent

/// A folder in which Linux says what a control group may use.
struct ControlGroup {
    /// Whether it is of version 2.
    let isUnified: Bool
    let path: String

    /// The words of one of its files; none where there is no such file.
    func words(of file: String) -> [Substring] {
        (try? String(contentsOfFile: path + "/" + file, encoding: .utf8))?.split(
            whereSeparator: \.isWhitespace) ?? []
    }
}

/// The control groups of this process for a controller, of version 1 or 2, and those above them.
///
/// - Parameter root: where the file system begins.
func controlGroups(_ controller: String, root: String) -> [ControlGroup] {
    // hierarchy:controllers:path
    let lines = (try? String(contentsOfFile: root + "/proc/self/cgroup", encoding: .utf8)) ?? ""
    return lines.split(separator: "\n").flatMap { line -> [ControlGroup] in
        let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3 else { return [] }
        let isUnified = parts[1].isEmpty
        guard isUnified || parts[1].split(separator: ",").contains(Substring(controller)) else {
            return []
        }
        let folder = root + "/sys/fs/cgroup" + (isUnified ? "" : "/" + controller)
        return sequence(first: parts[2]) { path in path.lastIndex(of: "/").map { path[..<$0] } }
            .map { ControlGroup(isUnified: isUnified, path: folder + $0) }
    }
}

/// The processors that this process may use.
enum ProcessorLimit {
    /// The least of the cores that it may run on and the time that its control groups allow,
    /// rounded up, at least 1.
    static var cores: Int {
        min(Pool.processorCount, max(Int(ofControlGroups().rounded(.up)), 1))
    }

    /// The least quota of the control groups of this process, in processors; 1e6 where there is
    /// none.
    ///
    /// - Parameter root: where the file system begins.
    static func ofControlGroups(root: String = "") -> Double {
        controlGroups("cpu", root: root).reduce(1e6) { least, folder in
            // The time of all threads in a period, and the period, in microseconds.
            let words =
                folder.isUnified
                ? folder.words(of: "cpu.max")
                : folder.words(of: "cpu.cfs_quota_us") + folder.words(of: "cpu.cfs_period_us")
            guard words.count == 2, let quota = Double(words[0]), let period = Double(words[1]),
                quota > 0, period > 0
            else { return least }
            return min(least, quota / period)
        }
    }
}
