// SPDX-License-Identifier: Apache-2.0

import Testing
import WorkflowModel

@Suite struct IdentifierTests {
    @Test func runIDsRoundTripAndSortByTime() throws {
        var last = ""
        for milliseconds in stride(from: UInt64(1_700_000_000_000), to: 1_700_000_100_000, by: 9_973) {
            let id = RunID(milliseconds: milliseconds, random: (0..<10).map { _ in UInt8.random(in: 0...255) })
            #expect(RunID(id.description) == id)
            #expect(id.description > last)
            #expect(id.description.count == 30)
            last = id.description
        }
    }

    @Test(arguments: [
        "", "run_", "run_0", "run_8zzzzzzzzzzzzzzzzzzzzzzzzz", "run_01hf7yat00u000000000000000", "RUN_01hf7yat00000000000000000",
    ])
    func refusesWhatIsNoRunID(_ text: String) { #expect(RunID(text) == nil) }

    @Test func datumIDsRoundTripAndFitASignedInteger() {
        for _ in 0..<1000 {
            let instance = Int.random(in: 0..<DatumID.maximumInstances)
            let sequence = UInt64.random(in: 0..<1 << 48)
            for id in [DatumID(instance: instance, sequence: sequence), DatumID(inputOf: instance, sequence: sequence)] {
                #expect(Int64(exactly: id.rawValue) != nil)
                #expect(DatumID(id.description) == id)
                #expect(id.instance == instance && id.sequence == sequence)
            }
        }
        #expect(DatumID(inputOf: 3, sequence: 4).isRunInput)
        #expect(DatumID(inputOf: 3, sequence: 4).description == "in3.4")
    }

    @Test(arguments: ["", "1", "1.", ".1", "1.2.3", "in", "-1.2", "16384.0", "1.281474976710656"])
    func refusesWhatIsNoDatumID(_ text: String) { #expect(DatumID(text) == nil) }

    @Test func referencesAreCheckedAndSayWhatIsWrong() throws {
        #expect(try Reference("lab/count@3").version == "3")
        #expect(try Reference("lab/count@latest").version == nil)
        #expect(try Reference("lab/count").description == "lab/count")
        for text in ["", "count", "lab/", "/count", "lab/count/x", "lab/co unt", "lab/count@", "lab/../x", ".lab/x", "lab/count@a b"] {
            #expect(throws: Problem.self, "\(text)") { try Reference(text) }
        }
    }
}
