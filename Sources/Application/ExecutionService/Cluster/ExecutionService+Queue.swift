// SPDX-License-Identifier: Apache-2.0

import Storage
package import WorkflowModel

extension ExecutionService {
    /// Runs that wait, in the order of the queue. Of the runs of others, only administrators see name and owner.
    package func queue(page: PageRequest, for principal: Principal) async throws(Problem) -> Page<QueueEntry> {
        try await stored { try await storage.queue(page: page, for: principal) }
    }
}
