// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import WorkflowModel

/// A job as Slurm tells it: `squeue --json`, `sacct --json`, or either of the REST API's lists. Reads the forms of data_parser from
/// 22.05 (states as texts, plain numbers) to the current ones (lists of states, numbers as objects with `set` and `number`).
/// A heterogeneous job, which Slurm lists by its components, is one job here.
struct SlurmJob: Equatable {
    enum State: String, CaseIterable {
        case pending = "PENDING"
        case running = "RUNNING"
        case suspended = "SUSPENDED"
        case completing = "COMPLETING"
        case configuring = "CONFIGURING"
        case completed = "COMPLETED"
        case cancelled = "CANCELLED"
        case failed = "FAILED"
        case timeout = "TIMEOUT"
        case nodeFail = "NODE_FAIL"
        case preempted = "PREEMPTED"
        case bootFail = "BOOT_FAIL"
        case deadline = "DEADLINE"
        case outOfMemory = "OUT_OF_MEMORY"

        var isFinal: Bool {
            switch self {
            case .pending, .running, .suspended, .completing, .configuring: false
            case .completed, .cancelled, .failed, .timeout, .nodeFail, .preempted, .bootFail, .deadline, .outOfMemory: true
            }
        }
    }

    var id: Int
    var name: String
    var state: State
    /// Slurm's word for why it waits, as `Resources`.
    var reason: String
    var nodes: [String]
    /// Of the batch script, where it ended: its status, or 128 + the signal that ended it.
    var exitStatus: Int?
    var submittedAt: Date?
    var endedAt: Date?
}

extension SlurmJob {
    private struct Document: Decodable {
        var jobs: [Entry]
        var errors: [Message]?
    }

    private struct Message: Decodable {
        var error: String?
        var description: String?
    }

    /// The fields of both lists; each has its own names for some.
    private struct Entry: Decodable {
        var job_id: Int
        var name: String?
        var job_state: Words?
        var state: StateOfRecord?
        var state_reason: String?
        var nodes: Words?
        var exit_code: ExitCode?
        var submit_time: Number?
        var end_time: Number?
        var time: Times?
        var het_job_id: Number?
        var het_job_offset: Number?
        var het: Component?

        /// Of a heterogeneous job, whose number is that of its first component.
        var component: (job: Int, offset: Int)? {
            guard let job = (het_job_id ?? het?.job_id)?.value, job > 0 else { return nil }
            return (job, (het_job_offset ?? het?.job_offset)?.value ?? job_id - job)
        }
    }

    private struct Component: Decodable {
        var job_id: Number?
        var job_offset: Number?
    }

    private struct Times: Decodable {
        var submission: Number?
        var end: Number?
    }

    private struct StateOfRecord: Decodable {
        var current: Words?
        var reason: String?
    }

    /// A text, or a list of them.
    private struct Words: Decodable {
        var words: [String]

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            words = (try? value.decode([String].self)) ?? (try? value.decode(String.self)).map { [$0] } ?? []
        }
    }

    /// `17`, or `{"set": true, "infinite": false, "number": 17}`.
    private struct Number: Decodable {
        var value: Int?

        private struct Object: Decodable {
            var set: Bool
            var number: Int
        }

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            value = (try? container.decode(Int.self)) ?? (try? container.decode(Object.self)).flatMap { $0.set ? $0.number : nil }
        }

        var date: Date? { value.flatMap { $0 > 0 ? Date(timeIntervalSince1970: Double($0)) : nil } }
    }

    /// A wait status, or an object with `return_code` and `signal`.
    private struct ExitCode: Decodable {
        var status: Int?

        private struct Object: Decodable {
            struct Signal: Decodable {
                var signal_id: Number?
                var id: Number?
            }
            var return_code: Number?
            var signal: Signal?
        }

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let word = try? container.decode(Int.self) {
                status = word & 0x7F != 0 ? 128 + word & 0x7F : word >> 8 & 0xFF
            } else if let object = try? container.decode(Object.self) {
                let signal = object.signal?.signal_id?.value ?? object.signal?.id?.value ?? 0
                status = signal > 0 ? 128 + signal : object.return_code?.value
            }
        }
    }

    /// - Returns: the jobs in the order of the answer. What cannot be understood of a job, as a state that is too new, leaves it out.
    static func list(_ json: some Sequence<UInt8>) throws(BackendError) -> [SlurmJob] {
        let document: Document
        do { document = try WireJSON.decode(Document.self, from: Array(json)) } catch {
            throw BackendError("Slurm's list of jobs cannot be understood: \(error)", isPassing: true)
        }
        let complaint = document.errors?.lazy.compactMap { $0.error ?? $0.description }.first
        // Accounting calls it an error that it knows no such job.
        if document.jobs.isEmpty, let complaint, !complaint.hasPrefix("Nothing found") {
            throw BackendError("Slurm does not answer: \(complaint)", isPassing: true)
        }
        return document.jobs.reduce(into: Joining()) { $0.add($1) }.jobs
    }

    /// Puts the components of heterogeneous jobs together.
    private struct Joining {
        private var parts: [[(offset: Int, job: SlurmJob)]] = []
        private var places: [Int: Int] = [:]

        mutating func add(_ entry: Entry) {
            guard let job = SlurmJob(entry) else { return }
            guard let component = entry.component else { return parts.append([(0, job)]) }
            let place = places[component.job] ?? parts.count
            places[component.job] = place
            if place == parts.count { parts.append([]) }
            parts[place].removeAll { $0.offset == component.offset }
            parts[place].append((component.offset, job))
        }

        /// One whose first component is not there cannot be understood.
        var jobs: [SlurmJob] {
            parts.compactMap { part in
                let sorted = part.sorted { $0.offset < $1.offset }
                return sorted.first?.offset == 0 ? SlurmJob(components: sorted.map(\.job)) : nil
            }
        }
    }

    /// - Parameter components: in their order; the script runs in the first.
    private init?(components: [SlurmJob]) {
        guard let first = components.first else { return nil }
        self = first
        guard components.count > 1 else { return }
        nodes = components.flatMap(\.nodes)
        // One that can never start keeps the others, which only wait for nodes, from it.
        reason = components.map(\.reason).first { !["None", "", "Resources", "Priority"].contains($0) } ?? first.reason
        if let open = components.first(where: { !$0.state.isFinal }) {
            if first.state.isFinal { state = open.state }
            (exitStatus, endedAt) = (nil, nil)
        } else {
            // What Slurm did to one of them ended them all; some say that they were cancelled then.
            let ends = components.filter { $0.end?.cause.isOfTheEngine == true }
            state = (ends.first { $0.state != .cancelled } ?? ends.first ?? first).state
            endedAt = components.compactMap(\.endedAt).max()
        }
    }

    private init?(_ entry: Entry) {
        let words = entry.job_state?.words ?? entry.state?.current?.words ?? []
        let states = words.flatMap { $0.split(whereSeparator: { " ,".contains($0) }) }.compactMap { State(rawValue: String($0)) }
        // `COMPLETED` and `COMPLETING` together: its processes are still being ended.
        guard let state = states.first(where: { $0 == .completing || $0 == .configuring }) ?? states.first else { return nil }
        id = entry.job_id
        name = entry.name ?? ""
        self.state = state
        reason = entry.state_reason ?? entry.state?.reason ?? "None"
        nodes = (entry.nodes?.words ?? []).flatMap(HostList.expand).filter { $0 != "None assigned" }
        exitStatus = state.isFinal ? entry.exit_code?.status : nil
        submittedAt = (entry.submit_time ?? entry.time?.submission)?.date
        endedAt = state.isFinal ? (entry.end_time ?? entry.time?.end)?.date : nil
    }
}

extension SlurmJob {
    /// Why it waits, in plain words and with Slurm's own.
    var waitingSentence: String {
        let words: String =
            switch reason {
            case "None", "": "Slurm has not looked at it yet"
            case "Priority": "waits behind jobs of higher priority"
            case "Resources": "waits for nodes to become free"
            case "BeginTime": "may not start yet"
            case "Dependency": "waits for another job"
            case "JobHeldUser": "is held by its user; `scontrol release \(id)` lets it go"
            case "JobHeldAdmin": "is held by an operator; `scontrol release \(id)` lets it go"
            case "JobHoldMaxRequeue": "was started too often and is held"
            case "PartitionDown", "PartitionInactive": "its partition takes no jobs now"
            case "Reservation": "waits for its reservation"
            case "Licenses": "waits for a licence"
            case "NodeDown": "needs a node that is down"
            case "Cleaning": "is being cleared of an earlier start"
            case _ where reason.hasPrefix("ReqNodeNotAvail"): "needs nodes that are not available now"
            case _ where reason.contains("DOWN, DRAINED") || reason.contains("reserved"): "needs nodes that are down, drained or reserved"
            case "PartitionNodeLimit", "PartitionTimeLimit", "PartitionConfig":
                "can never start: it asks for more nodes or time than its partition allows"
            case "BadConstraints": "can never start: no node has what it asks for"
            case "InvalidAccount": "can never start: its account is not known"
            case "InvalidQOS": "can never start: its QOS is not known"
            case "ReservationDeleted": "can never start: its reservation is gone"
            case "AccountNotAllowed": "can never start: its account may not use the partition"
            case "QOSNotAllowed": "can never start: its QOS may not be used"
            case _ where reason.hasPrefix("Assoc"): "waits: its account or user is at a limit"
            case _ where reason.hasPrefix("QOS"): "waits: its QOS is at a limit"
            default: "waits"
            }
        return "Slurm job \(id) \(words)" + (reason == "None" || reason.isEmpty ? "" : " (\(reason))")
    }

    /// How the launch ended; `nil` while it has not.
    var end: LaunchEnd? {
        let cause: LaunchEnd.Cause
        switch state {
        case .pending, .running, .suspended, .completing, .configuring: return nil
        case .completed: cause = .vanished
        // Accounting may say that a job failed with status 0.
        case .failed: cause = exitStatus.flatMap { $0 == 0 ? nil : .exited($0) } ?? .vanished
        case .cancelled: cause = .cancelledOutside
        case .timeout, .deadline: cause = .timeLimit
        case .nodeFail, .bootFail: cause = .nodeFailure
        case .preempted: cause = .preempted
        case .outOfMemory: cause = .outOfMemory
        }
        return LaunchEnd(cause, at: endedAt, nodes: nodes, detail: "Slurm job \(id): \(state.rawValue)")
    }
}
