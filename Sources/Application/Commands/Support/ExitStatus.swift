// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
package import WorkflowModel

/// What the exit code of `weft` tells scripts.
package enum ExitStatus: Int32, Sendable {
    case ok = 0
    case error = 1
    /// The command line itself is wrong.
    case usage = 2
    case runFailed = 3
    /// No token, a token that is not accepted, or one that does not allow this.
    case authentication = 4
    case notFound = 5
    case timeout = 124
    /// Ended by Ctrl-C.
    case interrupted = 130
}

/// A sentence for the user and the exit code that goes with it.
package struct CommandFailure: Error, Equatable, CustomStringConvertible {
    package var status: ExitStatus
    package var description: String

    package init(_ description: String, status: ExitStatus = .error) {
        self.status = status
        self.description = description
    }
}

/// All has been said; only the exit code is left to tell.
struct SilentExit: Error {
    var status: ExitStatus
}

extension ExitStatus {
    package init(_ kind: Problem.Kind) {
        self =
            switch kind {
            case .unauthorized, .forbidden: .authentication
            case .notFound: .notFound
            case .badRequest, .methodNotAllowed, .conflict, .preconditionFailed, .tooLarge, .invalid, .tooManyRequests, .internalError,
                .unavailable:
                .error
            }
    }

    /// Exit code of a command that waited for a run which ended in this state.
    package init(endOf state: RunState) {
        self =
            switch state {
            case .succeeded: .ok
            case .failed: .runFailed
            case .cancelled, .submitted, .queued, .starting, .running, .cancelling: .error
            }
    }

    package init(of error: any Error) {
        switch error {
        case let failure as CommandFailure: self = failure.status
        case let exit as SilentExit: self = exit.status
        case let problem as Problem: self = ExitStatus(problem.kind)
        default:
            switch Weft.exitCode(for: error) {
            case .success: self = .ok
            case .validationFailure: self = .usage
            case let code: self = ExitStatus(rawValue: code.rawValue) ?? .error
            }
        }
    }
}
