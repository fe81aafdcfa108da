// SPDX-License-Identifier: Apache-2.0

import Foundation
import Scheduling
import Testing
import WorkflowModel

@testable import ExecutionService
@testable import Storage

@Suite struct ReservationCheckTests {
    private let now = Date(timeIntervalSince1970: 1_750_000_000)

    private func window(_ hours: Range<Double>, users: [String] = []) -> ClusterWindow {
        ClusterWindow(
            name: "r", kind: .reservation, start: now + hours.lowerBound * 3600, end: now + hours.upperBound * 3600, users: users,
            owner: "o")
    }

    private func refusal(_ window: ClusterWindow, limit: Int?) -> Problem.FieldError? {
        do {
            try RunNeeds(timeLimit: limit, reservation: "r")
                .checkReservation(among: [window], owner: "u@i", SchedulingConfiguration(), at: now)
            return nil
        } catch {
            return error.errors.first
        }
    }

    /// Whether the scheduler would ever start the run in it.
    private func canStart(_ window: ClusterWindow, limit: Int?) -> Bool {
        let run = QueuedRun(
            id: RunID(milliseconds: 1, random: Array(repeating: 0, count: 10)), attempt: 1, place: 1, queuedAt: now, owner: "u@i", graph: 1,
            resources: ResourceRequest(ranks: 1, memoryPerRank: 1, needs: RunNeeds(timeLimit: limit, reservation: "r")), avoided: [],
            promisedStart: nil, expectedSeconds: nil)
        var live = LiveScheduler(
            SchedulingConfiguration(), nodes: [ClusterNode(name: "n", cores: 1, memory: 9, slots: 1)],
            orders: ClusterOrders(windows: [window]), usage: [:], history: [], active: [], queued: [run],
            at: Int(now.timeIntervalSince1970))
        let start = Int(max(now, window.start).timeIntervalSince1970)
        return !live.pass(at: start, folder: { _, _ in "" }).starts.isEmpty
    }

    @Test(arguments: [0.0..<2.0, 1.0..<2.0, -3.0..<1.0]) func theLongestLimitThatFitsIsTold(hours: Range<Double>) throws {
        let window = window(hours)
        let longest = Int((hours.upperBound - max(0, hours.lowerBound)) * 3600) - 15
        #expect(refusal(window, limit: longest) == nil && canStart(window, limit: longest))
        let fault = try #require(refusal(window, limit: longest + 1))
        #expect(fault.pointer == "/needs/time_limit" && fault.detail.contains("at most \(longest) seconds"))
        #expect(!canStart(window, limit: longest + 1))
    }

    @Test func withoutALimitTheAssumedOneHasToFit() {
        #expect(refusal(window(0..<24), limit: nil) == nil && canStart(window(0..<24), limit: nil))
        #expect(refusal(window(0..<23.9), limit: nil)?.pointer == "/needs/time_limit")
        #expect(!canStart(window(0..<23.9), limit: nil))
    }

    @Test func whatIsNotThereForTheUserIsNamed() {
        #expect(refusal(window(0..<9, users: ["other@i"]), limit: 60)?.pointer == "/needs/reservation")
        #expect(refusal(window(-9..<(-1)), limit: 60)?.pointer == "/needs/reservation")
        #expect(refusal(window(-9..<0.002), limit: 1)?.detail.contains("too soon") == true)
    }
}
