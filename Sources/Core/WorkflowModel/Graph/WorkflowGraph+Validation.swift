// SPDX-License-Identifier: Apache-2.0

extension WorkflowGraph {
    package static let maximumElements = 10_000
    package static let maximumEdges = 60_000

    /// Indexes of the elements, upstream before downstream, otherwise in the author's order; `nil` when there is a cycle.
    package var topologicalOrder: [Int]? {
        let position = Dictionary(elements.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
        var waiting = [Int](repeating: 0, count: elements.count)
        var successors = [[Int]](repeating: [], count: elements.count)
        for edge in edges {
            guard let from = position[edge.from], let to = position[edge.to] else { continue }
            waiting[to] += 1
            successors[from].append(to)
        }
        var ready = elements.indices.filter { waiting[$0] == 0 }
        var order: [Int] = []
        var next = 0
        while next < ready.count {
            let element = ready[next]
            next += 1
            order.append(element)
            for successor in successors[element] {
                waiting[successor] -= 1
                if waiting[successor] == 0 { ready.append(successor) }
            }
        }
        return order.count == elements.count ? order : nil
    }

    /// Refuses what cannot run: no elements, two of one id, an edge at an unknown port, a cycle, too many of anything.
    package func validate() throws(Problem) {
        var errors: [Problem.FieldError] = []
        if elements.isEmpty { errors.append(.init("/elements", "the graph has no PE")) }
        if elements.count > Self.maximumElements { errors.append(.init("/elements", "more than \(Self.maximumElements) PEs")) }
        if edges.count > Self.maximumEdges { errors.append(.init("/edges", "more than \(Self.maximumEdges) edges")) }
        if elements.count > 1, let index = elements.firstIndex(where: { $0.application != nil }) {
            errors.append(.init("/elements/\(index)/application", "an application is the only element of its graph"))
        }
        var byID: [String: ProcessElement] = [:]
        for (index, element) in elements.enumerated() {
            if byID.updateValue(element, forKey: element.id) != nil {
                errors.append(.init("/elements/\(index)/id", "two PEs have the id '\(element.id)'"))
            }
        }
        for (index, edge) in edges.enumerated() {
            if let from = byID[edge.from] {
                if !from.outputs.contains(edge.output) {
                    errors.append(
                        .init("/edges/\(index)/output", "\(edge.from) has no output '\(edge.output)'; it has \(Self.list(from.outputs))"))
                }
            } else {
                errors.append(.init("/edges/\(index)/from", "no PE has the id '\(edge.from)'"))
            }
            if let to = byID[edge.to] {
                if !to.inputs.contains(where: { $0.name == edge.input }) {
                    errors.append(
                        .init(
                            "/edges/\(index)/input", "\(edge.to) has no input '\(edge.input)'; it has \(Self.list(to.inputs.map(\.name)))"))
                }
            } else {
                errors.append(.init("/edges/\(index)/to", "no PE has the id '\(edge.to)'"))
            }
        }
        if errors.isEmpty, topologicalOrder == nil {
            errors.append(.init("/edges", "the edges form a cycle; data must flow one way"))
        }
        guard errors.isEmpty else { throw Problem(.invalid, "The graph cannot run.", errors: errors) }
    }

    private static func list(_ ports: [String]) -> String { ports.isEmpty ? "none" : ports.joined(separator: ", ") }
}
