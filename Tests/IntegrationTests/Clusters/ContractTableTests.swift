// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

/// The table of the documentation is that of the tests.
@Suite struct ContractTableTests {
    @Test func everyCellNamesATestAndEveryBehaviourHasARow() throws {
        let page = try String(contentsOf: Program.root.appending(path: "docs/backends.md"), encoding: .utf8)
        let rows = page.split(separator: "\n").filter { $0.hasPrefix("|") && $0.contains("Tests.") }
        for behaviour in Contract.allCases { #expect(rows.contains { $0.hasPrefix("| `\(behaviour.rawValue)` |") }, "\(behaviour)") }
        let cells = rows.flatMap { $0.matches(of: /`(\w+Tests)\.(\w+)`/).map { (suite: $0.output.1, test: $0.output.2) } }
        #expect(cells.count > 50)
        for cell in cells {
            let file = ["Clusters/\(cell.suite)", "\(cell.suite)"].compactMap {
                try? String(contentsOf: Program.root.appending(path: "Tests/IntegrationTests/\($0).swift"), encoding: .utf8)
            }.first
            #expect(file?.contains("func \(cell.test)(") == true, "\(cell.suite).\(cell.test)")
        }
    }
}
