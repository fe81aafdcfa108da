// SPDX-License-Identifier: Apache-2.0

/// What a run that succeeded has cost, with what was known of it before it started: what models of later runs learn from.
package struct RunCost: Sendable, Hashable {
    package var run: RunID
    /// With its version.
    package var graph: Reference
    /// What the nodes were that it ran on; `nil`: several kinds, or not known.
    package var nodeClass: String?
    package var ranks: Int
    package var features: InputFeatures
    /// Seconds until every worker was ready, from the end of the last one to the run's, and in all.
    package var startUp: Double
    package var ending: Double
    package var seconds: Double
    /// Of the rank that held most with its workers, in MiB; `nil` where ranks did not tell.
    package var memoryPerRank: Double?
    /// See ``Plan/load(_:of:)``.
    package var load: Double
    /// The most workers on one rank.
    package var workersPerRank: Int
    /// By PE id.
    package var elements: [String: ElementCost]

    package init(
        run: RunID, graph: Reference, nodeClass: String?, ranks: Int, features: InputFeatures, startUp: Double, ending: Double,
        seconds: Double,
        memoryPerRank: Double?, load: Double, workersPerRank: Int, elements: [String: ElementCost]
    ) {
        self.run = run
        self.graph = graph
        self.nodeClass = nodeClass
        self.ranks = ranks
        self.features = features
        self.startUp = startUp
        self.ending = ending
        self.seconds = seconds
        self.memoryPerRank = memoryPerRank
        self.load = load
        self.workersPerRank = workersPerRank
        self.elements = elements
    }
}

/// What one PE cost in a run.
package struct PastElement: Sendable, Hashable {
    package var run: RunID
    package var graph: Reference
    package var nodeClass: String?
    package var features: InputFeatures
    /// In its graph.
    package var id: String
    /// See ``ProcessElement/kind``.
    package var kind: String
    package var cost: ElementCost

    package init(
        run: RunID, graph: Reference, nodeClass: String?, features: InputFeatures, id: String, kind: String, cost: ElementCost
    ) {
        self.run = run
        self.graph = graph
        self.nodeClass = nodeClass
        self.features = features
        self.id = id
        self.kind = kind
        self.cost = cost
    }
}

/// What is known of runs that ended, as far as it may tell of one that is to start. The latest first.
package struct Experience: Sendable, Hashable {
    /// The latest ones of a kind that a model learns from.
    package static let depth = 32

    /// Of the same graph, whatever its version.
    package var runs: [RunCost]
    /// Of the same PEs in any graph, and of all PEs of the same graph.
    package var elements: [PastElement]
    /// Any runs of the same user.
    package var users: [PastTime]

    package init(runs: [RunCost] = [], elements: [PastElement] = [], users: [PastTime] = []) {
        self.runs = runs
        self.elements = elements
        self.users = users
    }
}

/// How long a run took.
package struct PastTime: Sendable, Hashable {
    package var run: RunID
    package var seconds: Double

    package init(run: RunID, seconds: Double) {
        self.run = run
        self.seconds = seconds
    }
}

/// Numbers that tell how large an input is: the items, their bytes, and the sums over all items of each number in them, by its place
/// as `Read0.input[1]`, and of the product of each two, since much work grows as rows by columns or steps by cells.
package struct InputFeatures: Sendable, Hashable {
    package static let items = "items"
    private static let bytes = "bytes"
    private static let times = " × "
    private static let length = ".length"
    private static let maximumCount = 40
    private static let maximumSums = 400
    private static let maximumDepth = 4
    /// Of an item, that are multiplied with each other.
    private static let maximumFactors = 5

    package var values: [String: Double]

    package init(_ values: [String: Double]) { self.values = values }

    /// The number that work is most likely to grow with, as long as there is only one input to compare with: the items, or where these
    /// are as many, a product or a number that is another.
    package func likeliest(since past: InputFeatures) -> String {
        func differs(_ name: String) -> Bool {
            guard let now = values[name], let before = past.values[name], now > 0, before > 0 else { return false }
            return abs(now - before) > 0.05 * before
        }
        if differs(Self.items) { return Self.items }
        let changed = values.keys.filter { $0 != Self.bytes && differs($0) }.sorted()
        return changed.first(where: Self.isProduct) ?? changed.first ?? Self.items
    }

    /// Whether the number is a product of two.
    package static func isProduct(_ name: String) -> Bool { name.contains(times) }

    /// - Parameter inputs: by PE id, complete.
    package init(of inputs: [String: SourceInput]) {
        var sums: [String: Double] = [:]
        var (items, bytes) = (0, 0)
        for (source, input) in inputs.sorted(by: { $0.key < $1.key }) {
            items += input.itemCount
            guard case .items(let values) = input else { continue }
            for value in values {
                var numbers: [String: Double] = [:]
                Self.add(value, at: source, depth: 0, to: &numbers)
                let factors = numbers.filter { !$0.key.hasSuffix(Self.length) }.sorted { $0.key < $1.key }.prefix(Self.maximumFactors)
                for (index, one) in factors.enumerated() {
                    for other in factors[(index + 1)...] { numbers[one.key + Self.times + other.key] = one.value * other.value }
                }
                for (place, number) in numbers.sorted(by: { $0.key < $1.key }) where sums.count < Self.maximumSums || sums[place] != nil {
                    sums[place, default: 0] += number
                }
                bytes += (try? WireJSON.encode(value).count) ?? 0
            }
        }
        let told = sums.filter { $0.value.isFinite }.sorted { $0.key < $1.key }.prefix(Self.maximumCount)
        values = Dictionary(uniqueKeysWithValues: told.map { ($0.key, $0.value) })
        values[Self.items] = Double(items)
        values[Self.bytes] = Double(bytes)
    }

    private static func add(_ value: JSONValue, at place: String, depth: Int, to sums: inout [String: Double]) {
        // Inputs may be of any size and shape; what is not looked at is a feature less.
        guard depth < maximumDepth, sums.count < maximumSums else { return }
        switch value {
        case .integer(let number): sums[place, default: 0] += Double(number)
        case .number(let number): sums[place, default: 0] += number
        case .string(let text): if let number = Double(text), number.isFinite { sums[place, default: 0] += number }
        case .array(let values):
            for (index, value) in values.prefix(maximumCount).enumerated() {
                add(value, at: "\(place)[\(index)]", depth: depth + 1, to: &sums)
            }
            sums[place + length, default: 0] += Double(values.count)
        case .object(let values):
            for (name, value) in values.sorted(by: { $0.key < $1.key }) { add(value, at: "\(place).\(name)", depth: depth + 1, to: &sums) }
        case .bool, .null: break
        }
    }
}

extension InputFeatures: Codable {
    package init(from decoder: any Decoder) throws { values = try decoder.singleValueContainer().decode([String: Double].self) }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(values)
    }
}

extension ProcessElement {
    /// Tells PEs apart that cost differently: their code, and the parameters that they were made with.
    package var kind: String {
        guard !parameters.isEmpty, let text = try? WireJSON.encode(parameters) else { return digest }
        return "\(digest)-\(Fingerprint(text))"
    }
}

/// 64 bits that are the same for the same bytes everywhere (FNV-1a); nothing that must not be forged.
package struct Fingerprint: Sendable, Hashable, CustomStringConvertible {
    private var value: UInt64 = 0xCBF2_9CE4_8422_2325

    package init(_ bytes: some Sequence<UInt8>) { for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 } }

    package var description: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

extension NodeClass {
    /// One name for each class, memory in GiB: what the system takes for itself differs from start to start.
    package var name: String {
        let parts = [architecture ?? "any", "\(cores) cores", "\((memory + 512) / 1024) GiB"] + labels.sorted()
        return parts.joined(separator: ", ")
    }
}

extension Plan {
    /// Seconds that the busiest rank has to do, where each worker of a stage takes its share: what the run time grows with.
    ///
    /// - Parameter costs: of the whole run.
    package func load(_ costs: Costs, of graph: WorkflowGraph) -> Double {
        var loads = [Double](repeating: 0, count: max(1, ranks))
        for worker in workers where loads.indices.contains(worker.rank) {
            let stage = stages[worker.stage]
            for element in stage.elements {
                guard let cost = costs.elements[graph.elements[element].id] else { continue }
                loads[worker.rank] += Double(cost.calls) * cost.secondsPerCall / Double(stage.workers)
            }
        }
        return loads.max() ?? 0
    }

    /// The most workers on one rank.
    package var workersPerRank: Int { Dictionary(grouping: workers, by: \.rank).values.map(\.count).max() ?? 0 }
}
