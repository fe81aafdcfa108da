// SPDX-License-Identifier: Apache-2.0

package import FoundationEssentials

/// What holds for every order of operators, as far as one order can tell.
package enum OrderRules {
    /// Seconds from now.
    package static let farthest: TimeInterval = 10 * 365.25 * 86400
    package static let maximumReason = 1000
    /// Of one window or account.
    package static let maximumUsers = 1000

    /// What is wrong with the name of a window or an account.
    package static func fault(ofName name: String) -> String? {
        let isValid =
            (1...200).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
        return isValid ? nil : "is no name: write 1 to 200 letters, digits, and any of _ . -"
    }

    fileprivate static func faults(ofReason reason: String?) -> [Problem.FieldError] {
        guard let length = reason?.utf8.count, length > maximumReason else { return [] }
        return [.init("/reason", "has \(length) bytes: write at most \(maximumReason)")]
    }

    fileprivate static func faults(ofUsers users: [String]) -> [Problem.FieldError] {
        guard users.count <= maximumUsers else { return [.init("/users", "has \(users.count) users: name at most \(maximumUsers)")] }
        return users.enumerated().compactMap { index, user in
            let parts = user.split(separator: "@", omittingEmptySubsequences: false)
            let isLabel = parts.count > 1 && parts.first?.isEmpty == false && parts.last?.isEmpty == false && user.utf8.count <= 1000
            return isLabel
                ? nil : .init("/users/\(index)", "names no user: write subject@issuer, as `weft auth status -q` prints it for its caller")
        }
    }

    fileprivate static func fault(ofFuture time: Date, now: Date) -> String? {
        if time <= now { return "is in the past: it is \(WireJSON.format(now)) here" }
        return time > now + farthest ? "is more than 10 years away" : nil
    }
}

extension NodeOrderRequest {
    package func faults(now: Date) -> [Problem.FieldError] {
        var faults = OrderRules.faults(ofReason: reason)
        if let by {
            if kind == .cordon {
                faults.append(.init("/by", "goes with the kind drain: a cordon holds until it is taken back"))
            } else if let fault = OrderRules.fault(ofFuture: by, now: now) {
                faults.append(.init("/by", "\(fault); leave it out to start nothing there from now on"))
            }
        }
        return faults
    }
}

extension WindowRequest {
    /// - Parameter known: the nodes of the cluster.
    package func faults(now: Date, nodes known: Set<String>) -> [Problem.FieldError] {
        var faults = OrderRules.faults(ofReason: reason) + OrderRules.faults(ofUsers: users ?? [])
        if let fault = OrderRules.fault(ofName: name) { faults.append(.init("/name", fault)) }
        if start < now - OrderRules.farthest { faults.append(.init("/start", "is more than 10 years ago")) }
        if end <= start {
            faults.append(.init("/end", "is not after the start, which is \(WireJSON.format(start))"))
        } else if let fault = OrderRules.fault(ofFuture: end, now: now) {
            faults.append(.init("/end", fault))
        }
        if kind == .maintenance, users?.isEmpty == false {
            faults.append(.init("/users", "go with the kind reservation: during maintenance nothing runs"))
        }
        for (index, node) in (nodes ?? []).enumerated() where !known.contains(node) {
            faults.append(.init("/nodes/\(index)", "is '\(node)', which the cluster does not have: see `weft node list`"))
        }
        return faults
    }
}

extension AccountRequest {
    package func faults(name: String, now: Date) -> [Problem.FieldError] {
        var faults = OrderRules.faults(ofUsers: users ?? [])
        if parent == name { faults.append(.init("/parent", "is the account itself: leave it out for one at the top")) }
        if let share, !(1e-6...1e6).contains(share) {
            faults.append(.init("/share", "is \(share): write a number from 0.000001 to 1000000, or leave it out"))
        }
        let ranksRange = 0...Int(Int32.max)
        for (field, value, range) in [
            ("ranks", ranks, ranksRange), ("borrowed_ranks", borrowedRanks, ranksRange), ("memory", memory, 0...1 << 50),
        ] {
            if let value, !range.contains(value) {
                faults.append(.init("/\(field)", "is \(value): write a number from 0 to \(range.upperBound), or leave it out"))
            }
        }
        if borrowedRanks != nil, ranks == nil {
            faults.append(.init("/borrowed_ranks", "goes with ranks: who has no quota of ranks need not borrow any"))
        }
        if let rankHours, !(0...1e12).contains(rankHours) {
            faults.append(.init("/rank_hours", "is \(rankHours): write a number from 0 to 1000000000000, or leave it out"))
        }
        if let since, !(Date(timeIntervalSince1970: 0)...now + OrderRules.farthest).contains(since) {
            faults.append(.init("/since", "is before 1970 or more than 10 years away"))
        }
        if since != nil, rankHours == nil { faults.append(.init("/since", "goes with rank_hours, which are counted from then on")) }
        return faults
    }
}
