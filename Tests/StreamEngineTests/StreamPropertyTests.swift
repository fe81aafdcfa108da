// SPDX-License-Identifier: Apache-2.0

import StreamEngine
import Testing
import WorkflowModel

/// Random graphs on random ranks, with random delays and paces: whatever happens, every datum arrives where its grouping sends
/// it, in order, within the bounds, and every rank ends. A failure names the seed that repeats it.
struct StreamPropertyTests {
    private static func smallLimits(_ generator: inout SeededGenerator) -> StreamLimits {
        var limits = StreamLimits()
        limits.batchBytes = 100 + generator.below(400)
        limits.window = limits.batchBytes * (1 + generator.below(4))
        limits.inputBytes = limits.window * (1 + generator.below(4))
        limits.outputBytes = 500 + generator.below(2000)
        limits.unconsumedBatches = 1 + generator.below(4)
        limits.unconsumedBytes = limits.batchBytes * (1 + generator.below(3))
        return limits
    }

    /// What each destination must see of what one origin sent: the groupings once more, written down plainly.
    private static func expected(_ layout: Layout, origin: SimulatedWorker, _ sent: some Sequence<Item>) -> [Int: [Item]] {
        var turns: [Int: Int] = [:]
        var result: [Int: [Item]] = [:]
        for item in sent {
            let edge = layout.graph.edges[item.edge]
            guard let receiver = layout.graph.index(of: edge.to), let stage = layout.plan.stage(ofElement: receiver),
                let port = layout.graph.elements[receiver].inputs.first(where: { $0.name == edge.input })
            else { continue }
            let count = layout.plan.stages[stage].workers
            let replicas: [Int]
            switch port.grouping {
            case .all: replicas = Array(0..<count)
            case .global: replicas = [0]
            case .byKey: replicas = [Int(item.key % UInt64(count))]
            case .roundRobin:
                let turn = turns[item.edge] ?? layout.plan.workers[origin.number].replica
                turns[item.edge] = turn + 1
                replicas = [turn % count]
            }
            for replica in replicas {
                guard let worker = layout.plan.worker(stage: stage, replica: replica) else { continue }
                result[worker, default: []].append(item)
            }
        }
        return result
    }

    @Test(arguments: 0..<80)
    func everyDatumArrivesAsGroupedInOrderWithinBoundsAndAllEnds(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        let layout = Layout.random(&generator)
        let limits = Self.smallLimits(&generator)
        var paces = SeededGenerator(seed: generator.next())
        var simulation = try Simulation(
            layout: layout, limits: limits, items: 10 + generator.below(40), longestValue: 3 * limits.window, seed: generator.next(),
            checkpointEvery: seed.isMultiple(of: 2) ? 5 + generator.below(100) : nil,
            pace: { _ in paces.chance(0.2) ? 0.05 : Double.random(in: 0.2...1, using: &paces) })

        let ended = try simulation.run(steps: 60_000)
        #expect(ended, "seed \(seed): some rank never ended")
        #expect(simulation.network.isEmpty, "seed \(seed): messages are left after the end")

        let workers = simulation.workers
        for origin in workers {
            let expected = Self.expected(layout, origin: origin, origin.sent)
            for receiver in workers {
                for edge in layout.graph.edges.indices {
                    let seen = receiver.received.filter { Int($0.datum >> 32) == origin.number && $0.edge == edge }
                    #expect(
                        seen == (expected[receiver.number] ?? []).filter { $0.edge == edge },
                        "seed \(seed): worker \(receiver.number) did not receive from \(origin.number) what was meant for it")
                }
            }
        }

        Self.expectConsistent(workers, layout, "seed \(seed)")

        for worker in workers {
            let stage = layout.plan.workers[worker.number].stage
            let origins = workers.filter { origin in
                layout.graph.edges.indices.contains { edge in
                    let target = layout.graph.index(of: layout.graph.edges[edge].to).flatMap { layout.plan.stage(ofElement: $0) }
                    return origin.edges.contains(edge) && target == stage
                }
            }
            let fanOut = workers.count
            let output = limits.outputBytes + 3 * worker.largestFrame * fanOut
            #expect((simulation.mostOutput[worker.number] ?? 0) <= output, "seed \(seed): the output of \(worker.number) grew")
            let window = max(limits.batchBytes, min(limits.window, limits.inputBytes / max(1, origins.count)))
            let input = origins.reduce(0) { $0 + max(window, $1.largestFrame) }
            #expect((simulation.mostInput[worker.number] ?? 0) <= input, "seed \(seed): the input of \(worker.number) grew")
            #expect(worker.mostBatches <= limits.unconsumedBatches, "seed \(seed): worker \(worker.number) was given too much")
        }
    }

    /// At a checkpoint each receiver has consumed just what each origin had sent by its own part of it.
    /// - Returns: how many checkpoints are complete.
    @discardableResult
    private static func expectConsistent(_ workers: [SimulatedWorker], _ layout: Layout, _ name: String) -> Int {
        let checkpoints = workers.first.map { first in
            first.parts.keys.filter { number in workers.allSatisfy { $0.parts[number] != nil } }
        }
        for checkpoint in checkpoints ?? [] {
            for origin in workers {
                let sent = origin.sent.prefix(origin.parts[checkpoint]?.sent ?? 0)
                let expected = expected(layout, origin: origin, sent)
                for receiver in workers {
                    let received = receiver.received.prefix(receiver.parts[checkpoint]?.received ?? 0)
                    for edge in layout.graph.edges.indices {
                        #expect(
                            received.filter { Int($0.datum >> 32) == origin.number && $0.edge == edge }
                                == (expected[receiver.number] ?? []).filter { $0.edge == edge },
                            "\(name): checkpoint \(checkpoint) of worker \(receiver.number) is not that of \(origin.number)")
                    }
                }
            }
        }
        return checkpoints?.count ?? 0
    }

    @Test(arguments: 0..<20) func checkpointsAreConsistentAlsoWhereStreamsMeet(seed: UInt64) throws {
        // Two sources of different pace, a diamond, and several instances on every step.
        let layout = Layout(
            stages: [(1, 1), (1, 1), (1, 3), (1, 2), (1, 2)],
            links: [
                (0, 0, 2, .roundRobin), (0, 0, 3, .byKey([.index(0)])), (1, 0, 3, .all), (2, 0, 4, .roundRobin),
                (3, 0, 4, .byKey([.index(0)])),
            ]
        ) { $0 % 3 }
        var simulation = try Simulation(
            layout: layout, limits: StreamLimits(), items: 400, longestValue: 200, seed: seed, checkpointEvery: 10
        ) {
            $0 == 1 ? 0.3 : 0.6
        }
        #expect(try simulation.run(steps: 20_000), "seed \(seed): some rank never ended")
        #expect(Self.expectConsistent(simulation.workers, layout, "seed \(seed)") >= 2)
    }

    @Test func aSlowConsumerHoldsAFastProducerBack() throws {
        var limits = StreamLimits()
        limits.batchBytes = 512
        limits.window = 2048
        limits.outputBytes = 2048
        let layout = Layout(stages: [(1, 1), (1, 1)], links: [(0, 0, 1, .roundRobin)]) { $0 }
        var simulation = try Simulation(layout: layout, limits: limits, items: 20_000, longestValue: 40, seed: 7) { $0 == 0 ? 1 : 0.05 }
        #expect(try simulation.run(steps: 400) == false)
        let producer = try #require(simulation.workers.first)
        let consumer = try #require(simulation.workers.last)
        #expect(producer.remaining > 10_000, "the producer ran ahead")
        #expect(consumer.received.count > 0)
        #expect((simulation.mostOutput[0] ?? 0) < 4096)
        #expect((simulation.mostInput[1] ?? 0) <= 2048)
    }

    @Test func aKeyIsNeverSplitBetweenInstances() throws {
        let layout = Layout(
            stages: [(1, 1), (1, 3), (1, 3)], links: [(0, 0, 1, .roundRobin), (1, 0, 2, .byKey([.index(0)]))]
        ) { $0 % 4 }
        for seed in 0..<30 as Range<UInt64> {
            var simulation = try Simulation(layout: layout, limits: StreamLimits(), items: 50, longestValue: 200, seed: seed) { _ in 0.7 }
            #expect(try simulation.run(steps: 5000), "seed \(seed)")
            let counters = simulation.workers.suffix(3)
            for key in 0..<17 as Range<UInt64> {
                let holders = counters.filter { $0.received.contains { $0.key == key } }
                #expect(holders.count <= 1, "seed \(seed): key \(key) is split")
            }
            let words = simulation.workers[1...3].reduce(0) { $0 + $1.sent.count }
            #expect(counters.reduce(0) { $0 + $1.received.count } == words)
        }
    }
}
