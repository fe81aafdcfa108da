// SPDX-License-Identifier: Apache-2.0

import DequeModule
import FoundationEssentials
import NativeElements
import Provenance
import StreamEngine
import WorkflowModel

/// A worker whose PEs are native: it does in the rank's own process what `weft.worker` does in one of its own
/// (`docs/worker-protocol.md`). Depth first: all that follows from a datum is done before the next one is looked at.
final class NativeStage {
    typealias Event = HostEvent<NativeNote>

    private enum Task {
        case process(element: Int, Value?, DatumID, port: Int?)
        /// The element's call has more to write.
        case resume(element: Int)
    }

    private enum Phase {
        case loading
        case running
        /// `postprocess` of the element is next.
        case finishing(element: Int)
        case ended
    }

    /// What was fed and has not been consumed.
    private struct Feed {
        let number: UInt32
        let batch: Batch
        /// The next one last.
        var chunks: [(chunk: Chunk, range: Range<Int>)] = []
    }

    private enum Input {
        case feed(Feed)
        case checkpoint(UInt32, items: Int)
    }

    /// The chunk that is being processed.
    private struct Inbox {
        var element: Int
        var port: Int
        var values: [Value]
        var ids: IDs
        var next = 0

        enum IDs {
            case progression(first: UInt64, stride: UInt64)
            case list([UInt64])

            func id(_ index: Int) -> DatumID {
                switch self {
                case .progression(let first, let stride): DatumID(rawValue: first &+ UInt64(index) &* stride)
                case .list(let ids): DatumID(rawValue: ids[index])
                }
            }
        }
    }

    private static let slice: Int64 = 1_000_000
    private static let age: Int64 = 5_000_000
    private static let profileInterval: Int64 = 1_000_000_000
    /// One of so many calls is timed.
    private static let timedShare: UInt64 = 16
    private static let maximumJSON = 64 << 10

    let worker: Int
    private let document: RunDocument
    private let files: NodeFiles
    private let pieces: SharedPieces
    private let replica: Int
    private var elements: [StageElement] = []
    /// By edge that comes from another stage: position of the reading PE, index of its input port.
    private var entries: [Int: (element: Int, port: Int)] = [:]
    private var outbox: Outbox

    private var phase = Phase.loading
    private var inputs: Deque<Input> = []
    private var feed: Feed?
    private var inbox: Inbox?
    /// The next one last.
    private var tasks: [Task] = []
    private var outputs = Outputs()
    /// The run's input and the numbers of the items that are still to be processed; nil where the stage holds no source.
    private var items: (input: SourceInput, numbers: ArraySlice<Range<Int>>)?
    /// Items that were begun; nil where the stage holds no source.
    private var itemsTaken: Int?
    /// With checkpoints, how many may have been begun when the next is due; and whether that is awaited.
    private var itemsAllowed: Int?
    private var isPaused = false
    private var mayBegin = false
    private var noMoreInput = false
    private var pausedSince: Int64?
    private var flushedAt: Int64 = 0
    private var profiledAt: Int64 = 0
    /// Read now and then: telling the time of each call would cost more than many calls.
    private var wall = HostClock.wall

    private(set) var events: [Event] = []
    private(set) var hasEnded = false

    init(document: RunDocument, worker: Int, routing: Routing, files: NodeFiles, pieces: SharedPieces) {
        self.document = document
        self.worker = worker
        self.files = files
        self.pieces = pieces
        replica = document.plan.workers[worker].replica
        outbox = Outbox(graph: document.graph, routing: routing, worker: worker)
    }

    // MARK: From the rank

    func feed(_ batch: consuming Batch, number: UInt32) { inputs.append(.feed(Feed(number: number, batch: batch))) }

    func checkpoint(_ checkpoint: UInt32, items: Int) { inputs.append(.checkpoint(checkpoint, items: items)) }

    func go() {
        if mayBegin { (itemsAllowed, isPaused) = (nil, false) }
        mayBegin = true
    }

    func finish() { noMoreInput = true }

    func setReading(_ reading: Bool) {
        if reading, let since = pausedSince {
            pausedSince = nil
            if let last = elements.indices.last { elements[last].records.blocked(HostClock.monotonic - since) }
        } else if !reading, pausedSince == nil {
            pausedSince = HostClock.monotonic
        }
    }

    /// There are events, or something to compute.
    var hasWork: Bool { pausedSince == nil && (!events.isEmpty || canWork) }

    private var canWork: Bool {
        switch phase {
        case .loading, .finishing: true
        case .running:
            !tasks.isEmpty || inbox != nil || feed != nil || !inputs.isEmpty || noMoreInput || items != nil && mayBegin && !isPaused
        case .ended: false
        }
    }

    func takeEvents() -> [Event] {
        defer { events = [] }
        return events
    }

    /// Drops what is under way, files that are not whole among it.
    func kill() {
        elements = []
        tasks = []
        phase = .ended
    }

    // MARK: Work

    /// Computes for about a millisecond, or until there is an event.
    func work() throws(StreamViolation) {
        let start = HostClock.monotonic
        wall = HostClock.wall
        var count = 0
        do throws(Failure) {
            while events.isEmpty, canWork {
                try step()
                count += 1
                if outbox.isFull { flush() }
                guard count.isMultiple(of: 8) else { continue }
                let now = HostClock.monotonic
                wall = HostClock.wall
                if now - flushedAt > Self.age { flush() }
                if now - start > Self.slice { break }
            }
        } catch {
            switch error {
            case .report(let report):
                flushRecords(withProfile: true)
                events.append(.note(.failed(report)))
                kill()
            case .violation(let violation): throw violation
            }
        }
    }

    private enum Failure: Error {
        case report(FailureReport)
        case violation(StreamViolation)
    }

    private func step() throws(Failure) {
        switch phase {
        case .loading:
            events.append(.note(.started))
            try load()
            phase = .running
            events += [.note(.ready), .ready]
        case .running:
            if let task = tasks.popLast() {
                try run(task)
            } else if !takeFromInbox(), try !takeInput(), !takeItem(), noMoreInput {
                phase = .finishing(element: 0)
            }
        case .finishing(let element):
            if let task = tasks.popLast() { try run(task) } else { try finish(element) }
        case .ended: break
        }
    }

    private func takeFromInbox() -> Bool {
        guard let inbox else { return false }
        let index = inbox.next
        tasks.append(.process(element: inbox.element, inbox.values[index], inbox.ids.id(index), port: inbox.port))
        if index + 1 < inbox.values.count { self.inbox?.next = index + 1 } else { self.inbox = nil }
        return true
    }

    private func takeInput() throws(Failure) -> Bool {
        if let number = feed?.number {
            if let (chunk, range) = feed?.chunks.popLast() {
                try take(chunk, range)
            } else {
                feed = nil
                flush()
                events.append(.consumed(number))
            }
            return true
        }
        switch inputs.popFirst() {
        case nil: return false
        case .feed(var next):
            do throws(StreamViolation) {
                try Chunk.forEach(in: next.batch.chunks) { chunk, range in next.chunks.append((chunk, range)) }
            } catch { throw .violation(error) }
            next.chunks.reverse()
            feed = next
        case .checkpoint(let checkpoint, let items):
            flush()
            itemsAllowed = itemsTaken.map { $0 + items }
            isPaused = false
            events += [.note(.checkpointed(checkpoint, items: itemsTaken)), .checkpointed(checkpoint)]
        }
        return true
    }

    private func take(_ chunk: Chunk, _ range: Range<Int>) throws(Failure) {
        guard let feed else { return }
        guard let entry = entries[chunk.edge] else {
            throw .violation(StreamViolation("a chunk on edge \(chunk.edge), which does not lead to worker \(worker)"))
        }
        let bytes = UnsafeRawBufferPointer(rebasing: feed.batch.chunks[range])
        let base = Chunk.headerSize
        let ids: Inbox.IDs =
            chunk.listsIDs
            ? .list((0..<chunk.count).map { bytes.loadLittleEndian(UInt64.self, at: base + 8 * $0) })
            : .progression(first: bytes.loadLittleEndian(UInt64.self, at: base), stride: bytes.loadLittleEndian(UInt64.self, at: base + 8))
        do throws(NativeError) {
            inbox = Inbox(element: entry.element, port: entry.port, values: try pieces.values(of: chunk, bytes), ids: ids)
        } catch {
            let reader = elements[entry.element].element
            throw .report(
                report(
                    entry.element, .unpicklable,
                    "\(reader.id) cannot read what came to input '\(reader.inputs[entry.port].name)': \(error)",
                    datum: ids.id(0)))
        }
    }

    private func takeItem() -> Bool {
        guard mayBegin, let (input, numbers) = items else { return false }
        guard let range = numbers.first else {
            items = nil
            noMoreInput = true
            return true
        }
        guard let next = range.first else {
            items?.numbers.removeFirst()
            return true
        }
        if let itemsAllowed, itemsTaken == itemsAllowed {
            isPaused = true
            flush()
            events.append(.paused)
            return false
        }
        items?.numbers[numbers.startIndex] = range.dropFirst()
        itemsTaken? += 1
        let id = DatumID(inputOf: elements[0].instance, sequence: UInt64(next))
        let port = elements[0].element.inputs.first?.name
        var value: Value?
        switch input {
        case .count: elements[0].records.given(id, size: 2, now: wall)
        case .items(let items):
            let json = (try? WireJSON.encode(items[next])) ?? []
            elements[0].records.given(id, size: json.count, now: wall)
            elements[0].records.attributes(of: id, json: "{\"value\":\(String(decoding: json, as: UTF8.self))}")
            value = port.flatMap { items[next][$0] }.map { Value($0) }
        }
        tasks.append(.process(element: 0, value, id, port: value == nil ? nil : 0))
        return true
    }

    // MARK: Calls

    private func run(_ task: Task) throws(Failure) {
        outputs.removeAll()
        let ran: Int
        switch task {
        case .process(let element, let value, let id, let port):
            try process(element, value, id, port)
            ran = element
        case .resume(let element):
            try resume(element)
            ran = element
        }
        if elements[ran].records.isLarge { flush() }
    }

    private func process(_ element: Int, _ value: Value?, _ id: DatumID, _ port: Int?) throws(Failure) {
        let sequence = elements[element].takeSequence()
        let limit = elements[element].timeLimit
        let isTimed = limit != nil || sequence % Self.timedShare == 0
        let start = isTimed ? HostClock.monotonic : 0
        var retries = 0
        while true {
            let outcome = attempt(element) { operation, outputs throws(NativeError) in try operation.process(value, &outputs) }
            let call = StageElement.Call(
                sequence: sequence, input: id, port: port, start: wall, spent: isTimed ? HostClock.monotonic - start : 0)
            let failure: (cause: FailureReport.Cause, reason: String)
            switch outcome {
            case .success(let progress):
                guard let limit, call.spent > limit else {
                    end(element, call, progress, value, isTimed: isTimed)
                    return try emit(element, sequence)
                }
                failure = (.timeLimit, tooLong(element))
            case .failure(let error): failure = (.exception, error.description)
            }
            outputs.removeAll()
            guard case .retry(let count) = elements[element].element.onError, retries < count else {
                return try failed(element, call, failure.cause, failure.reason, value)
            }
            retries += 1
            elements[element].records.retried()
        }
    }

    private func attempt(
        _ element: Int, _ body: (inout any Operation, inout Outputs) throws(NativeError) -> Progress
    ) -> Result<Progress, NativeError> {
        do throws(NativeError) { return .success(try body(&elements[element].operation, &outputs)) } catch { return .failure(error) }
    }

    private func end(_ element: Int, _ call: StageElement.Call, _ progress: Progress, _ value: Value?, isTimed: Bool) {
        switch progress {
        case .more:
            elements[element].call = call
            elements[element].value = value
            tasks.append(.resume(element: element))
        case .done:
            elements[element].value = nil
            elements[element].records.called(
                call.sequence, input: call.input, port: call.port, now: wall, duration: isTimed ? call.spent : nil)
        }
    }

    private func resume(_ element: Int) throws(Failure) {
        guard var call = elements[element].call else { return }
        let value = elements[element].value
        elements[element].call = nil
        let start = HostClock.monotonic
        let outcome = attempt(element) { operation, outputs throws(NativeError) in try operation.resume(&outputs) }
        call.spent += HostClock.monotonic - start
        switch outcome {
        case .success(let progress):
            guard let limit = elements[element].timeLimit, call.spent > limit else {
                end(element, call, progress, value, isTimed: true)
                return try emit(element, call.sequence)
            }
            outputs.removeAll()
            try failed(element, call, .timeLimit, tooLong(element), value)
        case .failure(let error):
            outputs.removeAll()
            try failed(element, call, .exception, error.description, value)
        }
    }

    private func tooLong(_ element: Int) -> String { "it took longer than its time limit of \(elements[element].element.timeLimit ?? 0) s" }

    /// The datum cannot be processed: the PE's policy says whether the run goes on.
    private func failed(
        _ element: Int, _ call: StageElement.Call, _ cause: FailureReport.Cause, _ reason: String, _ value: Value?
    ) throws(Failure) {
        let summary = value?.summary() ?? "{}"
        let (id, instance) = (elements[element].element.id, elements[element].instance)
        let isSkipped = elements[element].element.onError == .skip
        elements[element].records.failed(
            call.sequence, kind: .process, outcome: isSkipped ? .skipped : .failed, input: call.input, port: call.port, start: call.start,
            duration: call.spent)
        guard isSkipped else {
            var report = report(element, cause, "\(id) cannot process datum \(call.input): \(reason)", datum: call.input)
            report.datumSummary = summary
            throw .report(report)
        }
        events.append(
            .note(.line(instance: instance, stream: .stderr, text: "\(id) skipped datum \(call.input) (\(summary)): \(reason)")))
    }

    private func finish(_ element: Int) throws(Failure) {
        guard element < elements.count else {
            flush(withProfile: true)
            events += [.done, .note(.ended)]
            elements = []
            phase = .ended
            return
        }
        outputs.removeAll()
        // The invocation's record follows when it has written all.
        var call =
            elements[element].call
            ?? StageElement.Call(
                sequence: elements[element].takeSequence(), input: DatumID(rawValue: 0), port: nil, start: wall, spent: 0)
        let start = HostClock.monotonic
        let outcome = attempt(element) { operation, outputs throws(NativeError) in try operation.finish(&outputs) }
        call.spent += HostClock.monotonic - start
        switch outcome {
        case .success(.more): elements[element].call = call
        case .success(.done):
            elements[element].call = nil
            elements[element].records.single(
                call.sequence, kind: .postprocess, outcome: .ok, input: nil, port: nil, start: call.start, duration: call.spent)
            phase = .finishing(element: element + 1)
        case .failure(let error):
            elements[element].records.failed(
                call.sequence, kind: .postprocess, outcome: .failed, input: nil, port: nil, start: call.start, duration: call.spent)
            throw .report(report(element, .exception, "In postprocess, \(elements[element].element.id) failed: \(error)"))
        }
        try emit(element, call.sequence)
    }

    // MARK: Data

    /// Sends on what the element has written.
    private func emit(_ element: Int, _ sequence: UInt64) throws(Failure) {
        let values = outputs.values
        guard !values.isEmpty else { return }
        let (edges, consumers, isRead) = (elements[element].edges, elements[element].consumers, elements[element].isRead)
        let firstTask = tasks.count
        for (index, value) in values.enumerated() {
            let id = elements[element].takeDatum()
            var size = edges.isEmpty ? value.estimatedSize : 0
            for edge in edges {
                do throws(NativeError) { size = try outbox.put(value, id: id.rawValue, edge: edge) } catch {
                    throw .report(unroutable(element, edge, value, error))
                }
            }
            elements[element].records.wrote(id, origin: edges.isEmpty ? .kept : .sent, writer: sequence, size: size, now: wall)
            if let attributes = outputs.attributes[index], let json = try? WireJSON.encode(attributes) {
                elements[element].records.attributes(of: id, json: String(decoding: json, as: UTF8.self))
            }
            if !isRead { elements[element].records.result(id, json: Self.json(value)) }
            for consumer in consumers { tasks.append(.process(element: consumer, value, id, port: 0)) }
            if outbox.isFull { flush() }
        }
        tasks[firstTask...].reverse()
    }

    private func unroutable(_ element: Int, _ edge: Int, _ value: Value, _ error: NativeError) -> FailureReport {
        let reader = document.graph.edges[edge]
        var report = report(
            element, .exception, "\(elements[element].element.id) wrote a datum for \(reader.to), input '\(reader.input)', that \(error)")
        report.datumSummary = value.summary()
        return report
    }

    /// As JSON, or `{"repr": …}` where JSON or the database cannot hold it.
    private static func json(_ value: Value) -> String {
        var bytes: [UInt8] = []
        if (try? JSONWriter.append(value, to: &bytes)) != nil, bytes.count <= maximumJSON {
            let text = String(decoding: bytes, as: UTF8.self)
            if !text.contains("\\u0000") { return text }
        }
        bytes = []
        let summary = value.summary(limit: 2000).replacing("\0", with: "\\x00")
        try? JSONWriter.append(.map(ValueMap([("repr", .string(summary))])), to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: Telling

    /// Origins go before the data.
    private func flush(withProfile: Bool = false) {
        let now = HostClock.monotonic
        flushedAt = now
        flushRecords(withProfile: withProfile || now - profiledAt >= Self.profileInterval)
        if let bytes = outbox.flush() { events.append(.output(PaddedBytes(bytes))) }
    }

    private func flushRecords(withProfile: Bool) {
        if withProfile { profiledAt = HostClock.monotonic }
        var bytes: [UInt8] = []
        for index in elements.indices { bytes += elements[index].records.take(withProfile: withProfile) }
        if !bytes.isEmpty { events.append(.note(.records(bytes))) }
    }

    private func report(
        _ element: Int, _ cause: FailureReport.Cause, _ message: String, datum: DatumID? = nil
    ) -> FailureReport {
        FailureReport(
            cause: cause, message: message, at: Date(timeIntervalSince1970: Double(HostClock.wall) / 1e9),
            element: elements[element].element.id, instance: elements[element].instance, datum: datum?.description)
    }

    // MARK: Loading

    private func load() throws(Failure) {
        let (graph, plan) = (document.graph, document.plan)
        let members = plan.stages[plan.workers[worker].stage].elements
        let positions = Dictionary(members.enumerated().map { (graph.elements[$1].id, $0) }, uniquingKeysWith: { first, _ in first })
        for member in members {
            let element = graph.elements[member]
            let instance = plan.firstInstances[member] + replica
            let leaving = graph.edges.indices.filter { graph.edges[$0].from == element.id }
            do throws(NativeError) {
                guard let native = element.native, let description = NativeCatalogue.operation(native.operation) else {
                    throw NativeError(NativeCatalogue.unknown(element.native?.operation ?? ""))
                }
                let operation = try description.make(native.parameters, OperationContext(files: files, replica: replica))
                elements.append(
                    StageElement(
                        element, instance: instance, operation: operation,
                        consumers: leaving.compactMap { positions[graph.edges[$0].to] },
                        edges: leaving.filter { positions[graph.edges[$0].to] == nil }, isRead: !leaving.isEmpty,
                        isCaptured: document.capture == .full))
            } catch {
                throw .report(
                    FailureReport(
                        cause: .load, message: "\(element.id) cannot be made: \(error)",
                        at: Date(timeIntervalSince1970: Double(HostClock.wall) / 1e9), element: element.id, instance: instance))
            }
        }
        for (index, edge) in graph.edges.enumerated() {
            if let reader = positions[edge.to], positions[edge.from] == nil,
                let port = elements[reader].element.inputs.firstIndex(where: { $0.name == edge.input })
            {
                entries[index] = (reader, port)
            }
        }
        if let head = elements.first, !graph.edges.contains(where: { $0.to == head.element.id }) {
            let id = head.element.id
            items = (document.inputs[id] ?? .count(0), replica == 0 ? document.items(ofSource: id)[...] : [])
            itemsTaken = 0
            itemsAllowed = document.graph.checkpointInterval.map { _ in CheckpointRules.firstItems(workers: document.plan.workers.count) }
        }
        flushedAt = HostClock.monotonic
        profiledAt = flushedAt
    }
}
