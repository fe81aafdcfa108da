// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "LocalSocket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096, DESCRIPTORS = 4 };

// An abstract name begins with a zero byte, and its length is that of the address.
static int address(const char *name, struct sockaddr_un *address, socklen_t *size) {
    const size_t length = strlen(name);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (length + 1 > sizeof address->sun_path) return ENAMETOOLONG;
    memcpy(address->sun_path + 1, name, length);
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
    return 0;
}

static int give_up(int descriptor, int error) {
    close(descriptor);
    return error;
}

int weft_listen(const char *name, int *descriptor) {
    struct sockaddr_un place;
    socklen_t size;
    const int wrong = address(name, &place, &size);
    if (wrong) return wrong;
    const int made = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (made < 0) return errno;
    if (bind(made, (struct sockaddr *)&place, size) < 0 || listen(made, BACKLOG) < 0) return give_up(made, errno);
    *descriptor = made;
    return 0;
}

int weft_connect(const char *name, int *descriptor) {
    struct sockaddr_un place;
    socklen_t size;
    const int wrong = address(name, &place, &size);
    if (wrong) return wrong;
    const int made = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0) return errno;
    if (connect(made, (struct sockaddr *)&place, size) < 0) return give_up(made, errno);
    struct ucred listener;
    socklen_t length = sizeof listener;
    if (getsockopt(made, SOL_SOCKET, SO_PEERCRED, &listener, &length) < 0) return give_up(made, errno);
    if (listener.uid != geteuid() || listener.pid == 0) return give_up(made, EPERM);
    *descriptor = made;
    return 0;
}

ssize_t weft_send_descriptors(int socket, const void *bytes, size_t size, const int descriptors[], int count) {
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
    } control = {0};
    if (count > DESCRIPTORS) {
        errno = EINVAL;
        return -1;
    }
    struct iovec content = {.iov_base = (void *)bytes, .iov_len = size};
    const size_t length = (size_t)count * sizeof(int);
    struct msghdr message = {
        .msg_iov = &content, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(length)};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(length);
    memcpy(CMSG_DATA(rights), descriptors, length);
    ssize_t sent;
    do sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent;
}

ssize_t weft_receive(int socket, void *bytes, size_t size) {
    ssize_t received;
    do received = recv(socket, bytes, size, MSG_DONTWAIT | MSG_TRUNC);
    while (received < 0 && errno == EINTR);
    return received;
}
