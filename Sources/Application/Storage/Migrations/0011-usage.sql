-- SPDX-License-Identifier: Apache-2.0

-- What was used of late is found without a look at all that ever ran.
CREATE INDEX attempt_ended ON attempt (ended_at) WHERE started_at IS NOT NULL;
