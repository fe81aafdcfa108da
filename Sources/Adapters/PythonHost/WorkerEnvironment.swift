// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// The environment variables of a worker.
package enum WorkerEnvironment {
    /// What tells a process that it is a rank: with these, a PE that uses MPI itself would try to be this rank, and abort.
    private static let launcherPrefixes = ["OMPI_", "PMIX_", "ORTE_", "PMI_"]

    /// - Returns: variables as `NAME=value`.
    package static func variables(
        inherited: [String: String], folder: RunFolder, run: RunID, attempt: Int, rank: Int
    ) -> [String] {
        var variables = inherited.filter { variable in !launcherPrefixes.contains { variable.key.hasPrefix($0) } }
        let path = variables["PYTHONPATH"].flatMap { $0.isEmpty ? nil : ":" + $0 } ?? ""
        variables["PYTHONPATH"] = folder.python + path
        variables["WEFT_RUN_ID"] = run.description
        variables["WEFT_ATTEMPT"] = "\(attempt)"
        variables["WEFT_RANK"] = "\(rank)"
        return variables.map { "\($0.key)=\($0.value)" }
    }
}
