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

private func record(_ numbers: inout Numbers) -> SegmentRecord {
    switch Int.random(in: 0..<7, using: &numbers) {
    case 0:
        .invocation(
            InvocationRecord(
                instance: .random(in: 0..<65535, using: &numbers), sequence: .random(in: 0..<1 << 63, using: &numbers),
                kind: InvocationRecord.Kind.allCases.randomElement(using: &numbers) ?? .process,
                outcome: Bool.random(using: &numbers) ? .ok : .failed,
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
