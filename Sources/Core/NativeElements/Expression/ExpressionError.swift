// SPDX-License-Identifier: Apache-2.0

/// What of an expression cannot be understood, and where.
package struct ExpressionError: Error, Hashable, CustomStringConvertible {
    /// From 1, in characters.
    package var column: Int
    package var reason: String

    package var description: String { "column \(column): \(reason)" }
}
