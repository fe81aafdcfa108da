// SPDX-License-Identifier: Apache-2.0

import CoreMetrics
import Foundation
import Testing

@testable import Telemetry

@Suite struct PrometheusRegistryTests {
    /// Fails, and does not skip, where `promtool` (Debian's package prometheus) is missing.
    private func promtool(_ text: String) throws -> (status: Int32, output: String) {
        let folder = FileManager.default.temporaryDirectory
        let (input, output) = (folder.appending(path: "metrics-\(UUID().uuidString)"), folder.appending(path: "lint-\(UUID().uuidString)"))
        defer { for file in [input, output] { try? FileManager.default.removeItem(at: file) } }
        try Data(text.utf8).write(to: input)
        try Data().write(to: output)
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/promtool")
        process.arguments = ["check", "metrics"]
        process.standardInput = try FileHandle(forReadingFrom: input)
        let handle = try FileHandle(forWritingTo: output)
        process.standardOutput = handle
        process.standardError = handle
        try process.run()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: try Data(contentsOf: output), as: UTF8.self))
    }

    private func lines(_ registry: PrometheusRegistry, _ name: String) async -> [String] {
        await registry.render().split(separator: "\n").map(String.init).filter { $0.hasPrefix(name) }
    }

    @Test func promtoolAcceptsEveryKindOfMetric() async throws {
        let registry = PrometheusRegistry()
        registry.describe("weft_runs_submitted", help: "Runs that were submitted.")
        registry.describe("weft_ingest_bytes", help: "Size of ingested \\ segments,\nin bytes.", buckets: [1024, 65536])
        Counter(label: "weft_runs_submitted", dimensions: [("kind", "a \"b\"\\\n")], factory: registry).increment(by: 3)
        FloatingPointCounter(label: "weft.cpu.seconds", factory: registry).increment(by: 0.5)
        Gauge(label: "weft_queue_depth", factory: registry).record(7)
        Meter(label: "http.server.activeRequests", factory: registry).increment()
        Recorder(label: "weft_ingest_bytes", factory: registry).record(5000)
        Timer(label: "http.server.request.duration", dimensions: [("le", "odd")], factory: registry).recordMilliseconds(30)
        registry.addCollector("weft_runs", help: "Runs by state.") {
            [.init(2, [("state", "queued")]), .init(.nan, [("state", "failed")])]
        }
        let text = await registry.render()
        let result = try promtool(text)
        #expect(result.status == 0 && result.output.isEmpty, "\(result.output)\n\(text)")
        // The check can fail: the same text without its HELP lines does not pass.
        let bare = text.split(separator: "\n").filter { !$0.hasPrefix("# HELP") }.joined(separator: "\n") + "\n"
        #expect(try promtool(bare).status != 0)
    }

    @Test func linesSayWhatWasRecorded() async {
        let registry = PrometheusRegistry(buckets: [0.1, 1])
        registry.describe("requests", help: "Requests.")
        Counter(label: "requests", dimensions: [("b", "2"), ("a", "1")], factory: registry).increment()
        Counter(label: "requests", dimensions: [("a", "1"), ("b", "2")], factory: registry).increment(by: 2)
        let timer = Timer(label: "duration", factory: registry)
        for milliseconds in [50, 500, 5000] { timer.recordMilliseconds(milliseconds) }
        #expect(await lines(registry, "requests") == [#"requests_total{a="1",b="2"} 3"#])
        #expect(await lines(registry, "# HELP requests") == ["# HELP requests_total Requests."])
        #expect(
            await lines(registry, "duration") == [
                #"duration_seconds_bucket{le="0.1"} 1"#, #"duration_seconds_bucket{le="1"} 2"#, #"duration_seconds_bucket{le="+Inf"} 3"#,
                "duration_seconds_sum 5.55", "duration_seconds_count 3",
            ])
    }

    @Test func describedMetricsHaveTheirOwnBuckets() async {
        let registry = PrometheusRegistry()
        registry.describe("wait", help: "Wait.", buckets: [60, 3600])
        Timer(label: "wait", factory: registry).recordSeconds(90)
        #expect(
            await lines(registry, "wait_seconds_bucket") == [
                #"wait_seconds_bucket{le="60"} 0"#, #"wait_seconds_bucket{le="3600"} 1"#, #"wait_seconds_bucket{le="+Inf"} 1"#,
            ])
    }

    @Test func aFamilyIsCappedAndWhatIsRefusedIsCounted() async {
        let registry = PrometheusRegistry(maximumSeries: 10)
        for number in 0..<25 { Counter(label: "hits", dimensions: [("user", "\(number)")], factory: registry).increment() }
        Counter(label: "other", factory: registry).increment()
        #expect(await lines(registry, "hits_total").count == 10)
        #expect(await lines(registry, "other_total") == ["other_total 1"])
        #expect(await lines(registry, PrometheusRegistry.refusedSeries) == [#"weft_metrics_refused_series_total{family="hits_total"} 15"#])
        // A series that was there before the cap was reached goes on.
        Counter(label: "hits", dimensions: [("user", "0")], factory: registry).increment()
        #expect(await lines(registry, #"hits_total{user="0"}"#) == [#"hits_total{user="0"} 2"#])
    }

    @Test func collectorsAreCappedToo() async {
        let registry = PrometheusRegistry(maximumSeries: 3)
        registry.addCollector("many", help: "Many.") { (0..<5).map { .init(1, [("n", "\($0)")]) } }
        let text = await registry.render()
        #expect(text.matches(of: /many\{n=/).count == 3)
        #expect(text.contains(#"weft_metrics_refused_series_total{family="many"} 2"#))
    }

    @Test func twoTypesUnderOneNameDoNotMix() async throws {
        let registry = PrometheusRegistry()
        Gauge(label: "depth", factory: registry).record(1)
        Timer(label: "depth_seconds", factory: registry).recordSeconds(1)
        Gauge(label: "depth_seconds", factory: registry).record(9)
        #expect(await lines(registry, "depth_seconds_count") == ["depth_seconds_count 1"])
        #expect(await !registry.render().contains("\ndepth_seconds 9"))
        #expect(try promtool(await registry.render()).status == 0)
    }

    @Test func aCollectorThatFailsIsCountedAndTheRestIsShown() async {
        struct Unavailable: Error {}
        let registry = PrometheusRegistry()
        registry.addCollector("broken", help: "Broken.") { throw Unavailable() }
        registry.addCollector("whole", help: "Whole.") { [.init(4)] }
        #expect(await lines(registry, "whole") == ["whole 4"])
        #expect(await !registry.render().contains("broken"))
        #expect(await lines(registry, PrometheusRegistry.failedCollections) == ["weft_metrics_failed_collections_total 3"])
    }

    @Test func destroyedMetricsDisappear() async {
        let registry = PrometheusRegistry()
        let counter = Counter(label: "gone", factory: registry)
        counter.increment()
        #expect(await lines(registry, "gone").count == 1)
        counter.destroy()
        #expect(await lines(registry, "gone").isEmpty)
    }

    @Test func theProcessIsDescribed() async throws {
        let registry = PrometheusRegistry()
        func value(_ name: String) async throws -> Double {
            try #require(await lines(registry, name).first?.split(separator: " ").last.flatMap { Double($0) })
        }
        #expect(try await (1 << 20..<1 << 36).contains(Int(value("process_resident_memory_bytes"))))
        #expect(try await value("process_virtual_memory_bytes") >= value("process_resident_memory_bytes"))
        #expect(try await value("process_cpu_seconds_total") > 0)
        #expect(try await value("process_open_fds") > 2)
        #expect(try await value("process_max_fds") >= value("process_open_fds"))
        let age = Date().timeIntervalSince1970 - (try await value("process_start_time_seconds"))
        #expect((-5..<3600).contains(age))
    }

    @Test(arguments: [
        ("http.server.activeRequests", "http_server_active_requests"), ("9lives", "_9lives"), ("", "_"), ("a-b c", "a_b_c"),
        ("HTTPRequests", "httprequests"), ("ünï", "_n_"),
    ])
    func labelsBecomeNames(label: String, name: String) { #expect(MetricName.sanitised(label) == name) }
}
