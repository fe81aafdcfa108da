// SPDX-License-Identifier: Apache-2.0

/// What went wrong, as a sentence somebody can act on. Thrown by the use cases, sent by the API as
/// `application/problem+json` (RFC 9457), printed by the CLI.
package struct Problem: Error, Codable, Sendable, Equatable {
    package enum Kind: String, Codable, Sendable, CaseIterable {
        case badRequest = "bad_request"
        case unauthorized
        case forbidden
        case notFound = "not_found"
        case methodNotAllowed = "method_not_allowed"
        case conflict
        /// The resource is not as the request wants it to be (`If-Match`, `If-None-Match`).
        case preconditionFailed = "precondition_failed"
        case tooLarge = "too_large"
        /// The request was understood and some of its fields cannot be accepted.
        case invalid
        case tooManyRequests = "too_many_requests"
        case internalError = "internal_error"
        case unavailable

        package var status: Int {
            switch self {
            case .badRequest: 400
            case .unauthorized: 401
            case .forbidden: 403
            case .notFound: 404
            case .methodNotAllowed: 405
            case .conflict: 409
            case .preconditionFailed: 412
            case .tooLarge: 413
            case .invalid: 422
            case .tooManyRequests: 429
            case .internalError: 500
            case .unavailable: 503
            }
        }

        package var title: String {
            switch self {
            case .badRequest: "Bad request"
            case .unauthorized: "Authentication needed"
            case .forbidden: "Not allowed"
            case .notFound: "Not found"
            case .methodNotAllowed: "Method not allowed"
            case .conflict: "Conflict"
            case .preconditionFailed: "Precondition failed"
            case .tooLarge: "Too large"
            case .invalid: "Invalid request"
            case .tooManyRequests: "Too many requests"
            case .internalError: "Internal error"
            case .unavailable: "Temporarily unavailable"
            }
        }
    }

    /// One field that cannot be accepted.
    package struct FieldError: Codable, Sendable, Equatable {
        /// JSON Pointer into the request body, or the name of a query parameter.
        package var pointer: String
        /// What is wrong and what to do about it.
        package var detail: String

        package init(_ pointer: String, _ detail: String) {
            self.pointer = pointer
            self.detail = detail
        }
    }

    package var kind: Kind
    package var detail: String
    package var errors: [FieldError]

    package init(_ kind: Kind, _ detail: String, errors: [FieldError] = []) {
        self.kind = kind
        self.detail = detail
        self.errors = errors
    }

    private enum CodingKeys: String, CodingKey { case type, title, status, detail, errors }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let type = try container.decodeIfPresent(String.self, forKey: .type) ?? ""
        let status = try container.decodeIfPresent(Int.self, forKey: .status) ?? 500
        kind =
            type.split(separator: ":").last.flatMap { Kind(rawValue: String($0)) }
            ?? Kind.allCases.first { $0.status == status } ?? .internalError
        detail = try container.decodeIfPresent(String.self, forKey: .detail) ?? kind.title
        errors = try container.decodeIfPresent([FieldError].self, forKey: .errors) ?? []
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode("urn:weft:problem:\(kind.rawValue)", forKey: .type)
        try container.encode(kind.title, forKey: .title)
        try container.encode(kind.status, forKey: .status)
        try container.encode(detail, forKey: .detail)
        if !errors.isEmpty { try container.encode(errors, forKey: .errors) }
    }
}

extension Problem: CustomStringConvertible {
    package var description: String {
        ([detail] + errors.map { "  \($0.pointer): \($0.detail)" }).joined(separator: "\n")
    }
}
