// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import WorkflowModel

@testable import Commands

struct RenderingTests {
    private let run = RunID(milliseconds: 1, random: [UInt8](repeating: 0, count: 10))
    private let time = Date(timeIntervalSince1970: 0)

    private func reference(_ datum: DatumID) -> DatumReference { DatumReference(run: run, attempt: 1, datum: datum) }

    private func step(_ depth: Int, _ datum: DatumID, _ element: String, _ related: [DatumID], _ attributes: JSONValue? = nil) -> TraceStep
    {
        TraceStep(
            depth: depth,
            datum: DatumRecord(
                id: reference(datum), element: element, instance: datum.instance, port: datum.isRunInput ? "input" : "out", size: 1500,
                at: time, attributes: attributes),
            related: related.map(reference))
    }

    @Test func aTraceIsATree() {
        let result = DatumID(instance: 2, sequence: 0)
        let left = DatumID(instance: 1, sequence: 0)
        let right = DatumID(instance: 1, sequence: 1)
        let input = DatumID(inputOf: 0, sequence: 4)
        let trace = Trace(
            datum: reference(result), direction: .back,
            steps: [
                step(0, result, "Join2", [left, right], ["location": "/data/out.json"]), step(1, left, "Read1", [input]),
                step(1, right, "Read1", [input]), step(2, input, "Read1", [], ["value": ["input": 7]]),
            ], truncated: false)
        #expect(
            TraceRendering.table(trace).render() == #"""
                DEPTH  DATUM        PE        PORT     SIZE  LOCATION
                    0  2.0          Join2[2]  out    1.5 kB  /data/out.json
                    1  ├─ 1.0       Read1[1]  out    1.5 kB  -
                    2  │  └─ in0.4  Read1[0]  input  1.5 kB  {"input":7}
                    1  └─ 1.1       Read1[1]  out    1.5 kB  -
                    2     └─ in0.4  Read1[0]  input  1.5 kB  {"input":7}
                """#)
    }

    @Test func aSharedAncestryIsDrawnOnce() {
        let root = DatumID(instance: 3, sequence: 0)
        let left = DatumID(instance: 1, sequence: 0)
        let right = DatumID(instance: 2, sequence: 0)
        let shared = DatumID(instance: 0, sequence: 0)
        let input = DatumID(inputOf: 0, sequence: 0)
        let trace = Trace(
            datum: reference(root), direction: .back,
            steps: [
                step(0, root, "D", [left, right]), step(1, left, "B", [shared]), step(1, right, "C", [shared]),
                step(2, shared, "A", [input]),
                step(3, input, "A", []),
            ], truncated: false)
        let lines = TraceRendering.table(trace).render().split(separator: "\n")
        #expect(lines.count == 7)
        #expect(lines.count { $0.contains("in0.0") } == 1)
        #expect(lines.last?.hasSuffix("(as above)") == true)
    }

    @Test func aDeepLineageDoesNotExhaustTheStack() {
        let steps = (0..<2000).map {
            step($0, DatumID(instance: 0, sequence: UInt64($0)), "A", [DatumID(instance: 0, sequence: UInt64($0 + 1))])
        }
        let trace = Trace(datum: steps[0].datum.id, direction: .back, steps: steps, truncated: true)
        // The last datum is named but not described: the trace was cut there.
        #expect(TraceRendering.table(trace).render().split(separator: "\n").count == 2002)
    }

    @Test func aFailureSaysEverything() {
        let report = FailureReport(
            cause: .exception, message: "ValueError: no such station", at: time, rank: 2, node: "n1", element: "Filter3", instance: 5,
            signal: nil, exitStatus: nil, datum: "1.42", datumSummary: "{'station': 'XYZ'}",
            traceback: "Traceback (most recent call last):\n  File \"w.py\", line 3\nValueError: no such station\n")
        let failed = Run(
            id: run, name: nil, graph: Reference(namespace: "demo", name: "x", version: "1"), state: .failed, owner: "me",
            resources: ResourceRequest(ranks: 1, memoryPerRank: 1), submittedAt: time,
            attempts: [Attempt(number: 1, state: .failed, queuedAt: time, failure: report)])
        let text = RunRendering.describe(report, of: failed)
        for part in ["ValueError: no such station", "Filter3 (instance 5)", "2 on n1", "\(run).1.1.42  {'station': 'XYZ'}", "line 3"] {
            #expect(text.contains(part))
        }
        #expect(!text.contains("signal"))
    }

    @Test(arguments: [(0, "succeeded"), (1, "succeeded (1 datum skipped)"), (12, "succeeded (12 data skipped)")])
    func aRunThatWentOnWithoutDataSaysSo(skipped: Int64, text: String) {
        let run = Run(
            id: run, name: nil, graph: Reference(namespace: "demo", name: "x", version: "1"), state: .succeeded, owner: "me",
            resources: ResourceRequest(ranks: 1, memoryPerRank: 1), submittedAt: time,
            attempts: [Attempt(number: 1, state: .succeeded, queuedAt: time, startedAt: time, endedAt: time + 2)], skipped: skipped)
        #expect(RunRendering.describe(run, now: time, terminal: Terminal(descriptor: -1, variables: [:])).contains("state      \(text)\n"))
        #expect(RunRendering.table([run], now: time).render().contains("  \(text)  "))
        #expect(RunRendering.ending(run, now: time) == "run \(run.id) \(text) in 2.0 s")
    }

    @Test func aRunThatGoesOnWhereItBrokeOffSaysSo() {
        let resumed = Run(
            id: run, name: nil, graph: Reference(namespace: "demo", name: "x", version: "1"), state: .queued, owner: "me",
            resources: ResourceRequest(ranks: 1, memoryPerRank: 1), submittedAt: time,
            attempts: [
                Attempt(number: 1, state: .failed, queuedAt: time),
                Attempt(number: 2, state: .queued, queuedAt: time, resumed: Resumption(items: 37, of: 1000)),
            ])
        #expect(RunRendering.table([resumed], now: time).render().contains("  queued (resumed: 37 of 1000 items)  "))
        let text = RunRendering.describe(resumed, now: time, terminal: Terminal(descriptor: -1, variables: [:]))
        #expect(text.contains("2        queued  37 of 1000 items  "))
    }

    @Test func whatIsProcessedAgainIsShownWithItsReason() {
        let parts = [
            ResumePlan.Part(
                source: "Read0", ranges: [ItemRange(first: 3, count: 1), ItemRange(first: 7, count: 40)],
                reason: "Fit1 had not consumed 0.3"),
            ResumePlan.Part(
                source: "Scan2", ranges: (0..<40).map { ItemRange(first: 10 * $0, count: 2) }, reason: "Scan2 had not consumed in5.0"),
        ]
        let plan = ResumePlan(run: run, attempt: 1, of: 1000, parts: parts)
        #expect(plan.replayed["Read0"] == parts[0].ranges && plan.resumption == Resumption(items: 121, of: 1000))
        let lines = ResumeRendering.describe(plan).split(separator: "\n")
        #expect(lines[1].hasPrefix("Read0   3, 7-46  ") && lines[1].hasSuffix("     41  Fit1 had not consumed 0.3"))
        #expect(lines[2].contains("0-1, 10-11, 20-21, ") && lines[2].contains(", …     80  Scan2") && lines[2].count < 120)
        #expect(lines[3] == "121 of 1000 items of \(run) were not processed to the end")
        let nothing = ResumePlan(run: run, attempt: 2, of: 5, parts: [])
        #expect(ResumeRendering.describe(nothing) == "0 of 5 items of \(run) were not processed to the end")
    }

    @Test func whatEachElementDidIsSummedOverItsInstances() {
        let first = InstanceSummary(
            instance: 1, rank: 0, invocations: 10, skipped: 2, retried: 1, dataIn: 10, dataOut: 8, bytesOut: 800, busySeconds: 1,
            blockedSeconds: 0.5, medianSeconds: 0.000_005, p95Seconds: 0.2, firstAt: time, lastAt: time + 3)
        let second = InstanceSummary(
            instance: 2, rank: 1, invocations: 5, failed: 1, dataIn: 5, dataOut: 4, bytesOut: 400, busySeconds: 0.5, medianSeconds: 0.002,
            p95Seconds: 0.1, firstAt: time + 1, lastAt: time + 4)
        let summary = ProvenanceSummary(
            run: run, attempt: 1, complete: true, elements: [ElementSummary(element: "Filter1", instances: [first, second])])
        #expect(
            ProvenanceRendering.table(summary).render() == """
                PE       INSTANCES  CALLS  FAILED  SKIPPED  RETRIED  IN  OUT   BYTES   BUSY  MEDIAN    P95  BLOCKED   SPAN
                Filter1          2     15       1        2        1  15   12  1.2 kB  1.5 s  2.0 ms  0.2 s    0.5 s  4.0 s
                """)
        #expect(
            ProvenanceRendering.instances(summary).render() == """
                PE       INSTANCE  RANK  CALLS  FAILED  SKIPPED  RETRIED  IN  OUT  BYTES   BUSY  MEDIAN    P95  BLOCKED   SPAN
                Filter1         1     0     10       0        2        1  10    8  800 B  1.0 s  5.0 µs  0.2 s    0.5 s  3.0 s
                Filter1         2     1      5       1        0        0   5    4  400 B  0.5 s  2.0 ms  0.1 s        -  3.0 s
                """)
    }

    @Test func failedCallsAreShownWithTheirData() {
        let failures = [
            FailedInvocation(
                element: "Filter1", instance: 2, rank: 1, sequence: 7, kind: "process", outcome: .skipped,
                datum: reference(DatumID(instance: 0, sequence: 3)), port: "input", startedAt: time, seconds: 0.25),
            FailedInvocation(
                element: "Filter1", instance: 2, rank: 1, sequence: 9, kind: "postprocess", outcome: .failed, datum: nil, port: nil,
                startedAt: time, seconds: 0),
        ]
        let lines = ProvenanceRendering.failures(failures).render().split(separator: "\n")
        #expect(lines[1] == "\(run).1.0.3  Filter1[2]  input     1  process      skipped  1970-01-01 00:00:00Z  0.3 s")
        #expect(lines[2].hasSuffix("Filter1[2]  -         1  postprocess  failed   1970-01-01 00:00:00Z    0 s"))
    }

    @Test func aPlanShowsStagesRanksAndReasons() {
        let plan = Plan(
            layout: .fused, ranksRequested: 4, ranks: 3,
            stages: [
                Stage(elements: [0, 1], workers: 1, reasons: ["joined by round robin"]), Stage(elements: [2], workers: 2, reasons: []),
            ],
            workers: [Worker(stage: 0, replica: 0, rank: 0), Worker(stage: 1, replica: 0, rank: 1), Worker(stage: 1, replica: 1, rank: 2)],
            firstInstances: [0, 1, 2], reasons: ["the rest stays idle"])
        let planned = PlannedRun(
            graph: Reference(namespace: "demo", name: "count", version: "1"), elements: ["Read0", "Split1", "Count2"],
            resources: ResourceRequest(ranks: 3, memoryPerRank: 256), plan: plan)
        #expect(
            PlanRendering.describe(planned) == """
                demo/count@1: 3 ranks of 4 requested, fused, 256 MiB a rank

                STAGE  PES             WORKERS  RANKS
                0      Read0 > Split1        1  0
                1      Count2                2  1-2

                RANK  WORKERS
                0     stage 0
                1     stage 1 #0
                2     stage 1 #1

                why
                  stage 0: joined by round robin
                  the rest stays idle
                """)
    }

    @Test func alternativesShowWaitAndRunTogether() {
        func alternative(_ ranks: Int, nodes: Int?, wait: Alternative.Range?, isChosen: Bool = false) -> Alternative {
            Alternative(
                ranks: ranks, runTime: .init(p50: 40 / Double(ranks), p95: 50), coreHours: .init(p50: 1, p95: 2), memoryPerRank: nil,
                nodes: nodes, wait: wait, isChosen: isChosen)
        }
        let planned = PlannedRun(
            graph: Reference(namespace: "demo", name: "count", version: "1"), elements: [],
            resources: ResourceRequest(ranks: 1, memoryPerRank: 256),
            plan: Plan(layout: .fused, ranksRequested: 1, ranks: 1, stages: [], workers: [], firstInstances: [], reasons: []),
            alternatives: [
                alternative(1, nodes: 1, wait: .init(p50: 0, p95: 0), isChosen: true),
                alternative(4, nodes: 2, wait: .init(p50: 35, p95: 55)), alternative(8, nodes: nil, wait: nil),
            ], nodes: 1)
        let lines = PlanRendering.describe(planned).split(separator: "\n")
        #expect(lines[0] == "demo/count@1: 1 rank, fused, 256 MiB a rank, 1 node")
        #expect(
            lines.suffix(4).joined(separator: "\n") == """
                RANKS  NODES    WAIT     P95  RUN TIME     P95  WAIT+RUN  CORE-HOURS  P95  MIB A RANK  P95
                    1      1     0 s     0 s    40.0 s  50.0 s    40.0 s           1    2           -    -  chosen
                    4      2  35.0 s  55.0 s    10.0 s  50.0 s    45.0 s           1    2           -    -
                    8      -       -       -     5.0 s  50.0 s         -           1    2           -    -
                """)
    }

    @Test(arguments: [([], ""), ([0], "0"), ([0, 1, 2, 5, 7, 8], "0-2, 5, 7-8"), ([3, 1, 3], "1, 3")])
    func ranksAreShownAsRanges(numbers: [Int], text: String) { #expect(PlanRendering.ranges(numbers) == text) }
}
