// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials

/// What one PE did in an attempt.
package struct ElementSummary: Sendable, Codable, Hashable {
    package var element: String
    package var instances: [InstanceSummary]

    package init(element: String, instances: [InstanceSummary]) {
        self.element = element
        self.instances = instances
    }
}

package struct InstanceSummary: Sendable, Codable, Hashable {
    /// Number of the PE instance in the plan.
    package var instance: Int
    package var rank: Int
    /// Calls of its code, `preprocess` and `postprocess` among them.
    package var invocations: Int64
    package var failed: Int64
    /// Data given up because their calls failed.
    package var skipped: Int64
    /// Calls repeated because they failed.
    package var retried: Int64
    package var dataIn: Int64
    package var dataOut: Int64
    package var bytesOut: Int64
    /// Sum over the invocations, in seconds; estimated where the time of some only was taken.
    package var busySeconds: Double
    /// Waiting for room downstream.
    package var blockedSeconds: Double?
    /// Of the calls of `process` whose time was taken.
    package var medianSeconds: Double?
    package var p95Seconds: Double?
    /// Attributes that calls changed; absent where the PE declares its state.
    package var changed: [String]?
    package var firstAt: Date?
    package var lastAt: Date?

    package init(
        instance: Int, rank: Int, invocations: Int64, failed: Int64 = 0, skipped: Int64 = 0, retried: Int64 = 0, dataIn: Int64,
        dataOut: Int64, bytesOut: Int64, busySeconds: Double, blockedSeconds: Double? = nil, medianSeconds: Double? = nil,
        p95Seconds: Double? = nil, changed: [String]? = nil, firstAt: Date? = nil, lastAt: Date? = nil
    ) {
        self.instance = instance
        self.rank = rank
        self.invocations = invocations
        self.failed = failed
        self.skipped = skipped
        self.retried = retried
        self.dataIn = dataIn
        self.dataOut = dataOut
        self.bytesOut = bytesOut
        self.busySeconds = busySeconds
        self.blockedSeconds = blockedSeconds
        self.medianSeconds = medianSeconds
        self.p95Seconds = p95Seconds
        self.changed = changed
        self.firstAt = firstAt
        self.lastAt = lastAt
    }

    private enum CodingKeys: String, CodingKey {
        case instance, rank, invocations, failed, skipped, retried, changed
        case dataIn = "data_in"
        case dataOut = "data_out"
        case bytesOut = "bytes_out"
        case busySeconds = "busy_seconds"
        case blockedSeconds = "blocked_seconds"
        case medianSeconds = "median_seconds"
        case p95Seconds = "p95_seconds"
        case firstAt = "first_at"
        case lastAt = "last_at"
    }
}

/// Answer to `GET /runs/{id}/provenance`.
package struct ProvenanceSummary: Sendable, Codable, Hashable {
    package var run: RunID
    package var attempt: Int
    /// Every segment has been read to its end.
    package var complete: Bool
    package var elements: [ElementSummary]

    package init(run: RunID, attempt: Int, complete: Bool, elements: [ElementSummary]) {
        self.run = run
        self.attempt = attempt
        self.complete = complete
        self.elements = elements
    }
}

/// A call that did not go well.
package struct FailedInvocation: Sendable, Codable, Hashable {
    package enum Outcome: String, Sendable, Codable, CaseIterable {
        /// It failed the run.
        case failed
        /// The run went on without its datum.
        case skipped
    }

    /// Id of the PE.
    package var element: String
    package var instance: Int
    package var rank: Int
    /// Position among the invocations of the instance.
    package var sequence: Int64
    /// `process`, `preprocess` or `postprocess`.
    package var kind: String
    package var outcome: Outcome
    /// What it was given.
    package var datum: DatumReference?
    /// Input port that the datum came to.
    package var port: String?
    package var startedAt: Date
    package var seconds: Double

    package init(
        element: String, instance: Int, rank: Int, sequence: Int64, kind: String, outcome: Outcome, datum: DatumReference?, port: String?,
        startedAt: Date, seconds: Double
    ) {
        self.element = element
        self.instance = instance
        self.rank = rank
        self.sequence = sequence
        self.kind = kind
        self.outcome = outcome
        self.datum = datum
        self.port = port
        self.startedAt = startedAt
        self.seconds = seconds
    }

    private enum CodingKeys: String, CodingKey {
        case element, instance, rank, sequence, kind, outcome, datum, port, seconds
        case startedAt = "started_at"
    }
}

/// One datum that flowed.
package struct DatumRecord: Sendable, Codable, Hashable {
    package var id: DatumReference
    /// Id of the PE that wrote it, or, for an input of the run, that was given it.
    package var element: String
    package var instance: Int
    /// Output port; for an input of the run, `input`.
    package var port: String
    /// Bytes as pickled; for a datum that never left its worker, as estimated in memory. Of data that were recorded together, the
    /// mean.
    package var size: Int64
    package var at: Date
    /// What the PE told of it: `location`, `format`, `metadata`. For an input of the run, `value`.
    package var attributes: JSONValue?

    package init(id: DatumReference, element: String, instance: Int, port: String, size: Int64, at: Date, attributes: JSONValue?) {
        self.id = id
        self.element = element
        self.instance = instance
        self.port = port
        self.size = size
        self.at = at
        self.attributes = attributes
    }
}

/// A datum found by a trace, and how it hangs together with the others.
package struct TraceStep: Sendable, Codable, Hashable {
    /// Hops from the datum that was asked for, which has 0.
    package var depth: Int
    package var datum: DatumRecord
    /// The data it was directly derived from (`back`) or that were directly derived from it (`forward`).
    package var related: [DatumReference]

    package init(depth: Int, datum: DatumRecord, related: [DatumReference]) {
        self.depth = depth
        self.datum = datum
        self.related = related
    }
}

package enum TraceDirection: String, Sendable, Codable, CaseIterable { case back, forward }

/// Answer to `GET /data/{datum}/trace`.
package struct Trace: Sendable, Codable, Hashable {
    package var datum: DatumReference
    package var direction: TraceDirection
    /// Nearest first.
    package var steps: [TraceStep]
    /// More was there than the limits of depth and size let through.
    package var truncated: Bool

    package init(datum: DatumReference, direction: TraceDirection, steps: [TraceStep], truncated: Bool) {
        self.datum = datum
        self.direction = direction
        self.steps = steps
        self.truncated = truncated
    }
}
