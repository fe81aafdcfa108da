// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPClient
import TestSupport
import Testing
import WorkflowModel

@testable import Identity

/// Against a real OpenID provider, by its discovery and its keys.
@Suite struct ProviderTests {
    private func validator(_ provider: OpenIDProvider, clock: TestClock? = nil) throws -> TokenValidator {
        let issuer = IssuerConfiguration(issuer: provider.issuer, audiences: [provider.audience])
        guard let clock else { return try TokenValidator(issuers: [issuer], client: HTTPClient()) }
        return try TokenValidator(issuers: [issuer], client: HTTPClient(), now: { clock.now })
    }

    @Test func itsTokensAreAcceptedAndItsIDTokensAreNot() async throws {
        let provider = try await OpenIDProvider.start()
        let validator = try validator(provider)
        for user in [OpenIDProvider.User.alice, .bob] {
            let principal = try await validator.validate(provider.accessToken(for: user, scopes: [.read, .admin]))
            #expect(principal == Principal(issuer: provider.issuer, subject: user.rawValue, scopes: [.read, .admin]))
        }
        await #expect(throws: TokenError.wrongType) { try await validator.validate(provider.idToken()) }
        let lenient = try TokenValidator(
            issuers: [
                IssuerConfiguration(
                    issuer: provider.issuer, audiences: ["weft-tests-code"], acceptedTypes: ["JWT"], maximumLifetimeSeconds: 86400)
            ], client: HTTPClient())
        let error = await #expect(throws: TokenError.self) { try await lenient.validate(provider.idToken()) }
        #expect(error?.reason.hasPrefix("not an access token") == true)
        #expect(try await provider.keySetRequests() == 2)
    }

    @Test func itsKeyRotationIsFollowed() async throws {
        let provider = try await OpenIDProvider.start()
        let clock = TestClock(at: .now)
        let validator = try validator(provider, clock: clock)
        let old = try await provider.accessToken()
        _ = try await validator.validate(old)
        try await provider.rotateKeys()
        clock.advance(by: 61)
        let new = try await provider.accessToken()
        _ = try await validator.validate(new)
        _ = try await validator.validate(old)
        #expect(try await provider.keySetRequests() == 2)
        await provider.stop()
        _ = try await validator.validate(new)
    }
}
