// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// What a native worker tells its rank beside the stream.
package enum NativeNote: Sendable {
    case started
    case ready
    /// Complete records for the segment.
    case records([UInt8])
    /// It has taken its part of the checkpoint, after so many items of the run's input if it hosts a source.
    case checkpointed(UInt32, items: Int?)
    case line(instance: Int?, stream: LogLine.Stream, text: String)
    /// It has failed and does nothing more. Rank and node are for the rank to fill in.
    case failed(FailureReport)
    case ended
}
