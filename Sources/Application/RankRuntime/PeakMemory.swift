// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The most bytes of memory that processes have held at a time.
enum PeakMemory {
    /// Of this process, since it began its program.
    static var own: Int64 {
        guard let file = fopen("/proc/self/status", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        var kibibytes: Int64 = 0
        while fgets(&line, 256, file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            guard text.hasPrefix("VmHWM:") else { continue }
            kibibytes = Int64(text.split(whereSeparator: \.isWhitespace).dropFirst().first ?? "") ?? 0
        }
        return kibibytes << 10
    }

    /// Of the largest of its children that have ended.
    static var ofChildren: Int64 {
        var usage = rusage()
        return getrusage(__rusage_who_t(RUSAGE_CHILDREN.rawValue), &usage) == 0 ? Int64(usage.ru_maxrss) << 10 : 0
    }
}
