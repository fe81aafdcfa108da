// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
package import WorkflowModel

/// Hands runs to Kubernetes as `MPIJob`s of the Kubeflow MPI operator, whose pods see the server's data folder by a shared volume.
package struct Kubernetes: Backend {
    package struct Configuration: Sendable, Equatable {
        package var access: KubernetesAccess
        package var pods: KubernetesSettings
        package var dataFolder: String
        package var rankProgram: String
        package var mpirun: String
        package var maximumJobs: Int
        package var moduleSetup: String?

        package init(
            access: KubernetesAccess, pods: KubernetesSettings, dataFolder: String, rankProgram: String, mpirun: String = "mpirun",
            maximumJobs: Int = 500, moduleSetup: String? = nil
        ) {
            self.access = access
            self.pods = pods
            self.dataFolder = dataFolder
            self.rankProgram = rankProgram
            self.mpirun = mpirun
            self.maximumJobs = maximumJobs
            self.moduleSetup = moduleSetup
        }
    }

    /// How long what the launcher wrote last may take to show here.
    private static let secondsToShow = 5.0
    /// After which an operator that says nothing has refused.
    private static let secondsToValidate = 10.0
    private static let logBytes = 64 << 10

    private let configuration: Configuration
    private let api: KubernetesAPI
    private let jobs: KubernetesWatch<MPIJob>
    private let pods: KubernetesWatch<Pod>

    package init(_ configuration: Configuration) {
        self.configuration = configuration
        api = KubernetesAPI(configuration.access)
        let selector = "\(MPIJobManifest.managedBy)=weft"
        jobs = KubernetesWatch(api, KubernetesAPI.jobs, "mpijobs", selector: selector)
        pods = KubernetesWatch(api, KubernetesAPI.core, "pods", selector: selector)
    }

    package var capabilities: BackendCapabilities {
        BackendCapabilities(
            placing: .engine(maximumJobs: configuration.maximumJobs), needs: [.timeLimit, .nodes, .labels, .architecture, .queue],
            refusals: [
                .elements: "is not possible: an MPIJob has one template for all its workers, so their nodes all have the same labels"
            ],
            loadsModules: configuration.moduleSetup != nil)
    }

    package func nodes() async throws(BackendError) -> [ClusterNode] {
        do throws(KubernetesAPI.Refusal) {
            let list = try await api.get(ObjectList<KubernetesNode>.self, KubernetesAPI.core, "nodes", isNamespaced: false)
            return list.items.map { $0.clusterNode(tolerating: configuration.pods.toleratedTaints) }
        } catch { throw error.error }
    }

    // MARK: Starting

    /// An object has one name, and a launch has one object: applying it again changes nothing.
    package func submit(_ launch: Launch) async throws(BackendError) {
        let files = LauncherFiles(launch.folder)
        try files.write(script(for: launch))
        let name = MPIJobManifest.name(of: launch)
        do throws(KubernetesAPI.Refusal) {
            try await api.apply(manifest(of: launch), KubernetesAPI.jobs, "mpijobs/\(name)")
        } catch { throw error.error }
        try BackendError.wrapping { try SmallFile.write("\(name)\n".utf8, to: files.job) }
    }

    func manifest(of launch: Launch) -> JSONValue {
        MPIJobManifest(launch: launch, settings: configuration.pods, dataFolder: configuration.dataFolder).object
    }

    func script(for launch: Launch) -> LaunchScript {
        let exports = LaunchScript.environment(of: launch).flatMap { ["-x", $0.name] }
        return LaunchScript(
            launch: launch, preparation: Self.waitForWorkers, leader: "hostname", whenClaimed: "exit $(cat exit 2>/dev/null || echo 70)",
            moduleSetup: configuration.moduleSetup,
            command: [
                configuration.mpirun, "-n", "\(launch.ranks)", "--bind-to", "none", "--mca", "btl", "self,vader,tcp", "--mca", "pml", "ob1",
                "--mca", "oob_tcp_keepalive_time", "2", "--mca", "oob_tcp_keepalive_intvl", "1", "--mca", "oob_tcp_keepalive_probes", "2",
            ] + (launch.resources.needs.nodes == nil ? [] : ["--map-by", "node"]) + exports + [
                "--wdir", launch.folder.work, configuration.rankProgram, launch.folder.path,
            ])
    }

    /// The operator starts the launcher with the workers: their ssh servers may not listen yet, nor their names resolve.
    private static let waitForWorkers = """
        if [ -n "$OMPI_MCA_orte_default_hostfile" ] && [ -r "$OMPI_MCA_orte_default_hostfile" ]; then
            for host in $(cut -d' ' -f1 "$OMPI_MCA_orte_default_hostfile"); do
                tries=0
                until ssh -o BatchMode=yes -o ConnectTimeout=2 -o StrictHostKeyChecking=no "$host" true 2>/dev/null; do
                    tries=$((tries+1)); [ $tries -lt 120 ] || { echo "$host cannot be reached by ssh"; exit 75; }
                    sleep 1
                done
            done
        fi
        """

    // MARK: Watching

    package func observe(_ launch: Launch) async throws(BackendError) -> LaunchStatus {
        let files = LauncherFiles(launch.folder)
        let progress = try files.progress()
        if case .exited(0, let at) = progress { return .ended(LaunchEnd(.exited(0), at: at)) }
        if progress == .withdrawn { return .ended(LaunchEnd(.vanished)) }
        if let end = try files.readEnd() { return .ended(end) }
        let isSubmitted = try files.readJob() != nil
        let view: MPIJobView?
        do { view = try await self.view(of: launch) } catch {
            guard error.isPassing else { throw error }
            switch progress {
            case .exited(let status, let at): return .ended(LaunchEnd(.exited(status), at: at))
            // It has begun and has not ended. That the API server does not answer now changes nothing for it.
            case .claimed, .withdrawn: return .running
            case .unclaimed: return isSubmitted ? .waiting("\(error)") : .absent
            }
        }
        guard let view else {
            guard isSubmitted else {
                if case .claimed(nil, let seconds) = progress, seconds > LauncherFiles.secondsToBegin {
                    return .ended(LaunchEnd(.vanished))
                }
                return .absent
            }
            // The watch may be behind what was applied.
            if try await exists(launch) { return .waiting("MPIJob \(MPIJobManifest.name(of: launch)) was made") }
            return try told(LaunchEnd(.cancelledOutside, detail: "the MPIJob is gone"), files)
        }
        let end = view.end(now: Date())
        if case .exited(let status, let at) = progress {
            return try told(end.flatMap { $0.cause.isOfTheEngine ? $0 : nil } ?? LaunchEnd(.exited(status), at: at), files)
        }
        if var end {
            if end.cause == .timeLimit, progress == .unclaimed {
                (end.cause, end.detail) = (.refused, "its pods had not started when its deadline came")
            }
            if !end.cause.isOfTheEngine, let at = end.at, Date().timeIntervalSince(at) < Self.secondsToShow { return .running }
            // Of a launcher that ended well without a status nothing is known.
            return try told(end.cause == .exited(0) ? LaunchEnd(.vanished, at: end.at) : end, files)
        }
        if progress != .unclaimed { return .running }
        if let refusal = try await refusal(of: view.job) { return try told(LaunchEnd(.refused, detail: refusal), files) }
        return .waiting(view.waitingSentence(now: Date()))
    }

    /// Keeps an end that only the engine knows of, which forgets it with its objects.
    private func told(_ end: LaunchEnd, _ files: LauncherFiles) throws(BackendError) -> LaunchStatus {
        try files.write(end)
        return .ended(end)
    }

    private func view(of launch: Launch) async throws(BackendError) -> MPIJobView? {
        let name = MPIJobManifest.name(of: launch)
        guard let job = try await jobs.current()[name] else { return nil }
        let own = try await pods.current().values.filter { $0.job == name }
        return MPIJobView(job: job, pods: own.sorted { $0.metadata.name < $1.metadata.name })
    }

    private func exists(_ launch: Launch) async throws(BackendError) -> Bool {
        do throws(KubernetesAPI.Refusal) {
            _ = try await api.get(MPIJob.self, KubernetesAPI.jobs, "mpijobs/\(MPIJobManifest.name(of: launch))")
            return true
        } catch {
            if case .notFound = error { return false }
            throw error.error
        }
    }

    /// What the operator says of a job that it does not accept: it writes no status, only an event.
    private func refusal(of job: MPIJob) async throws(BackendError) -> String? {
        let age = job.metadata.creationTimestamp.map { Date().timeIntervalSince($0) } ?? 0
        guard job.status?.conditions?.isEmpty ?? true, age > Self.secondsToValidate else { return nil }
        do throws(KubernetesAPI.Refusal) {
            let query = [("fieldSelector", "involvedObject.name=\(job.metadata.name)")]
            let events = try await api.get(ObjectList<KubernetesEvent>.self, KubernetesAPI.core, "events", query).items
            return events.first { ["ValidationError", "ErrResourceExists"].contains($0.reason) }?.message
        } catch { throw error.error }
    }

    // MARK: Ending

    package func withdraw(_ launch: Launch) throws(BackendError) -> Bool { try LauncherFiles(launch.folder).withdraw() }

    @discardableResult
    package func cancel(_ launch: Launch, force: Bool) async throws(BackendError) -> Bool {
        let files = LauncherFiles(launch.folder)
        let name = MPIJobManifest.name(of: launch)
        let own = try await pods.current().values.filter { $0.job == name }
        if let launcher = own.filter(\.isLauncher).max(by: { $0.metadata.name < $1.metadata.name }) { await keepLog(of: launcher, files) }
        let isThere = try await delete(KubernetesAPI.jobs, "mpijobs/\(name)")
        // mpirun has ended, and with it all ranks: the pods follow in their own time.
        if case .exited = try files.progress() { return false }
        if force {
            for pod in own where pod.metadata.deletionTimestamp == nil || pod.status?.phase == "Running" {
                _ = try await delete(KubernetesAPI.core, "pods/\(pod.metadata.name)", graceSeconds: 0)
            }
        }
        let over = ["Succeeded", "Failed"]
        return isThere || own.contains { !over.contains($0.status?.phase ?? "") }
    }

    /// - Returns: whether there was such an object.
    private func delete(_ group: String, _ path: String, graceSeconds: Int? = nil) async throws(BackendError) -> Bool {
        do throws(KubernetesAPI.Refusal) {
            try await api.delete(group, path, graceSeconds: graceSeconds)
            return true
        } catch {
            if case .notFound = error { return false }
            throw error.error
        }
    }

    /// What a pod printed goes with it.
    private func keepLog(of pod: Pod, _ files: LauncherFiles) async {
        let path = "\(files.folder)/pod.log"
        guard let text = try? await api.text("pods/\(pod.metadata.name)/log", [("limitBytes", "\(Self.logBytes)")]), !text.isEmpty else {
            return
        }
        try? SmallFile.write(text.utf8, to: path)
    }

    package func collect(_ launch: Launch, isOver: Bool) { launch.refreshSharedFolder() }

    package func explain(_ launch: Launch, _ end: LaunchEnd, plan: Plan, graph: WorkflowGraph) -> FailureReport {
        let files = LauncherFiles(launch.folder)
        let log = ((try? SmallFile.read(files.folder + "/pod.log")) ?? nil).map { String(decoding: $0, as: UTF8.self) }
        let text = [(try? files.readOutput()) ?? "", log ?? ""].filter { !$0.isEmpty }.joined(separator: "\n")
        return MPIRunOutput(text).explain(end, plan: plan, graph: graph, node: end.nodes.count == 1 ? end.nodes[0] : nil)
    }
}
