// SPDX-License-Identifier: Apache-2.0

import Backends
import Foundation
import HTTPClient
import Yams

/// Reads how the API server of Kubernetes is reached: from a kubeconfig file, or inside of a pod from what its service account is given.
enum Kubeconfig {
    private struct Document: Decodable {
        struct NamedCluster: Decodable {
            var name: String
            var cluster: Cluster
        }
        struct Cluster: Decodable {
            var server: String
            var authority: String?
            var authorityData: String?
            var skipsVerification: Bool?

            enum CodingKeys: String, CodingKey {
                case server
                case authority = "certificate-authority"
                case authorityData = "certificate-authority-data"
                case skipsVerification = "insecure-skip-tls-verify"
            }
        }
        struct NamedUser: Decodable {
            var name: String
            var user: User
        }
        struct User: Decodable {
            struct Program: Decodable {
                var command: String
            }
            var token: String?
            var tokenFile: String?
            var certificate: String?
            var certificateData: String?
            var key: String?
            var keyData: String?
            var exec: Program?

            enum CodingKeys: String, CodingKey {
                case token, tokenFile, exec
                case certificate = "client-certificate"
                case certificateData = "client-certificate-data"
                case key = "client-key"
                case keyData = "client-key-data"
            }
        }
        struct NamedContext: Decodable {
            var name: String
            var context: Context
        }
        struct Context: Decodable {
            var cluster: String
            var user: String
            var namespace: String?
        }

        var clusters: [NamedCluster]
        var users: [NamedUser]
        var contexts: [NamedContext]
        var current: String?

        enum CodingKeys: String, CodingKey {
            case clusters, users, contexts
            case current = "current-context"
        }
    }

    private static let serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

    /// - Parameters:
    ///   - path: `nil`: what a pod has.
    ///   - namespace: instead of the one that is written there.
    static func access(path: String?, namespace: String?, environment: [String: String]) throws(StartFailure) -> KubernetesAccess {
        guard let path else { return try inCluster(namespace, environment) }
        let document: Document
        do {
            document = try YAMLDecoder().decode(Document.self, from: Data(contentsOf: URL(filePath: path)))
        } catch {
            throw failure("\(path) cannot be read as a kubeconfig: \(error)")
        }
        guard let name = document.current ?? document.contexts.first?.name,
            let context = document.contexts.first(where: { $0.name == name })?.context,
            let cluster = document.clusters.first(where: { $0.name == context.cluster })?.cluster,
            let user = document.users.first(where: { $0.name == context.user })?.user
        else { throw failure("\(path) names no context with its cluster and its user") }
        guard cluster.skipsVerification != true else {
            throw failure("\(path) has insecure-skip-tls-verify: name the authority of the API server with certificate-authority instead")
        }
        let folder = (path as NSString).deletingLastPathComponent
        return KubernetesAccess(
            server: cluster.server.hasSuffix("/") ? String(cluster.server.dropLast()) : cluster.server,
            authorities: try text(cluster.authority, cluster.authorityData, in: folder), credential: try credential(user, path, folder),
            namespace: namespace ?? context.namespace ?? "default")
    }

    private static func credential(_ user: Document.User, _ path: String, _ folder: String) throws(StartFailure)
        -> KubernetesAccess.Credential
    {
        if let file = user.tokenFile { return .tokenFile(file.hasPrefix("/") ? file : "\(folder)/\(file)") }
        if let token = user.token { return .token(token) }
        if let certificate = try text(user.certificate, user.certificateData, in: folder),
            let key = try text(user.key, user.keyData, in: folder)
        {
            return .certificate(.init(certificate: certificate, key: key))
        }
        if let program = user.exec?.command {
            throw failure(
                "\(path) asks \(program) for tokens, which a server cannot: give it a service account, with a token or a tokenFile")
        }
        return .none
    }

    private static func inCluster(_ namespace: String?, _ environment: [String: String]) throws(StartFailure) -> KubernetesAccess {
        guard let host = environment["KUBERNETES_SERVICE_HOST"], let port = environment["KUBERNETES_SERVICE_PORT"] else {
            throw failure("there is no pod around weftd: set kubernetes.kubeconfig")
        }
        let own = try? String(contentsOfFile: serviceAccount + "/namespace", encoding: .utf8)
        return KubernetesAccess(
            server: "https://\(host.contains(":") ? "[\(host)]" : host):\(port)", authorities: try text("ca.crt", nil, in: serviceAccount),
            credential: .tokenFile(serviceAccount + "/token"),
            namespace: namespace ?? own?.trimmingCharacters(in: .whitespacesAndNewlines) ?? "default")
    }

    private static func text(_ path: String?, _ base64: String?, in folder: String) throws(StartFailure) -> String? {
        if let base64 {
            guard let data = Data(base64Encoded: base64) else { throw failure("the kubeconfig holds data that are not base64") }
            return String(decoding: data, as: UTF8.self)
        }
        guard let path else { return nil }
        let whole = path.hasPrefix("/") ? path : "\(folder)/\(path)"
        do { return try String(contentsOfFile: whole, encoding: .utf8) } catch {
            throw failure("\(whole) cannot be read: \(error.localizedDescription)")
        }
    }

    private static func failure(_ text: String) -> StartFailure { StartFailure(.configuration, "Kubernetes: \(text).") }
}
