// SPDX-License-Identifier: Apache-2.0

import Postgres

extension Storage {
    /// The schema's history, oldest first. A file that has been released is never edited: a change is a new file.
    static var migrations: [Migration] {
        [Migration(version: 1, name: "initial", sql: String(decoding: PackageResources._001_initial_sql, as: UTF8.self))]
    }
}
