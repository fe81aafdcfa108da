// SPDX-License-Identifier: Apache-2.0

import NativeElements
import Testing

struct JSONTests {
    private func text(_ value: Value) throws -> String {
        var bytes: [UInt8] = []
        try JSONWriter.append(value, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func whatPythonWritesComesBackEqual() throws {
        let script =
            Python.plainData + """
                import json
                def holds(value):
                    try: return json.dumps(value, allow_nan=False)
                    except (TypeError, ValueError): return None
                texts = [text for value in values(5, 900) for text in [holds(value)] if text]

                """
        let texts = Python.items(try Python.run(script + "put(text.encode() for text in texts)"))
        #expect(texts.count > 300)
        let own = try texts.map { try JSONReader.read($0) }
        let written = try own.map { Array(try text($0).utf8) }
        let differences = try Python.run(
            script + "for text, item in zip(texts, frames(), strict=True):\n  if json.loads(text) != json.loads(item): print(text[:200])",
            input: Python.frames(written))
        #expect(String(decoding: differences, as: UTF8.self) == "")
    }

    @Test(arguments: [
        ("", "ends where a value is due"), ("[1,]", "']' at byte 4"), ("{\"a\" 1}", "':' is due"), ("01", "byte 1"),
        ("1.", "a digit is due"),
        ("nul", "byte 1"), ("\"a", "ends"), ("\"\\x\"", "byte 3"), ("\"\\ud800\"", "lone surrogate"), ("[1] 2", "byte 5"),
        ("NaN", "byte 1"),
        ("\"a\u{1}\"", "control character"), (String(repeating: "[", count: 300), "nested more than"),
    ])
    func whatIsNoJSONIsRefusedWithItsPlace(json: String, reason: String) throws {
        let error = try #require(throws: NativeError.self) { try JSONReader.read(Array(json.utf8)) }
        #expect(error.description.contains(reason))
    }

    @Test func numbersKeepTheirKind() throws {
        #expect(try JSONReader.read(Array("-9223372036854775808".utf8)) == .int(.min))
        #expect(try text(JSONReader.read(Array("123456789012345678901234567890".utf8))) == "123456789012345678901234567890")
        #expect(try text(JSONReader.read(Array("[1, 1.0, 1e3, -0.5]".utf8))) == "[1,1.0,1000.0,-0.5]")
    }

    @Test func whatJSONCannotHoldIsRefused() {
        #expect(throws: NativeError.self) { try text(.double(.nan)) }
        #expect(throws: NativeError.self) { try text(.bytes([1])) }
        #expect(throws: Never.self) { try text(.tuple([.set([.int(1)])])) }
    }
}
