// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// Keeps the largest (or smallest) data and writes them at the end, best first; of equal ones those that came first.
struct TopK: Operation {
    private let size: Int
    private let field: KeyPart?
    private let takesSmallest: Bool
    /// Best first.
    private var best: [(rank: Value, datum: Value)] = []
    private var written = 0

    init(size: Int, field: KeyPart?, smallest: Bool) {
        self.size = size
        self.field = field
        takesSmallest = smallest
    }

    mutating func process(_ value: Value?, _ outputs: inout Outputs) throws(NativeError) -> Progress {
        let datum = try value.required()
        let rank = try field.map { field throws(NativeError) in try datum.part(field) } ?? datum
        if rank.isNaN { return .done }
        if best.count == size, let last = best.last, try !isBetter(rank, last.rank) { return .done }
        var (low, high) = (0, best.count)
        while low < high {
            let middle = (low + high) / 2
            if try isBetter(rank, best[middle].rank) { high = middle } else { low = middle + 1 }
        }
        best.insert((rank, datum), at: low)
        if best.count > size { best.removeLast() }
        return .done
    }

    private func isBetter(_ left: Value, _ right: Value) throws(NativeError) -> Bool {
        try left.compare(right) == (takesSmallest ? .less : .greater)
    }

    mutating func finish(_ outputs: inout Outputs) throws(NativeError) -> Progress {
        while written < best.count, !outputs.isFull {
            outputs.write(best[written].datum)
            written += 1
        }
        return written < best.count ? .more : .done
    }
}

/// Takes data by chance: a share of them at once, or so many of all at the end.
struct Sample: Operation {
    enum Form { case share(Double), size(Int) }

    private let form: Form
    private var random: SplitMix64
    private var seen: UInt64 = 0
    private var reservoir: [Value] = []
    private var written = 0

    init(form: Form, seed: UInt64) {
        self.form = form
        random = SplitMix64(state: seed)
    }

    mutating func process(_ value: Value?, _ outputs: inout Outputs) throws(NativeError) -> Progress {
        let datum = try value.required()
        switch form {
        case .share(let share):
            if random.unit() < share { outputs.write(datum) }
        case .size(let size):
            seen += 1
            if reservoir.count < size {
                reservoir.append(datum)
            } else {
                let place = random.below(seen)
                if place < UInt64(size) { reservoir[Int(place)] = datum }
            }
        }
        return .done
    }

    mutating func finish(_ outputs: inout Outputs) throws(NativeError) -> Progress {
        while written < reservoir.count, !outputs.isFull {
            outputs.write(reservoir[written])
            written += 1
        }
        return written < reservoir.count ? .more : .done
    }
}

/// The generator of Steele, Lea and Flood: the same numbers from the same seed, everywhere.
struct SplitMix64 {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    /// From 0 up to 1.
    mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// From 0 up to the bound.
    mutating func below(_ bound: UInt64) -> UInt64 { next().multipliedFullWidth(by: bound).high }
}

/// Puts so many data that follow each other into a list; a new window begins every `step` data.
struct Window: Operation {
    private struct Pane {
        var data: [Value] = []
        /// To be passed over before the next window.
        var gap = 0
        /// At the end of `data`, those that no window has had yet.
        var fresh = 0
    }

    private let size: Int
    private let step: Int
    private let key: [KeyPart]?
    private let keepsPartial: Bool
    private var panes = Groups<Pane>()
    private var written = 0

    init(size: Int, step: Int, key: [KeyPart]?, partial: Bool) {
        self.size = size
        self.step = step
        self.key = key
        keepsPartial = partial
    }

    mutating func process(_ value: Value?, _ outputs: inout Outputs) throws(NativeError) -> Progress {
        let datum = try value.required()
        let key = try key.map { key throws(NativeError) in try datum.key(key) } ?? .null
        let (size, step) = (size, step)
        try panes.update(key, else: Pane()) { pane throws(NativeError) in
            guard pane.gap == 0 else {
                pane.gap -= 1
                return
            }
            pane.data.append(datum)
            pane.fresh += 1
            guard pane.data.count == size else { return }
            outputs.write(.list(pane.data))
            pane.fresh = 0
            pane.gap = max(0, step - size)
            pane.data.removeFirst(min(step, size))
        }
        guard panes.count <= Aggregate.maximumKeys else {
            throw NativeError("there are more than \(Aggregate.maximumKeys) keys: spread them over more instances, or choose a coarser key")
        }
        return .done
    }

    mutating func finish(_ outputs: inout Outputs) throws(NativeError) -> Progress {
        guard keepsPartial else { return .done }
        while written < panes.count, !outputs.isFull {
            let pane = panes[written].state
            written += 1
            if pane.fresh > 0 { outputs.write(.list(pane.data)) }
        }
        return written < panes.count ? .more : .done
    }
}

/// Lets the first datum of each key pass.
struct Deduplicate: Operation {
    private let key: [KeyPart]?
    /// Keys that are remembered; all of them where it is nil.
    private let memory: Int?
    private var known: Set<Value> = []
    /// In the order in which they came, as a ring once it is full.
    private var order: [Value] = []
    private var oldest = 0

    init(key: [KeyPart]?, memory: Int?) {
        self.key = key
        self.memory = memory
    }

    mutating func process(_ value: Value?, _ outputs: inout Outputs) throws(NativeError) -> Progress {
        let datum = try value.required()
        let key = try key.map { key throws(NativeError) in try datum.key(key) } ?? datum
        guard known.insert(key).inserted else { return .done }
        outputs.write(datum)
        guard let memory else {
            guard known.count <= Aggregate.maximumKeys else {
                throw NativeError("there are more than \(Aggregate.maximumKeys) different data: set 'memory' to forget the oldest")
            }
            return .done
        }
        if order.count < memory {
            order.append(key)
        } else {
            known.remove(order[oldest])
            order[oldest] = key
            oldest = (oldest + 1) % memory
        }
        return .done
    }
}
