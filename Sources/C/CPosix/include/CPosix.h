// SPDX-License-Identifier: Apache-2.0
// What the Glibc module does not give Swift: GNU calls, and work between fork and exec.
// Functions that return `int` return 0 or an errno, unless they say otherwise.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "LocalSocket.h"
#include "FileStatus.h"
#include "Pieces.h"
#include "Terminal.h"

/// Starts `path` (looked up in PATH when it has no slash) in `directory`, as the leader of its own process group, to be killed
/// with the calling thread. Its descriptors are /dev/null as 0 and the given ones from 1 on, at most 7; all others are closed.
/// `stage` tells what failed.
typedef enum { WEFT_SPAWN_FORK, WEFT_SPAWN_DIRECTORY, WEFT_SPAWN_SETUP, WEFT_SPAWN_EXEC } weft_spawn_stage;
int weft_spawn(
    const char *path, char *const arguments[], char *const environment[], const char *directory, const int descriptors[], int count,
    pid_t *pid, weft_spawn_stage *stage);

typedef enum { WEFT_RUNNING, WEFT_EXITED, WEFT_SIGNALLED } weft_process_state;
/// Asks after a child without waiting; what is left of the process group that it led ends with it.
/// `*code` is its exit status or the number of the signal that ended it.
weft_process_state weft_reap(pid_t pid, int *code);
/// What the status of an ended process, as `waitpid` gives it, means.
weft_process_state weft_end(int status, int *code);

/// Makes a descriptor that becomes readable when the process, which need not be a child, ends; closed on exec.
int weft_watch(pid_t pid, int *descriptor);
/// Kills a process that is watched by `descriptor`, and the group that it leads, unless it has been reaped already.
void weft_kill(int descriptor, pid_t pid);

/// `SIGKILL` for 9; writes at most `size` bytes, ended by 0.
void weft_signal_name(int signal, char *name, size_t size);

/// The caller is killed when the thread that started it ends.
int weft_die_with_parent(void);

/// Ignores SIGPIPE, and has SIGTERM and SIGINT write a byte to a pipe; `*descriptor` is its read end.
int weft_catch_termination(int *descriptor);
/// Whether SIGTERM or SIGINT has come.
int weft_terminated(void);

/// Pairs whose first end does not block; all ends are closed on exec.
int weft_socket_pair(int ends[2]);
int weft_pipe(int ends[2]);

/// Waits for any of the descriptors, at most `nanoseconds`; returns early on a signal.
struct pollfd;
void weft_poll(struct pollfd *descriptors, size_t count, int64_t nanoseconds);

/// Sends what fits now; the result is as `send`'s.
ssize_t weft_send(int socket, const void *bytes, size_t size);

/// Reserves disk space for the first `size` bytes of the file.
int weft_preallocate(int file, int64_t size);

/// Has freed memory, up to 32 MiB, stay with this process. Otherwise every batch would fault in its pages anew: two thirds of
/// the time of a rank that sends batches of 64 KiB.
void weft_keep_memory(void);

/// Programs that this process starts from now on do not inherit the descriptors from `first` on.
int weft_close_on_exec(unsigned first);
