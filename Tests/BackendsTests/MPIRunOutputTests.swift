// SPDX-License-Identifier: Apache-2.0

import Testing
import WorkflowModel

@testable import Backends

@Suite struct MPIRunOutputTests {
    static let killed = """
        --------------------------------------------------------------------------
        Primary job  terminated normally, but 1 process returned
        a non-zero exit code. Per user-direction, the job has been aborted.
        --------------------------------------------------------------------------
        --------------------------------------------------------------------------
        mpirun noticed that process rank 1 with PID 0 on node n2 exited on signal 9 (Killed).
        --------------------------------------------------------------------------
        """
    static let exited = """
        mpirun detected that one or more processes exited with non-zero status, thus causing
        the job to be terminated. The first process to do so was:

          Process name: [[50284,1],1]
          Exit code:    7
        """

    static let lostNode = """
        --------------------------------------------------------------------------
        ORTE has lost communication with a remote daemon.

          HNP daemon   : [[63285,0],0] on node vm
          Remote daemon: [[63285,0],2] on node s2

        This is usually due to either a failure of the TCP network
        connection to the node, or possibly an internal failure of
        the daemon itself. We cannot recover from this failure, and
        therefore will terminate the job.
        --------------------------------------------------------------------------
        """

    static let graph = WorkflowGraph(
        elements: [
            .init(id: "Read0", name: "Read", outputs: ["output"]),
            .init(id: "Sum1", name: "Sum", inputs: [.init(name: "input", grouping: .global)]),
        ],
        edges: [.init(from: "Read0", output: "output", to: "Sum1", input: "input")])
    static let plan = Plan(
        layout: .fused, ranksRequested: 2, ranks: 2,
        stages: [.init(elements: [0], workers: 1, reasons: []), .init(elements: [1], workers: 1, reasons: [])],
        workers: [.init(stage: 0, replica: 0, rank: 0), .init(stage: 1, replica: 0, rank: 1)], firstInstances: [0, 1], reasons: [])

    @Test func namesTheKilledRankItsElementAndTheSignal() {
        let report = MPIRunOutput(Self.killed).explain(LaunchEnd(.exited(137)), plan: Self.plan, graph: Self.graph, node: "n1")
        #expect(report.cause == .rank)
        #expect(report.rank == 1)
        #expect(report.node == "n2")
        #expect(report.element == "Sum1")
        #expect(report.signal == "SIGKILL")
        #expect(report.message.contains("Sum1"))
    }

    @Test func namesTheRankThatExited() {
        #expect(MPIRunOutput(Self.exited).lostRank == .init(rank: 1, node: "", signal: nil, exitStatus: 7))
    }

    @Test func readsSentencesThatMpirunWrapped() {
        let wrapped = Self.killed.replacing("with PID 0 on node n2 exited on", with: "with PID 0 on node\nn2 exited on")
        #expect(MPIRunOutput(wrapped).lostRank == .init(rank: 1, node: "n2", signal: 9, exitStatus: nil))
    }

    @Test func namesTheNodeThatWasLost() {
        let report = MPIRunOutput(Self.lostNode).explain(LaunchEnd(.exited(205)), plan: Self.plan, graph: Self.graph, node: "n1")
        #expect(report.cause == .node && report.node == "s2")
    }

    @Test(arguments: [LaunchEnd.Cause.exited(127), .exited(1), .vanished, .cancelledOutside, .refused])
    func alwaysSaysSomething(_ cause: LaunchEnd.Cause) {
        let report = MPIRunOutput("").explain(LaunchEnd(cause), plan: Self.plan, graph: Self.graph, node: "n1")
        #expect(report.cause == .launcher)
        #expect(!report.message.isEmpty)
    }

    @Test func survivesAnyText() {
        let pieces = ["process", "rank", "node", "signal", "1", "on", "\n", "exited", "Exit code:", "Process name:", "[[", "é", ","]
        for _ in 0..<2000 {
            let text = (0..<Int.random(in: 0...30)).compactMap { _ in pieces.randomElement() }.joined(separator: " ")
            _ = MPIRunOutput(text).explain(LaunchEnd(.exited(1)), plan: Self.plan, graph: Self.graph, node: "n")
        }
    }
}
