// SPDX-License-Identifier: Apache-2.0

import Postgres

extension Storage {
    /// Whether the error says that the database cannot be reached now, so that trying again later may help.
    package static func isUnavailable(_ error: any Error) -> Bool { (error as? PostgresError)?.isUnavailable ?? false }
}
