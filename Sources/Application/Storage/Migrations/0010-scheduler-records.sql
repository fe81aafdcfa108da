-- SPDX-License-Identifier: Apache-2.0

-- Of a wait only the median and the bound that nineteen of twenty keep are foretold.
ALTER TABLE prediction ALTER COLUMN p90 DROP NOT NULL;
