// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// A few threads with a connection each, and a bounded queue of work for them. Blocking libpq calls so never occupy Swift's
/// own threads, of which there is one for each core.
///
/// Work is taken only by a thread whose connection is alive: when the server goes away, work waits in the queue while the
/// threads try to reconnect, and fails as `busy` after the longest wait.
package final class ConnectionPool: Sendable {
    private let queue: WorkQueue
    private let longestWait: Duration

    /// - Parameters:
    ///   - conninfo: as libpq takes it, `host=/run/postgresql dbname=weft` or a URI.
    ///   - longestWait: for a free connection.
    ///   - statementTimeout: after which the server ends a statement; zero: never.
    package init(
        conninfo: String, size: Int = 6, queueLimit: Int = 1000, longestWait: Duration = .seconds(10),
        statementTimeout: Duration = .seconds(30)
    ) {
        precondition(size > 0, "a pool needs a connection")
        queue = WorkQueue(limit: queueLimit)
        self.longestWait = longestWait
        for _ in 0..<size {
            startThread { [queue] in Self.serve(queue, conninfo: conninfo, statementTimeout: statementTimeout) }
        }
    }

    deinit { close() }

    /// Ends the threads once they have finished what they do; what waits fails.
    package func close() {
        for job in queue.close() { job.fail(PostgresError(.closed, "the connection pool has been closed")) }
    }

    /// Runs `work` on a connection's thread. Cancelling the task takes the work out of the queue, or cancels its statement.
    ///
    /// - Parameter longestWait: for a free connection; otherwise the pool's.
    package func run<Result: Sendable>(
        longestWait: Duration? = nil, _ work: @escaping @Sendable (Connection) throws -> Result
    ) async throws -> Result {
        let wait = longestWait ?? self.longestWait
        let job = Job()
        let timer = Task { [queue] in
            try await Task.sleep(for: wait)
            guard queue.remove(job) else { return }
            let reason = queue.lastFailure.map { ": \($0)" } ?? ": all of them are in use"
            job.fail(PostgresError(.busy, "no database connection was free within \(wait.milliseconds) ms\(reason)"))
        }
        defer { timer.cancel() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                job.prepare(
                    run: { connection in continuation.resume(with: Swift.Result { try work(connection) }) },
                    fail: { continuation.resume(throwing: $0) })
                do {
                    try queue.add(job)
                } catch {
                    job.fail(error)
                }
            }
        } onCancel: {
            if queue.remove(job) { job.fail(CancellationError()) } else { job.cancel() }
        }
    }

    /// Runs `work` in a transaction of its own, again from the beginning when it lost against another one.
    package func transaction<Result: Sendable>(
        _ isolation: Connection.Isolation = .readCommitted, _ work: @escaping @Sendable (Connection) throws -> Result
    ) async throws -> Result {
        try await run { connection in
            var attempt = 1
            while true {
                do {
                    return try connection.transaction(isolation, work)
                } catch let error as PostgresError where error.isSerializationFailure && attempt < 5 {
                    attempt += 1
                }
            }
        }
    }

    /// The life of one thread.
    private static func serve(_ queue: WorkQueue, conninfo: String, statementTimeout: Duration) {
        var connection: Connection?
        var backOff = BackOff()
        while queue.waitForJob() {
            if let idle = connection, idle.hasEndedWhileIdle { connection = nil }
            do throws(PostgresError) {
                let live = if let connection { connection } else { try Connection(conninfo: conninfo, statementTimeout: statementTimeout) }
                connection = live
                backOff.reset()
                queue.noteFailure(nil)
                guard let job = queue.take() else { continue }
                job.run(on: live)
                if live.isLost { connection = nil }
            } catch {
                queue.noteFailure(error)
                // Another thread may have a connection that stands.
                queue.wakeAnother()
                backOff.pause()
            }
        }
    }
}

/// One piece of work on its way through the queue. Exactly one of its two closures is called, once: `run` by the thread that
/// took it from the queue, or `fail` by who removed it.
private final class Job: Sendable {
    private enum State {
        case waiting, running(Canceller), over
    }

    private struct Contents {
        var run: (@Sendable (Connection) -> Void)?
        var fail: (@Sendable (any Error) -> Void)?
        var state = State.waiting
        var isCancelled = false
    }

    private let contents = Mutex(Contents())

    func prepare(run: @escaping @Sendable (Connection) -> Void, fail: @escaping @Sendable (any Error) -> Void) {
        contents.withLock {
            $0.run = run
            $0.fail = fail
        }
    }

    func fail(_ error: any Error) {
        let fail = contents.withLock { contents in
            contents.state = .over
            return contents.fail
        }
        fail?(error)
    }

    func run(on connection: Connection) {
        let canceller = connection.canceller
        let work = contents.withLock { contents in
            guard !contents.isCancelled else { return nil as (@Sendable (Connection) -> Void)? }
            contents.state = .running(canceller)
            return contents.run
        }
        guard let work else { return fail(CancellationError()) }
        work(connection)
        let wasCancelled = contents.withLock { contents in
            contents.state = .over
            return contents.isCancelled
        }
        // A cancel request that came late would hit the next statement: let it hit this one.
        if wasCancelled { try? connection.script("") }
    }

    /// Holds the lock while it asks the server, so that the connection does not go on to another job meanwhile.
    func cancel() {
        contents.withLock { contents in
            contents.isCancelled = true
            if case .running(let canceller) = contents.state { canceller.cancel() }
        }
    }
}

/// What waits for a connection.
private final class WorkQueue: Sendable {
    private struct Contents {
        var jobs: [Job] = []
        var isClosed = false
        var lastFailure: PostgresError?
    }

    private let contents = Monitor(Contents())
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    var lastFailure: PostgresError? { contents.withLock { $0.lastFailure } }

    func noteFailure(_ error: PostgresError?) { contents.withLock { $0.lastFailure = error } }

    func add(_ job: Job) throws(PostgresError) {
        let refusal: PostgresError? = contents.withLock { contents in
            guard !contents.isClosed else { return PostgresError(.closed, "the connection pool has been closed") }
            guard contents.jobs.count < limit else {
                return PostgresError(.busy, "\(limit) requests wait for a database connection already")
            }
            contents.jobs.append(job)
            return nil
        }
        if let refusal { throw refusal }
        contents.signal()
    }

    func wakeAnother() { contents.signal() }

    /// Blocks until there is a job; false when the queue is closed.
    func waitForJob() -> Bool {
        contents.wait { !$0.jobs.isEmpty || $0.isClosed }
        return contents.withLock { !$0.isClosed }
    }

    func take() -> Job? { contents.withLock { $0.jobs.isEmpty ? nil : $0.jobs.removeFirst() } }

    /// False when the job is not, or no longer, in the queue.
    func remove(_ job: Job) -> Bool {
        contents.withLock { contents in
            guard let index = contents.jobs.firstIndex(where: { $0 === job }) else { return false }
            contents.jobs.remove(at: index)
            return true
        }
    }

    func close() -> [Job] {
        let jobs = contents.withLock { contents in
            contents.isClosed = true
            defer { contents.jobs = [] }
            return contents.jobs
        }
        contents.broadcast()
        return jobs
    }
}
