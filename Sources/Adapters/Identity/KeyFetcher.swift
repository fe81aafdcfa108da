// SPDX-License-Identifier: Apache-2.0

import HTTPClient
import WorkflowModel

/// Gets an issuer's key set over HTTP.
struct KeyFetcher: Sendable {
    struct Fetched: Sendable {
        var keys: KeySet
        /// How long the server lets the key set be kept, in seconds.
        var maximumAge: Int?
    }

    let configuration: IssuerConfiguration
    let client: HTTPClient

    /// Keys may only come over TLS, or from this machine.
    static func mayAsk(_ url: String) -> Bool {
        guard let parts = URLParts(url) else { return false }
        return parts.scheme == "https" || parts.isLoopback
    }

    func fetch() async throws(KeySet.Unusable) -> Fetched {
        let url =
            switch configuration.jwks {
            case .url(let url): url
            case .discovery: try await discover()
            case .file(let path): throw KeySet.Unusable(description: "'\(path)' is a file")
            }
        guard Self.mayAsk(url) else { throw KeySet.Unusable(description: "'\(url)' is neither https nor on a loopback host") }
        let response = try await get(url)
        guard response.status == 200 else { throw KeySet.Unusable(description: "\(url) answered with status \(response.status)") }
        return Fetched(keys: try await KeySet(jwks: response.body), maximumAge: Self.maximumAge(response.headers["Cache-Control"]))
    }

    /// The `jwks_uri` of the issuer's metadata: OpenID Connect Discovery first, then RFC 8414.
    private func discover() async throws(KeySet.Unusable) -> String {
        let issuer = configuration.issuer.hasSuffix("/") ? String(configuration.issuer.dropLast()) : configuration.issuer
        var response = try await get(issuer + "/.well-known/openid-configuration")
        if response.status == 404, let path = URLParts(issuer)?.path {
            response = try await get(issuer.dropLast(path.count) + "/.well-known/oauth-authorization-server" + path)
        }
        guard response.status == 200, let document = StrictJSON.parse(response.body) else {
            throw KeySet.Unusable(description: "\(issuer) offers no metadata (status \(response.status))")
        }
        guard document["issuer"] == .string(configuration.issuer) else {
            throw KeySet.Unusable(description: "the metadata of \(configuration.issuer) names another issuer")
        }
        guard let url = document["jwks_uri"]?.stringValue else {
            throw KeySet.Unusable(description: "the metadata of \(issuer) has no jwks_uri")
        }
        return url
    }

    private func get(_ url: String) async throws(KeySet.Unusable) -> HTTPResponse {
        do {
            return try await client.send(
                HTTPRequest(
                    url: url, headers: ["Accept": "application/json"], timeout: .seconds(5),
                    connectTimeout: .seconds(3), maximumBodyBytes: KeySet.maximumBytes))
        } catch {
            throw KeySet.Unusable(description: "\(error)")
        }
    }

    static func maximumAge(_ cacheControl: String?) -> Int? {
        for directive in (cacheControl ?? "").lowercased().split(whereSeparator: { $0 == "," || $0 == " " }) {
            if directive.hasPrefix("max-age=") { return Int(directive.dropFirst("max-age=".count)) }
        }
        return nil
    }
}
