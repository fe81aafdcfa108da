// SPDX-License-Identifier: Apache-2.0

/// Takes a pickle's parts from its bytes, which must stay where they are meanwhile.
struct PickleInput {
    private let base: UnsafeRawBufferPointer
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { base = bytes }

    var count: Int { base.count }
    var isAtEnd: Bool { position == base.count }

    @inline(__always)
    private mutating func advance(_ length: Int) throws(NativeError) -> UnsafeRawBufferPointer {
        guard length >= 0, length <= base.count - position else { throw NativeError("a pickle that is cut off") }
        defer { position += length }
        return UnsafeRawBufferPointer(rebasing: base[position..<position + length])
    }

    mutating func byte() throws(NativeError) -> UInt8 { try advance(1)[0] }

    mutating func integer<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type) throws(NativeError) -> T {
        T(littleEndian: try advance(MemoryLayout<T>.size).loadUnaligned(as: T.self))
    }

    /// A length of 64 bits; one that is beyond the input is refused where it is used.
    mutating func length() throws(NativeError) -> Int { Int(clamping: try integer(UInt64.self)) }

    mutating func bytes(_ length: Int) throws(NativeError) -> [UInt8] { Array(try advance(length)) }

    mutating func text(_ length: Int) throws(NativeError) -> String {
        guard let text = String(validating: try advance(length).assumingMemoryBound(to: UInt8.self), as: UTF8.self) else {
            throw NativeError("text that is not UTF-8: it has lone surrogates, as names of files that are not UTF-8 have in Python")
        }
        return text
    }

    /// Text up to a line's end.
    mutating func line() throws(NativeError) -> String {
        guard let end = base[position...].firstIndex(of: UInt8(ascii: "\n")) else { throw NativeError("a pickle that is cut off") }
        let line = try text(end - position)
        position += 1
        return line
    }
}
