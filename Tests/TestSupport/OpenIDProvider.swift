// SPDX-License-Identifier: Apache-2.0

import Foundation
package import HTTPClient
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
    private let process: Process
    /// The provider ends when this is closed, so also with the process that runs the tests.
    private let lifeline: Pipe

    package static func start() async throws -> OpenIDProvider {
        let python = ProcessInfo.processInfo.environment["WEFT_TEST_PYTHON"] ?? Program.root.appending(path: ".venv/bin/python").path()
        let process = Process()
        process.executableURL = URL(filePath: python)
        process.arguments = [Program.root.appending(path: "Tests/TestSupport/oidc_provider.py").path()]
        let (lifeline, output) = (Pipe(), Pipe())
        process.standardInput = lifeline
        process.standardOutput = output
        do {
            try process.run()
        } catch {
            throw TimeoutError(description: "the OpenID provider needs '\(python)' ('make setup' makes it): \(error)")
        }
        let handle = output.fileHandleForReading
        let line = await withCheckedContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(returning: handle.availableData) }
        }
        guard let ready = try? JSONDecoder().decode(Ready.self, from: line) else {
            process.terminate()
            throw TimeoutError(
                description: "the OpenID provider did not start; does '\(python)' have what scripts/requirements-test.txt lists?")
        }
        return OpenIDProvider(issuer: ready.issuer, port: ready.port, process: process, lifeline: lifeline)
    }

    private init(issuer: String, port: Int, process: Process, lifeline: Pipe) {
        self.issuer = issuer
        self.port = port
        self.process = process
        self.lifeline = lifeline
    }

    deinit { process.terminate() }

    package func stop() {
        process.terminate()
        process.waitUntilExit()
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
