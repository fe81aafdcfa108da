// SPDX-License-Identifier: Apache-2.0

/// Labels and values, one a line, the values aligned.
struct Fields {
    private var rows: [(label: String, value: String)] = []

    /// An absent or empty value makes no line.
    mutating func add(_ label: String, _ value: String?, isPrintable: Bool = false) {
        if let value, !value.isEmpty { rows.append((label, isPrintable ? value : value.printable)) }
    }

    func render() -> String {
        let width = rows.reduce(0) { max($0, $1.label.count) }
        return rows.map { $0.label + String(repeating: " ", count: width + 2 - $0.label.count) + $0.value }.joined(separator: "\n")
    }
}
