// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

extension Integration {
    @Suite struct ProgramTests {
        @Test func theServerIsNotLinkedToMPINorARankToPostgres() async throws {
            let server = try await Program.run("/usr/bin/ldd", [Program.path(of: "weftd")])
            #expect(server.output.contains("libpq") && !server.output.contains("libmpi"))
            let rank = try await Program.run("/usr/bin/ldd", [Program.path(of: "weft-rank")])
            #expect(rank.output.contains("libmpi") && !rank.output.contains("libpq") && !rank.output.contains("libcurl"))
            let client = try await Program.run("/usr/bin/ldd", [Program.path(of: "weft")])
            #expect(client.output.contains("libcurl") && !client.output.contains("libpq") && !client.output.contains("libmpi"))
        }
    }
}
