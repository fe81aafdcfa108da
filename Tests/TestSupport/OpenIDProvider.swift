// SPDX-License-Identifier: Apache-2.0

import Foundation
package import HTTPClient
import Subprocess
import SystemPackage
package import WorkflowModel

/// A real OpenID provider (django-oauth-toolkit) in a process of its own, on a loopback port.
package final class OpenIDProvider: Sendable {
    package enum User: String, Sendable { case alice, bob }

    /// What it prints when it is ready.
    private struct Ready: Decodable {
        var issuer: String
        var port: Int
    }

    private struct Tokens: Decodable {
        var access_token: String
        var id_token: String?
    }

    package let issuer: String
    package let audience = "weft-api"
    package let client = HTTPClient()
    private let port: Int
    /// Runs as long as the provider does. Cancelling it ends the provider, and so does the end of this process, which closes the
    /// provider's standard input.
    private let process: Task<Void, any Error>

    package static func start() async throws -> OpenIDProvider {
        let python = ProcessInfo.processInfo.environment["WEFT_TEST_PYTHON"] ?? Program.root.appending(path: ".venv/bin/python").path()
        let script = Program.root.appending(path: "Tests/TestSupport/oidc_provider.py").path()
        let (lines, printed) = AsyncStream<String>.makeStream()
        let process = Task {
            defer { printed.finish() }
            _ = try await Subprocess.run(
                .path(FilePath(python)), arguments: [script], input: .inputWriter, output: .sequence, error: .discarded
            ) { execution in
                for try await line in execution.standardOutput.strings() { printed.yield(line) }
            }
        }
        let patience = Task {
            try await Task.sleep(for: .seconds(60))
            process.cancel()
        }
        defer { patience.cancel() }
        guard let line = await lines.first(where: { _ in true }),
            let ready = try? JSONDecoder().decode(Ready.self, from: Data(line.utf8))
        else {
            process.cancel()
            throw TimeoutError(
                description: "the OpenID provider did not start: '\(python)' must have what scripts/requirements-test.txt lists, "
                    + "which 'make setup' sees to (\(await process.result))")
        }
        return OpenIDProvider(issuer: ready.issuer, port: ready.port, process: process)
    }

    private init(issuer: String, port: Int, process: Task<Void, any Error>) {
        self.issuer = issuer
        self.port = port
        self.process = process
    }

    deinit { process.cancel() }

    /// Returns when the provider has ended.
    package func stop() async {
        process.cancel()
        _ = await process.result
    }

    /// An access token (RS256, `at+jwt`, valid five minutes) whose subject is the user's name.
    package func accessToken(for user: User = .alice, scopes: [Scope] = [.read, .submit]) async throws -> String {
        try await tokens([
            "grant_type": "password", "username": user.rawValue, "password": "correct horse", "client_id": "weft-tests",
            "client_secret": "weft-tests-secret", "scope": scopes.map(\.rawValue).joined(separator: " "),
        ]).access_token
    }

    /// An ID token, by the authorization code flow.
    package func idToken(for user: User = .alice) async throws -> String {
        let login = try await post("/login", ["username": user.rawValue, "password": "correct horse"])
        let cookie = login.headers["Set-Cookie"]?.prefix { $0 != ";" } ?? ""
        let query = Self.form([
            "response_type": "code", "client_id": "weft-tests-code", "redirect_uri": "http://127.0.0.1/callback", "scope": "openid",
            "state": "s", "nonce": "n",
        ])
        let answer = try await client.send(
            HTTPRequest(url: "\(issuer)/authorize/?\(query)", headers: ["Cookie": String(cookie)]))
        guard let location = answer.headers["Location"], let components = URLComponents(string: location),
            let code = components.queryItems?.first(where: { $0.name == "code" })?.value
        else { throw TimeoutError(description: "the OpenID provider gave no code: \(answer.status) \(answer.text)") }
        let tokens = try await tokens([
            "grant_type": "authorization_code", "code": code, "redirect_uri": "http://127.0.0.1/callback",
            "client_id": "weft-tests-code", "client_secret": "weft-tests-secret",
        ])
        guard let token = tokens.id_token else { throw TimeoutError(description: "the OpenID provider gave no ID token") }
        return token
    }

    /// Signs with a new key from now on; the old ones stay published.
    package func rotateKeys() async throws { _ = try await post("/rotate", [:]) }

    /// Publishes only the newest key.
    package func withdrawOldKeys() async throws { _ = try await post("/withdraw", [:]) }

    /// How often the key set was asked for.
    package func keySetRequests() async throws -> Int {
        let response = try await client.send(HTTPRequest(url: "http://127.0.0.1:\(port)/hits"))
        return try JSONDecoder().decode([String: Int].self, from: Data(response.body))["/o/.well-known/jwks.json"] ?? 0
    }

    private func tokens(_ form: [String: String]) async throws -> Tokens {
        let response = try await post("/o/token/", form)
        guard response.status == 200 else { throw TimeoutError(description: "the OpenID provider refused: \(response.text)") }
        return try JSONDecoder().decode(Tokens.self, from: Data(response.body))
    }

    private func post(_ path: String, _ form: [String: String]) async throws -> HTTPResponse {
        try await client.send(
            HTTPRequest(
                method: "POST", url: "http://127.0.0.1:\(port)\(path)",
                headers: ["Content-Type": "application/x-www-form-urlencoded"], body: Array(Self.form(form).utf8)))
    }

    private static func form(_ fields: [String: String]) -> String {
        fields.map { "\($0)=\($1.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "")" }.joined(separator: "&")
    }
}
