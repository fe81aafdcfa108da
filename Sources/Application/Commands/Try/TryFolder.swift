// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import WorkflowModel

/// An attempt's folder that lives as long as the command.
struct TryFolder: ~Copyable {
    let folder: RunFolder
    private let isKept: Bool

    init(isKept: Bool) throws(CommandFailure) {
        let place = processEnvironment()["TMPDIR"].flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp"
        var template = Array("\(place)/weft-try-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw systemFailure("No folder can be made in \(place)") }
        folder = RunFolder(path: String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
        self.isKept = isKept
    }

    deinit {
        if isKept {
            StandardStreams.chatter("kept: \(folder.path)")
        } else {
            try? FileManager.default.removeItem(atPath: folder.path)
        }
    }

    /// Everything that the ranks need. PEs run in the user's folder, and the module is the user's file itself.
    func fill(_ document: RunDocument, package: String, directory: String) throws {
        for path in [folder.ranks, folder.launcher] { try makeFolder(path) }
        try link(folder.work, to: directory)
        try link(folder.module, to: document.module.lastIndex(of: "/").map { String(document.module[..<$0]) } ?? directory)
        if package != folder.python { try link(folder.python, to: package) }
        try Data(try WireJSON.encode(document)).write(to: URL(filePath: folder.document))
    }

    private func link(_ path: String, to target: String) throws(CommandFailure) {
        guard symlink(target, path) == 0 else { throw systemFailure("'\(path)' cannot be made") }
    }
}
