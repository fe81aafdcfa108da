// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

extension RunFolder {
    /// What the ranks say went wrong: the earliest of their reports. A later one tells of a consequence.
    package func firstFailure(ranks: Int) throws(FileError) -> FailureReport? {
        var reports: [FailureReport] = []
        for rank in 0..<ranks {
            guard let bytes = try SmallFile.read(failure(rank: rank)),
                bytes.contains(where: { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\n") && $0 != 0 })
            else { continue }
            if let report = try? WireJSON.decode(FailureReport.self, from: bytes) { reports.append(report) }
        }
        return reports.min { $0.at < $1.at }
    }
}
