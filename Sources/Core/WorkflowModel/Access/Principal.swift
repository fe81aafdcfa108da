// SPDX-License-Identifier: Apache-2.0

/// What a token allows.
package enum Scope: String, Sendable, Codable, CaseIterable, Comparable {
    case read = "weft.read"
    case submit = "weft.submit"
    case admin = "weft.admin"

    package static func < (a: Scope, b: Scope) -> Bool { a.rawValue < b.rawValue }
}

/// Who is asking, as his token proves. Users are told apart by issuer and subject, never by name or e-mail.
package struct Principal: Sendable, Codable, Hashable {
    package var issuer: String
    package var subject: String
    package var scopes: Set<Scope>

    package init(issuer: String, subject: String, scopes: Set<Scope>) {
        self.issuer = issuer
        self.subject = subject
        self.scopes = scopes
    }

    /// For people and logs.
    package var label: String { "\(subject)@\(issuer)" }
}
