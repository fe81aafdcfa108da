// SPDX-License-Identifier: Apache-2.0

import Backends
import Scheduling
import WorkflowModel

extension RunNeeds {
    /// - Throws: `Problem` that names the field, for a priority that is not the caller's to give.
    func checkPriority(by principal: Principal) throws(Problem) {
        guard priority == .high, !principal.scopes.contains(.admin) else { return }
        throw Problem(
            .forbidden, "A high priority is for administrators to give.",
            errors: [.init("/needs/priority", "is high, which needs the scope weft.admin; write normal or low, or leave it out")])
    }
}

extension BackendCapabilities {
    /// What Weft's own scheduler gives beside the backend.
    mutating func addScheduling(by policy: NamedPolicy) {
        needs.insert(.reservation)
        switch policy.policy.order {
        case .wfp3: needs.insert(.priority)
        case .arrival: refusals[.priority] = "changes nothing under the policy \(policy.rawValue), which goes by arrival"
        }
    }
}
