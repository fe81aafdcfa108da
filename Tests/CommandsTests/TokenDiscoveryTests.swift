// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Commands

struct TokenDiscoveryTests {
    private let folder = TemporaryFolder()

    private func discovery(_ variables: [String: String]) -> TokenDiscovery {
        TokenDiscovery(variables: variables, userID: getuid(), temporaryFolder: folder.path + "/tmp")
    }

    /// Every place filled; the test empties them one after the other.
    @Test func theOrderIsThatOfWLCGAfterWeftsOwn() throws {
        try folder.write("file\n", to: "token")
        try folder.write("  runtime  ", to: "run/bt_u\(getuid())")
        try folder.write("temporary", to: "tmp/bt_u\(getuid())")
        var variables = [
            "WEFT_TOKEN": "own", "BEARER_TOKEN": "bearer", "BEARER_TOKEN_FILE": folder.path + "/token",
            "XDG_RUNTIME_DIR": folder.path + "/run",
        ]
        var found: [String] = []
        for name in ["", "WEFT_TOKEN", "BEARER_TOKEN", "BEARER_TOKEN_FILE", "XDG_RUNTIME_DIR"] {
            variables[name] = nil
            found.append(try discovery(variables).discover()?.token ?? "none")
        }
        #expect(found == ["own", "bearer", "file", "runtime", "temporary"])
        try FileManager.default.removeItem(atPath: folder.path + "/tmp/bt_u\(getuid())")
        #expect(try discovery([:]).discover() == nil)
    }

    @Test func anEmptyVariableIsAsIfUnset() throws {
        #expect(try discovery(["WEFT_TOKEN": "", "BEARER_TOKEN": "x"]).discover() == FoundToken(token: "x", origin: "BEARER_TOKEN"))
    }

    @Test(arguments: ["", "  \n", "two words", "line\nline", "bell\u{7}", "ü"])
    func whatIsNoTokenIsRefused(text: String) throws {
        try folder.write(text, to: "token")
        let failure = #expect(throws: CommandFailure.self) {
            try discovery(["BEARER_TOKEN_FILE": folder.path + "/token", "XDG_RUNTIME_DIR": folder.path]).discover()
        }
        #expect(failure?.status == .authentication)
        #expect(text.count < 2 || failure?.description.contains(text) == false, "a token is never shown")
    }

    @Test func aNamedFileThatIsNotThereIsAnError() {
        #expect(throws: CommandFailure.self) { try discovery(["BEARER_TOKEN_FILE": folder.path + "/nowhere"]).discover() }
    }

    @Test func anotherUsersFileIsNotTaken() throws {
        try folder.write("his", to: "tmp/bt_u4242")
        let other = TokenDiscovery(variables: [:], userID: 4242, temporaryFolder: folder.path + "/tmp")
        #expect(try other.discover() == nil)
    }

    @Test func aContextsTokenGoesToItsServerOnly() async throws {
        let file = ContextFile(path: folder.path + "/context.json")
        try file.write(Context(server: "http://here", token: "secret", dataFolder: nil))
        let here = Credentials(server: "http://here", discovery: discovery([:]), context: file)
        #expect(try await here.token().token == "secret")
        let there = Credentials(server: "http://there", discovery: discovery([:]), context: file)
        let failure = await #expect(throws: CommandFailure.self) { try await there.token() }
        #expect(failure?.status == .authentication)
    }

    @Test func theContextIsForItsOwnerOnly() throws {
        let file = ContextFile(path: folder.path + "/deep/er/context.json")
        let context = Context(server: "http://x", token: "t", dataFolder: "/d")
        try file.write(context)
        #expect(file.read() == context)
        let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
    }

    @Test func claimsAreReadFromTheToken() {
        // {"exp":1700000000,"iss":"i","sub":"s"}
        let claims = TokenClaims(token: "e30.eyJleHAiOjE3MDAwMDAwMDAsImlzcyI6ImkiLCJzdWIiOiJzIn0.x")
        #expect(claims?.expiresAt == Date(timeIntervalSince1970: 1_700_000_000))
        #expect(claims?.subject == "s")
        #expect(TokenClaims(token: "opaque") == nil)
    }
}

/// Removed with its last holder.
final class TemporaryFolder: Sendable {
    let path = NSTemporaryDirectory() + "/weft-" + UUID().uuidString

    func write(_ text: String, to name: String) throws {
        let url = URL(filePath: path).appending(path: name)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
