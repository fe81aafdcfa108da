// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// What the objects of a launch say of it.
struct MPIJobView {
    /// The kubelet goes on trying to pull an image for ever. After this time it is held to be missing.
    static let secondsToPull = 300.0

    var job: MPIJob
    var pods: [Pod]

    private var launchers: [Pod] { pods.filter(\.isLauncher) }
    private var workers: [Pod] { pods.filter { !$0.isLauncher } }

    /// How it ended, as the engine saw it; `nil` while it goes on.
    func end(now: Date) -> LaunchEnd? {
        if let end = podEnd { return end }
        if let failed = job.condition("Failed"), job.status?.completionTime != nil || failed.reason != "MPIJobEvicted" {
            if failed.reason == "DeadlineExceeded" { return LaunchEnd(.timeLimit, at: failed.lastTransitionTime, detail: failed.message) }
            let last = launchers.compactMap(\.terminated).last
            let cause = last.map { LaunchEnd.Cause.exited($0.exitCode == 0 ? 1 : $0.exitCode) } ?? .vanished
            return LaunchEnd(cause, at: failed.lastTransitionTime, nodes: nodes(launchers), detail: failed.message)
        }
        if let succeeded = job.condition("Succeeded") { return LaunchEnd(.exited(0), at: succeeded.lastTransitionTime) }
        return neverPulled(now)
    }

    /// What happened to one of the pods, whatever the operator makes of it.
    private var podEnd: LaunchEnd? {
        for pod in pods {
            let role = pod.isLauncher ? "the launcher" : "a worker"
            if let terminated = pod.terminated, terminated.reason == "OOMKilled" {
                return LaunchEnd(
                    .outOfMemory, at: terminated.finishedAt, nodes: nodes([pod]),
                    detail: "\(role), pod \(pod.metadata.name), was OOM-killed")
            }
            if let disruption = pod.status?.conditions?.first(where: { $0.type == "DisruptionTarget" && $0.isTrue }) {
                let words = "\(role), pod \(pod.metadata.name): \(disruption.message ?? disruption.reason ?? "")"
                let isPreempted = ["PreemptionByScheduler", "PreemptionByKubeScheduler"].contains(disruption.reason)
                return LaunchEnd(
                    isPreempted ? .preempted : .nodeFailure, at: disruption.lastTransitionTime, nodes: nodes([pod]), detail: words)
            }
            if pod.status?.phase == "Failed",
                ["Evicted", "NodeLost", "NodeShutdown", "Shutdown", "Terminated", "Preempting"].contains(pod.status?.reason)
            {
                let words = "\(role), pod \(pod.metadata.name): \(pod.status?.message ?? pod.status?.reason ?? "")"
                return LaunchEnd(pod.status?.reason == "Preempting" ? .preempted : .nodeFailure, nodes: nodes([pod]), detail: words)
            }
        }
        return nil
    }

    private func neverPulled(_ now: Date) -> LaunchEnd? {
        for pod in pods {
            guard let waiting = pod.waiting, let words = Self.pullFailure(waiting, pod) else { continue }
            let isHopeless = ["InvalidImageName", "ErrImageNeverPull"].contains(waiting.reason)
            let scheduled = pod.status?.conditions?.first { $0.type == "PodScheduled" && $0.isTrue }?.lastTransitionTime
            let age = (scheduled ?? pod.metadata.creationTimestamp).map { now.timeIntervalSince($0) } ?? 0
            if isHopeless || age > Self.secondsToPull { return LaunchEnd(.refused, nodes: nodes([pod]), detail: words) }
        }
        return nil
    }

    private static func pullFailure(_ waiting: Pod.ContainerState.Waiting, _ pod: Pod) -> String? {
        guard ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"].contains(waiting.reason)
        else {
            return nil
        }
        return "the image of pod \(pod.metadata.name) cannot be pulled: \(waiting.message ?? waiting.reason ?? "")"
    }

    /// Why its ranks have not started.
    func waitingSentence(now: Date) -> String {
        let name = job.metadata.name
        if job.spec?.runPolicy?.suspend == true || job.condition("Suspended") != nil {
            return "MPIJob \(name) is suspended: Kueue, or an operator, has not let it start yet"
        }
        for pod in pods {
            if let waiting = pod.waiting {
                if let words = Self.pullFailure(waiting, pod) { return words }
                if let message = waiting.message, !message.isEmpty {
                    return "pod \(pod.metadata.name) cannot start: \(waiting.reason ?? ""): \(message)"
                }
            }
            if let scheduled = pod.status?.conditions?.first(where: { $0.type == "PodScheduled" }), scheduled.status == "False" {
                return "no node has room for pod \(pod.metadata.name): \(scheduled.message ?? scheduled.reason ?? "")"
            }
        }
        if job.status?.conditions?.isEmpty ?? true { return "the MPI operator has not taken MPIJob \(name) yet; is it running?" }
        return "the pods of MPIJob \(name) are being started"
    }

    private func nodes(_ pods: [Pod]) -> [String] { Set(pods.compactMap { $0.spec?.nodeName }).sorted() }
}
