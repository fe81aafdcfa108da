// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import WorkflowModel

/// The server that the CLI talks to when nothing else is said, as `weft up` left it.
struct Context: Codable, Sendable, Equatable {
    var server: String
    var token: String?
    /// Data folder of `weft up`, whose issuer can renew the token.
    var dataFolder: String?

    private enum CodingKeys: String, CodingKey {
        case server, token
        case dataFolder = "data_folder"
    }
}

/// Where a context is kept: in the data folder, and for the user in `$XDG_CONFIG_HOME/weft/context.json`.
struct ContextFile: Sendable {
    var path: String

    static func inData(_ folder: String) -> ContextFile { ContextFile(path: folder + "/context.json") }
    static func ofUser(_ folders: UserFolders) -> ContextFile { ContextFile(path: folders.configuration + "/context.json") }

    /// With `WEFT_DATA` set, that folder's context comes first.
    static func current(variables: [String: String]) -> ContextFile {
        if let data = variables["WEFT_DATA"], !data.isEmpty, ContextFile.inData(data).read() != nil { return .inData(data) }
        return .ofUser(UserFolders(variables: variables))
    }

    /// `nil` when there is none or it is damaged; `weft up` writes it anew.
    func read() -> Context? {
        PrivateFile.read(path).flatMap { try? WireJSON.decode(Context.self, from: $0.utf8) }
    }

    func write(_ context: Context) throws {
        if let slash = path.lastIndex(of: "/") { try makeFolder(String(path[..<slash]), mode: 0o700) }
        try PrivateFile.write(String(decoding: WireJSON.encode(context, pretty: true), as: UTF8.self) + "\n", to: path)
    }
}
