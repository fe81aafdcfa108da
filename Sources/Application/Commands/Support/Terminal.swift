// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What may be drawn on a stream: colour and redrawing only on a terminal, colour only where `NO_COLOR` is not set.
struct Terminal {
    enum Colour: String {
        case red = "31"
        case green = "32"
        case yellow = "33"
        case grey = "90"
    }

    var redraws: Bool
    var colours: Bool

    init(descriptor: Int32, variables: [String: String]) {
        redraws = isatty(descriptor) == 1 && variables["TERM"] != "dumb"
        colours = redraws && variables["NO_COLOR", default: ""].isEmpty
    }

    static var output: Terminal { Terminal(descriptor: STDOUT_FILENO, variables: processEnvironment()) }
    static var chatter: Terminal { Terminal(descriptor: STDERR_FILENO, variables: processEnvironment()) }

    func paint(_ text: String, _ colour: Colour?) -> String {
        guard colours, let colour else { return text }
        return "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m"
    }
}

extension String {
    /// Control characters made visible, so that names and messages of others cannot steer the terminal.
    var printable: String {
        guard unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return self }
        return String(String.UnicodeScalarView(unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 }))
    }

    /// The same over several lines.
    var printableLines: String {
        split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.split(separator: "\t", omittingEmptySubsequences: false).map { String($0).printable }.joined(separator: "\t") }
            .joined(separator: "\n")
    }
}
