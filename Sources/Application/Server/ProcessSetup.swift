// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// What the process asks of the system before it serves.
enum ProcessSetup {
    /// Descriptors for everything but clients: database, logs, segments, loaders, launchers.
    static let reservedDescriptors = 256
    /// Programs that close every descriptor they might have inherited would otherwise be at it for minutes.
    private static let mostDescriptors: rlim_t = 1 << 20

    /// Makes the folder, or takes one that is there away from others: it holds what users submit, read and write.
    static func makePrivateFolder(_ path: String) throws(StartFailure) {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw StartFailure(.cannotCreate, "The data folder \(path) cannot be made: \(error.localizedDescription)")
        }
        guard chmod(path, 0o700) == 0 else {
            throw StartFailure(
                .cannotCreate,
                "The data folder \(path) cannot be closed to other accounts (mode 0700): \(String(cString: strerror(errno))). "
                    + "Give it to the account that weftd runs as.")
        }
    }

    /// Raises the soft limit of open descriptors to the hard one.
    /// - Returns: the soft limit there is now.
    static func raiseDescriptorLimit() -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return 1024 }
        var raised = limit
        raised.rlim_cur = max(limit.rlim_cur, min(limit.rlim_max, mostDescriptors))
        if setrlimit(resource, &raised) == 0 { limit = raised }
        return Int(clamping: limit.rlim_cur)
    }

    /// As many clients as asked for, where the descriptors suffice.
    static func connections(asked: Int, descriptors: Int) -> Int { min(asked, max(1, descriptors - reservedDescriptors)) }
}
