// SPDX-License-Identifier: Apache-2.0

import Backends
package import FoundationEssentials
import Storage
package import WorkflowModel

extension ExecutionService {
    /// What ran, and how long it had waited, in the order in which it was queued.
    /// - Parameters:
    ///   - since: queued then or later; absent: since ever.
    ///   - until: queued before.
    package func history(since: Date?, until: Date?, page: PageRequest) async throws(Problem) -> Page<HistoryEntry> {
        guard placing == .weft else {
            throw Problem(
                .conflict,
                "The cluster's own engine places runs here, and Weft does not know when it started them: ask the engine's accounting.")
        }
        let (first, end) = (since ?? HistoryRules.times.lowerBound, until ?? HistoryRules.times.upperBound)
        guard first < end else {
            throw Problem(
                .invalid, "No run can have been queued in this time.",
                errors: [.init("until", "is not after since, which is \(WireJSON.format(first)): give a later time, or leave one out")])
        }
        return try await stored { try await storage.history(queued: first..<end, page: page) }
    }
}
