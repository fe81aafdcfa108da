// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Ports of the loopback interface.
enum LocalPort {
    static let standard = 8337

    static func isFree(_ port: Int) -> Bool { bind(to: port) != nil }

    /// One that nobody listens on at this moment.
    static func anyFree() throws(CommandFailure) -> Int {
        guard let port = bind(to: 0) else { throw systemFailure("No free port was found on 127.0.0.1") }
        return port
    }

    /// - Returns: the port that was bound, and is free again; `nil` when it is taken.
    private static func bind(to port: Int) -> Int? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var reuse: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &reuse, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        return withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                guard Glibc.bind(descriptor, generic, size) == 0, listen(descriptor, 1) == 0,
                    getsockname(descriptor, generic, &size) == 0
                else { return nil }
                return Int(in_port_t(bigEndian: UnsafeRawPointer(generic).load(as: sockaddr_in.self).sin_port))
            }
        }
    }
}
