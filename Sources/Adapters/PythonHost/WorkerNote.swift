// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// What a worker tells its rank beside the stream.
package enum WorkerNote: Sendable {
    case started(pid: Int32)
    case ready(pid: Int32)
    /// Complete records for the segment.
    case records([UInt8])
    /// It has taken its part of the checkpoint, after so many items of the run's input if it hosts a source.
    case checkpointed(UInt32, items: Int?)
    /// A line that it printed; `instance` is unknown for what was printed past `sys.stdout`.
    case line(instance: Int?, stream: LogLine.Stream, text: String)
    /// Its failure in JSON, as far as it knows it.
    case failed([UInt8])
    case ended(WorkerEnd)
    /// What the nursery printed, or what is to be known about it. The number of the worker means nothing.
    case nursery(String)
}

/// How a worker process ended.
package struct WorkerEnd: Sendable {
    package enum Status: Sendable, Hashable {
        case exited(Int)
        case killed(signal: String)
        /// It had closed its end of the stream and stayed; the rank has ended it.
        case silent
        /// Nobody knows: the nursery that had forked it is gone.
        case orphaned
    }

    package var pid: Int32
    package var status: Status
    package var wasReady: Bool
    /// It had delivered everything.
    package var wasDone: Bool
    /// The last lines that it printed.
    package var lastWords: [String]
}
