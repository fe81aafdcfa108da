// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// Jobs of a log, in the order of their submission, cleaned: none without ranks or run time, none that runs longer than its limit.
package struct Workload: Sendable {
    package struct Entry: Sendable, Hashable {
        /// As the log names it.
        package var name: Int
        package var submitted: Int
        package var runTime: Int
        package var traits: JobTraits
        /// MiB; 0: not known.
        package var memoryPerRank = 0
        /// What it asks for, in ``Workload/requests``; `nil`: ranks with so much memory, on any nodes.
        package var request: Int?
        /// Its user gave no limit.
        package var isLimitAssumed = false

        package init(name: Int, submitted: Int, runTime: Int, traits: JobTraits, memoryPerRank: Int = 0) {
            self.name = name
            self.submitted = submitted
            self.runTime = runTime
            self.traits = traits
            self.memoryPerRank = memoryPerRank
        }
    }

    package var entries: [Entry]
    /// Processors of the machine, as the log's header has it.
    package var processors: Int?
    package var requests: [ResourceRequest]

    package init(_ entries: [Entry], processors: Int? = nil, requests: [ResourceRequest] = []) {
        self.entries = entries.sorted { ($0.submitted, $0.name) < ($1.submitted, $1.name) }
        self.processors = processors
        self.requests = requests
    }

    /// For a machine of `slots`: what was wider ran on all of it.
    /// - Parameter countsMemory: otherwise no job needs any.
    package func fitted(to slots: Int, countsMemory: Bool = false) -> Workload {
        var workload = self
        for index in workload.entries.indices {
            workload.entries[index].traits.ranks = min(workload.entries[index].traits.ranks, slots)
            if !countsMemory { workload.entries[index].memoryPerRank = 0 }
        }
        return workload
    }
}

/// The Standard Workload Format, version 2 (Feitelson; Parallel Workloads Archive): a job a line, 18 numbers, -1 where one is unknown;
/// `;` begins a comment or a line of the header.
package enum StandardWorkloadFormat {
    /// 68 years: what is multiplied and summed of times and ranks stays within an Int.
    private static let mostSeconds = Int(Int32.max)

    /// - Throws: `Problem` that names the line which is no job.
    package static func read(_ text: [UInt8]) throws(Problem) -> Workload {
        var entries: [Workload.Entry] = []
        var processors: Int?
        var (number, start) = (0, 0)
        while start < text.count {
            let end = text[start...].firstIndex(of: UInt8(ascii: "\n")) ?? text.count
            defer { start = end + 1 }
            number += 1
            guard let first = text[start..<end].first(where: { !$0.isBlank }) else { continue }
            if first == UInt8(ascii: ";") {
                processors = processors ?? header("MaxProcs", String(decoding: text[start..<end], as: UTF8.self))
                continue
            }
            guard let values = numbers(text[start..<end]) else {
                let shown = String(decoding: text[start..<min(end, start + 60)], as: UTF8.self)
                throw Problem(
                    .invalid,
                    "Line \(number) is no job of the Standard Workload Format: '\(shown)' is not 18 numbers, or a comment after ';'.")
            }
            guard [2, 4, 9].allSatisfy({ values[$0 - 1] <= mostSeconds }) else {
                throw Problem(.invalid, "Line \(number) has a time beyond \(mostSeconds) s: it must be in seconds from the log's begin on.")
            }
            if let entry = entry(values) { entries.append(entry) }
        }
        guard !entries.isEmpty else { throw Problem(.invalid, "The trace has no job that ran.") }
        return Workload(entries, processors: processors)
    }

    private static func header(_ name: String, _ line: String) -> Int? {
        let words = line.split { $0 == ";" || $0 == ":" || $0.isWhitespace }
        guard words.count >= 2, words[0] == name else { return nil }
        return Int(words[1]).flatMap { $0 > 0 ? $0 : nil }
    }

    /// Some logs have fractions of seconds: they are cut off.
    private static func numbers(_ line: ArraySlice<UInt8>) -> InlineArray<18, Int>? {
        var values = InlineArray<18, Int>(repeating: -1)
        var (count, place) = (0, line.startIndex)
        while true {
            while place < line.endIndex, line[place].isBlank { place += 1 }
            guard place < line.endIndex else { break }
            let isNegative = line[place] == UInt8(ascii: "-")
            if isNegative { place += 1 }
            var (value, digits) = (0, 0)
            while place < line.endIndex, let digit = line[place].digit {
                guard value < 1 << 40 else { return nil }
                value = value * 10 + digit
                digits += 1
                place += 1
            }
            if place < line.endIndex, line[place] == UInt8(ascii: ".") {
                place += 1
                while place < line.endIndex, line[place].digit != nil { place += 1 }
            }
            guard digits > 0, place == line.endIndex || line[place].isBlank else { return nil }
            if count < 18 { values[count] = isNegative ? -value : value }
            count += 1
        }
        return count >= 12 ? values : nil
    }

    private static func entry(_ values: InlineArray<18, Int>) -> Workload.Entry? {
        func field(_ number: Int) -> Int { values[number - 1] }
        let ranks = field(8) > 0 ? field(8) : field(5)
        let (submitted, runTime) = (field(2), field(4))
        guard ranks > 0, ranks <= Int32.max / 2, runTime > 0, submitted >= 0 else { return nil }
        let limit = max(field(9) > 0 ? field(9) : runTime, runTime)
        return Workload.Entry(
            name: field(1), submitted: submitted, runTime: runTime,
            traits: JobTraits(user: field(12), application: field(14), ranks: ranks, limit: limit),
            memoryPerRank: max(0, (field(10) + 1023) / 1024))
    }
}

extension UInt8 {
    fileprivate var isBlank: Bool { self == UInt8(ascii: " ") || self == UInt8(ascii: "\t") || self == UInt8(ascii: "\r") }
    fileprivate var digit: Int? { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) ? Int(self - UInt8(ascii: "0")) : nil }
}
