// SPDX-License-Identifier: Apache-2.0

/// The bounds that keep a rank's memory flat and its batches worth their message.
package struct StreamLimits: Sendable, Hashable {
    /// A batch leaves when it holds this many bytes. Only a record that is longer makes a longer batch.
    package var batchBytes = 64 << 10
    /// A batch leaves at this age, in nanoseconds.
    package var batchAge: Int64 = 5_000_000
    /// Bytes that one channel may have under way, or one batch where a batch is larger.
    package var window = 1 << 20
    /// Bytes that all channels into one worker may have under way together; each keeps a window of one batch at least.
    package var inputBytes = 16 << 20
    /// Bytes that may wait to leave a worker before the rank stops reading from it.
    package var outputBytes = 1 << 20
    /// What may be handed to a worker and not yet be consumed, or one batch where a batch is larger.
    package var unconsumedBatches = 4
    package var unconsumedBytes = 1 << 20

    package init() {}

    /// The window of each of a worker's inbound channels.
    func window(inboundChannels count: Int) -> Int { max(batchBytes, min(window, inputBytes / max(1, count))) }
}
