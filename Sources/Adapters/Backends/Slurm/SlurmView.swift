// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// What Slurm was last seen to say: one question at a time answers all who follow a run.
actor SlurmView {
    private static let jobFreshness = Duration.seconds(1)
    private static let nodeFreshness = Duration.seconds(10)
    private static let recordFreshness = Duration.seconds(10)
    private static let maximumRecords = 10_000

    private let jobQuestion: Question<[SlurmJob]>
    private let nodeQuestion: Question<[ClusterNode]>
    private let controller: any SlurmController
    private var records: [String: Question<[SlurmJob]>] = [:]

    init(_ controller: any SlurmController) {
        self.controller = controller
        jobQuestion = Question(freshness: Self.jobFreshness) { () async throws(BackendError) in try await controller.jobs() }
        nodeQuestion = Question(freshness: Self.nodeFreshness) { () async throws(BackendError) in try await controller.nodes() }
    }

    /// - Parameter since: an answer to a question that was asked earlier does not do.
    nonisolated func jobs(since: ContinuousClock.Instant? = nil) async throws(BackendError) -> [SlurmJob] {
        try await jobQuestion.answer(since: since)
    }

    nonisolated func nodes(since: ContinuousClock.Instant? = nil) async throws(BackendError) -> [ClusterNode] {
        try await nodeQuestion.answer(since: since)
    }

    /// What the accounts have of jobs of that name.
    func recorded(_ name: String) async throws(BackendError) -> [SlurmJob] {
        if records.count > Self.maximumRecords { records.removeAll() }
        let controller = controller
        let question =
            records[name]
            ?? Question(freshness: Self.recordFreshness) { () async throws(BackendError) in try await controller.recorded(name) }
        records[name] = question
        return try await question.answer(since: nil)
    }
}

/// A question whose answer does for a while, and which is never asked twice at a time.
actor Question<Answer: Sendable> {
    private let freshness: Duration
    private let ask: @Sendable () async throws(BackendError) -> Answer
    private var asking: (task: Task<Result<Answer, BackendError>, Never>, since: ContinuousClock.Instant)?
    private var last: (answer: Result<Answer, BackendError>, since: ContinuousClock.Instant, at: ContinuousClock.Instant)?

    init(freshness: Duration, _ ask: @escaping @Sendable () async throws(BackendError) -> Answer) {
        self.freshness = freshness
        self.ask = ask
    }

    func answer(since: ContinuousClock.Instant?) async throws(BackendError) -> Answer {
        while true {
            if let last, .now - last.at < freshness, since.map({ $0 <= last.since }) ?? true { return try last.answer.get() }
            if let asking {
                let answer = await asking.task.value
                if since.map({ $0 <= asking.since }) ?? true { return try answer.get() }
                continue
            }
            let (ask, begun) = (ask, ContinuousClock.now)
            let task = Task {
                do throws(BackendError) { return Result<Answer, BackendError>.success(try await ask()) } catch { return .failure(error) }
            }
            asking = (task, begun)
            let answer = await task.value
            last = (answer, begun, .now)
            asking = nil
            return try answer.get()
        }
    }
}
