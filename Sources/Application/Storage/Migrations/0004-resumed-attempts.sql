-- SPDX-License-Identifier: Apache-2.0

-- Of an attempt that resumes the one before it: the items that it processes, as an object of source and list of [first, count];
-- how many these are, and how many the run's input has. Null: it processes all.
-- Its skipped data begin with those of the attempts that it resumes.
ALTER TABLE attempt ADD COLUMN replayed json;
ALTER TABLE attempt ADD COLUMN replayed_items bigint;
ALTER TABLE attempt ADD COLUMN run_items bigint;

-- Results of an attempt that came of items which the attempt that resumes it processes again.
CREATE TABLE superseded_result (result bigint PRIMARY KEY REFERENCES run_result);
