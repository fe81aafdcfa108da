// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPClient
import Synchronization
import TestSupport
import Testing
import WorkflowModel

@testable import Identity

/// A clock that tests move.
final class TestClock: Sendable {
    private let time: Mutex<Date>
    init(at start: Date = TokenForge.now) { time = Mutex(start) }
    var now: Date { time.withLock { $0 } }
    func advance(by seconds: TimeInterval) { time.withLock { $0 += seconds } }
}

/// An issuer's key endpoint, whose answers tests choose.
final class KeyServer: Sendable {
    enum Answer: Sendable { case keys([JSONValue]), status(Int), silence }

    private final class Current: Sendable {
        let answer: Mutex<Answer>
        init(_ answer: Answer) { self.answer = Mutex(answer) }
    }

    private let current: Current
    private let server: LoopbackServer

    init(_ first: Answer) throws {
        let current = Current(first)
        self.current = current
        server = try LoopbackServer { _, connection in
            switch current.answer.withLock({ $0 }) {
            case .keys(let keys): connection.respond(body: (try? TokenForge.jwks(keys)) ?? "")
            case .status(let status): connection.respond(status)
            case .silence: connection.waitForClose()
            }
        }
    }

    func answer(_ new: Answer) { current.answer.withLock { $0 = new } }
    var requests: Int { server.hits("/keys") }
    var url: String { server.url + "/keys" }
    func stop() { server.stop() }
}

@Suite struct KeyCacheTests {
    private func setUp(
        _ answer: KeyServer.Answer, policy: KeyCache.Policy = .init()
    ) throws -> (server: KeyServer, clock: TestClock, validator: TokenValidator) {
        let server = try KeyServer(answer)
        let clock = TestClock()
        let configuration = TokenForge.configuration {
            $0.jwks = .url(server.url)
            // Time passes in these tests, and their tokens stay valid.
            $0.maximumLifetimeSeconds = 30 * 86400
        }
        let validator = try TokenValidator(
            issuers: [configuration], client: HTTPClient(), policy: policy, now: { clock.now })
        return (server, clock, validator)
    }

    private func token(_ forge: TokenForge, kid: String, key: TokenForge.Key = .rsa) throws -> String {
        try forge.token(header: ["kid": .string(kid)], claims: ["exp": 1_800_864_000], key: key)
    }

    @Test func fiftyUnknownKeysCauseAtMostTwoRequests() async throws {
        let forge = try await TokenForge.shared.value
        let (server, clock, validator) = try setUp(.keys([forge.jwk(.rsa, kid: "rsa-1")]))
        _ = try await validator.validate(token(forge, kid: "rsa-1"))
        #expect(server.requests == 1)
        clock.advance(by: 120)
        await withTaskGroup { group in
            for number in 0..<50 {
                group.addTask {
                    await #expect(throws: TokenError.unknownKey) { try await validator.validate(token(forge, kid: "made-up-\(number)")) }
                }
            }
        }
        #expect(server.requests == 2)
        // One after the other, as time goes on: not more than one a minute.
        for number in 0..<50 {
            await #expect(throws: TokenError.unknownKey) { try await validator.validate(token(forge, kid: "later-\(number)")) }
            clock.advance(by: 1)
        }
        #expect(server.requests == 2)
    }

    @Test func theFirstCallersShareOneRequest() async throws {
        let forge = try await TokenForge.shared.value
        let (server, _, validator) = try setUp(.keys([forge.jwk(.rsa, kid: "rsa-1")]))
        try await withThrowingTaskGroup(of: Principal.self) { group in
            for _ in 0..<20 { group.addTask { try await validator.validate(token(forge, kid: "rsa-1")) } }
            for try await principal in group { #expect(principal.subject == "alice") }
        }
        #expect(server.requests == 1)
    }

    @Test func aKeyThatIsUnknownAfterARefreshIsNotAskedForAgainSoon() async throws {
        let forge = try await TokenForge.shared.value
        let (server, clock, validator) = try setUp(.keys([forge.jwk(.rsa, kid: "rsa-1")]))
        for _ in 0..<4 {
            await #expect(throws: TokenError.unknownKey) { try await validator.validate(token(forge, kid: "gone")) }
            clock.advance(by: 70)
        }
        #expect(server.requests == 1)
        clock.advance(by: 300)
        await #expect(throws: TokenError.unknownKey) { try await validator.validate(token(forge, kid: "gone")) }
        #expect(server.requests == 2)
    }

    @Test func aRotatedKeyIsAcceptedAndAWithdrawnOneRefused() async throws {
        let forge = try await TokenForge.shared.value
        let (server, clock, validator) = try setUp(.keys([forge.jwk(.rsa, kid: "old")]))
        _ = try await validator.validate(token(forge, kid: "old"))
        clock.advance(by: 61)
        server.answer(.keys([try forge.jwk(.rsa, kid: "old"), try forge.jwk(.strangerRSA, kid: "new")]))
        _ = try await validator.validate(token(forge, kid: "new", key: .strangerRSA))
        #expect(server.requests == 2)
        server.answer(.keys([try forge.jwk(.strangerRSA, kid: "new")]))
        clock.advance(by: 6 * 3600)
        // Served once more from the cache, while the refresh runs behind.
        _ = try await validator.validate(token(forge, kid: "old"))
        try await wait(for: "the withdrawn key to be refused") {
            do {
                _ = try await validator.validate(token(forge, kid: "old"))
                return false
            } catch TokenError.unknownKey {
                return true
            }
        }
        #expect(server.requests == 3)
    }

    @Test func keysStayUsableWhileTheIssuerIsDownButNotForEver() async throws {
        let forge = try await TokenForge.shared.value
        let (server, clock, validator) = try setUp(.keys([forge.jwk(.rsa, kid: "rsa-1")]))
        _ = try await validator.validate(token(forge, kid: "rsa-1"))
        server.stop()
        clock.advance(by: 47 * 3600)
        _ = try await validator.validate(token(forge, kid: "rsa-1"))
        clock.advance(by: 61)
        let started = ContinuousClock.now
        await #expect(throws: TokenError.unknownKey) { try await validator.validate(token(forge, kid: "other")) }
        await #expect(throws: TokenError.unknownKey) { try await validator.validate(token(forge, kid: "other")) }
        #expect(ContinuousClock.now - started < .seconds(1), "an unknown key must be refused fast")
        clock.advance(by: 2 * 3600)
        let error = await #expect(throws: TokenError.self) { try await validator.validate(token(forge, kid: "rsa-1")) }
        #expect(error?.reason.contains("Cannot connect to \(server.url)") == true)
    }

    @Test func aSilentIssuerBlocksNobodyWhoseKeyIsKnown() async throws {
        let forge = try await TokenForge.shared.value
        let (server, clock, validator) = try setUp(.keys([forge.jwk(.rsa, kid: "rsa-1")]))
        _ = try await validator.validate(token(forge, kid: "rsa-1"))
        clock.advance(by: 7 * 3600)
        server.answer(.silence)
        let waiting = Task { try await validator.validate(token(forge, kid: "unknown")) }
        try await wait(for: "the refresh to be under way") { server.requests == 2 }
        let started = ContinuousClock.now
        for _ in 0..<20 { _ = try await validator.validate(token(forge, kid: "rsa-1")) }
        #expect(ContinuousClock.now - started < .seconds(1))
        await #expect(throws: TokenError.unknownKey) { try await waiting.value }
        #expect(ContinuousClock.now - started < .seconds(8), "a refresh must end after 5 s")
        #expect(server.requests == 2)
    }

    @Test func anIssuerThatWasDownAtFirstIsAskedAgainSoon() async throws {
        let forge = try await TokenForge.shared.value
        let (server, clock, validator) = try setUp(.status(500))
        for _ in 0..<10 {
            let error = await #expect(throws: TokenError.self) { try await validator.validate(token(forge, kid: "rsa-1")) }
            #expect(error?.reason.contains("status 500") == true)
        }
        #expect(server.requests == 1)
        server.answer(.keys([try forge.jwk(.rsa, kid: "rsa-1")]))
        clock.advance(by: 6)
        _ = try await validator.validate(token(forge, kid: "rsa-1"))
        #expect(server.requests == 2)
    }

    @Test func aClockSetBackDoesNotFreezeTheCache() async throws {
        let forge = try await TokenForge.shared.value
        var cache = KeyCache()
        let keys = try await KeySet(jwks: Array(forge.jwks().utf8))
        cache.attempts(at: TokenForge.now)
        cache.fetched(keys, maximumAge: nil, at: TokenForge.now)
        guard case .refresh = cache.decide("rsa-1", now: TokenForge.now - 86400) else {
            Issue.record("keys from the future were trusted")
            return
        }
    }

    @Test(arguments: [(nil, 6 * 3600), (60, 3600), (7200, 7200), (864_000, 6 * 3600)] as [(Int?, TimeInterval)])
    func theServersCacheControlIsHonouredWithinBounds(maximumAge: Int?, expected: TimeInterval) async throws {
        let forge = try await TokenForge.shared.value
        let keys = try await KeySet(jwks: Array(forge.jwks().utf8))
        var cache = KeyCache()
        cache.attempts(at: TokenForge.now)
        cache.fetched(keys, maximumAge: maximumAge, at: TokenForge.now)
        guard case .use = cache.decide("rsa-1", now: TokenForge.now + expected - 1),
            case .useAndRefresh = cache.decide("rsa-1", now: TokenForge.now + expected)
        else {
            Issue.record("refreshed at another time")
            return
        }
    }

    @Test(
        arguments: [("public, max-age=7200", 7200), ("MAX-AGE=5", 5), ("no-store", nil), (nil, nil), ("max-age=x", nil)]
            as [(String?, Int?)])
    func cacheControlIsRead(header: String?, seconds: Int?) {
        #expect(KeyFetcher.maximumAge(header) == seconds)
    }

    @Test func rememberedUnknownKeysAreBounded() async throws {
        let forge = try await TokenForge.shared.value
        var cache = KeyCache(policy: .init(maximumUnknown: 10))
        cache.attempts(at: TokenForge.now)
        cache.fetched(try await KeySet(jwks: Array(forge.jwks().utf8)), maximumAge: nil, at: TokenForge.now)
        for number in 0..<1000 { _ = cache.decide("\(number)", now: TokenForge.now, mayWait: false) }
        #expect(cache.rememberedUnknown <= 10)
    }
}

@Suite struct KeyFetcherTests {
    private func fetch(_ configuration: IssuerConfiguration) async throws -> KeyFetcher.Fetched {
        try await KeyFetcher(configuration: configuration, client: HTTPClient()).fetch()
    }

    @Test func metadataOfAnotherIssuerIsRefused() async throws {
        let server = try LoopbackServer { request, connection in
            let base = "http://" + (request.head.firstMatch(of: /Host: ([^\r\n]+)/).map { String($0.1) } ?? "")
            connection.respond(body: #"{"issuer":"\#(base)/","jwks_uri":"\#(base)/keys"}"#)
        }
        let error = await #expect(throws: KeySet.Unusable.self) { try await fetch(.init(issuer: server.url, audiences: ["a"])) }
        #expect(error?.description.contains("names another issuer") == true)
        #expect(server.hits("/keys") == 0)
    }

    @Test func authorizationServerMetadataServesAsWell() async throws {
        let forge = try await TokenForge.shared.value
        let keys = try forge.jwks()
        let server = try LoopbackServer { request, connection in
            let base = "http://" + (request.head.firstMatch(of: /Host: ([^\r\n]+)/).map { String($0.1) } ?? "")
            switch request.path {
            case "/.well-known/oauth-authorization-server/realm":
                connection.respond(body: #"{"issuer":"\#(base)/realm","jwks_uri":"\#(base)/keys"}"#)
            case "/keys": connection.respond(body: keys)
            default: connection.respond(404)
            }
        }
        #expect(try await fetch(.init(issuer: server.url + "/realm", audiences: ["a"])).keys["rsa-1"] != nil)
    }

    @Test func keysOnAnotherHostWithoutTLSAreRefused() async throws {
        let server = try LoopbackServer { request, connection in
            let base = "http://" + (request.head.firstMatch(of: /Host: ([^\r\n]+)/).map { String($0.1) } ?? "")
            connection.respond(body: #"{"issuer":"\#(base)","jwks_uri":"http://keys.test/keys"}"#)
        }
        let error = await #expect(throws: KeySet.Unusable.self) { try await fetch(.init(issuer: server.url, audiences: ["a"])) }
        #expect(error?.description.contains("neither https nor on a loopback host") == true)
    }

    @Test func redirectsAndLargeBodiesAreRefused() async throws {
        let server = try LoopbackServer { request, connection in
            switch request.path {
            case "/moved": connection.respond(302, headers: ["Location: /keys"])
            case "/large": connection.respond(body: String(repeating: " ", count: 256 << 10 + 1) + #"{"keys":[]}"#)
            default: connection.respond(body: #"{"keys":[]}"#)
            }
        }
        for path in ["/moved", "/large"] {
            await #expect(throws: KeySet.Unusable.self) {
                try await fetch(.init(issuer: "https://issuer.test", audiences: ["a"], jwks: .url(server.url + path)))
            }
        }
        #expect(server.hits("/keys") == 0)
    }
}
