import ArgumentParser
import Foundation

@main
struct Tool: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recurrent",
        abstract: "Trains recurrent networks on text, continues text with them, and measures both.",
        version: "recurrent 0.1.0",
        subcommands: [
            Train.self, Generate.self, Evaluate.self, Inspect.self, Compare.self, Tune.self,
            Descend.self, Flow.self, Learn.self, Bench.self,
        ])

    /// Every error is one line on stderr and an exit code of sysexits(3).
    static func main() {
        // A file that grows past the limit of the process is then an error of the write, after
        // which nothing is left behind.
        signal(SIGXFSZ, SIG_IGN)
        do {
            var command = try parseAsRoot(Array(commandLineArguments.dropFirst()))
            try command.run()
        } catch let failure as Failure {
            failure.exit()
        } catch  where exitCode(for: error) == .validationFailure {
            Failure(.usage, message(for: error)).exit()
        } catch  where exitCode(for: error) == .failure {
            Failure(.software, "\(error)").exit()
        } catch {
            exit(withError: error)
        }
    }
}
