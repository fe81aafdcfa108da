// SPDX-License-Identifier: Apache-2.0

import Testing
import WorkflowModel

@testable import Provenance

private let run = RunID(milliseconds: 1_700_000_000_000, random: Array(1...10))

/// Numbers that are the same in every test run (SplitMix64).
private struct Numbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}

private func datum(_ numbers: inout Numbers) -> DatumID {
    let instance = Int.random(in: 0..<DatumID.maximumInstances, using: &numbers)
    let sequence = UInt64.random(in: 0..<1 << 48, using: &numbers)
    return Bool.random(using: &numbers)
        ? DatumID(instance: instance, sequence: sequence) : DatumID(inputOf: instance, sequence: sequence)
}

private func text(_ numbers: inout Numbers) -> String {
    let characters = Array("abc ü漢🙂\"\\\n{}")
    return String((0..<Int.random(in: 0..<60, using: &numbers)).map { _ in characters.randomElement(using: &numbers) ?? " " })
}

private func callRun(_ numbers: inout Numbers) -> CallRun {
    let count = Int.random(in: 1...40, using: &numbers)
    let inputs: CallRun.Inputs =
        switch Int.random(in: 0..<3, using: &numbers) {
        case 0: .none
        case 1: .progression(first: datum(&numbers), stride: .random(in: 0..<1000, using: &numbers))
        default: .list((0..<count).map { _ in datum(&numbers) })
        }
    let timed = Bool.random(using: &numbers)
    return CallRun(
        instance: .random(in: 0..<65535, using: &numbers), first: .random(in: 0..<1 << 62, using: &numbers), count: UInt64(count),
        inputPort: Bool.random(using: &numbers) ? .random(in: 0..<65535, using: &numbers) : nil, inputs: inputs,
        times: timed
            ? (0..<count).map { _ in
                CallRun.Time(start: .random(in: .min ... .max, using: &numbers), duration: .random(in: .min ... .max, using: &numbers))
            } : [], start: .random(in: .min ... .max, using: &numbers), end: .random(in: .min ... .max, using: &numbers),
        timed: .random(in: 0...UInt64(count), using: &numbers), timedDuration: .random(in: 0 ... .max, using: &numbers))
}

private func dataRun(_ numbers: inout Numbers) -> DataRun {
    let count = Int.random(in: 1...40, using: &numbers)
    let sequence = UInt64.random(in: 0..<1 << 62, using: &numbers)
    let writers: DataRun.Writers =
        switch Int.random(in: 0..<4, using: &numbers) {
        case 0: .one(sequence)
        case 1: .each(from: sequence)
        case 2: .distances(from: sequence, (0..<count).map { _ in .random(in: 0 ... .max, using: &numbers) })
        default: .none
        }
    return DataRun(
        first: DatumID(
            instance: .random(in: 0..<DatumID.maximumInstances, using: &numbers), sequence: .random(in: 0..<1 << 47, using: &numbers)),
        count: UInt64(count), origin: WrittenDatum.Origin.allCases.randomElement(using: &numbers) ?? .sent,
        port: .random(in: 0..<65535, using: &numbers), writers: writers, size: .random(in: 0 ... .max, using: &numbers),
        firstAt: .random(in: .min ... .max, using: &numbers), lastAt: .random(in: .min ... .max, using: &numbers))
}

private func profile(_ numbers: inout Numbers) -> InstanceProfile {
    InstanceProfile(
        calls: .random(in: 0 ... .max, using: &numbers), itemsIn: 1, itemsOut: 2, bytesOut: .random(in: 0 ... .max, using: &numbers),
        busy: 3,
        blocked: 4, sampled: 5, p50: Bool.random(using: &numbers) ? 6 : nil, p95: 7, skipped: 8, retried: 9,
        changed: Bool.random(using: &numbers) ? [text(&numbers), text(&numbers)] : nil)
}

private func record(_ numbers: inout Numbers) -> SegmentRecord {
    switch Int.random(in: 0..<11, using: &numbers) {
    case 7: .calls(callRun(&numbers))
    case 8: .data(dataRun(&numbers))
    case 9: .profile(instance: .random(in: 0..<65535, using: &numbers), profile(&numbers))
    case 10:
        .memory(
            worker: Bool.random(using: &numbers) ? .random(in: 0..<65535, using: &numbers) : nil,
            peak: .random(in: 0...(.max), using: &numbers))
    case 0:
        .invocation(
            InvocationRecord(
                instance: .random(in: 0..<65535, using: &numbers), sequence: .random(in: 0..<1 << 63, using: &numbers),
                kind: InvocationRecord.Kind.allCases.randomElement(using: &numbers) ?? .process,
                outcome: InvocationRecord.Outcome.allCases.randomElement(using: &numbers) ?? .ok,
                input: Bool.random(using: &numbers) ? datum(&numbers) : nil,
                inputPort: Bool.random(using: &numbers) ? .random(in: 0..<65535, using: &numbers) : nil,
                start: .random(in: .min ... .max, using: &numbers), duration: .random(in: 0 ... .max, using: &numbers)))
    case 1:
        .datum(
            WrittenDatum(
                id: datum(&numbers), origin: WrittenDatum.Origin.allCases.randomElement(using: &numbers) ?? .sent,
                port: .random(in: 0..<65535, using: &numbers),
                invocation: Bool.random(using: &numbers) ? .random(in: 0..<1 << 63, using: &numbers) : nil,
                size: .random(in: 0 ... .max, using: &numbers), at: .random(in: .min ... .max, using: &numbers)))
    case 2: .derivation(datum: datum(&numbers), source: datum(&numbers))
    case 3: .attributes(datum: datum(&numbers), json: text(&numbers))
    case 4: .result(datum: datum(&numbers), port: .random(in: 0..<65535, using: &numbers), json: text(&numbers))
    case 5:
        .log(
            at: .random(in: .min ... .max, using: &numbers),
            instance: Bool.random(using: &numbers) ? .random(in: 0..<65535, using: &numbers) : nil,
            stream: Bool.random(using: &numbers) ? .stdout : .stderr, text: text(&numbers))
    default:
        .worker(
            at: .random(in: .min ... .max, using: &numbers), worker: .random(in: 0..<65535, using: &numbers),
            event: WorkerEvent.allCases.randomElement(using: &numbers) ?? .started, pid: .random(in: 1 ... .max, using: &numbers),
            node: text(&numbers))
    }
}

/// A segment of several frames, what is in it, and where each frame ends.
private struct Segment {
    var bytes: [UInt8]
    var records: [SegmentRecord] = []
    /// Number of records that are whole within a prefix of the bytes, by the prefix's length.
    var boundaries: [(offset: Int, records: Int)]

    init(frames: Int, numbers: inout Numbers) {
        bytes = SegmentEncoder(run: run, attempt: 2, rank: 3).header()
        boundaries = [(bytes.count, 0)]
        for _ in 0..<frames {
            var payload: [UInt8] = []
            for _ in 0..<Int.random(in: 1...5, using: &numbers) {
                let record = record(&numbers)
                record.encode(into: &payload)
                records.append(record)
            }
            bytes += SegmentEncoder.frame(payload)
            boundaries.append((bytes.count, records.count))
        }
        bytes += SegmentEncoder.end
    }
}

private let decoder = SegmentDecoder(run: run, attempt: 2, rank: 3)

@Suite struct SegmentTests {
    @Test func knownChecksums() {
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xE306_9283)
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(CRC32C.checksum((0..<32).map { UInt8($0) }) == 0x46DD_794E)
        #expect(CRC32C.checksum([]) == 0)
    }

    @Test func anInvocationHasTheDocumentedBytes() {
        var bytes: [UInt8] = []
        SegmentRecord.invocation(
            InvocationRecord(
                instance: 0x0102, sequence: 3, kind: .postprocess, outcome: .failed, input: nil, inputPort: nil, start: 4, duration: 5)
        ).encode(into: &bytes)
        let none64 = [UInt8](repeating: 0xFF, count: 8)
        let eight: (UInt8) -> [UInt8] = { [$0, 0, 0, 0, 0, 0, 0, 0] }
        #expect(bytes == [1, 0x12, 2, 1, 40, 0, 0, 0] + eight(3) + none64 + eight(4) + eight(5) + [0xFF, 0xFF, 0, 0, 0, 0, 0, 0])
    }

    @Test func theHeaderIsAsDocumented() {
        let header = SegmentEncoder(run: run, attempt: 2, rank: 3).header()
        #expect(header == Array("WEFTSEG1".utf8) + run.bytes + [2, 0, 0, 0, 3, 0, 0, 0])
        #expect(header.count == 32)
    }

    @Test(arguments: 0..<50) func recordsComeBackAsTheyWent(seed: UInt64) throws {
        var numbers = Numbers(state: seed)
        let segment = Segment(frames: 20, numbers: &numbers)
        let chunk = try decoder.decode(segment.bytes, at: 0)
        #expect(chunk.records == segment.records)
        #expect(chunk.offset == Int64(segment.bytes.count))
        #expect(chunk.ended)
    }

    @Test func aFileReadPieceByPieceGivesEachRecordOnce() throws {
        var numbers = Numbers(state: 7)
        let segment = Segment(frames: 30, numbers: &numbers)
        var records: [SegmentRecord] = []
        var offset: Int64 = 0
        var written = 0
        var ended = false
        while !ended {
            written = min(segment.bytes.count, written + Int.random(in: 0...200, using: &numbers))
            let chunk = try decoder.decode(Array(segment.bytes[Int(offset)..<written]), at: offset)
            records += chunk.records
            offset = chunk.offset
            ended = chunk.ended
        }
        #expect(records == segment.records)
        #expect(offset == Int64(segment.bytes.count))
    }

    @Test func aSegmentCutAnywhereGivesTheWholeFramesBeforeTheCut() throws {
        var numbers = Numbers(state: 11)
        let segment = Segment(frames: 8, numbers: &numbers)
        for length in 0..<segment.bytes.count {
            let chunk = try decoder.decode(Array(segment.bytes.prefix(length)), at: 0)
            let whole = segment.boundaries.last { $0.offset <= length }
            #expect(chunk.records == Array(segment.records.prefix(whole?.records ?? 0)))
            #expect(chunk.offset == Int64(whole?.offset ?? 0))
            #expect(!chunk.ended)
        }
    }

    /// One changed byte: everything before its frame is delivered, nothing of its frame or after, and then comes an error.
    @Test func aChangedByteIsNeverDelivered() throws {
        var numbers = Numbers(state: 13)
        let segment = Segment(frames: 6, numbers: &numbers)
        for position in segment.bytes.indices {
            var bytes = segment.bytes
            bytes[position] ^= UInt8.random(in: 1...255, using: &numbers)
            guard let frame = segment.boundaries.last(where: { $0.offset <= position }) else {
                #expect(throws: SegmentError.self) { try decoder.decode(bytes, at: 0) }
                continue
            }
            guard let chunk = try? decoder.decode(bytes, at: 0) else {
                #expect(frame.records == 0)
                continue
            }
            #expect(chunk.records == Array(segment.records.prefix(frame.records)))
            #expect(!chunk.ended)
        }
    }

    @Test(arguments: 0..<200) func noiseNeverCrashesTheDecoder(seed: UInt64) {
        var numbers = Numbers(state: seed)
        let noise = (0..<Int.random(in: 0...4000, using: &numbers)).map { _ in UInt8.random(in: 0...255, using: &numbers) }
        #expect((try? decoder.decode(noise, at: 32))?.records ?? [] == [])
        // In a frame whose checksum is right, noise is refused or skipped as unknown types.
        if !noise.isEmpty { _ = try? decoder.decode(SegmentEncoder.frame(noise), at: 32) }
    }

    @Test func unknownTypesAreSkipped() throws {
        var payload: [UInt8] = [200, 9, 1, 0, 3, 0, 0, 0, 1, 2, 3]
        let known = SegmentRecord.log(at: 1, instance: nil, stream: .stderr, text: "seen")
        known.encode(into: &payload)
        #expect(try decoder.decode(SegmentEncoder.frame(payload), at: 32).records == [known])
    }

    @Test(
        arguments: [
            [1, 0, 0, 0, 1, 0, 0, 0, 0],  // an invocation of one byte
            [6, 3, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],  // a log line of an unknown stream
            [3, 0, 0, 0, 16, 0, 0, 0] + [UInt8](repeating: 255, count: 16),  // a datum id of 64 bits
            [5, 0, 0, 0, 255, 255, 255, 255, 0],  // a body longer than its frame
            [5, 0, 0],  // half a record
        ] as [[UInt8]])
    func aRecordThatCannotBeIsAnErrorAtItsFrame(payload: [UInt8]) {
        #expect {
            try decoder.decode(SegmentEncoder.frame(payload), at: 4711)
        } throws: {
            ($0 as? SegmentError)?.offset == 4711
        }
    }

    @Test func runsHaveTheDocumentedBytes() {
        func number(_ value: UInt64, _ size: Int = 8) -> [UInt8] { (0..<size).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) } }
        var bytes: [UInt8] = []
        SegmentRecord.calls(
            CallRun(
                instance: 2, first: 3, count: 2, inputPort: 1, inputs: .progression(first: DatumID(instance: 1, sequence: 7), stride: 4),
                times: [.init(start: 20, duration: 1), .init(start: 30, duration: 2)], start: 20, end: 32, timed: 2, timedDuration: 3)
        ).encode(into: &bytes)
        let calls = [number(3), number(2), number(1, 2), [1, 1], number(0, 4), number(20), number(32), number(2), number(3)]
        let lists = [number(1 << 48 | 7), number(4), number(20), number(1), number(30), number(2)]
        #expect(bytes == [8, 0, 2, 0] + number(104, 4) + calls.joined() + lists.joined())
        bytes = []
        SegmentRecord.data(
            DataRun(
                first: DatumID(instance: 1, sequence: 7), count: 2, origin: .kept, port: 5, writers: .distances(from: 9, [0, 3]), size: 80,
                firstAt: 11, lastAt: 12)
        ).encode(into: &bytes)
        let data = [
            number(1 << 48 | 7), number(2), [2], number(0, 7), number(9), number(80), number(11), number(12), number(0, 4), number(3, 4),
        ]
        #expect(bytes == [9, 1, 5, 0] + number(64, 4) + data.joined())
    }

    private func payload(_ run: CallRun, change: (inout [UInt8]) -> Void = { _ in }) -> [UInt8] {
        var bytes: [UInt8] = []
        SegmentRecord.calls(run).encode(into: &bytes)
        change(&bytes)
        return SegmentEncoder.frame(bytes)
    }

    private func calls(
        first: UInt64 = 0, count: UInt64 = 2, _ inputs: CallRun.Inputs = .none, times: [CallRun.Time] = [], timed: UInt64 = 0
    ) -> CallRun {
        CallRun(
            instance: 0, first: first, count: count, inputPort: nil, inputs: inputs, times: times, start: 0, end: 0, timed: timed,
            timedDuration: 0)
    }

    /// Counts that do not fit the body, and ids and sequences beyond 63 bits.
    @Test func runsThatCannotBeAreErrors() throws {
        let id = DatumID(instance: 1, sequence: 0)
        #expect(try decoder.decode(payload(calls(first: 1, count: 1 << 62)), at: 32).records.count == 1)
        let last = DatumID(rawValue: UInt64(Int64.max) - 1)
        #expect(try decoder.decode(payload(calls(.progression(first: last, stride: 1))), at: 32).records.count == 1)
        let impossible = [
            calls(count: 0), calls(first: 1, count: .max), calls(first: 1 << 63), calls(count: 1 << 63, .none),
            calls(.progression(first: DatumID(rawValue: UInt64(Int64.max)), stride: 1)), calls(.progression(first: id, stride: .max)),
            calls(count: SegmentFormat.maximumStridedCalls + 1, .progression(first: id, stride: 2)),
            calls(.list([id])), calls(.list([id, id, id])), calls(count: .max, .list([id])), calls(count: 1 << 61, .list([])),
            calls(.list([id, DatumID(rawValue: 1 << 63)])), calls(times: [.init(start: 0, duration: 0)]), calls(timed: 3),
        ]
        for run in impossible { #expect(throws: SegmentError.self, "\(run)") { try decoder.decode(payload(run), at: 32) } }
        // Unknown forms of inputs and times, and bytes too many.
        for change in [
            { $0[26] = 3 }, { $0[27] = 2 },
            {
                $0 += [0]; $0[4] += 1
            },
        ] as [(inout [UInt8]) -> Void] {
            #expect(throws: SegmentError.self) { try decoder.decode(payload(calls(), change: change), at: 32) }
        }

        func data(_ writers: DataRun.Writers, first: DatumID = id, count: UInt64 = 2) -> DataRun {
            DataRun(first: first, count: count, origin: .sent, port: 0, writers: writers, size: 0, firstAt: 0, lastAt: 0)
        }
        let end = DatumID(instance: 1, sequence: (1 << 48) - 1)
        let impossibleData = [
            data(.one(0), count: 0), data(.one(0), count: .max), data(.one(0), first: end), data(.one(0), count: 1 << 48 + 1),
            data(.one(1 << 63)), data(.each(from: UInt64(Int64.max))), data(.distances(from: UInt64(Int64.max), [0, 1])),
            data(.distances(from: 0, [0])), data(.distances(from: 0, [0, 1, 2])), data(.distances(from: 0, []), count: 1 << 47),
        ]
        for run in impossibleData {
            var bytes: [UInt8] = []
            SegmentRecord.data(run).encode(into: &bytes)
            #expect(throws: SegmentError.self, "\(run)") { try decoder.decode(SegmentEncoder.frame(bytes), at: 32) }
        }
    }

    /// Right records with a few bytes changed, under a right checksum.
    @Test(arguments: 0..<300) func damagedRunsNeverCrashTheDecoder(seed: UInt64) {
        var numbers = Numbers(state: seed)
        var payload: [UInt8] = []
        SegmentRecord.calls(callRun(&numbers)).encode(into: &payload)
        SegmentRecord.data(dataRun(&numbers)).encode(into: &payload)
        SegmentRecord.profile(instance: 1, profile(&numbers)).encode(into: &payload)
        for _ in 0..<200 {
            var bytes = payload
            for _ in 0..<Int.random(in: 1...4, using: &numbers) {
                bytes[Int.random(in: 0..<bytes.count, using: &numbers)] = [0, 1, 127, 128, 255].randomElement(using: &numbers) ?? 0
            }
            _ = try? decoder.decode(SegmentEncoder.frame(bytes), at: 32)
        }
    }

    @Test(
        arguments: [
            ("{}", InstanceProfile()), (#"{"calls": 3, "p50_ns": null, "busy_ns": 2.6, "more": [1]}"#, InstanceProfile(calls: 3, busy: 3)),
            (#"{"skipped": 1e30, "changed": ["a"]}"#, InstanceProfile(skipped: .max, changed: ["a"])),
        ]) func profilesMayLackWhatIsNotKnown(json: String, profile: InstanceProfile) throws
    {
        let payload: [UInt8] = [10, 0, 4, 0, UInt8(json.utf8.count), 0, 0, 0] + json.utf8
        #expect(try decoder.decode(SegmentEncoder.frame(payload), at: 32).records == [.profile(instance: 4, profile)])
    }

    @Test(arguments: ["", "[]", "{", #"{"calls": "3"}"#, #"{"changed": 1}"#]) func whatIsNoProfileIsAnError(json: String) {
        let payload: [UInt8] = [10, 0, 4, 0, UInt8(json.utf8.count), 0, 0, 0] + json.utf8
        #expect(throws: SegmentError.self) { try decoder.decode(SegmentEncoder.frame(payload), at: 32) }
    }

    @Test func aFrameOverTheBoundIsRefusedBeforeItIsRead() {
        let bytes: [UInt8] = [1, 0, 0, 1, 0, 0, 0, 0]
        #expect(throws: SegmentError(offset: 32, reason: "a frame of 16777217 bytes is over the bound of 16777216")) {
            try decoder.decode(bytes, at: 32)
        }
    }

    @Test func anotherRanksSegmentIsRefused() {
        let other = SegmentEncoder(run: run, attempt: 2, rank: 4).header()
        #expect(throws: SegmentError.self) { try decoder.decode(other, at: 0) }
        #expect(throws: SegmentError.self) { try decoder.decode(Array(other.prefix(30)), at: 0) }
    }
}
