// SPDX-License-Identifier: Apache-2.0

/// Names as Prometheus wants them.
enum MetricName {
    /// `http.server.activeRequests` becomes `http_server_active_requests`.
    static func sanitised(_ label: String) -> String {
        var name = ""
        var previousIsLower = false
        for scalar in label.unicodeScalars {
            switch scalar {
            case "a"..."z", "0"..."9":
                if name.isEmpty, ("0"..."9").contains(scalar) { name = "_" }
                name.unicodeScalars.append(scalar)
            case "A"..."Z":
                if previousIsLower { name += "_" }
                name += String(scalar).lowercased()
            default: name += "_"
            }
            previousIsLower = ("a"..."z").contains(scalar) || ("0"..."9").contains(scalar)
        }
        return name.isEmpty ? "_" : name
    }

    static func with(suffix: String, _ name: String) -> String { name.hasSuffix(suffix) ? name : name + suffix }

    static func base(_ name: String) -> String {
        for suffix in ["_total", "_seconds"] where name.hasSuffix(suffix) { return String(name.dropLast(suffix.count)) }
        return name
    }

    /// Help text for a metric that nobody described.
    static func words(_ name: String) -> String {
        name.split(separator: "_").joined(separator: " ") + "."
    }
}

/// The labels that tell one series of a family from the others.
struct LabelSet: Hashable, Comparable {
    /// As between the braces of a line.
    let text: String

    init(_ labels: [(String, String)]) {
        // `le` belongs to the buckets of histograms. Of two labels that become one name the last counts.
        let values = Dictionary(labels.map { (MetricName.sanitised($0), $1) }) { $1 }
        text = values.sorted { $0.key < $1.key }
            .map { "\($0.key == "le" ? "le_" : $0.key)=\"\(PrometheusText.escaped($0.value, quote: true))\"" }
            .joined(separator: ",")
    }

    static func < (a: LabelSet, b: LabelSet) -> Bool { a.text < b.text }
}

/// A family with the values it has at one moment.
struct RenderedFamily {
    struct Sample {
        /// `_bucket`, `_sum` and `_count` of a histogram.
        var suffix = ""
        var upperBound: Double?
        var value: Double
    }

    var kind: PrometheusRegistry.Kind
    var help: String
    var series: [(labels: LabelSet, samples: [Sample])]

    func text(name: String) -> String {
        guard !series.isEmpty else { return "" }
        var text = "# HELP \(name) \(PrometheusText.escaped(help, quote: false))\n# TYPE \(name) \(kind.rawValue)\n"
        for (labels, samples) in series.sorted(by: { $0.labels < $1.labels }) {
            for sample in samples {
                let bound = sample.upperBound.map { "le=\"\(PrometheusText.number($0))\"" }
                let inner = [labels.text.isEmpty ? nil : labels.text, bound].compactMap { $0 }.joined(separator: ",")
                text += "\(name)\(sample.suffix)\(inner.isEmpty ? "" : "{\(inner)}") \(PrometheusText.number(sample.value))\n"
            }
        }
        return text
    }
}

enum PrometheusText {
    static func escaped(_ text: String, quote: Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quote: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return value == value.rounded() && abs(value) < 0x1p53 ? String(Int64(value)) : String(value)
    }
}
