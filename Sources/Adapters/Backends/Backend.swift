// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials
package import WorkflowModel

/// Turns a placement into something that an engine which the site trusts runs.
///
/// A backend keeps no state of its own that matters: all it knows of a launch is in the attempt's folder and with the engine, so that
/// any server can go on after a crash. Where something cannot be looked at, it throws: only what is known to be gone is told as gone.
/// `docs/backends.md` tells how to write another; the contract suite in `Tests` holds each to what is said here.
package protocol Backend: Sendable {
    var capabilities: BackendCapabilities { get }
    /// The nodes as they are now; at most some seconds old.
    func nodes() async throws(BackendError) -> [ClusterNode]
    /// Hands the launch to the engine. Again for the same launch, also by another server, it starts nothing twice.
    func submit(_ launch: Launch) async throws(BackendError)
    func observe(_ launch: Launch) async throws(BackendError) -> LaunchStatus
    /// Makes sure that nothing starts any more.
    /// - Returns: `false` when it has started already.
    func withdraw(_ launch: Launch) async throws(BackendError) -> Bool
    /// Asks the ranks to end; with `force`, ends everything of the launch at once.
    /// - Returns: whether anything was still there.
    @discardableResult
    func cancel(_ launch: Launch, force: Bool) async throws(BackendError) -> Bool
    /// Brings what the ranks wrote into the launch's folder, where that is not the one that they write to: their records, and at the end
    /// the files of PEs too.
    func collect(_ launch: Launch, isOver: Bool) async throws(BackendError)
    /// Why a launch failed, where no rank could tell.
    func explain(_ launch: Launch, _ end: LaunchEnd, plan: Plan, graph: WorkflowGraph) async -> FailureReport
}

/// What a backend can do.
package struct BackendCapabilities: Sendable, Equatable {
    package enum Placing: Sendable, Equatable {
        /// Weft's scheduler chooses the nodes.
        case weft
        /// The engine has a queue of its own; it is given at most so many launches at a time.
        case engine(maximumJobs: Int)
    }

    package var placing: Placing
    /// What of a run's needs it can give.
    package var needs: Set<RunNeeds.CodingKeys>
    /// Why it cannot give a need that others can, as the end of a sentence that begins with its name.
    package var refusals: [RunNeeds.CodingKeys: String]

    package init(
        placing: Placing, needs: Set<RunNeeds.CodingKeys>, refusals: [RunNeeds.CodingKeys: String] = [:], loadsModules: Bool
    ) {
        self.placing = placing
        self.refusals = refusals
        self.needs = loadsModules ? needs.union([.modules]) : needs
    }
}

/// What is to be started: one attempt, whose folder is complete (`RunFolder`).
package struct Launch: Sendable, Equatable {
    package var run: RunID
    package var attempt: Int
    package var folder: RunFolder
    package var resources: ResourceRequest
    /// Where its ranks shall run, in their order; `nil` where the engine chooses.
    package var nodes: [NodeShare]?
    /// Nodes that failed under earlier attempts of the run.
    package var avoided: Set<String>
    /// Of the host, for its processes; `nil`: the server's.
    package var account: String?

    package init(
        run: RunID, attempt: Int, folder: RunFolder, resources: ResourceRequest, nodes: [NodeShare]? = nil, avoided: Set<String> = [],
        account: String? = nil
    ) {
        self.run = run
        self.attempt = attempt
        self.folder = folder
        self.resources = resources
        self.nodes = nodes
        self.avoided = avoided
        self.account = account
    }

    package var ranks: Int { resources.ranks }

    /// A client of NFS remembers that a file was not there until it sees the folder change, which other nodes' files do not show it for up
    /// to a minute. A file of its own does.
    func refreshSharedFolder() {
        guard (0..<ranks).contains(where: { !FileManager.default.fileExists(atPath: folder.segment(rank: $0)) }) else { return }
        let path = "\(folder.ranks)/.look"
        if (try? SmallFile.write([], to: path)) != nil { try? FileManager.default.removeItem(atPath: path) }
    }

    /// By which the engine and the process table know it.
    package var name: String { "weft-\(run)-\(attempt)" }
}

/// What a backend sees of a launch.
package enum LaunchStatus: Sendable, Equatable {
    /// Nothing was started yet, or not far enough to leave a trace.
    case absent
    /// The engine has it, and says why it does not start.
    case waiting(String)
    case running
    case ended(LaunchEnd)
}

package struct LaunchEnd: Sendable, Equatable, Codable {
    package enum Cause: Sendable, Equatable, Codable {
        /// The launcher ended with this status (128 + n: by signal n).
        case exited(Int)
        /// The launcher is gone without an exit status: killed, or its host restarted.
        case vanished
        case nodeFailure
        case preempted
        case timeLimit
        case outOfMemory
        /// Somebody ended it with the engine's own means.
        case cancelledOutside
        /// The engine took it and gave it up before anything ran.
        case refused

        /// Whether it is what the launcher came to by itself.
        package var isOfTheLauncher: Bool {
            switch self {
            case .exited, .vanished: true
            case .nodeFailure, .preempted, .timeLimit, .outOfMemory, .cancelledOutside, .refused: false
            }
        }

        /// Whether what the ranks say of their own end is a consequence of it.
        package var isOfTheEngine: Bool {
            switch self {
            case .exited, .vanished, .refused: false
            case .nodeFailure, .preempted, .timeLimit, .outOfMemory, .cancelledOutside: true
            }
        }
    }

    package var cause: Cause
    /// When it was, where that is known.
    package var at: Date?
    /// The nodes that it concerns.
    package var nodes: [String]
    /// In the engine's words.
    package var detail: String?

    package init(_ cause: Cause, at: Date? = nil, nodes: [String] = [], detail: String? = nil) {
        self.cause = cause
        self.at = at
        self.nodes = nodes
        self.detail = detail
    }
}

package struct BackendError: Error, CustomStringConvertible {
    package var description: String
    /// The engine did not answer, and perhaps does later; nothing is known of what it was asked for.
    package var isPassing: Bool
    /// The node that is to blame.
    package var node: String?

    package init(_ description: String, isPassing: Bool = false, node: String? = nil) {
        self.description = description
        self.isPassing = isPassing
        self.node = node
    }

    /// Gives what is wrong with a file as the backend's error.
    static func wrapping<T>(_ body: () throws -> T) throws(BackendError) -> T {
        do { return try body() } catch let error as BackendError { throw error } catch { throw BackendError("\(error)") }
    }
}
