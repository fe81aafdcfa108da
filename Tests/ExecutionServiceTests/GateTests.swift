// SPDX-License-Identifier: Apache-2.0

import ExecutionService
import Testing
import WorkflowModel

@Suite(.timeLimit(.minutes(1))) struct GateTests {
    /// Fills one place of the gate until `open`.
    final class Holder: Sendable {
        private let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        private let task: Task<Void, any Error>

        init(_ gate: Gate) async {
            let (entered, enter) = AsyncStream.makeStream(of: Void.self)
            task = Task { [stream] in
                try await gate.pass {
                    enter.finish()
                    for await _ in stream {}
                }
            }
            for await _ in entered {}
        }

        func open() async throws {
            continuation.finish()
            try await task.value
        }
    }

    actor Counter {
        private var inside = 0
        private(set) var most = 0
        private(set) var passed = 0

        func enter() {
            inside += 1
            most = max(most, inside)
        }

        func leave() {
            inside -= 1
            passed += 1
        }
    }

    static func until(_ condition: () -> Bool) async {
        while !condition() { await Task.yield() }
    }

    static func kind(_ body: () async throws -> Void) async -> Problem.Kind? {
        do { try await body() } catch { return (error as? Problem)?.kind }
        return nil
    }

    @Test func neverMoreThanTheLimitAtOnce() async throws {
        let gate = Gate(limit: 3, maximumWaiting: 100, patience: .seconds(60))
        let counter = Counter()
        try await withThrowingTaskGroup { group in
            for _ in 0..<50 {
                group.addTask {
                    try await gate.pass {
                        await counter.enter()
                        for _ in 0..<20 { await Task.yield() }
                        await counter.leave()
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(await counter.most <= 3)
        #expect(await counter.passed == 50)
    }

    @Test func whoeverFindsTheLineFullIsTurnedAway() async throws {
        let gate = Gate(limit: 1, maximumWaiting: 1, patience: .seconds(60))
        let holder = await Holder(gate)
        let waiter = Task { try await gate.pass {} }
        await Self.until { gate.waiting == 1 }
        #expect(await Self.kind { try await gate.pass {} } == .unavailable)
        try await holder.open()
        try await waiter.value
    }

    @Test func nobodyWaitsLongerThanThePatience() async throws {
        let gate = Gate(limit: 1, maximumWaiting: 1, patience: .milliseconds(10))
        let holder = await Holder(gate)
        #expect(await Self.kind { try await gate.pass {} } == .unavailable)
        let patient = Gate(limit: 1, maximumWaiting: 1, patience: .seconds(3600))
        let other = await Holder(patient)
        #expect(await Self.kind { try await patient.pass(patience: .milliseconds(10)) {} } == .unavailable)
        try await other.open()
        #expect(gate.waiting == 0)
        try await holder.open()
        try await gate.pass {}
    }

    @Test func aCancelledWaiterLeavesTheLineAndTakesNoPlace() async throws {
        let gate = Gate(limit: 1, maximumWaiting: 1, patience: .seconds(60))
        let holder = await Holder(gate)
        let waiter = Task { try await gate.pass { Issue.record("a cancelled waiter has passed") } }
        await Self.until { gate.waiting == 1 }
        waiter.cancel()
        await #expect(throws: CancellationError.self) { try await waiter.value }
        #expect(gate.waiting == 0)
        try await holder.open()
        try await gate.pass {}
    }

    @Test func failedWorkGivesItsPlaceBack() async throws {
        let gate = Gate(limit: 1, maximumWaiting: 0, patience: .seconds(60))
        await #expect(throws: CancellationError.self) { try await gate.pass { throw CancellationError() } }
        try await gate.pass {}
    }
}
