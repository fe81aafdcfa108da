// SPDX-License-Identifier: Apache-2.0

/// A path in which `{instance}` stands for the number of the PE's instance.
enum PathTemplate {
    private static let placeholder = "{instance}"

    static func problem(with text: String) -> String? {
        if text.isEmpty || text.contains("\0") { return "must be the path of a file" }
        let rest = text.replacing(placeholder, with: "")
        return rest.contains { $0 == "{" || $0 == "}" } ? "has a placeholder that is not \(placeholder), the only one there is" : nil
    }

    static func namesInstance(_ text: String) -> Bool { text.contains(placeholder) }

    static func path(_ text: String, replica: Int) -> String { text.replacing(placeholder, with: String(replica)) }
}
