// SPDX-License-Identifier: Apache-2.0

package import Scheduling

/// How runs that wait are ordered and started.
package struct SchedulingConfiguration: Sendable {
    package var policy: NamedPolicy
    /// Seconds by which a run that has no time limit is planned. It is not ended by them.
    package var assumedLimit: Int
    /// Seconds after which what an account used counts half.
    package var halfLife: Int

    package init(policy: NamedPolicy = .weft, assumedLimit: Int = PlannedLimit.standard, halfLife: Int = 604_800) {
        self.policy = policy
        self.assumedLimit = assumedLimit
        self.halfLife = halfLife
    }
}
