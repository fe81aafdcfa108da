// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// A JSON body that a route accepts.
package protocol RequestDocument: Decodable {
    /// Every field, and what its value must be.
    static var fields: [String: String] { get }
}

extension GraphRegistration: RequestDocument {
    package static let fields = [
        "name": "text: namespace/name or namespace/name@version",
        "filename": "text: the module's file name, as wordcount.py",
        "source": "text: the module's source, or an application's program in base64",
        "attribute": "text: the attribute of the module that holds the graph",
        "environment": "text: the digest of an environment",
        "application": "one of \(Application.allCases.map(\.rawValue).joined(separator: ", "))",
    ]
}

extension EnvironmentRequest: RequestDocument {
    package static let fields = ["requirements": "text: the lines of a requirements.txt"]
}

extension RetryRequest: RequestDocument {
    package static let fields = Dictionary(uniqueKeysWithValues: CodingKeys.allCases.map { ($0.stringValue, "true or false") })
}

extension RunRequest: RequestDocument {
    package static let fields = Dictionary(uniqueKeysWithValues: CodingKeys.allCases.map { ($0.stringValue, expectation($0)) })

    private static let retryReasons = RetryPolicy.Reason.allCases.map(\.rawValue).joined(separator: ", ")

    private static func expectation(_ key: CodingKeys) -> String {
        switch key {
        case .graph: "text: namespace/name or namespace/name@version"
        case .inputs: "a number of iterations, or an object that maps PE names or ids to a number or an array of items"
        case .arguments: "an array of texts"
        case .ranks: "a whole number, or \"auto\""
        case .maximumRanks: "a whole number"
        case .deadline: "a number of seconds"
        case .budget: "a number of core-hours"
        case .layout: "one of \(Layout.allCases.map(\.rawValue).joined(separator: ", "))"
        case .costs: "an object with format and elements, as weft try --profile writes it"
        case .memoryPerRank: "a whole number of MiB"
        case .needs: "an object with some of \(RunNeeds.CodingKeys.allCases.map(\.rawValue).joined(separator: ", "))"
        case .retry: "an object with max_attempts, a number, and on, a list of some of \(retryReasons)"
        case .name: "text"
        case .dryRun, .usesHistory: "true or false"
        }
    }
}

private let timeText = "a time (RFC 3339) as 2026-12-01T08:00:00Z"
private let usersText = "an array of texts: subject@issuer"

extension NodeOrderRequest: RequestDocument {
    package static let fields = Dictionary(uniqueKeysWithValues: CodingKeys.allCases.map { ($0.stringValue, expectation($0)) })

    private static func expectation(_ key: CodingKeys) -> String {
        switch key {
        case .kind: "one of \(NodeOrder.Kind.allCases.map(\.rawValue).joined(separator: ", "))"
        case .by: timeText
        case .reason: "text"
        }
    }
}

extension WindowRequest: RequestDocument {
    package static let fields = Dictionary(uniqueKeysWithValues: CodingKeys.allCases.map { ($0.stringValue, expectation($0)) })

    private static func expectation(_ key: CodingKeys) -> String {
        switch key {
        case .name: "text"
        case .kind: "one of \(ClusterWindow.Kind.allCases.map(\.rawValue).joined(separator: ", "))"
        case .nodes: "an array of names of nodes"
        case .start, .end: timeText
        case .users: usersText
        case .reason: "text"
        }
    }
}

extension AccountRequest: RequestDocument {
    package static let fields = Dictionary(uniqueKeysWithValues: CodingKeys.allCases.map { ($0.stringValue, expectation($0)) })

    private static func expectation(_ key: CodingKeys) -> String {
        switch key {
        case .parent: "text: the name of an account"
        case .users: usersText
        case .share: "a number from 0.000001 to 1000000"
        case .ranks, .borrowedRanks: "a whole number"
        case .memory: "a whole number of MiB"
        case .rankHours: "a number"
        case .since: timeText
        }
    }
}

private let horizonText = "a whole number of seconds from \(ForecastRules.horizons.lowerBound) to \(ForecastRules.horizons.upperBound)"
private let futuresText = "a whole number from \(ForecastRules.futures.lowerBound) to \(ForecastRules.futures.upperBound)"

extension WaitForecastRequest: RequestDocument {
    package static let fields = Dictionary(uniqueKeysWithValues: CodingKeys.allCases.map { ($0.stringValue, expectation($0)) })

    private static func expectation(_ key: CodingKeys) -> String {
        switch key {
        case .run: "text: the id of a run"
        case .ranks: "a whole number"
        case .memoryPerRank: "a whole number of MiB"
        case .needs: "an object with some of \(RunNeeds.CodingKeys.allCases.map(\.rawValue).joined(separator: ", "))"
        }
    }
}

extension WhatIfRequest: RequestDocument {
    package static let fields = Dictionary(uniqueKeysWithValues: CodingKeys.allCases.map { ($0.stringValue, expectation($0)) })

    private static func expectation(_ key: CodingKeys) -> String {
        switch key {
        case .add: "a whole number from 1 to \(ForecastRules.mostNodes)"
        case .like: "text: the name of a node"
        case .drain: "an array of names of nodes"
        case .at: timeText
        case .policy: "text: the name of a policy"
        case .horizon: horizonText
        case .futures: futuresText
        }
    }
}

extension AdviceRequest: RequestDocument {
    package static let fields = Dictionary(uniqueKeysWithValues: CodingKeys.allCases.map { ($0.stringValue, expectation($0)) })

    private static func expectation(_ key: CodingKeys) -> String {
        switch key {
        case .targetP95Wait: "a whole number of seconds"
        case .like: "text: the name of a node"
        case .mostNodes: "a whole number from 1 to \(ForecastRules.mostNodes)"
        case .horizon: horizonText
        case .futures: futuresText
        }
    }
}
