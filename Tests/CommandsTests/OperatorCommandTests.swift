// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Testing
import WorkflowModel

@testable import Commands

struct OperatorCommandTests {
    private let now = Date(timeIntervalSince1970: 1_750_000_000)

    private func parse<Command: ParsableArguments>(_ words: String, as type: Command.Type) throws -> Command {
        try #require(try Weft.parseAsRoot(words.split(separator: " ").map(String.init)) as? Command)
    }

    @Test func ordersForNodesAreRead() throws {
        let drain = try parse("node drain n1 n2 --by +2h --reason disk", as: NodeDrain.self)
        #expect(drain.arguments.nodes == ["n1", "n2"] && drain.by == .after(7200) && drain.reason == "disk" && !drain.wait)
        #expect(try parse("node drain n1 --when-idle --wait --timeout 60", as: NodeDrain.self).timeout == 60)
        #expect(try parse("node drain n1 --wait", as: NodeDrain.self).by == nil)
        #expect(try parse("node cordon n1 --reason x", as: NodeCordon.self).arguments.nodes == ["n1"])
        #expect(try parse("node resume n1 n2", as: NodeResume.self).arguments.nodes == ["n1", "n2"])
    }

    @Test func windowsAreRead() throws {
        let maintenance = try parse("maintenance add power --all --from +1h --for 4h --reason UPS", as: MaintenanceAdd.self)
        #expect(
            maintenance.window.request(maintenance.name, .maintenance, now: now)
                == WindowRequest(name: "power", kind: .maintenance, start: now + 3600, end: now + 5 * 3600, reason: "UPS"))
        let course = try parse("reserve course --nodes n1,n2 --from 2025-06-15T15:06:40Z --for 90m --users a@b,c@d", as: ReserveAdd.self)
        #expect(
            course.window.request(course.name, .reservation, users: course.users?.names, now: now)
                == WindowRequest(
                    name: "course", kind: .reservation, nodes: ["n1", "n2"], start: now, end: now + 5400, users: ["a@b", "c@d"]))
        #expect(try parse("reserve add list --all --from now --for 1d", as: ReserveAdd.self).name == "list")
        #expect(try parse("reserve remove course", as: ReserveRemove.self).name == "course")
        _ = try parse("reserve list -o json", as: ReserveList.self)
        _ = try parse("maintenance list", as: MaintenanceList.self)
        _ = try parse("queue --limit 0", as: QueueCommand.self)
    }

    @Test func whatIsNotNamedOfAnAccountStays() throws {
        _ = try parse("quota", as: QuotaShow.self)
        _ = try parse("share -q", as: ShareShow.self)
        let before = ShareAccount(
            name: "a", parent: "p", users: ["u@i"], share: 2, ranks: 8, borrowedRanks: 4, memory: 1024, rankHours: 5, since: now)
        var request = AccountRequest(before)
        try parse("quota set a --memory 1.5 --rank-hours 7", as: QuotaSet.self).change(&request, now: now + 60)
        #expect((request.memory, request.rankHours, request.ranks, request.since) == (1536, 7, 8, now))
        #expect((request.parent, request.users, request.share) == ("p", ["u@i"], 2))
        // Who has no quota of ranks borrows none, and what is not limited is not counted.
        try parse("quota set a --ranks none --rank-hours none", as: QuotaSet.self).change(&request, now: now)
        #expect((request.ranks, request.borrowedRanks, request.rankHours, request.since) == (nil, nil, nil, nil))
        try parse("quota set a --rank-hours 3 --since now", as: QuotaSet.self).change(&request, now: now + 60)
        #expect((request.rankHours, request.since) == (3, now + 60))
        try parse("share set a --parent none --users none --share 0.5", as: ShareSet.self).change(&request)
        #expect((request.parent, request.users, request.share, request.memory) == (nil, [], 0.5, 1536))
        try parse("share set a --users u@i,v@i", as: ShareSet.self).change(&request)
        #expect(request.users == ["u@i", "v@i"])
    }

    @Test(arguments: [
        "node drain", "node drain n1 --by +2h --when-idle", "node drain n1 --by +2h --wait", "node drain n1 --timeout 5",
        "node drain n1 --by soon",
        "node cordon", "node cordon n1 --by +2h", "node resume",
        "maintenance add", "maintenance add m --from now --for 1h", "maintenance add m --all --nodes a --from now --for 1h",
        "maintenance add m --all --for 1h", "maintenance add m --all --from now", "maintenance add m --all --from now --for 0",
        "maintenance add m --nodes a, --from now --for 1h", "maintenance add m --all --from now --for 1h --users a@b", "maintenance",
        "reserve", "reserve remove", "quota set", "quota set a", "quota set a --ranks many", "quota set a --memory -1", "share set a",
        "share remove",
    ])
    func wrongUsageExitsWithTwo(words: String) {
        #expect(throws: (any Error).self) {
            do {
                var command = try Weft.parseAsRoot(words.split(separator: " ").map(String.init))
                // A noun alone shows its help.
                try command.run()
                throw ValidationError("")
            } catch {
                #expect(ExitStatus(of: error) == (words == "maintenance" ? .ok : .usage))
                throw error
            }
        }
    }

    @Test func nodesShowTheirOrders() {
        func status(_ name: String, _ order: NodeOrder.Kind? = nil, by: Date? = nil, ranks: Int) -> NodeStatus {
            NodeStatus(
                node: ClusterNode(name: name, cores: 4, memory: 100, slots: 4), ranks: ranks,
                order: order.map { NodeOrder(node: name, kind: $0, by: by, reason: "disk", owner: "a@b", givenAt: now) })
        }
        #expect(
            NodeList.table([status("n1", ranks: 2), status("n2", .cordon, ranks: 0), status("n3", .drain, by: now, ranks: 3)]).render()
                == """
                NODE  STATE           ORDER                          RANKS  SLOTS  CORES   MEMORY  ARCHITECTURE  LABELS  REASON
                n1    up              -                                  2      4      4  100 MiB  -             -       -
                n2    drained (idle)  cordon                             0      4      4  100 MiB  -             -       disk
                n3    drained         drain by 2025-06-15 15:06:40Z      3      4      4  100 MiB  -             -       disk
                """)
    }

    @Test func windowsAreShownByTheirBeginning() {
        let windows = [
            ClusterWindow(
                name: "b", kind: .reservation, nodes: ["n1", "n2"], start: now + 60, end: now + 120, users: ["u@i"], owner: "a@b"),
            ClusterWindow(name: "a", kind: .maintenance, start: now - 60, end: now + 1, reason: "UPS", owner: "a@b"),
            ClusterWindow(name: "c", kind: .reservation, nodes: ["n1"], start: now - 120, end: now, owner: "a@b"),
        ]
        #expect(
            WindowRendering.table(windows, now: now).render() == """
                NAME  KIND         NODES  FROM                  TO                    STATE    USERS  OWNER  REASON
                c     reservation  n1     2025-06-15 15:04:40Z  2025-06-15 15:06:40Z  over     all    a@b    -
                a     maintenance  all    2025-06-15 15:05:40Z  2025-06-15 15:06:41Z  now      -      a@b    UPS
                b     reservation  n1 n2  2025-06-15 15:07:40Z  2025-06-15 15:08:40Z  to come  u@i    a@b    -
                """)
    }

    @Test func accountsAreATreeAndATable() {
        let accounts = [
            AccountStatus(
                account: ShareAccount(name: "air", parent: "top", users: ["u@i", "v@i"], share: 0.5), used: .init(ranks: 2, memory: 512)),
            AccountStatus(account: ShareAccount(name: "lone", parent: "hidden", ranks: 8, borrowedRanks: 2), used: .init()),
            AccountStatus(
                account: ShareAccount(name: "top", memory: 2048, rankHours: 10, since: now),
                used: .init(ranks: 2, memory: 512, rankHours: 1.26)),
        ]
        #expect(
            AccountRendering.shares(accounts).render() == """
                ACCOUNT  SHARE  RANKS  USERS
                lone         -      0  -
                top          -      2  -
                  air      0.5      2  u@i v@i
                """)
        #expect(
            AccountRendering.quotas(accounts).render() == """
                ACCOUNT  RANKS  QUOTA  BORROWS   MEMORY  QUOTA  RANK-HOURS  QUOTA  SINCE
                air          2      -        -  0.5 GiB      -           -      -  -
                lone         0      8        2    0 GiB      -           -      -  -
                top          2      -        -  0.5 GiB  2 GiB         1.3     10  2025-06-15 15:06:40Z
                """)
    }

    @Test func theQueueShowsWhoWaitsWhyAndUntilWhen() {
        let run = RunID(milliseconds: 1, random: [UInt8](repeating: 0, count: 10))
        let entries = [
            QueueEntry(
                id: run, position: 1, name: "mine", owner: "u@i", ranks: 4, memoryPerRank: 256, timeLimit: 5400, submittedAt: now,
                why: "no room",
                promisedStart: now + 3, expectedStart: now + 1, latestStart: now + 2),
            QueueEntry(
                id: run, position: nil, name: nil, owner: nil, ranks: 1, memoryPerRank: 1, timeLimit: nil, priority: .high,
                submittedAt: now,
                why: nil),
        ]
        let lines = QueueCommand.table(entries).render().split(separator: "\n")
        #expect(
            lines[1]
                == "       1  \(run)  mine  u@i        4  256 MiB  1 h 30 min  -         2025-06-15 15:06:40Z  2025-06-15 15:06:41Z  2025-06-15 15:06:42Z  "
                + "2025-06-15 15:06:43Z  no room")
        #expect(lines[2].hasPrefix("       -  \(run)  -     -          1    1 MiB           -  high      2025-06-15 15:06:40Z  -"))
    }

    @Test func aRunThatWaitsSaysWhenItShouldStart() {
        let waiting = Run(
            id: RunID(milliseconds: 1, random: [UInt8](repeating: 0, count: 10)), name: nil,
            graph: Reference(namespace: "demo", name: "x", version: "1"), state: .queued, owner: "me",
            resources: ResourceRequest(ranks: 1, memoryPerRank: 1), submittedAt: now,
            pending: Pending(reason: "no room", position: 2, promisedStart: now + 3, expectedStart: now + 1, latestStart: now + 2),
            attempts: [])
        let text = RunRendering.describe(waiting, now: now, terminal: Terminal(descriptor: -1, variables: [:]))
        #expect(text.contains("no room (position 2 in the queue)"))
        for (label, second) in [("should start", 1), ("19 of 20 times by", 2), ("starts at the latest", 3)] {
            #expect(text.split(separator: "\n").contains { $0.hasPrefix(label) && $0.hasSuffix("15:06:4\(second)Z") }, "\(label)")
        }
    }
}
