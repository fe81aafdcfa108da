// SPDX-License-Identifier: Apache-2.0

import CPosix
import FoundationEssentials
import WorkflowModel

/// Reads what Open MPI's `mpirun` prints when ranks end badly.
struct MPIRunOutput {
    /// `mpirun noticed that process rank 1 with PID 0 on node n2 exited on signal 9 (Killed).`
    struct LostRank: Equatable {
        var rank: Int
        var node: String
        /// Number and name of the signal, when one ended it.
        var signal: Int?
        var exitStatus: Int?
    }

    var text: String

    init(_ text: String) { self.text = text }

    /// The text without line breaks: mpirun wraps its sentences at 75 columns.
    private var words: [Substring] { text.split(whereSeparator: \.isWhitespace) }

    var lostRank: LostRank? {
        let words = words
        for index in words.indices where words[index] == "rank" && index > 0 && words[index - 1].hasSuffix("process") {
            let tail = words[index...].prefix(14).map(String.init)
            guard tail.count > 8, let rank = Int(tail[1]), let on = tail.firstIndex(of: "node"), on + 1 < tail.count else { continue }
            if let at = tail.firstIndex(of: "signal"), at + 1 < tail.count, let signal = Int(tail[at + 1].prefix { $0.isNumber }) {
                return LostRank(rank: rank, node: tail[on + 1], signal: signal, exitStatus: nil)
            }
        }
        return exitedProcess
    }

    /// `Process name: [[50284,1],1]` / `Exit code:    7`
    private var exitedProcess: LostRank? {
        let lines = text.split(separator: "\n")
        guard let name = lines.first(where: { $0.contains("Process name:") }), let code = lines.first(where: { $0.contains("Exit code:") }),
            let rank = name.split(separator: ",").last.flatMap({ Int($0.filter(\.isNumber)) }),
            let status = code.split(separator: ":").last.flatMap({ Int($0.filter(\.isNumber)) })
        else { return nil }
        return LostRank(rank: rank, node: "", signal: nil, exitStatus: status)
    }

    /// `ORTE has lost communication with a remote daemon. … Remote daemon: [[5,0],2] on node s2`
    var lostNode: String? {
        let words = words
        guard let at = words.indices.first(where: { words[$0...].starts(with: ["Remote", "daemon:"]) }) else { return nil }
        let tail = words[at...].prefix(8)
        guard let on = tail.firstIndex(of: "node"), on + 1 < tail.endIndex else { return nil }
        return String(tail[on + 1])
    }

    /// - Parameter node: where `mpirun` ran, where that is known.
    func explain(_ end: LaunchEnd, plan: Plan, graph: WorkflowGraph, node: String?) -> FailureReport {
        let place = node ?? "its node"
        let tail = text.split(separator: "\n").suffix(20).joined(separator: "\n")
        let traceback = tail.isEmpty ? nil : tail
        if case .exited(LaunchScript.modulesFailed) = end.cause {
            return FailureReport(
                cause: .launcher, message: "The environment modules that the run needs could not be loaded on \(place).", at: Date(),
                node: node, traceback: traceback)
        }
        if case .exited = end.cause, let lost = lostRank { return explain(lost, plan, graph, node, tail) }
        if case .exited = end.cause, let lost = lostNode {
            return FailureReport(
                cause: .node, message: "The node \(lost) failed, or could no longer be reached, while ranks ran on it.", at: Date(),
                node: lost,
                traceback: traceback)
        }
        let message =
            switch end.cause {
            case .exited(let code) where code > 128: "mpirun was ended by \(Self.signalName(code - 128))."
            case .exited(127), .exited(126): "mpirun cannot be started: is Open MPI installed on \(place)?"
            case .exited(0): "mpirun ended well, but not every rank finished its record."
            case .exited(let code): "mpirun ended with status \(code)."
            case .vanished: "The launcher vanished: it was killed, or \(place) restarted."
            case .nodeFailure, .preempted, .timeLimit, .outOfMemory, .cancelledOutside, .refused: end.sentence
            }
        let code: Int? = if case .exited(let code) = end.cause { code } else { nil }
        return FailureReport(
            cause: end.failureCause, message: message, at: end.at ?? Date(),
            node: end.nodes.count == 1 ? end.nodes[0] : end.nodes.isEmpty ? node : nil, exitStatus: code,
            traceback: traceback)
    }

    private func explain(_ lost: LostRank, _ plan: Plan, _ graph: WorkflowGraph, _ node: String?, _ tail: String) -> FailureReport {
        let elements = plan.workers(onRank: lost.rank).flatMap { plan.stages[plan.workers[$0].stage].elements }.map {
            graph.elements[$0].id
        }
        let end =
            lost.signal.map {
                "was ended by \(Self.signalName($0))" + ($0 == 9 ? " (killed; perhaps by hand, or for lack of memory)" : "")
            }
            ?? "ended with status \(lost.exitStatus ?? 1) without saying why"
        let place = lost.node.isEmpty ? node ?? "its node" : lost.node
        return FailureReport(
            cause: .rank, message: "Rank \(lost.rank) on \(place), which ran \(elements.joined(separator: ", ")), \(end).", at: Date(),
            rank: lost.rank, node: lost.node.isEmpty ? node : lost.node, element: elements.first, signal: lost.signal.map(Self.signalName),
            exitStatus: lost.exitStatus,
            traceback: tail)
    }

    static func signalName(_ number: Int) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 32) { buffer in
            weft_signal_name(Int32(number), buffer.baseAddress, buffer.count)
            return String(decoding: UnsafeRawBufferPointer(buffer).prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}

extension LaunchEnd {
    var failureCause: FailureReport.Cause {
        switch cause {
        case .exited, .vanished, .cancelledOutside, .refused: .launcher
        case .nodeFailure: .node
        case .preempted: .preemption
        case .timeLimit: .timeLimit
        case .outOfMemory: .memory
        }
    }

    /// What happened, for people, where the engine saw it.
    var sentence: String {
        let place = nodes.isEmpty ? "" : " on \(nodes.joined(separator: ", "))"
        let words = detail.map { ": \($0)" } ?? ""
        return switch cause {
        case .exited(let code): "The launcher ended with status \(code)\(words)."
        case .vanished: "The launcher vanished\(place)\(words)."
        case .nodeFailure: nodes.isEmpty ? "A node of the run failed\(words)." : "The node \(nodes.joined(separator: ", ")) failed\(words)."
        case .preempted: "The engine took the nodes back for other work\(words)."
        case .timeLimit: "The run took longer than the time it had asked for\(words)."
        case .outOfMemory: "The memory that the run had asked for was not enough\(place)\(words)."
        case .cancelledOutside: "Somebody ended the run with the engine's own means, outside of Weft\(words)."
        case .refused: "The engine does not start the run\(words)."
        }
    }
}
