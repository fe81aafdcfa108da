// SPDX-License-Identifier: Apache-2.0

import Backends
import Foundation
import WorkflowModel

/// Fills the folder of an attempt with all that its ranks need. Doing it twice does no harm.
enum AttemptFolder {
    static func prepare(_ folder: RunFolder, document: RunDocument, source: String) throws {
        for path in [folder.module, folder.work, folder.ranks, folder.launcher] { try Files.makeFolder(path) }
        try PythonFiles.write(to: folder.python)
        try Files.write(source.utf8, to: "\(folder.module)/\(document.module)")
        try Files.write(try WireJSON.encode(document), to: folder.document)
    }

    /// What the ranks say went wrong: the earliest of their reports. A later one tells of a consequence.
    static func firstFailure(_ folder: RunFolder, ranks: Int) throws -> FailureReport? {
        try (0..<ranks).compactMap { rank -> FailureReport? in
            guard let bytes = try SmallFile.read(folder.failure(rank: rank)),
                bytes.contains(where: { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\n") && $0 != 0 })
            else { return nil }
            return try? WireJSON.decode(FailureReport.self, from: bytes)
        }.min { $0.at < $1.at }
    }
}
