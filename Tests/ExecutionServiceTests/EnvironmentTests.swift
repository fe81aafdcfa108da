// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import Testing

@testable import ExecutionService

@Suite struct EnvironmentTests {
    static func digest(_ requirements: String) -> String { EnvironmentBuilder.digest(requirements: requirements, version: "Python 3.11.2") }

    @Test func commentsAndBlankLinesMakeNoOtherEnvironment() {
        #expect(Self.digest("numpy==2.3.4\nobspy\n") == Self.digest("# for the demo\r\nnumpy==2.3.4  \r\n\r\nobspy"))
    }

    @Test(arguments: [
        ("a==1 \\\n --hash=sha256:1\nb==1 \\\n --hash=sha256:2", "a==1 \\\n --hash=sha256:2\nb==1 \\\n --hash=sha256:1"),
        ("a==1 \\\n --hash=sha256:1", "a==1 \\\n\n --hash=sha256:1"),
        ("a\n# \u{1c}b", "a\n"),
        ("a\nb", "b\na"),
    ])
    func otherRequirementsHaveAnotherDigest(_ one: String, _ other: String) {
        #expect(Self.digest(one) != Self.digest(other))
    }

    @Test func theInterpreterIsAskedOnceUntilItsFileChanges() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "weft-interpreter-\(UUID().uuidString)").path
        try Files.write([], to: file)
        defer { Files.remove(file) }
        let asked = Mutex(0)
        let version = InterpreterVersion()
        func ask() async throws -> String {
            try await version.of(file) { "version \(asked.withLock { $0 += 1; return $0 })" }
        }
        #expect(try await ask() == "version 1")
        #expect(try await ask() == "version 1")
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: 1_000_000)], ofItemAtPath: file)
        #expect(try await ask() == "version 2")
    }

    @Test func aMissingInterpreterIsAskedForEveryTime() async throws {
        let version = InterpreterVersion()
        #expect(try await version.of("/nonexistent/python") { "1" } == "1")
        #expect(try await version.of("/nonexistent/python") { "2" } == "2")
    }
}
