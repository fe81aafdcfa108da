// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CPosix.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DESCRIPTORS = 8 };

// Runs between vfork and exec: on the parent's memory, with all signals blocked. Returns only when it has failed.
static int become(
    const char *path, char *const arguments[], char *const environment[], const char *directory, const int descriptors[], int count,
    pid_t parent, volatile weft_spawn_stage *stage) {
    *stage = WEFT_SPAWN_SETUP;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return errno;
    if (getppid() != parent) return ESRCH;
    if (setpgid(0, 0) < 0) return errno;

    // Above every target, so that no dup2 overwrites what a later one needs.
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return errno;
    int sources[DESCRIPTORS] = {null};
    for (int target = 0; target <= count; target++) {
        sources[target] = fcntl(target == 0 ? null : descriptors[target - 1], F_DUPFD_CLOEXEC, count + 1);
        if (sources[target] < 0) return errno;
    }
    for (int target = 0; target <= count; target++)
        if (dup2(sources[target], target) < 0) return errno;
    if (close_range((unsigned)count + 1, ~0U, 0) < 0) return errno;

    *stage = WEFT_SPAWN_DIRECTORY;
    if (chdir(directory) < 0) return errno;

    // exec resets handlers but keeps what is ignored, and the mask.
    *stage = WEFT_SPAWN_SETUP;
    struct sigaction fallback = {.sa_handler = SIG_DFL};
    sigaction(SIGPIPE, &fallback, NULL);
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < NSIG; number++) {
        struct sigaction current;
        if (sigaction(number, NULL, &current) == 0 && current.sa_handler != SIG_IGN && current.sa_handler != SIG_DFL)
            sigaction(number, &fallback, NULL);
    }
    sigprocmask(SIG_SETMASK, &none, NULL);

    *stage = WEFT_SPAWN_EXEC;
    execvpe(path, arguments, environment);
    return errno;
}

int weft_spawn(
    const char *path, char *const arguments[], char *const environment[], const char *directory, const int descriptors[], int count,
    pid_t *pid, weft_spawn_stage *stage) {
    *stage = WEFT_SPAWN_FORK;
    if (count >= DESCRIPTORS) return EINVAL;
    // vfork, since the memory that an MPI library has registered with a network card must not be forked. The child runs on
    // this memory until exec, so signal handlers must not run in it, and it can tell its error by a variable.
    sigset_t all, before;
    sigfillset(&all);
    int error = pthread_sigmask(SIG_BLOCK, &all, &before);
    if (error) return error;
    const pid_t parent = getpid();
    volatile int failure = 0;
    volatile weft_spawn_stage reached = WEFT_SPAWN_FORK;
    pid_t child = vfork();
    if (child == 0) {
        failure = become(path, arguments, environment, directory, descriptors, count, parent, &reached);
        _exit(127);
    }
    if (child < 0) failure = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure && child > 0)
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
    *pid = child;
    *stage = reached;
    return failure;
}

weft_process_state weft_reap(pid_t pid, int *code) {
    siginfo_t ended = {.si_pid = 0};
    *code = 0;
    // Until it is reaped its number, and so that of its group, is nobody else's.
    if (waitid(P_PID, pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0) return WEFT_RUNNING;
    kill(-pid, SIGKILL);
    int status = 0;
    pid_t found;
    do found = waitpid(pid, &status, 0);
    while (found < 0 && errno == EINTR);
    return found < 0 ? WEFT_EXITED : weft_end(status, code);
}

weft_process_state weft_end(int status, int *code) {
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
    return WIFEXITED(status) ? WEFT_EXITED : WEFT_SIGNALLED;
}

int weft_watch(pid_t pid, int *descriptor) {
    *descriptor = pidfd_open(pid, 0);
    return *descriptor < 0 ? errno : 0;
}

void weft_kill(int descriptor, pid_t pid) {
    // Fails once the process has been reaped, and its number may be another's.
    if (pidfd_send_signal(descriptor, SIGKILL, NULL, 0) == 0) kill(-pid, SIGKILL);
}

void weft_signal_name(int signal, char *name, size_t size) {
    const char *abbreviation = sigabbrev_np(signal);
    if (abbreviation)
        snprintf(name, size, "SIG%s", abbreviation);
    else
        snprintf(name, size, "signal %d", signal);
}

int weft_die_with_parent(void) { return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? errno : 0; }

static volatile sig_atomic_t terminated;
static int termination[2] = {-1, -1};

static void terminate(int signal) {
    (void)signal;
    const int saved = errno;
    terminated = 1;
    // The pipe does not block; when it is full its reader is awake anyway.
    (void)!write(termination[1], "", 1);
    errno = saved;
}

int weft_catch_termination(int *descriptor) {
    if (pipe2(termination, O_CLOEXEC | O_NONBLOCK) < 0) return errno;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction handle = {.sa_handler = terminate, .sa_flags = SA_RESTART};
    if (sigaction(SIGPIPE, &ignore, NULL) < 0 || sigaction(SIGTERM, &handle, NULL) < 0 || sigaction(SIGINT, &handle, NULL) < 0)
        return errno;
    *descriptor = termination[0];
    return 0;
}

int weft_terminated(void) { return terminated; }

static int pass_nonblocking(int descriptor) {
    int flags = fcntl(descriptor, F_GETFL);
    return flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0 ? errno : 0;
}

int weft_socket_pair(int ends[2]) {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return errno;
    return pass_nonblocking(ends[0]);
}

int weft_pipe(int ends[2]) {
    if (pipe2(ends, O_CLOEXEC) < 0) return errno;
    return pass_nonblocking(ends[0]);
}

void weft_poll(struct pollfd *descriptors, size_t count, int64_t nanoseconds) {
    const struct timespec timeout = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    if (ppoll(descriptors, count, &timeout, NULL) < 0)
        for (size_t index = 0; index < count; index++) descriptors[index].revents = 0;
}

ssize_t weft_send(int socket, const void *bytes, size_t size) {
    ssize_t sent;
    do sent = send(socket, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent;
}

int weft_preallocate(int file, int64_t size) { return posix_fallocate(file, 0, size); }

void weft_keep_memory(void) {
    mallopt(M_MMAP_THRESHOLD, 16 << 20);
    mallopt(M_TRIM_THRESHOLD, 32 << 20);
}

int weft_close_on_exec(unsigned first) { return close_range(first, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ? errno : 0; }
