// SPDX-License-Identifier: Apache-2.0

import Postgres
import Provenance
package import WorkflowModel

/// The items of a source that were not processed to their end.
package struct IncompleteItems: Sendable {
    /// Id of the source.
    package let element: String
    package let instance: Int
    fileprivate let gaps: GapList
    fileprivate let readers: [String]

    /// Numbers of the items, in order.
    package var items: [ClosedRange<UInt64>] {
        var numbers = NumberSet()
        for gap in gaps.gaps {
            numbers.insert(DatumID(rawValue: gap.span.lowerBound).sequence...DatumID(rawValue: gap.span.upperBound).sequence)
        }
        return numbers.sorted()
    }

    /// The items by who had not consumed what came of them.
    package var parts: [ResumePlan.Part] {
        let byReader = Dictionary(grouping: gaps.gaps, by: \.reader).sorted { $0.value[0].span.lowerBound < $1.value[0].span.lowerBound }
        return byReader.map { reader, gaps in
            var numbers = NumberSet()
            for gap in gaps { numbers.insert(gap.span) }
            let ranges = numbers.sorted().map {
                ItemRange(first: Int(DatumID(rawValue: $0.lowerBound).sequence), count: Int($0.length))
            }
            let part = ResumePlan.Part(source: element, ranges: ranges, reason: "")
            let datum = DatumID(rawValue: gaps[0].datum)
            let what = part.items == 1 ? "\(datum)" : "\(datum.isRunInput ? "them" : "what came of them"), first \(datum)"
            return ResumePlan.Part(source: element, ranges: ranges, reason: "\(readers[reader]) had not consumed \(what)")
        }
    }

    /// Which PE had not consumed which datum; `nil`: the item is complete.
    package func reason(_ item: UInt64) -> String? {
        let id = DatumID(inputOf: instance, sequence: item).rawValue
        return gaps.within(id...id).first.map { "\(readers[$0.reader]) had not consumed \(DatumID(rawValue: $0.datum))" }
    }
}

extension Storage {
    /// For each source instance, the items of an attempt's input that it did not process to their end.
    ///
    /// An item is complete when its source's call ended well and each datum derived from it that an edge reads was the input of
    /// a call that ended well, or was skipped, of each PE that reads it (with the grouping `all`: of each instance). What
    /// `postprocess` wrote is derived from all its instance read; that an instance lost what it had kept in memory is not seen
    /// here.
    ///
    /// PEs are looked at from the results upstream, and their records are streamed by runs. What is kept is the data that each
    /// PE consumed, and those with which something is wrong: 16 and 48 bytes for a span of data that follow each other, at worst
    /// for each datum.
    package func incompleteSourceItems(_ run: RunID, attempt: Int?) async throws -> [IncompleteItems] {
        try await pool.transaction(.repeatableRead) { connection in
            try connection.preferIndexes()
            let layout = try connection.layout(of: run, attempt: attempt)
            return try connection.incompleteItems(layout, given: try connection.givenItems(layout))
        }
    }
}

/// Numbers of the items that an attempt was to process, by the source's id.
typealias GivenItems = [String: [Range<Int>]]

extension Connection {
    func givenItems(_ layout: RunLayout) throws -> GivenItems {
        let rows = try query(
            "SELECT run.inputs, attempt.replayed FROM attempt JOIN run ON run.id = attempt.run WHERE attempt.id = $1",
            [.int(layout.attempt)])
        guard let row = rows.first else { return [:] }
        let inputs: [String: SourceInput] = try row.json("inputs")
        let replayed: [String: [ItemRange]]? = try row.optionalJSON("replayed")
        return inputs.reduce(into: [:]) { $0[$1.key] = inputs.items(ofSource: $1.key, replayed: replayed) }
    }

    func incompleteItems(_ layout: RunLayout, given: GivenItems) throws -> [IncompleteItems] {
        var search = IncompleteSearch(layout)
        for element in try layout.upstreamFirst().reversed() { try search.look(at: element, self) }
        return layout.graph.sources.flatMap { search.items(ofSource: $0, given: given) }
    }
}

extension RunLayout {
    func upstreamFirst() throws -> [Int] {
        guard let order = graph.topologicalOrder else { throw StorageError.corrupt("a graph with a cycle") }
        return order
    }
}

extension GivenItems {
    func data(ofSource element: String, instance: Int) -> NumberSet {
        let first = DatumID(inputOf: instance, sequence: 0).rawValue
        return (self[element] ?? []).reduce(into: NumberSet()) { numbers, items in
            if !items.isEmpty { numbers.insert(first + UInt64(items.lowerBound)...first + UInt64(items.upperBound - 1)) }
        }
    }
}

/// Looks at one element after the other, those that read before those that write.
private struct IncompleteSearch {
    private let layout: RunLayout
    /// What each instance consumed, by input port.
    private var consumed: [Int: [Int: NumberSet]] = [:]
    /// Data, by the element that wrote them, from which comes what a reader further down did not consume.
    private var marks: [Int: [Gap]] = [:]
    /// Of each source instance: items that are recorded, and those from which comes what was not consumed.
    private var items: [Int: (given: NumberSet, marks: [Gap])] = [:]
    private var readers: [String] = []

    /// An input whose port is not known counts for all ports.
    private static let anyPort = -1

    init(_ layout: RunLayout) { self.layout = layout }

    mutating func look(at element: Int, _ connection: Connection) throws {
        let gaps = GapList(try unconsumed(ofElement: element, connection) + (marks.removeValue(forKey: element) ?? []))
        for instance in layout.instances(ofElement: element) {
            try connection.forEachData(DatumID(inputOf: instance, sequence: 0).ofSameInstance, layout.attempt) {
                items[instance, default: (NumberSet(), [])].given.insert($0.span)
            }
            let calls = try calls(of: instance, behind: gaps, connection)
            try read(instance, calls: calls, connection)
        }
    }

    func items(ofSource element: Int, given expected: GivenItems) -> [IncompleteItems] {
        let id = layout.elements[element].id
        let instances = layout.instances(ofElement: element)
        return instances.map { instance in
            var (given, gaps) = items[instance] ?? (NumberSet(), [])
            // The first instance reads the input.
            if instance == instances.first { given.formUnion(expected.data(ofSource: id, instance: instance)) }
            var done = consumed[instance]?.values.reduce(into: NumberSet()) { $0.formUnion($1) } ?? NumberSet()
            gaps += given.subtracting(&done).map { Gap(span: $0, reader: readers.count, datum: $0.lowerBound, follows: true) }
            return IncompleteItems(element: id, instance: instance, gaps: GapList(gaps), readers: readers + [id])
        }
    }

    /// Data of the element that an edge reads and that not all consumed who should.
    private mutating func unconsumed(ofElement element: Int, _ connection: Connection) throws -> [Gap] {
        let writer = layout.elements[element]
        let edges = layout.graph.edges.filter { $0.from == writer.id }
        guard !edges.isEmpty else { return [] }
        var written: [Int: NumberSet] = [:]
        for instance in layout.instances(ofElement: element) {
            try connection.forEachData(DatumID(instance: instance, sequence: 0).ofSameInstance, layout.attempt) {
                written[$0.port, default: NumberSet()].insert($0.span)
            }
        }
        var gaps: [Gap] = []
        for edge in edges {
            guard let output = writer.outputs.firstIndex(of: edge.output), var data = written[output],
                let reader = layout.graph.index(of: edge.to),
                let port = layout.elements[reader].inputs.firstIndex(where: { $0.name == edge.input })
            else { continue }
            let instances = Array(layout.instances(ofElement: reader))
            let toEach = layout.elements[reader].inputs[port].grouping == .all && instances.count > 1
            for group in toEach ? instances.map({ [$0] }) : [instances] {
                var read = NumberSet()
                for instance in group {
                    for port in [Self.anyPort, port] { consumed[instance]?[port].map { read.formUnion($0) } }
                }
                gaps += data.subtracting(&read).map { Gap(span: $0, reader: readers.count, datum: $0.lowerBound, follows: true) }
                readers.append(toEach ? "\(edge.to) (instance \(group[0]))" : edge.to)
            }
        }
        return gaps
    }

    /// The instance's calls that wrote the data, by sequence. What else the data were derived from is marked.
    private mutating func calls(of instance: Int, behind gaps: GapList, _ connection: Connection) throws -> GapList {
        let own = DatumID(instance: instance, sequence: 0).ofSameInstance
        guard !gaps.within(own).isEmpty else { return GapList() }
        var calls: [Gap] = []
        try connection.forEachData(own, layout.attempt) { data in
            for gap in gaps.within(data.span) { calls += data.writers.moved(gap, from: data.span.lowerBound) }
        }
        try connection.forEachDerivation(own, layout.attempt) { datum, source in
            if let gap = gaps.within(datum...datum).first { mark(gap.moved(from: datum, to: source)) }
        }
        return GapList(calls)
    }

    /// Notes what the instance consumed, and marks what the calls read.
    private mutating func read(_ instance: Int, calls: GapList, _ connection: Connection) throws {
        let last = try connection.calls(.postprocess, of: instance, layout.attempt).lazy.flatMap { calls.within($0...$0) }.first
        try connection.forEachCalls(of: instance, layout.attempt) { run in
            if run.endedWell {
                run.inputs.forEachSpan(count: run.sequences.upperBound - run.sequences.lowerBound + 1) { span in
                    consumed[instance, default: [:]][run.port ?? Self.anyPort, default: NumberSet()].insert(span)
                }
            }
            for gap in calls.within(run.sequences) {
                for read in run.inputs.moved(gap, from: run.sequences.lowerBound) { mark(read) }
            }
            if let last {
                let all = Gap(span: run.sequences, reader: last.reader, datum: last.datum, follows: false)
                for read in run.inputs.moved(all, from: run.sequences.lowerBound) { mark(read) }
            }
        }
    }

    /// - Parameter gap: of data that one instance wrote, or was given.
    private mutating func mark(_ gap: Gap) {
        let id = DatumID(rawValue: gap.span.lowerBound)
        if id.isRunInput {
            items[id.instance, default: (NumberSet(), [])].marks.append(gap)
        } else if let (element, _) = layout.plan.element(ofInstance: id.instance) {
            marks[element, default: []].append(gap)
        }
    }
}
