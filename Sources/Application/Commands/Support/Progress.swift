// SPDX-License-Identifier: Apache-2.0

/// Says on standard error how something long is getting on, each step with the time it took.
struct Progress {
    private let started = ContinuousClock.now

    func step(_ text: String) {
        StandardStreams.chatter("\(Terminal.chatter.paint(elapsed, .grey))  \(text.printable)")
    }

    private var elapsed: String {
        let (seconds, attoseconds) = (ContinuousClock.now - started).components
        let tenths = seconds * 10 + attoseconds / 100_000_000_000_000_000
        let text = "\(tenths / 10).\(tenths % 10) s"
        return String(repeating: " ", count: max(0, 7 - text.count)) + text
    }
}
