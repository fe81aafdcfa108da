// SPDX-License-Identifier: Apache-2.0

/// Why an exchange gave no response. URLs in it carry no query.
package enum HTTPClientError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Refused before anything was sent.
    case invalidRequest(String)
    case cannotConnect(url: String, reason: String)
    case timedOut(url: String, reason: String)
    /// The connection broke after it was made.
    case interrupted(url: String, reason: String)
    case tooLarge(url: String, limit: Int)
    case tooManyRequests(limit: Int)
    /// The calling task was cancelled.
    case cancelled

    package var description: String {
        switch self {
        case .invalidRequest(let detail): detail
        case .cannotConnect(let url, let reason): "Cannot connect to \(url): \(reason)."
        case .timedOut(let url, let reason): "No answer in time from \(url): \(reason)."
        case .interrupted(let url, let reason): "The exchange with \(url) broke off: \(reason)."
        case .tooLarge(let url, let limit): "The answer of \(url) is larger than the \(limit) bytes allowed for it."
        case .tooManyRequests(let limit): "There are \(limit) HTTP requests under way, which is the limit; try again shortly."
        case .cancelled: "The HTTP request was cancelled."
        }
    }
}
