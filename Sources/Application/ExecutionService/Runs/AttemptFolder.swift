// SPDX-License-Identifier: Apache-2.0

import Backends
import Foundation
import WorkflowModel

/// Fills the folder of an attempt with all that its ranks need. Doing it twice does no harm.
enum AttemptFolder {
    /// - Parameter content: of the registered module.
    static func prepare(_ folder: RunFolder, document: RunDocument, content: [UInt8]) throws {
        for path in [folder.module, folder.work, folder.ranks, folder.launcher] { try Files.makeFolder(path) }
        let module = "\(folder.module)/\(document.module)"
        try Files.write(content, to: module)
        if document.graph.application == nil {
            try PythonFiles.write(to: folder.python)
        } else {
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: module)
        }
        try Files.write(try WireJSON.encode(document), to: folder.document)
    }
}
