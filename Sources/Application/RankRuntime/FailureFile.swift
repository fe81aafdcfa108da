// SPDX-License-Identifier: Apache-2.0

import CPosix
import Glibc
import WorkflowModel

/// The place of the rank's failure report: blanks from the start, so that a report can be written on a full disk.
struct FailureFile {
    static let size = 16 << 10

    private let descriptor: Int32

    init(path: String) throws(StorageError) {
        descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw StorageError(path: path, code: errno) }
        let reserved = weft_preallocate(descriptor, Int64(Self.size))
        guard reserved == 0 else { throw StorageError(path: path, code: reserved) }
        guard overwrite([]) else { throw StorageError(path: path, code: errno) }
    }

    /// Writes the report, with its longest texts cut until it fits.
    /// - Returns: whether it is on the disk.
    func write(_ report: FailureReport) -> Bool {
        guard let bytes = Self.encode(report) else { return false }
        return overwrite(bytes) && fsync(descriptor) == 0
    }

    static func encode(_ report: FailureReport) -> [UInt8]? {
        for bound in [size, 8 << 10, 4 << 10, 2 << 10, 1 << 10, 256] {
            var shorter = report
            shorter.traceback = report.traceback.map { shorten($0, to: bound) }
            shorter.message = shorten(report.message, to: min(bound, 4 << 10))
            shorter.datumSummary = report.datumSummary.map { shorten($0, to: min(bound, 2 << 10)) }
            guard let bytes = try? WireJSON.encode(shorter) else { return nil }
            if bytes.count <= size { return bytes }
        }
        return nil
    }

    /// Keeps both ends of a text, since a traceback names its error at the end.
    static func shorten(_ text: String, to bound: Int) -> String {
        guard text.utf8.count > bound else { return text }
        // A slice of a string ends between characters, wherever its bounds lie.
        let head = text[..<text.utf8.index(text.startIndex, offsetBy: bound / 2)]
        let tail = text[text.utf8.index(text.endIndex, offsetBy: -bound / 2)...]
        return "\(head)\n… (\(text.utf8.count - head.utf8.count - tail.utf8.count) bytes left out) …\n\(tail)"
    }

    private func overwrite(_ bytes: [UInt8]) -> Bool {
        let padded = bytes + [UInt8](repeating: UInt8(ascii: " "), count: Self.size - bytes.count)
        return padded.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) } == Self.size
    }
}
