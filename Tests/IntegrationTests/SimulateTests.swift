// SPDX-License-Identifier: Apache-2.0

import Crypto
import Foundation
import TestSupport
import Testing
import WorkflowModel

extension Integration {
    /// `weft simulate`: a log of jobs through the scheduler, without a server.
    @Suite struct SimulateTests {
        /// What gives the schedules of `Tests/Workloads/schedules.json`, by their names there.
        static let references = [
            "fcfs": "--policy fcfs",
            "easy": "--policy easy",
            "easy_sjbf": "--policy easy_sjbf",
            "easypp_tsafrir_reqtime": "--policy easy++",
            "easy_sjbf_oracle": "--policy easy_sjbf --predictor oracle",
            "wfp3_tsafrir_g24h_t72h": "--policy wfp3",
            "conservative": "--policy conservative",
        ]

        static let header = "; MaxProcs: 10\n"
        /// The first takes 6 of 10 processors for 100 s, the second has to wait for it, the third fits in beside it.
        static let jobs = """
            1 0 -1 100 6 -1 -1 6 100 -1 1 1 1 -1 -1 -1 -1 -1
            2 1 -1 100 8 -1 -1 8 100 -1 1 2 1 -1 -1 -1 -1 -1
            3 2 -1 98 4 -1 -1 4 98 -1 1 1 1 -1 -1 -1 -1 -1

            """

        struct Schedule: Decodable {
            var digest: String

            private enum CodingKeys: String, CodingKey { case digest = "sha256_csv" }
        }

        /// - Parameters:
        ///   - line: a line of shell that finds the program as `$WEFT` and the logs in `$LOGS`, and runs in a folder of its own.
        ///   - trace: what `trace.swf` holds there.
        ///   - check: is given what came of it, and the folder.
        func shell(_ line: String, trace: String = "", check: (ProgramResult, URL) throws -> Void) async throws {
            let folder = FileManager.default.temporaryDirectory.appending(path: "weft-simulate-tests-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            try Data(trace.utf8).write(to: folder.appending(path: "trace.swf"))
            let result = try await Program.run(
                "/bin/sh", ["-c", "cd \"$PLACE\" && \(line)"],
                environment: [
                    "WEFT": Program.path(of: "weft"), "PLACE": folder.path(),
                    "LOGS": Program.root.appending(path: "Tests/Workloads").path(),
                ])
            try check(result, folder)
        }

        @Test(arguments: references.keys.sorted()) func everyJobStartsAsInTheReferenceSchedule(_ name: String) async throws {
            let known = try WireJSON.decode(
                [String: Schedule].self, from: try Data(contentsOf: Program.root.appending(path: "Tests/Workloads/schedules.json")))
            let expected = try #require(known["KTH-SP2/\(name)"])
            let options = try #require(Self.references[name])
            try await shell("gunzip -c \"$LOGS/KTH-SP2.swf.gz\" | \"$WEFT\" simulate - \(options) --out out -q") { result, folder in
                #expect(result.status == 0, "\(result)")
                let schedule = try Data(contentsOf: folder.appending(path: "out/schedule.csv"))
                let digest = SHA256.hash(data: schedule).map { String(format: "%02x", $0) }.joined()
                #expect(digest == expected.digest)
            }
        }

        @Test func everyReferenceScheduleOfTheLogIsCompared() throws {
            let known = try WireJSON.decode(
                [String: Schedule].self, from: try Data(contentsOf: Program.root.appending(path: "Tests/Workloads/schedules.json")))
            let names = known.keys.filter { $0.hasPrefix("KTH-SP2/") }.map { String($0.dropFirst("KTH-SP2/".count)) }
            #expect(names.sorted() == Self.references.keys.sorted())
        }

        @Test func theFolderGetsScheduleFiguresPredictionsAndPicture() async throws {
            let line = "\"$WEFT\" simulate trace.swf --policy easy --out made/here"
            try await shell(line, trace: Self.header + Self.jobs) { result, folder in
                #expect(result.status == 0 && result.output.contains("easy") && result.output.contains("10 nodes"), "\(result)")
                let out = folder.appending(path: "made/here")
                let files = try FileManager.default.contentsOfDirectory(atPath: out.path()).sorted()
                #expect(files == ["metrics.json", "picture.svg", "predictions.csv", "schedule.csv"])
                let schedule = try String(contentsOf: out.appending(path: "schedule.csv"), encoding: .utf8)
                #expect(schedule == "id,submit,start,end\n1,0,0,100\n2,1,100,200\n3,2,2,100\n")
                let predictions = try String(contentsOf: out.appending(path: "predictions.csv"), encoding: .utf8)
                #expect(predictions == "id,expected,p90,p95,actual\n1,100,100,100,100\n2,100,100,100,100\n3,98,98,98,98\n")
                let metrics = try WireJSON.decode(JSONValue.self, from: try Data(contentsOf: out.appending(path: "metrics.json")))
                #expect(metrics["policy"] == "easy" && metrics["metrics"]?["jobs"] == 3)
                let picture = try String(contentsOf: out.appending(path: "picture.svg"), encoding: .utf8)
                #expect(picture.hasPrefix("<svg ") && picture.hasSuffix("</svg>\n"))
            }
        }

        @Test func theDocumentIsOneAsOfTheAPI() async throws {
            try await shell("\"$WEFT\" simulate trace.swf -o json", trace: Self.header + Self.jobs) { result, _ in
                #expect(result.status == 0 && result.error.isEmpty, "\(result)")
                let document = try WireJSON.decode([String: JSONValue].self, from: result.output.utf8)
                #expect(document["policy"] == "weft" && document["predictor"] == "similar")
                #expect(document["nodes"] == 10 && document["slots"] == 10)
                let metrics = try #require(document["metrics"]?.objectValue)
                #expect(metrics["jobs"] == 3 && metrics["unstarted"] == 0)
                for key in Array(document.keys) + Array(metrics.keys) { #expect(key == key.lowercased(), "\(key) is not in snake case") }
            }
        }

        @Test func forecastsAreInTheDocument() async throws {
            try await shell("\"$WEFT\" simulate trace.swf --policy easy --forecast -o json", trace: Self.header + Self.jobs) { result, _ in
                let document = try WireJSON.decode([String: JSONValue].self, from: result.output.utf8)
                let forecasts = try #require(document["metrics"]?.objectValue?["forecasts"]?.objectValue)
                #expect(forecasts["jobs"] == 1 && forecasts["coverage"] == 1 && forecasts["median_bound"] != nil)
            }
        }

        @Test func aLineThatIsNoJobIsNamed() async throws {
            try await shell("\"$WEFT\" simulate trace.swf --out out", trace: Self.header + Self.jobs + "4 3 soon\n") { result, folder in
                #expect(result.status == 1 && result.output.isEmpty, "\(result)")
                #expect(result.error.contains("Line 5") && result.error.contains("'4 3 soon'"), "\(result)")
                #expect(!FileManager.default.fileExists(atPath: folder.appending(path: "out").path()))
            }
        }

        @Test func withoutMaxProcsTheSizeIsAskedForAndTakenFromNodes() async throws {
            try await shell("\"$WEFT\" simulate trace.swf", trace: Self.jobs) { result, _ in
                #expect(result.status == 1 && result.error.contains("MaxProcs") && result.error.contains("--nodes"), "\(result)")
            }
            try await shell("\"$WEFT\" simulate trace.swf --nodes 5 --slots-per-node 2 -o json", trace: Self.jobs) { result, _ in
                let document = try WireJSON.decode([String: JSONValue].self, from: result.output.utf8)
                #expect(document["nodes"] == 5 && document["slots"] == 10, "\(result)")
            }
        }

        @Test func whatIsNoPolicyOrNoMachineIsWrongUsage() async throws {
            for option in ["--policy fastest", "--predictor crystal", "--nodes 0", "--slots-per-node 0"] {
                try await shell("\"$WEFT\" simulate trace.swf \(option)", trace: Self.header + Self.jobs) { result, _ in
                    #expect(result.status == 2, "\(option): \(result)")
                }
            }
        }
    }
}
