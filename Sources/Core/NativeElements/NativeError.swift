// SPDX-License-Identifier: Apache-2.0

/// Why a native PE cannot process a datum, and what to do about it.
package struct NativeError: Error, Hashable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) { self.description = description }
}
