// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// What the Python processes of an attempt have in common.
package struct WorkerLaunch: Sendable {
    /// What tells a process that it is a rank: with these, a PE that uses MPI itself would try to be this rank, and abort.
    private static let launcherPrefixes = ["OMPI_", "PMIX_", "ORTE_", "PMI_"]

    package var interpreter: String
    package var folder: RunFolder
    package var environment: [String: String]
    /// The abstract Unix socket of a node's nursery.
    package var address: String

    package init(interpreter: String, folder: RunFolder, run: RunID, attempt: Int, inherited: [String: String]) {
        self.interpreter = interpreter
        self.folder = folder
        address = RunDocument.nurseryAddress(run: run, attempt: attempt)
        environment = inherited.filter { variable in !Self.launcherPrefixes.contains { variable.key.hasPrefix($0) } }
        let path = environment["PYTHONPATH"].flatMap { $0.isEmpty ? nil : ":" + $0 } ?? ""
        environment["PYTHONPATH"] = folder.python + path
        environment["WEFT_RUN_ID"] = run.description
        environment["WEFT_ATTEMPT"] = "\(attempt)"
    }

    /// Starts `interpreter -u -m module folder …`.
    func start(
        _ module: String, _ arguments: [String] = [], own: [String: String] = [:], descriptors: [Int32]
    ) throws(ChildProcess.Failure) -> ChildProcess {
        try ChildProcess(
            path: interpreter, arguments: ["-u", "-m", module, folder.path] + arguments,
            environment: environment.merging(own) { _, own in own }.map { "\($0.key)=\($0.value)" }, directory: folder.work,
            descriptors: descriptors)
    }
}
