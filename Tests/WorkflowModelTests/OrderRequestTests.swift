// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import WorkflowModel

struct OrderRequestTests {
    private let now = Date(timeIntervalSince1970: 1_750_000_000)
    private let year: TimeInterval = 365.25 * 86400

    private func pointers(_ faults: [Problem.FieldError]) -> [String] { faults.map(\.pointer) }

    @Test func drainsHaveATimeToComeAndCordonsNone() {
        #expect(NodeOrderRequest(kind: .drain, by: now + 60, reason: "x").faults(now: now).isEmpty)
        #expect(NodeOrderRequest(kind: .drain).faults(now: now).isEmpty && NodeOrderRequest(kind: .cordon).faults(now: now).isEmpty)
        #expect(pointers(NodeOrderRequest(kind: .drain, by: now).faults(now: now)) == ["/by"])
        #expect(pointers(NodeOrderRequest(kind: .drain, by: now + 11 * year).faults(now: now)) == ["/by"])
        #expect(pointers(NodeOrderRequest(kind: .cordon, by: now + 60).faults(now: now)) == ["/by"])
        #expect(pointers(NodeOrderRequest(kind: .cordon, reason: String(repeating: "ä", count: 501)).faults(now: now)) == ["/reason"])
    }

    @Test func windowsHaveNodesThatAreThereAndTimesToCome() {
        func faults(
            _ name: String = "w", _ kind: ClusterWindow.Kind = .reservation, nodes: [String]? = ["n1"], from start: Double = 60,
            to end: Double = 120, users: [String]? = nil
        ) -> [String] {
            pointers(
                WindowRequest(name: name, kind: kind, nodes: nodes, start: now + start, end: now + end, users: users)
                    .faults(now: now, nodes: ["n1", "n2"]))
        }
        #expect(faults().isEmpty && faults("A.b_c-9", nodes: nil, from: -60, users: ["a@b@c"]).isEmpty)
        #expect(faults(nodes: ["n1", "n3", "n2", "n4"]) == ["/nodes/1", "/nodes/3"])
        #expect(faults(to: 60) == ["/end"] && faults(to: 59) == ["/end"] && faults(from: -60, to: -1) == ["/end"])
        #expect(faults(from: 60, to: 11 * year) == ["/end"])
        #expect(faults(from: -11 * year) == ["/start"])
        for name in ["", "a b", "a/b", "ä", String(repeating: "x", count: 201)] { #expect(faults(name) == ["/name"], "\(name)") }
        #expect(faults("w", .maintenance, users: ["a@b"]) == ["/users"] && faults("w", .maintenance, users: []).isEmpty)
        #expect(faults(users: ["a@b", "a", "@b", "a@"]) == ["/users/1", "/users/2", "/users/3"])
        #expect(faults("w", users: Array(repeating: "a@b", count: 1001)) == ["/users"])
    }

    @Test func quotasAreNotNegativeAndSharesMoreThanNothing() {
        func faults(_ change: (inout AccountRequest) -> Void) -> [String] {
            var request = AccountRequest()
            change(&request)
            return pointers(request.faults(name: "a", now: now))
        }
        #expect(faults { _ in }.isEmpty)
        #expect(faults { ($0.share, $0.ranks, $0.borrowedRanks, $0.memory, $0.rankHours, $0.since) = (0.1, 0, 0, 0, 0, now) }.isEmpty)
        #expect(
            faults { $0.share = 0 } == ["/share"] && faults { $0.share = -1 } == ["/share"] && faults { $0.share = .infinity } == ["/share"]
        )
        #expect(faults { $0.ranks = -1 } == ["/ranks"] && faults { $0.ranks = 1 << 31 } == ["/ranks"])
        #expect(faults { $0.borrowedRanks = 1 } == ["/borrowed_ranks"] && faults { $0.memory = -1 } == ["/memory"])
        #expect(faults { $0.rankHours = .nan } == ["/rank_hours"] && faults { $0.since = now } == ["/since"])
        for since in [Date(timeIntervalSince1970: -1), now + 11 * year] {
            #expect(faults { ($0.rankHours, $0.since) = (1, since) } == ["/since"])
        }
        #expect(faults { $0.parent = "a" } == ["/parent"])
    }

    @Test func anOrderShowsInTheStateOfANodeThatIsNotDown() throws {
        let order = NodeOrder(node: "n", kind: .drain, by: now, reason: "new memory", owner: "a@b", givenAt: now)
        func status(_ state: ClusterNode.State, _ reason: String? = nil, _ order: NodeOrder?, ranks: Int = 0) -> NodeStatus {
            NodeStatus(
                node: ClusterNode(name: "n", state: state, reason: reason, cores: 1, memory: 1, slots: 1), ranks: ranks, order: order)
        }
        #expect(status(.up, nil, order).node.state == .drained && status(.up, nil, order).node.reason == "new memory")
        #expect(status(.down, "no answer", order).node.state == .down && status(.down, "no answer", order).node.reason == "no answer")
        #expect(status(.up, nil, nil).node.state == .up && status(.up, nil, nil, ranks: 1).isIdle == false)
        let drained = status(.up, nil, order, ranks: 2)
        let json = try WireJSON.decode(JSONValue.self, from: WireJSON.encode(drained)).objectValue
        #expect(json?["idle"] == .bool(false) && json?["order"]?.objectValue?["kind"] == "drain")
        #expect(try WireJSON.decode(NodeStatus.self, from: WireJSON.encode(drained)) == drained)
    }

    @Test func accountsAreOneObjectWithWhatTheyUse() throws {
        let account = ShareAccount(
            name: "a", parent: "b", users: ["u@i"], share: 0.5, ranks: 3, borrowedRanks: 1, memory: 7, rankHours: 2.5, since: now)
        let status = AccountStatus(account: account, used: .init(ranks: 1, memory: 2, rankHours: 0.25))
        #expect(try WireJSON.decode(AccountStatus.self, from: WireJSON.encode(status)) == status)
        #expect(try WireJSON.decode(AccountRequest.self, from: WireJSON.encode(status)) == AccountRequest(account))
    }
}
