// SPDX-License-Identifier: Apache-2.0

import Backends
import Foundation
import HTTPClient
import Testing

@testable import Server

@Suite struct KubeconfigTests {
    private static let pem = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"

    private func access(user: String, cluster: String = "server: https://10.0.0.1:6443/", namespace: String? = nil) throws
        -> KubernetesAccess
    {
        let folder = FileManager.default.temporaryDirectory.appending(path: "weft-kubeconfig-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Self.pem.write(to: folder.appending(path: "ca.pem"), atomically: true, encoding: .utf8)
        let text = """
            apiVersion: v1
            kind: Config
            clusters: [{name: other, cluster: {server: "https://other"}}, {name: c, cluster: {\(cluster), certificate-authority: ca.pem}}]
            users: [{name: u, user: {\(user)}}]
            contexts: [{name: x, context: {cluster: c, user: u, namespace: science}}]
            current-context: x
            """
        try text.write(to: folder.appending(path: "config"), atomically: true, encoding: .utf8)
        return try Kubeconfig.access(path: folder.appending(path: "config").path(), namespace: namespace, environment: [:])
    }

    @Test func readsTheCurrentContext() throws {
        let found = try access(user: "token: secret")
        #expect(
            found
                == KubernetesAccess(
                    server: "https://10.0.0.1:6443", authorities: Self.pem, credential: .token("secret"), namespace: "science"))
        #expect(try access(user: "token: secret", namespace: "own").namespace == "own")
    }

    @Test func readsEveryKindOfCredential() throws {
        let data = Data(Self.pem.utf8).base64EncodedString()
        let identity = HTTPClient.ClientIdentity(certificate: Self.pem, key: Self.pem)
        #expect(try access(user: "client-certificate-data: \(data), client-key-data: \(data)").credential == .certificate(identity))
        #expect(try access(user: "client-certificate: ca.pem, client-key: ca.pem").credential == .certificate(identity))
        #expect(try access(user: "tokenFile: /var/run/token").credential == .tokenFile("/var/run/token"))
        #expect(try access(user: "").credential == .none)
    }

    @Test(arguments: [
        ("exec: {command: aws}", "server: https://a", "asks aws for tokens"),
        ("token: t", "server: https://a, insecure-skip-tls-verify: true", "insecure-skip-tls-verify"),
        ("client-certificate-data: '%', client-key-data: '%'", "server: https://a", "not base64"),
        ("client-certificate: gone.pem, client-key: gone.pem", "server: https://a", "gone.pem cannot be read"),
    ]) func whatCannotBeUsedIsNamed(_ user: String, _ cluster: String, _ words: String) {
        #expect { try access(user: user, cluster: cluster) } throws: { "\($0)".contains(words) }
    }

    @Test func outsideOfAPodAFileIsNeeded() {
        #expect { try Kubeconfig.access(path: nil, namespace: nil, environment: [:]) } throws: {
            "\($0)".contains("set kubernetes.kubeconfig")
        }
    }
}
