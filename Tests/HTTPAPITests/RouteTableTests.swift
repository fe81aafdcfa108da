// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
import Testing
import WorkflowModel
import Yams

@testable import HTTPAPI

/// The router, the access policy and the OpenAPI document are one list.
@Suite struct RouteTableTests {
    static let table = Set(Route.all.map { "\($0.method) \($0.path)" })

    @Test func routerHasTheRoutesOfTheTableAndNoOther() {
        let router = HTTPAPI.router { _, _, _ in Response(status: .ok) }
        #expect(Set(router.routes.map { "\($0.method) \($0.path)" }) == Self.table)
        #expect(Route.all.count == Self.table.count, "a route stands twice in the table")
    }

    @Test func documentDescribesTheRoutesOfTheTableAndNoOther() throws {
        #expect(Set(try Operation.all().map(\.id)) == Self.table)
    }

    @Test func onlyHealthMetricsAndDescriptionsAreOpen() {
        let open = Route.all.filter { $0.access == .open }.map(\.path)
        #expect(Set(open) == ["/livez", "/readyz", "/metrics", "/openapi.yaml", "/.well-known/oauth-protected-resource"])
    }

    @Test func changesNeedTheScopeToSubmitAndOrdersTheAdministrators() {
        for route in Route.all where route.method != .get {
            let isOrder = ["nodes", "windows", "accounts", "whatif", "advice"].contains { route.path.hasPrefix("/api/v1/\($0)") }
            // A question with a body: nothing is changed.
            let isQuestion = route.path.hasPrefix("/api/v1/forecasts")
            #expect(route.access == .scopes(isOrder ? [.admin] : isQuestion ? [.read, .admin] : [.submit]), "\(route.path)")
        }
        for route in Route.all where route.method == .get && route.access != .open && !route.path.hasSuffix("whoami") {
            #expect(route.access == .scopes(route.path == "/api/v1/history" ? [.admin] : [.read, .admin]), "\(route.path)")
        }
    }

    @Test func documentTellsAccessAndParametersAsTheTableHasThem() throws {
        let operations = Dictionary(uniqueKeysWithValues: try Operation.all().map { ($0.id, $0) })
        for route in Route.all {
            let operation = try #require(operations["\(route.method) \(route.path)"])
            #expect(operation.query == route.query, "query parameters of \(operation.id)")
            #expect(operation.isOpen == (route.access == .open), "security of \(operation.id)")
            let answers = Set(operation.answers)
            #expect(answers.contains("405"), "\(operation.id)")
            if route.access != .open { #expect(answers.isSuperset(of: ["401", "403", "422"]), "\(operation.id)") }
            for (scopes, word) in [
                (Set<Scope>.submitting, "Needs `weft.submit`"), (.reading, "Needs `weft.read`"), (.operating, "Needs `weft.admin`"),
            ]
            where route.access == .scopes(scopes) {
                #expect(operation.description.contains(word), "\(operation.id)")
            }
        }
    }

    @Test func bodiesAcceptTheFieldsThatTheDocumentNames() throws {
        let schemas = try Operation.schemas()
        for (name, fields) in [
            ("GraphRegistration", GraphRegistration.fields), ("EnvironmentRequest", EnvironmentRequest.fields),
            ("RunRequest", RunRequest.fields), ("RetryRequest", RetryRequest.fields),
            ("NodeOrderRequest", NodeOrderRequest.fields), ("WindowRequest", WindowRequest.fields),
            ("AccountRequest", AccountRequest.fields), ("WaitForecastRequest", WaitForecastRequest.fields),
            ("WhatIfRequest", WhatIfRequest.fields), ("AdviceRequest", AdviceRequest.fields),
        ] {
            let properties = try #require(schemas[name]?["properties"]?.mapping)
            #expect(Set(properties.keys.compactMap(\.string)) == Set(fields.keys), "\(name)")
        }
    }

    @Test func methodsOfAPathAreFoundThroughItsParameters() {
        #expect(Route.methods(at: "/api/v1/runs") == [.post, .get, .head])
        #expect(Route.methods(at: "/api/v1/runs/run_x/cancel") == [.post])
        #expect(Set(Route.methods(at: "/api/v1/accounts/a")) == [.get, .head, .put, .delete])
        #expect(Route.methods(at: "/api/v1/nothing") == [])
    }
}

/// One operation of the OpenAPI document.
private struct Operation {
    var id: String
    var description: String
    var isOpen: Bool
    var query: Set<String>
    var answers: [String]

    private static func document() throws -> Node {
        try #require(try Yams.compose(yaml: String(decoding: PackageResources.openapi_yaml, as: UTF8.self)))
    }

    static func schemas() throws -> Node { try #require(try document()["components"]?["schemas"]) }

    static func all() throws -> [Operation] {
        let document = try document()
        let shared = document["components"]?["parameters"]
        func query(_ parameters: Node?) -> [String] {
            (parameters?.sequence ?? []).compactMap { node in
                let name = node["$ref"]?.string?.split(separator: "/").last.map(String.init)
                let parameter = name.flatMap { shared?[$0] } ?? node
                return parameter["in"] == "query" ? parameter["name"]?.string : nil
            }
        }
        return try #require(document["paths"]?.mapping).flatMap { path, item in
            try #require(item.mapping).compactMap { key, operation in
                guard let method = key.string, method != "parameters" else { return nil }
                return Operation(
                    id: "\(method.uppercased()) \(path.string ?? "")", description: operation["description"]?.string ?? "",
                    isOpen: operation["security"]?.sequence?.isEmpty == true,
                    query: Set(query(item["parameters"]) + query(operation["parameters"])),
                    answers: operation["responses"]?.mapping?.keys.compactMap(\.string) ?? [])
            }
        }
    }
}
