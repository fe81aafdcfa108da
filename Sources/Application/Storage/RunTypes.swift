// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
package import WorkflowModel

/// A run to be stored, with its first attempt in the queue.
package struct NewRun: Sendable {
    package var id: RunID
    package var name: String?
    /// With its version.
    package var graph: Reference
    package var owner: Principal
    /// As many ranks as the plan starts.
    package var resources: ResourceRequest
    package var retry: RetryPolicy
    /// By element id, complete: one entry for each source.
    package var inputs: [String: SourceInput]
    package var plan: Plan
    /// What is expected of it.
    package var predictions: [Prediction]
    package var submittedAt: Date

    package init(
        id: RunID, name: String?, graph: Reference, owner: Principal, resources: ResourceRequest, retry: RetryPolicy = .standard,
        inputs: [String: SourceInput], plan: Plan, predictions: [Prediction] = [], submittedAt: Date
    ) {
        self.id = id
        self.name = name
        self.graph = graph
        self.owner = owner
        self.resources = resources
        self.retry = retry
        self.inputs = inputs
        self.plan = plan
        self.predictions = predictions
        self.submittedAt = submittedAt
    }
}

package enum CreateOutcome: Sendable, Equatable {
    case created(Run)
    /// The same user sent the same request with the same idempotency key before.
    case replayed(Run)
    /// The user used the idempotency key for another request.
    case keyReused
}

/// What the scheduler needs to know of a run that waits.
package struct QueuedRun: Sendable, Equatable {
    package var id: RunID
    package var attempt: Int
    /// Grows in the order in which attempts were queued.
    package var place: Int64
    package var queuedAt: Date
    /// Label of its owner.
    package var owner: String
    /// The graph's version, as a number.
    package var graph: Int64
    package var resources: ResourceRequest
    /// Nodes that failed under its earlier attempts.
    package var avoided: Set<String>
    /// The latest start that it was promised.
    package var promisedStart: Date?
    /// That it should run, by what its graph and PEs took before.
    package var expectedSeconds: Int?
}

/// One of a run's attempts.
package struct RunAttempt: Sendable, Hashable {
    package var run: RunID
    package var number: Int

    package init(run: RunID, number: Int) {
        self.run = run
        self.number = number
    }
}

/// An attempt that has ended, as far as it tells what others will be like and how long they will run.
package struct EndedAttempt: Sendable, Equatable {
    package var owner: String
    package var graph: Int64
    package var resources: ResourceRequest
    package var queuedAt: Date
    package var startedAt: Date
    package var endedAt: Date
}

/// An attempt that holds resources.
package struct ActiveAttempt: Sendable, Equatable {
    package var run: RunID
    /// Of the run's owner.
    package var issuer: String
    package var subject: String
    package var attempt: Int
    package var folder: String?
    package var resources: ResourceRequest
    /// Where its ranks run; `nil`: not known, or this host.
    package var nodes: [NodeShare]?
    /// Nodes that failed under the run's earlier attempts.
    package var avoided: Set<String>
    package var retry: RetryPolicy
    package var place: Int64
    package var startedAt: Date
    package var graph: Int64

    package var owner: String { "\(subject)@\(issuer)" }
}

/// What a transition changes of the latest attempt, beside its state and times. `nil` leaves the value.
package struct AttemptChange: Sendable, Equatable {
    package var failure: FailureReport?
    package var folder: String?
    package var nodes: [NodeShare]?
    package var modules: [String]?
    /// Another attempt is queued in the same transaction; it processes what this one did.
    package var isTriedAgain: Bool

    package init(
        failure: FailureReport? = nil, folder: String? = nil, nodes: [NodeShare]? = nil, modules: [String]? = nil,
        isTriedAgain: Bool = false
    ) {
        self.failure = failure
        self.folder = folder
        self.nodes = nodes
        self.modules = modules
        self.isTriedAgain = isTriedAgain
    }
}

/// Everything that is needed to launch the latest attempt of a run.
package struct StoredDocument: Sendable, Equatable {
    package var attempt: Int
    /// With graph and source.
    package var graph: RegisteredGraph
    package var plan: Plan
    package var inputs: [String: SourceInput]
    /// Items that the attempt processes; `nil`: all.
    package var replayed: [String: [ItemRange]]?
    /// What its PEs begin with; `nil`: they begin anew.
    package var restored: RestoredState?
}

/// How far a rank's segment has been read.
package struct SegmentPosition: Sendable, Equatable {
    package var offset: Int64
    package var ended: Bool

    package init(offset: Int64, ended: Bool) {
        self.offset = offset
        self.ended = ended
    }
}

package enum RegistrationOutcome: Sendable, Equatable {
    case created(RegisteredGraph)
    /// The content is there already, as this version.
    case same(RegisteredGraph)
    /// The version that was asked for has other content.
    case conflict(RegisteredGraph)
    /// Somebody else registered in this namespace first.
    case namespaceTaken(owner: String)
}
