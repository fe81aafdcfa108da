// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "Terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

// The terminal never becomes the controlling one of whoever opens it.
static int open_other_end(int first) {
    char name[64];
    if (grantpt(first) < 0 || unlockpt(first) < 0) return -1;
    if ((errno = ptsname_r(first, name, sizeof name)) != 0) return -1;
    int second = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (second < 0) return -1;
    struct termios settings;
    if (tcgetattr(second, &settings) == 0) {
        cfmakeraw(&settings);
        if (tcsetattr(second, TCSANOW, &settings) == 0) return second;
    }
    int code = errno;
    close(second);
    errno = code;
    return -1;
}

int weft_terminal(int ends[2]) {
    int first = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (first < 0) return errno;
    int second = open_other_end(first);
    int flags = fcntl(first, F_GETFL);
    if (second < 0 || flags < 0 || fcntl(first, F_SETFL, flags | O_NONBLOCK) < 0) {
        int code = errno;
        close(first);
        if (second >= 0) close(second);
        return code;
    }
    ends[0] = first;
    ends[1] = second;
    return 0;
}
