// SPDX-License-Identifier: Apache-2.0

package import WorkflowModel

extension ElementCost {
    /// What a PE has cost, from what its instances tell.
    package init(of element: ProcessElement, _ instances: [InstanceProfile]) {
        func sum(_ number: (InstanceProfile) -> Int64) -> Int64 { instances.reduce(0) { $0 &+ number($1) } }
        let calls = sum(\.calls)
        let names = Set(instances.flatMap { $0.changed ?? [] })
        let changed = element.stateful == nil && !names.isEmpty ? names.sorted() : nil
        self.init(
            calls: Int(calls), itemsOut: Int(sum(\.itemsOut)), secondsPerCall: calls > 0 ? Double(sum(\.busy)) / 1e9 / Double(calls) : 0,
            stateful: changed != nil, changed: changed)
    }
}
