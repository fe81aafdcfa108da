// SPDX-License-Identifier: Apache-2.0
// What `stat` tells. Swift's view of `struct stat` depends on which modules of Foundation happen to be loaded.
#pragma once
#include <stdint.h>

typedef enum { WEFT_FILE_REGULAR, WEFT_FILE_FOLDER, WEFT_FILE_OTHER } weft_file_kind;

typedef struct {
    weft_file_kind kind;
    /// Permission bits.
    uint32_t mode;
    uint32_t user;
    uint32_t group;
    int64_t size;
} weft_file_status;

/// These return 0 or an errno.
int weft_status_of_path(const char *path, weft_file_status *status);
/// Does not follow a link.
int weft_status_of_link(const char *path, weft_file_status *status);
int weft_status_of_descriptor(int descriptor, weft_file_status *status);
