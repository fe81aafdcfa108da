// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Lets a few in at a time; the others wait for a bounded time, first come, first served.
final class Gate: Sendable {
    /// Told apart by its identity.
    private final class Ticket: Sendable {}

    private struct Contents {
        var free: Int
        var waiting: [(ticket: Ticket, entry: CheckedContinuation<Bool, Never>)] = []
    }

    private let contents: Mutex<Contents>
    private let queueLimit: Int
    private let longestWait: Duration

    init(places: Int, queueLimit: Int, longestWait: Duration) {
        contents = Mutex(Contents(free: places))
        self.queueLimit = queueLimit
        self.longestWait = longestWait
    }

    /// - Returns: whether the caller is in, and must ``leave()``; false when the wait was too long, too many wait already, or the
    ///   task was cancelled.
    func enter() async -> Bool {
        let ticket = Ticket()
        var timer: Task<Void, any Error>?
        defer { timer?.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { entry in
                let answer: Bool? = contents.withLock { contents in
                    if contents.free > 0 {
                        contents.free -= 1
                        return true
                    }
                    // Cancelled after this look, the task finds its ticket in the queue.
                    guard contents.waiting.count < queueLimit, !Task.isCancelled else { return false }
                    contents.waiting.append((ticket, entry))
                    return nil
                }
                if let answer { return entry.resume(returning: answer) }
                timer = Task {
                    try await Task.sleep(for: longestWait)
                    giveUp(ticket)
                }
            }
        } onCancel: {
            giveUp(ticket)
        }
    }

    /// Gives the place to who waits longest.
    func leave() {
        let next = contents.withLock { contents in
            guard !contents.waiting.isEmpty else {
                contents.free += 1
                return nil as CheckedContinuation<Bool, Never>?
            }
            return contents.waiting.removeFirst().entry
        }
        next?.resume(returning: true)
    }

    private func giveUp(_ ticket: Ticket) {
        let entry = contents.withLock { contents in
            contents.waiting.firstIndex { $0.ticket === ticket }.map { contents.waiting.remove(at: $0).entry }
        }
        entry?.resume(returning: false)
    }
}
