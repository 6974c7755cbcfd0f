import ArgumentParser
import Foundation
import Synchronization

/// Lets a training end between two steps when it is told to, so that no file is left half-written.
enum Interruption {
    private static let signal = Atomic<Int32>(0)

    /// From now on, SIGINT, SIGTERM and SIGHUP are noted; a second one ends the process at once.
    /// SIGHUP stays ignored where it is: by nohup(1).
    static func watch() {
        _ = signal.load(ordering: .relaxed)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            var action = sigaction()
            if number == SIGHUP, sigaction(number, nil, &action) == 0, action.ignores { continue }
            Foundation.signal(number) { number in
                Interruption.signal.store(number, ordering: .relaxed)
                Foundation.signal(number, SIG_DFL)
            }
        }
    }

    /// Throws the exit code that shells know, 128 + the signal, if there was one.
    static func check() throws(ExitCode) {
        let number = signal.load(ordering: .relaxed)
        if number != 0 { throw ExitCode(128 + number) }
    }
}

extension sigaction {
    fileprivate var ignores: Bool {
        #if canImport(Darwin)
            let handler = __sigaction_u.__sa_handler
        #else
            let handler = __sigaction_handler.sa_handler
        #endif
        return unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }
}
