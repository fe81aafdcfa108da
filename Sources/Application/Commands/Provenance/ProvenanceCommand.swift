// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

struct ProvenanceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prov", abstract: "What runs did, and where their data came from.",
        subcommands: [ProvenanceRun.self, ProvenanceData.self, ProvenanceFailures.self, ProvenanceTrace.self])
}
