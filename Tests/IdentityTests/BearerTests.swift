// SPDX-License-Identifier: Apache-2.0

import Identity
import Testing
import WorkflowModel

@Suite struct BearerTests {
    @Test(
        arguments: [
            ([], .absent), (["Bearer abc.def-_~+/="], .token("abc.def-_~+/=")), (["bearer abc"], .token("abc")),
            (["BEARER   abc"], .token("abc")), (["Bearer"], .malformed), (["Bearer "], .malformed), ([""], .malformed),
            (["Basic dXNlcg=="], .malformed), (["abc"], .malformed), (["Bearer a b"], .malformed), (["Bearer a,b"], .malformed),
            (["Bearer a\tb"], .malformed), (["Bearer\tabc"], .malformed), (["Bearer abc", "Bearer abc"], .malformed),
            (["Bearer abc", "Basic x"], .malformed), (["Bearer ü"], .malformed), ([" Bearer abc"], .malformed),
        ] as [([String], BearerCredential)])
    func authorizationFields(values: [String], expected: BearerCredential) {
        #expect(BearerCredential.parse(values) == expected)
    }

    @Test func aChallengeWithoutCredentialsNamesNoError() {
        #expect(AuthenticationChallenge().headerValue == #"Bearer realm="weft""#)
    }

    @Test func aChallengeNamesWhatFailedAndWhatIsNeeded() {
        let challenge = AuthenticationChallenge(
            failure: .insufficientScope, detail: "say \"please\"\\\r\nX: y", scopes: [.read, .submit],
            resourceMetadata: "https://weft.test/.well-known/oauth-protected-resource")
        #expect(
            challenge.headerValue
                == #"Bearer realm="weft", error="insufficient_scope", error_description="say 'please''''X: y", "#
                + #"scope="weft.read weft.submit", resource_metadata="https://weft.test/.well-known/oauth-protected-resource""#)
        #expect(AuthenticationChallenge.Failure.insufficientScope.status == 403)
        #expect(AuthenticationChallenge.Failure.invalidToken.status == 401)
        #expect(AuthenticationChallenge.Failure.invalidRequest.status == 400)
    }
}
