// SPDX-License-Identifier: Apache-2.0

import HTTPClient
import Testing
import WorkflowModel

@testable import Identity

@Suite struct IssuerConfigurationTests {
    private func decode(_ text: String) throws -> IssuerConfiguration {
        try WireJSON.decode(IssuerConfiguration.self, from: text.utf8)
    }

    @Test func whatIsNotGivenHasItsDefault() throws {
        let configuration = try decode(#"{"issuer":"https://a.test","audiences":["weft"]}"#)
        #expect(configuration == IssuerConfiguration(issuer: "https://a.test", audiences: ["weft"]))
        #expect(configuration.algorithms == [.rs256, .es256] && configuration.acceptedTypes == ["at+jwt", "application/at+jwt"])
        #expect(configuration.clockSkewSeconds == 60 && configuration.maximumLifetimeSeconds == 21600 && configuration.jwks == .discovery)
    }

    @Test(arguments: [
        IssuerConfiguration(issuer: "https://a.test", audiences: ["x"]),
        IssuerConfiguration(
            issuer: "https://a.test", audiences: ["x", "y"], algorithms: [.ps256], acceptedTypes: ["JWT"], jwks: .file("/keys.json"),
            scopeClaim: "scp", scopeMapping: ["weft:submit": [.read, .submit]], requiredClaims: ["azp": ["cli"]], clockSkewSeconds: 5,
            maximumLifetimeSeconds: 60),
        IssuerConfiguration(issuer: "https://a.test", audiences: ["x"], jwks: .url("https://a.test/keys")),
    ])
    func isTheSameAfterEncodingAndDecoding(configuration: IssuerConfiguration) throws {
        #expect(try WireJSON.decode(IssuerConfiguration.self, from: WireJSON.encode(configuration)) == configuration)
    }

    @Test(arguments: [
        #"{"issuer":"https://a.test","audiences":["x"],"audience":"x"}"#, #"{"issuer":"https://a.test"}"#,
        #"{"issuer":"https://a.test","audiences":["x"],"algorithms":["HS256"]}"#,
        #"{"issuer":"https://a.test","audiences":["x"],"algorithms":["none"]}"#,
        #"{"issuer":"https://a.test","audiences":["x"],"jwks":"elsewhere"}"#,
        #"{"issuer":"https://a.test","audiences":["x"],"jwks":{}}"#,
        #"{"issuer":"https://a.test","audiences":["x"],"jwks":{"file":"a","url":"https://b"}}"#,
        #"{"issuer":"https://a.test","audiences":["x"],"scope_mapping":{"a":["weft.everything"]}}"#,
    ])
    func whatCannotBeMeantIsRefused(text: String) {
        #expect(throws: DecodingError.self) { try decode(text) }
    }

    @Test(arguments: [
        (IssuerConfiguration(issuer: "http://a.test", audiences: ["x"]), "must be an https URL"),
        (IssuerConfiguration(issuer: "http://localhost.evil.test", audiences: ["x"]), "must be an https URL"),
        (IssuerConfiguration(issuer: "http://127.0.0.1.evil.test", audiences: ["x"]), "must be an https URL"),
        (IssuerConfiguration(issuer: "https://a:b@a.test", audiences: ["x"]), "must be an https URL"),
        (IssuerConfiguration(issuer: "file:///etc/passwd", audiences: ["x"]), "must be an https URL"),
        (IssuerConfiguration(issuer: "https://a.test", audiences: ["x"], jwks: .url("http://b.test")), "must be an https URL"),
        (IssuerConfiguration(issuer: "https://a.test", audiences: []), "at least one audience"),
        (IssuerConfiguration(issuer: "https://a.test", audiences: [""]), "at least one audience"),
        (IssuerConfiguration(issuer: "https://a.test", audiences: ["x"], algorithms: []), "at least one algorithm"),
        (IssuerConfiguration(issuer: "https://a.test", audiences: ["x"], acceptedTypes: []), "at least one accepted type"),
        (IssuerConfiguration(issuer: "https://a.test", audiences: ["x"], clockSkewSeconds: 3601), "between 0 and 600"),
        (IssuerConfiguration(issuer: "https://a.test", audiences: ["x"], maximumLifetimeSeconds: 0), "at least 1"),
        (IssuerConfiguration(issuer: "", audiences: ["x"], jwks: .file("k")), "is empty"),
    ])
    func aFaultyConfigurationIsRefusedInWords(configuration: IssuerConfiguration, fault: String) {
        let error = #expect(throws: TokenValidator.InvalidConfiguration.self) {
            try TokenValidator(issuers: [configuration], client: HTTPClient())
        }
        #expect(error?.description.contains(fault) == true)
    }

    @Test func issuersAreToldApart() {
        let issuer = IssuerConfiguration(issuer: "https://a.test", audiences: ["x"])
        for (issuers, fault) in [([issuer, issuer], "configured twice"), ([], "No issuer")] {
            let error = #expect(throws: TokenValidator.InvalidConfiguration.self) {
                try TokenValidator(issuers: issuers, client: HTTPClient())
            }
            #expect(error?.description.contains(fault) == true)
        }
    }

    @Test(arguments: ["http://127.0.0.1", "http://127.1.2.3:80/x", "http://localhost:1", "http://[::1]:8080/x", "https://a.test/x?y"])
    func loopbackAndTLSMayBeAsked(url: String) { #expect(KeyFetcher.mayAsk(url)) }
}

@Suite struct StrictJSONTests {
    @Test(
        arguments: [
            (#" {"a" : [1, -2.5e1, true, null, "x\u00fc\ud83d\ude00\n"] } "#, ["a": [1, -25.0, true, nil, "xü😀\n"]]), ("0", 0), ("-0", 0),
            ("9223372036854775807", .integer(.max)), ("9223372036854775808", .number(0x1p63)), (#""""#, ""), ("{}", [:]), ("[]", []),
        ] as [(String, JSONValue)])
    func reads(text: String, value: JSONValue) { #expect(StrictJSON.parse(Array(text.utf8)) == value) }

    @Test(arguments: [
        "", " ", "{", "}", "[1,]", "{\"a\":1,}", "{\"a\"}", "{a:1}", "01", "+1", "1.", ".5", "1e", "--1", "tru", "nul", "\"", "\"\\x\"",
        "\"\\u12\"", "\"\\udc00\"", "\"\\ud800x\"", "\"\n\"", "1 2", "{\"a\":1,\"a\":1}", "{\"a\":{\"b\":1,\"b\":2}}", "1e999", "NaN",
        String(repeating: "[", count: 33) + String(repeating: "]", count: 33), "\u{FEFF}1", "// x\n1", "[1 2]",
    ])
    func refuses(text: String) { #expect(StrictJSON.parse(Array(text.utf8)) == nil) }
}

@Suite struct Base64URLTests {
    @Test func isTheSameThereAndBack() {
        for count in 0..<70 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ 11) }
            #expect(Base64URL.decode(Base64URL.encode(bytes).utf8) == bytes)
        }
        #expect(Base64URL.encode([0xFB, 0xFF]) == "-_8")
    }

    @Test(arguments: ["A", "AA==", "A+A", "A/A", "A A", "AB", "AAB", "AA\n", "ü"]) func refuses(text: String) {
        #expect(Base64URL.decode(text.utf8) == nil)
    }
}
