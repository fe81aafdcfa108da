// SPDX-License-Identifier: Apache-2.0

package import CoreMetrics
import Synchronization

/// The process's metrics, kept in memory as a swift-metrics backend and rendered in Prometheus' text format.
///
/// Labels become snake case names with the suffixes Prometheus asks for: `_total` for counters, `_seconds` for timers.
package final class PrometheusRegistry: MetricsFactory, Sendable {
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"
    package static let refusedSeries = "weft_metrics_refused_series_total"
    package static let failedCollections = "weft_metrics_failed_collections_total"

    /// One value of a gauge that is read when it is asked for.
    package struct Sample: Sendable {
        package var labels: [(String, String)]
        package var value: Double

        package init(_ value: Double, _ labels: [(String, String)] = []) {
            self.value = value
            self.labels = labels
        }
    }

    enum Kind: String { case counter, gauge, histogram }

    private struct Description {
        var help: String
        var buckets: [Double]?
    }

    private struct Family {
        var kind: Kind
        var help: String
        var buckets: [Double]
        var series: [LabelSet: any Series] = [:]
    }

    private struct Collector {
        var name: String
        var help: String
        var collect: @Sendable () async throws -> [Sample]
    }

    private struct State {
        /// By base name: without `_total` and `_seconds`.
        var descriptions: [String: Description] = [:]
        var families: [String: Family] = [:]
        var collectors: [Collector] = []
        var failedCollections = 0
        /// Series that were not made, by family.
        var refused: [String: Int] = [:]
    }

    private let state = Mutex(State())
    private let maximumSeries: Int
    private let defaultBuckets: [Double]

    /// - Parameters:
    ///   - maximumSeries: label combinations in one family; more are counted in `weft_metrics_refused_series_total`.
    ///   - buckets: upper bounds of histograms that are not described with their own.
    package init(
        maximumSeries: Int = 500, buckets: [Double] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
    ) {
        self.maximumSeries = maximumSeries
        defaultBuckets = buckets
    }

    /// Says what a metric means, and for a histogram where its buckets end. Call it before the metric is first used.
    package func describe(_ name: String, help: String, buckets: [Double]? = nil) {
        let base = MetricName.base(MetricName.sanitised(name))
        state.withLock { $0.descriptions[base] = Description(help: help, buckets: buckets?.sorted()) }
    }

    /// Adds a gauge whose values are collected at each scrape. `collect` has to bound its own waiting.
    package func addCollector(_ name: String, help: String, collect: @escaping @Sendable () async throws -> [Sample]) {
        state.withLock { $0.collectors.append(Collector(name: MetricName.sanitised(name), help: help, collect: collect)) }
    }

    // MARK: Rendering

    /// The body of `GET /metrics`.
    package func render() async -> String {
        var families = await collected()
        let (kept, refused, failed) = state.withLock { ($0.families, $0.refused, $0.failedCollections) }
        for (name, family) in kept {
            families[name] = RenderedFamily(
                kind: family.kind, help: family.help,
                series: family.series.map { labels, series in (labels, series.samples()) })
        }
        families[Self.refusedSeries] = RenderedFamily(
            kind: .counter, help: "Series not kept because their metric has too many, or has another type.",
            series: refused.map { (LabelSet([("family", $0.key)]), [.init(value: Double($0.value))]) })
        families[Self.failedCollections] = RenderedFamily(
            kind: .counter, help: "Gauges that could not be collected for a scrape.",
            series: [(LabelSet([]), [.init(value: Double(failed))])])
        families.merge(ProcessMetrics.read()) { kept, _ in kept }
        return families.sorted { $0.key < $1.key }.map { $1.text(name: $0) }.joined()
    }

    private func collected() async -> [String: RenderedFamily] {
        var families: [String: RenderedFamily] = [:]
        for collector in state.withLock({ $0.collectors }) {
            do {
                let samples = try await collector.collect()
                let series = Dictionary(samples.prefix(maximumSeries).map { (LabelSet($0.labels), $0.value) }) { $1 }
                if samples.count > maximumSeries { refuse(samples.count - maximumSeries, in: collector.name) }
                families[collector.name] = RenderedFamily(
                    kind: .gauge, help: collector.help, series: series.map { ($0.key, [.init(value: $0.value)]) })
            } catch {
                state.withLock { $0.failedCollections += 1 }
            }
        }
        return families
    }

    private func refuse(_ count: Int, in family: String) {
        state.withLock { $0.refused[family, default: 0] += count }
    }

    // MARK: MetricsFactory

    private func series<S: Series>(
        _ label: String, _ dimensions: [(String, String)], _ kind: Kind, suffix: String = "", _ make: (_ buckets: [Double]) -> S
    ) -> S {
        let name = MetricName.with(suffix: suffix, MetricName.sanitised(label))
        let labels = LabelSet(dimensions)
        return state.withLock { state in
            let description = state.descriptions[MetricName.base(name)]
            var family =
                state.families[name]
                ?? Family(
                    kind: kind, help: description?.help ?? MetricName.words(name), buckets: description?.buckets ?? defaultBuckets)
            if let known = family.series[labels] as? S { return known }
            let new = make(family.buckets)
            // A series that is refused still works for its holder; it is only not shown.
            guard family.kind == kind, family.series[labels] == nil, family.series.count < maximumSeries else {
                state.refused[name, default: 0] += 1
                return new
            }
            family.series[labels] = new
            state.families[name] = family
            return new
        }
    }

    private func remove(_ handler: AnyObject) {
        state.withLock { state in
            state.families = state.families.mapValues { family in
                var family = family
                family.series = family.series.filter { $0.value !== handler }
                return family
            }
        }
    }

    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(label, dimensions, .counter, suffix: "_total") { _ in Count() }
    }

    package func makeFloatingPointCounter(label: String, dimensions: [(String, String)]) -> any FloatingPointCounterHandler {
        series(label, dimensions, .counter, suffix: "_total") { _ in Level() }
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(label, dimensions, .gauge) { _ in Level() }
    }

    package func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        aggregate
            ? series(label, dimensions, .histogram) { Histogram($0) } as any RecorderHandler
            : series(label, dimensions, .gauge) { _ in Level() }
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(label, dimensions, .histogram, suffix: "_seconds") { Histogram($0) }
    }

    package func destroyCounter(_ handler: any CounterHandler) { remove(handler) }
    package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { remove(handler) }
    package func destroyMeter(_ handler: any MeterHandler) { remove(handler) }
    package func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }
    package func destroyTimer(_ handler: any TimerHandler) { remove(handler) }
}
