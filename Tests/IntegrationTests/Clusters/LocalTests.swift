// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

extension Trait where Self == ClusterTrait {
    /// This machine, with as many slots as one run of the contract takes.
    static var local: Self {
        ClusterTrait {
            let weft = try await Installation.start(["--slots", "6"])
            try await weft.register("counts")
            return ClusterUnderTest(cluster: nil, weft: weft, held: ClusterUnderTest.filling(weft))
        }
    }
}

extension Integration {
    @Suite(.serialized, .local) struct LocalTests {
        @Test(arguments: Contract.allCases) func keepsTheContract(_ behaviour: Contract) async throws { try await behaviour.check() }
    }
}
