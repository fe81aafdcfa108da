// SPDX-License-Identifier: Apache-2.0

/// Scheme and host of an absolute `http` or `https` URL, as far as deciding about it needs them.
package struct URLParts: Sendable, Hashable {
    package var scheme: String
    /// In lower case; an IPv6 address without its brackets.
    package var host: String
    package var path: String

    package init?(_ url: String) {
        guard let separator = url.firstRange(of: "://"), url.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
        scheme = url[..<separator.lowerBound].lowercased()
        let rest = url[separator.upperBound...]
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        path = String(rest[authority.endIndex...].prefix { $0 != "?" && $0 != "#" })
        guard scheme == "http" || scheme == "https", !authority.contains("@"), !authority.contains("\\") else { return nil }
        if authority.hasPrefix("[") {
            guard let close = authority.firstIndex(of: "]") else { return nil }
            host = authority[authority.index(after: authority.startIndex)..<close].lowercased()
        } else {
            host = authority.prefix { $0 != ":" }.lowercased()
        }
        guard !host.isEmpty else { return nil }
    }

    package var isLoopback: Bool {
        if host == "localhost" || host == "::1" { return true }
        let numbers = host.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        return numbers.count == 4 && numbers[0] == 127 && !numbers.contains(nil)
    }
}
