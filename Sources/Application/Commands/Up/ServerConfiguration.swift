// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// The configuration file that `weft up` writes for its `weftd`.
struct ServerConfiguration {
    var port: Int
    var database: String
    var dataFolder: String
    var jwks: String
    var slots: Int?

    /// Strings as in JSON, which YAML reads as they are.
    func yaml() throws -> String {
        let quoted: (String) throws -> String = { String(decoding: try WireJSON.encode($0), as: UTF8.self) }
        return """
            # Written by `weft up` at every start; changes made here do not last.
            listen:
              host: 127.0.0.1
              port: \(port)
            database:
              conninfo: \(try quoted(database))
            data_folder: \(try quoted(dataFolder))
            \(slots.map { "local:\n  slots: \($0)\n" } ?? "")issuers:
              - issuer: \(try quoted(LocalToken.issuer))
                audiences: [\(try quoted(LocalToken.audience))]
                algorithms: [ES256]
                jwks: {file: \(try quoted(jwks))}

            """
    }

    /// The environment that `weftd` gets: its variables are stronger than the file, so none may stand for what is written
    /// there; and what concerns the user's own client is not the server's.
    static func environment(_ variables: [String: String]) -> [String: String] {
        let own = [
            "WEFT_LISTEN_HOST", "WEFT_LISTEN_PORT", "WEFT_PUBLIC_URL", "WEFT_DATA_FOLDER", "WEFT_DATABASE_CONNINFO", "WEFT_ISSUERS",
            "WEFT_DATA", "WEFT_SERVER", "WEFT_TOKEN", "BEARER_TOKEN", "BEARER_TOKEN_FILE",
        ]
        return variables.filter { !own.contains($0.key) }
    }
}
