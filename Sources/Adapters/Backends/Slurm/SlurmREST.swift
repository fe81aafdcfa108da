// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import HTTPClient
import WorkflowModel

/// How `slurmrestd` is reached.
package struct SlurmRESTAccess: Sendable, Equatable {
    /// Without a slash at the end.
    package var url: String
    /// Of the plugins that slurmrestd serves, as `v0.0.38`.
    package var version: String
    package var user: String
    /// Holds a JWT of the user's; read again for each request, so that it can be renewed.
    package var tokenFile: String

    package init(url: String, version: String, user: String, tokenFile: String) {
        self.url = url
        self.version = version
        self.user = user
        self.tokenFile = tokenFile
    }
}

/// Slurm's REST API.
struct SlurmREST: SlurmController {
    private static let seconds = 60
    private static let maximumAnswer = 64 << 20

    private let access: SlurmRESTAccess
    private let client = HTTPClient()

    init(_ access: SlurmRESTAccess) { self.access = access }

    private struct Submitted: Decodable {
        var job_id: Int?
    }

    /// - Parameter lock: not used: who dies takes the request with him, or it has been taken already and is found by its name.
    func submit(_ request: SlurmRequest, script: String, lock: String) async throws(BackendError) -> Int {
        let text = try BackendError.wrapping { try SmallFile.read(script) } ?? []
        let body = Self.submission(request, script: String(decoding: text, as: UTF8.self))
        let answer = try await send("POST", "slurm/\(access.version)/job/submit", try? WireJSON.encode(body))
        guard let job = (try? WireJSON.decode(Submitted.self, from: answer))?.job_id, job > 0 else {
            throw BackendError("slurmrestd: no job number in its answer", isPassing: true)
        }
        return job
    }

    static func submission(_ request: SlurmRequest, script: String) -> JSONValue {
        let jobs = request.components.map { job(request, $0) }
        guard jobs.count > 1 else { return ["script": .string(script), "job": jobs.first ?? .null] }
        return ["script": .string(script), "jobs": .array(jobs)]
    }

    private static func job(_ request: SlurmRequest, _ component: SlurmRequest.Component) -> JSONValue {
        var job: [String: JSONValue] = [
            "name": .string(request.name), "comment": .string(request.comment), "tasks": .integer(Int64(component.ranks)),
            "cpus_per_task": .integer(1), "memory_per_cpu": .integer(Int64(request.memoryPerRank)), "requeue": .bool(false),
            "open_mode": .string("append"), "current_working_directory": .string(request.folder),
            "standard_output": .string(request.output),
            // slurmrestd gives a job no environment of its own.
            "environment": .object(["PATH": .string(ProcessInfo.processInfo.environment["PATH"] ?? "/usr/local/bin:/usr/bin:/bin")]),
        ]
        if let nodes = request.nodes, let ranks = request.ranksPerNode(component) {
            job["nodes"] = .array([.integer(Int64(nodes)), .integer(Int64(nodes))])
            job["tasks_per_node"] = .integer(Int64(ranks))
        }
        if let minutes = request.minutes { job["time_limit"] = .integer(Int64(minutes)) }
        if !request.excluded.isEmpty { job["excluded_nodes"] = .array(request.excluded.map(JSONValue.string)) }
        let texts = [
            ("partition", request.partition), ("account", request.account), ("qos", request.qos), ("reservation", request.reservation),
            ("constraints", component.constraint),
        ]
        for case (let name, let value?) in texts { job[name] = .string(value) }
        return .object(job)
    }

    func jobs() async throws(BackendError) -> [SlurmJob] { try SlurmJob.list(try await send("GET", "slurm/\(access.version)/jobs")) }

    func recorded(_ name: String) async throws(BackendError) -> [SlurmJob] {
        try SlurmJob.list(try await send("GET", "slurmdb/\(access.version)/jobs?job_name=\(name)")).filter { $0.name == name }
    }

    func nodes() async throws(BackendError) -> [ClusterNode] { try SlurmNode.list(try await send("GET", "slurm/\(access.version)/nodes")) }

    func cancel(_ job: Int) async throws(BackendError) { _ = try await send("DELETE", "slurm/\(access.version)/job/\(job)") }

    private struct Complaints: Decodable {
        struct Complaint: Decodable {
            var error: String?
            var description: String?
        }
        var errors: [Complaint]?
    }

    private func send(_ method: String, _ path: String, _ body: [UInt8]? = nil) async throws(BackendError) -> [UInt8] {
        guard let token = try BackendError.wrapping({ try SmallFile.read(access.tokenFile) }) else {
            throw BackendError("slurmrestd: there is no token in \(access.tokenFile)")
        }
        var request = HTTPRequest(method: method, url: "\(access.url)/\(path)")
        request.headers["X-SLURM-USER-NAME"] = access.user
        request.headers["X-SLURM-USER-TOKEN"] = String(decoding: token, as: UTF8.self).filter { !$0.isWhitespace }
        request.maximumBodyBytes = Self.maximumAnswer
        request.timeout = .seconds(Self.seconds)
        if let body {
            request.headers["Content-Type"] = "application/json"
            request.body = body
        }
        let response: HTTPResponse
        do { response = try await client.send(request) } catch {
            throw BackendError("slurmrestd does not answer: \(error)", isPassing: true)
        }
        guard response.status < 300 else {
            let complaint = (try? WireJSON.decode(Complaints.self, from: response.body))?.errors?.first
            let words = complaint?.error ?? complaint?.description ?? "status \(response.status)"
            throw BackendError(
                "slurmrestd: \(words)", isPassing: response.status >= 502 || method == "GET" || SlurmCommands.isPassing(words))
        }
        return response.body
    }
}
