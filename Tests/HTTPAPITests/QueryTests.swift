// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import WorkflowModel

@testable import HTTPAPI

@Suite struct QueryTests {
    @Test func valuesAreDecoded() throws {
        let query = try Query("search=a+b%2Bc&state=failed&state=queued&name=&flag")
        #expect(try query.text("search") == "a b+c")
        #expect(try query.choices("state", as: RunState.self) == [.failed, .queued])
        #expect(try query.text("name") == nil)
        #expect(query.contains("flag"))
    }

    @Test func unknownParametersAreNamed() throws {
        let query = try Query("stat=failed")
        let problem = #expect(throws: Problem.self) { try query.refuse(allBut: ["state", "cursor"]) }
        #expect(problem?.errors == [.init("stat", "is unknown: this route knows cursor, state")])
    }

    @Test func valuesOutOfBoundsAreNamed() throws {
        for text in ["depth=0", "depth=1001", "depth=x", "depth=5&depth=6", "depth=99999999999999999999"] {
            let query = try Query(text)
            let problem = #expect(throws: Problem.self) { try query.integer("depth", in: 1...1000) }
            #expect(problem?.errors.first?.pointer == "depth", "\(text)")
        }
        let query = try Query("state=lost")
        let problem = #expect(throws: Problem.self) { try query.choices("state", as: RunState.self) }
        #expect(problem?.errors.first?.detail.contains("submitted, queued") == true)
    }

    @Test func timesAreRead() throws {
        #expect(try Query("since=2025-06-15T17:06:40%2B02:00").time("since") == Date(timeIntervalSince1970: 1_750_000_000))
        #expect(try Query("since=").time("since") == nil && Query("").time("since") == nil)
        for text in ["2025-06-15", "1750000000", "-2h", "1969-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "2025-06-15T17:06:40"] {
            let query = try Query("since=\(text)")
            let problem = #expect(throws: Problem.self) { try query.time("since") }
            #expect(problem?.errors.first?.pointer == "since" && problem?.errors.first?.detail.contains("RFC 3339") == true, "\(text)")
        }
    }

    @Test(arguments: ["", "demo", "demo/"]) func aReferenceThatIsNoneIsNotTakenForAbsent(text: String) throws {
        let query = try Query("graph=\(text)")
        let problem = #expect(throws: Problem.self) { try query.reference("graph") }
        #expect(problem?.errors.first?.pointer == "graph")
        #expect(try Query("").reference("graph") == nil)
    }

    @Test(arguments: ["a=%zz", "a=%ff", "a=%00", "%c3%28=1"]) func whatIsNotTextIsRefusedWithoutRepeatingIt(text: String) {
        let problem = #expect(throws: Problem.self) { _ = try Query(text) }
        #expect(problem?.kind == .badRequest)
        #expect(problem?.detail.contains(text) == false)
    }

    @Test func encodingIsUndoneByDecoding() {
        let text = "a b/ü&=?%~-._"
        #expect(PercentEncoding.encode(text) == "a%20b%2F%C3%BC%26%3D%3F%25~-._")
        #expect(PercentEncoding.decode(PercentEncoding.encode(text)) == text)
    }
}
