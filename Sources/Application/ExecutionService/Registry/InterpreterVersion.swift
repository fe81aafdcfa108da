// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// The interpreter's version, asked for again only when the file behind its path has changed.
final class InterpreterVersion: Sendable {
    private struct Program: Equatable {
        var path: String
        var modified: Date

        /// - Returns: `nil` when there is no such file.
        init?(_ path: String) {
            self.path = URL(filePath: path).resolvingSymlinksInPath().path
            guard let modified = try? FileManager.default.attributesOfItem(atPath: self.path)[.modificationDate] as? Date else {
                return nil
            }
            self.modified = modified
        }
    }

    private let known = Mutex<(program: Program, version: String)?>(nil)

    func of(_ interpreter: String, probe: () async throws -> String) async throws -> String {
        let program = Program(interpreter)
        if let known = known.withLock({ $0 }), known.program == program { return known.version }
        let version = try await probe()
        known.withLock { $0 = program.map { ($0, version) } }
        return version
    }
}
