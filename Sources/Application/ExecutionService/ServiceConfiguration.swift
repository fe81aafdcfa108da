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
    /// MiB for a rank of a run that does not say.
    package var defaultMemoryPerRank: Int
    package var maximumRanks: Int
    /// Accounts of this host that runs take, by issuer and subject of their owner; others run as the server does.
    package var accounts: [String: [String: String]]
    package var scheduling: SchedulingConfiguration

    package init(
        dataFolder: String, interpreter: String, registrationSeconds: Int, registrationMemoryMB: Int,
        defaultMemoryPerRank: Int, maximumRanks: Int, accounts: [String: [String: String]] = [:],
        scheduling: SchedulingConfiguration = SchedulingConfiguration()
    ) {
        self.dataFolder = dataFolder
        self.interpreter = interpreter
        self.registrationSeconds = registrationSeconds
        self.registrationMemoryMB = registrationMemoryMB
        self.defaultMemoryPerRank = defaultMemoryPerRank
        self.maximumRanks = maximumRanks
        self.accounts = accounts
        self.scheduling = scheduling
    }
}
