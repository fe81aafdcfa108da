// SPDX-License-Identifier: Apache-2.0
// Buffers in shared memory (docs/worker-protocol.md, Shared memory). Functions return 0 or an errno.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum {
    /// An arena begins with a byte for each reader of each slot.
    WEFT_ARENA_SLOTS = 4096,
    WEFT_ARENA_READERS = 16,
    WEFT_ARENA_FLAGS = WEFT_ARENA_SLOTS * WEFT_ARENA_READERS,
};

/// Makes a memory file of `size` bytes, none of which takes memory before it is written; closed on exec.
int weft_arena_create(uint64_t size, int *descriptor);

/// Opens `/proc/<process>/fd/<file>` to read and write; closed on exec.
int weft_arena_open(uint32_t process, uint32_t file, int *descriptor);

/// Maps bytes of an arena, shared. `offset` is a multiple of the page size.
int weft_arena_map(int descriptor, uint64_t offset, size_t length, int writable, void **bytes);
void weft_arena_unmap(void *bytes, size_t length);

/// Gives the memory of these bytes back; they read as 0 from then on.
int weft_arena_discard(int descriptor, uint64_t offset, uint64_t length);
