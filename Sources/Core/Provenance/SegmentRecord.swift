// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// One record of a rank's segment file, as `docs/segment-format.md` describes it. Times and durations are nanoseconds, times
/// since 1970. Instances, ports and workers are indexes below 65535.
package enum SegmentRecord: Sendable, Equatable {
    case invocation(InvocationRecord)
    case datum(WrittenDatum)
    /// `datum` was derived from `source`, beside the input of its invocation.
    case derivation(datum: DatumID, source: DatumID)
    case attributes(datum: DatumID, json: String)
    case result(datum: DatumID, port: Int, json: String)
    case log(at: Int64, instance: Int?, stream: LogLine.Stream, text: String)
    case worker(at: Int64, worker: Int, event: WorkerEvent, pid: Int32, node: String)
    case calls(CallRun)
    case data(DataRun)
    case profile(instance: Int, InstanceProfile)
    /// The most bytes of memory that a worker's process has held, or that of the rank itself (`worker` nil).
    case memory(worker: Int?, peak: Int64)
}

/// One call of a PE's code.
package struct InvocationRecord: Sendable, Equatable {
    package enum Kind: UInt8, Sendable, CaseIterable { case process, preprocess, postprocess }
    package enum Outcome: UInt8, Sendable, CaseIterable {
        case ok, failed
        /// Failed, and its PE's policy is to go on without the datum.
        case skipped
    }

    package var instance: Int
    /// Position among the invocations of the instance.
    package var sequence: UInt64
    package var kind: Kind
    package var outcome: Outcome
    package var input: DatumID?
    package var inputPort: Int?
    package var start: Int64
    package var duration: Int64

    package init(
        instance: Int, sequence: UInt64, kind: Kind, outcome: Outcome, input: DatumID?, inputPort: Int?, start: Int64, duration: Int64
    ) {
        self.instance = instance
        self.sequence = sequence
        self.kind = kind
        self.outcome = outcome
        self.input = input
        self.inputPort = inputPort
        self.start = start
        self.duration = duration
    }
}

/// One datum that a PE wrote, or that the run was given.
package struct WrittenDatum: Sendable, Equatable {
    package enum Origin: UInt8, Sendable, CaseIterable {
        /// It left its worker, so its size is known.
        case sent
        /// It stayed in its worker: the size is an estimate.
        case kept
        /// An input of the run.
        case runInput
    }

    package var id: DatumID
    package var origin: Origin
    package var port: Int
    /// Sequence of the invocation that wrote it.
    package var invocation: UInt64?
    package var size: UInt64
    package var at: Int64

    package init(id: DatumID, origin: Origin, port: Int, invocation: UInt64?, size: UInt64, at: Int64) {
        self.id = id
        self.origin = origin
        self.port = port
        self.invocation = invocation
        self.size = size
        self.at = at
    }
}

package enum WorkerEvent: UInt8, Sendable, CaseIterable { case started, ready, ended }

/// Numbers that the encoder and the decoder share.
package enum SegmentFormat {
    package static let magic = Array("WEFTSEG1".utf8)
    package static let frameHeaderSize = 8
    package static let recordHeaderSize = 8
    /// Largest payload of a frame. A reader needs a buffer of this and ``frameHeaderSize`` to be sure to get on.
    package static let maximumPayload = 16 << 20

    static let none16 = UInt16.max
    static let none64 = UInt64.max

    /// Calls of a run whose inputs do not follow each other closely: readers look at each of them.
    package static let maximumStridedCalls: UInt64 = 1 << 22

    enum RecordType: UInt8 { case invocation = 1, datum, derivation, attributes, result, log, worker, calls, data, profile, memory }
}
