// SPDX-License-Identifier: Apache-2.0
#include "FileStatus.h"

#include <errno.h>
#include <sys/stat.h>

static int told(int result, const struct stat *found, weft_file_status *status) {
    if (result != 0) return errno;
    status->kind = S_ISREG(found->st_mode) ? WEFT_FILE_REGULAR : S_ISDIR(found->st_mode) ? WEFT_FILE_FOLDER : WEFT_FILE_OTHER;
    status->mode = found->st_mode & 07777;
    status->user = found->st_uid;
    status->group = found->st_gid;
    status->size = found->st_size;
    return 0;
}

int weft_status_of_path(const char *path, weft_file_status *status) {
    struct stat found;
    return told(stat(path, &found), &found, status);
}

int weft_status_of_link(const char *path, weft_file_status *status) {
    struct stat found;
    return told(lstat(path, &found), &found, status);
}

int weft_status_of_descriptor(int descriptor, weft_file_status *status) {
    struct stat found;
    return told(fstat(descriptor, &found), &found, status);
}
