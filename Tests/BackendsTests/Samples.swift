// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What real engines printed.
enum Samples {
    static func read(_ name: String) throws -> [UInt8] {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Samples")
        return try Array(Data(contentsOf: folder.appending(path: name)))
    }
}
