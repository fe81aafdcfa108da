// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPClient
import Testing
import WorkflowModel

@testable import Identity

@Suite struct LocalIssuerTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "issuer-\(UUID().uuidString)").path()

    private func make() throws -> LocalIssuer {
        try LocalIssuer.create(in: folder, issuer: "https://weft.local", audience: "weft")
    }

    @Test func itsTokensPassTheSameChecksAsAnyIssuers() async throws {
        let issuer = try make()
        let validator = try TokenValidator(issuers: [issuer.configuration], client: HTTPClient())
        let token = try await issuer.token(subject: "alice", scopes: [.submit, .read])
        #expect(try await validator.validate(token) == Principal(issuer: "https://weft.local", subject: "alice", scopes: [.read, .submit]))
        let other = try LocalIssuer.create(in: folder + "-other", issuer: "https://weft.local", audience: "weft")
        await #expect(throws: TokenError.unknownKey) { try await validator.validate(other.token(subject: "alice", scopes: [.admin])) }
    }

    @Test func itsTokensSayWhatRFC9068AsksFor() async throws {
        let token = try CompactToken(
            try await make().token(subject: "alice", scopes: [.submit, .read], lifetime: .seconds(60), now: TokenForge.now))
        #expect(token.algorithm == "ES256" && token.type == "at+jwt")
        let now = Int64(TokenForge.now.timeIntervalSince1970)
        #expect(token.claims["exp"] == .integer(now + 60) && token.claims["iat"] == .integer(now) && token.claims["nbf"] == .integer(now))
        #expect(token.claims["scope"] == "weft.read weft.submit" && token.claims["client_id"] == "weft")
        #expect(token.claims["jti"]?.stringValue?.count == 22)
    }

    @Test func theKeyIsKeptAndOnlyItsOwnerCanReadIt() async throws {
        let first = try make()
        let path = folder + "/signing-key.pem"
        let key = try Data(contentsOf: URL(filePath: path))
        let again = try make()
        #expect(try Data(contentsOf: URL(filePath: path)) == key)
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber
        #expect(mode?.intValue == 0o600)
        #expect(!String(decoding: try Data(contentsOf: URL(filePath: first.jwksPath)), as: UTF8.self).contains("\"d\""))
        let validator = try TokenValidator(issuers: [first.configuration], client: HTTPClient())
        let loaded = try LocalIssuer.load(from: folder)
        #expect(loaded.issuer == "https://weft.local" && loaded.audience == "weft")
        for issuer in [again, loaded] { _ = try await validator.validate(issuer.token(subject: "a", scopes: [])) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["issuer.json", "jwks.json", "signing-key.pem"])
    }

    @Test func whoComesAtTheSameMomentGetsTheSameKey() async throws {
        let folder = folder
        let tokens = try await withThrowingTaskGroup { group in
            for _ in 0..<16 {
                group.addTask {
                    try await LocalIssuer.create(in: folder, issuer: "https://weft.local", audience: "weft").token(subject: "a", scopes: [])
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        let validator = try TokenValidator(issuers: [LocalIssuer.load(from: folder).configuration], client: HTTPClient())
        for token in tokens { _ = try await validator.validate(token) }
    }

    @Test func aMissingOrBrokenIssuerIsNamed() throws {
        #expect(throws: LocalIssuer.Failure.self) { try LocalIssuer.load(from: folder) }
        _ = try make()
        try Data("junk".utf8).write(to: URL(filePath: folder + "/signing-key.pem"))
        let error = #expect(throws: LocalIssuer.Failure.self) { try make() }
        #expect(error?.description.contains(folder) == true && error?.description.contains("Remove it") == true)
    }
}
