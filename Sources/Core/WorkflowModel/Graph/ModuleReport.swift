// SPDX-License-Identifier: Apache-2.0

/// What `python -m weft.loader` says of a module: its graph, or what is wrong with it. JSON.
package struct ModuleReport: Sendable, Decodable {
    package struct Refusal: Sendable, Decodable {
        package var detail: String
        package var errors: [Problem.FieldError]?
    }

    package var graph: WorkflowGraph?
    package var documentation: String?
    /// Attribute of the module that holds the graph.
    package var attribute: String?
    /// The interpreter itself, where a script in `PATH` stood for it.
    package var interpreter: String?
    package var problem: Refusal?
    /// The process that says so goes on as a nursery: workers can be forked from it.
    package var nursery: Bool?

    /// The graph, which can run.
    /// - Throws: `Problem` with what the loader says, or what is wrong with the graph.
    package func validGraph(of filename: String) throws(Problem) -> WorkflowGraph {
        if let problem { throw Problem(.invalid, problem.detail, errors: problem.errors ?? []) }
        guard let graph else { throw Problem(.invalid, "\(filename) holds no graph.") }
        try graph.validate()
        return graph
    }
}
