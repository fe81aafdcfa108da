// SPDX-License-Identifier: Apache-2.0

/// What a worker's rank notes once the worker's part of a checkpoint is complete. JSON.
package struct CheckpointPart: Sendable, Codable, Hashable {
    /// Of a worker that hosts a source: how many items of the attempt's input it had processed.
    package var items: Int?
    /// Bytes of the rank's segment by then: what counts of the attempt is recorded there.
    package var segment: Int64

    package init(items: Int?, segment: Int64) {
        self.items = items
        self.segment = segment
    }
}

/// A moment of an attempt from which another can go on: what every worker's PEs kept when each had processed just what came of
/// the items before.
package struct Checkpoint: Sendable, Hashable {
    /// Where its files are.
    package var folder: String
    package var number: UInt32
    /// By source id: the items processed by then, in the order in which the attempt was given them.
    package var items: [String: Int]

    package init(folder: String, number: UInt32, items: [String: Int]) {
        self.folder = folder
        self.number = number
        self.items = items
    }

    /// The files of a checkpoint in ``RunFolder/checkpoints``.
    package enum File: Sendable, Hashable {
        case state(UInt32, worker: Int)
        case part(UInt32, worker: Int)

        package var name: String {
            switch self {
            case .state(let number, let worker): "\(number)-\(worker).state"
            case .part(let number, let worker): "\(number)-\(worker).done"
            }
        }

        package init?(name: String) {
            let words = name.split(separator: ".", omittingEmptySubsequences: false)
            let numbers = words[0].split(separator: "-", omittingEmptySubsequences: false)
            guard words.count == 2, numbers.count == 2, let number = UInt32(numbers[0]), let worker = Int(numbers[1]) else { return nil }
            switch words[1] {
            case "state": self = .state(number, worker: worker)
            case "done": self = .part(number, worker: worker)
            default: return nil
            }
        }
    }

    /// The numbers of the checkpoints that are whole, the latest one first.
    ///
    /// - Parameter files: names of files in the folder.
    package static func complete(files: some Sequence<String>, workers: Int) -> [UInt32] {
        var parts: [UInt32: Set<Int>] = [:]
        for name in files {
            if case .part(let number, let worker)? = File(name: name), worker < workers { parts[number, default: []].insert(worker) }
        }
        return parts.filter { $0.value.count == workers }.keys.sorted(by: >)
    }
}

extension WorkflowGraph {
    /// Seconds between checkpoints: the shortest that an element wants; `nil`: none is of use.
    package var checkpointInterval: Double? { elements.compactMap(\.snapshotEvery).min() }
}
