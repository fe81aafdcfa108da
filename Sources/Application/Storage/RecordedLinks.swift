// SPDX-License-Identifier: Apache-2.0

/// SQL for how calls and data of the attempt `$1` hang together, as subqueries that `LATERAL` joins to what asks. Each looks both
/// among the single records and among the runs.
///
/// `OFFSET 0` has each step look up its rows by index, one step after the other; left to choose, the planner pairs all that asks
/// with all of a table. `$3` bounds what one run may give.
enum RecordedLinks {
    /// Which invocation (`instance`, `sequence`) wrote the datum.
    static func writer(of datum: String) -> String {
        """
        (SELECT instance, invocation AS sequence FROM datum WHERE attempt = $1 AND datum = \(datum)
        UNION ALL
        SELECT instance, first_writer
            + coalesce(writer_stride * (\(datum) - first_datum), writer_offsets[(\(datum) - first_datum + 1)::integer])
        FROM \(run(of: datum)) AS run
        OFFSET 0)
        """
    }

    /// The row of `datum_run` that holds the datum.
    static func run(of datum: String) -> String {
        """
        (SELECT * FROM (SELECT * FROM datum_run WHERE attempt = $1 AND first_datum <= \(datum)
            ORDER BY first_datum DESC LIMIT 1) AS nearest WHERE last_datum >= \(datum) OFFSET 0)
        """
    }

    /// What the invocation read (`input`), if anything.
    static func input(ofInstance instance: String, sequence: String) -> String {
        """
        (SELECT input FROM invocation
        WHERE attempt = $1 AND instance = \(instance) AND sequence = \(sequence) AND input IS NOT NULL
        UNION ALL
        SELECT first_input
            + coalesce(input_stride * (\(sequence) - first_sequence), input_offsets[(\(sequence) - first_sequence + 1)::integer])
        FROM (SELECT * FROM invocation_run WHERE attempt = $1 AND instance = \(instance) AND first_sequence <= \(sequence)
            ORDER BY first_sequence DESC LIMIT 1) AS nearest
        WHERE last_sequence >= \(sequence) AND first_input IS NOT NULL
        OFFSET 0)
        """
    }

    /// All that the instance read (`input`).
    static func inputs(ofInstance instance: String) -> String {
        """
        (SELECT input FROM invocation WHERE attempt = $1 AND instance = \(instance) AND input IS NOT NULL
        UNION ALL
        SELECT read.input FROM (SELECT * FROM invocation_run
            WHERE attempt = $1 AND instance = \(instance) AND first_input IS NOT NULL OFFSET 0) AS run
        CROSS JOIN LATERAL (
            SELECT first_input + input_stride * generate_series(0, least(last_sequence - first_sequence, $3::bigint)) AS input
            WHERE input_stride IS NOT NULL
            UNION ALL
            SELECT first_input + unnest(input_offsets) WHERE input_stride IS NULL OFFSET 0) AS read
        OFFSET 0)
        """
    }

    /// The invocations (`instance`, `sequence`) that read the datum.
    static func readers(of datum: String) -> String {
        """
        (SELECT instance, sequence FROM invocation WHERE attempt = $1 AND input = \(datum)
        UNION ALL
        SELECT run.instance, run.first_sequence + call.position FROM \(Span.levels)
        CROSS JOIN LATERAL (SELECT * FROM invocation_run WHERE attempt = $1 AND input_level = span.level
            AND first_input BETWEEN \(datum) - span.reach AND \(datum) AND last_input >= \(datum) OFFSET 0) AS run
        CROSS JOIN LATERAL (
            SELECT (\(datum) - first_input) / nullif(input_stride, 0) AS position
            WHERE (\(datum) - first_input) % nullif(input_stride, 0) = 0
            UNION ALL
            SELECT generate_series(0, least(last_sequence - first_sequence, $3::bigint)) WHERE input_stride = 0
            UNION ALL
            SELECT unnest(array_positions(input_offsets, (\(datum) - first_input)::integer)) - 1
            WHERE input_stride IS NULL OFFSET 0) AS call
        OFFSET 0)
        """
    }

    /// What the invocation wrote (`datum`).
    static func data(ofInstance instance: String, sequence: String) -> String {
        """
        (SELECT datum FROM datum WHERE attempt = $1 AND instance = \(instance) AND invocation = \(sequence)
        UNION ALL
        SELECT written.datum FROM \(Span.levels)
        CROSS JOIN LATERAL (SELECT * FROM datum_run WHERE attempt = $1 AND instance = \(instance) AND writer_level = span.level
            AND first_writer BETWEEN \(sequence) - span.reach AND \(sequence) AND last_writer >= \(sequence) OFFSET 0) AS run
        CROSS JOIN LATERAL (
            SELECT generate_series(first_datum, least(last_datum, first_datum + $3::bigint)) AS datum WHERE writer_stride = 0
            UNION ALL
            SELECT first_datum + (\(sequence) - first_writer) WHERE writer_stride = 1
            UNION ALL
            SELECT first_datum + unnest(array_positions(writer_offsets, (\(sequence) - first_writer)::integer)) - 1
            WHERE writer_stride IS NULL OFFSET 0) AS written
        OFFSET 0)
        """
    }

    /// The calls of `postprocess` (`instance`, `sequence`) of the instance.
    static func postprocess(ofInstance instance: String) -> String {
        """
        (SELECT instance, sequence FROM invocation WHERE attempt = $1 AND instance = \(instance) AND kind = 2 OFFSET 0)
        """
    }
}
