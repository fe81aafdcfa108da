// SPDX-License-Identifier: Apache-2.0

/// One page of a list. `next` is an opaque cursor for the following page; absent at the end.
package struct Page<Item: Codable & Sendable>: Codable, Sendable {
    package var items: [Item]
    package var next: String?

    package init(items: [Item], next: String? = nil) {
        self.items = items
        self.next = next
    }
}

extension Page: Equatable where Item: Equatable {}

/// What part of a list is wanted.
package struct PageRequest: Sendable, Equatable {
    package static let sizes = 1...1000
    package var size: Int
    package var cursor: String?

    /// - Throws: `Problem` naming `page_size` when it is outside ``sizes``.
    package init(size: Int = 50, cursor: String? = nil) throws(Problem) {
        guard Self.sizes.contains(size) else {
            throw Problem(.invalid, "page_size must be from 1 to 1000.", errors: [.init("page_size", "is \(size)")])
        }
        self.size = size
        self.cursor = cursor
    }
}
