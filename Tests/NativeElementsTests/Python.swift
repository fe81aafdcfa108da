// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Real Python, to read what Weft writes and to write what Weft reads.
enum Python {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    private static var interpreter: String { ProcessInfo.processInfo.environment["WEFT_TEST_PYTHON"] ?? "python3" }

    /// Runs a script that finds `weft` and reads bytes from its standard input.
    /// - Returns: what it wrote to its standard output.
    static func run(_ script: String, input: [UInt8] = []) throws -> [UInt8] {
        let folder = FileManager.default.temporaryDirectory.appending(path: "weft-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (given, got) = (folder.appending(path: "in"), folder.appending(path: "out"))
        try Data(input).write(to: given)
        try Data().write(to: got)
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [interpreter, "-c", script]
        process.environment = ProcessInfo.processInfo.environment.merging(["PYTHONPATH": root.appending(path: "python").path()]) { $1 }
        process.standardInput = try FileHandle(forReadingFrom: given)
        process.standardOutput = try FileHandle(forWritingTo: got)
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "the script failed")
        return Array(try Data(contentsOf: got))
    }

    /// Byte strings, each after its length in 4 bytes.
    static func frames(_ items: [[UInt8]]) -> [UInt8] {
        items.flatMap { item in withUnsafeBytes(of: UInt32(item.count).littleEndian) { Array($0) } + item }
    }

    static func items(_ frames: [UInt8]) -> [[UInt8]] {
        var items: [[UInt8]] = []
        var position = 0
        while position < frames.count {
            let length = (0..<4).reduce(0) { $0 | Int(frames[position + $1]) << (8 * $1) }
            items.append(Array(frames[position + 4..<position + 4 + length]))
            position += 4 + length
        }
        return items
    }

    /// Defines `values(seed)`, plain data of all kinds, `same`, `put` and `frames`.
    static let plainData = """
        import math, pickle, random, struct, sys

        def plain(r, depth):
            kind = r.randrange(16 if depth else 10)
            if kind == 0: return None
            if kind == 1: return r.random() < 0.5
            if kind == 2: return r.randrange(-300, 70000)
            if kind == 3: return r.choice([1, -1]) * r.getrandbits(r.choice([8, 31, 32, 63, 64, 65, 200, 2100]))
            if kind == 4: return r.choice([0.0, -0.0, 1.5, -2.0, 1e300, 5e-324, 2.0**70, 0.1, math.inf, -math.inf, r.gauss(0, 1e6)])
            if kind in (5, 6): return "".join(r.choice("abcxyz \\n\\"'\\\\äß中😀\\0") for _ in range(r.choice([0, 3, 12, 40, 300])))
            if kind == 7: return bytes(r.randrange(256) for _ in range(r.choice([0, 5, 300])))
            if kind == 8: return bytearray(r.randrange(256) for _ in range(r.choice([0, 5, 300])))
            if kind == 9: return r.choice(["station", "time", "value"])
            n = r.choice([0, 1, 2, 3, 4, 30])
            if kind in (10, 11): return [plain(r, depth - 1) for _ in range(n)]
            if kind == 12: return tuple(plain(r, depth - 1) for _ in range(n))
            if kind == 13: return {r.randrange(1000) for _ in range(n)}
            if kind == 14: return frozenset("k%d" % r.randrange(1000) for _ in range(n))
            shared = [1, "shared"]
            return {r.choice(["a", "b", "station", i, (i, "x"), i + 0.5]): r.choice([shared, plain(r, depth - 1)]) for i in range(n)}

        def values(seed, count=400):
            r = random.Random(seed)
            return [plain(r, 4) for _ in range(count)] + [list(range(2500)), {i: str(i) for i in range(2500)}, [], {}, (), set()]

        def same(original, copy):
            kind = bytes if type(original) is bytearray else type(original)
            if kind is not type(copy) or original != copy: return False
            if kind in (list, tuple): return all(map(same, original, copy))
            return kind is not dict or all(map(same, original, copy)) and all(map(same, original.values(), copy.values()))

        def put(items):
            for item in items:
                sys.stdout.buffer.write(struct.pack("<I", len(item)) + item)

        def frames():
            data, position = sys.stdin.buffer.read(), 0
            while position < len(data):
                (length,) = struct.unpack_from("<I", data, position)
                yield data[position + 4 : position + 4 + length]
                position += 4 + length

        """
}
