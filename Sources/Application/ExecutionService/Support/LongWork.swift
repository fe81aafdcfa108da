// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import WorkflowModel

/// Computes on a thread of its own what takes long, so that requests and runs do not wait for it.
enum LongWork {
    /// Asked by the work whether anybody still waits for it.
    final class Time: Sendable {
        private let ended = Atomic(false)
        private let deadline: ContinuousClock.Instant

        init(_ limit: Duration) { deadline = .now + limit }

        var isOver: Bool { ended.load(ordering: .relaxed) || ContinuousClock.now > deadline }

        fileprivate func end() { ended.store(true, ordering: .relaxed) }
    }

    /// - Returns: `nil`: time was over before the work was done.
    /// - Throws: `CancellationError`.
    static func run<T: Sendable>(atMost limit: Duration, _ work: @escaping @Sendable (Time) -> T) async throws -> T? {
        let time = Time(limit)
        let (result, isWhole) = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                Thread.detachNewThread {
                    let result = work(time)
                    continuation.resume(returning: (result, !time.isOver))
                }
            }
        } onCancel: {
            time.end()
        }
        try Task.checkCancellation()
        return isWhole ? result : nil
    }
}
