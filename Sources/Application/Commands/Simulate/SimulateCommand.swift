// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Prediction
import Scheduling
import WorkflowModel

struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Runs a log of jobs, or what a server has run, through the scheduler under a policy, and tells how it would have done.",
        discussion: """
            TRACE is a log in the Standard Workload Format (www.cs.huji.ac.il/labs/parallel/workload/swf.html); '-' is standard input. Jobs \
            without ranks or run time are left out, and a limit below the run time is raised to it.

            With --replay, the jobs are the attempts that ran on the server's cluster, with what they needed of its nodes, and how they truly \
            went is shown beside. The machine is the cluster as it is now, as if all its nodes were up; --nodes makes it so many nodes like \
            these, --slots-per-node and --node-memory change each. Needs the scope weft.admin.

            Policies: fcfs, easy, easy_sjbf, easy++, wfp3, conservative, weft (the default). Predictors: user (the jobs' own limits), \
            oracle (their true run times), tsafrir (mean of the user's last two), similar (quantiles of similar jobs).

            With --out, the folder gets schedule.csv (id,submit,start,end), predictions.csv, metrics.json and picture.svg; with --forecast \
            also waits.csv (id,p50,bound,wait), of the jobs that did not start at once; with --replay also history.swf, the jobs as such a log.
            """)

    @Argument(help: ArgumentHelp("A log in the Standard Workload Format.", valueName: "trace.swf"))
    var trace: String?

    @Flag(help: "Instead of a log, what the server's cluster has run.")
    var replay = false

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("With --replay: what was queued then or later, as -7d or 2026-11-01T00:00:00Z.", valueName: "time"),
        transform: Moment.init)
    var since: Moment?

    @Option(
        parsing: .unconditional, help: ArgumentHelp("With --replay: what was queued before.", valueName: "time"), transform: Moment.init)
    var until: Moment?

    @Option(help: "The policy.")
    var policy = NamedPolicy.weft

    @Option(help: "By what the policy goes for run times; otherwise by its own.")
    var predictor: RunTimeSource?

    @Option(help: "Nodes of the machine; otherwise those of the log's header (MaxProcs), or of the cluster.")
    var nodes: Int?

    @Option(help: "Ranks that a node takes at a time; otherwise 1, or as the cluster's.")
    var slotsPerNode: Int?

    @Option(help: "Memory of a node in MiB; then the memory that the log's jobs ask for counts too.")
    var nodeMemory: Int?

    @Option(name: .customLong("out"), help: "A folder for the schedule, the figures and a picture.")
    var folder: String?

    @Flag(help: "Forecast the wait of each job that does not start at once, and tell how good the forecasts were.")
    var forecast = false

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if replay == (trace != nil) {
            throw ValidationError(
                replay
                    ? "Either a log or --replay: leave out '\(trace ?? "")', or --replay."
                    : "Say what to simulate: a log, or --replay for what the server's cluster has run.")
        }
        if !replay, since != nil || until != nil { throw ValidationError("--since and --until go with --replay.") }
        if !replay, connection.server != nil { throw ValidationError("--server goes with --replay: a log is simulated without one.") }
        if let nodes, !(1...1_000_000).contains(nodes) { throw ValidationError("--nodes is \(nodes); write a number from 1 to 1000000.") }
        if let slotsPerNode, !(1...4096).contains(slotsPerNode) {
            throw ValidationError("--slots-per-node is \(slotsPerNode); write a number from 1 to 4096.")
        }
        if let nodeMemory, !(1...1 << 30).contains(nodeMemory) {
            throw ValidationError("--node-memory is \(nodeMemory); write MiB, from 1 to \(1 << 30).")
        }
    }

    func run() async throws {
        if let trace { try play(log: trace) } else { try await playHistory() }
    }

    private func play(log trace: String) throws {
        let bytes = try TextFile.bytes(trace, maximumSize: 2 << 30)
        guard !bytes.starts(with: [0x1F, 0x8B]) else {
            throw CommandFailure("'\(trace)' is compressed: pipe it in, as in 'gunzip -c \(trace) | weft simulate -'.")
        }
        let log = try StandardWorkloadFormat.read(bytes)
        let slots = slotsPerNode ?? 1
        let count = nodes ?? log.processors.map { ($0 + slots - 1) / slots }
        guard let count, count > 0 else {
            throw CommandFailure("The log's header has no MaxProcs: say with --nodes how large the machine is.")
        }
        try play(
            log.fitted(to: count * slots, countsMemory: nodeMemory != nil),
            on: (0..<count).map { ClusterNode(name: "n\($0)", cores: slots, memory: nodeMemory ?? 0, slots: slots) })
    }

    private func playHistory() async throws {
        let now = Date()
        let server = try await ServerHistory(
            try connection.client(), since: since?.date(from: now), until: until?.date(from: now))
        let cluster = server.nodes.allUp
        let machine = cluster.altered(count: nodes, slots: slotsPerNode, memory: nodeMemory)
        guard machine.slots > 0 else { throw CommandFailure("The cluster's nodes have no slots at the moment: see `weft node list`.") }
        let history = RecordedWorkload(server.entries, for: Machine(machine))
        guard !history.workload.entries.isEmpty else {
            throw CommandFailure(
                "Of \(Format.count(server.entries.count, "attempt")) none could ever start on this machine: \(history.leftOut).")
        }
        try play(
            history.workload, on: machine, history: ReplayReport(history, slots: cluster.slots),
            log: folder.map { _ in StandardWorkloadFormat.write(history, nodes: cluster.count, slots: cluster.slots) })
    }

    private func play(_ workload: Workload, on nodes: [ClusterNode], history: ReplayReport? = nil, log: [UInt8]? = nil) throws {
        let (slots, machine) = (nodes.slots, Machine(nodes))
        let source = predictor ?? policy.source
        var timeline = Timeline()
        let clock = ContinuousClock()
        var simulation: Simulation?
        let elapsed = clock.measure {
            simulation = Simulation(
                workload, scheduler: Scheduler(policy: policy.policy, machine: machine), foresight: .init(source),
                forecaster: forecast ? WaitForecaster() : nil
            ) { now, scheduler in timeline.add(now, used: slots - scheduler.machine.freeSlots, waiting: scheduler.waitingCount) }
        }
        guard let simulation else { return }
        let report = SimulationReport(
            policy: policy, predictor: source, nodes: nodes.count, slots: slots,
            metrics: ScheduleMetrics(workload, simulation.outcomes, slots: slots), passes: simulation.passes,
            longestQueue: simulation.longestQueue, seconds: elapsed / .seconds(1), history: history)
        if let folder {
            let files = SimulationFiles(folder: folder)
            try files.write(workload, simulation.outcomes, report, timeline, slots: slots, log: log)
        }
        try output.show(report, name: policy.rawValue, text: \.description)
    }
}

extension NamedPolicy: ExpressibleByArgument {
    /// The names of the reference schedules are understood too.
    package init?(argument: String) {
        switch argument {
        case "easypp", "easypp_tsafrir_reqtime": self = .easyPlusPlus
        case "wfp3_tsafrir_g24h_t72h": self = .wfp3
        default: self.init(rawValue: argument)
        }
    }
}

extension RunTimeSource: ExpressibleByArgument {}

extension Simulation.Foresight {
    init(_ source: RunTimeSource) {
        self =
            switch source {
            case .oracle: .actual
            case .user: .limit
            case .tsafrir, .similar: source.predictor.map { .learned($0) } ?? .limit
            }
    }
}
