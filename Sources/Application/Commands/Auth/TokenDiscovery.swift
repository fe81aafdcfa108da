// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A token and where it was found.
package struct FoundToken: Sendable, Equatable {
    package var token: String
    /// For people: a variable's name or a path.
    package var origin: String
}

/// Finds a token that something else put in place: `WEFT_TOKEN` first, then the order of the WLCG bearer token discovery
/// (so that oidc-agent, htgettoken and mytoken work unchanged).
package struct TokenDiscovery: Sendable {
    package var variables: [String: String]
    package var userID: UInt32
    package var temporaryFolder: String

    package init(variables: [String: String], userID: UInt32 = getuid(), temporaryFolder: String = "/tmp") {
        self.variables = variables
        self.userID = userID
        self.temporaryFolder = temporaryFolder
    }

    /// The first token in the order; `nil` when there is none. A place that holds no proper token is an error, not a reason
    /// to go on: whoever put it there meant it.
    package func discover() throws(CommandFailure) -> FoundToken? {
        for name in ["WEFT_TOKEN", "BEARER_TOKEN"] {
            if let value = variables[name], !value.isEmpty { return try checked(value, origin: name) }
        }
        if let path = variables["BEARER_TOKEN_FILE"], !path.isEmpty {
            guard let text = PrivateFile.read(path) else {
                throw CommandFailure(
                    "BEARER_TOKEN_FILE names '\(path)', which cannot be read. Correct or unset the variable.", status: .authentication)
            }
            return try checked(text, origin: path)
        }
        for folder in [variables["XDG_RUNTIME_DIR"], temporaryFolder] {
            guard let folder, !folder.isEmpty else { continue }
            let path = "\(folder)/bt_u\(userID)"
            // In a folder that all may write to, a file of somebody else is his token, not the user's.
            if let text = PrivateFile.read(path, ownedBy: userID) { return try checked(text, origin: path) }
        }
        return nil
    }

    private func checked(_ text: String, origin: String) throws(CommandFailure) -> FoundToken {
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0D).contains($0) }
        let bytes = text.utf8.drop(while: isSpace).reversed().drop(while: isSpace).reversed()
        guard !bytes.isEmpty, bytes.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw CommandFailure("\(origin) holds no bearer token: one line of printable characters is expected.", status: .authentication)
        }
        return FoundToken(token: String(decoding: bytes, as: UTF8.self), origin: origin)
    }
}
