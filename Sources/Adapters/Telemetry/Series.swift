// SPDX-License-Identifier: Apache-2.0

import CoreMetrics
import Synchronization

/// One line, or for a histogram one group of lines, of a family.
protocol Series: AnyObject, Sendable {
    func samples() -> [RenderedFamily.Sample]
}

final class Count: CounterHandler, Series {
    private let value = Atomic<Int64>(0)

    func increment(by amount: Int64) { value.wrappingAdd(amount, ordering: .relaxed) }
    func reset() { value.store(0, ordering: .relaxed) }
    func samples() -> [RenderedFamily.Sample] { [.init(value: Double(value.load(ordering: .relaxed)))] }
}

final class Level: MeterHandler, RecorderHandler, FloatingPointCounterHandler, Series {
    private let value = Mutex(0.0)

    func set(_ new: Int64) { set(Double(new)) }
    func set(_ new: Double) { value.withLock { $0 = new } }
    func record(_ new: Int64) { set(Double(new)) }
    func record(_ new: Double) { set(new) }
    func increment(by amount: Double) { value.withLock { $0 += amount } }
    func decrement(by amount: Double) { value.withLock { $0 -= amount } }
    func reset() { set(0.0) }
    func samples() -> [RenderedFamily.Sample] { [.init(value: value.withLock { $0 })] }
}

final class Histogram: TimerHandler, RecorderHandler, Series {
    private struct State {
        var counts: [Int]
        var sum = 0.0
    }

    private let bounds: [Double]
    private let state: Mutex<State>

    /// - Parameter bounds: upper bounds, ascending, without infinity.
    init(_ bounds: [Double]) {
        self.bounds = bounds
        state = Mutex(State(counts: Array(repeating: 0, count: bounds.count + 1)))
    }

    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }
    func record(_ value: Int64) { record(Double(value)) }

    func record(_ value: Double) {
        let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock {
            $0.counts[bucket] += 1
            $0.sum += value
        }
    }

    func samples() -> [RenderedFamily.Sample] {
        let state = state.withLock { $0 }
        var total = 0
        var samples: [RenderedFamily.Sample] = []
        for (count, bound) in zip(state.counts, bounds + [.infinity]) {
            total += count
            samples.append(.init(suffix: "_bucket", upperBound: bound, value: Double(total)))
        }
        return samples + [.init(suffix: "_sum", value: state.sum), .init(suffix: "_count", value: Double(total))]
    }
}
