-- SPDX-License-Identifier: Apache-2.0

-- Of an attempt whose PEs begin with what they kept at a checkpoint of an earlier one: the checkpoint's folder and number, as an
-- object. Null: they begin anew.
ALTER TABLE attempt ADD COLUMN restored json;
