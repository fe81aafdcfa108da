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
    package var invocations: Int64
    package var failed: Int64
    package var dataIn: Int64
    package var dataOut: Int64
    package var bytesOut: Int64
    /// Sum over the invocations, in seconds.
    package var busySeconds: Double
    package var firstAt: Date?
    package var lastAt: Date?

    package init(
        instance: Int, rank: Int, invocations: Int64, failed: Int64, dataIn: Int64, dataOut: Int64, bytesOut: Int64,
        busySeconds: Double, firstAt: Date?, lastAt: Date?
    ) {
        self.instance = instance
        self.rank = rank
        self.invocations = invocations
        self.failed = failed
        self.dataIn = dataIn
        self.dataOut = dataOut
        self.bytesOut = bytesOut
        self.busySeconds = busySeconds
        self.firstAt = firstAt
        self.lastAt = lastAt
    }

    private enum CodingKeys: String, CodingKey {
        case instance, rank, invocations, failed
        case dataIn = "data_in"
        case dataOut = "data_out"
        case bytesOut = "bytes_out"
        case busySeconds = "busy_seconds"
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

/// One datum that flowed.
package struct DatumRecord: Sendable, Codable, Hashable {
    package var id: DatumReference
    /// Id of the PE that wrote it, or, for an input of the run, that was given it.
    package var element: String
    package var instance: Int
    /// Output port; for an input of the run, `input`.
    package var port: String
    /// Bytes as pickled; for a datum that never left its worker, as estimated in memory.
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
