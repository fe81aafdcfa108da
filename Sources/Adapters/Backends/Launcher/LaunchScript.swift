// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

/// The shell script that starts an attempt's ranks and stays with them. `mkdir` makes sure that it does so only once, whoever starts
/// it again.
struct LaunchScript {
    /// Of a script that could not load the run's environment modules.
    static let modulesFailed = 72

    var launch: Launch
    /// Lines before the first command, for the engine.
    var directives: [String] = []
    /// Lines that make sure that the ranks can be started, before the script claims the folder.
    var preparation: String?
    /// A command whose output is what the script tells of itself, once it may start the ranks.
    var leader: String
    /// What the script does where it was started before.
    var whenClaimed = "exit 0"
    /// What defines the command `module`, where the run loads environment modules.
    var moduleSetup: String?
    var environment: [(name: String, value: String)] = []
    /// The command that starts the ranks, run in the folder `work`.
    var command: [String]
    /// Lines after the ranks have ended, in the folder `work`.
    var conclusion: String?
    /// Removed at the end.
    var temporaryFolder: String?

    var text: String {
        var lines = ["#!/bin/sh"] + directives
        lines.append("# Starts attempt \(launch.attempt) of \(launch.run). Written by weftd.")
        lines.append("cd \(Self.quoted(launch.folder.launcher)) || exit 71")
        if let preparation { lines.append(preparation) }
        lines.append("mkdir claimed 2>/dev/null || \(whenClaimed)")
        lines.append("{ \(leader); } > leader.tmp && mv leader.tmp leader")
        lines += (Self.environment(of: launch) + environment).map { "export \($0.name)=\(Self.quoted($0.value))" }
        lines += moduleLines
        lines.append("cd ../work || exit 71")
        lines.append("\(command.map(Self.quoted).joined(separator: " ")) > ../launcher/output 2>&1 < /dev/null")
        lines.append("status=$?")
        if let conclusion { lines.append(conclusion) }
        lines.append("printf '%03d' $status 1<> ../launcher/exit")
        if let temporaryFolder { lines.append("rm -rf \(Self.quoted(temporaryFolder))") }
        lines.append("exit $status")
        return lines.joined(separator: "\n") + "\n"
    }

    private var moduleLines: [String] {
        guard let modules = launch.resources.needs.modules, !modules.isEmpty, let moduleSetup else { return [] }
        return [
            "[ -r \(Self.quoted(moduleSetup)) ] && . \(Self.quoted(moduleSetup)) > output 2>&1 && module load \(modules.map(Self.quoted).joined(separator: " ")) >> output 2>&1 "
                + "|| { printf '%03d' \(Self.modulesFailed) 1<> exit; exit \(Self.modulesFailed); }",
            "module -t list > modules 2>&1",
        ]
    }

    /// What marks every process of the attempt, and lets root start ranks.
    static func environment(of launch: Launch) -> [(name: String, value: String)] {
        [
            ("WEFT_RUN_ID", "\(launch.run)"), ("WEFT_ATTEMPT", "\(launch.attempt)"), ("OMPI_ALLOW_RUN_AS_ROOT", "1"),
            ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"),
        ]
    }

    static func quoted(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: ","), UInt8(ascii: "="),
                UInt8(ascii: ":"), UInt8(ascii: "@"):
                true
            default: false
            }
        }
        return isPlain && !text.isEmpty ? text : "'" + text.replacing("'", with: "'\\''") + "'"
    }
}
