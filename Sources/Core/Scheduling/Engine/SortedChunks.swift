// SPDX-License-Identifier: Apache-2.0

/// A sorted list of distinct elements in chunks, so that an insertion moves few of them. O(√n) in practice; iteration is as fast as an
/// array's.
struct SortedChunks<Element: Comparable & Sendable>: Sendable {
    private static var capacity: Int { 512 }

    private(set) var chunks: [[Element]] = []

    var first: Element? { chunks.first?.first }

    mutating func insert(_ element: Element) {
        guard !chunks.isEmpty else { return chunks.append([element]) }
        let index = chunk(for: element)
        chunks[index].insert(element, at: Self.place(of: element, in: chunks[index]))
        guard chunks[index].count > Self.capacity else { return }
        let half = Self.capacity / 2
        chunks.insert(Array(chunks[index][half...]), at: index + 1)
        chunks[index].removeSubrange(half...)
    }

    mutating func remove(_ element: Element) {
        guard !chunks.isEmpty else { return }
        let index = chunk(for: element)
        let place = Self.place(of: element, in: chunks[index])
        guard place < chunks[index].count, chunks[index][place] == element else { return }
        chunks[index].remove(at: place)
        if chunks[index].isEmpty { chunks.remove(at: index) }
    }

    /// The last chunk whose first element is not behind `element`.
    private func chunk(for element: Element) -> Int {
        var (low, high) = (0, chunks.count - 1)
        while low < high {
            let middle = (low + high + 1) / 2
            if chunks[middle][0] <= element { low = middle } else { high = middle - 1 }
        }
        return low
    }

    private static func place(of element: Element, in chunk: [Element]) -> Int {
        var (low, high) = (0, chunk.count)
        while low < high {
            let middle = (low + high) / 2
            if chunk[middle] < element { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// An end to come, and the job whose it is.
struct JobEnd: Sendable, Comparable {
    var time: Int
    var job: Int
    /// Of the job, where they are asked for.
    var ranks: Int32 = 0

    static func < (left: JobEnd, right: JobEnd) -> Bool { (left.time, left.job) < (right.time, right.job) }
}

extension SortedChunks<JobEnd> {
    /// Of the jobs that end after `time`.
    func ranks(after time: Int) -> Int {
        var sum = 0
        for chunk in chunks.reversed() {
            for end in chunk.reversed() {
                guard end.time > time else { return sum }
                sum += Int(end.ranks)
            }
        }
        return sum
    }
}
