// SPDX-License-Identifier: Apache-2.0

import PythonHost
import Testing
import WorkflowModel

@Suite struct WorkerLaunchTests {
    let run = RunID(milliseconds: 1_700_000_000_000, random: Array(1...10))

    func launch(_ inherited: [String: String] = [:]) -> WorkerLaunch {
        WorkerLaunch(interpreter: "python3", folder: RunFolder(path: "/runs/a 1"), run: run, attempt: 2, inherited: inherited)
    }

    @Test func whatMakesAProcessARankIsTakenAway() {
        let inherited = [
            "HOME": "/home/u", "OMPI_COMM_WORLD_RANK": "7", "OMPI_": "", "PMIX_RANK": "7", "ORTE_LOCAL": "x", "PMI_FD": "5",
            "MY_OMPI_X": "kept", "OMPIX": "kept", "PMI": "kept",
        ]
        #expect(
            launch(inherited).environment.keys.sorted() == [
                "HOME", "MY_OMPI_X", "OMPIX", "PMI", "PYTHONPATH", "WEFT_ATTEMPT", "WEFT_RUN_ID",
            ])
    }

    @Test func theAttemptIsNamedWhateverWasInherited() {
        #expect(
            launch(["WEFT_RUN_ID": "x", "WEFT_ATTEMPT": "9", "EMPTY": "", "SUM": "a=b"]).environment == [
                "EMPTY": "", "PYTHONPATH": "/runs/a 1/python", "SUM": "a=b", "WEFT_ATTEMPT": "2", "WEFT_RUN_ID": run.description,
            ])
    }

    @Test(arguments: [("", ""), ("/site:/more", ":/site:/more")]) func weftsPackageIsFirst(inherited: String, rest: String) {
        #expect(launch(["PYTHONPATH": inherited]).environment["PYTHONPATH"] == "/runs/a 1/python\(rest)")
    }

    @Test func theNurseryOfAnAttemptHasAnAddressOfItsOwn() { #expect(launch().address == "weft-\(run)-2") }
}
