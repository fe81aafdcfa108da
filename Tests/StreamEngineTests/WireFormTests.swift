// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import StreamEngine

struct WireFormTests {
    private func batch(_ values: [[UInt8]]) -> Batch {
        var batch = Batch()
        for (number, value) in values.enumerated() {
            var record: [UInt8] = []
            Record(edge: 2, datum: UInt64(number), keyHash: 7, valueLength: value.count).encode(value: value, into: &record)
            record.withUnsafeBytes { batch.append($0) }
        }
        return batch
    }

    @Test func aRecordHasTheDocumentedBytes() {
        var bytes: [UInt8] = []
        Record(edge: 0x0102, datum: 0x03, keyHash: 0x04, valueLength: 2).encode(value: [9, 8], into: &bytes)
        #expect(bytes == [2, 1, 3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 9, 8])
    }

    @Test func messagesComeBackAsTheyWere() throws {
        let messages: [Message] = [
            .data(from: 3, to: 70_000, batch([[1, 2, 3], [], [4]])), .end(from: 0, to: 1), .credit(from: 5, to: 6, bytes: 1 << 30),
        ]
        for message in messages {
            let again = try Message(message.encoded())
            switch (message, again) {
            case (.data(let from, let to, let sent), .data(let otherFrom, let otherTo, let received)):
                #expect(from == otherFrom && to == otherTo && sent.count == received.count)
                #expect(sent.withRecords { Array($0) } == received.withRecords { Array($0) })
            default: #expect(message == again)
            }
        }
    }

    @Test func aHeaderStandsDirectlyBeforeTheRecords() {
        let batch = batch([[1, 2]])
        let records = batch.withRecords { Array($0) }
        let (bytes, offset) = batch.prefixed(by: [0xAA, 0xBB, 0xCC])
        #expect(Array(bytes[offset...]) == [0xAA, 0xBB, 0xCC] + records)
    }

    @Test(arguments: [[], [1, 0, 0, 0], [UInt8](repeating: 9, count: 16)] as [[UInt8]])
    func aMessageThatIsNoneIsRefused(bytes: [UInt8]) {
        #expect(throws: StreamViolation.self) { try Message(bytes) }
    }

    @Test(arguments: [(1, 23), (1, 25), (2, 24), (0, 24), (1, 10)])
    func recordsThatDoNotFillTheirBytesAreRefused(count: Int, length: Int) {
        var bytes: [UInt8] = []
        Record(edge: 0, datum: 0, keyHash: 0, valueLength: 2).encode(value: [1, 2], into: &bytes)
        let cut = Array((bytes + [0]).prefix(length))
        #expect(throws: StreamViolation.self) {
            try cut.withUnsafeBytes { try Record.forEach(in: $0, count: count) { _, _ in } }
        }
    }
}
