// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Commands

struct TableTests {
    @Test func columnsAreAlignedAndLinesHaveNoTrailingSpaces() {
        var table = Table("NAME", ">COUNT", "NOTE")
        table.append("a", "1", "first")
        table.append("longer", "1000", "")
        #expect(
            table.render() == """
                NAME    COUNT  NOTE
                a           1  first
                longer   1000
                """)
    }

    @Test func controlCharactersCannotSteerTheTerminal() {
        var table = Table("NAME")
        table.append("\("evil\u{1B}[2Jname")")
        #expect(!table.render().contains("\u{1B}"))
        #expect("two\nlines\u{7}".printableLines == "two\nlines\u{FFFD}")
    }

    @Test func colourIsAnExtraOnTerminalsOnly() {
        var table = Table("STATE")
        table.append(Table.Cell("failed", colour: .red))
        var terminal = Terminal(descriptor: -1, variables: [:])
        #expect(table.render(terminal) == "STATE\nfailed")
        terminal.colours = true
        #expect(table.render(terminal) == "STATE\n\u{1B}[31mfailed\u{1B}[0m")
    }

    @Test(arguments: [
        (0, "0 s"), (0.000_001_23, "1.2 µs"), (0.000_099_5, "0.1 ms"), (0.0123, "12.3 ms"), (1.25, "1.3 s"), (59.94, "59.9 s"),
        (61, "1 min 1 s"), (3725, "1 h 2 min"), (-1, "0 s"),
    ])
    func durationsReadWell(seconds: Double, text: String) { #expect(Format.duration(seconds) == text) }

    @Test(arguments: [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_550_000, "1.6 MB"), (2_000_000_000_000, "2.0 TB")])
    func sizesReadWell(bytes: Int64, text: String) { #expect(Format.size(bytes) == text) }

    @Test func fieldsLeaveOutWhatIsAbsent() {
        var fields = Fields()
        fields.add("run", "run_1")
        fields.add("name", nil)
        fields.add("graph", "")
        fields.add("submitted", "now")
        #expect(fields.render() == "run        run_1\nsubmitted  now")
    }
}
