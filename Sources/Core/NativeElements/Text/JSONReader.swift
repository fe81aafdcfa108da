// SPDX-License-Identifier: Apache-2.0

/// Reads JSON text (RFC 8259, strictly). Integers stay exact, whatever their size; of equal keys the last one counts.
package struct JSONReader {
    package static let maximumDepth = 256

    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    private var depth = 0

    private init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// - Parameter bytes: one document, perhaps between spaces.
    package static func read(_ bytes: some Collection<UInt8>) throws(NativeError) -> Value {
        let parse = { (bytes: UnsafeBufferPointer<UInt8>) -> Result<Value, NativeError> in
            var reader = JSONReader(UnsafeRawBufferPointer(bytes))
            do throws(NativeError) { return .success(try reader.document()) } catch { return .failure(error) }
        }
        return try (bytes.withContiguousStorageIfAvailable(parse) ?? Array(bytes).withUnsafeBufferPointer(parse)).get()
    }

    private mutating func document() throws(NativeError) -> Value {
        let value = try value()
        skipSpaces()
        guard position == bytes.count else { throw unexpected("the end") }
        return value
    }

    private mutating func value() throws(NativeError) -> Value {
        skipSpaces()
        switch peek() {
        case UInt8(ascii: "{"): return try object()
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    private func peek() -> UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpaces() {
        while let byte = peek(), byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard peek() == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func word(_ text: StaticString, _ value: Value) throws(NativeError) -> Value {
        let end = position + text.utf8CodeUnitCount
        guard end <= bytes.count, bytes[position..<end].elementsEqual(text.withUTF8Buffer { Array($0) }) else {
            throw unexpected("a value")
        }
        position = end
        return value
    }

    private mutating func nest() throws(NativeError) {
        depth += 1
        guard depth <= Self.maximumDepth else { throw NativeError("JSON nested more than \(Self.maximumDepth) deep") }
        position += 1
        skipSpaces()
    }

    private mutating func object() throws(NativeError) -> Value {
        try nest()
        var map = ValueMap()
        if !skip("}") {
            repeat {
                skipSpaces()
                guard peek() == UInt8(ascii: "\"") else { throw unexpected("a key in quotes") }
                let key = try string()
                skipSpaces()
                guard skip(":") else { throw unexpected("':'") }
                map[.string(key)] = try value()
                skipSpaces()
            } while skip(",")
            guard skip("}") else { throw unexpected("',' or '}'") }
        }
        depth -= 1
        return .map(map)
    }

    private mutating func array() throws(NativeError) -> Value {
        try nest()
        var items: [Value] = []
        if !skip("]") {
            repeat {
                items.append(try value())
                skipSpaces()
            } while skip(",")
            guard skip("]") else { throw unexpected("',' or ']'") }
        }
        depth -= 1
        return .list(items)
    }

    private mutating func string() throws(NativeError) -> String {
        position += 1
        let start = position
        while let byte = peek(), byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") { position += 1 }
        if peek() == UInt8(ascii: "\"") {
            position += 1
            return try text(bytes[start..<position - 1])
        }
        var content = Array(bytes[start..<position])
        while true {
            switch peek() {
            case UInt8(ascii: "\""):
                position += 1
                return try content.withUnsafeBytesTyped { (content) throws(NativeError) in try text(content[...]) }
            case UInt8(ascii: "\\"):
                position += 1
                try escape(into: &content)
            case let byte? where byte >= 0x20:
                content.append(byte)
                position += 1
            case nil: throw unexpected("'\"'")
            default: throw NativeError("JSON text with a control character at byte \(position + 1): write it as \\n, \\t or \\u00XX")
            }
        }
    }

    private func text(_ content: Slice<UnsafeRawBufferPointer>) throws(NativeError) -> String {
        guard let text = String(validating: UnsafeRawBufferPointer(rebasing: content).assumingMemoryBound(to: UInt8.self), as: UTF8.self)
        else { throw NativeError("JSON text before byte \(position) is not UTF-8") }
        return text
    }

    private mutating func escape(into content: inout [UInt8]) throws(NativeError) {
        let code = peek()
        position += 1
        switch code {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): content.append(code ?? 0)
        case UInt8(ascii: "b"): content.append(0x08)
        case UInt8(ascii: "f"): content.append(0x0C)
        case UInt8(ascii: "n"): content.append(0x0A)
        case UInt8(ascii: "r"): content.append(0x0D)
        case UInt8(ascii: "t"): content.append(0x09)
        case UInt8(ascii: "u"):
            var scalar = try codeUnit()
            if (0xD800..<0xDC00).contains(scalar), skip("\\"), skip("u") {
                let low = try codeUnit()
                guard (0xDC00..<0xE000).contains(low) else { throw loneSurrogate() }
                scalar = 0x10000 + (scalar - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(scalar) else { throw loneSurrogate() }
            content += UTF8.encode(scalar).map(Array.init) ?? []
        default:
            position -= 1
            throw unexpected("one of \"\\/bfnrtu after '\\'")
        }
    }

    private mutating func codeUnit() throws(NativeError) -> UInt32 {
        var unit: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = peek().flatMap({ Character(Unicode.Scalar($0)).hexDigitValue }) else {
                throw unexpected("a hexadecimal digit")
            }
            unit = unit << 4 | UInt32(digit)
            position += 1
        }
        return unit
    }

    private func loneSurrogate() -> NativeError {
        NativeError("JSON text with half a character (a lone surrogate) before byte \(position)")
    }

    private mutating func number() throws(NativeError) -> Value {
        let start = position
        let isNegative = skip("-")
        let digits = position
        var value: Int64 = 0
        var isExact = true
        while let byte = peek(), (0x30...0x39).contains(byte) {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.subtractingReportingOverflow(Int64(byte - 0x30))
            isExact = isExact && !overflow && !carry
            value = sum
            position += 1
        }
        guard position > digits, position == digits + 1 || bytes[digits] != 0x30 else {
            position = start
            throw unexpected("a value")
        }
        if let byte = peek(), byte == UInt8(ascii: ".") || byte | 0x20 == UInt8(ascii: "e") { return try real(from: start) }
        // Summed up below zero, where there is one integer more.
        if isExact, isNegative || value != .min { return .int(isNegative ? value : -value) }
        guard let integer = BigInteger(decimal: String(decoding: bytes[start..<position], as: UTF8.self)) else {
            throw NativeError("JSON with an integer of \(position - digits) digits: up to \(BigInteger.maximumBytes * 2) can be read")
        }
        return .bigInt(integer)
    }

    private mutating func real(from start: Int) throws(NativeError) -> Value {
        if skip(".") { try skipDigits() }
        if skip("e") || skip("E") {
            if !skip("+") { _ = skip("-") }
            try skipDigits()
        }
        guard let value = Double(String(decoding: bytes[start..<position], as: UTF8.self)) else {
            position = start
            throw unexpected("a number")
        }
        return .double(value)
    }

    private mutating func skipDigits() throws(NativeError) {
        let start = position
        while let byte = peek(), (0x30...0x39).contains(byte) { position += 1 }
        guard position > start else { throw unexpected("a digit") }
    }

    private func unexpected(_ expected: String) -> NativeError {
        guard position < bytes.count else { return NativeError("JSON that ends where \(expected) is due") }
        let byte = bytes[position]
        let found = (0x21...0x7E).contains(byte) ? "'\(Character(Unicode.Scalar(byte)))'" : "byte \(byte)"
        return NativeError("JSON with \(found) at byte \(position + 1), where \(expected) is due")
    }
}

extension [UInt8] {
    fileprivate func withUnsafeBytesTyped<T>(_ body: (UnsafeRawBufferPointer) throws(NativeError) -> T) throws(NativeError) -> T {
        let result: Result<T, NativeError> = withUnsafeBytes { pointer in
            do throws(NativeError) { return .success(try body(pointer)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}
