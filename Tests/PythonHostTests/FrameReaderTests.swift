// SPDX-License-Identifier: Apache-2.0

import StreamEngine
import Testing

@testable import PythonHost

private struct Whole: Equatable {
    var kind: Frame.FromWorker
    var body: [UInt8]

    var bytes: [UInt8] { header(kind.rawValue, length: body.count) + body }
}

private func header(_ kind: UInt8, length: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.appendLittleEndian(UInt32(length))
    return bytes + [kind]
}

extension FrameReader {
    /// All frames that are whole with this piece.
    fileprivate mutating func read(_ piece: some Collection<UInt8>) throws -> [Whole] {
        var frames: [Whole] = []
        try Array(piece).withUnsafeBytes { bytes in
            var rest = bytes[...]
            while let (kind, body) = try next(&rest) { frames.append(Whole(kind: kind, body: Array(body.buffer))) }
            #expect(rest.isEmpty, "what is not a whole frame is kept")
        }
        return frames
    }
}

@Suite struct FrameReaderTests {
    private static let kinds: [Frame.FromWorker] = [.ready, .output, .records, .consumed, .log, .done, .failed]

    private func frames(_ numbers: inout Numbers) -> [Whole] {
        (0..<20).map { _ in
            Whole(
                kind: Self.kinds.randomElement(using: &numbers) ?? .ready,
                body: numbers.bytes(atMost: Bool.random(using: &numbers) ? 2 : 900))
        }
    }

    @Test(arguments: 0..<50) func framesComeOutAsTheyWentInWhateverThePieces(seed: UInt64) throws {
        var numbers = Numbers(state: seed)
        let sent = frames(&numbers)
        var reader = FrameReader()
        let read = try numbers.pieces(of: sent.flatMap(\.bytes)).flatMap { try reader.read($0) }
        #expect(read == sent)
    }

    @Test func aStreamCutAnywhereGivesTheWholeFramesBeforeTheCut() throws {
        var numbers = Numbers(state: 3)
        let sent = frames(&numbers).filter { $0.body.count < 40 }
        let bytes = sent.flatMap(\.bytes)
        let ends = sent.indices.map { sent[...$0].reduce(0) { $0 + $1.bytes.count } }
        for length in 0...bytes.count {
            var reader = FrameReader()
            #expect(try reader.read(bytes.prefix(length)) == Array(sent.prefix(ends.count { $0 <= length })))
        }
    }

    @Test(arguments: (0...255).filter { Frame.FromWorker(rawValue: $0) == nil }) func anUnknownKindIsRefused(kind: UInt8) {
        var reader = FrameReader()
        #expect(throws: StreamViolation("a frame of unknown kind \(kind)")) { try reader.read(header(kind, length: 0)) }
    }

    @Test(arguments: [Frame.maximumLength + 1, Int(UInt32.max)]) func aLengthOverTheBoundIsRefusedBeforeItsBody(length: Int) {
        var reader = FrameReader()
        #expect(throws: StreamViolation("a frame of \(length) bytes, where 1 GiB is the most")) {
            try reader.read(header(Frame.FromWorker.output.rawValue, length: length))
        }
    }

    @Test func theLongestFrameIsWaitedFor() throws {
        var reader = FrameReader()
        #expect(try reader.read(header(Frame.FromWorker.output.rawValue, length: Frame.maximumLength) + [1, 2, 3]).isEmpty)
    }

    @Test(arguments: 0..<200) func noiseIsReadOrRefused(seed: UInt64) {
        var numbers = Numbers(state: seed)
        let noise = numbers.bytes(atMost: 2000)
        var reader = FrameReader()
        do {
            let frames = try numbers.pieces(of: noise).flatMap { try reader.read($0) }
            #expect(noise.starts(with: frames.flatMap(\.bytes)))
        } catch {
            #expect(error is StreamViolation)
        }
    }
}
