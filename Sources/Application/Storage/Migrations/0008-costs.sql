-- SPDX-License-Identifier: Apache-2.0

-- The most bytes of memory that a worker's process has held, told at its end; without a worker, the rank itself.
CREATE TABLE memory_peak (
    attempt bigint NOT NULL,
    rank    integer NOT NULL,
    worker  integer,
    bytes   bigint NOT NULL
);
CREATE INDEX memory_peak_attempt ON memory_peak (attempt);

-- What runs that succeeded with their whole input in one attempt have cost: models of later runs learn from it.
CREATE TABLE run_cost (
    run              bigint PRIMARY KEY REFERENCES run,
    -- Null: several classes of nodes, or not known.
    node_class       text,
    ranks            integer NOT NULL,
    -- Numbers of the input, by name.
    features         json NOT NULL,
    -- Seconds.
    start_up         double precision NOT NULL,
    ending           double precision NOT NULL,
    seconds          double precision NOT NULL,
    -- MiB; null where the ranks did not tell.
    memory_per_rank  double precision,
    -- Seconds of work of the busiest rank.
    load             double precision NOT NULL,
    workers_per_rank integer NOT NULL
);

CREATE TABLE element_cost (
    run              bigint NOT NULL REFERENCES run_cost,
    element          text NOT NULL,
    -- Digest of the PE's code, and of the parameters that it was made with.
    kind             text NOT NULL,
    calls            bigint NOT NULL,
    items_out        bigint NOT NULL,
    seconds_per_call double precision NOT NULL,
    stateful         boolean NOT NULL,
    changed          text[],
    PRIMARY KEY (run, element)
);
CREATE INDEX element_cost_kind ON element_cost (kind, run DESC);

-- What was expected of runs when they were submitted, and what it came to.
CREATE TABLE prediction (
    run     bigint NOT NULL REFERENCES run,
    kind    text NOT NULL,
    -- Empty: of the run.
    element text NOT NULL,
    p50     double precision NOT NULL,
    p90     double precision NOT NULL,
    p95     double precision NOT NULL,
    basis   text NOT NULL,
    model   text NOT NULL,
    -- That it was learned from.
    runs    json NOT NULL,
    made_at timestamptz NOT NULL,
    actual  double precision,
    PRIMARY KEY (run, kind, element)
);

-- Seconds that the run is expected to take, by which it may be ordered; null: nothing is known.
ALTER TABLE run
    ADD COLUMN expected_seconds integer,
    ADD COLUMN expected_p90_seconds integer,
    ADD COLUMN expected_p95_seconds integer;
