// SPDX-License-Identifier: Apache-2.0

import NativeElements
import Testing

struct HashTests {
    @Test func hashesAreThoseOfPython() throws {
        let script = Python.plainData + "from weft.hashing import stable_hash\n"
        let pickles = Python.items(try Python.run(script + "put(pickle.dumps(value, 5) for value in values(21))"))
        let own = try pickles.map { StableHash.hash([try PickleReader.read($0)]) }
        let hashes = String(
            decoding: try Python.run(script + "for value in values(21): print(stable_hash((value,)))"), as: UTF8.self
        ).split(separator: "\n").compactMap { UInt64($0) }
        #expect(own.count == hashes.count)
        #expect(zip(own, hashes).filter { $0 != $1 }.count == 0)
        let several = String(
            decoding: try Python.run(script + "print(stable_hash(()), stable_hash(('a' * 500, 1, 0.75, -0.5, None)))"), as: UTF8.self)
        let parts: [Value] = [.string(String(repeating: "a", count: 500)), .int(1), .double(0.75), .double(-0.5), .null]
        #expect(several == "\(StableHash.hash([])) \(StableHash.hash(parts))\n")
    }

    @Test func equalNumbersHaveOneHash() {
        #expect(Set([Value.int(1), .double(1), .bool(true)]).count == 1)
        #expect(StableHash.hash([.int(1)]) == StableHash.hash([.double(1)]))
        #expect(Value.int(.max) != .double(9_223_372_036_854_775_808))
        #expect(Value.string("é") != .string("e\u{301}"))
    }
}
