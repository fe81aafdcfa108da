// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Provenance
import WorkflowModel

/// What the ranks have recorded so far, as far as the user wants to see it.
struct TryObservation {
    /// Bytes of results that are kept; more would fill the memory.
    private static let maximumResults = 256 << 20

    struct Result {
        var datum: DatumID
        var json: String
    }

    struct Port: Hashable {
        var element: Int
        var port: Int
    }

    private let graph: WorkflowGraph
    /// By PE instance: the element that it is of.
    private let elements: [Int]
    private var profiles: [Int: InstanceProfile] = [:]
    private(set) var results: [Port: [Result]] = [:]
    private(set) var omittedResults = 0
    private var resultBytes = 0

    init(graph: WorkflowGraph, plan: Plan) {
        self.graph = graph
        var elements = [Int](repeating: 0, count: plan.instanceCount)
        for (element, first) in plan.firstInstances.enumerated() {
            for instance in first..<first + plan.instanceCount(ofElement: element) { elements[instance] = element }
        }
        self.elements = elements
    }

    /// - Returns: the line, where the record is one that a PE printed.
    mutating func take(_ record: SegmentRecord, rank: Int) -> LogLine? {
        switch record {
        case .log(let at, let instance, let stream, let text):
            return LogLine(
                sequence: 0, attempt: 1, rank: rank, element: instance.flatMap(element).map { graph.elements[$0].id }, instance: instance,
                stream: stream, at: Date(timeIntervalSince1970: Double(at) / 1e9), text: text)
        case .result(let datum, let port, let json):
            guard let element = element(datum.instance) else { return nil }
            guard resultBytes + json.utf8.count <= Self.maximumResults else {
                omittedResults += 1
                return nil
            }
            resultBytes += json.utf8.count
            results[Port(element: element, port: port), default: []].append(Result(datum: datum, json: json))
        case .profile(let instance, let profile):
            profiles[instance] = profile
        case .invocation, .datum, .derivation, .attributes, .worker, .calls, .data, .memory: break
        }
        return nil
    }

    private func element(_ instance: Int) -> Int? { elements.indices.contains(instance) ? elements[instance] : nil }

    /// Of every PE that has told of itself, in the graph's order.
    var elementProfiles: [ElementProfile] {
        graph.elements.enumerated().compactMap { index, element in
            let found = profiles.filter { self.element($0.key) == index }.sorted { $0.key < $1.key }.map(\.value)
            return found.isEmpty ? nil : ElementProfile(element: element, instances: found)
        }
    }

    /// By PE and port, in the graph's order; values in the order that their PE wrote them.
    var outputs: [(element: String, port: String, values: [String])] {
        results.keys.sorted { ($0.element, $0.port) < ($1.element, $1.port) }.map { key in
            let element = graph.elements[key.element]
            let values = (results[key] ?? []).sorted { $0.datum.rawValue < $1.datum.rawValue }.map(\.json)
            return (element.id, element.outputs.indices.contains(key.port) ? element.outputs[key.port] : "\(key.port)", values)
        }
    }
}

/// What one PE did, over all its instances. Times are in seconds.
struct ElementProfile: Encodable {
    var element: String
    var instances: Int
    var calls: Int64
    var itemsIn: Int64
    var itemsOut: Int64
    var bytesOut: Int64
    var busy: Double
    /// Waiting for room downstream.
    var blocked: Double
    /// Of a call. Where there are several instances, their mean, by the calls whose time was taken.
    var median: Double?
    /// The highest of the instances.
    var p95: Double?
    var skipped: Int64
    var retried: Int64
    /// Attributes that calls have changed without a declaration.
    var changed: [String]?
    /// For the planner.
    private(set) var cost: ElementCost

    init(element: ProcessElement, instances: [InstanceProfile]) {
        self.element = element.id
        self.instances = instances.count
        func sum(_ number: (InstanceProfile) -> Int64) -> Int64 { instances.reduce(0) { $0 &+ number($1) } }
        calls = sum(\.calls)
        itemsIn = sum(\.itemsIn)
        itemsOut = sum(\.itemsOut)
        bytesOut = sum(\.bytesOut)
        busy = Double(sum(\.busy)) / 1e9
        blocked = Double(sum(\.blocked)) / 1e9
        skipped = sum(\.skipped)
        retried = sum(\.retried)
        let measured = instances.filter { $0.p50 != nil }
        let weight = measured.reduce(0) { $0 + Double(max(1, $1.sampled)) }
        if weight > 0 {
            median = measured.reduce(0) { $0 + Double($1.p50 ?? 0) * Double(max(1, $1.sampled)) } / weight / 1e9
        }
        p95 = instances.compactMap(\.p95).max().map { Double($0) / 1e9 }
        cost = ElementCost(of: element, instances)
        changed = cost.changed
    }

    private enum CodingKeys: String, CodingKey {
        case element, instances, calls, skipped, retried, changed
        case itemsIn = "items_in"
        case itemsOut = "items_out"
        case bytesOut = "bytes_out"
        case busy = "busy_seconds"
        case blocked = "blocked_seconds"
        case median = "median_seconds"
        case p95 = "p95_seconds"
    }
}
