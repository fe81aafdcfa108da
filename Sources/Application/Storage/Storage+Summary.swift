// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Postgres
package import WorkflowModel

extension Storage {
    /// What each PE instance did. Of an instance with a profile the profile tells, unless more calls have been recorded since.
    ///
    /// - Parameter attempt: `nil`: the latest.
    package func provenanceSummary(_ run: RunID, attempt: Int?) async throws -> ProvenanceSummary {
        try await pool.transaction(.repeatableRead) { connection in
            let layout = try connection.layout(of: run, attempt: attempt)
            let records = try connection.recordedCounts(layout.attempt)
            let percentiles = try connection.percentiles(layout.attempt, instances: records.filter { $1.profile == nil }.map(\.key))
            let ended = try connection.query(
                "SELECT count(*) AS ended FROM segment WHERE attempt = $1 AND ended", [.int(layout.attempt)])
            let elements = layout.elements.indices.map { element in
                let instances = layout.instances(ofElement: element).map { instance in
                    InstanceSummary(
                        instance, rank: layout.rank(ofInstance: instance) ?? 0, records[instance] ?? RecordedCounts(),
                        percentiles[instance])
                }
                return ElementSummary(element: layout.elements[element].id, instances: instances)
            }
            return ProvenanceSummary(
                run: run, attempt: layout.number, complete: try ended.first?.value("ended") == layout.plan.ranks, elements: elements)
        }
    }
}

/// What the tables tell of one instance.
private struct RecordedCounts {
    /// Calls of `process`, and of `preprocess` and `postprocess`.
    var calls: Int64 = 0
    var otherCalls: Int64 = 0
    var failed: Int64 = 0
    var skipped: Int64 = 0
    var dataIn: Int64 = 0
    var dataOut: Int64 = 0
    var bytesOut: Int64 = 0
    /// Seconds.
    var busy = 0.0
    var firstAt: Date?
    var lastAt: Date?
    var profile: Profile?

    struct Profile {
        var calls: Int64
        var dataIn: Int64
        var dataOut: Int64
        var bytesOut: Int64
        var skipped: Int64
        var retried: Int64
        var busy: Double
        var blocked: Double
        var percentiles: Percentiles?
        var changed: [String]?
    }
}

/// Of the time of calls, in seconds.
private struct Percentiles {
    var median: Double
    var p95: Double
}

extension InstanceSummary {
    fileprivate init(_ instance: Int, rank: Int, _ records: RecordedCounts, _ percentiles: Percentiles?) {
        let profile = records.profile
        let percentiles = profile?.percentiles ?? percentiles
        self.init(
            instance: instance, rank: rank, invocations: max(records.calls, profile?.calls ?? 0) + records.otherCalls,
            failed: records.failed, skipped: max(records.skipped, profile?.skipped ?? 0), retried: profile?.retried ?? 0,
            dataIn: max(records.dataIn, profile?.dataIn ?? 0), dataOut: max(records.dataOut, profile?.dataOut ?? 0),
            bytesOut: profile?.bytesOut ?? records.bytesOut, busySeconds: profile?.busy ?? records.busy, blockedSeconds: profile?.blocked,
            medianSeconds: percentiles?.median, p95Seconds: percentiles?.p95, changed: profile?.changed, firstAt: records.firstAt,
            lastAt: records.lastAt)
    }
}

extension Connection {
    fileprivate func recordedCounts(_ attempt: Int64) throws -> [Int: RecordedCounts] {
        var counts: [Int: RecordedCounts] = [:]
        // The time of calls of which none was taken is not known; of the others' it is the mean of those that were.
        let calls = try query(
            """
            SELECT instance, sum(calls)::bigint AS calls, sum(other)::bigint AS other, sum(failed)::bigint AS failed,
                sum(skipped)::bigint AS skipped, sum(data_in)::bigint AS data_in, sum(busy) / 1e9 AS busy, min(first_at) AS first_at,
                max(last_at) AS last_at
            FROM (
                SELECT instance, count(*) FILTER (WHERE kind = 0) AS calls, count(*) FILTER (WHERE kind <> 0) AS other,
                    count(*) FILTER (WHERE outcome = 1) AS failed, count(*) FILTER (WHERE outcome = 2) AS skipped,
                    count(input) AS data_in, sum(duration)::double precision AS busy, min(started_at) AS first_at,
                    max(started_at + duration / 1000 * interval '1 microsecond') AS last_at
                FROM invocation WHERE attempt = $1 GROUP BY instance
                UNION ALL
                SELECT instance, sum(last_sequence - first_sequence + 1), 0, 0, 0,
                    coalesce(sum(last_sequence - first_sequence + 1) FILTER (WHERE first_input IS NOT NULL), 0),
                    coalesce(sum(timed_duration)::double precision / nullif(sum(timed), 0) * sum(last_sequence - first_sequence + 1), 0),
                    min(started_at), max(ended_at)
                FROM invocation_run WHERE attempt = $1 GROUP BY instance
            ) AS counted GROUP BY instance
            """, [.int(attempt)])
        for row in calls {
            let (calls, other): (Int64, Int64) = (try row.value("calls"), try row.value("other"))
            counts[try row.value("instance")] = RecordedCounts(
                calls: calls, otherCalls: other, failed: try row.value("failed"), skipped: try row.value("skipped"),
                dataIn: try row.value("data_in"), busy: try row.value("busy"), firstAt: try row.optional("first_at"),
                lastAt: try row.optional("last_at"))
        }
        let data = try query(
            """
            SELECT instance, sum(data)::bigint AS data_out, least(sum(bytes), \(Int64.max))::bigint AS bytes FROM (
                SELECT instance, count(*) AS data, sum(size) AS bytes FROM datum WHERE attempt = $1 AND origin <> 2 GROUP BY instance
                UNION ALL
                SELECT instance, sum(last_datum - first_datum + 1), sum(size) FROM datum_run
                WHERE attempt = $1 AND origin <> 2 GROUP BY instance
            ) AS counted GROUP BY instance
            """, [.int(attempt)])
        for row in data {
            let instance: Int = try row.value("instance")
            counts[instance, default: RecordedCounts()].dataOut = try row.value("data_out")
            counts[instance, default: RecordedCounts()].bytesOut = try row.value("bytes")
        }
        let profiles = try query(
            """
            SELECT instance, calls, items_in, items_out, bytes_out, skipped, retried, busy / 1e9::double precision AS busy,
                blocked / 1e9::double precision AS blocked, p50 / 1e9::double precision AS median, p95 / 1e9::double precision AS p95,
                to_json(changed)::text AS changed
            FROM instance_profile WHERE attempt = $1
            """, [.int(attempt)])
        for row in profiles {
            let (median, p95): (Double?, Double?) = (try row.optional("median"), try row.optional("p95"))
            counts[try row.value("instance"), default: RecordedCounts()].profile = RecordedCounts.Profile(
                calls: try row.value("calls"), dataIn: try row.value("items_in"), dataOut: try row.value("items_out"),
                bytesOut: try row.value("bytes_out"), skipped: try row.value("skipped"), retried: try row.value("retried"),
                busy: try row.value("busy"), blocked: try row.value("blocked"),
                percentiles: median.flatMap { median in p95.map { Percentiles(median: median, p95: $0) } },
                changed: try row.optionalJSON("changed"))
        }
        return counts
    }

    /// Of the calls of `process` of which each one's time is recorded.
    fileprivate func percentiles(_ attempt: Int64, instances: [Int]) throws -> [Int: Percentiles] {
        guard !instances.isEmpty else { return [:] }
        let rows = try query(
            """
            SELECT instance, percentile_disc(0.5) WITHIN GROUP (ORDER BY duration) / 1e9::double precision AS median,
                percentile_disc(0.95) WITHIN GROUP (ORDER BY duration) / 1e9::double precision AS p95
            FROM (
                SELECT instance, duration FROM invocation WHERE attempt = $1 AND kind = 0 AND instance = ANY ($2)
                UNION ALL
                SELECT instance, unnest(durations) FROM invocation_run WHERE attempt = $1 AND instance = ANY ($2)
            ) AS timed GROUP BY instance
            """, [.int(attempt), .ints(instances.map { Int64($0) })])
        return try Dictionary(
            uniqueKeysWithValues: rows.map {
                (try $0.value("instance"), Percentiles(median: try $0.value("median"), p95: try $0.value("p95")))
            })
    }
}
