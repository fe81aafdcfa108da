// SPDX-License-Identifier: Apache-2.0

import Storage
package import WorkflowModel

extension ExecutionService {
    package static let maximumTraceDepth = 1000
    private static let maximumTraceSteps = 10_000

    package func provenance(of id: RunID, attempt: Int?, for principal: Principal) async throws(Problem) -> ProvenanceSummary {
        let number = try await attemptNumber(attempt, of: id, for: principal)
        return try await stored { try await storage.provenanceSummary(id, attempt: number) }
    }

    /// `element` is a PE's id or name.
    package func data(of id: RunID, attempt: Int?, element: String?, page: PageRequest, for principal: Principal)
        async throws(Problem) -> Page<DatumRecord>
    {
        let number = try await attemptNumber(attempt, of: id, for: principal)
        return try await stored { try await storage.data(id, attempt: number, element: element, page: page) }
    }

    /// Calls that failed or were skipped. `outcome` nil: both.
    package func failedInvocations(
        of id: RunID, attempt: Int?, outcome: FailedInvocation.Outcome?, page: PageRequest, for principal: Principal
    ) async throws(Problem) -> Page<FailedInvocation> {
        let number = try await attemptNumber(attempt, of: id, for: principal)
        return try await stored { try await storage.failedInvocations(id, attempt: number, outcome: outcome, page: page) }
    }

    package func trace(_ datum: DatumReference, direction: TraceDirection, depth: Int, for principal: Principal)
        async throws(Problem) -> Trace
    {
        guard (1...Self.maximumTraceDepth).contains(depth) else {
            throw Problem(
                .invalid, "A trace goes from 1 to \(Self.maximumTraceDepth) hops.", errors: [.init("depth", "is \(depth)")])
        }
        _ = try await attemptNumber(datum.attempt, of: datum.run, for: principal)
        guard
            let trace = try await stored({
                try await storage.trace(datum, direction: direction, depth: depth, limit: Self.maximumTraceSteps)
            })
        else { throw Problem(.notFound, "\(datum.run) attempt \(datum.attempt) has no datum \(datum.datum).") }
        return trace
    }
}
