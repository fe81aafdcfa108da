// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc

func processEnvironment() -> [String: String] { ProcessInfo.processInfo.environment }

/// Where the user's files are.
struct UserFolders {
    var home: String
    var configuration: String
    var name: String

    init(variables: [String: String] = processEnvironment()) {
        // The C library's record lives until the next call; its strings are copied here at once.
        let record = getpwuid(getuid())?.pointee
        home = variables["HOME"] ?? record.map { String(cString: $0.pw_dir) } ?? "/"
        name = record.map { String(cString: $0.pw_name) } ?? variables["USER"] ?? "user\(getuid())"
        configuration = (variables["XDG_CONFIG_HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? home + "/.config") + "/weft"
    }
}
