// SPDX-License-Identifier: Apache-2.0

import Crypto
package import FoundationEssentials
import Glibc
import JWTKit
package import WorkflowModel

/// The issuer of a single-machine installation: a key pair in a folder, whose owner may write tokens. The server checks them
/// like any other issuer's, by the JWKS file beside the key.
package struct LocalIssuer: Sendable {
    package struct Failure: Error, Sendable, Hashable, CustomStringConvertible {
        package var description: String
    }

    private struct Settings: Codable {
        var issuer: String
        var audience: String
    }

    private struct Claims: JWTPayload {
        var iss: String
        var sub: String
        var aud: String
        var iat: Int
        var nbf: Int
        var exp: Int
        var jti: String
        var client_id: String
        var scope: String

        func verify(using algorithm: some JWTAlgorithm) {}
    }

    package let folder: String
    package let issuer: String
    package let audience: String
    private let key: P256.Signing.PrivateKey

    package var jwksPath: String { folder + "/jwks.json" }
    private static func keyPath(_ folder: String) -> String { folder + "/signing-key.pem" }
    private static func settingsPath(_ folder: String) -> String { folder + "/issuer.json" }

    /// Opens the issuer in `folder`, or makes one. A key that is there is kept.
    package static func create(in folder: String, issuer: String, audience: String) throws -> LocalIssuer {
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let key = try readKey(folder) ?? makeKey(folder)
        let local = LocalIssuer(folder: folder, issuer: issuer, audience: audience, key: key)
        try write(Array(local.jwks), to: local.jwksPath, mode: 0o644)
        try write(WireJSON.encode(Settings(issuer: issuer, audience: audience)), to: settingsPath(folder), mode: 0o644)
        return local
    }

    /// Opens the issuer that `create` made in `folder`.
    package static func load(from folder: String) throws -> LocalIssuer {
        guard let key = try readKey(folder), let bytes = try? Data(contentsOf: URL(filePath: settingsPath(folder))) else {
            throw Failure(description: "There is no local issuer in '\(folder)'; 'weft up' makes one.")
        }
        let settings = try WireJSON.decode(Settings.self, from: bytes)
        return LocalIssuer(folder: folder, issuer: settings.issuer, audience: settings.audience, key: key)
    }

    /// A signed access token (RFC 9068).
    package func token(
        subject: String, scopes: [Scope], lifetime: Duration = .seconds(3600), now: Date = Date()
    ) async throws -> String {
        let issuedAt = Int(now.timeIntervalSince1970)
        let claims = Claims(
            iss: issuer, sub: subject, aud: audience, iat: issuedAt, nbf: issuedAt, exp: issuedAt + Int(lifetime.components.seconds),
            jti: Base64URL.encode(SymmetricKey(size: .bits128).withUnsafeBytes { Array($0) }), client_id: "weft",
            scope: scopes.sorted().map(\.rawValue).joined(separator: " "))
        let signer = JWTKeyCollection()
        await signer.add(ecdsa: try ES256PrivateKey(backing: key), kid: JWKIdentifier(string: keyID))
        return try await signer.sign(claims, kid: JWKIdentifier(string: keyID), header: ["typ": "at+jwt"])
    }

    /// How a server is told to trust it.
    package var configuration: IssuerConfiguration {
        IssuerConfiguration(issuer: issuer, audiences: [audience], algorithms: [.es256], jwks: .file(jwksPath))
    }

    // MARK: Key

    private var coordinates: (x: String, y: String) {
        let point = key.publicKey.rawRepresentation
        return (Base64URL.encode(point.prefix(32)), Base64URL.encode(point.suffix(32)))
    }

    /// The key's thumbprint (RFC 7638).
    private var keyID: String {
        let (x, y) = coordinates
        return Base64URL.encode(SHA256.hash(data: Array(#"{"crv":"P-256","kty":"EC","x":"\#(x)","y":"\#(y)"}"#.utf8)))
    }

    private var jwks: String.UTF8View {
        let (x, y) = coordinates
        return #"{"keys":[{"alg":"ES256","crv":"P-256","kid":"\#(keyID)","kty":"EC","use":"sig","x":"\#(x)","y":"\#(y)"}]}"#.utf8
    }

    private static func readKey(_ folder: String) throws -> P256.Signing.PrivateKey? {
        let path = keyPath(folder)
        guard access(path, F_OK) == 0 else { return nil }
        do {
            return try P256.Signing.PrivateKey(pemRepresentation: String(contentsOf: URL(filePath: path), encoding: .utf8))
        } catch {
            throw Failure(description: "'\(path)' cannot be used as a signing key: \(error). Remove it, and 'weft up' makes another.")
        }
    }

    private static func makeKey(_ folder: String) throws -> P256.Signing.PrivateKey {
        let key = P256.Signing.PrivateKey()
        do throws(Failure) {
            try write(Array(key.pemRepresentation.utf8), to: keyPath(folder), mode: 0o600, replacing: false)
            return key
        } catch {
            // Somebody else made one at the same moment.
            if let other = try readKey(folder) { return other }
            throw error
        }
    }

    /// The file has its whole content and its mode from the moment it has its name.
    private static func write(_ bytes: [UInt8], to path: String, mode: mode_t, replacing: Bool = true) throws(Failure) {
        func failure(_ what: String) -> Failure {
            Failure(description: "Cannot write '\(path)': \(what): \(String(cString: strerror(errno))).")
        }
        let temporary = path + ".\(getpid()).\(UInt32.random(in: 0 ... .max))"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw failure("creating a temporary file beside it") }
        defer { unlink(temporary) }
        let isWritten = writeAll(bytes, to: descriptor)
        guard close(descriptor) == 0, isWritten else { throw failure("writing") }
        guard (replacing ? rename(temporary, path) : link(temporary, path)) == 0 else { throw failure("naming it") }
    }

    private static func writeAll(_ bytes: [UInt8], to descriptor: CInt) -> Bool {
        bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) == $0.count } && fsync(descriptor) == 0
    }
}
