// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPClient
import Postgres
import TestSupport
import Testing
import WorkflowModel

extension Integration {
    /// Two servers on one database: one schedules, and the other takes over.
    @Suite(.serialized) struct SchedulerFailoverTests {
        static let runs = 1000
        static let slots = 4

        @Test func theOtherServerGoesOnWhenTheOneThatSchedulesIsKilled() async throws {
            let weft = try await Installation.start(environment: ["WEFT_LOCAL_SLOTS": "\(Self.slots)"])
            let graph = try await weft.register("quick")
            let database = try weft.database()
            func epoch() async throws -> Int {
                try await database.run { try $0.query("SELECT epoch FROM scheduler")[0].value("epoch") }
            }
            let first = try #require(weft.serverProcesses().first)
            let second = try await SecondServer.start(beside: first, in: weft.folder)
            let token = try await weft.token()
            let ids = try await submit(Self.runs, of: graph, to: weft.url, token)
            #expect(ids.count == Self.runs)
            try await wait(for: "some runs to end", seconds: 60) { try await second.count("succeeded") >= 4 }
            #expect(try await epoch() == 1, "the second server has never begun to schedule")
            kill(first, SIGKILL)
            try await wait(for: "the first server to be gone") { !weft.serverProcesses().contains(first) }
            let waiting = try await second.count("queued")
            #expect(waiting > Self.runs / 2, "the queue was still long")
            try await wait(for: "the other server to let runs start", seconds: 5) { try await second.count("queued") < waiting }
            #expect(try await epoch() == 2)
            let ended = try await second.count("succeeded")
            try await wait(for: "runs to end", seconds: 60) { try await second.count("succeeded") >= ended + 8 }

            // The others need not run for this.
            try await cancel(ids, at: second.url, token)
            try await wait(for: "all to end", seconds: 120) {
                let counts = try await second.counts()
                return counts.filter { RunState(rawValue: $0.key)?.isFinal == true }.reduce(0) { $0 + $1.value } == Self.runs
            }
            let all = try await list(at: second.url, token)
            #expect(Set(all.map(\.id.description)) == ids, "none was lost")
            let others = all.filter { $0.attempts.count != 1 || $0.state == .failed }
            #expect(
                others.isEmpty, "none failed or was tried again: \(others.prefix(3).map { "\($0.state): \($0.failure?.message ?? "")" })")
            #expect((1...Self.slots).contains(Self.mostAtOnce(all.flatMap(\.attempts))))
            kill(second.process, SIGTERM)
            await weft.down()
        }

        @Test func forecastsOutliveTheServer() async throws {
            let weft = try await Installation.start(["--slots", "1"])
            let graph = try await weft.register("slow")
            let inputs = #"{"Numbers": [{"count": 1000, "seconds": 1}]}"#
            let running = try await weft.submit([graph, "-d", inputs, "--time-limit", "2h"])
            try await weft.wait(for: running, toBe: .running)
            let waiting = try await weft.submit([graph, "-d", inputs, "--time-limit", "1h"])
            try await wait(for: "a forecast") { try await weft.show(waiting).pending?.latestStart != nil }
            let bound = try await weft.show(waiting).pending?.latestStart
            let server = try #require(weft.serverProcesses().first)
            kill(server, SIGKILL)
            try await wait(for: "the server to be gone") { weft.serverProcesses().isEmpty }
            try await weft.up()
            try await wait(for: "the next one to look at the queue") {
                let metrics = try await weft.metrics()
                return metrics["weft_scheduler_waiting_runs"] == 1 && metrics["weft_scheduler_pass_seconds_count"].map { $0 >= 2 } == true
            }
            #expect(try await weft.show(waiting).pending?.latestStart == bound)
            for run in [waiting, running] { _ = try await weft.weft(["run", "cancel", run]) }
            await weft.down()
        }

        /// Attempts that held a slot at the same time. One that begins when another ends comes after it.
        static func mostAtOnce(_ attempts: [Attempt]) -> Int {
            var changes: [(at: Date, by: Int)] = []
            for attempt in attempts {
                guard let start = attempt.startedAt, let end = attempt.endedAt else { continue }
                changes += [(start, 1), (max(start, end), -1)]
            }
            var (now, most) = (0, 0)
            for change in changes.sorted(by: { ($0.at, $0.by) < ($1.at, $1.by) }) {
                now += change.by
                most = max(most, now)
            }
            return most
        }

        /// In a process namespace of its own, as on another host, the second server sees none of the run's processes.
        @Test(.enabled(if: geteuid() == 0, "making a process namespace takes root"))
        func aServerThatDoesNotScheduleConcludesNothingOfRuns() async throws {
            let weft = try await Installation.start()
            let first = try #require(weft.serverProcesses().first)
            let second = try await SecondServer.start(
                beside: first, in: weft.folder, through: ["/usr/bin/unshare", "--pid", "--fork", "--kill-child", "--mount-proc"])
            let run = try await weft.submit([
                try await weft.register("slow"), "-n", "2", "-d", #"{"Numbers": [{"count": 20, "seconds": 0.25}]}"#,
            ])
            try await weft.wait(for: run, toBe: .succeeded, seconds: 60)
            #expect(try await second.count("succeeded") == 1)
            kill(second.process, SIGKILL)
            await weft.down()
        }

        private func submit(_ count: Int, of graph: String, to url: String, _ token: String) async throws -> Set<String> {
            struct Answer: Decodable { var id: String }
            let body = Array(#"{"graph": "\#(graph)", "inputs": {"One": 1}, "ranks": 1}"#.utf8)
            return try await inParallel(0..<count) { client, _ in
                let request = HTTPRequest(
                    method: "POST", url: url + "/api/v1/runs",
                    headers: ["Authorization": "Bearer \(token)", "Content-Type": "application/json"], body: body)
                let response = try await client.send(request)
                guard response.status == 201 || response.status == 202 else {
                    throw Refused(status: response.status, body: String(decoding: response.body, as: UTF8.self))
                }
                return try WireJSON.decode(Answer.self, from: response.body).id
            }
        }

        private func list(at url: String, _ token: String) async throws -> [Run] {
            struct Page: Decodable { var items: [Run] }
            let response = try await HTTPClient().send(
                HTTPRequest(url: url + "/api/v1/runs?page_size=1000", headers: ["Authorization": "Bearer \(token)"]))
            return try WireJSON.decode(Page.self, from: response.body).items
        }

        private func cancel(_ ids: Set<String>, at url: String, _ token: String) async throws {
            _ = try await inParallel(Array(ids)) { client, id in
                let response = try await client.send(
                    HTTPRequest(method: "POST", url: url + "/api/v1/runs/\(id)/cancel", headers: ["Authorization": "Bearer \(token)"]))
                return "\(response.status)"
            }
        }

        private func inParallel<Item: Sendable>(
            _ items: some Collection<Item> & Sendable, _ body: @escaping @Sendable (HTTPClient, Item) async throws -> String
        ) async throws -> Set<String> {
            let client = HTTPClient()
            return try await withThrowingTaskGroup(of: String.self) { group in
                var answers = Set<String>()
                for (index, item) in items.enumerated() {
                    if index >= 8, let answer = try await group.next() { answers.insert(answer) }
                    group.addTask { try await body(client, item) }
                }
                for try await answer in group { answers.insert(answer) }
                return answers
            }
        }
    }
}

/// Another `weftd` with the configuration of a running one.
private struct SecondServer {
    var process: Int32
    var url: String

    /// - Parameter wrapper: a program that starts it, with arguments.
    static func start(beside first: Int32, in folder: String, through wrapper: [String] = []) async throws -> SecondServer {
        let command = FileManager.default.contents(atPath: "/proc/\(first)/cmdline") ?? Data()
        let words = wrapper + command.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        let environment = FileManager.default.contents(atPath: "/proc/\(first)/environ") ?? Data()
        let variables = environment.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        let portFile = folder + "/second.port"
        let server = Process()
        server.executableURL = URL(filePath: words[0])
        server.arguments = Array(words.dropFirst())
        server.environment = Dictionary(
            variables.compactMap { variable in
                variable.firstIndex(of: "=").map { (String(variable[..<$0]), String(variable[variable.index(after: $0)...])) }
            }, uniquingKeysWith: { $1 })
        server.environment?["WEFT_LISTEN_PORT"] = "0"
        server.environment?["WEFT_LISTEN_PORT_FILE"] = portFile
        _ = FileManager.default.createFile(atPath: folder + "/second.log", contents: nil)
        server.standardError = FileHandle(forWritingAtPath: folder + "/second.log")
        server.standardOutput = server.standardError
        try server.run()
        try await wait(for: "the second server to listen", seconds: 60) { FileManager.default.fileExists(atPath: portFile) }
        let port = try String(contentsOfFile: portFile, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        return SecondServer(process: server.processIdentifier, url: "http://127.0.0.1:\(port)")
    }

    /// Runs by state, as the metrics tell.
    func counts() async throws -> [String: Int] {
        let response = try await HTTPClient().send(HTTPRequest(url: url + "/metrics"))
        var counts: [String: Int] = [:]
        for line in String(decoding: response.body, as: UTF8.self).split(separator: "\n") where line.hasPrefix("weft_runs{") {
            let parts = line.split { "\"} ".contains($0) }
            if parts.count >= 3, let value = Double(parts[parts.count - 1]) { counts[String(parts[1])] = Int(value) }
        }
        return counts
    }

    func count(_ state: String) async throws -> Int { try await counts()[state] ?? 0 }
}

private struct Refused: Error {
    var status: Int
    var body: String
}
