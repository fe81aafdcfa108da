// SPDX-License-Identifier: Apache-2.0

import Backends
import Scheduling
import Testing
import WorkflowModel

@testable import ExecutionService

@Suite struct PriorityCheckTests {
    @Test func onlyAdministratorsGiveAHighOne() {
        func refusal(_ priority: RunNeeds.Priority?, _ scopes: Set<Scope>) -> Problem? {
            do {
                try RunNeeds(priority: priority).checkPriority(by: Principal(issuer: "i", subject: "u", scopes: scopes))
                return nil
            } catch { return error }
        }
        for priority in [nil, .low, .normal] as [RunNeeds.Priority?] { #expect(refusal(priority, [.read, .submit]) == nil) }
        #expect(refusal(.high, [.submit, .admin]) == nil)
        let problem = refusal(.high, [.read, .submit])
        #expect(problem?.kind == .forbidden && problem?.errors.map(\.pointer) == ["/needs/priority"])
        #expect(problem?.errors.first?.detail.contains("weft.admin") == true)
    }

    @Test(arguments: NamedPolicy.allCases) func anOrderThatWouldNotKeepItRefusesIt(policy: NamedPolicy) {
        var capabilities = BackendCapabilities(placing: .weft, needs: [.timeLimit], loadsModules: false)
        capabilities.addScheduling(by: policy)
        let isKept = policy == .wfp3 || policy == .weft
        #expect(capabilities.needs == (isKept ? [.timeLimit, .reservation, .priority] : [.timeLimit, .reservation]))
        #expect((capabilities.refusals[.priority] == nil) == isKept)
    }
}
