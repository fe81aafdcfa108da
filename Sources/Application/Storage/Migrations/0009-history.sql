-- SPDX-License-Identifier: Apache-2.0

-- What has run, in the order in which it was queued.
CREATE INDEX attempt_history ON attempt (queued_at, id) WHERE started_at IS NOT NULL AND ended_at IS NOT NULL;
