// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPClient
import Identity
import TestSupport
import Testing
import WorkflowModel

extension Integration {
    /// What operators order, from the command line to the database and back.
    @Suite(.serialized) struct OperatorTests {
        private func node(of weft: Installation) async throws -> NodeStatus {
            try #require(try await weft.json([NodeStatus].self, ["node", "list"]).first)
        }

        /// Expects a failure whose message has the words.
        private func expect(_ weft: Installation, _ command: String, exits status: Int, saying words: String...) async throws {
            let result = try await weft.weft(command.split(separator: " ").map(String.init))
            #expect(result.status == status, "\(command): \(result)")
            for word in words { #expect(result.error.contains(word), "\(command): \(result)") }
        }

        private func expectDone(_ weft: Installation, _ command: String) async throws {
            try await expect(weft, command, exits: 0)
        }

        @Test func nodesAreCordonedDrainedAndResumed() async throws {
            let weft = try await Installation.start(["--slots", "2"])
            let graph = try await weft.register("slow")
            let name = try await node(of: weft).node.name
            #expect(try await node(of: weft).order == nil)

            let cordon = try await weft.json([NodeOrder].self, ["node", "cordon", name, "--reason", "odd disk"])
            #expect(cordon.map(\.kind) == [.cordon] && cordon.first?.owner.contains("@") == true)
            let cordoned = try await node(of: weft)
            #expect(cordoned.node.state == .drained && cordoned.node.reason == "odd disk" && cordoned.isIdle)
            #expect(cordoned.order == cordon.first)
            try await expectDone(weft, "node drain \(name) --by +2h")
            let by = try #require(try await node(of: weft).order?.by)
            #expect(abs(by.timeIntervalSinceNow - 7200) < 60)
            try await expectDone(weft, "node resume \(name)")
            #expect(try await node(of: weft).node.state == .up)

            try await expect(weft, "node cordon nowhere", exits: 5, saying: "no node 'nowhere'", "weft node list")
            try await expect(weft, "node resume \(name)", exits: 5, saying: "no order")
            try await expect(weft, "node drain \(name) --by 2020-01-01T00:00:00Z", exits: 1, saying: "/by", "in the past")
            try await expect(weft, "node drain \(name) --by +600w", exits: 1, saying: "10 years")

            // What runs goes on; the drain is done when it has ended.
            let run = try await weft.submit([graph, "-d", #"{"Numbers": [{"count": 1000, "seconds": 1}]}"#, "-n", "2"])
            try await weft.wait(for: run, toBe: .running)
            try await expect(weft, "node drain \(name) --when-idle --wait --timeout 2", exits: 124, saying: "(2 ranks)", "still ranks")
            #expect(try await weft.show(run).state == .running)
            let busy = try await node(of: weft)
            #expect(busy.node.state == .drained && busy.ranks == 2 && !busy.isIdle)
            async let drained = weft.weft(["node", "drain", name, "--wait", "--timeout", "60"])
            _ = try await weft.weft(["run", "cancel", run])
            let result = try await drained
            #expect(result.status == 0 && result.error.contains("idle: \(name)"), "\(result)")
            #expect(try await node(of: weft).isIdle)
            #expect(try await weft.weft(["node", "list"]).output.contains("drained (idle)"))
            await weft.down()
        }

        @Test func windowsAndAccountsAreKept() async throws {
            let weft = try await Installation.start(["--slots", "2"])
            let name = try await node(of: weft).node.name
            let user = try await weft.weft(["auth", "status", "-q"]).output.trimmingCharacters(in: .whitespacesAndNewlines)

            try await expectDone(weft, "maintenance add power --all --from +1d --for 4h --reason UPS")
            try await expectDone(weft, "reserve course --nodes \(name) --from +2d --for 90m --users \(user),other@i")
            let power = try #require(try await weft.json([ClusterWindow].self, ["maintenance", "list"]).first)
            #expect(power.name == "power" && power.nodes.isEmpty && power.end == power.start + 4 * 3600 && power.reason == "UPS")
            let course = try #require(try await weft.json([ClusterWindow].self, ["reserve", "list"]).first)
            #expect(course.name == "course" && course.nodes == [name] && Set(course.users) == [user, "other@i"])
            try await expect(weft, "reserve other --all --from +25h --for 1h", exits: 1, saying: "maintenance 'power'", "/nodes")
            try await expect(weft, "reserve other --nodes \(name) --from +2d --for 1h", exits: 1, saying: "reservation 'course'")
            try await expect(weft, "maintenance add course --all --from now --for 1h", exits: 1, saying: "already", "/name")
            try await expect(weft, "reserve other --nodes a,\(name) --from now --for 1h", exits: 1, saying: "/nodes/0", "'a'")
            try await expect(weft, "reserve a/b --all --from now --for 1h", exits: 1, saying: "/name", "letters")
            try await expect(weft, "reserve other --all --from 2020-01-01T00:00:00Z --for 1h", exits: 1, saying: "/end", "past")
            try await expect(weft, "maintenance remove course", exits: 5, saying: "reservation")
            try await expect(weft, "reserve remove nothing", exits: 5, saying: "no window 'nothing'")
            try await expectDone(weft, "reserve remove course")
            try await expectDone(weft, "maintenance remove power")
            #expect(try await weft.weft(["reserve", "list"]).error.contains("No reservations"))

            try await expectDone(weft, "share set earth --share 2")
            try await expectDone(weft, "share set seismology --parent earth --users \(user)")
            try await expectDone(weft, "quota set seismology --ranks 64 --borrow 16 --memory 1.5 --rank-hours 0.5 --since now")
            let accounts = try await weft.json([AccountStatus].self, ["quota"])
            #expect(accounts.map(\.account.name) == ["earth", "seismology"] && accounts[0].account.share == 2)
            let account = try #require(accounts.last?.account)
            #expect(account.parent == "earth" && account.users == [user] && account.memory == 1536 && account.rankHours == 0.5)
            #expect(account.ranks == 64 && account.borrowedRanks == 16 && account.since != nil)
            try await expect(weft, "share set other --users \(user)", exits: 1, saying: "in one account", "'seismology'", "/users/0")
            try await expect(weft, "share set earth --parent seismology", exits: 1, saying: "circle", "earth is below seismology")
            try await expect(weft, "share set earth --parent nobody", exits: 1, saying: "/parent", "no account")
            try await expect(weft, "share set earth --share 0", exits: 1, saying: "/share")
            try await expect(weft, "share remove earth", exits: 1, saying: "'seismology'")
            // Of changes at once, each of another thing, none is lost.
            try await withThrowingTaskGroup { group in
                for change in [
                    "quota set seismology --ranks 7", "quota set seismology --memory 2", "quota set seismology --rank-hours 9",
                    "quota set seismology --borrow 3", "share set seismology --share 5", "share set seismology --users other@i",
                ] {
                    group.addTask { try await expectDone(weft, change) }
                }
                try await group.waitForAll()
            }
            let changed = try #require(try await weft.json([AccountStatus].self, ["quota"]).last?.account)
            #expect(changed.ranks == 7 && changed.memory == 2048 && changed.rankHours == 9 && changed.borrowedRanks == 3)
            #expect(changed.share == 5 && changed.users == ["other@i"] && changed.parent == "earth")
            try await expectDone(weft, "share remove seismology")
            try await expect(weft, "share remove seismology", exits: 5, saying: "no account")
            #expect(try await weft.weft(["share", "-q"]).output == "earth\n")
            await weft.down()
        }

        @Test func theSchedulerFollowsOrdersAtOnce() async throws {
            let weft = try await Installation.start(["--slots", "2"])
            let graph = try await weft.register("quick")
            let name = try await node(of: weft).node.name
            let user = try await weft.weft(["auth", "status", "-q"]).output.trimmingCharacters(in: .whitespacesAndNewlines)

            /// Each order holds a short run back until it is taken back.
            for (given, takenBack) in [
                ("node cordon \(name)", "node resume \(name)"), ("node drain \(name) --when-idle", "node resume \(name)"),
                ("node drain \(name) --by +1h", "node resume \(name)"),
                ("maintenance add m --all --from +1m --for 1h", "maintenance remove m"),
                ("reserve r --nodes \(name) --from now --for 4h", "reserve remove r"),
            ] {
                try await expectDone(weft, given)
                let run = try await weft.submit([graph, "--time-limit", "2h"])
                try await wait(for: "a reason under \(given)") { try await weft.show(run).pending?.reason.isEmpty == false }
                #expect(try await weft.json([QueueEntry].self, ["queue"]).map(\.id.description) == [run], "\(given)")
                try await expectDone(weft, takenBack)
                try await weft.wait(for: run, toBe: .succeeded)
            }
            // What is over before then still starts, and whoever may use a reservation.
            try await expectDone(weft, "maintenance add m --all --from +3h --for 1h")
            try await weft.wait(for: try await weft.submit([graph, "--time-limit", "2h"]), toBe: .succeeded)
            try await expectDone(weft, "reserve r --all --from now --for 150m --users \(user)")
            try await weft.wait(for: try await weft.submit([graph, "--time-limit", "2h", "--reservation", "r"]), toBe: .succeeded)
            try await expectDone(weft, "reserve remove r")

            try await expectDone(weft, "share set mine --users \(user)")
            try await expectDone(weft, "quota set mine --ranks 0")
            let held = try await weft.submit([graph, "--time-limit", "2h"])
            try await wait(for: "the quota's word") { try await weft.show(held).pending?.reason.contains("mine") == true }
            try await expectDone(weft, "quota set mine --ranks 1")
            try await weft.wait(for: held, toBe: .succeeded)
            await weft.down()
        }

        @Test func theQueueIsForAllAndOrdersForAdministrators() async throws {
            let weft = try await Installation.start(["--slots", "1"])
            let graph = try await weft.register("slow")
            let name = try await node(of: weft).node.name
            let inputs = #"{"Numbers": [{"count": 1000, "seconds": 1}]}"#
            let running = try await weft.submit([graph, "-d", inputs])
            try await weft.wait(for: running, toBe: .running)
            let waiting = try await weft.submit([graph, "-d", inputs, "--name", "mine", "--time-limit", "1h", "--priority", "low"])
            try await wait(for: "the scheduler to look") { try await weft.show(waiting).pending != nil }
            let own = try await weft.json([QueueEntry].self, ["queue"])
            #expect(own.map(\.id.description) == [waiting] && own.first?.position == 1 && own.first?.why?.isEmpty == false)
            #expect(own.first?.name == "mine" && own.first?.timeLimit == 3600 && own.first?.owner?.contains("@") == true)
            #expect(own.first?.priority == .low)
            #expect(try await weft.weft(["run", "show", waiting]).output.contains("priority low"))
            try await expectDone(weft, "plan \(graph) --priority high")

            let issuer = try SecurityTests().issuer(of: weft)
            let reader = try await issuer.token(subject: "bob", scopes: [.read, .submit])
            func asReader(_ command: String) async throws -> ProgramResult {
                try await weft.weft(command.split(separator: " ").map(String.init), environment: ["WEFT_TOKEN": reader])
            }
            let theirs = try WireJSON.decode([QueueEntry].self, from: try await asReader("queue -o json").output.utf8)
            #expect(theirs.map(\.id.description) == [waiting] && theirs.first?.owner == nil && theirs.first?.name == nil)
            for command in ["node list", "maintenance list", "quota", "share"] {
                #expect(try await asReader(command).status == 0, "\(command)")
            }
            for command in [
                "node cordon \(name)", "node resume \(name)", "maintenance add m --all --from now --for 1h", "quota set a --ranks 1",
                "share remove a",
            ] {
                let result = try await asReader(command)
                #expect(result.status == 4 && result.error.contains("weft.admin"), "\(command): \(result)")
            }
            for command in ["plan", "run submit"] {
                let result = try await asReader("\(command) \(graph) --priority high")
                #expect(result.status == 4 && result.error.contains("/needs/priority"), "\(command): \(result)")
                #expect(result.error.contains("weft.admin"))
            }
            // Whoever gave a high priority may give it again only while an administrator.
            let high = try await weft.submit([graph, "-d", inputs, "--priority", "high"])
            _ = try await weft.weft(["run", "cancel", high])
            let subject = try #require(own.first?.owner?.split(separator: "@").first.map(String.init))
            let user = try await issuer.token(subject: subject, scopes: [.read, .submit])
            for options in [[], ["--resume", "-o", "json"]] {
                let result = try await weft.weft(["run", "retry", high] + options, environment: ["WEFT_TOKEN": user])
                #expect(result.status == 4 && result.error.contains("/needs/priority"), "\(options): \(result)")
            }
            for run in [waiting, running] { _ = try await weft.weft(["run", "cancel", run]) }
            await weft.down()
        }

        @Test func aWaitIsScoredAndCounted() async throws {
            let weft = try await Installation.start(["--slots", "2"])
            let graph = try await weft.register("slow")
            let running = try await weft.submit([graph, "-d", #"{"Numbers": [{"count": 1000, "seconds": 1}]}"#, "--time-limit", "2h"])
            try await weft.wait(for: running, toBe: .running)
            let short = #"{"Numbers": [{"count": 2, "seconds": 0}]}"#
            let waiting = try await weft.submit([graph, "-d", short, "-n", "2", "--time-limit", "1h"])
            // There is room for it, and only the other's promise keeps it back.
            let narrow = try await weft.submit([graph, "-d", short, "--time-limit", "20h"])
            try await wait(for: "a forecast and a promise") {
                let run = try await weft.show(waiting)
                return run.predictions?.contains { $0.kind == .wait } == true && run.pending?.promisedStart != nil
            }
            let foretold = try #require(try await weft.show(waiting).predictions?.first { $0.kind == .wait })
            #expect(foretold.p50 > 6000 && foretold.p95 >= foretold.p50 && foretold.basis == .queue && foretold.actual == nil)
            let before = try await weft.metrics()
            #expect(before["weft_scheduler_waiting_runs"] == 2 && before["weft_scheduler_promises_made_total"] == 1)
            _ = try await weft.weft(["run", "cancel", running])
            for run in [waiting, narrow] { try await weft.wait(for: run, toBe: .succeeded) }
            let scored = try #require(try await weft.show(waiting).predictions?.first { $0.kind == .wait })
            let run = try await weft.show(waiting)
            let started = try #require(run.startedAt)
            #expect(abs((scored.actual ?? 0) - started.timeIntervalSince(run.submittedAt)) < 0.01)
            let metrics = try await weft.metrics()
            #expect(metrics[#"weft_predictions_scored_total{basis="queue",kind="wait",within_p95="true"}"#] == 2)
            #expect(metrics[#"weft_prediction_ratio_bucket{basis="queue",kind="wait",le="10"}"#] == 0, "they were to wait for hours")
            #expect(metrics["weft_scheduler_started_total"] == 3 && metrics["weft_scheduler_waiting_runs"] == 0)
            #expect(metrics["weft_scheduler_promises_broken_total"] == 0)
            await weft.down()
        }

        @Test func theFutureIsToldAndNothingChanged() async throws {
            let weft = try await Installation.start(["--slots", "1"])
            let graph = try await weft.register("slow")
            let name = try await node(of: weft).node.name
            let inputs = #"{"Numbers": [{"count": 1000, "seconds": 1}]}"#
            let idle = try await weft.json(QueueForecast.self, ["forecast", "queue"])
            #expect(idle.figures.jobs == 0 && idle.basis.pastRuns == 0 && idle.basis.note?.contains("No run has ended") == true)
            #expect(try await weft.json(RunWaitForecast.self, ["forecast", "wait", "--ranks", "1"]).p95 == 0)

            let running = try await weft.submit([graph, "-d", inputs, "--time-limit", "2h"])
            try await weft.wait(for: running, toBe: .running)
            let waiting = try await weft.submit([graph, "-d", inputs, "--time-limit", "1h"])
            try await wait(for: "the scheduler to look") { try await weft.show(waiting).pending?.latestStart != nil }

            let stored = try await weft.json(RunWaitForecast.self, ["forecast", "wait", waiting])
            #expect(stored.starts && (stored.p50 ?? 0) > 6000 && (stored.p95 ?? 0) >= (stored.p50 ?? 0) && stored.note != nil, "\(stored)")
            // It would come behind the one that waits.
            let another = try await weft.json(RunWaitForecast.self, ["forecast", "wait", "--ranks", "1", "--time", "1h"])
            #expect(another.starts && (another.p50 ?? 0) > 9000 && another.pastRuns == 0, "\(another)")
            let never = try await weft.json(RunWaitForecast.self, ["forecast", "wait", "--ranks", "2"])
            #expect(!never.starts && never.p50 == nil && never.note?.isEmpty == false, "\(never)")
            try await expect(weft, "forecast wait \(running)", exits: 1, saying: "does not wait")

            let queue = try await weft.json(QueueForecast.self, ["forecast", "queue", "--horizon", "12h", "--futures", "4"])
            #expect(queue.basis.horizon == 43_200 && queue.basis.futures == 4 && queue.figures.jobs == 1, "\(queue)")
            let more = try await weft.json(WhatIfAnswer.self, ["whatif", "--add", "1x\(name)"])
            #expect(more.base.meanWait > 6000 && more.changed.meanWait < 600 && more.changed.utilisation < more.base.utilisation, "\(more)")
            let less = try await weft.json(WhatIfAnswer.self, ["whatif", "--drain", name])
            #expect(less.base.unstarted == 0 && less.changed.unstarted == 1 && less.changed.p95Wait == nil, "\(less)")
            let advice = try await weft.json(AdviceAnswer.self, ["advise", "--target-p95-wait", "30m"])
            #expect(advice.isReached && advice.nodeHours == 24 && (advice.base.p95Wait ?? 0) > 6000, "\(advice)")
            #expect(advice.advice.action == .add && advice.advice.count == 1 && advice.advice.like == name)
            #expect(advice.advice.figures.p95Wait.map { $0 < 1800 } == true)
            let hook = try await weft.weft(["advise", "--target-p95-wait", "30m", "--like", name, "--hook"])
            let printed = try WireJSON.decode(ScalingAdvice.self, from: hook.output.utf8)
            #expect((printed.action, printed.count, printed.slots) == (.add, 1, 1))
            // With the target kept, nodes would be drained, were it known what comes.
            #expect(
                try await weft.json(AdviceAnswer.self, ["advise", "--target-p95-wait", "1d"]).advice.action == ScalingAdvice.Action.none)

            try await expect(weft, "whatif --add 1xnowhere", exits: 1, saying: "/like", "weft node list")
            try await expect(weft, "whatif --drain \(name) --at +8d --horizon 7d", exits: 1, saying: "/at", "horizon")
            try await expect(weft, "forecast queue --horizon 8d", exits: 1, saying: "horizon", "604800")
            let reader = try await SecurityTests().issuer(of: weft).token(subject: "bob", scopes: [.read])
            for (command, status) in [
                ("forecast queue", 0), ("forecast wait -n 1", 0), ("forecast wait \(waiting)", 5), ("whatif --policy easy", 4),
                ("advise --target-p95-wait 1h", 4),
            ] {
                let result = try await weft.weft(command.split(separator: " ").map(String.init), environment: ["WEFT_TOKEN": reader])
                #expect(result.status == status, "\(command): \(result)")
            }

            try await expectDone(weft, "reserve r --nodes \(name) --from +2d --for 4h")
            let endless = try await weft.weft(["run", "submit", graph, "-d", inputs, "--reservation", "r"])
            #expect(
                endless.status == 1 && endless.error.contains("/needs/time_limit") && endless.error.contains("at most 14385"), "\(endless)")
            let hopeless = try await weft.submit([graph, "-d", inputs, "--time-limit", "1h", "--reservation", "r"])
            try await expectDone(weft, "reserve remove r")
            try await wait(for: "the scheduler to give up") { try await weft.show(hopeless).pending?.reason.contains("never") == true }
            let refused = try await weft.json(RunWaitForecast.self, ["forecast", "wait", hopeless])
            #expect(!refused.starts && refused.p50 == nil && refused.note?.contains("its reservation") == true, "\(refused)")
            #expect(try await weft.json([NodeStatus].self, ["node", "list"]).map(\.order) == [nil])
            #expect(try await weft.show(waiting).state == .queued)
            for run in [hopeless, waiting, running] { _ = try await weft.weft(["run", "cancel", run]) }
            await weft.down()
        }
    }
}
