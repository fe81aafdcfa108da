// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Runs `body` on a detached thread of its own.
func startThread(_ body: @escaping @Sendable () -> Void) {
    final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let status = pthread_create(
        &thread, nil,
        { box in
            // The argument is the box that was retained for this thread below.
            if let box { Unmanaged<Box>.fromOpaque(box).takeRetainedValue().body() }
            return nil
        }, Unmanaged.passRetained(Box(body)).toOpaque())
    precondition(status == 0, "no thread can be started: error \(status)")
    pthread_detach(thread)
}

/// A value behind a lock, on whose changes threads can wait.
///
/// Sendable because `value` is touched only while `mutex` is held; the two pointers never change.
final class Monitor<Value>: @unchecked Sendable {
    private var value: Value
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init(_ value: sending Value) {
        self.value = value
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value)
    }

    /// Blocks until the condition holds; it is looked at again after each ``signal()``.
    func wait(until holds: (Value) -> Bool) {
        pthread_mutex_lock(mutex)
        while !holds(value) { pthread_cond_wait(condition, mutex) }
        pthread_mutex_unlock(mutex)
    }

    func signal() { pthread_cond_signal(condition) }
    func broadcast() { pthread_cond_broadcast(condition) }
}

/// Waits 50 ms after the first failure, twice as long after each further one, at most 1 s.
struct BackOff {
    private var milliseconds: UInt32 = 50

    mutating func reset() { milliseconds = 50 }

    mutating func pause() {
        usleep(milliseconds * 1000)
        milliseconds = min(milliseconds * 2, 1000)
    }
}
