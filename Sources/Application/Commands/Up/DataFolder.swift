// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import FoundationEssentials
import Glibc
import WorkflowModel

/// Where `weft up` keeps everything of one installation.
struct DataFolder: Sendable {
    var path: String

    var configuration: String { path + "/weft.yaml" }
    var settings: String { path + "/up.json" }
    var serverLog: String { path + "/weftd.log" }
    var serverProcess: String { path + "/weftd.pid" }
    var lock: String { path + "/up.lock" }
    /// The issuer's key pair and JWKS file.
    var issuer: String { path + "/issuer" }
    /// Folders of the runs, environments and whatever else the server keeps.
    var server: String { path + "/server" }
    /// Belongs to the account that Postgres runs as.
    var postgres: String { path + "/postgres" }

    /// `$WEFT_DATA`, else `~/.weft`; for root `/var/lib/weft`, since the unprivileged account of Postgres cannot enter his home.
    static func defaultPath(variables: [String: String], isRoot: Bool) -> String {
        if let path = variables["WEFT_DATA"], !path.isEmpty { return path }
        return isRoot ? "/var/lib/weft" : UserFolders(variables: variables).home + "/.weft"
    }
}

/// The folder that `up`, `down` and `status` speak of.
struct DataOptions: ParsableArguments {
    @Option(help: "Data folder (default: $WEFT_DATA, else ~/.weft; for root /var/lib/weft).")
    var data: String?

    var folder: DataFolder {
        let path = data ?? DataFolder.defaultPath(variables: processEnvironment(), isRoot: geteuid() == 0)
        let absolute = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
        var parts: [Substring] = []
        for part in absolute.split(separator: "/") where part != "." {
            if part == ".." { _ = parts.popLast() } else { parts.append(part) }
        }
        return DataFolder(path: "/" + parts.joined(separator: "/"))
    }
}

/// What an earlier `weft up` was told; a later one keeps to it.
struct UpSettings: Codable, Equatable {
    var port: Int
    var slots: Int?
    var postgresBin: String?

    private enum CodingKeys: String, CodingKey {
        case port, slots
        case postgresBin = "postgres_bin"
    }
}

/// Held while the folder's programs are started or stopped; ends with the process at the latest.
struct FolderLock: ~Copyable {
    private let descriptor: Int32

    init(_ folder: DataFolder) throws(CommandFailure) {
        descriptor = open(folder.lock, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw systemFailure("'\(folder.lock)' cannot be opened") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw CommandFailure("Another `weft up` or `weft down` is at work in \(folder.path). Wait for it to end.")
        }
    }

    deinit { close(descriptor) }
}
