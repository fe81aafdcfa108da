// SPDX-License-Identifier: Apache-2.0

/// Items of a source that follow each other.
package struct ItemRange: Sendable, Hashable {
    /// Number of the first item, from 0.
    package var first: Int
    package var count: Int

    package init(first: Int, count: Int) {
        self.first = first
        self.count = count
    }

    package var numbers: Range<Int> { first..<first + count }
}

/// JSON form: `[first, count]`.
extension ItemRange: Codable {
    package init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        first = try container.decode(Int.self)
        count = try container.decode(Int.self)
        guard first >= 0, count >= 0, !first.addingReportingOverflow(count).overflow else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "must be the number of an item and how many there are")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        try container.encode(first)
        try container.encode(count)
    }
}

extension [String: SourceInput] {
    /// Numbers of the items that the source is to process, in order.
    ///
    /// - Parameter replayed: those of all sources; `nil`: each source processes all its items.
    package func items(ofSource element: String, replayed: [String: [ItemRange]]?) -> [Range<Int>] {
        if let replayed { return (replayed[element] ?? []).map(\.numbers) }
        return self[element].map { [0..<$0.itemCount] } ?? []
    }
}

/// How much of a run's input an attempt that resumes earlier ones processes.
package struct Resumption: Sendable, Codable, Hashable {
    package var items: Int
    /// Items of the run's input.
    package var of: Int

    package init(items: Int, of: Int) {
        self.items = items
        self.of = of
    }
}

/// Body of `POST /api/v1/runs/{id}/retry`.
package struct RetryRequest: Sendable, Codable, Hashable {
    /// Process only the items that no attempt has processed to their end.
    package var resume: Bool?
    /// Answer with these items and start nothing.
    package var dryRun: Bool?

    package init(resume: Bool? = nil, dryRun: Bool? = nil) {
        self.resume = resume
        self.dryRun = dryRun
    }

    package enum CodingKeys: String, CodingKey, CaseIterable {
        case resume
        case dryRun = "dry_run"
    }
}

/// Which items an attempt that resumes a run would process, and why.
package struct ResumePlan: Sendable, Codable, Hashable {
    /// Items of one source that are processed again for the same reason.
    package struct Part: Sendable, Codable, Hashable {
        /// Id of the PE.
        package var source: String
        package var items: Int
        package var ranges: [ItemRange]
        package var reason: String

        package init(source: String, ranges: [ItemRange], reason: String) {
            self.source = source
            items = ranges.reduce(0) { $0 + $1.count }
            self.ranges = ranges
            self.reason = reason
        }
    }

    package var run: RunID
    /// The attempt that did not come to its end.
    package var attempt: Int
    package var items: Int
    /// Items of the run's input.
    package var of: Int
    package var parts: [Part]

    package init(run: RunID, attempt: Int, of: Int, parts: [Part]) {
        self.run = run
        self.attempt = attempt
        items = parts.reduce(0) { $0 + $1.items }
        self.of = of
        self.parts = parts
    }

    package var resumption: Resumption { Resumption(items: items, of: of) }

    /// Of all parts, by source.
    package var replayed: [String: [ItemRange]] {
        Dictionary(grouping: parts, by: \.source).mapValues { parts in
            parts.flatMap(\.ranges).sorted { $0.first < $1.first }.reduce(into: []) { joined, range in
                if let last = joined.last, last.first + last.count == range.first {
                    joined[joined.count - 1].count += range.count
                } else {
                    joined.append(range)
                }
            }
        }
    }
}

/// What an attempt showed of the state of an element's instances.
package struct ObservedState: Sendable, Hashable {
    /// Attributes that calls changed.
    package var changed: Set<String> = []
    /// An instance was called, and nothing is known of its attributes.
    package var isUnknown = false
    package var wroteInPostprocess = false

    package init() {}
}

extension ProcessElement {
    /// Why instances that begin anew cannot take the place of those that an attempt lost; `nil`: they can.
    package func obstacleToResuming(_ observed: ObservedState) -> String? {
        if application != nil { return "is a program with ranks of its own, of which no items are known" }
        switch stateful {
        case true? where snapshotEvery != nil: return nil
        case true?: return native == nil ? "declares stateful = True" : "keeps what it has read until the end"
        case false?: return nil
        case nil: break
        }
        let undeclared = "and does not declare stateful"
        if let grouped = inputs.first(where: { $0.grouping != .roundRobin }) {
            return "has an input '\(grouped.name)' that is grouped (\(grouped.grouping)), as of a PE that keeps state, \(undeclared)"
        }
        if !observed.changed.isEmpty {
            return "changed its \(observed.changed.sorted().joined(separator: ", ")) in process(), \(undeclared)"
        }
        if observed.wroteInPostprocess { return "wrote data in postprocess(), \(undeclared)" }
        if observed.isUnknown { return "ended before it was seen whether its calls change it, \(undeclared)" }
        return nil
    }
}
