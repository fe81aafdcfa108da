// SPDX-License-Identifier: Apache-2.0

import WorkflowModel

extension Planner {
    /// An application has the ranks that it is given: what they do is its own affair.
    static func plan(application: ProcessElement, ranks: Int, _ layout: Layout) throws(Problem) -> Plan {
        guard ranks <= DatumID.maximumInstances else {
            throw Problem(
                .invalid, "An MPI application has at most \(DatumID.maximumInstances) ranks.", errors: [.init("/ranks", "is \(ranks)")])
        }
        return Plan(
            layout: layout, ranksRequested: ranks, ranks: ranks,
            stages: [
                Stage(
                    elements: [0], workers: ranks,
                    reasons: [
                        "\(application.id) is an MPI application: each rank is a process of the program, and as many run as asked for"
                    ])
            ], workers: (0..<ranks).map { Worker(stage: 0, replica: $0, rank: $0) }, firstInstances: [0], reasons: [])
    }
}
