-- SPDX-License-Identifier: Apache-2.0

-- What went as usual is kept as runs: of calls of one instance whose sequences follow each other, and of data whose ids do. The
-- tables invocation and datum keep what was not usual, and all that was recorded before there were runs.

ALTER TABLE invocation ADD COLUMN outcome smallint NOT NULL DEFAULT 0;
COMMENT ON COLUMN invocation.outcome IS '0 ok, 1 failed, 2 failed and skipped';
UPDATE invocation SET outcome = 1 WHERE failed;
ALTER TABLE invocation DROP COLUMN failed;
CREATE INDEX invocation_failed ON invocation (attempt, instance, sequence) WHERE outcome <> 0;

-- Calls whose outcome is 2.
ALTER TABLE attempt ADD COLUMN skipped bigint NOT NULL DEFAULT 0;

-- The level of a span from a first to a last number is the least for which it is no longer than 256 ^ level. Whoever looks for the
-- spans that hold a number asks for each level, and so reads no further back than the spans of that level reach.
CREATE TABLE invocation_run (
    attempt        bigint NOT NULL,
    instance       integer NOT NULL,
    first_sequence bigint NOT NULL,
    last_sequence  bigint NOT NULL,
    input_port     integer,
    -- Least and greatest id of the inputs. The call number k of the run, from 0, read first_input + k * input_stride, or, where
    -- that is null, first_input + input_offsets[k + 1].
    first_input    bigint,
    last_input     bigint,
    input_level    smallint,
    input_stride   bigint,
    input_offsets  integer[],
    started_at     timestamptz NOT NULL,
    ended_at       timestamptz NOT NULL,
    -- Calls whose time was taken, and the nanoseconds that these took.
    timed          bigint NOT NULL,
    timed_duration bigint NOT NULL,
    -- Of each call, where it was taken: nanoseconds since 1970, and nanoseconds.
    starts         bigint[],
    durations      bigint[]
);
CREATE INDEX invocation_run_sequence ON invocation_run (attempt, instance, first_sequence);
CREATE INDEX invocation_run_input ON invocation_run (attempt, input_level, first_input, last_input) WHERE first_input IS NOT NULL;

CREATE TABLE datum_run (
    attempt        bigint NOT NULL,
    -- As of a datum.
    instance       integer NOT NULL,
    first_datum    bigint NOT NULL,
    last_datum     bigint NOT NULL,
    origin         smallint NOT NULL,
    port           integer NOT NULL,
    -- Least and greatest sequence of the invocations that wrote them, and which of them wrote which, as for inputs.
    first_writer   bigint,
    last_writer    bigint,
    writer_level   smallint,
    writer_stride  smallint,
    writer_offsets integer[],
    -- Of all of them together.
    size           bigint NOT NULL,
    first_at       timestamptz NOT NULL,
    last_at        timestamptz NOT NULL
);
CREATE INDEX datum_run_datum ON datum_run (attempt, first_datum);
CREATE INDEX datum_run_writer ON datum_run (attempt, instance, writer_level, first_writer, last_writer) WHERE first_writer IS NOT NULL;

-- What each PE instance has done so far; times are nanoseconds.
CREATE TABLE instance_profile (
    attempt   bigint NOT NULL,
    instance  integer NOT NULL,
    calls     bigint NOT NULL,
    items_in  bigint NOT NULL,
    items_out bigint NOT NULL,
    bytes_out bigint NOT NULL,
    busy      bigint NOT NULL,
    blocked   bigint NOT NULL,
    sampled   bigint NOT NULL,
    p50       bigint,
    p95       bigint,
    skipped   bigint NOT NULL,
    retried   bigint NOT NULL,
    changed   text[],
    PRIMARY KEY (attempt, instance)
);
