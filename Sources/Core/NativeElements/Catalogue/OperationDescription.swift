// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

/// What a native operation is, and how an instance of it is made.
package struct OperationDescription: Sendable {
    package static let input = "input"
    package static let output = "output"

    package var name: String
    /// One or more sentences.
    package var documentation: String
    package var parameters: [Parameter]
    /// Given this parameter, it has no input and is a source.
    package var sourceParameter: String?
    /// Remembers earlier data, or writes a file: its instances cannot be told apart by chance.
    package var isStateful: Bool
    /// What the parameters must be together: the one at fault and what is wrong.
    let check: @Sendable (Arguments) -> (parameter: String, detail: String)?
    private let factory: @Sendable (Arguments, OperationContext) throws(NativeError) -> any Operation

    init(
        _ name: String, _ documentation: String, _ parameters: [Parameter] = [], sourceParameter: String? = nil, stateful: Bool = false,
        check: @escaping @Sendable (Arguments) -> (parameter: String, detail: String)? = { _ in nil },
        make: @escaping @Sendable (Arguments, OperationContext) throws(NativeError) -> any Operation
    ) {
        self.name = name
        self.documentation = documentation
        self.parameters = parameters
        self.sourceParameter = sourceParameter
        isStateful = stateful
        self.check = check
        factory = make
    }

    /// What is wrong with the parameters: each with its name and what to do.
    package func problems(with values: [String: JSONValue]) -> [(parameter: String, detail: String)] {
        var problems: [(String, String)] = []
        for (name, value) in values.sorted(by: { $0.key < $1.key }) where value != .null {
            if let parameter = parameters.first(where: { $0.name == name }) {
                if let problem = parameter.problem(with: value) { problems.append((name, problem)) }
            } else {
                let known = parameters.map(\.name).joined(separator: ", ")
                problems.append((name, "\(self.name) has no parameter '\(name)'; it has \(known.isEmpty ? "none" : known)"))
            }
        }
        for parameter in parameters where parameter.isRequired && values[parameter.name] ?? .null == .null {
            problems.append((parameter.name, "\(name) needs it: \(parameter.documentation) (\(parameter.kind.name))"))
        }
        if problems.isEmpty, let problem = check(arguments(values)) { problems.append(problem) }
        return problems
    }

    private func arguments(_ values: [String: JSONValue]) -> Arguments { Arguments(values.filter { $0.value != .null }) }

    /// The input ports, as the parameters make them.
    package func inputs(_ values: [String: JSONValue]) -> [InputPort] {
        let arguments = arguments(values)
        if let sourceParameter, arguments.has(sourceParameter) { return [] }
        return [InputPort(name: Self.input, grouping: arguments.parts("key").map { .byKey($0) } ?? .roundRobin)]
    }

    package var outputs: [String] { [Self.output] }

    /// Whether there should be one instance, unless somebody asks for more: it would see a part of the data only.
    package func isSingle(_ values: [String: JSONValue]) -> Bool { isStateful && !arguments(values).has("key") }

    /// - Parameter values: parameters in which ``problems(with:)`` has found none.
    package func make(_ values: [String: JSONValue], _ context: OperationContext) throws(NativeError) -> any Operation {
        if let problem = problems(with: values).first { throw NativeError("parameter '\(problem.parameter)': \(problem.detail)") }
        return try factory(arguments(values), context)
    }
}
