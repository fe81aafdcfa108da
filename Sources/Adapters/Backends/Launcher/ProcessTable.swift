// SPDX-License-Identifier: Apache-2.0

import Glibc

/// What `/proc` tells of the processes on this host.
enum ProcessTable {
    /// A process that cannot be mistaken for a later one of the same id.
    struct Identity: Equatable {
        var id: pid_t
        var name: String
        /// `R`, `S`, `Z`, …
        var state: Character
        var parent: pid_t
        /// In clock ticks since boot.
        var startTime: UInt64

        /// A zombie counts as dead: its parent may be slow to reap it.
        var isLive: Bool { state != "Z" && state != "X" }

        /// Parses a line of `/proc/PID/stat`. The name, in parentheses, may itself hold spaces and parentheses.
        init?(stat: String) {
            guard let open = stat.firstIndex(of: "("), let close = stat.lastIndex(of: ")"), open < close,
                let id = pid_t(stat[..<open].filter { $0 != " " })
            else { return nil }
            let fields = stat[stat.index(after: close)...].split(whereSeparator: \.isWhitespace)
            // Fields are numbered from 1: state is the third, the parent the fourth, the start time the 22nd.
            guard fields.count > 19, let state = fields[0].first, let parent = pid_t(fields[1]), let startTime = UInt64(fields[19])
            else { return nil }
            self.id = id
            self.name = String(stat[stat.index(after: open)..<close])
            self.state = state
            self.parent = parent
            self.startTime = startTime
        }
    }

    static func isAlive(_ identity: Identity) throws(FileError) -> Bool {
        guard let now = try self.identity(of: identity.id) else { return false }
        return now.startTime == identity.startTime && now.isLive
    }

    /// Live processes whose environment holds all of the entries, as far as this user may look, and those that descend from
    /// them or from `root` without that mark.
    static func family(of root: pid_t?, withEnvironment entries: [String]) throws(FileError) -> [(process: Identity, isMarked: Bool)] {
        var live: [pid_t: Identity] = [:]
        for id in try ids() where id != getpid() {
            if let process = try identity(of: id), process.isLive { live[id] = process }
        }
        let wanted = Set(entries.map { Array($0.utf8) })
        var marked = Set<pid_t>()
        for id in live.keys where try isMarked(id, wanted) { marked.insert(id) }
        func descends(_ process: Identity) -> Bool {
            var ancestor = process
            // Bounded: a table read while processes come and go may hold a cycle.
            for _ in 0..<64 {
                if ancestor.id == root || marked.contains(ancestor.id) { return true }
                guard let next = live[ancestor.parent] else { return false }
                ancestor = next
            }
            return false
        }
        return live.values.filter { $0.id != root && descends($0) }.map { ($0, marked.contains($0.id)) }
    }

    static var hostName: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            guard let start = buffer.baseAddress, gethostname(start, 255) == 0 else { return "localhost" }
            buffer[255] = 0
            return String(cString: start)
        }
    }

    /// As `uname -m` tells it.
    static var architecture: String {
        var names = utsname()
        guard uname(&names) == 0 else { return "unknown" }
        return withUnsafeBytes(of: names.machine) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    private static func identity(of id: pid_t) throws(FileError) -> Identity? {
        try SmallFile.read("/proc/\(id)/stat").flatMap { Identity(stat: String(decoding: $0, as: UTF8.self)) }
    }

    private static func isMarked(_ id: pid_t, _ wanted: Set<[UInt8]>) throws(FileError) -> Bool {
        do {
            guard let environment = try SmallFile.read("/proc/\(id)/environ") else { return false }
            return Set(environment.split(separator: 0).map(Array.init)).isSuperset(of: wanted)
        } catch {
            // A process that this user may not look into is none of ours.
            guard error.code == EACCES || error.code == EPERM else { throw error }
            return false
        }
    }

    private static func ids() throws(FileError) -> [pid_t] {
        guard let folder = opendir("/proc") else { throw FileError("read", "/proc", errno) }
        defer { closedir(folder) }
        var ids: [pid_t] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if let id = pid_t(name) { ids.append(id) }
        }
        return ids
    }
}
