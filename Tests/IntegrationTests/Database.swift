// SPDX-License-Identifier: Apache-2.0

import Foundation
import Postgres
import TestSupport
import Testing

extension Installation {
    /// The server's own database, to look past it.
    func database() throws -> ConnectionPool {
        let configuration = try String(contentsOfFile: folder + "/weft.yaml", encoding: .utf8)
        let line = configuration.split(separator: "\n").first { $0.contains("conninfo: ") }
        let conninfo = try #require(line?.split(separator: "\"").dropFirst().first)
        return ConnectionPool(conninfo: String(conninfo), size: 1, longestWait: .seconds(60))
    }
}
