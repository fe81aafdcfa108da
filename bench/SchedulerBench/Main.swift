// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Measures the scheduler where no launcher or log could: how fast a pass decides on a large cluster with a long queue, and how fast
/// decisions go through Postgres. Prints JSON; `bench/scheduler.py` runs it.
@main
struct SchedulerBench {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        switch arguments.first {
        case "decisions"?:
            let (nodes, queued) = (number(arguments, 1, 10_000), number(arguments, 2, 100_000))
            try show(DecisionBench(nodes: nodes, queued: queued, isMemoryBound: false).run())
            try show(DecisionBench(nodes: nodes, queued: queued, isMemoryBound: true).run())
        case "storage"? where arguments.count >= 2:
            try show(await StorageBench(conninfo: Array(arguments)[1], nodes: number(arguments, 2, 10_000)).run())
        default:
            FileHandle.standardError.write(Data("usage: scheduler-bench decisions [NODES QUEUED] | storage CONNINFO [NODES]\n".utf8))
            exit(2)
        }
    }

    private static func number(_ arguments: ArraySlice<String>, _ place: Int, _ otherwise: Int) -> Int {
        arguments.count > place ? Int(Array(arguments)[place]) ?? otherwise : otherwise
    }

    private static func show(_ figures: [String: Double]) throws {
        let data = try JSONSerialization.data(withJSONObject: figures, options: [.sortedKeys])
        print(String(decoding: data, as: UTF8.self))
    }
}
