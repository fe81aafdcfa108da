// SPDX-License-Identifier: Apache-2.0

/// Reads what CPython's pickle writes for plain data, protocols 2 to 5. Whatever would need Python, an object of a class or a
/// NumPy array, is refused by its name.
///
/// It is bounded: values nest at most ``maximumDepth`` deep, and references to what was there before count as often as they
/// occur, so that a short pickle cannot stand for a huge value.
package struct PickleReader {
    package static let maximumDepth = 256
    /// Values that references to earlier ones may stand for, all in all.
    package static let maximumShared = 1 << 24

    /// What belongs to a value on the stack or in the memo.
    private struct Tag {
        /// Levels below it.
        var depth: Int32 = 0
        /// Of a container that is still being filled: on the stack, where the memo waits for it; in the memo, where it is on the
        /// stack.
        var waiting: Int32 = -1
        /// Referred to while on the stack: what fills it after that would have to change the other as well.
        var isShared = false
        var constructor: Constructor?
    }

    /// Makes plain data for which the protocol at hand has no opcode.
    private enum Constructor {
        case encode, bytes, byteArray, set, frozenSet
        /// Reads a pickle within the pickle: Weft's workers put data together so.
        case loads
    }

    private static let maximumNesting = 8

    private var input: PickleInput
    private let buffers: [[UInt8]]
    private var nextBuffer = 0
    private var stack: [Value] = []
    private var tags: [Tag] = []
    private var marks: [Int] = []
    private var memo: [(value: Value, tag: Tag)?] = []
    private var memoized = 0
    private var shared = 0
    /// Pickles that this one is within.
    private var nesting = 0

    private init(_ bytes: UnsafeRawBufferPointer, buffers: [[UInt8]]) {
        input = PickleInput(bytes)
        self.buffers = buffers
    }

    /// The value of a pickle.
    /// - Parameters:
    ///   - bytes: a whole pickle and nothing after it.
    ///   - buffers: what it holds out of band, in order.
    package static func read(_ bytes: UnsafeRawBufferPointer, buffers: [[UInt8]] = []) throws(NativeError) -> Value {
        var reader = PickleReader(bytes, buffers: buffers)
        return try reader.read()
    }

    package static func read(_ bytes: [UInt8], buffers: [[UInt8]] = []) throws(NativeError) -> Value {
        let result: Result<Value, NativeError> = bytes.withUnsafeBytes { pointer in
            do throws(NativeError) { return .success(try read(pointer, buffers: buffers)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    private mutating func read() throws(NativeError) -> Value {
        while let code = try Opcode(rawValue: input.byte()) {
            if code == .stop {
                guard stack.count == 1, marks.isEmpty, input.isAtEnd, nextBuffer == buffers.count else {
                    throw malformed("it ends wrongly")
                }
                try checkIsValue(0)
                return stack[0]
            }
            try execute(code)
        }
        throw malformed("byte \(input.position - 1) is no opcode of protocols 2 to 5")
    }

    private mutating func execute(_ code: Opcode) throws(NativeError) {
        switch code {
        case .proto:
            guard try (2...5).contains(input.byte()) else { throw malformed("its protocol is not one of 2 to 5") }
        case .frame: _ = try input.integer(UInt64.self)
        case .stop: break
        case .mark: marks.append(stack.count)
        case .pop:
            if let mark = marks.last, mark == stack.count { marks.removeLast() } else { _ = try pop() }
        case .popMark: drop(to: try mark())
        case .dup: try push(again: stack.count - 1)

        case .none: push(.null)
        case .newTrue: push(.bool(true))
        case .newFalse: push(.bool(false))
        case .binInt: push(.int(Int64(try input.integer(Int32.self))))
        case .binInt1: push(.int(Int64(try input.byte())))
        case .binInt2: push(.int(Int64(try input.integer(UInt16.self))))
        case .long1: try pushLong(Int(input.byte()))
        case .long4: try pushLong(Int(input.integer(Int32.self)))
        case .binFloat: push(.double(Double(bitPattern: try input.integer(UInt64.self).byteSwapped)))
        case .shortBinUnicode: push(.string(try input.text(Int(input.byte()))))
        case .binUnicode: push(.string(try input.text(Int(input.integer(UInt32.self)))))
        case .binUnicode8: push(.string(try input.text(input.length())))
        case .shortBinBytes: push(.bytes(try input.bytes(Int(input.byte()))))
        case .binBytes: push(.bytes(try input.bytes(Int(input.integer(UInt32.self)))))
        case .binBytes8, .byteArray8: push(.bytes(try input.bytes(input.length())))
        case .nextBuffer:
            guard nextBuffer < buffers.count else { throw malformed("it refers to more buffers than there are") }
            push(.bytes(buffers[nextBuffer]))
            nextBuffer += 1
        case .readOnlyBuffer: break

        case .emptyList: push(.list([]))
        case .emptyTuple: push(.tuple([]))
        case .emptyMap: push(.map(ValueMap()))
        case .emptySet: push(.set([]))
        case .tuple: try pushTuple(from: mark())
        case .tuple1: try pushTuple(from: stack.count - 1)
        case .tuple2: try pushTuple(from: stack.count - 2)
        case .tuple3: try pushTuple(from: stack.count - 3)
        case .frozenSet:
            let (items, depth) = try take(from: mark())
            push(.frozenSet(items), Tag(depth: depth + 1))
        case .append: try append(from: stack.count - 1)
        case .appends, .addItems: try append(from: mark())
        case .setItem: try setItems(from: stack.count - 2)
        case .setItems: try setItems(from: mark())

        case .binPut: try put(Int(input.byte()))
        case .longBinPut: try put(Int(input.integer(UInt32.self)))
        case .memoize: try put(memoized)
        case .binGet: try get(Int(input.byte()))
        case .longBinGet: try get(Int(input.integer(UInt32.self)))

        case .global:
            let module = try input.line()
            try pushConstructor(module, input.line())
        case .stackGlobal:
            guard stack.count >= 2, case .string(let name) = try pop(), case .string(let module) = try pop() else {
                throw malformed("it names a class by something else than text")
            }
            try pushConstructor(module, name)
        case .reduce: try reduce()
        }
    }

    // MARK: The stack

    private mutating func push(_ value: Value, _ tag: Tag = Tag()) {
        stack.append(value)
        tags.append(tag)
    }

    private mutating func pop() throws(NativeError) -> Value {
        guard stack.count > marks.last ?? 0 else { throw malformed("it takes from an empty stack") }
        settle(stack.count - 1)
        tags.removeLast()
        return stack.removeLast()
    }

    /// The memo that waits for a container gets it: what leaves the stack cannot be filled any more.
    private mutating func settle(_ index: Int) {
        let tag = tags[index]
        guard tag.waiting >= 0, let waits = memo[Int(tag.waiting)], waits.tag.waiting == index else { return }
        memo[Int(tag.waiting)] = (stack[index], Tag(depth: tag.depth))
    }

    private mutating func mark() throws(NativeError) -> Int {
        guard let mark = marks.popLast() else { throw malformed("it closes what it has not opened") }
        return mark
    }

    private mutating func drop(to start: Int) {
        for index in start..<stack.count { settle(index) }
        stack.removeSubrange(start...)
        tags.removeSubrange(start...)
    }

    private func checkIsValue(_ index: Int) throws(NativeError) {
        guard tags[index].constructor == nil else { throw NativeError("a function\(Self.remedy)") }
    }

    /// Looks at the values from `start` on before they become items of a container.
    /// - Returns: the greatest depth among them.
    private mutating func settle(from start: Int) throws(NativeError) -> Int32 {
        guard start >= marks.last ?? 0 else { throw malformed("it takes from an empty stack") }
        var depth: Int32 = -1
        for index in start..<stack.count {
            try checkIsValue(index)
            settle(index)
            depth = max(depth, tags[index].depth)
        }
        guard depth < Self.maximumDepth else { throw NativeError("a value nested more than \(Self.maximumDepth) deep") }
        return depth
    }

    private mutating func take(from start: Int) throws(NativeError) -> (items: [Value], depth: Int32) {
        let depth = try settle(from: start)
        let items = Array(stack[start...])
        stack.removeSubrange(start...)
        tags.removeSubrange(start...)
        return (items, depth)
    }

    // MARK: Containers

    private mutating func pushTuple(from start: Int) throws(NativeError) {
        let (items, depth) = try take(from: start)
        push(.tuple(items), Tag(depth: depth + 1))
    }

    private mutating func append(from start: Int) throws(NativeError) {
        let depth = try settle(from: start)
        let target = start - 1
        guard target >= marks.last ?? 0 else { throw malformed("it fills nothing") }
        try checkIsOwn(target)
        // Taken out, so that it is filled in place.
        let container = stack[target]
        stack[target] = .null
        switch consume container {
        case .list(var list):
            list.append(contentsOf: stack[start...])
            stack[target] = .list(list)
        case .set(var set):
            set.append(contentsOf: stack[start...])
            stack[target] = .set(set)
        default: throw malformed("it appends to what is no list or set")
        }
        close(target, depth: depth, from: start)
    }

    private mutating func setItems(from start: Int) throws(NativeError) {
        let depth = try settle(from: start)
        let target = start - 1
        guard target >= marks.last ?? 0, case .map(var map) = stack[target], (stack.count - start).isMultiple(of: 2) else {
            throw malformed("it sets items of what is no map")
        }
        try checkIsOwn(target)
        stack[target] = .null
        if map.isEmpty { map = ValueMap(capacity: (stack.count - start) / 2) }
        for index in stride(from: start, to: stack.count, by: 2) { map[stack[index]] = stack[index + 1] }
        stack[target] = .map(map)
        close(target, depth: depth, from: start)
    }

    private func checkIsOwn(_ target: Int) throws(NativeError) {
        guard !tags[target].isShared else { throw NativeError("a container that contains itself\(Self.remedy)") }
    }

    private mutating func close(_ target: Int, depth: Int32, from start: Int) {
        tags[target].depth = max(tags[target].depth, depth + 1)
        stack.removeSubrange(start...)
        tags.removeSubrange(start...)
    }

    private mutating func pushLong(_ length: Int) throws(NativeError) {
        guard length >= 0, length <= BigInteger.maximumBytes else {
            throw NativeError("an integer of \(length) bytes: native PEs take up to \(BigInteger.maximumBytes)")
        }
        push(Value(BigInteger(twosComplement: try input.bytes(length))))
    }

    // MARK: The memo

    private mutating func put(_ index: Int) throws(NativeError) {
        guard let value = stack.last, let tag = tags.last else { throw malformed("it remembers nothing") }
        // Each entry has its opcode, so there are no more than bytes.
        guard index < input.count else { throw malformed("it remembers a value by a number that is too large") }
        if index >= memo.count { memo.append(contentsOf: repeatElement(nil, count: index + 1 - memo.count)) }
        if memo[index] == nil { memoized += 1 }
        switch value {
        case .list, .map, .set:
            memo[index] = (.null, Tag(waiting: Int32(stack.count - 1)))
            tags[tags.count - 1].waiting = Int32(index)
        case .null, .bool, .int, .bigInt, .double, .string, .bytes, .tuple, .frozenSet: memo[index] = (value, tag)
        }
    }

    private mutating func get(_ index: Int) throws(NativeError) {
        guard index < memo.count, let entry = memo[index] else { throw malformed("it refers to what was not there before") }
        let position = Int(entry.tag.waiting)
        guard position >= 0 else {
            try count(entry.value)
            return push(entry.value, entry.tag)
        }
        tags[position].isShared = true
        try count(stack[position])
        push(stack[position], Tag(depth: tags[position].depth))
    }

    private mutating func push(again index: Int) throws(NativeError) {
        guard index >= 0 else { throw malformed("it repeats nothing") }
        try count(stack[index])
        push(stack[index], Tag(depth: tags[index].depth, constructor: tags[index].constructor))
    }

    private mutating func count(_ value: Value) throws(NativeError) {
        shared += 1
        guard shared <= Self.maximumShared else {
            throw NativeError("a value of more than \(Self.maximumShared) parts, most of them references to the same ones")
        }
        switch value {
        case .list(let items), .tuple(let items), .set(let items), .frozenSet(let items):
            for item in items { try count(item) }
        case .map(let map):
            for entry in map.entries {
                try count(entry.key)
                try count(entry.value)
            }
        case .null, .bool, .int, .bigInt, .double, .string, .bytes: break
        }
    }

    // MARK: What other protocols build by calls

    private mutating func pushConstructor(_ module: String, _ name: String) throws(NativeError) {
        let constructor: Constructor? =
            switch (module, name) {
            case ("_codecs", "encode"): .encode
            case ("builtins", "bytes"), ("__builtin__", "bytes"): .bytes
            case ("builtins", "bytearray"), ("__builtin__", "bytearray"): .byteArray
            case ("builtins", "set"), ("__builtin__", "set"): .set
            case ("builtins", "frozenset"), ("__builtin__", "frozenset"): .frozenSet
            case ("pickle", "loads"), ("_pickle", "loads"): .loads
            default: nil
            }
        guard let constructor else { throw Self.refusal(module, name) }
        push(.null, Tag(constructor: constructor))
    }

    private mutating func reduce() throws(NativeError) {
        guard stack.count >= 2, let constructor = tags[stack.count - 2].constructor else { throw malformed("it calls what is no function") }
        let depth = tags[stack.count - 1].depth
        guard case .tuple(let arguments) = try pop() else { throw malformed("it calls a function without arguments") }
        _ = try pop()
        switch (constructor, arguments.first) {
        case (.encode, .string(let text)?), (.byteArray, .string(let text)?):
            guard text.unicodeScalars.allSatisfy({ $0.value < 256 }) else { throw malformed("it holds bytes that are none") }
            push(.bytes(text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }))
        case (.bytes, nil), (.byteArray, nil): push(.bytes([]))
        case (.bytes, .bytes(let bytes)?), (.byteArray, .bytes(let bytes)?): push(.bytes(bytes))
        case (.set, nil): push(.set([]))
        case (.frozenSet, nil): push(.frozenSet([]))
        case (.set, .list(let items)?): push(.set(items), Tag(depth: depth))
        case (.frozenSet, .list(let items)?): push(.frozenSet(items), Tag(depth: depth))
        case (.loads, .bytes(let pickle)?): try load(pickle)
        default: throw malformed("it calls a function with arguments that it does not take")
        }
    }

    private mutating func load(_ pickle: [UInt8]) throws(NativeError) {
        guard nesting < Self.maximumNesting else { throw malformed("it holds pickles nested more than \(Self.maximumNesting) deep") }
        let (outer, before) = (nesting, shared)
        let result: Result<(Value, Tag, Int), NativeError> = pickle.withUnsafeBytes { bytes in
            var reader = PickleReader(bytes, buffers: [])
            (reader.nesting, reader.shared) = (outer + 1, before)
            do throws(NativeError) { return .success((try reader.read(), reader.tags[0], reader.shared)) } catch { return .failure(error) }
        }
        let (value, tag, after) = try result.get()
        shared = after
        push(value, Tag(depth: tag.depth))
    }

    // MARK: Refusals

    private static let remedy = ": native PEs read plain data only (None, bool, int, float, str, bytes, list, tuple, dict, set)"

    private static func refusal(_ module: String, _ name: String) -> NativeError {
        let package = module.split(separator: ".").first ?? ""
        switch (package, name) {
        // Weft's workers put arrays together by `rows`.
        case ("weft", "rows"), ("numpy", "_reconstruct"), ("numpy", "_frombuffer"), ("numpy", "ndarray"):
            return NativeError("a numpy.ndarray\(remedy); write array.tolist(), or read it in a Python PE")
        case ("numpy", "scalar"): return NativeError("a NumPy scalar\(remedy); write scalar.item()")
        case ("builtins", _), ("__builtin__", _): return NativeError("a value made by \(name)\(remedy)")
        default: return NativeError("a value of \(module).\(name)\(remedy); write its contents, or read it in a Python PE")
        }
    }

    private func malformed(_ reason: String) -> NativeError { NativeError("a pickle that cannot be read: \(reason)") }
}
