// SPDX-License-Identifier: Apache-2.0

import Scheduling
import Testing
import WorkflowModel

@Suite struct StandardWorkloadFormatTests {
    static func read(_ text: String) throws(Problem) -> Workload { try StandardWorkloadFormat.read(Array(text.utf8)) }

    static func detail(_ text: String) -> String? {
        do {
            _ = try read(text)
            return nil
        } catch { return error.detail }
    }

    static let line = "7 100 5 60 4 -1 -1 8 3600 -1 1 3 2 9 1 -1 -1 -1"

    @Test func aLineIsAJob() throws {
        let workload = try Self.read("; MaxProcs: 128\n;\n\n  ; a comment\n\(Self.line)\n")
        let traits = JobTraits(user: 3, application: 9, ranks: 8, limit: 3600)
        #expect(workload.entries == [Workload.Entry(name: 7, submitted: 100, runTime: 60, traits: traits)])
        #expect(workload.processors == 128)
    }

    @Test(
        arguments: [
            ("; MaxProcs: 12", 12), (";MaxProcs: 12", 12), ("; MaxProcs: -1", nil), ("; MaxProcs:", nil), ("; MaxProcs: many", nil),
            ("; MaxNodes: 12", nil), (";  MaxProcs:\t12 (batch)\r", 12),
        ] as [(String, Int?)])
    func theHeaderSaysHowManyProcessorsThereAre(_ header: String, _ processors: Int?) throws {
        #expect(try Self.read("\(header)\n\(Self.line)").processors == processors)
    }

    @Test func aJobIsCleaned() throws {
        func entry(_ fields: String) throws -> Workload.Entry? {
            try Self.read("\(fields)\n99 0 0 1 1 0 0 1 1 0 1 1 1 1\n").entries.first { $0.name != 99 }
        }
        // Requested processors, else allocated ones; a limit of at least the run time.
        #expect(try entry("1 0 0 60 4 -1 -1 -1 3600 -1 1 3 2 9")?.traits.ranks == 4)
        #expect(try entry("1 0 0 60 4 -1 -1 0 3600 -1 1 3 2 9")?.traits.ranks == 4)
        #expect(try entry("1 0 0 60 4 -1 -1 8 3600 -1 1 3 2 9")?.traits.ranks == 8)
        #expect(try entry("1 0 0 60 4 -1 -1 8 30 -1 1 3 2 9")?.traits.limit == 60)
        #expect(try entry("1 0 0 60 4 -1 -1 8 -1 -1 1 3 2 9")?.traits.limit == 60)
        #expect(try entry("1 0 0 60 4 -1 -1 8 90 -1 1 -1 -1 -1")?.traits == JobTraits(user: -1, application: -1, ranks: 8, limit: 90))
        // Without an application, without ranks, without a run time, before the log.
        #expect(try entry("1 0 0 60 4 -1 -1 8 90 -1 1 3")?.traits.application == -1)
        #expect(try entry("1 0 0 60 -1 -1 -1 -1 3600 -1 1 3 2 9") == nil)
        #expect(try entry("1 0 0 0 4 -1 -1 8 3600 -1 1 3 2 9") == nil)
        #expect(try entry("1 0 0 -1 4 -1 -1 8 3600 -1 1 3 2 9") == nil)
        #expect(try entry("1 -1 0 60 4 -1 -1 8 3600 -1 1 3 2 9") == nil)
        #expect(try entry("1 0 0 60 4 -1 -1 2000000000 3600 -1 1 3 2 9") == nil)
    }

    @Test func jobsAreSortedByTheirSubmission() throws {
        let names = [(5, 20), (9, 10), (2, 10)].map { "\($0.0) \($0.1) 0 60 4 -1 -1 8 3600 -1 1 3" }
        #expect(try Self.read(names.joined(separator: "\r\n")).entries.map(\.name) == [2, 9, 5])
    }

    @Test func fractionsAreCutOff() throws {
        let entry = try #require(try Self.read("1 10.9 0.5 60.99 4 -1 -1 8 3600.5 -1 1 3 2 9").entries.first)
        #expect(entry.submitted == 10 && entry.runTime == 60 && entry.traits.limit == 3600)
        #expect(Self.detail("1 0 0 0.7 4 -1 -1 8 3600 -1 1 3") == "The trace has no job that ran.")
    }

    @Test(arguments: [
        "1 0 0 60 4 -1 -1 8 3600 -1 1", "1 0 0 sixty 4 -1 -1 8 3600 -1 1 3", "hello", "1,0,0,60,4,-1,-1,8,3600,-1,1,3",
        "1 0 0 nan 4 -1 -1 8 3600 -1 1 3", "1 0 0 inf 4 -1 -1 8 3600 -1 1 3", "1 0 0 1e300 4 -1 -1 8 3600 -1 1 3",
        "1 99999999999999999999 0 60 4 -1 -1 8 3600 -1 1 3", "1 - 0 60 4 -1 -1 8 3600 -1 1 3", "1 0 0 60 4 -1 -1 8 3600 -1 1 3 and more",
    ])
    func aBadLineIsNamed(_ line: String) {
        let detail = Self.detail("; MaxProcs: 8\n\(Self.line)\n\n\(line)\n")
        #expect(detail?.hasPrefix("Line 4 is no job") == true && detail?.contains(line.prefix(20)) == true, "\(detail ?? "nil")")
    }

    @Test func whatFollowsTheEighteenthFieldIsNotRead() throws {
        #expect(try Self.read(Self.line + " 5 -1").entries == Self.read(Self.line).entries)
    }

    /// Of a processor, in KB.
    @Test(arguments: [("-1", 0), ("0", 0), ("1", 1), ("1024", 1), ("1025", 2)]) func memoryIsCountedInWholeMebibytes(
        _ field: String, _ memory: Int
    ) throws {
        #expect(try Self.read("1 0 0 60 4 -1 -1 8 3600 \(field) 1 3").entries.first?.memoryPerRank == memory)
    }

    @Test func aTraceWithoutAJobIsRefused() {
        for text in ["", "\n\n", "; MaxProcs: 8\n", "1 0 0 -1 4 -1 -1 8 3600 -1 0 3"] {
            #expect(Self.detail(text) == "The trace has no job that ran.")
        }
    }

    @Test func theLeastNumberThatThereIsIsNoTime() async {
        await #expect(processExitsWith: .success) {
            _ = try? StandardWorkloadFormat.read(Array("1 -9223372036854775808 0 60 4 -1 -1 8 3600 -1 1 3".utf8))
        }
    }

    @Test func nothingMakesTheReaderCrash() {
        var random = SeededGenerator(6)
        let pieces = [
            Array("; MaxProcs: 9".utf8), Array(Self.line.utf8), Array("-1".utf8), Array("1e18 0x1p3 .5 -0 +7".utf8), [10], [32], [13, 10],
            [0xFF, 0],
        ]
        var jobs = 0
        for _ in 0..<3000 {
            var text: [UInt8] = []
            for _ in 0..<random.below(12) {
                if random.chance(1, in: 4) {
                    text += (0..<random.below(8)).map { _ in UInt8(truncatingIfNeeded: random.below(256)) }
                } else {
                    text += pieces[random.below(pieces.count)] + [random.chance(1, in: 2) ? 10 : 32]
                }
            }
            guard let workload = try? StandardWorkloadFormat.read(text) else { continue }
            jobs += workload.entries.count
            #expect(
                workload.entries.allSatisfy { $0.runTime > 0 && $0.traits.ranks > 0 && $0.traits.limit >= $0.runTime && $0.submitted >= 0 })
        }
        #expect(jobs > 100)
    }

    @Test func aWorkloadIsFittedToItsMachine() throws {
        let workload = try Self.read("1 0 0 60 4 -1 -1 8 3600 -1 1 3\n2 0 0 60 4 -1 -1 3 3600 -1 1 3")
        #expect(workload.fitted(to: 5).entries.map(\.traits.ranks) == [5, 3])
    }
}
