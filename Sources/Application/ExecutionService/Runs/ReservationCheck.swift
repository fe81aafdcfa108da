// SPDX-License-Identifier: Apache-2.0

import Foundation
import Scheduling
import WorkflowModel

extension RunNeeds {
    /// - Parameters:
    ///   - windows: all that there are.
    ///   - owner: label of the user whose run it is.
    /// - Throws: `Problem` that names the field, when the reservation that the run asks for is not there for it, or too short.
    func checkReservation(
        among windows: [ClusterWindow], owner: String, _ configuration: SchedulingConfiguration, at now: Date
    ) throws(Problem) {
        guard let name = reservation else { return }
        func refusal(_ field: CodingKeys, _ detail: String) -> Problem {
            Problem(.invalid, "The run can never start here.", errors: [.init("/needs/\(field.rawValue)", detail)])
        }
        let open = windows.filter { $0.kind == .reservation && $0.end > now && ($0.users.isEmpty || $0.users.contains(owner)) }
        guard let window = open.first(where: { $0.name == name }) else {
            let known = open.isEmpty ? "there are none for you" : "yours are " + open.map(\.name).sorted().joined(separator: ", ")
            throw refusal(.reservation, "there is no reservation '\(name)' to come for this user; \(known)")
        }
        // The scheduler counts whole seconds.
        let length = Int(window.end.timeIntervalSince1970) - Int(max(now, window.start).timeIntervalSince1970)
        let longest = length - PlannedLimit.grace
        guard longest >= 1 else {
            throw refusal(.reservation, "'\(name)' ends at \(WireJSON.format(window.end)), too soon for any run: take another")
        }
        let remedy = "'\(name)' ends at \(WireJSON.format(window.end)): write at most \(longest) seconds"
        if let timeLimit {
            if timeLimit > longest { throw refusal(.timeLimit, "is \(timeLimit), and the reservation \(remedy)") }
        } else if configuration.assumedLimit > length {
            throw refusal(
                .timeLimit, "is not given, so that \(configuration.assumedLimit) seconds are planned, and the reservation \(remedy)")
        }
    }
}
