// SPDX-License-Identifier: Apache-2.0

import Postgres

extension Storage {
    /// The schema's history, oldest first. A file that has been released is never edited: a change is a new file.
    static var migrations: [Migration] {
        [
            Migration(version: 1, name: "initial", sql: String(decoding: PackageResources._001_initial_sql, as: UTF8.self)),
            Migration(version: 2, name: "runs of calls", sql: String(decoding: PackageResources._002_runs_of_calls_sql, as: UTF8.self)),
            Migration(version: 3, name: "applications", sql: String(decoding: PackageResources._003_applications_sql, as: UTF8.self)),
            Migration(
                version: 4, name: "resumed attempts", sql: String(decoding: PackageResources._004_resumed_attempts_sql, as: UTF8.self)),
            Migration(version: 5, name: "checkpoints", sql: String(decoding: PackageResources._005_checkpoints_sql, as: UTF8.self)),
            Migration(version: 6, name: "clusters", sql: String(decoding: PackageResources._006_clusters_sql, as: UTF8.self)),
            Migration(version: 7, name: "scheduling", sql: String(decoding: PackageResources._007_scheduling_sql, as: UTF8.self)),
            Migration(version: 8, name: "costs", sql: String(decoding: PackageResources._008_costs_sql, as: UTF8.self)),
            Migration(version: 9, name: "history", sql: String(decoding: PackageResources._009_history_sql, as: UTF8.self)),
            Migration(
                version: 10, name: "scheduler records",
                sql: String(decoding: PackageResources._010_scheduler_records_sql, as: UTF8.self)),
            Migration(version: 11, name: "usage", sql: String(decoding: PackageResources._011_usage_sql, as: UTF8.self)),
        ]
    }
}
