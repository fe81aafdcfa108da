// SPDX-License-Identifier: Apache-2.0

import NativeElements
import WorkflowModel

/// One PE instance of a native stage. A class, since it is too large to be copied for each datum.
final class StageElement {
    /// A call of `process` that has more to write.
    struct Call {
        var sequence: UInt64
        var input: DatumID
        var port: Int?
        var start: Int64
        /// Nanoseconds that it has computed.
        var spent: Int64
    }

    let element: ProcessElement
    let instance: Int
    var operation: any Operation
    /// Nanoseconds that a datum may take.
    let timeLimit: Int64?
    /// Positions, in the stage, of the PEs that read the output.
    let consumers: [Int]
    /// Edges that lead from the output to other stages.
    let edges: [Int]
    /// Somebody reads the output; otherwise its data are results of the run.
    let isRead: Bool
    var records: ElementRecords
    var call: Call?
    /// What the call processes.
    var value: Value?
    private var nextDatum: UInt64
    private var nextSequence: UInt64 = 0

    init(
        _ element: ProcessElement, instance: Int, operation: any Operation, consumers: [Int], edges: [Int], isRead: Bool, isCaptured: Bool
    ) {
        self.element = element
        self.instance = instance
        self.operation = operation
        timeLimit = element.timeLimit.map { Int64($0 * 1e9) }
        self.consumers = consumers
        self.edges = edges
        self.isRead = isRead
        records = ElementRecords(instance: instance, isCaptured: isCaptured)
        nextDatum = DatumID(instance: instance, sequence: 0).rawValue
    }

    func takeDatum() -> DatumID {
        defer { nextDatum += 1 }
        return DatumID(rawValue: nextDatum)
    }

    func takeSequence() -> UInt64 {
        defer { nextSequence += 1 }
        return nextSequence
    }
}
