// SPDX-License-Identifier: Apache-2.0

/// What a native PE does: one of the operations that a rank brings along, and its parameters.
package struct NativeOperation: Sendable, Hashable, Codable {
    /// As `filter`; `docs/native-elements.md` lists them.
    package var operation: String
    package var parameters: [String: JSONValue]

    package init(operation: String, parameters: [String: JSONValue] = [:]) {
        self.operation = operation
        self.parameters = parameters
    }
}
