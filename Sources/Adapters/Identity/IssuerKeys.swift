// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import HTTPClient

/// The keys of one issuer: its cache, and the one refresh that may be under way.
actor IssuerKeys {
    private let configuration: IssuerConfiguration
    private let fetcher: KeyFetcher
    private let now: @Sendable () -> Date
    private var cache: KeyCache
    private var refreshing: Task<Void, Never>?
    private var file: (stamp: FileStamp, keys: KeySet)?

    init(_ configuration: IssuerConfiguration, client: HTTPClient, policy: KeyCache.Policy, now: @escaping @Sendable () -> Date) {
        self.configuration = configuration
        self.now = now
        fetcher = KeyFetcher(configuration: configuration, client: client)
        cache = KeyCache(policy: policy)
    }

    func key(_ keyID: String) async throws(TokenError) -> VerificationKey {
        if case .file(let path) = configuration.jwks {
            guard let key = try await keys(inFile: path)[keyID] else { throw .unknownKey }
            return key
        }
        var decision = cache.decide(keyID, now: now(), isRefreshing: refreshing != nil)
        if case .refresh = decision {
            await refresh().value
            decision = cache.decide(keyID, now: now(), mayWait: false)
        }
        switch decision {
        case .use(let key): return key
        case .useAndRefresh(let key):
            _ = refresh()
            return key
        case .refuse(let error): throw error
        case .refresh: throw .unknownKey
        }
    }

    /// Joins the refresh under way, or starts one.
    private func refresh() -> Task<Void, Never> {
        if let refreshing { return refreshing }
        cache.attempts(at: now())
        let task = Task {
            do throws(KeySet.Unusable) {
                let fetched = try await fetcher.fetch()
                cache.fetched(fetched.keys, maximumAge: fetched.maximumAge, at: now())
            } catch {
                cache.failed(error.description)
            }
            refreshing = nil
        }
        refreshing = task
        return task
    }

    // MARK: File

    /// Tells whether a file is still the one that was read.
    private struct FileStamp: Equatable {
        var inode: ino_t
        var size: off_t
        var seconds: Int
        var nanoseconds: Int

        init?(_ path: String) {
            var status = stat()
            guard stat(path, &status) == 0 else { return nil }
            inode = status.st_ino
            size = status.st_size
            seconds = status.st_mtim.tv_sec
            nanoseconds = status.st_mtim.tv_nsec
        }
    }

    private func keys(inFile path: String) async throws(TokenError) -> KeySet {
        guard let stamp = FileStamp(path) else { throw .keysUnavailable("there is no file '\(path)'") }
        if let file, file.stamp == stamp { return file.keys }
        guard stamp.size <= KeySet.maximumBytes else {
            throw .keysUnavailable("'\(path)' is larger than \(KeySet.maximumBytes) bytes")
        }
        guard let bytes = try? Data(contentsOf: URL(filePath: path)) else { throw .keysUnavailable("'\(path)' cannot be read") }
        do throws(KeySet.Unusable) {
            let keys = try await KeySet(jwks: Array(bytes))
            file = (stamp, keys)
            return keys
        } catch {
            throw .keysUnavailable("'\(path)': \(error.description)")
        }
    }
}
