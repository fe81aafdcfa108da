// SPDX-License-Identifier: Apache-2.0

/// What the first bytes of a program's file tell of it.
package enum ProgramFile {
    /// ELF's numbers of processors.
    package enum Machine: UInt16, Sendable, CaseIterable {
        case x86_64 = 62
        case aarch64 = 183

        /// The one this process runs on; nil for others.
        package static var own: Machine? {
            #if arch(x86_64)
                .x86_64
            #elseif arch(arm64)
                .aarch64
            #else
                nil
            #endif
        }
    }

    private enum Kind { static let (executable, shared): (UInt16, UInt16) = (2, 3) }

    /// Why the system would not start it; nil where it may.
    /// - Parameter machine: of the nodes; nil: not known.
    package static func refusal(_ bytes: some Collection<UInt8>, machine: Machine? = .own) -> String? {
        let head = Array(bytes.prefix(20))
        if head.starts(with: "#!".utf8) { return nil }
        guard head.starts(with: [0x7F] + "ELF".utf8), head.count == 20 else {
            return "it is neither an ELF program nor a script whose first line begins with #!"
        }
        // The sixth byte tells the order of the bytes, 1 being the little end first.
        let field: (Int) -> UInt16 = {
            let (first, second) = (UInt16(head[$0]), UInt16(head[$0 + 1]))
            return head[5] == 1 ? first | second << 8 : first << 8 | second
        }
        guard [Kind.executable, Kind.shared].contains(field(16)) else {
            return "it is an ELF file, but no program: link it"
        }
        guard let machine, field(18) != machine.rawValue else { return nil }
        let built = Machine(rawValue: field(18)).map { "\($0)" } ?? "another processor (ELF machine \(field(18)))"
        return "it is built for \(built), and the nodes are \(machine): build it there"
    }
}
