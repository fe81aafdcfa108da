// SPDX-License-Identifier: Apache-2.0

import Testing
import WorkflowModel

@testable import Commands

struct RunSelectorTests {
    private let runs = [3, 2, 1].map { RunID(milliseconds: $0 << 40, random: [UInt8](repeating: 7, count: 10)) }

    @Test func aFullIdNeedsNoList() throws {
        #expect(try RunSelector(runs[0].description) == .id(runs[0]))
        #expect(try RunSelector(runs[0].description).select(among: []) == runs[0])
    }

    @Test func latestIsTheFirst() throws {
        #expect(try RunSelector("@latest").select(among: runs) == runs[0])
        let failure = #expect(throws: CommandFailure.self) { try RunSelector("@latest").select(among: []) }
        #expect(failure?.status == .notFound)
    }

    @Test func aPrefixMustFitOneRun() throws {
        let whole = runs[1].description
        #expect(try RunSelector(String(whole.dropLast(2))).select(among: [runs[1]]) == runs[1])
        #expect(try RunSelector(String(whole.dropFirst(4).dropLast(2))).select(among: [runs[1]]) == runs[1])
        let ambiguous = #expect(throws: CommandFailure.self) { try RunSelector("run_0").select(among: runs) }
        #expect(ambiguous?.status == .error)
        #expect(ambiguous?.description.contains(whole) == true)
        let absent = #expect(throws: CommandFailure.self) { try RunSelector("run_zz").select(among: runs) }
        #expect(absent?.status == .notFound)
    }

    @Test(arguments: ["", "run_", "@newest", "../x", "RUN"])
    func whatNamesNoRunIsWrongUsage(text: String) {
        #expect(#expect(throws: CommandFailure.self) { try RunSelector(text) }?.status == .usage)
    }
}
