-- SPDX-License-Identifier: Apache-2.0

-- The server that schedules counts this up when it begins. A decision is only stored while it is still the one.
CREATE TABLE scheduler (
    epoch bigint NOT NULL
);
INSERT INTO scheduler (epoch) VALUES (0);

-- The latest start that the run was promised; when it should start, in five of ten and in nineteen of twenty cases. Null: not known.
ALTER TABLE run ADD COLUMN promised_start timestamptz, ADD COLUMN expected_start timestamptz, ADD COLUMN latest_start timestamptz;

CREATE INDEX run_queued ON run (id) WHERE state = 'queued';

-- What operators ordered. See the types of the same names in WorkflowModel.
CREATE TABLE node_order (
    node     text PRIMARY KEY,
    kind     text NOT NULL CHECK (kind IN ('cordon', 'drain')),
    by_      timestamptz,
    reason   text,
    owner    bigint NOT NULL REFERENCES app_user,
    given_at timestamptz NOT NULL
);

CREATE TABLE cluster_window (
    name     text PRIMARY KEY,
    kind     text NOT NULL CHECK (kind IN ('maintenance', 'reservation')),
    nodes    json NOT NULL,
    start_at timestamptz NOT NULL,
    end_at   timestamptz NOT NULL CHECK (end_at > start_at),
    users    json NOT NULL,
    reason   text,
    owner    bigint NOT NULL REFERENCES app_user
);

CREATE TABLE share_account (
    name           text PRIMARY KEY,
    parent         text REFERENCES share_account,
    share          double precision CHECK (share > 0),
    ranks          integer CHECK (ranks >= 0),
    borrowed_ranks integer CHECK (borrowed_ranks >= 0),
    memory         bigint CHECK (memory >= 0),
    rank_hours     double precision CHECK (rank_hours >= 0),
    since          timestamptz
);

CREATE TABLE share_account_user (
    label   text PRIMARY KEY,
    account text NOT NULL REFERENCES share_account ON DELETE CASCADE
);

-- Counted up with every change of the three, in the same transaction, so that the scheduler reads them again only then.
CREATE TABLE cluster_orders (
    version bigint NOT NULL
);
INSERT INTO cluster_orders (version) VALUES (0);
