// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing
import WorkflowModel

extension Integration {
    @Suite struct BackPressureTests {
        /// KiB. Interpreter and libraries, a full arena, and what is under way.
        static let limit = 120 << 10

        /// Peak resident memory in KiB, while the process lives.
        static func peakMemory(_ process: Int32) -> Int? {
            let status = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
            return status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }?.split(whereSeparator: \.isWhitespace).dropFirst().first
                .flatMap { Int($0) }
        }

        @Test(arguments: [1, 2]) func aSlowConsumerHoldsItsProducerBack(_ ranks: Int) async throws {
            let weft = try await Installation.start()
            let run = try await weft.submit([try await weft.register("flood"), "-n", "\(ranks)", "--layout", "spread"])
            var peak = 0
            try await wait(for: "the run to end", seconds: 90) {
                for process in Installation.processes(of: run) { peak = max(peak, Self.peakMemory(process) ?? 0) }
                return try await weft.show(run).state.isFinal
            }
            #expect(try await weft.show(run).state == .succeeded)
            let summary = try await weft.json(ProvenanceSummary.self, ["prov", "run", run])
            #expect(summary.elements.last?.instances.first?.dataIn == 3000)
            #expect(peak > 0 && peak < Self.limit, "the largest process of the run had \(peak) KiB")
            await weft.down()
        }
    }
}
