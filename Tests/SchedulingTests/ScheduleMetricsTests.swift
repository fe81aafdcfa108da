// SPDX-License-Identifier: Apache-2.0

import Testing
import WorkflowModel

@testable import Scheduling

@Suite struct ScheduleMetricsTests {
    static func entry(_ name: Int, _ submitted: Int, _ runTime: Int, ranks: Int = 1) -> Workload.Entry {
        Workload.Entry(name: name, submitted: submitted, runTime: runTime, traits: JobTraits(user: 1, ranks: ranks, limit: 1000))
    }

    static func outcome(_ started: Int, _ expected: Int, p95: Int = 1000) -> Simulation.Outcome {
        Simulation.Outcome(started: started, prediction: RunTimePrediction(expected: expected, p90: p95, p95: p95))
    }

    @Test func aScheduleIsMeasured() {
        let workload = Workload([
            Self.entry(0, 10, 100, ranks: 2), Self.entry(1, 20, 5), Self.entry(2, 60, 20, ranks: 3), Self.entry(3, 110, 40),
        ])
        let metrics = ScheduleMetrics(
            workload, [Self.outcome(10, 150), Self.outcome(50, 5), Self.outcome(110, 10, p95: 19), Self.outcome(130, 80)], slots: 4)
        #expect(metrics.jobs == 4)
        // Waits 0, 30, 50, 20.
        #expect(metrics.meanWait == 25 && metrics.medianWait == 30 && metrics.p95Wait == 50 && metrics.maximumWait == 50)
        // 1, 35 / 10, 70 / 20, 60 / 40.
        #expect(metrics.meanBoundedSlowdown == (1 + 3.5 + 3.5 + 1.5) / 4)
        // From 10 to 110: 2 × 100 and 1 × 5, of 4 × 100.
        #expect(metrics.utilisation == 205.0 / 400)
        #expect(metrics.makespan == 170 - 10)
        // 0.5, 0, 0.5, 1; 50 × 2 + 10 × 3 + 40 of 200 + 5 + 60 + 40.
        #expect(metrics.medianPredictionError == 0.5)
        #expect(metrics.weightedPredictionError == 170.0 / 305)
        #expect(metrics.p95Coverage == 0.75)
    }

    @Test func nothingIsMeasuredOfNoJob() {
        let metrics = ScheduleMetrics(Workload([]), [], slots: 4)
        #expect(metrics.jobs == 0 && metrics.meanWait == 0 && metrics.maximumWait == 0 && metrics.utilisation == 0 && metrics.makespan == 0)
    }

    @Test func oneJobUsesNoSpan() {
        let metrics = ScheduleMetrics(Workload([Self.entry(0, 7, 5)]), [Self.outcome(7, 5)], slots: 1)
        #expect(metrics.utilisation == 0 && metrics.makespan == 5 && metrics.meanBoundedSlowdown == 1)
    }

    @Test func aSimulationIsMeasuredAsItRan() {
        let workload = Workload([Self.entry(0, 0, 100, ranks: 4), Self.entry(1, 0, 50, ranks: 4), Self.entry(2, 200, 1)])
        let simulation = Simulation(
            workload, scheduler: Scheduler(policy: .easy, machine: Machine(equalNodes(1, slots: 4))), foresight: .actual)
        let metrics = ScheduleMetrics(workload, simulation.outcomes, slots: 4)
        #expect(metrics.meanWait == 100.0 / 3 && metrics.utilisation == 0.75 && metrics.medianPredictionError == 0)
        #expect(metrics.p95Coverage == 1 && simulation.longestQueue == 1)
    }

    /// A job that is too large for the machine has no wait that could be counted.
    @Test func aJobThatNeverStartedIsLeftOut() {
        let workload = Workload([Self.entry(0, 50, 10), Self.entry(1, 60, 10, ranks: 9)])
        let simulation = Simulation(
            workload, scheduler: Scheduler(policy: .easy, machine: Machine(equalNodes(1, slots: 4))), foresight: .limit)
        let metrics = ScheduleMetrics(workload, simulation.outcomes, slots: 4)
        #expect(metrics.meanWait == 0 && metrics.makespan == 10, "\(metrics)")
    }
}
