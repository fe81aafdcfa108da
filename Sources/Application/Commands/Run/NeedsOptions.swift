// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

/// What a run needs of its nodes, and when it is tried again.
struct NeedsOptions: ParsableArguments {
    @Option(help: ArgumentHelp("How long an attempt may run, as 90, 45m, 12h or 2d.", valueName: "time"), transform: parseSeconds)
    var timeLimit: Int?

    @Option(help: ArgumentHelp("Spread the ranks evenly over so many nodes.", valueName: "number"))
    var nodes: Int?

    @Option(name: .customLong("label"), help: ArgumentHelp("A label that every node must have (repeatable).", valueName: "label"))
    var labels: [String] = []

    @Option(
        name: .customLong("pe-label"),
        help: ArgumentHelp("A label that the nodes of one PE must have (repeatable).", valueName: "PE=label"), transform: parseElementLabel)
    var elementLabels: [ElementLabel] = []

    @Option(help: ArgumentHelp("Processor of the nodes, as uname -m tells it.", valueName: "name"))
    var architecture: String?

    @Option(name: .customLong("module"), help: ArgumentHelp("An environment module to load (repeatable).", valueName: "name"))
    var modules: [String] = []

    @Option(help: "Slurm's partition.") var partition: String?
    @Option(help: "Slurm's account.") var account: String?
    @Option(help: "Slurm's QOS.") var qos: String?
    @Option(help: "Slurm's reservation.") var reservation: String?
    @Option(help: ArgumentHelp("Slurm's constraint, in its own notation.", valueName: "expression")) var constraint: String?
    @Option(help: "Kueue's queue.") var queue: String?

    @Option(
        help: ArgumentHelp("Among the runs that wait: low, normal (default) or high, which needs the scope weft.admin.", valueName: "class")
    )
    var priority: RunNeeds.Priority?

    @Option(help: ArgumentHelp("Attempts in all, for a run that fails by what --retry-on names (default: 3).", valueName: "number"))
    var maxAttempts: Int?

    @Option(
        name: .customLong("retry-on"), parsing: .singleValue,
        help: ArgumentHelp("node_failure, preemption or error (repeatable; default: the first two).", valueName: "what"))
    var retryOn: [RetryPolicy.Reason] = []

    struct ElementLabel: Sendable, Equatable {
        var element: String
        var label: String
    }

    var needs: RunNeeds? {
        let elements = Dictionary(elementLabels.map { ($0.element, [$0.label]) }, uniquingKeysWith: +)
        let needs = RunNeeds(
            timeLimit: timeLimit, nodes: nodes, labels: labels.isEmpty ? nil : labels, elements: elements.isEmpty ? nil : elements,
            architecture: architecture, modules: modules.isEmpty ? nil : modules, partition: partition, account: account, qos: qos,
            reservation: reservation, constraint: constraint, queue: queue, priority: priority)
        return needs == RunNeeds() ? nil : needs
    }

    var retry: RetryPolicy? {
        guard maxAttempts != nil || !retryOn.isEmpty else { return nil }
        return RetryPolicy(
            maximumAttempts: maxAttempts ?? RetryPolicy.standard.maximumAttempts,
            on: retryOn.isEmpty ? RetryPolicy.standard.reasons : Set(retryOn))
    }
}

private func parseElementLabel(_ text: String) throws -> NeedsOptions.ElementLabel {
    guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
        throw ValidationError("'\(text)' names no PE: write PE=label, as Train2=gpu.")
    }
    return NeedsOptions.ElementLabel(element: String(text[..<equals]), label: String(text[text.index(after: equals)...]))
}

extension RetryPolicy.Reason: ExpressibleByArgument {}
extension RunNeeds.Priority: ExpressibleByArgument {}

extension RunNeeds {
    /// In a line, nil where nothing is needed.
    var summary: String? {
        let parts: [(String, String?)] = [
            ("time limit", timeLimit.map { Format.duration(Double($0)) }), ("nodes", nodes.map(String.init)),
            ("labels", labels?.joined(separator: " ")),
            ("of PEs", elements?.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.joined(separator: "+"))" }.joined(separator: " ")),
            ("architecture", architecture), ("modules", modules?.joined(separator: " ")), ("partition", partition), ("account", account),
            ("qos", qos), ("reservation", reservation), ("constraint", constraint), ("queue", queue),
            ("priority", priority.flatMap { $0 == .normal ? nil : $0.rawValue }),
        ]
        let said = parts.compactMap { name, value in value.map { "\(name) \($0)" } }
        return said.isEmpty ? nil : said.joined(separator: ", ")
    }
}
