// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials

/// Why an attempt failed, as the rank that saw it tells it (or the server, where no rank could).
package struct FailureReport: Sendable, Codable, Hashable {
    package enum Cause: String, Sendable, Codable {
        /// The PE's code raised.
        case exception
        /// An output could not be pickled.
        case unpicklable
        /// The module, or the PE in it, could not be loaded in the worker.
        case load
        /// The interpreter could not be started.
        case interpreter
        /// The worker process ended without a word: a signal, `os._exit`.
        case worker
        /// A rank ended by a signal or without finishing.
        case rank
        /// A file could not be written: disk full, no permission.
        case storage
        /// The launcher (mpirun) failed or vanished, or somebody ended it from outside.
        case launcher
        /// A node failed, or could no longer be reached.
        case node
        /// The engine took the nodes back for other work.
        case preemption
        /// The memory that the run had asked for was not enough.
        case memory
        /// One datum, or the run, took longer than its time limit.
        case timeLimit = "time_limit"
        /// A message or file broke the protocol between Weft's own parts.
        case protocolViolation = "protocol"
    }

    package var cause: Cause
    /// One sentence that names what happened where.
    package var message: String
    package var at: Date
    package var rank: Int?
    package var node: String?
    /// Id of the PE.
    package var element: String?
    /// Number of the PE instance.
    package var instance: Int?
    /// Name of the signal, as `SIGKILL`.
    package var signal: String?
    package var exitStatus: Int?
    /// The datum that was being processed, and how it looked.
    package var datum: String?
    package var datumSummary: String?
    /// The full Python traceback, or the last lines the process printed.
    package var traceback: String?

    package init(
        cause: Cause, message: String, at: Date, rank: Int? = nil, node: String? = nil, element: String? = nil, instance: Int? = nil,
        signal: String? = nil, exitStatus: Int? = nil, datum: String? = nil, datumSummary: String? = nil, traceback: String? = nil
    ) {
        self.cause = cause
        self.message = message
        self.at = at
        self.rank = rank
        self.node = node
        self.element = element
        self.instance = instance
        self.signal = signal
        self.exitStatus = exitStatus
        self.datum = datum
        self.datumSummary = datumSummary
        self.traceback = traceback
    }

    private enum CodingKeys: String, CodingKey {
        case cause, message, at, rank, node, element, instance, signal, datum, traceback
        case exitStatus = "exit_status"
        case datumSummary = "datum_summary"
    }
}
