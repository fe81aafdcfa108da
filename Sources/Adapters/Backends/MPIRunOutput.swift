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

    func explain(status: LaunchStatus, plan: Plan, graph: WorkflowGraph, node: String) -> FailureReport {
        let tail = text.split(separator: "\n").suffix(20).joined(separator: "\n")
        if let lost = lostRank {
            let elements = plan.workers(onRank: lost.rank).flatMap { plan.stages[plan.workers[$0].stage].elements }.map {
                graph.elements[$0].id
            }
            let end =
                lost.signal.map {
                    "was ended by \(Self.signalName($0))" + ($0 == 9 ? " (killed; perhaps by hand, or for lack of memory)" : "")
                }
                ?? "ended with status \(lost.exitStatus ?? 1) without saying why"
            let place = lost.node.isEmpty ? node : lost.node
            return FailureReport(
                cause: .rank, message: "Rank \(lost.rank) on \(place), which ran \(elements.joined(separator: ", ")), \(end).", at: Date(),
                rank: lost.rank, node: place, element: elements.first, signal: lost.signal.map(Self.signalName),
                exitStatus: lost.exitStatus,
                traceback: tail)
        }
        let message =
            switch status {
            case .exited(let code) where code > 128: "mpirun was ended by \(Self.signalName(code - 128))."
            case .exited(127), .exited(126): "mpirun cannot be started: is Open MPI installed on \(node)?"
            case .exited(0): "mpirun ended well, but not every rank finished its record."
            case .exited(let code): "mpirun ended with status \(code)."
            case .vanished: "The launcher vanished: it was killed, or \(node) restarted."
            case .absent: "The launcher left no trace on \(node)."
            case .running: "The launcher runs, but its ranks do not."
            }
        let code: Int? = if case .exited(let code) = status { code } else { nil }
        return FailureReport(
            cause: .launcher, message: message, at: Date(), node: node, exitStatus: code, traceback: tail.isEmpty ? nil : tail)
    }

    static func signalName(_ number: Int) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 32) { buffer in
            weft_signal_name(Int32(number), buffer.baseAddress, buffer.count)
            return String(decoding: UnsafeRawBufferPointer(buffer).prefix { $0 != 0 }, as: UTF8.self)
        }
    }
}
