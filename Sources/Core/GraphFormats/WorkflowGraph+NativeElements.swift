// SPDX-License-Identifier: Apache-2.0

import NativeElements
package import WorkflowModel

extension WorkflowGraph {
    /// The graph with its native PEs described as the catalogue does.
    /// - Throws: `Problem` for native PEs that cannot run: an unknown operation, a parameter that it does not take, ports that it
    ///   does not have.
    package func withCheckedNativeElements() throws(Problem) -> WorkflowGraph {
        let errors = elements.enumerated().flatMap { NativeCatalogue.errors(in: $1, at: "/elements/\($0)") }
        guard errors.isEmpty else { throw Problem(.invalid, "The graph cannot run.", errors: errors) }
        var graph = self
        for (index, element) in elements.enumerated() where element.documentation == nil {
            graph.elements[index].documentation = element.native.flatMap { NativeCatalogue.operation($0.operation)?.documentation }
        }
        return graph
    }
}
