// SPDX-License-Identifier: Apache-2.0

/// What a run asks of the cluster.
package struct ResourceRequest: Sendable, Codable, Hashable {
    /// MiB that a rank may ask for.
    package static let memories = 1...1 << 24

    package var ranks: Int
    /// Memory of one rank and its workers, in MiB.
    package var memoryPerRank: Int
    package var needs: RunNeeds
    /// Labels that the nodes of some ranks must have beside those that all need, as blocks of consecutive ranks that are
    /// `ranks` long together; empty where no rank has any. Follows from the plan and ``RunNeeds/elements``.
    package var blocks: [RankBlock]

    package init(ranks: Int, memoryPerRank: Int, needs: RunNeeds = RunNeeds(), blocks: [RankBlock] = []) {
        self.ranks = ranks
        self.memoryPerRank = memoryPerRank
        self.needs = needs
        self.blocks = blocks
    }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            ranks: try values.decode(Int.self, forKey: .ranks), memoryPerRank: try values.decode(Int.self, forKey: .memoryPerRank),
            needs: try values.decodeIfPresent(RunNeeds.self, forKey: .needs) ?? RunNeeds(),
            blocks: try values.decodeIfPresent([RankBlock].self, forKey: .blocks) ?? [])
    }

    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(ranks, forKey: .ranks)
        try values.encode(memoryPerRank, forKey: .memoryPerRank)
        if needs != RunNeeds() { try values.encode(needs, forKey: .needs) }
        if !blocks.isEmpty { try values.encode(blocks, forKey: .blocks) }
    }

    private enum CodingKeys: String, CodingKey {
        case ranks, needs, blocks
        case memoryPerRank = "memory_per_rank"
    }
}

/// Consecutive ranks whose nodes need the same labels.
package struct RankBlock: Sendable, Codable, Hashable {
    package var ranks: Int
    package var labels: Set<String>

    package init(ranks: Int, labels: Set<String>) {
        self.ranks = ranks
        self.labels = labels
    }
}

/// What a run needs of its nodes and of the engine that starts it. A backend refuses by name what it cannot give.
package struct RunNeeds: Sendable, Codable, Hashable {
    /// Of the run among those that wait; how much it counts, the scheduler says.
    package enum Priority: String, Sendable, Codable, CaseIterable {
        case low, normal
        /// For administrators to give.
        case high

        package init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            let text = try container.decode(String.self)
            guard let priority = Self(rawValue: text) else {
                throw DecodingError.dataCorruptedError(
                    in: container,
                    debugDescription: "is '\(text.prefix(80))'; write one of \(Self.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            self = priority
        }
    }

    /// Seconds that an attempt may run.
    package var timeLimit: Int?
    /// On how many nodes, with the ranks spread evenly; absent: on as few as have room.
    package var nodes: Int?
    /// Labels that every node must have: features of Slurm, labels `name=value` of Kubernetes.
    package var labels: [String]?
    /// Further labels for the nodes of single PEs, by PE id.
    package var elements: [String: [String]]?
    /// As `uname -m` tells it: `x86_64`, `aarch64`.
    package var architecture: String?
    /// Environment modules (Lmod, Environment Modules) that are loaded before the ranks start, in this order.
    package var modules: [String]?
    package var partition: String?
    package var account: String?
    package var qos: String?
    package var reservation: String?
    /// In Slurm's own notation.
    package var constraint: String?
    /// A queue of Kueue.
    package var queue: String?
    /// Absent: normal.
    package var priority: Priority?

    package init(
        timeLimit: Int? = nil, nodes: Int? = nil, labels: [String]? = nil, elements: [String: [String]]? = nil,
        architecture: String? = nil, modules: [String]? = nil, partition: String? = nil, account: String? = nil, qos: String? = nil,
        reservation: String? = nil, constraint: String? = nil, queue: String? = nil, priority: Priority? = nil
    ) {
        self.timeLimit = timeLimit
        self.nodes = nodes
        self.labels = labels
        self.elements = elements
        self.architecture = architecture
        self.modules = modules
        self.partition = partition
        self.account = account
        self.qos = qos
        self.reservation = reservation
        self.constraint = constraint
        self.queue = queue
        self.priority = priority
    }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case nodes, labels, elements, architecture, modules, partition, account, qos, reservation, constraint, queue, priority
        case timeLimit = "time_limit"
    }

    /// The needs that are said; a normal priority is none.
    package var said: Set<CodingKeys> {
        Set(
            CodingKeys.allCases.filter { key in
                switch key {
                case .timeLimit: timeLimit != nil
                case .nodes: nodes != nil
                case .labels: labels?.isEmpty == false
                case .elements: elements?.isEmpty == false
                case .architecture: architecture != nil
                case .modules: modules?.isEmpty == false
                case .partition: partition != nil
                case .account: account != nil
                case .qos: qos != nil
                case .reservation: reservation != nil
                case .constraint: constraint != nil
                case .queue: queue != nil
                case .priority: priority ?? .normal != .normal
                }
            })
    }

    /// - Returns: what is wrong, by JSON pointer; empty where all is well.
    package func faults(ranks: Int) -> [Problem.FieldError] {
        var faults: [Problem.FieldError] = []
        func check(_ isGood: Bool, _ field: CodingKeys, _ detail: @autoclosure () -> String) {
            if !isGood { faults.append(.init("/needs/\(field.rawValue)", detail())) }
        }
        if let timeLimit {
            check((1...31_536_000).contains(timeLimit), .timeLimit, "is \(timeLimit); write seconds, from 1 to 31536000 (a year)")
        }
        if let nodes {
            check((1...ranks).contains(nodes), .nodes, "is \(nodes); the run starts \(ranks) ranks, so it takes from 1 to \(ranks) nodes")
        }
        let texts: [(CodingKeys, [String])] = [
            (.labels, labels ?? []), (.elements, elements?.values.flatMap(\.self) ?? []),
            (.architecture, [architecture].compactMap(\.self)),
            (.modules, modules ?? []), (.partition, [partition].compactMap(\.self)), (.account, [account].compactMap(\.self)),
            (.qos, [qos].compactMap(\.self)), (.reservation, [reservation].compactMap(\.self)),
            (.constraint, [constraint].compactMap(\.self)), (.queue, [queue].compactMap(\.self)),
        ]
        for (field, words) in texts {
            check(words.count <= 64, field, "has \(words.count) entries; 64 are the most")
            for word in words where !Self.isWord(word) {
                check(false, field, "'\(word.prefix(80))' is no name: 1 to 200 letters, digits and _.,:@+=*&|()[]!/~-, the first no '-'")
            }
        }
        return faults
    }

    /// Neither an option nor a second line of what it is written into.
    private static func isWord(_ text: String) -> Bool {
        (1...200).contains(text.utf8.count) && text.first != "-"
            && text.unicodeScalars.allSatisfy {
                $0.isASCII
                    && ($0.properties.isAlphabetic || $0.properties.numericType != nil || "_.,:@+=*&|()[]!/~-".unicodeScalars.contains($0))
            }
    }
}

/// When a run that failed is tried again by itself.
package struct RetryPolicy: Sendable, Codable, Hashable {
    package enum Reason: String, Sendable, Codable, CaseIterable {
        case nodeFailure = "node_failure"
        case preemption
        /// Everything that the run's own code, limits or memory brought about.
        case error
    }

    /// Together with the first.
    package var maximumAttempts: Int
    package var reasons: Set<Reason>

    /// What the cluster did to a run is made good; what the run did to itself would only happen again.
    package static let standard = RetryPolicy(maximumAttempts: 3, on: [.nodeFailure, .preemption])

    package init(maximumAttempts: Int, on reasons: Set<Reason>) {
        self.maximumAttempts = maximumAttempts
        self.reasons = reasons
    }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        maximumAttempts = try values.decodeIfPresent(Int.self, forKey: .maximumAttempts) ?? Self.standard.maximumAttempts
        reasons = try values.decodeIfPresent(Set<Reason>.self, forKey: .reasons) ?? Self.standard.reasons
    }

    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(maximumAttempts, forKey: .maximumAttempts)
        try values.encode(reasons.sorted { $0.rawValue < $1.rawValue }, forKey: .reasons)
    }

    private enum CodingKeys: String, CodingKey {
        case maximumAttempts = "max_attempts"
        case reasons = "on"
    }

    package var faults: [Problem.FieldError] {
        (1...100).contains(maximumAttempts)
            ? [] : [.init("/retry/max_attempts", "is \(maximumAttempts); write a number from 1 (never try again) to 100")]
    }

    /// - Parameter attempt: the number of the one that failed.
    package func retries(_ cause: FailureReport.Cause, attempt: Int) -> Bool {
        attempt < maximumAttempts && reasons.contains(Reason(cause))
    }
}

extension RetryPolicy.Reason {
    init(_ cause: FailureReport.Cause) {
        switch cause {
        case .node: self = .nodeFailure
        case .preemption: self = .preemption
        case .exception, .unpicklable, .load, .interpreter, .worker, .rank, .storage, .launcher, .memory, .timeLimit, .protocolViolation:
            self = .error
        }
    }
}
