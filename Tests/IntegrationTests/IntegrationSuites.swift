// SPDX-License-Identifier: Apache-2.0

import Testing

/// Tests that drive the real programs. They run one after the other: each brings its own server, database and ranks, and
/// they would only slow one another down.
@Suite(.serialized) enum Integration {}
