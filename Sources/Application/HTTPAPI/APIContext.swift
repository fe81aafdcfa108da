// SPDX-License-Identifier: Apache-2.0

package import Hummingbird
import Synchronization
import WorkflowModel

/// What Hummingbird carries along with a request.
package struct APIContext: RequestContext {
    package typealias Source = ApplicationRequestContextSource

    package var coreContext: CoreRequestContextStorage
    /// Set once the token is known, for the access log.
    let caller = Caller()

    package init(source: some RequestContextSource) { coreContext = .init(source: source) }

    final class Caller: Sendable {
        private let principal = Mutex<Principal?>(nil)

        var label: String? { principal.withLock { $0?.label } }
        func set(_ caller: Principal) { principal.withLock { $0 = caller } }
    }
}
