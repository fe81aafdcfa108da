// SPDX-License-Identifier: Apache-2.0
// Sockets between the processes of one node that belong to one user. Functions that return `int` return 0 or an errno.
#pragma once
#include <stddef.h>
#include <sys/types.h>

/// Listens on the abstract Unix socket `name` for connections that keep the bounds of messages; closed on exec.
int weft_listen(const char *name, int *descriptor);

/// Connects to it. The descriptor does not block and is closed on exec. EPERM where the listener is another user's, or a process
/// that cannot be seen from here.
int weft_connect(const char *name, int *descriptor);

/// Sends a message with descriptors, at most 4; the result is as `send`'s.
ssize_t weft_send_descriptors(int socket, const void *bytes, size_t size, const int descriptors[], int count);

/// Receives a message; the result is as `recv`'s, and greater than `size` for a message that was longer.
ssize_t weft_receive(int socket, void *bytes, size_t size);
