// SPDX-License-Identifier: Apache-2.0

/// A message or frame that cannot have come from a sane peer. It ends the run.
package struct StreamViolation: Error, Hashable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) { self.description = description }
}
