// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

struct NodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node", abstract: "The nodes of the cluster, and what starts there.",
        subcommands: [NodeList.self, NodeCordon.self, NodeDrain.self, NodeResume.self])
}
