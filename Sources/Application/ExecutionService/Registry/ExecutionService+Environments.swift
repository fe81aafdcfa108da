// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import Storage
package import WorkflowModel

extension ExecutionService {
    package static let maximumRequirements = 64 << 10

    /// Begins to build the environment unless it exists; answers at once with its state.
    package func requestEnvironment(_ request: EnvironmentRequest) async throws(Problem) -> PythonEnvironment {
        guard request.requirements.utf8.count <= Self.maximumRequirements else {
            throw Problem(.invalid, "The requirements are too long.", errors: [.init("/requirements", "more than 64 KiB")])
        }
        let version: String
        do {
            version = try await interpreterVersion.of(configuration.interpreter) {
                try await processGate.pass { try await environmentBuilder.interpreterVersion() }
            }
        } catch let problem as Problem { throw problem } catch {
            throw Problem(.unavailable, "The environments folder \(environmentBuilder.folder) cannot be used: \(error)")
        }
        let digest = EnvironmentBuilder.digest(requirements: request.requirements, version: version)
        let claim = try await stored {
            try await storage.requestEnvironment(digest: digest, requirements: request.requirements)
        }
        var environment = claim.environment
        // The database may outlive the folder: a backup was restored, or the data folder is another one.
        let isLost = environment.state == .ready && !environmentBuilder.isReady(digest)
        if isLost {
            try await stored { try await storage.updateEnvironment(digest: digest, state: .building, log: "") }
            environment.state = .building
        }
        if claim.mustBuild || isLost { nudgeBuilder() }
        return withCurrentLog(environment)
    }

    package func environment(_ digest: String) async throws(Problem) -> PythonEnvironment {
        guard let environment = try await stored({ try await storage.environment(digest) }) else {
            throw Problem(.notFound, "No environment has the digest '\(digest)'; POST its requirements to /api/v1/environments first.")
        }
        return withCurrentLog(environment)
    }

    package func environments(page: PageRequest) async throws(Problem) -> Page<PythonEnvironment> {
        try await stored { try await storage.environments(page: page) }
    }

    /// The interpreter that the environment's PEs run in.
    func interpreter(for environment: String?) async throws(Problem) -> String {
        guard let environment else { return configuration.interpreter }
        let known = try await self.environment(environment)
        switch known.state {
        case .ready:
            guard environmentBuilder.isReady(environment) else {
                throw Problem(
                    .conflict,
                    "The files of the environment \(environment) are gone: POST its requirements to /api/v1/environments again "
                        + "(or register the graph with --requirements again) and wait until it is ready.")
            }
            return environmentBuilder.interpreter(of: environment)
        case .building:
            throw Problem(.conflict, "The environment \(environment) is being built; register the graph once it is ready.")
        case .failed:
            throw Problem(.invalid, "The environment \(environment) could not be built. The installer said: \(known.log.suffix(1000))")
        }
    }

    func build(_ environment: PythonEnvironment) async {
        let digest = environment.digest
        var failure: String?
        do {
            if !environmentBuilder.isReady(digest) {
                failure = try await environmentBuilder.build(digest, requirements: environment.requirements)
            }
        } catch is CancellationError {
            return
        } catch {
            failure = "\(error)"
        }
        // A server that stops takes its installer with it; the next start builds again.
        guard !Task.isCancelled else { return }
        let log = environmentBuilder.log(of: digest) + (failure.map { "\n\($0)" } ?? "")
        logger.info("environment built", metadata: ["digest": "\(digest)", "failure": "\(failure ?? "")"])
        while !Task.isCancelled {
            do {
                try await storage.updateEnvironment(digest: digest, state: failure == nil ? .ready : .failed, log: log)
                return
            } catch {
                logger.warning("the environment's state cannot be stored; trying again", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    /// While the installer works, its words are in a file only.
    private func withCurrentLog(_ environment: PythonEnvironment) -> PythonEnvironment {
        var environment = environment
        if environment.state == .building { environment.log = environmentBuilder.log(of: environment.digest) }
        return environment
    }
}
