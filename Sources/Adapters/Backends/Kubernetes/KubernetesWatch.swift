// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import HTTPClient
import WorkflowModel

/// A copy of the objects that a label selects, kept by a list and a watch after it.
actor KubernetesWatch<Object: KubernetesObject> {
    /// The server ends a watch after this time; one that is silent for longer is broken.
    private static var watchSeconds: Int { 60 }
    private static var retryInterval: Duration { .seconds(1) }
    /// Between two watches: a server may end each at once.
    private static var pause: Duration { .milliseconds(200) }
    private static var maximumLine: Int { 16 << 20 }

    private let api: KubernetesAPI
    private let group: String
    private let path: String
    private let selector: String
    private var objects: [String: Object] = [:]
    /// When the copy was last known to be whole.
    private var wholeAt: ContinuousClock.Instant?
    private var failure: BackendError?
    private var isRunning = false

    init(_ api: KubernetesAPI, _ group: String, _ path: String, selector: String) {
        self.api = api
        self.group = group
        self.path = path
        self.selector = selector
    }

    /// - Parameter patience: how long a first list may take.
    /// - Throws: a passing error while there is no copy, or it can no longer be kept.
    func current(patience: Duration = .seconds(10)) async throws(BackendError) -> [String: Object] {
        if !isRunning {
            isRunning = true
            Task { await self.keep() }
        }
        let deadline = ContinuousClock.now + patience
        while wholeAt == nil, failure == nil, .now < deadline { try? await Task.sleep(for: .milliseconds(20)) }
        if let failure { throw failure }
        guard wholeAt != nil else { throw BackendError("the API server of Kubernetes has not listed \(path) yet", isPassing: true) }
        return objects
    }

    /// For as long as the process lives: a server has one backend.
    private func keep() async {
        while !Task.isCancelled {
            do throws(KubernetesAPI.Refusal) {
                let list = try await api.get(ObjectList<Object>.self, group, path, [("labelSelector", selector)])
                objects = Dictionary(list.items.map { ($0.metadata.name, $0) }, uniquingKeysWith: { $1 })
                (wholeAt, failure) = (.now, nil)
                try await follow(from: list.metadata.resourceVersion ?? "")
            } catch {
                switch error {
                case .gone: break
                case .notFound: failure = BackendError("the API server of Kubernetes knows no \(path) (\(group))", isPassing: true)
                case .failed(let error): failure = error
                }
            }
            try? await Task.sleep(for: Self.retryInterval)
        }
    }

    /// Until the server no longer has the version that was last seen.
    private func follow(from version: String) async throws(KubernetesAPI.Refusal) {
        var version = version
        while !Task.isCancelled {
            let query = [
                ("labelSelector", selector), ("watch", "true"), ("allowWatchBookmarks", "true"), ("resourceVersion", version),
                ("timeoutSeconds", "\(Self.watchSeconds)"),
            ]
            let response = try await api.watch(group, path, query, silence: .seconds(Self.watchSeconds + 15))
            var lines = LineSplitter(maximum: Self.maximumLine)
            do {
                for try await piece in response.body {
                    for line in try lines.add(piece) { version = try take(line) ?? version }
                }
            } catch let refusal as KubernetesAPI.Refusal {
                throw refusal
            } catch {
                throw .failed(BackendError("the watch of \(path) broke off: \(error)", isPassing: true))
            }
            wholeAt = .now
            try? await Task.sleep(for: Self.pause)
        }
    }

    private struct Event: Decodable {
        var type: String
    }

    private struct Content<Body: Decodable>: Decodable {
        var object: Body
    }

    private struct Bookmark: Decodable {
        struct Metadata: Decodable {
            var resourceVersion: String?
        }
        var metadata: Metadata
    }

    private struct Complaint: Decodable {
        var code: Int?
        var message: String?
    }

    /// - Returns: the version that the copy then has.
    private func take(_ line: [UInt8]) throws -> String? {
        switch try WireJSON.decode(Event.self, from: line).type {
        case "ADDED", "MODIFIED":
            let object = try WireJSON.decode(Content<Object>.self, from: line).object
            objects[object.metadata.name] = object
            return object.metadata.resourceVersion
        case "DELETED":
            let object = try WireJSON.decode(Content<Object>.self, from: line).object
            objects[object.metadata.name] = nil
            return object.metadata.resourceVersion
        case "BOOKMARK": return try WireJSON.decode(Content<Bookmark>.self, from: line).object.metadata.resourceVersion
        default:
            let complaint = try WireJSON.decode(Content<Complaint>.self, from: line).object
            if complaint.code == 410 { throw KubernetesAPI.Refusal.gone }
            throw KubernetesAPI.Refusal.failed(BackendError("Kubernetes: \(complaint.message ?? "the watch failed")", isPassing: true))
        }
    }
}

/// Cuts a stream into lines.
struct LineSplitter {
    let maximum: Int
    private var rest: [UInt8] = []

    init(maximum: Int) { self.maximum = maximum }

    /// - Returns: the lines that are whole now, without their ends.
    mutating func add(_ bytes: [UInt8]) throws(BackendError) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        for piece in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            if piece.startIndex != bytes.startIndex {
                lines.append(rest)
                rest = []
            }
            guard rest.count + piece.count <= maximum else { throw BackendError("a line is longer than \(maximum) bytes", isPassing: true) }
            rest += piece
        }
        return lines.filter { !$0.isEmpty }
    }
}
