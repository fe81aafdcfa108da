// SPDX-License-Identifier: Apache-2.0

import Synchronization
import WorkflowModel

/// Wakes whoever watches a run. Changes that come faster than they are taken melt into one.
final class ChangeBroadcast: Sendable {
    private struct State {
        var next = 0
        var watchers: [RunID: [Int: AsyncStream<Void>.Continuation]] = [:]
    }

    private let state = Mutex(State())

    func changes(of run: RunID) -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let key = state.withLock { state in
            state.next += 1
            state.watchers[run, default: [:]][state.next] = continuation
            return state.next
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { state in
                state.watchers[run]?[key] = nil
                if state.watchers[run]?.isEmpty == true { state.watchers[run] = nil }
            }
        }
        return stream
    }

    func announce(_ run: RunID) {
        for watcher in state.withLock({ $0.watchers[run].map { Array($0.values) } ?? [] }) { watcher.yield() }
    }

    /// To be called from time to time, in case an announcement was lost with a connection.
    func announceAll() {
        for watcher in state.withLock({ $0.watchers.values.flatMap(\.values) }) { watcher.yield() }
    }
}
