// SPDX-License-Identifier: Apache-2.0

import PythonHost
import Testing
import WorkflowModel

@Suite struct WorkerEnvironmentTests {
    let run = RunID(milliseconds: 1_700_000_000_000, random: Array(1...10))

    func variables(_ inherited: [String: String]) -> [String] {
        WorkerEnvironment.variables(inherited: inherited, folder: RunFolder(path: "/runs/a 1"), run: run, attempt: 2, rank: 7).sorted()
    }

    @Test func whatMakesAProcessARankIsTakenAway() {
        let inherited = [
            "HOME": "/home/u", "OMPI_COMM_WORLD_RANK": "7", "OMPI_": "", "PMIX_RANK": "7", "ORTE_LOCAL": "x", "PMI_FD": "5",
            "MY_OMPI_X": "kept", "OMPIX": "kept", "PMI": "kept",
        ]
        let names = variables(inherited).compactMap { $0.split(separator: "=").first }
        #expect(names == ["HOME", "MY_OMPI_X", "OMPIX", "PMI", "PYTHONPATH", "WEFT_ATTEMPT", "WEFT_RANK", "WEFT_RUN_ID"])
    }

    @Test func theAttemptIsNamedWhateverWasInherited() {
        #expect(
            variables(["WEFT_RANK": "0", "WEFT_RUN_ID": "x", "WEFT_ATTEMPT": "9", "EMPTY": "", "SUM": "a=b"]) == [
                "EMPTY=", "PYTHONPATH=/runs/a 1/python", "SUM=a=b", "WEFT_ATTEMPT=2", "WEFT_RANK=7", "WEFT_RUN_ID=\(run)",
            ])
    }

    @Test(arguments: [("", ""), ("/site:/more", ":/site:/more")]) func weftsPackageIsFirst(inherited: String, rest: String) {
        #expect(variables(["PYTHONPATH": inherited]).contains("PYTHONPATH=/runs/a 1/python\(rest)"))
    }
}
