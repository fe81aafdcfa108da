-- SPDX-License-Identifier: Apache-2.0

-- What a run needs of its nodes beside ranks and memory, labels of the nodes of single ranks, and when it is tried again by itself.
-- Null: nothing; none; as the server's standard has it.
ALTER TABLE run ADD COLUMN needs json, ADD COLUMN blocks json, ADD COLUMN retry json;

-- Where the attempt's ranks run, as a list of nodes with their ranks, in the order of the ranks. Null: not known, or this host.
ALTER TABLE attempt ADD COLUMN nodes json;

-- The node whose failure ended the attempt, which later attempts avoid.
ALTER TABLE attempt ADD COLUMN failed_node text;

-- The environment modules that were loaded for the attempt, with their versions, in the order of loading.
ALTER TABLE attempt ADD COLUMN modules json;
