// SPDX-License-Identifier: Apache-2.0

package import Backends
import Foundation
package import Identity
package import Logging
package import Scheduling
package import Telemetry
package import WorkflowModel

/// Everything that an operator can set. `docs/configuration.md` describes each key.
package struct Configuration: Sendable {
    package struct Listen: Sendable, Equatable {
        package var host = "127.0.0.1"
        package var port = 8337
        package var portFile: String?
    }

    package struct Database: Sendable, Equatable {
        package var conninfo = "dbname=weft"
        package var poolSize = 6
    }

    package struct Registration: Sendable, Equatable {
        package var seconds = 60
        package var memoryMB = 2048
    }

    package struct Local: Sendable, Equatable {
        package var slots = Host.defaultSlots
        package var memoryMB = Host.memoryMB
        package var rankProgram = Host.besideThisProgram("weft-rank")
        package var mpirun = Host.inPath("mpirun")
        package var isConfined = false
        package var network = false
        package var hidden = ["/root", "/home", "/run", "/etc/weft"]
        package var readable: [String] = []
        package var writable: [String] = []
        package var maximumProcesses = 4096
        package var maximumFileMB = 1 << 20
        package var controlGroup: String?
        /// By issuer and subject.
        package var accounts: [String: [String: String]] = [:]
    }

    package struct Runs: Sendable, Equatable {
        package var memoryPerRankMB = 256
        package var maximumRanks = 256
        package var moduleSetup: String?
    }

    package struct SchedulingKeys: Sendable, Equatable {
        package var policy = NamedPolicy.weft
        package var assumedLimit = 86_400
        package var halfLife = 604_800
    }

    /// What starts the ranks.
    package enum Engine: String, Sendable, CaseIterable {
        case local, ssh, slurm, kubernetes
    }

    package struct SSH: Sendable, Equatable {
        package var hosts: [SSHHost] = []
        package var options: [String] = []
        package var network: String?
        package var sharesFolder = true
    }

    package struct SlurmSettings: Sendable, Equatable {
        package enum Interface: String, Sendable, CaseIterable {
            case commands, rest
        }

        package var interface = Interface.commands
        package var launcher = Slurm.Launcher.mpirun
        package var maximumJobs = 500
        package var defaults = RunNeeds()
        package var rest = SlurmRESTAccess(url: "http://127.0.0.1:6820", version: "v0.0.38", user: "weft", tokenFile: "/etc/weft/slurm.jwt")
    }

    package struct Log: Sendable, Equatable {
        package var format = LogFormat.text
        package var level = Logger.Level.info
    }

    package struct Limits: Sendable, Equatable {
        package var bodyBytes = 2 << 20
        package var connections = 1024
    }

    package struct KubernetesKeys: Sendable, Equatable {
        /// `nil`: weftd runs in a pod.
        package var kubeconfig: String?
        package var namespace: String?
        package var maximumJobs = 500
        package var pods: KubernetesSettings?
    }

    package var listen = Listen()
    /// Without a slash at the end.
    package var publicURL: String?
    package var dataFolder = "/var/lib/weft"
    package var database = Database()
    package var interpreter = "/usr/bin/python3"
    package var registration = Registration()
    package var runs = Runs()
    package var scheduling = SchedulingKeys()
    package var local = Local()
    package var engine = Engine.local
    package var ssh = SSH()
    package var slurm = SlurmSettings()
    package var kubernetes = KubernetesKeys()
    package var issuers: [IssuerConfiguration] = []
    package var log = Log()
    package var limits = Limits()

    /// - Parameter file: path of the YAML file, if there is one.
    package init(file: String?, environment: [String: String]) throws(ConfigurationError) {
        var yaml = ""
        if let file {
            do {
                yaml = try String(contentsOfFile: file, encoding: .utf8)
            } catch {
                throw ConfigurationError(faults: ["The configuration file \(file) cannot be read: \(error.localizedDescription)"])
            }
        }
        var reader = ConfigurationReader(yaml: yaml, fileName: file ?? "no file", variables: environment)
        self.init(&reader)
        reader.refuseUnknown()
        guard reader.faults.isEmpty else { throw ConfigurationError(faults: reader.faults) }
    }

    /// Asks for every key there is.
    init(_ reader: inout ConfigurationReader) {
        func set<T>(_ target: inout T, _ value: T?) { if let value { target = value } }
        set(&listen.host, reader.text("listen.host"))
        set(&listen.port, reader.integer("listen.port", in: 0...65535))
        listen.portFile = reader.path("listen.port_file")
        publicURL = Self.publicURL(&reader)
        set(&dataFolder, reader.path("data_folder"))
        set(&database.conninfo, reader.text("database.conninfo"))
        set(&database.poolSize, reader.integer("database.pool_size", in: 2...64))
        set(&log.format, reader.choice("log.format"))
        set(&log.level, reader.choice("log.level"))
        set(&limits.bodyBytes, reader.integer("limits.body_bytes", in: 1024...1 << 30))
        set(&limits.connections, reader.integer("limits.connections", in: 1...100_000))
        set(&interpreter, reader.path("python.interpreter"))
        set(&registration.seconds, reader.integer("registration.seconds", in: 1...3600))
        set(&registration.memoryMB, reader.integer("registration.memory_mb", in: 64...1 << 20))
        set(&runs.memoryPerRankMB, reader.integer("runs.memory_per_rank_mb", in: 1...1 << 20))
        set(&runs.maximumRanks, reader.integer("runs.maximum_ranks", in: 1...16384))
        set(&scheduling.policy, reader.choice("scheduling.policy"))
        set(&scheduling.assumedLimit, reader.integer("scheduling.assumed_limit", in: 60...31_536_000))
        set(&scheduling.halfLife, reader.integer("scheduling.half_life", in: 60...31_536_000))
        set(&local.slots, reader.integer("local.slots", in: 1...65536))
        set(&local.memoryMB, reader.integer("local.memory_mb", in: 64...1 << 30))
        set(&local.rankProgram, reader.path("local.rank_program"))
        set(&local.mpirun, reader.path("local.mpirun"))
        readConfinement(&reader)
        runs.moduleSetup = reader.path("runs.module_setup")
        set(&engine, reader.choice("cluster"))
        readSSH(&reader)
        readSlurm(&reader)
        readKubernetes(&reader)
        set(&issuers, reader.structure("issuers"))
        if local.isConfined, engine == .local, !Host.isProgram(Host.inPath("bwrap")) {
            reader.refuse("The key local.confined is true, and there is no bwrap in PATH: install bubblewrap.")
        }
        for fault in issuers.flatMap(\.faults) { reader.refuse(fault) }
        if issuers.isEmpty && reader.faults.isEmpty {
            reader.refuse("The key issuers is needed: without an issuer no token could be accepted.")
        }
    }

    private mutating func readConfinement(_ reader: inout ConfigurationReader) {
        if let confined = reader.choice("local.confined", as: YesOrNo.self) { local.isConfined = confined == .yes }
        if let network = reader.choice("local.network", as: YesOrNo.self) { local.network = network == .yes }
        if let folders = reader.structure("local.hidden", as: [String].self) { local.hidden = folders }
        if let folders = reader.structure("local.readable", as: [String].self) { local.readable = folders }
        if let folders = reader.structure("local.writable", as: [String].self) { local.writable = folders }
        if let maximum = reader.integer("local.maximum_processes", in: 16...1 << 22) { local.maximumProcesses = maximum }
        if let maximum = reader.integer("local.maximum_file_mb", in: 1...1 << 30) { local.maximumFileMB = maximum }
        if let accounts = reader.structure("local.accounts", as: [String: [String: String]].self) { local.accounts = accounts }
        if !local.accounts.isEmpty, !local.isConfined {
            reader.refuse("The key local.accounts needs local.confined: true.")
        }
        local.controlGroup = reader.path("local.control_group")
        for path in local.hidden + local.readable + local.writable where !path.hasPrefix("/") {
            reader.refuse("The keys local.hidden, local.readable and local.writable hold '\(path)': write absolute paths.")
        }
    }

    private mutating func readSSH(_ reader: inout ConfigurationReader) {
        if let hosts = reader.structure("ssh.hosts", as: [SSHHost].self) { ssh.hosts = hosts }
        if let options = reader.structure("ssh.options", as: [String].self) { ssh.options = options }
        ssh.network = reader.text("ssh.network")
        if let shares = reader.choice("ssh.shared_folder", as: YesOrNo.self) { ssh.sharesFolder = shares == .yes }
        guard engine == .ssh else { return }
        if ssh.hosts.isEmpty { reader.refuse("The key ssh.hosts is needed where cluster is ssh: a list with the name of each host.") }
        for host in ssh.hosts where host.name.isEmpty || host.name.hasPrefix("-") || host.name.contains(where: { " :,/\t".contains($0) }) {
            reader.refuse("The key ssh.hosts has the name '\(host.name)': write a host name or address as ssh takes it.")
        }
        if Set(ssh.hosts.map(\.name)).count < ssh.hosts.count { reader.refuse("The key ssh.hosts names a host twice.") }
    }

    private mutating func readSlurm(_ reader: inout ConfigurationReader) {
        func set<T>(_ target: inout T, _ value: T?) { if let value { target = value } }
        set(&slurm.interface, reader.choice("slurm.interface"))
        set(&slurm.launcher, reader.choice("slurm.launcher"))
        set(&slurm.maximumJobs, reader.integer("slurm.maximum_jobs", in: 1...100_000))
        set(&slurm.defaults, reader.structure("slurm.defaults"))
        set(&slurm.rest.url, reader.text("slurm.url").map { $0.hasSuffix("/") ? String($0.dropLast()) : $0 })
        set(&slurm.rest.version, reader.text("slurm.api_version"))
        set(&slurm.rest.user, reader.text("slurm.user"))
        set(&slurm.rest.tokenFile, reader.path("slurm.token_file"))
        let known: Set<RunNeeds.CodingKeys> = [.partition, .account, .qos, .reservation, .constraint, .timeLimit]
        for key in slurm.defaults.said.subtracting(known).map(\.rawValue).sorted() {
            reader.refuse("The key slurm.defaults has \(key): it may hold \(known.map(\.rawValue).sorted().joined(separator: ", ")).")
        }
        for fault in slurm.defaults.faults(ranks: .max) {
            reader.refuse("The key slurm.defaults: \(fault.pointer.replacing("/needs/", with: "")) \(fault.detail).")
        }
    }

    private mutating func readKubernetes(_ reader: inout ConfigurationReader) {
        kubernetes.kubeconfig = reader.path("kubernetes.kubeconfig")
        kubernetes.namespace = reader.text("kubernetes.namespace")
        if let maximum = reader.integer("kubernetes.maximum_jobs", in: 1...100_000) { kubernetes.maximumJobs = maximum }
        kubernetes.pods = reader.structure("kubernetes.pods")
        if engine == .kubernetes, kubernetes.pods == nil, reader.faults.isEmpty {
            reader.refuse("The key kubernetes.pods is needed where cluster is kubernetes: at least its image and claim.")
        }
    }

    private static func publicURL(_ reader: inout ConfigurationReader) -> String? {
        guard var text = reader.text("public_url") else { return nil }
        while text.hasSuffix("/") { text.removeLast() }
        let url = URL(string: text)
        guard let url, ["http", "https"].contains(url.scheme), url.host()?.isEmpty == false, url.query() == nil, url.fragment() == nil
        else {
            reader.refuse("The key public_url is '\(text)': write an http or https URL without a query, as https://weft.example.org.")
            return nil
        }
        return text
    }
}

/// A switch, as YAML's own words have it.
enum YesOrNo: String, CaseIterable {
    case yes = "true"
    case no = "false"
}
