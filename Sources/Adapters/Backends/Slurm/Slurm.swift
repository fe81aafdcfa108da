// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
package import WorkflowModel

/// Hands runs to Slurm as batch jobs. The run's folder is on a file system that the nodes share; what the job does shows there, and
/// Slurm is asked for the rest: why it waits, and how it ended where it could not say so itself.
package struct Slurm: Backend {
    /// Under `srun` a rank may send before the receiver has come through MPI's start: with Open MPI 4.1.4 and Slurm 22.05 as Debian 12
    /// has them, 8 of 60 starts over three nodes crashed in Open MPI's TCP layer, and none of 24 under `mpirun`.
    package enum Launcher: String, Sendable, CaseIterable {
        case srun, mpirun
    }

    package struct Configuration: Sendable, Equatable {
        package var rankProgram: String
        package var launcher: Launcher
        package var mpirun: String
        package var maximumJobs: Int
        /// For what runs do not say.
        package var defaults: RunNeeds
        package var moduleSetup: String?
        package var rest: SlurmRESTAccess?

        package init(
            rankProgram: String, launcher: Launcher = .mpirun, mpirun: String = "mpirun", maximumJobs: Int = 500,
            defaults: RunNeeds = RunNeeds(), moduleSetup: String? = nil, rest: SlurmRESTAccess? = nil
        ) {
            self.rankProgram = rankProgram
            self.launcher = launcher
            self.mpirun = mpirun
            self.maximumJobs = maximumJobs
            self.defaults = defaults
            self.moduleSetup = moduleSetup
            self.rest = rest
        }
    }

    /// How long Slurm may take to say how a job ended whose launcher has.
    private static let secondsToJudge = 330.0
    /// After which a job that Slurm does not know is gone.
    private static let secondsToForget = 60
    /// How long the files of a job that Slurm says has ended may take to show here.
    private static let secondsToShow = 10.0

    /// `srun` numbers ranks by component, whatever the plan says.
    private static let elementsWithoutMPIRun = "is not possible where srun starts the ranks; it takes slurm.launcher: mpirun"

    private let configuration: Configuration
    private let controller: any SlurmController
    private let view: SlurmView

    package init(_ configuration: Configuration) {
        self.init(configuration, controller: configuration.rest.map { SlurmREST($0) } ?? SlurmCommands())
    }

    init(_ configuration: Configuration, controller: any SlurmController) {
        self.configuration = configuration
        self.controller = controller
        view = SlurmView(controller)
    }

    package var capabilities: BackendCapabilities {
        let needs: Set<RunNeeds.CodingKeys> = [.timeLimit, .nodes, .labels, .partition, .account, .qos, .reservation, .constraint]
        return BackendCapabilities(
            placing: .engine(maximumJobs: configuration.maximumJobs),
            needs: configuration.launcher == .mpirun ? needs.union([.elements]) : needs,
            refusals: [.elements: Self.elementsWithoutMPIRun], loadsModules: configuration.moduleSetup != nil)
    }

    package func nodes() async throws(BackendError) -> [ClusterNode] { try await view.nodes() }

    // MARK: Starting

    /// What was begun and not recorded is looked for by the job's name, so that a crash in between never submits twice. Should Slurm
    /// ever have two jobs of one launch, the first to start is the only one that does anything: the launch script claims the folder.
    package func submit(_ launch: Launch) async throws(BackendError) {
        let files = LauncherFiles(launch.folder)
        try files.write(script(for: launch))
        try writeScripts(of: launch)
        if try files.readJob() != nil { return }
        if try files.isSubmitting {
            // An sbatch that is still under way has the lock.
            let waited = try await Command(["flock", "--wait", "90", files.lock, "true"], seconds: 100).run()
            guard waited.status == 0 else { throw BackendError("an earlier sbatch does not end", isPassing: true) }
            if try await find(launch, since: .now) != nil { return }
        }
        try BackendError.wrapping { try SmallFile.write([], to: files.intention) }
        var request = SlurmRequest(launch, nodes: (try? await view.nodes()) ?? [], defaults: configuration.defaults)
        do {
            try record(try await controller.submit(request, script: files.script, lock: files.lock), files)
        } catch {
            // Without the nodes that failed there may be too few: then rather on these than not at all.
            guard !error.isPassing, !request.excluded.isEmpty else { throw error }
            request.excluded = []
            try record(try await controller.submit(request, script: files.script, lock: files.lock), files)
        }
    }

    private func record(_ job: Int, _ files: LauncherFiles) throws(BackendError) {
        try BackendError.wrapping { try SmallFile.write("\(job)\n".utf8, to: files.job) }
    }

    /// Finds, and writes down, the job that an earlier server submitted without living to see the answer. A request that Slurm had refused
    /// may have left a job too, which is over.
    private func find(_ launch: Launch, since: ContinuousClock.Instant? = nil) async throws(BackendError) -> Int? {
        let known = try await view.jobs(since: since).filter { $0.name == launch.name }
        let found = known.last { !$0.state.isFinal } ?? known.last
        let id = if let found { found.id } else { try await view.recorded(launch.name).last?.id }
        if let id { try record(id, LauncherFiles(launch.folder)) }
        return id
    }

    private func rank(_ launch: Launch) -> [String] { [configuration.rankProgram, launch.folder.path] }

    private func writeScripts(of launch: Launch) throws(BackendError) {
        let components = SlurmComponents(launch.resources)
        guard components.isHeterogeneous else { return }
        guard configuration.launcher == .mpirun else { throw BackendError("needs.elements \(Self.elementsWithoutMPIRun)") }
        for script in components.scripts(mpirun: configuration.mpirun, rank: rank(launch)) {
            try BackendError.wrapping { try SmallFile.write(script.text.utf8, to: "\(launch.folder.launcher)/\(script.name)") }
        }
    }

    func script(for launch: Launch) -> LaunchScript {
        let rank = rank(launch)
        let command =
            switch configuration.launcher {
            case .mpirun where SlurmComponents(launch.resources).isHeterogeneous: SlurmComponents.command
            case .srun: ["srun", "--mpi=pmix", "--ntasks=\(launch.ranks)", "--kill-on-bad-exit=1"] + rank
            case .mpirun: [configuration.mpirun, "-n", "\(launch.ranks)", "--bind-to", "none"] + rank
            }
        return LaunchScript(
            launch: launch, leader: "echo $SLURM_JOB_ID $SLURM_JOB_NODELIST", moduleSetup: configuration.moduleSetup, command: command)
    }

    // MARK: Watching

    package func observe(_ launch: Launch) async throws(BackendError) -> LaunchStatus {
        let files = LauncherFiles(launch.folder)
        switch try files.progress() {
        case .exited(0, let at): return .ended(LaunchEnd(.exited(0), at: at))
        case .exited(let status, let at):
            // Slurm knows more than srun: a node that failed, memory, time, pre-emption.
            let job = try? await job(of: launch)
            if let job, job.state.isFinal { return try await verdict(job, exited: status, at: at) }
            guard job != nil else { return .ended(LaunchEnd(.exited(status), at: at)) }
            return Date().timeIntervalSince(at) < Self.secondsToJudge ? .running : .ended(LaunchEnd(.exited(status), at: at))
        case .withdrawn: return .ended(LaunchEnd(.vanished))
        case .claimed(_, let seconds):
            let job: SlurmJob?
            do { job = try await self.job(of: launch) } catch {
                // It has begun and has not ended. That Slurm does not answer now changes nothing for it.
                guard error.isPassing else { throw error }
                return .running
            }
            if job == nil, seconds > Self.secondsToForget {
                return .ended(LaunchEnd(.vanished, detail: "Slurm knows no job of the launch"))
            }
            return try await end(of: launch, job) ?? .running
        case .unclaimed:
            guard let submitted = files.secondsSinceSubmission else { return .absent }
            do {
                let job = try await job(of: launch)
                if let ended = try await end(of: launch, job) { return ended }
                guard let job else {
                    if submitted < Self.secondsToForget { return .waiting("Slurm does not know the job yet") }
                    return .ended(LaunchEnd(.vanished, detail: "Slurm knows no job of the launch"))
                }
                return .waiting(
                    job.state == .pending ? try await why(job) : "Slurm job \(job.id) starts on \(job.nodes.joined(separator: ", "))")
            } catch {
                guard error.isPassing else { throw error }
                return .waiting("Slurm does not answer: \(error)")
            }
        }
    }

    /// With the nodes that are away, where that may be why: Slurm's own lists leave them out.
    private func why(_ job: SlurmJob) async throws(BackendError) -> String {
        guard job.reason.hasPrefix("ReqNodeNotAvail") || job.reason == "Resources" || job.reason == "NodeDown" else {
            return job.waitingSentence
        }
        let away = try await view.nodes().filter { $0.state != .up }.map { node in
            "\(node.name) is \(node.state.rawValue)" + (node.reason.map { " (\($0))" } ?? "")
        }
        guard !away.isEmpty else { return job.waitingSentence }
        return job.waitingSentence + "; " + away.prefix(4).joined(separator: ", ") + (away.count > 4 ? " and \(away.count - 4) more" : "")
    }

    /// As Slurm last told it, from its accounts where the controller has forgotten it.
    private func job(of launch: Launch) async throws(BackendError) -> SlurmJob? {
        let files = LauncherFiles(launch.folder)
        var id = try files.readJob().flatMap { Int($0) }
        if id == nil, try files.isSubmitting { id = try await find(launch) }
        guard let id else { return nil }
        if let job = try await view.jobs().last(where: { $0.id == id }) { return job }
        return try await view.recorded(launch.name).last { $0.id == id }
    }

    /// - Returns: `nil` while it goes on, or while what it wrote last may not show here yet.
    private func end(of launch: Launch, _ job: SlurmJob?) async throws(BackendError) -> LaunchStatus? {
        guard let job, let end = job.end else { return nil }
        if end.cause.isOfTheLauncher, let at = end.at, Date().timeIntervalSince(at) < Self.secondsToShow { return nil }
        if case .exited(let status, let at) = try LauncherFiles(launch.folder).progress() {
            return try await verdict(job, exited: status, at: at)
        }
        return .ended(try await naming(end))
    }

    /// What the launcher's status and Slurm's word for the job come to.
    private func verdict(_ job: SlurmJob, exited status: Int, at: Date) async throws(BackendError) -> LaunchStatus {
        guard let end = job.end, end.cause.isOfTheEngine else {
            return .ended(LaunchEnd(.exited(status), at: at))
        }
        return .ended(try await naming(end))
    }

    /// Slurm names all nodes of a job of which one failed.
    private func naming(_ end: LaunchEnd) async throws(BackendError) -> LaunchEnd {
        guard end.cause == .nodeFailure else { return end }
        let down = try await view.nodes(since: .now - .seconds(2)).filter { $0.state == .down }.map(\.name)
        var end = end
        let own = end.nodes.filter(down.contains)
        if !own.isEmpty { end.nodes = own }
        return end
    }

    // MARK: Ending

    package func withdraw(_ launch: Launch) throws(BackendError) -> Bool { try LauncherFiles(launch.folder).withdraw() }

    @discardableResult
    package func cancel(_ launch: Launch, force: Bool) async throws(BackendError) -> Bool {
        let files = LauncherFiles(launch.folder)
        // srun has ended, and Slurm ends with the job whatever else its ranks had started.
        if case .exited = try files.progress() { return false }
        guard let job = try await job(of: launch), !job.state.isFinal else { return false }
        if job.state != .completing { try await controller.cancel(job.id) }
        return true
    }

    package func collect(_ launch: Launch, isOver: Bool) { launch.refreshSharedFolder() }

    package func explain(_ launch: Launch, _ end: LaunchEnd, plan: Plan, graph: WorkflowGraph) async -> FailureReport {
        let files = LauncherFiles(launch.folder)
        let printed = ((try? SmallFile.read(files.folder + "/slurm.out")) ?? nil).map {
            String(decoding: $0.suffix(16 << 10), as: UTF8.self)
        }
        let text = [(try? files.readOutput()) ?? "", printed ?? ""].filter { !$0.isEmpty }.joined(separator: "\n")
        let output = SlurmOutput(text, tasksAreRanks: !SlurmComponents(launch.resources).isHeterogeneous)
        return output.explain(end, plan: plan, graph: graph)
    }
}
