// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// One instance of a native PE at work.
///
/// No call takes long: what has more to write than a few hundred data says so, and is asked again.
package protocol Operation {
    /// - Parameter value: the datum; `nil` for an item of a source without input.
    mutating func process(_ value: Value?, _ outputs: inout Outputs) throws(NativeError) -> Progress
    /// Goes on with the datum that the last call began with.
    mutating func resume(_ outputs: inout Outputs) throws(NativeError) -> Progress
    /// After the last datum; called until it has no more.
    mutating func finish(_ outputs: inout Outputs) throws(NativeError) -> Progress
}

extension Operation {
    package mutating func resume(_ outputs: inout Outputs) throws(NativeError) -> Progress { .done }
    package mutating func finish(_ outputs: inout Outputs) throws(NativeError) -> Progress { .done }
}

package enum Progress: Sendable { case done, more }

/// What an operation writes in one call.
package struct Outputs {
    /// An operation that has written so many lets others go on.
    package static let share = 256

    package private(set) var values: [Value] = []
    /// What is told of a datum beside its value, by its position among the values.
    package private(set) var attributes: [Int: JSONValue] = [:]

    package init() {}

    package mutating func write(_ value: Value) { values.append(value) }

    /// Names a file.
    mutating func write(path: String, format: String) {
        attributes[values.count] = ["location": .string(path), "format": .string(format)]
        values.append(.string(path))
    }

    package var isFull: Bool { values.count >= Self.share }

    package mutating func removeAll() {
        values.removeAll(keepingCapacity: true)
        if !attributes.isEmpty { attributes.removeAll() }
    }
}

/// What an operation is given beside its parameters.
package struct OperationContext {
    package var files: any FileAccess
    /// Number among the instances of the PE.
    package var replica: Int

    package init(files: any FileAccess, replica: Int) {
        self.files = files
        self.replica = replica
    }
}

extension Value? {
    /// The datum, where the operation needs one.
    func required() throws(NativeError) -> Value {
        guard let self else { throw NativeError("the item names no datum: give items as [{\"input\": …}]") }
        return self
    }
}
