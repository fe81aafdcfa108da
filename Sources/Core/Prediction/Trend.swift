// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// One quantity of runs that ended, as a function of at most one number of their inputs: constant, in proportion, or a line.
///
/// Lines are Theil's and Sen's (the median of the slopes between all pairs), so that a few odd runs do not matter. Which number is
/// taken, and which form, the runs decide: each is predicted from the others, and a form needs to be clearly better than a simpler
/// one. How far these predictions were off gives the interval.
struct Trend: Sendable {
    /// One run.
    struct Sample: Sendable {
        var features: [String: Double]
        var value: Double
        /// The numbers as they were known beforehand, by which the run is foretold; absent: the same.
        var beforehand: [String: Double]?
    }

    /// What is believed of the quantity as long as too few runs can tell.
    enum Assumption: Sendable {
        case constant
        /// In proportion to this number.
        case proportional(to: String)
    }

    private enum Form: Hashable { case constant, proportional, linear }

    /// The latest runs that are looked at.
    static let depth = Experience.depth
    /// Runs that it takes to choose a form by them; a line takes two more.
    private static let enough = 2
    /// Runs from which on it counts how each is foretold by the others.
    static let telling = 4
    /// By so much a form's error must be less than a simpler one's, in all and in proportion.
    private static let gain = (absolute: 0.005, relative: 0.8)

    private let fit: Fit
    /// What each sample is predicted to be from the others, in their order.
    let foretold: [Double]
    /// Of each sample's value to that, growing.
    private let ratios: [Double]

    /// - Parameters:
    ///   - samples: the latest first.
    ///   - target: what a prediction is wanted for: only numbers that it has, too, are looked at.
    init?(_ samples: [Sample], for target: [String: Double], _ assumption: Assumption) {
        let samples = Array(samples.prefix(Self.depth))
        guard !samples.isEmpty else { return nil }
        let small = Self.median(samples.map { abs($0.value) }) * 1e-3 + 1e-12
        func off(_ sample: Sample, _ value: Double) -> Double { (sample.value + small) / (max(0, value) + small) }
        func error(_ ratios: [Double]) -> Double { Self.median(ratios.map { abs($0 - 1) / max(1, $0) }) }
        let shared = target.keys.filter { name in samples.allSatisfy { $0.features[name] != nil } }.sorted()
        let varied = shared.filter { name in
            let places = samples.compactMap { $0.features[name] }
            return (places.max() ?? 0) > (places.min() ?? 0) * 1.05
        }

        var best: (fit: Fit, foretold: [Double], ratios: [Double], error: Double)?
        func consider(_ form: Form, _ features: [String?]) {
            // All runs choose the number; only then is each foretold by the others.
            let fits = features.compactMap { Fit(form, of: $0, samples) }
            let errors = fits.map { fit in error(samples.map { off($0, fit.value($0.features)) }) }
            guard let place = errors.indices.min(by: { errors[$0] < errors[$1] }) else { return }
            let foretold = samples.indices.compactMap { index -> Double? in
                if samples.count == 1 { return samples[0].value }
                var others = samples
                let own = others.remove(at: index)
                return Fit(form, of: fits[place].feature, others)?.value(own.beforehand ?? own.features)
            }
            guard foretold.count == samples.count else { return }
            let ratios = zip(samples, foretold).map(off)
            let found = error(ratios)
            if let best, found > best.error * Self.gain.relative || found > best.error - Self.gain.absolute { return }
            best = (fits[place], foretold, ratios, found)
        }
        // Where the number does not vary, a constant is as good for the same number, and worse for any other.
        if case .proportional(let feature) = assumption, shared.contains(feature) { consider(.proportional, [feature]) }
        if best == nil || samples.count >= Self.enough { consider(.constant, [nil]) }
        if samples.count >= Self.enough {
            for form in [Form.proportional, .linear] {
                consider(form, varied.filter { !InputFeatures.isProduct($0) })
                consider(form, varied.filter(InputFeatures.isProduct))
            }
        }
        guard let best else { return nil }
        (fit, foretold, ratios) = (best.fit, best.foretold, best.ratios.sorted())
    }

    /// - Parameter quantile: from 0 to 1.
    /// - Returns: at most ``Prediction/most``.
    func value(_ features: [String: Double], quantile: Double) -> Double {
        Prediction.bounded(Prediction.bounded(fit.value(features)) * (quantile == 0.5 ? 1 : ratio(quantile)))
    }

    /// That so many of the ratios, with the one to come among them, do not exceed. Beyond those that have been seen it is guessed,
    /// the more boldly the fewer they are.
    private func ratio(_ quantile: Double) -> Double {
        let place = Int((quantile * Double(ratios.count + 1)).rounded(.up))
        if place <= ratios.count { return max(1, ratios[place - 1]) }
        return max(1, ratios[ratios.count - 1]) * (1 + 2 * quantile / Double(ratios.count + 1))
    }

    private struct Fit {
        let feature: String?
        private let base: Double
        private let slope: Double

        /// - Returns: nil where the samples have no such form.
        init?(_ form: Form, of feature: String?, _ samples: [Sample]) {
            self.feature = feature
            let points = samples.map { sample in (feature.flatMap { sample.features[$0] } ?? 0, sample.value) }
            switch form {
            case .constant: (base, slope) = (Trend.median(points.map(\.1)), 0)
            case .proportional:
                guard points.allSatisfy({ $0.0 > 0 }) else { return nil }
                (base, slope) = (0, Trend.median(points.map { $0.1 / $0.0 }))
            case .linear:
                var slopes: [Double] = []
                for (index, one) in points.enumerated() {
                    for other in points[(index + 1)...] where other.0 != one.0 { slopes.append((other.1 - one.1) / (other.0 - one.0)) }
                }
                let middle = Trend.median(slopes)
                slope = middle
                base = Trend.median(points.map { $0.1 - middle * $0.0 })
                // Neither shrinks with more input, nor is anything saved where there is none.
                guard slopes.count > 1, middle > 0, base >= 0 else { return nil }
            }
        }

        func value(_ features: [String: Double]) -> Double { base + slope * (feature.flatMap { features[$0] } ?? 0) }
    }

    static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return 0 }
        let middle = sorted.count / 2
        return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    }
}
