// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// The operations that every rank brings along.
package enum NativeCatalogue {
    /// By purpose: what reads, what changes, what gathers, what writes.
    package static let operations: [OperationDescription] = readers + changes + aggregates + gatherers + writers

    package static func operation(_ name: String) -> OperationDescription? { operations.first { $0.name == name } }

    /// What is wrong with a PE's operation, its parameters and its ports.
    /// - Parameter pointer: to the PE, as `/elements/3`.
    package static func errors(in element: ProcessElement, at pointer: String) -> [Problem.FieldError] {
        guard let native = element.native else { return [] }
        guard let operation = operation(native.operation) else {
            return [.init("\(pointer)/native/operation", unknown(native.operation))]
        }
        let problems = operation.problems(with: native.parameters)
        guard problems.isEmpty else {
            return problems.map { .init("\(pointer)/native/parameters/\($0.parameter)", "\(element.id): \($0.detail)") }
        }
        var errors: [Problem.FieldError] = []
        let inputs = operation.inputs(native.parameters).map(\.name)
        if element.inputs.map(\.name) != inputs || element.outputs != operation.outputs {
            errors.append(
                .init(
                    "\(pointer)/inputs",
                    "\(element.id) must have the ports of \(operation.name): inputs \(inputs), outputs \(operation.outputs)"))
        }
        if element.processes > 1, !element.single, let path = native.parameters["path"]?.stringValue, operation.sourceParameter != "path",
            !PathTemplate.namesInstance(path)
        {
            errors.append(
                .init(
                    "\(pointer)/native/parameters/path",
                    "\(element.id) has \(element.processes) instances, which would all write '\(path)': put {instance} into the path"))
        }
        return errors
    }

    /// A sentence for a name that is none, with the nearest one there is.
    package static func unknown(_ name: String) -> String {
        "there is no native operation '\(name)'; there are \(operations.map(\.name).joined(separator: ", "))"
    }
}
