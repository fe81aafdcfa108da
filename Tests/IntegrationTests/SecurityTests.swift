// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import HTTPClient
import Identity
import TestSupport
import Testing
import WorkflowModel

extension Integration {
    /// What the server says to tokens of every kind, over real HTTP.
    @Suite(.serialized) struct SecurityTests {
        let client = HTTPClient()

        func issuer(of weft: Installation) throws -> LocalIssuer {
            let files = try #require(FileManager.default.enumerator(atPath: weft.folder))
            let key = try #require(files.compactMap { $0 as? String }.first { $0.hasSuffix("signing-key.pem") })
            return try LocalIssuer.load(from: weft.folder + "/" + (key as NSString).deletingLastPathComponent)
        }

        func send(_ method: String, _ path: String, token: String?, body: String = "", to weft: Installation) async throws -> HTTPResponse {
            var headers = HTTPHeaders()
            if let token { headers.add("Authorization", "Bearer \(token)") }
            if !body.isEmpty { headers.add("Content-Type", "application/json") }
            return try await client.send(
                HTTPRequest(method: method, url: weft.url + path, headers: headers, body: Array(body.utf8)))
        }

        func encode(_ bytes: some DataProtocol) -> String {
            Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
        }

        @Test func onlyAValidTokenOpensTheDoor() async throws {
            let weft = try await Installation.start()
            let issuer = try issuer(of: weft)
            let good = try await issuer.token(subject: "alice", scopes: Scope.allCases)
            #expect(try await send("GET", "/api/v1/runs", token: good, to: weft).status == 200)

            let parts = good.split(separator: ".").map(String.init)
            let none = encode(Data(#"{"alg":"none","typ":"at+jwt"}"#.utf8)) + "." + parts[1] + "."
            let header = try #require(
                Data(base64Encoded: parts[0].replacing("-", with: "+").replacing("_", with: "/").padded(toMultipleOf: 4)))
            let hmacHeader = encode(Data(String(decoding: header, as: UTF8.self).replacing("ES256", with: "HS256").utf8))
            let publicKey = try Data(contentsOf: URL(filePath: issuer.jwksPath))
            let signature = HMAC<SHA256>.authenticationCode(
                for: Data("\(hmacHeader).\(parts[1])".utf8), using: SymmetricKey(data: publicKey))
            let hmac = "\(hmacHeader).\(parts[1]).\(encode(Data(signature)))"

            let elsewhere = weft.folder + "/elsewhere"
            let tokens: [(name: String, token: String)] = [
                ("alg none", none),
                ("public key as HMAC secret", hmac),
                ("expired", try await issuer.token(subject: "alice", scopes: [.read], lifetime: .seconds(600), now: Date() - 3600)),
                (
                    "other audience",
                    try await LocalIssuer.create(in: elsewhere + "/a", issuer: issuer.issuer, audience: "another").token(
                        subject: "alice", scopes: [.read])
                ),
                (
                    "other issuer",
                    try await LocalIssuer.create(in: elsewhere + "/b", issuer: "https://elsewhere.example", audience: issuer.audience)
                        .token(
                            subject: "alice", scopes: [.read])
                ),
                (
                    "other key of the same issuer",
                    try await LocalIssuer.create(in: elsewhere + "/c", issuer: issuer.issuer, audience: issuer.audience).token(
                        subject: "alice", scopes: [.read])
                ),
                ("changed payload", [parts[0], encode(Data(#"{"sub":"root"}"#.utf8)), parts[2]].joined(separator: ".")),
                ("garbage", "garbage"),
            ]
            for (name, token) in tokens {
                let answer = try await send("GET", "/api/v1/runs", token: token, to: weft)
                #expect(answer.status == 401, "\(name)")
                #expect(answer.headers["WWW-Authenticate"]?.contains("error=\"invalid_token\"") == true, "\(name)")
                #expect(!answer.text.contains(token) && !answer.headers.fields.contains { $0.value.contains(token) }, "\(name) is echoed")
            }
            let anonymous = try await send("GET", "/api/v1/runs", token: nil, to: weft)
            #expect(anonymous.status == 401)
            #expect(anonymous.headers["WWW-Authenticate"]?.hasPrefix("Bearer") == true)

            let log = try String(contentsOfFile: weft.folder + "/weftd.log", encoding: .utf8)
            #expect(!log.contains(parts[2]), "a token's signature is in the log")
            await weft.down()
        }

        @Test func scopesAndOwnersAreKeptApart() async throws {
            let weft = try await Installation.start()
            let graph = try await weft.register("quick")
            let issuer = try issuer(of: weft)
            let reader = try await issuer.token(subject: "alice", scopes: [.read])
            let alice = try await issuer.token(subject: "alice", scopes: [.read, .submit])
            let bob = try await issuer.token(subject: "bob", scopes: [.read, .submit])
            let admin = try await issuer.token(subject: "carol", scopes: [.read, .admin])
            let body = #"{"graph": "\#(graph)"}"#

            let refused = try await send("POST", "/api/v1/runs", token: reader, body: body, to: weft)
            #expect(refused.status == 403)
            #expect(refused.headers["WWW-Authenticate"]?.contains("insufficient_scope") == true)
            #expect(refused.headers["WWW-Authenticate"]?.contains("weft.submit") == true)

            let created = try await send("POST", "/api/v1/runs", token: alice, body: body, to: weft)
            #expect(created.status == 201)
            let run = try WireJSON.decode(Run.self, from: created.body)
            for path in ["", "/logs", "/results", "/provenance", "/data", "/events"] {
                #expect(try await send("GET", "/api/v1/runs/\(run.id)\(path)", token: bob, to: weft).status == 404, "\(path)")
            }
            for action in ["cancel", "retry"] {
                #expect(try await send("POST", "/api/v1/runs/\(run.id)/\(action)", token: bob, to: weft).status == 404, "\(action)")
            }
            #expect(try await send("GET", "/api/v1/data/\(run.id).1.0.0/trace", token: bob, to: weft).status == 404)
            #expect(try await send("GET", "/api/v1/runs/\(run.id)", token: alice, to: weft).status == 200)
            #expect(try await send("GET", "/api/v1/runs/\(run.id)", token: admin, to: weft).status == 200)
            let own = try WireJSON.decode(Page<Run>.self, from: try await send("GET", "/api/v1/runs", token: bob, to: weft).body)
            #expect(own.items.isEmpty)
            #expect(try await send("GET", "/api/v1/runs?owner=all", token: bob, to: weft).status == 403)
            await weft.down()
        }

        @Test func operatorsRoutesAreOpenAndWellFormed() async throws {
            let weft = try await Installation.start()
            for path in ["/livez", "/readyz", "/openapi.yaml"] {
                #expect(try await send("GET", path, token: nil, to: weft).status == 200, "\(path)")
            }
            let metrics = try await send("GET", "/metrics", token: nil, to: weft)
            #expect(metrics.status == 200)
            let file = weft.folder + "/metrics.txt"
            try Data(metrics.body).write(to: URL(filePath: file))
            let lint = try await Program.run("/bin/sh", ["-c", "promtool check metrics < \(file)"])
            #expect(lint.status == 0, "\(lint)")
            let wrong = try await send("DELETE", "/api/v1/runs", token: nil, to: weft)
            #expect(wrong.status == 405 || wrong.status == 401)
            await weft.down()
        }
    }
}

extension String {
    fileprivate func padded(toMultipleOf count: Int) -> String {
        self + String(repeating: "=", count: (count - utf8.count % count) % count)
    }
}
