// SPDX-License-Identifier: Apache-2.0

/// What the use cases need to know of the installation.
package struct ServiceConfiguration: Sendable {
    /// Holds `runs/` and `environments/`.
    package var dataFolder: String
    /// Python for registration, environments, and runs without an environment.
    package var interpreter: String
    /// Limits of the process that loads a module at registration.
    package var registrationSeconds: Int
    package var registrationMemoryMB: Int
    /// Ranks that may run at the same time on this host.
    package var slots: Int
    /// MiB that the runs on this host may use together.
    package var memoryMB: Int
    /// Path of `weft-rank`.
    package var rankProgram: String
    package var mpirun: String
    /// MiB for a rank of a run that does not say.
    package var defaultMemoryPerRank: Int
    package var maximumRanks: Int

    package init(
        dataFolder: String, interpreter: String, registrationSeconds: Int, registrationMemoryMB: Int, slots: Int, memoryMB: Int,
        rankProgram: String, mpirun: String, defaultMemoryPerRank: Int, maximumRanks: Int
    ) {
        self.dataFolder = dataFolder
        self.interpreter = interpreter
        self.registrationSeconds = registrationSeconds
        self.registrationMemoryMB = registrationMemoryMB
        self.slots = slots
        self.memoryMB = memoryMB
        self.rankProgram = rankProgram
        self.mpirun = mpirun
        self.defaultMemoryPerRank = defaultMemoryPerRank
        self.maximumRanks = maximumRanks
    }
}
