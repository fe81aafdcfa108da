-- SPDX-License-Identifier: Apache-2.0

-- Of a wait only the median and the bound that nineteen of twenty keep are foretold.
ALTER TABLE prediction ALTER COLUMN p90 DROP NOT NULL;

-- What a policy's scheduler has learned of how far its forecasts of waits are off, and the forecasts whose runs wait.
CREATE TABLE wait_calibration (
    policy text PRIMARY KEY,
    state  json NOT NULL
);
