// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// What Slurm was last seen to say: one question answers all who follow a run.
actor SlurmView {
    private static let jobFreshness = Duration.seconds(1)
    private static let nodeFreshness = Duration.seconds(10)

    private let controller: any SlurmController
    private var jobs = Answer<[SlurmJob]>()
    private var nodes = Answer<[ClusterNode]>()

    private struct Answer<Value: Sendable> {
        var task: Task<Result<Value, BackendError>, Never>?
        var askedAt: ContinuousClock.Instant?
    }

    init(_ controller: any SlurmController) { self.controller = controller }

    /// - Parameter since: an earlier answer does not do.
    func jobs(since: ContinuousClock.Instant? = nil) async throws(BackendError) -> [SlurmJob] {
        let controller = controller
        return try await Self.answer(&jobs, Self.jobFreshness, since) { () async throws(BackendError) in try await controller.jobs() }.value
            .get()
    }

    func nodes(since: ContinuousClock.Instant? = nil) async throws(BackendError) -> [ClusterNode] {
        let controller = controller
        return try await Self.answer(&nodes, Self.nodeFreshness, since) { () async throws(BackendError) in try await controller.nodes() }
            .value.get()
    }

    private static func answer<Value: Sendable>(
        _ answer: inout Answer<Value>, _ freshness: Duration, _ since: ContinuousClock.Instant?,
        _ ask: @escaping @Sendable () async throws(BackendError) -> Value
    ) -> Task<Result<Value, BackendError>, Never> {
        if let task = answer.task, let askedAt = answer.askedAt, .now - askedAt < freshness, since.map({ $0 <= askedAt }) ?? true {
            return task
        }
        let task = Task {
            do throws(BackendError) { return Result<Value, BackendError>.success(try await ask()) } catch { return .failure(error) }
        }
        answer = Answer(task: task, askedAt: .now)
        return task
    }
}
