// SPDX-License-Identifier: Apache-2.0

import Foundation
import Scheduling
import WorkflowModel

/// Says why a run waits.
struct WaitWords {
    var runs: [Int: RunID]
    var accounts: ClusterAccounts

    func sentence(_ reason: WaitReason) -> String {
        switch reason {
        case .held(.ranks(let account, let quota)): "its account \(accounts.name(account)) may have \(quota) running ranks"
        case .held(.memory(let account, let quota)): "its account \(accounts.name(account)) may have \(quota) MiB of memory in use"
        case .held(.rankSeconds(let account, let quota)):
            "its account \(accounts.name(account)) may use \(quota / 3600) rank-hours, and with this run up to its time limit would use more"
        case .held(.reclaimed(let account, let owner)):
            "its account \(accounts.name(account)) would borrow ranks for which \(accounts.name(owner)) waits"
        case .neverFits(let shortage): "can never start: \(shortage?.sentence(true) ?? "no nodes suit it")"
        case .noReservation: "can never start: its reservation is over, shorter than its time limit, unknown, or not for its user"
        case .room(let shortage, let promised):
            (shortage?.description ?? "a window or a promise to another run leaves it no room for its time limit")
                + (promised.map { "; it starts by \(Self.time($0)) at the latest" } ?? "")
        case .kept(let first): "would delay \(name(first)), or a run that was promised a start, if it used all of its time limit"
        case .behind(let first): "waits behind \(name(first))"
        }
    }

    private func name(_ job: Int) -> String { runs[job].map(\.description) ?? "another run" }

    private static func time(_ seconds: Int) -> String {
        Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
    }
}
