// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc

/// What `/proc` tells of the processes on this host.
enum ProcessTable {
    /// A process that cannot be mistaken for a later one of the same id.
    struct Identity: Equatable {
        var id: pid_t
        /// In clock ticks since boot.
        var startTime: UInt64
        /// `R`, `S`, `Z`, …
        var state: Character

        /// Parses a line of `/proc/PID/stat`. The name, in parentheses, may itself hold spaces and parentheses.
        init?(stat: String) {
            guard let open = stat.firstIndex(of: "("), let close = stat.lastIndex(of: ")"), open < close,
                let id = pid_t(stat[..<open].filter { $0 != " " })
            else { return nil }
            let fields = stat[stat.index(after: close)...].split(whereSeparator: \.isWhitespace)
            // Fields are numbered from 1; state is the third, the start time the 22nd.
            guard fields.count > 19, let state = fields[0].first, let startTime = UInt64(fields[19]) else { return nil }
            self.id = id
            self.startTime = startTime
            self.state = state
        }
    }

    /// A zombie counts as dead: its parent may be slow to reap it.
    static func isAlive(_ identity: Identity) -> Bool {
        guard let now = read("/proc/\(identity.id)/stat").flatMap({ Identity(stat: String(decoding: $0, as: UTF8.self)) }) else {
            return false
        }
        return now.startTime == identity.startTime && now.state != "Z" && now.state != "X"
    }

    /// Live processes whose environment holds all of the entries, as far as this user may look.
    static func processes(withEnvironment entries: [String]) -> [(id: pid_t, name: String)] {
        let wanted = Set(entries.map { Array($0.utf8) })
        let own = getpid()
        let ids = ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { pid_t($0) }
        return ids.compactMap { id in
            guard id != own, let environment = read("/proc/\(id)/environ") else { return nil }
            let held = environment.split(separator: 0).filter { wanted.contains(Array($0)) }
            guard Set(held.map(Array.init)).count == wanted.count else { return nil }
            let name = read("/proc/\(id)/comm").map { String(decoding: $0, as: UTF8.self).filter { $0 != "\n" } } ?? ""
            return (id, name)
        }
    }

    static var hostName: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            guard let start = buffer.baseAddress, gethostname(start, 255) == 0 else { return "localhost" }
            buffer[255] = 0
            return String(cString: start)
        }
    }

    private static func read(_ path: String) -> [UInt8]? {
        guard let data = try? Data(contentsOf: URL(filePath: path)) else { return nil }
        return Array(data)
    }
}
