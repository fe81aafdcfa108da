// SPDX-License-Identifier: Apache-2.0

/// What happens when a PE cannot process a datum: it raises, or takes longer than its time limit.
package enum FailurePolicy: Sendable, Hashable {
    /// The run fails.
    case fail
    /// The datum is recorded as failed with its error; what its call had written is dropped, and the run goes on.
    case skip
    /// The call is repeated so many times at most, then the run fails.
    case retry(Int)
}

/// JSON form: `"fail"`, `"skip"` or `"retry 3"`.
extension FailurePolicy: Codable, CustomStringConvertible {
    package static let maximumRetries = 100

    /// `nil` for a text that is no policy.
    package init?(_ text: String) {
        let words = text.split(separator: " ")
        switch (words.first, words.count) {
        case ("fail", 1): self = .fail
        case ("skip", 1): self = .skip
        case ("retry", 2):
            guard let count = Int(words[1]), (1...Self.maximumRetries).contains(count) else { return nil }
            self = .retry(count)
        default: return nil
        }
    }

    package var description: String {
        switch self {
        case .fail: "fail"
        case .skip: "skip"
        case .retry(let count): "retry \(count)"
        }
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let policy = Self(text) else {
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription: "'\(text)' is no failure policy: use fail, skip or retry N with N from 1 to \(Self.maximumRetries)")
        }
        self = policy
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
