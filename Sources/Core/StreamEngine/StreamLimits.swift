// SPDX-License-Identifier: Apache-2.0

/// The bounds that keep a rank's memory flat and its batches worth their message. Bytes are weights: what lies in shared memory
/// counts as well.
package struct StreamLimits: Sendable, Hashable {
    /// Chunks that had to wait leave in batches of so many bytes. Only a chunk that is longer makes a longer batch.
    package var batchBytes = 256 << 10
    /// What one channel may have under way, or one batch where a batch is larger.
    package var window = 16 << 20
    /// What all channels into one worker may have under way together; each keeps a window of one batch at least.
    package var inputBytes = 64 << 20
    /// What may wait to leave a worker before the rank stops reading from it.
    package var outputBytes = 1 << 20
    /// What may be handed to a worker and not yet be consumed, or one batch where a batch is larger.
    package var unconsumedBatches = 16
    package var unconsumedBytes = 16 << 20

    package init() {}

    /// The window of each of a worker's inbound channels.
    func window(inboundChannels count: Int) -> Int { max(batchBytes, min(window, inputBytes / max(1, count))) }
}
