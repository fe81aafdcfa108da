// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Prediction
import Scheduling
import WorkflowModel

struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Runs a log of jobs through the scheduler under a policy, and tells how it would have done.",
        discussion: """
            TRACE is a log in the Standard Workload Format (www.cs.huji.ac.il/labs/parallel/workload/swf.html); '-' is standard input. Jobs \
            without ranks or run time are left out, and a limit below the run time is raised to it.

            Policies: fcfs, easy, easy_sjbf, easy++, wfp3, conservative, weft (the default). Predictors: user (the jobs' own limits), \
            oracle (their true run times), tsafrir (mean of the user's last two), similar (quantiles of similar jobs).

            With --out, the folder gets schedule.csv (id,submit,start,end), predictions.csv, metrics.json and picture.svg; with --forecast \
            also waits.csv (id,p50,bound,wait), of the jobs that did not start at once.
            """)

    @Argument(help: ArgumentHelp("A log in the Standard Workload Format.", valueName: "trace.swf"))
    var trace: String

    @Option(help: "The policy.")
    var policy = NamedPolicy.weft

    @Option(help: "By what the policy goes for run times; otherwise by its own.")
    var predictor: RunTimeSource?

    @Option(help: "Nodes of the machine; otherwise those of the log's header (MaxProcs).")
    var nodes: Int?

    @Option(help: "Ranks that a node takes at a time.")
    var slotsPerNode = 1

    @Option(help: "Memory of a node in MiB; then the memory that the log's jobs ask for counts too.")
    var nodeMemory: Int?

    @Option(name: .customLong("out"), help: "A folder for the schedule, the figures and a picture.")
    var folder: String?

    @Flag(help: "Forecast the wait of each job that does not start at once, and tell how good the forecasts were.")
    var forecast = false

    @OptionGroup var output: OutputOptions

    func validate() throws {
        if let nodes, !(1...1_000_000).contains(nodes) { throw ValidationError("--nodes is \(nodes); write a number from 1 to 1000000.") }
        guard (1...4096).contains(slotsPerNode) else {
            throw ValidationError("--slots-per-node is \(slotsPerNode); write a number from 1 to 4096.")
        }
        if let nodeMemory, !(1...1 << 30).contains(nodeMemory) {
            throw ValidationError("--node-memory is \(nodeMemory); write MiB, from 1 to \(1 << 30).")
        }
    }

    func run() async throws {
        let bytes = try TextFile.bytes(trace, maximumSize: 2 << 30)
        guard !bytes.starts(with: [0x1F, 0x8B]) else {
            throw CommandFailure("'\(trace)' is compressed: pipe it in, as in 'gunzip -c \(trace) | weft simulate -'.")
        }
        let log = try StandardWorkloadFormat.read(bytes)
        let count = nodes ?? log.processors.map { ($0 + slotsPerNode - 1) / slotsPerNode }
        guard let count, count > 0 else {
            throw CommandFailure("The log's header has no MaxProcs: say with --nodes how large the machine is.")
        }
        let slots = count * slotsPerNode
        let workload = log.fitted(to: slots, countsMemory: nodeMemory != nil)
        let machine = Machine(
            (0..<count).map { ClusterNode(name: "n\($0)", cores: slotsPerNode, memory: nodeMemory ?? 0, slots: slotsPerNode) })
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
            policy: policy, predictor: source, nodes: count, slots: slots,
            metrics: ScheduleMetrics(workload, simulation.outcomes, slots: slots), passes: simulation.passes,
            longestQueue: simulation.longestQueue, seconds: elapsed / .seconds(1))
        if let folder {
            let files = SimulationFiles(folder: folder)
            try files.write(workload, simulation.outcomes, report, timeline, slots: slots)
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
