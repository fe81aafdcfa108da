// SPDX-License-Identifier: Apache-2.0

import Provenance
import WorkflowModel

/// The provenance of one PE instance, gathered into runs (`docs/segment-format.md`), and what it did in numbers.
struct ElementRecords {
    private static let sampledTimes = 1024

    let instance: Int
    private let isCaptured: Bool
    /// Complete records, in order.
    private var bytes: [UInt8] = []

    private var calls: (first: UInt64, port: Int?, inputs: [UInt64], start: Int64, timed: UInt64, duration: UInt64)?
    private var data: (first: UInt64, origin: WrittenDatum.Origin, writers: [UInt64], size: UInt64, start: Int64)?
    private var inputs: (first: UInt64, count: UInt64, size: UInt64, start: Int64)?
    private var latest: Int64 = 0

    private(set) var profile = InstanceProfile(changed: nil)
    /// Durations that the percentiles are told from.
    private var times: [Int64] = []
    private var timedDuration: Int64 = 0
    private var chance: UInt64 = 0

    init(instance: Int, isCaptured: Bool) {
        self.instance = instance
        self.isCaptured = isCaptured
    }

    /// There is enough to be sent.
    var isLarge: Bool { (calls?.inputs.count ?? 0) >= 4096 || (data?.writers.count ?? 0) >= 4096 || bytes.count >= 64 << 10 }

    /// A call of `process` that went well.
    /// - Parameter duration: where its time was taken.
    mutating func called(_ sequence: UInt64, input: DatumID, port: Int?, now: Int64, duration: Int64?) {
        profile.calls += 1
        profile.itemsIn += 1
        if let duration { took(duration) }
        guard isCaptured else { return }
        if calls?.port != port { closeCalls(now) }
        if calls == nil { calls = (sequence, port, [], now, 0, 0) }
        calls?.inputs.append(input.rawValue)
        if let duration {
            calls?.timed += 1
            calls?.duration += UInt64(max(0, duration))
        }
        latest = now
    }

    private mutating func took(_ duration: Int64) {
        profile.sampled += 1
        timedDuration += duration
        if times.count < Self.sampledTimes {
            times.append(duration)
        } else {
            // Each sample has the same chance to stay. A linear congruence is random enough, and asks nothing of the system.
            chance = chance &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let place = Int(chance >> 33) % Int(profile.sampled)
            if place < times.count { times[place] = duration }
        }
    }

    mutating func failed(
        _ sequence: UInt64, kind: InvocationRecord.Kind, outcome: InvocationRecord.Outcome, input: DatumID?, port: Int?, start: Int64,
        duration: Int64
    ) {
        if kind == .process {
            profile.calls += 1
            profile.itemsIn += 1
        }
        if outcome == .skipped { profile.skipped += 1 }
        single(sequence, kind: kind, outcome: outcome, input: input, port: port, start: start, duration: duration)
    }

    mutating func retried() { profile.retried += 1 }

    mutating func blocked(_ duration: Int64) { profile.blocked += duration }

    /// A call that has a record of its own.
    mutating func single(
        _ sequence: UInt64, kind: InvocationRecord.Kind, outcome: InvocationRecord.Outcome, input: DatumID?, port: Int?, start: Int64,
        duration: Int64
    ) {
        guard isCaptured else { return }
        closeCalls(start)
        append(
            .invocation(
                InvocationRecord(
                    instance: instance, sequence: sequence, kind: kind, outcome: outcome, input: input, inputPort: port, start: start,
                    duration: duration)))
    }

    mutating func wrote(_ id: DatumID, origin: WrittenDatum.Origin, writer: UInt64, size: Int, now: Int64) {
        profile.itemsOut += 1
        profile.bytesOut += Int64(size)
        guard isCaptured else { return }
        if data == nil { data = (id.rawValue, origin, [], 0, now) }
        data?.writers.append(writer)
        data?.size += UInt64(size)
        latest = now
    }

    /// An item of the run's input.
    mutating func given(_ id: DatumID, size: Int, now: Int64) {
        guard isCaptured else { return }
        if let run = inputs, run.first + run.count != id.rawValue { closeInputs() }
        if inputs == nil { inputs = (id.rawValue, 0, 0, now) }
        inputs?.count += 1
        inputs?.size += UInt64(size)
        latest = now
    }

    mutating func attributes(of id: DatumID, json: String) {
        guard isCaptured else { return }
        append(.attributes(datum: id, json: json))
    }

    /// Kept whatever is captured.
    mutating func result(_ id: DatumID, json: String) { append(.result(datum: id, port: 0, json: json)) }

    private mutating func append(_ record: SegmentRecord) { record.encode(into: &bytes) }

    /// What calls wrote goes before word that they ended well: that is never known where the other is lost.
    private mutating func closeCalls(_ now: Int64) {
        closeData()
        guard let run = calls else { return }
        calls = nil
        let stride = run.inputs.count > 1 ? run.inputs[1] &- run.inputs[0] : 1
        let isProgression = run.inputs.indices.dropFirst().allSatisfy { run.inputs[$0] &- run.inputs[$0 - 1] == stride }
        append(
            .calls(
                CallRun(
                    instance: instance, first: run.first, count: UInt64(run.inputs.count), inputPort: run.port,
                    inputs: isProgression && stride < 1 << 62
                        ? .progression(first: DatumID(rawValue: run.inputs[0]), stride: stride)
                        : .list(run.inputs.map { DatumID(rawValue: $0) }),
                    start: run.start, end: max(latest, run.start), timed: run.timed, timedDuration: run.duration)))
    }

    private mutating func closeInputs() {
        guard let run = inputs else { return }
        inputs = nil
        append(
            .data(
                DataRun(
                    first: DatumID(rawValue: run.first), count: run.count, origin: .runInput, port: 0, writers: .none, size: run.size,
                    firstAt: run.start, lastAt: max(latest, run.start))))
    }

    private mutating func closeData() {
        closeInputs()
        guard let run = data else { return }
        data = nil
        let first = run.writers[0]
        let writers: DataRun.Writers
        if run.writers.allSatisfy({ $0 == first }) {
            writers = .one(first)
        } else if run.writers.indices.allSatisfy({ run.writers[$0] - first == UInt64($0) }) {
            writers = .each(from: first)
        } else {
            writers = .distances(from: first, run.writers.map { UInt32($0 - first) })
        }
        append(
            .data(
                DataRun(
                    first: DatumID(rawValue: run.first), count: UInt64(run.writers.count), origin: run.origin, port: 0, writers: writers,
                    size: run.size, firstAt: run.start, lastAt: max(latest, run.start))))
    }

    /// All records since the last time.
    mutating func take(withProfile: Bool) -> [UInt8] {
        closeCalls(latest)
        if withProfile {
            if profile.sampled > 0 { profile.busy = Int64(Double(timedDuration) * Double(profile.calls) / Double(profile.sampled)) }
            let sorted = times.sorted()
            if let last = sorted.indices.last {
                profile.p50 = sorted[last / 2]
                profile.p95 = sorted[last * 95 / 100]
            }
            append(.profile(instance: instance, profile))
        }
        defer { bytes = [] }
        return bytes
    }
}
