// SPDX-License-Identifier: Apache-2.0
// libcurl for Swift: curl_easy_setopt is variadic and its handles are untyped, so both stay on this side.
#pragma once
#include <stddef.h>

typedef struct weft_transfer weft_transfer;
typedef struct weft_loop weft_loop;

/// What the body callback answers.
enum { WEFT_BODY_TAKEN = 0, WEFT_BODY_PAUSE = 1, WEFT_BODY_REFUSED = 2 };

/// One exchange. Every pointer is copied, but for `context`, which is handed to the callbacks.
typedef struct {
    const char *method;
    const char *url;
    /// `Name: value` each.
    const char *const *headers;
    size_t header_count;
    const void *body;
    size_t body_length;
    long connect_timeout_ms;
    /// For the whole exchange; 0: none.
    long timeout_ms;
    /// Longest silence; 0: any.
    long idle_timeout_s;
    /// PEM bundle used instead of the system's; may be null.
    const char *ca_file;
    /// PEM texts; may be null: authorities to trust instead of the system's, and what the client proves itself with.
    const char *authorities;
    const char *certificate;
    const char *key;
    /// Ignore the proxies that the environment names.
    int no_proxy;
    void *context;
    /// One line of the response's head, its line end included.
    void (*on_header)(void *context, const char *line, size_t length);
    int (*on_body)(void *context, const char *bytes, size_t length);
} weft_transfer_options;

/// Null when memory or libcurl fails.
weft_transfer *weft_transfer_new(const weft_transfer_options *options);
void weft_transfer_free(weft_transfer *transfer);
/// Goes on after WEFT_BODY_PAUSE; may call `on_body` before it returns.
void weft_transfer_resume(weft_transfer *transfer);

/// How a transfer ended.
typedef enum {
    WEFT_END_COMPLETE,
    WEFT_END_CANNOT_CONNECT,
    WEFT_END_TIMED_OUT,
    WEFT_END_INTERRUPTED
} weft_end;

weft_loop *weft_loop_new(long connections);
/// No transfer may be left in it.
void weft_loop_free(weft_loop *loop);
/// 0 on success.
int weft_loop_add(weft_loop *loop, weft_transfer *transfer);
void weft_loop_remove(weft_loop *loop, weft_transfer *transfer);
/// Moves bytes without waiting.
void weft_loop_perform(weft_loop *loop);
/// Waits for a socket, a timer or weft_loop_wake.
void weft_loop_wait(weft_loop *loop);
/// May be called from any thread.
void weft_loop_wake(weft_loop *loop);
/// The next transfer that has ended, or null. `*reason` is libcurl's text, valid until the transfer is freed.
weft_transfer *weft_loop_ended(weft_loop *loop, weft_end *end, const char **reason);
