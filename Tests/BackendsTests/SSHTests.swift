// SPDX-License-Identifier: Apache-2.0

import Testing
import WorkflowModel

@testable import Backends

@Suite struct SSHTests {
    static let hosts = SSHHosts(
        .init(
            hosts: [SSHHost(name: "s1")], mpirun: "mpirun", rankProgram: "/p/weft-rank", ssh: ["ssh", "-F", "/etc/my config"],
            network: "10.1.0.0/16", moduleSetup: "/etc/modules.sh"))

    @Test func placesRanksInTheirOrder() {
        let shares = [NodeShare(node: "s1", ranks: 2), NodeShare(node: "s2", ranks: 1), NodeShare(node: "s1", ranks: 4)]
        let words = Self.hosts.command(for: SlurmTests.launch(RunNeeds()), on: shares)
        let contexts = words[(words.firstIndex(of: "-n") ?? 0)...].split(separator: ":").map { $0.joined(separator: " ") }
        let rank = "--wdir /data/runs/r/2/work /p/weft-rank /data/runs/r/2"
        #expect(contexts == ["-n 2 -host s1:2 \(rank)", "-n 1 -host s2:1 \(rank)", "-n 4 -host s1:4 \(rank)"])
        #expect(words.contains("10.1.0.0/16") && words.contains { $0.hasPrefix("ssh -F '/etc/my config' -o BatchMode=yes") })
    }

    @Test func modulesAreLoadedWhereTheRankStarts() {
        let words = Self.hosts.command(for: SlurmTests.launch(RunNeeds(modules: ["a"])), on: [NodeShare(node: "s1", ranks: 7)])
        #expect(words.suffix(3).prefix(2) == ["sh", "-c"])
        #expect(words.last?.hasPrefix("{ [ -r /etc/modules.sh ] && . /etc/modules.sh && module load a; } || exit 72\n") == true)
        #expect(words.last?.hasSuffix("\nexec /p/weft-rank /data/runs/r/2") == true)
    }

    @Test func aHostIsWhatItSaysOrDown() {
        let host = SSHHost(name: "s1", slots: 3, labels: ["gpu"])
        let up = HostProbe.node(host, .success(.init(status: 0, output: "aarch64\n8\n16384000\n", error: "")))
        #expect(up == ClusterNode(name: "s1", cores: 8, memory: 16000, slots: 3, architecture: "aarch64", labels: ["gpu"]))
        let refused = HostProbe.node(
            host, .success(.init(status: 255, output: "", error: "ssh: connect to host s1 port 22: No route to host\n")))
        #expect(refused.state == .down && refused.reason?.contains("No route") == true)
        let late = HostProbe.node(host, .failure(BackendError("late")), last: up)
        #expect(late.state == .down && late.memory == 16000 && late.architecture == "aarch64", "a host that is away has what it had")
        #expect(HostProbe.node(host, .success(.init(status: 0, output: "what?\n", error: ""))).state == .down)
    }
}
