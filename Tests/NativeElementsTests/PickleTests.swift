// SPDX-License-Identifier: Apache-2.0

import NativeElements
import Testing

struct PickleTests {
    @Test(arguments: 2...5)
    func whatPythonPicklesComesBackEqual(protocol version: Int) throws {
        let pickles = Python.items(
            try Python.run(
                Python.plainData + """
                    put(pickle.dumps(value, \(version)) for value in values(\(version)))
                    put(pickle._dumps(value, \(version)) for value in values(\(version), 50))
                    """))
        #expect(pickles.count > 450)
        let own = try pickles.map { PickleWriter.pickle(try PickleReader.read($0)) }
        let differences = try Python.run(
            Python.plainData + """
                originals = values(\(version)) + values(\(version), 50)
                for index, (original, item) in enumerate(zip(originals, frames(), strict=True)):
                    copy = pickle.loads(item)
                    if not same(original, copy):
                        print(index, repr(original)[:200], repr(copy)[:200])
                """, input: Python.frames(own))
        #expect(String(decoding: differences, as: UTF8.self) == "")
    }

    /// Whatever way the workers put data together, what is plain in them can be read.
    @Test func chunksOfWorkersAreRead() throws {
        let script =
            Python.plainData + """
                from weft import chunks
                def contents(data):
                    # As an outbox does: data are copied, or pickled, when they are written.
                    return chunks.encode([chunks.snapshot(value, lambda raw: None)[0] for value in data])
                groups = [values(31), list(range(100)), ["text"] * 40, [(i, "x") for i in range(50)], [[i, {"a": [i]}] for i in range(50)],
                    [{"nested": {"deep": [(1, {2})]}}] * 3]

                """
        let pickles = Python.items(
            try Python.run(script + "put(b''.join(map(bytes, parts)) for group in groups for _, parts, _ in contents(group))"))
        var own: [[UInt8]] = []
        for pickle in pickles { for value in try PickleReader.read(pickle).items ?? [] { own.append(PickleWriter.pickle(value)) } }
        let differences = try Python.run(
            script + """
                originals = [value for group in groups for value in group]
                for original, item in zip(originals, frames(), strict=True):
                    if not same(original, pickle.loads(item)): print(repr(original)[:200])
                """, input: Python.frames(own))
        #expect(String(decoding: differences, as: UTF8.self) == "")
    }

    @Test func picklesWithinPicklesAreBounded() throws {
        let pickle = try Python.run(
            """
            import pickle, sys
            content = pickle.dumps([1], 5)
            for _ in range(20):
                content = b"\\x80\\x05cpickle\\nloads\\n\\x8e" + len(content).to_bytes(8, "little") + content + b"\\x85R."
            assert pickle.loads(content) == [1]
            sys.stdout.buffer.write(content)
            """)
        let error = try #require(throws: NativeError.self) { try PickleReader.read(pickle) }
        #expect(error.description.contains("nested more than 8 deep"))
    }

    @Test func buffersOutOfBandTakeTheirPlace() throws {
        let pickle = try Python.run(
            Python.plainData + """
                buffers = []
                data = [pickle.PickleBuffer(b"first"), 7, pickle.PickleBuffer(bytearray(b"second"))]
                sys.stdout.buffer.write(pickle.dumps(data, 5, buffer_callback=buffers.append))
                """)
        let (first, second) = (Array("first".utf8), Array("second".utf8))
        #expect(try PickleReader.read(pickle, buffers: [first, second]) == .list([.bytes(first), .int(7), .bytes(second)]))
        #expect(throws: NativeError.self) { try PickleReader.read(pickle, buffers: [first]) }
        #expect(throws: NativeError.self) { try PickleReader.read(pickle, buffers: [first, second, first]) }
    }

    @Test(arguments: [
        ("import datetime; value = [datetime.date(2026, 1, 1)]", "datetime.date"),
        ("import decimal; value = decimal.Decimal('1.5')", "decimal.Decimal"),
        ("value = complex(1, 2)", "complex"),
        ("value = len", "len"),
        ("value = []; value.append(value)", "contains itself"),
        ("value = {}; value['self'] = (value,)", "contains itself"),
        ("value = 1 << 40000", "an integer of"),
        ("value = '\\ud800'", "lone surrogates"),
        ("value = 0\nfor _ in range(300): value = [value]", "nested more than 256 deep"),
        ("value = [1]\nfor _ in range(60): value = [value, value]", "references to the same ones"),
    ])
    func whatIsNoPlainDataIsNamed(script: String, name: String) throws {
        let pickle = try Python.run("import pickle, sys\n\(script)\nsys.stdout.buffer.write(pickle.dumps(value, 5))")
        let error = try #require(throws: NativeError.self) { try PickleReader.read(pickle) }
        #expect(error.description.contains(name))
    }

    /// As NumPy pickles arrays and scalars; CI's Python need not have it.
    @Test(arguments: [("numpy._core.numeric", "_frombuffer", "a numpy.ndarray"), ("numpy.core.multiarray", "scalar", "a NumPy scalar")])
    func numPyIsNamed(module: String, function: String, name: String) throws {
        let text: (String) -> [UInt8] = { [0x8C, UInt8($0.utf8.count)] + $0.utf8 }
        let error = try #require(throws: NativeError.self) {
            try PickleReader.read([0x80, 5] + text(module) + text(function) + [0x93, 0x2E])
        }
        #expect(error.description.hasPrefix(name))
        #expect(error.description.contains("native PEs read plain data only"))
    }

    @Test func damagedPicklesAreRefusedOrReadButNeverCrash() throws {
        let pickles = Python.items(
            try Python.run(Python.plainData + "put(pickle.dumps(value, protocol) for protocol in (2, 3, 4, 5) for value in values(9, 60))"))
        var random = SeededGenerator(state: 3)
        var refused = 0
        for pickle in pickles {
            for _ in 0..<20 {
                var damaged = Array(pickle.prefix(2000))
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    damaged[Int.random(in: damaged.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
                do {
                    let value = try PickleReader.read(damaged)
                    // What is read can be written and read again.
                    #expect(throws: Never.self) { try PickleReader.read(PickleWriter.pickle(value)) }
                } catch {
                    refused += 1
                }
            }
        }
        #expect(refused > 1000)
    }
}

struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 29
    }
}
