// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// A run of calls of `process` that all went well, with sequences from ``first`` on.
package struct CallRun: Sendable, Equatable {
    package enum Inputs: Sendable, Equatable {
        case none
        /// Each call's input is the one before and `stride`.
        case progression(first: DatumID, stride: UInt64)
        /// One for each call.
        case list([DatumID])
    }

    package struct Time: Sendable, Equatable {
        package var start: Int64
        package var duration: Int64

        package init(start: Int64, duration: Int64) {
            self.start = start
            self.duration = duration
        }
    }

    package var instance: Int
    package var first: UInt64
    /// 1 or more.
    package var count: UInt64
    package var inputPort: Int?
    package var inputs: Inputs
    /// Of each call; empty where the calls are too short to take the time of each.
    package var times: [Time]
    /// Start of the first call.
    package var start: Int64
    /// End of the last call.
    package var end: Int64
    /// Calls whose time was taken, and how long these took together.
    package var timed: UInt64
    package var timedDuration: UInt64

    package init(
        instance: Int, first: UInt64, count: UInt64, inputPort: Int?, inputs: Inputs, times: [Time] = [], start: Int64, end: Int64,
        timed: UInt64, timedDuration: UInt64
    ) {
        self.instance = instance
        self.first = first
        self.count = count
        self.inputPort = inputPort
        self.inputs = inputs
        self.times = times
        self.start = start
        self.end = end
        self.timed = timed
        self.timedDuration = timedDuration
    }

    package var last: UInt64 { first + (count - 1) }
}

/// A run of data of one output port, with ids from ``first`` on.
package struct DataRun: Sendable, Equatable {
    /// Sequences of the invocations that wrote them.
    package enum Writers: Sendable, Equatable {
        /// Inputs of the run.
        case none
        case one(UInt64)
        /// One each, in order.
        case each(from: UInt64)
        /// The distance from `from`, for each datum.
        case distances(from: UInt64, [UInt32])
    }

    package var first: DatumID
    /// 1 or more.
    package var count: UInt64
    package var origin: WrittenDatum.Origin
    package var port: Int
    package var writers: Writers
    /// Of all of them together.
    package var size: UInt64
    package var firstAt: Int64
    package var lastAt: Int64

    package init(
        first: DatumID, count: UInt64, origin: WrittenDatum.Origin, port: Int, writers: Writers, size: UInt64, firstAt: Int64,
        lastAt: Int64
    ) {
        self.first = first
        self.count = count
        self.origin = origin
        self.port = port
        self.writers = writers
        self.size = size
        self.firstAt = firstAt
        self.lastAt = lastAt
    }

    package var last: DatumID { DatumID(rawValue: first.rawValue + (count - 1)) }
}
