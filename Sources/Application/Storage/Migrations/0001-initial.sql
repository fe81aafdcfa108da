-- SPDX-License-Identifier: Apache-2.0

-- Users are told apart by issuer and subject.
CREATE TABLE app_user (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    issuer  text NOT NULL,
    subject text NOT NULL,
    UNIQUE (issuer, subject)
);

-- Registry. Documents that are only kept and returned are json, not jsonb: jsonb refuses \u0000 in strings.

-- A namespace belongs to the user who first registered in it.
CREATE TABLE namespace (
    name  text PRIMARY KEY,
    owner bigint NOT NULL REFERENCES app_user
);

CREATE TABLE environment (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest       text NOT NULL UNIQUE,
    state        text NOT NULL CHECK (state IN ('building', 'ready', 'failed')),
    requirements text NOT NULL,
    log          text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX environment_building ON environment (id) WHERE state = 'building';

-- Words of names as people search them: 'CorrelatePairs' and 'correlate_pairs' hold 'correlate' and 'pairs'.
CREATE FUNCTION name_words(name text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT name || ' ' || translate(regexp_replace(name, '([a-z0-9])([A-Z])', '\1 \2', 'g'), '._-/', '    ')
$$;

-- Stems for whole words ('correlated' finds 'correlates'), and the words themselves for prefixes ('correlat').
CREATE FUNCTION search_words(words text) RETURNS tsvector LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT to_tsvector('pg_catalog.english', words) || to_tsvector('pg_catalog.simple', words)
$$;

CREATE TABLE graph_version (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    namespace     text NOT NULL REFERENCES namespace,
    name          text NOT NULL,
    version       text NOT NULL,
    digest        text NOT NULL,
    owner         bigint NOT NULL REFERENCES app_user,
    registered_at timestamptz NOT NULL,
    documentation text,
    environment   text,
    attribute     text,
    filename      text NOT NULL,
    graph         json NOT NULL,
    source        text NOT NULL,
    -- Names and documentation of its PEs.
    element_names text NOT NULL,
    element_texts text NOT NULL,
    -- A tsvector holds at most 1 MB.
    search        tsvector NOT NULL GENERATED ALWAYS AS (
        setweight(search_words(name_words(namespace || '/' || name)), 'A')
        || setweight(search_words(left(coalesce(documentation, ''), 50000)), 'B')
        || setweight(search_words(name_words(left(element_names, 50000))), 'B')
        || setweight(search_words(left(element_texts, 100000)), 'C')
        || setweight(to_tsvector('pg_catalog.english', left(source, 200000)), 'D')
    ) STORED,
    UNIQUE (namespace, name, version)
);
CREATE INDEX graph_version_latest ON graph_version (namespace, name, id);
CREATE INDEX graph_version_search ON graph_version USING gin (search);

CREATE TABLE element_version (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    namespace     text NOT NULL REFERENCES namespace,
    name          text NOT NULL,
    version       text NOT NULL,
    digest        text NOT NULL,
    owner         bigint NOT NULL REFERENCES app_user,
    registered_at timestamptz NOT NULL,
    documentation text,
    inputs        json NOT NULL,
    outputs       json NOT NULL,
    source        text,
    search        tsvector NOT NULL GENERATED ALWAYS AS (
        setweight(search_words(name_words(namespace || '/' || name)), 'A')
        || setweight(search_words(left(coalesce(documentation, ''), 100000)), 'B')
        || setweight(to_tsvector('pg_catalog.english', left(coalesce(source, ''), 200000)), 'D')
    ) STORED,
    UNIQUE (namespace, name, version)
);
CREATE INDEX element_version_latest ON element_version (namespace, name, id);
CREATE INDEX element_version_search ON element_version USING gin (search);

CREATE TABLE graph_element (
    graph_version   bigint NOT NULL REFERENCES graph_version,
    element_version bigint NOT NULL REFERENCES element_version,
    PRIMARY KEY (graph_version, element_version)
);
CREATE INDEX graph_element_element ON graph_element (element_version, graph_version);

-- Runs.

CREATE TABLE run (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id        uuid NOT NULL UNIQUE,
    name             text,
    graph_version    bigint NOT NULL REFERENCES graph_version,
    owner            bigint NOT NULL REFERENCES app_user,
    state            text NOT NULL CHECK (state IN
        ('submitted', 'queued', 'starting', 'running', 'succeeded', 'failed', 'cancelling', 'cancelled')),
    -- Ranks that the plan starts.
    ranks            integer NOT NULL,
    memory_per_rank  integer NOT NULL,
    inputs           json NOT NULL,
    plan             json NOT NULL,
    submitted_at     timestamptz NOT NULL,
    -- Number of the latest attempt.
    attempt          integer NOT NULL DEFAULT 1,
    pending_reason   text,
    pending_position integer,
    idempotency_key  text,
    request_digest   text NOT NULL,
    UNIQUE (owner, idempotency_key)
);
CREATE INDEX run_owner ON run (owner, id);
CREATE INDEX run_graph ON run (graph_version, id);
CREATE INDEX run_name ON run (name, id) WHERE name IS NOT NULL;
CREATE INDEX run_state ON run (state, id);

CREATE TABLE attempt (
    -- Grows in the order in which attempts were queued.
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run        bigint NOT NULL REFERENCES run,
    number     integer NOT NULL,
    state      text NOT NULL CHECK (state IN
        ('submitted', 'queued', 'starting', 'running', 'succeeded', 'failed', 'cancelling', 'cancelled')),
    queued_at  timestamptz NOT NULL,
    started_at timestamptz,
    ended_at   timestamptz,
    failure    json,
    folder     text,
    log_lines  integer NOT NULL DEFAULT 0,
    UNIQUE (run, number)
);

-- What the ranks recorded. Rows are only ever added, each exactly once: in one transaction with the offset up to which its
-- segment has been read. No unique keys beside that, so that a PE's odd records can never stop the reading.

CREATE TABLE segment (
    attempt bigint NOT NULL REFERENCES attempt,
    rank    integer NOT NULL,
    -- Bytes that have been read.
    offset_ bigint NOT NULL DEFAULT 0,
    ended   boolean NOT NULL DEFAULT false,
    PRIMARY KEY (attempt, rank)
);

CREATE TABLE invocation (
    attempt    bigint NOT NULL,
    instance   integer NOT NULL,
    sequence   bigint NOT NULL,
    -- 0 process, 1 preprocess, 2 postprocess
    kind       smallint NOT NULL,
    failed     boolean NOT NULL,
    input      bigint,
    input_port integer,
    started_at timestamptz NOT NULL,
    duration   bigint NOT NULL
);
COMMENT ON COLUMN invocation.duration IS 'nanoseconds';
CREATE INDEX invocation_sequence ON invocation (attempt, instance, sequence) INCLUDE (kind, input);
CREATE INDEX invocation_input ON invocation (attempt, input) INCLUDE (instance, sequence, kind) WHERE input IS NOT NULL;
CREATE INDEX invocation_postprocess ON invocation (attempt, instance, sequence) WHERE kind = 2;

CREATE TABLE datum (
    attempt    bigint NOT NULL,
    datum      bigint NOT NULL,
    -- Of the PE that wrote it, or, for an input of the run, that was given it.
    instance   integer NOT NULL,
    -- 0 sent, 1 kept in its worker (size is an estimate), 2 input of the run
    origin     smallint NOT NULL,
    port       integer NOT NULL,
    -- Sequence of the invocation that wrote it.
    invocation bigint,
    size       bigint NOT NULL,
    at         timestamptz NOT NULL
);
CREATE INDEX datum_id ON datum (attempt, datum) INCLUDE (instance, invocation);
CREATE INDEX datum_invocation ON datum (attempt, instance, invocation) INCLUDE (datum) WHERE invocation IS NOT NULL;

CREATE TABLE derivation (
    attempt bigint NOT NULL,
    datum   bigint NOT NULL,
    source  bigint NOT NULL
);
CREATE INDEX derivation_datum ON derivation (attempt, datum) INCLUDE (source);
CREATE INDEX derivation_source ON derivation (attempt, source) INCLUDE (datum);

CREATE TABLE datum_attribute (
    attempt bigint NOT NULL,
    datum   bigint NOT NULL,
    value   json NOT NULL
);
CREATE INDEX datum_attribute_datum ON datum_attribute (attempt, datum);

CREATE TABLE run_result (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    attempt bigint NOT NULL,
    datum   bigint NOT NULL,
    port    integer NOT NULL,
    value   json NOT NULL
);
CREATE INDEX run_result_attempt ON run_result (attempt, id);

CREATE TABLE log_line (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    attempt  bigint NOT NULL,
    rank     integer NOT NULL,
    instance integer,
    stream   text NOT NULL,
    at       timestamptz NOT NULL,
    text     text NOT NULL
);
CREATE INDEX log_line_attempt ON log_line (attempt, sequence);
CREATE INDEX log_line_rank ON log_line (attempt, rank, sequence);

CREATE TABLE worker_event (
    attempt bigint NOT NULL,
    rank    integer NOT NULL,
    worker  integer NOT NULL,
    event   text NOT NULL,
    at      timestamptz NOT NULL,
    pid     integer NOT NULL,
    node    text NOT NULL
);
