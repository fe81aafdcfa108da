// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials

/// Where a run stands. It ends in `succeeded`, `failed` or `cancelled`, never elsewhere.
package enum RunState: String, Sendable, Codable, CaseIterable {
    case submitted, queued, starting, running, succeeded, failed, cancelling, cancelled

    package var isFinal: Bool {
        switch self {
        case .succeeded, .failed, .cancelled: true
        case .submitted, .queued, .starting, .running, .cancelling: false
        }
    }

    /// The life cycle; every change of state in the database is checked against it.
    package func mayBecome(_ next: RunState) -> Bool {
        switch (self, next) {
        case (.submitted, .queued), (.submitted, .cancelled), (.submitted, .failed),
            (.queued, .starting), (.queued, .cancelled), (.queued, .failed),
            (.starting, .running), (.starting, .succeeded), (.starting, .failed), (.starting, .cancelling),
            (.running, .succeeded), (.running, .failed), (.running, .cancelling),
            (.cancelling, .cancelled), (.cancelling, .succeeded), (.cancelling, .failed),
            // A retry makes another attempt of the same run.
            (.failed, .queued), (.cancelled, .queued):
            true
        default: false
        }
    }
}

/// Body of `POST /api/v1/runs`.
package struct RunRequest: Sendable, Codable, Hashable {
    package var graph: Reference
    /// Items for each source; absent: one empty item for each.
    package var inputs: RunInputs?
    /// For the program of an application.
    package var arguments: [String]?
    /// MPI ranks, 1 or more; absent: 1, or the planner's choice where the request says what for.
    package var ranks: RankDemand?
    /// Seconds that the run may take, core-hours that it may cost, and the most ranks that it may have: what the planner goes by.
    package var deadline: Double?
    package var budget: Double?
    package var maximumRanks: Int?
    /// False: the layout does not depend on what earlier runs have cost.
    package var usesHistory: Bool?
    package var layout: Layout?
    /// What the PEs were seen to cost, as `weft try --profile` writes it; absent: what earlier runs have cost.
    package var costs: Costs?
    /// MiB for each rank; absent: the server's default.
    package var memoryPerRank: Int?
    package var needs: RunNeeds?
    /// Absent: ``RetryPolicy/standard``.
    package var retry: RetryPolicy?
    /// A name for people; need not be unique.
    package var name: String?
    /// Answer with the plan and start nothing.
    package var dryRun: Bool?

    package init(
        graph: Reference, inputs: RunInputs? = nil, arguments: [String]? = nil, ranks: RankDemand? = nil, deadline: Double? = nil,
        budget: Double? = nil, maximumRanks: Int? = nil, usesHistory: Bool? = nil, layout: Layout? = nil,
        costs: Costs? = nil,
        memoryPerRank: Int? = nil, needs: RunNeeds? = nil, retry: RetryPolicy? = nil, name: String? = nil, dryRun: Bool? = nil
    ) {
        self.graph = graph
        self.inputs = inputs
        self.arguments = arguments
        self.ranks = ranks
        self.deadline = deadline
        self.budget = budget
        self.maximumRanks = maximumRanks
        self.usesHistory = usesHistory
        self.layout = layout
        self.costs = costs
        self.memoryPerRank = memoryPerRank
        self.needs = needs
        self.retry = retry
        self.name = name
        self.dryRun = dryRun
    }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case graph, inputs, arguments, ranks, deadline, budget, layout, costs, needs, retry, name
        case maximumRanks = "max_ranks"
        case usesHistory = "use_history"
        case memoryPerRank = "memory_per_rank"
        case dryRun = "dry_run"
    }
}

/// One try at a run. A retry adds another; none is ever overwritten.
package struct Attempt: Sendable, Codable, Hashable {
    /// From 1.
    package var number: Int
    package var state: RunState
    package var queuedAt: Date
    package var startedAt: Date?
    package var endedAt: Date?
    package var failure: FailureReport?
    /// Folder on the server's (or the cluster's shared) file system.
    package var folder: String?
    /// It goes on where the attempt before it had come to; `nil`: it processes the whole input.
    package var resumed: Resumption?
    /// Where its ranks run, in their order, as far as it is known.
    package var nodes: [NodeShare]?
    /// Environment modules that were loaded for it, with their versions.
    package var modules: [String]?

    package init(
        number: Int, state: RunState, queuedAt: Date, startedAt: Date? = nil, endedAt: Date? = nil, failure: FailureReport? = nil,
        folder: String? = nil, resumed: Resumption? = nil, nodes: [NodeShare]? = nil, modules: [String]? = nil
    ) {
        self.number = number
        self.state = state
        self.queuedAt = queuedAt
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.failure = failure
        self.folder = folder
        self.resumed = resumed
        self.nodes = nodes
        self.modules = modules
    }

    private enum CodingKeys: String, CodingKey {
        case number, state, failure, folder, resumed, nodes, modules
        case queuedAt = "queued_at"
        case startedAt = "started_at"
        case endedAt = "ended_at"
    }
}

package struct Run: Sendable, Codable, Hashable {
    package var id: RunID
    package var name: String?
    /// With its version.
    package var graph: Reference
    package var state: RunState
    /// `issuer` and `subject` of the submitter, for people.
    package var owner: String
    package var resources: ResourceRequest
    package var retry: RetryPolicy
    package var submittedAt: Date
    /// Present while the run waits: queued here, or starting and held back by the engine that starts its ranks.
    package var pending: Pending?
    /// Oldest first.
    package var attempts: [Attempt]
    /// Data that the latest attempt, and those that it resumes, gave up because their calls failed.
    package var skipped: Int64
    /// Inputs by element id. Absent in lists.
    package var inputs: [String: SourceInput]?
    /// Absent in lists.
    package var plan: Plan?
    /// What was expected of it when it was submitted; absent in lists, and where nothing was known.
    package var predictions: [Prediction]?

    package init(
        id: RunID, name: String?, graph: Reference, state: RunState, owner: String, resources: ResourceRequest,
        retry: RetryPolicy = .standard, submittedAt: Date,
        pending: Pending? = nil, attempts: [Attempt], skipped: Int64 = 0, inputs: [String: SourceInput]? = nil, plan: Plan? = nil,
        predictions: [Prediction]? = nil
    ) {
        self.id = id
        self.name = name
        self.graph = graph
        self.state = state
        self.owner = owner
        self.resources = resources
        self.retry = retry
        self.submittedAt = submittedAt
        self.pending = pending
        self.attempts = attempts
        self.skipped = skipped
        self.inputs = inputs
        self.plan = plan
        self.predictions = predictions
    }

    package var startedAt: Date? { attempts.last?.startedAt }
    package var endedAt: Date? { state.isFinal ? attempts.last?.endedAt : nil }
    package var failure: FailureReport? { attempts.last?.failure }

    private enum CodingKeys: String, CodingKey {
        case id, name, graph, state, owner, resources, retry, pending, attempts, skipped, inputs, plan, predictions
        case submittedAt = "submitted_at"
    }
}

/// Answer to a dry run.
package struct PlannedRun: Sendable, Codable, Hashable {
    package var graph: Reference
    package var elements: [String]
    package var resources: ResourceRequest
    package var plan: Plan
    /// What is expected of the run and of its PEs; empty where nothing is known.
    package var predictions: [Prediction]
    /// Where the planner chose the number of ranks by what is known: what it chose from.
    package var alternatives: [Alternative]?
    /// As ``Alternative/nodes``.
    package var nodes: Int?
    /// As ``Alternative/wait``.
    package var wait: Alternative.Range?

    package init(
        graph: Reference, elements: [String], resources: ResourceRequest, plan: Plan, predictions: [Prediction] = [],
        alternatives: [Alternative]? = nil, nodes: Int? = nil, wait: Alternative.Range? = nil
    ) {
        self.graph = graph
        self.elements = elements
        self.resources = resources
        self.plan = plan
        self.predictions = predictions
        self.alternatives = alternatives
        self.nodes = nodes
        self.wait = wait
    }
}

/// One line that a rank's workers printed.
package struct LogLine: Sendable, Codable, Hashable {
    package enum Stream: String, Sendable, Codable, CaseIterable { case stdout, stderr }

    /// Grows over the run; the cursor for resuming.
    package var sequence: Int64
    package var attempt: Int
    package var rank: Int
    /// Id of the PE that was running, where it is known.
    package var element: String?
    package var instance: Int?
    package var stream: Stream
    package var at: Date
    package var text: String

    package init(
        sequence: Int64, attempt: Int, rank: Int, element: String?, instance: Int?, stream: Stream, at: Date, text: String
    ) {
        self.sequence = sequence
        self.attempt = attempt
        self.rank = rank
        self.element = element
        self.instance = instance
        self.stream = stream
        self.at = at
        self.text = text
    }
}

/// What a PE wrote to an output that no edge reads.
package struct RunResult: Sendable, Codable, Hashable {
    package var datum: DatumReference
    package var element: String
    package var port: String
    /// The value, or `{"repr": …}` where JSON cannot hold it or it is larger than 64 KiB.
    package var value: JSONValue

    package init(datum: DatumReference, element: String, port: String, value: JSONValue) {
        self.datum = datum
        self.element = element
        self.port = port
        self.value = value
    }
}
