// SPDX-License-Identifier: Apache-2.0

/// What is known of the data so far.
enum Accumulator {
    case count(Int64)
    case sum(Sum)
    case min(Value?)
    case max(Value?)
    case mean(Sum, count: Int64)
    case standardDeviation(Moments)

    mutating func add(_ value: Value) throws(NativeError) {
        switch self {
        case .count(let count): self = .count(count + 1)
        case .sum(var sum):
            try sum.add(value)
            self = .sum(sum)
        case .min(let known):
            guard let known else { return self = .min(value) }
            if try value.compare(known) == .less { self = .min(value) }
        case .max(let known):
            guard let known else { return self = .max(value) }
            if try value.compare(known) == .greater { self = .max(value) }
        case .mean(var sum, let count):
            try sum.add(value)
            self = .mean(sum, count: count + 1)
        case .standardDeviation(var moments):
            try moments.add(value)
            self = .standardDeviation(moments)
        }
    }

    /// `nil` where there is none, as of the mean of nothing.
    var result: Value? {
        switch self {
        case .count(let count): .int(count)
        case .sum(let sum): sum.value
        case .min(let value), .max(let value): value
        case .mean(let sum, let count): count == 0 ? nil : .double(sum.double / Double(count))
        case .standardDeviation(let moments): moments.deviation.map { .double($0) }
        }
    }
}

/// Integers are summed exactly, others with their rounding errors kept (Neumaier).
struct Sum {
    private var integers: Int128 = 0
    private var real: (sum: Double, error: Double)?

    mutating func add(_ value: Value) throws(NativeError) {
        guard let number = value.number else { throw NativeError("a number is due, not \(value.typeName) (\(value.summary(limit: 80)))") }
        if case .int(let value) = number {
            integers += Int128(value)
            return
        }
        let value = number.double
        var (sum, error) = real ?? (0, 0)
        let total = sum + value
        error += abs(sum) >= abs(value) ? (sum - total) + value : (value - total) + sum
        sum = total
        real = (sum, error)
    }

    var double: Double {
        guard let real else { return Double(integers) }
        let sum = real.sum + Double(integers)
        return sum.isFinite ? sum + real.error : sum
    }

    var value: Value { real == nil ? Value(integers) : .double(double) }
}

/// Mean and squared distances from it (Welford).
struct Moments {
    private var count = 0.0
    private var mean = 0.0
    private var distance = 0.0

    mutating func add(_ value: Value) throws(NativeError) {
        guard let number = value.number?.double else {
            throw NativeError("a number is due, not \(value.typeName) (\(value.summary(limit: 80)))")
        }
        count += 1
        let difference = number - mean
        mean += difference / count
        distance += difference * (number - mean)
    }

    /// Of a sample: there is none of a single number.
    var deviation: Double? { count > 1 ? (distance / (count - 1)).squareRoot() : nil }
}
