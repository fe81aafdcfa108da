// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import PythonHost

extension LineReader {
    fileprivate mutating func read(_ bytes: some Collection<UInt8>) -> [String] { Array(bytes).withUnsafeBytes { read($0) } }
}

/// Every line, with what followed the last end of a line.
private func lines(in pieces: [ArraySlice<UInt8>]) -> [String] {
    var reader = LineReader()
    return pieces.flatMap { reader.read($0) } + [reader.end()].compactMap(\.self)
}

private func lines(in text: String) -> [String] { lines(in: [Array(text.utf8)[...]]) }

@Suite struct LineReaderTests {
    @Test(arguments: 0..<50) func linesComeOutAsTheyWentInWhateverThePieces(seed: UInt64) {
        var numbers = Numbers(state: seed)
        let sent = (0..<20).map { _ in
            String((0..<Int.random(in: 0..<60, using: &numbers)).map { _ in "aü漢🙂 \t".randomElement(using: &numbers) ?? " " })
        }
        let bytes = Array(sent.map { $0 + "\n" }.joined().utf8)
        #expect(lines(in: numbers.pieces(of: bytes)) == sent)
    }

    @Test func whatHasNoNewlineAtItsEndComesAtTheEnd() {
        var reader = LineReader()
        #expect(reader.read("one\r\ntwo".utf8) == ["one"])
        #expect(reader.end() == "two")
        #expect(reader.end() == nil)
        #expect(lines(in: "") == [])
        #expect(lines(in: "\n\n") == ["", ""])
    }

    @Test func aLineOfTheBoundIsOneLine() {
        let line = String(repeating: "x", count: LineReader.maximumLength)
        #expect(lines(in: line + "\nnext\n") == [line, "next"])
        #expect(lines(in: line) == [line])
    }

    @Test(arguments: ["x", "ü", "漢", "🙂"]) func aLongerLineIsCutBetweenCharacters(character: Character) {
        for shift in 0..<4 {
            let line = String(repeating: "-", count: shift) + String(repeating: character, count: 3 * LineReader.maximumLength)
            let cut = lines(in: line + "\n")
            #expect(cut.joined() == line)
            #expect(cut.allSatisfy { (1...LineReader.maximumLength + 3).contains($0.utf8.count) })
        }
    }

    @Test func invalidBytesAreReplacedAndBounded() {
        #expect(lines(in: [[0x61, 0xFF, 0x62, 0x0A, 0xE6, 0xBC][...]]) == ["a\u{FFFD}b", "\u{FFFD}"])
        // Nothing but the middle of characters: there is no good place to cut.
        let torn = lines(in: [[UInt8](repeating: 0x80, count: 10 * LineReader.maximumLength)[...]])
        #expect(torn.allSatisfy { $0.unicodeScalars.count <= LineReader.maximumLength + 3 })
        #expect(torn.joined() == String(repeating: "\u{FFFD}", count: 10 * LineReader.maximumLength))
    }

    @Test(arguments: 0..<100) func noiseLosesNoEndOfALine(seed: UInt64) {
        var numbers = Numbers(state: seed)
        let noise = numbers.bytes(atMost: 3000) + [0x0A]
        #expect(lines(in: numbers.pieces(of: noise)).count == noise.count { $0 == 0x0A })
    }
}
