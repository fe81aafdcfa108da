// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import WorkflowModel

/// Tells one state of a resource from another: the FNV-1a hash of its JSON.
struct EntityTag: Equatable, CustomStringConvertible {
    let value: String

    init(of bytes: [UInt8]) {
        let hash = bytes.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        value = String(hash, radix: 16)
    }

    var description: String { "\"\(value)\"" }

    /// Whether one of the `If-None-Match` lines names this state, by weak comparison.
    func matches(_ lines: [String]) -> Bool { Self.tags(lines).contains { $0 == "*" || Self.strong($0) == description } }

    private static func tags(_ lines: [String]) -> [Substring] {
        lines.flatMap { $0.split(separator: ",") }.map { item in
            var tag = item.drop { $0 == " " }
            while tag.last == " " { tag.removeLast() }
            return tag
        }
    }

    private static func strong(_ tag: Substring) -> Substring { tag.hasPrefix("W/") ? tag.dropFirst(2) : tag }
}

/// An account is what was ordered, and what its runs use of that, which changes all the time: its tag tells the two apart, and who changes
/// the orders is only asked for the first part.
extension EntityTag {
    init(of status: AccountStatus) throws {
        value = "\(Self(of: try WireJSON.encode(status.account)).value)-\(Self(of: try WireJSON.encode(status.used)).value)"
    }

    /// What `If-Match`, by strong comparison, and `If-None-Match` ask of an account before it is changed. An `If-Match` that names no tag is
    /// met by no account.
    static func condition(of headers: HTTPFields) -> @Sendable (ShareAccount?) -> Bool {
        let wanted = headers[.ifMatch] == nil ? nil : tags(headers[values: .ifMatch])
        let unwanted = tags(headers[values: .ifNoneMatch]).map(strong)
        return { account in
            let orders = account.flatMap { try? WireJSON.encode($0) }.map { "\"\(Self(of: $0).value)-" }
            func names(_ tag: Substring) -> Bool { orders.map { tag == "*" || tag.hasPrefix($0) } ?? false }
            return (wanted?.contains(where: names) ?? true) && !unwanted.contains(where: names)
        }
    }
}
