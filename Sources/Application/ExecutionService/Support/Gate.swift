// SPDX-License-Identifier: Apache-2.0

import Synchronization
import WorkflowModel

/// Lets a limited number of callers work at the same time; the others wait in line, not many and not for ever.
package final class Gate: Sendable {
    private struct Waiter {
        var key: Int
        var continuation: CheckedContinuation<Void, any Error>
        var timer: Task<Void, Never>
    }

    private struct State {
        var working = 0
        var next = 0
        var waiters: [Waiter] = []
    }

    private let state = Mutex(State())
    private let limit: Int
    private let maximumWaiting: Int
    private let patience: Duration

    /// - Parameter patience: after which a caller waits no longer.
    package init(limit: Int, maximumWaiting: Int, patience: Duration) {
        self.limit = limit
        self.maximumWaiting = maximumWaiting
        self.patience = patience
    }

    /// How many wait.
    package var waiting: Int { state.withLock { $0.waiters.count } }

    /// - Parameter patience: of this caller, in place of the gate's.
    /// - Throws: what `work` throws; `Problem(.unavailable)` when its turn does not come; `CancellationError`.
    package func pass<T>(patience: Duration? = nil, _ work: () async throws -> T) async throws -> T {
        try await enter(patience ?? self.patience)
        defer { leave() }
        return try await work()
    }

    private func enter(_ patience: Duration) async throws {
        let key = state.withLock { state in
            state.next += 1
            return state.next
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let outcome: Result<Void, any Error>? = state.withLock { state in
                    // Asked under the lock: a cancellation from here on finds the waiter in the line.
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if state.working < limit {
                        state.working += 1
                        return .success(())
                    }
                    guard state.waiters.count < maximumWaiting else { return .failure(Self.busy) }
                    let timer = Task { [self] in
                        try? await Task.sleep(for: patience)
                        giveUp(key, Self.busy)
                    }
                    state.waiters.append(Waiter(key: key, continuation: continuation, timer: timer))
                    return nil
                }
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            giveUp(key, CancellationError())
        }
    }

    /// The place goes to whoever has waited longest.
    private func leave() {
        let first: Waiter? = state.withLock { state in
            if state.waiters.isEmpty {
                state.working -= 1
                return nil
            }
            return state.waiters.removeFirst()
        }
        first?.timer.cancel()
        first?.continuation.resume()
    }

    private func giveUp(_ key: Int, _ error: any Error) {
        let waiter = state.withLock { state in
            state.waiters.firstIndex { $0.key == key }.map { state.waiters.remove(at: $0) }
        }
        waiter?.timer.cancel()
        waiter?.continuation.resume(throwing: error)
    }

    private static let busy = Problem(.unavailable, "The server is busy with other requests of this kind; try again in a minute.")
}
