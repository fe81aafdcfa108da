// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "Pieces.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int weft_arena_create(uint64_t size, int *descriptor) {
    int file = memfd_create("weft-arena", MFD_CLOEXEC);
    if (file < 0) return errno;
    if (ftruncate(file, (off_t)size) != 0) {
        int error = errno;
        close(file);
        return error;
    }
    *descriptor = file;
    return 0;
}

int weft_arena_open(uint32_t process, uint32_t file, int *descriptor) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%u/fd/%u", process, file);
    int opened = open(path, O_RDWR | O_CLOEXEC);
    if (opened < 0) return errno;
    *descriptor = opened;
    return 0;
}

int weft_arena_map(int descriptor, uint64_t offset, size_t length, int writable, void **bytes) {
    void *mapped = mmap(NULL, length, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, descriptor, (off_t)offset);
    if (mapped == MAP_FAILED) return errno;
    *bytes = mapped;
    return 0;
}

void weft_arena_unmap(void *bytes, size_t length) { munmap(bytes, length); }

int weft_arena_discard(int descriptor, uint64_t offset, uint64_t length) {
    return fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length) == 0 ? 0 : errno;
}
