// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc

/// The `process_*` metrics of Prometheus' own clients, from /proc.
enum ProcessMetrics {
    static func read() -> [String: RenderedFamily] {
        var families: [String: RenderedFamily] = [:]
        func add(_ name: String, _ kind: PrometheusRegistry.Kind, _ help: String, _ value: Double?) {
            guard let value else { return }
            families[name] = RenderedFamily(kind: kind, help: help, series: [(LabelSet([]), [.init(value: value)])])
        }
        let ticks = Double(sysconf(CInt(_SC_CLK_TCK)))
        if let fields = statFields() {
            // Numbering of proc(5); the first field here is the third there.
            let field = { (number: Int) in Double(fields.count > number - 3 ? fields[number - 3] : "") }
            let cpu = field(14).flatMap { user in field(15).map { (user + $0) / ticks } }
            add("process_cpu_seconds_total", .counter, "Total user and system CPU time spent in seconds.", cpu)
            add("process_virtual_memory_bytes", .gauge, "Virtual memory size in bytes.", field(23))
            let resident = field(24).map { $0 * Double(sysconf(CInt(_SC_PAGESIZE))) }
            add("process_resident_memory_bytes", .gauge, "Resident memory size in bytes.", resident)
            let started = bootTime().flatMap { boot in field(22).map { boot + $0 / ticks } }
            add("process_start_time_seconds", .gauge, "Start time of the process since unix epoch in seconds.", started)
        }
        let descriptors = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
        add("process_open_fds", .gauge, "Number of open file descriptors.", descriptors.map(Double.init))
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            add("process_max_fds", .gauge, "Maximum number of open file descriptors.", Double(limit.rlim_cur))
        }
        return families
    }

    /// Fields of /proc/self/stat behind the program's name, which may itself hold spaces and parentheses.
    private static func statFields() -> [Substring]? {
        guard let text = contents("/proc/self/stat"), let close = text.lastIndex(of: ")") else { return nil }
        return text[text.index(after: close)...].split(separator: " ")
    }

    private static func bootTime() -> Double? {
        contents("/proc/stat")?.split(separator: "\n").first { $0.hasPrefix("btime ") }?.split(separator: " ").last.flatMap { Double($0) }
    }

    private static func contents(_ path: String) -> String? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
