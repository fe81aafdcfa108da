// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import WorkflowModel

struct RunRetry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry", abstract: "Tries a failed or cancelled run again, as another attempt of the same run.")

    @OptionGroup var argument: RunArgument

    @Flag(help: "Process only what no attempt has processed to its end, and show which items these are.")
    var resume = false

    @Flag(help: "With --resume: only show these items.")
    var dryRun = false

    @OptionGroup var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if dryRun && !resume { throw ValidationError("--dry-run goes with --resume: any other retry processes every item.") }
    }

    func run() async throws {
        let client = try connection.client()
        let id = try await client.runID(argument.run).description
        if resume, dryRun || output.format == .table {
            let plan: ResumePlan = try await client.post("runs", id, "retry", body: RetryRequest(resume: true, dryRun: true))
            try output.show(plan, name: id) { ResumeRendering.describe($0) }
            if dryRun { return }
        }
        let run: Run = try await client.post("runs", id, "retry", body: RetryRequest(resume: resume))
        try output.show(run, name: id) { "\($0.id) \($0.state.rawValue), attempt \($0.attempts.count)" }
    }
}

/// What an attempt that resumes a run processes.
enum ResumeRendering {
    private static let maximumWidth = 60

    static func describe(_ plan: ResumePlan) -> String {
        let summary = "\(Format.share(plan.resumption)) of \(plan.run) \(plan.items == 1 ? "was" : "were") not processed to the end"
        guard !plan.parts.isEmpty else { return summary }
        var table = Table("SOURCE", "ITEMS", ">COUNT", "REASON")
        for part in plan.parts {
            table.append("\(part.source)", "\(items(part.ranges))", "\(part.items)", "\(part.reason)")
        }
        return table.render(.output) + "\n\n" + summary
    }

    static func items(_ ranges: [ItemRange]) -> String {
        var text = ""
        for range in ranges {
            let next = range.count == 1 ? "\(range.first)" : "\(range.first)-\(range.first + range.count - 1)"
            if text.count + next.count > maximumWidth { return text + ", …" }
            text += text.isEmpty ? next : ", " + next
        }
        return text
    }
}
