// SPDX-License-Identifier: Apache-2.0

/// Rows in aligned columns under capital headings.
struct Table {
    enum Alignment { case left, right }

    struct Column {
        var title: String
        var alignment: Alignment
    }

    struct Cell: ExpressibleByStringInterpolation {
        var text: String
        var colour: Terminal.Colour?

        init(_ text: String, colour: Terminal.Colour? = nil) {
            self.text = text.printable
            self.colour = colour
        }

        init(stringLiteral value: String) { self.init(value) }
    }

    private var columns: [Column]
    private var rows: [[Cell]] = []

    /// A title that begins with `>` is aligned to the right.
    init(_ titles: String...) {
        columns = titles.map {
            $0.hasPrefix(">") ? Column(title: String($0.dropFirst()), alignment: .right) : Column(title: $0, alignment: .left)
        }
    }

    mutating func append(_ cells: Cell...) {
        precondition(cells.count == columns.count, "a row has a cell for every column")
        rows.append(cells)
    }

    func render(_ terminal: Terminal? = nil) -> String {
        let widths = columns.indices.map { column in
            rows.reduce(columns[column].title.count) { max($0, $1[column].text.count) }
        }
        let lines = [columns.map { Cell($0.title) }] + rows
        return lines.map { line in
            let padded = line.indices.map { column in
                let cell = line[column]
                let padding = String(repeating: " ", count: widths[column] - cell.text.count)
                let text = terminal?.paint(cell.text, cell.colour) ?? cell.text
                if columns[column].alignment == .right { return padding + text }
                return column == line.count - 1 ? text : text + padding
            }
            var text = padded.joined(separator: "  ")
            while text.last == " " { text.removeLast() }
            return text
        }.joined(separator: "\n")
    }
}
