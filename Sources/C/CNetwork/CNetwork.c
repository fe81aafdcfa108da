// SPDX-License-Identifier: Apache-2.0
#include "CNetwork.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct weft_transfer {
    CURL *easy;
    struct curl_slist *headers;
    void *context;
    void (*on_header)(void *, const char *, size_t);
    int (*on_body)(void *, const char *, size_t);
    char error[CURL_ERROR_SIZE];
};

struct weft_loop {
    CURLM *multi;
};

static pthread_once_t initialised = PTHREAD_ONCE_INIT;
static void initialise(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }

static size_t on_header(char *line, size_t size, size_t count, void *context) {
    weft_transfer *transfer = context;
    transfer->on_header(transfer->context, line, size * count);
    return size * count;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context) {
    weft_transfer *transfer = context;
    size_t length = size * count;
    switch (transfer->on_body(transfer->context, bytes, length)) {
    case WEFT_BODY_TAKEN: return length;
    case WEFT_BODY_PAUSE: return CURL_WRITEFUNC_PAUSE;
    default: return length + 1; // any other count ends the transfer
    }
}

weft_transfer *weft_transfer_new(const weft_transfer_options *o) {
    pthread_once(&initialised, initialise);
    weft_transfer *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    if (!(t->easy = curl_easy_init())) {
        free(t);
        return NULL;
    }
    t->context = o->context;
    t->on_header = o->on_header;
    t->on_body = o->on_body;
    for (size_t i = 0; i < o->header_count; i++) {
        struct curl_slist *longer = curl_slist_append(t->headers, o->headers[i]);
        if (!longer) {
            weft_transfer_free(t);
            return NULL;
        }
        t->headers = longer;
    }
    CURL *e = t->easy;
    int failed = 0;
#define SET(option, value) failed |= curl_easy_setopt(e, CURLOPT_##option, value) != CURLE_OK
    SET(PRIVATE, t);
    SET(ERRORBUFFER, t->error);
    SET(NOSIGNAL, 1L);
    SET(PROTOCOLS_STR, "http,https");
    SET(URL, o->url);
    SET(HTTPHEADER, t->headers);
    SET(HEADERFUNCTION, on_header);
    SET(HEADERDATA, t);
    SET(WRITEFUNCTION, on_body);
    SET(WRITEDATA, t);
    SET(SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CONNECTTIMEOUT_MS, o->connect_timeout_ms);
    SET(TIMEOUT_MS, o->timeout_ms);
    SET(LOW_SPEED_TIME, o->idle_timeout_s);
    SET(LOW_SPEED_LIMIT, o->idle_timeout_s ? 1L : 0L);
    if (o->ca_file) SET(CAINFO, o->ca_file);
#define SET_TEXT(option, text) \
    if (text) { \
        struct curl_blob blob = { (void *)(text), strlen(text), CURL_BLOB_COPY }; \
        SET(option, &blob); \
    }
    SET_TEXT(CAINFO_BLOB, o->authorities)
    SET_TEXT(SSLCERT_BLOB, o->certificate)
    SET_TEXT(SSLKEY_BLOB, o->key)
#undef SET_TEXT
    if (o->no_proxy) SET(NOPROXY, "*");
    if (o->body_length || !strcmp(o->method, "POST") || !strcmp(o->method, "PUT") || !strcmp(o->method, "PATCH")) {
        SET(POSTFIELDSIZE_LARGE, (curl_off_t)o->body_length);
        SET(COPYPOSTFIELDS, o->body_length ? o->body : "");
    }
    if (!strcmp(o->method, "HEAD")) SET(NOBODY, 1L);
    SET(CUSTOMREQUEST, o->method);
#undef SET
    if (failed) {
        weft_transfer_free(t);
        return NULL;
    }
    return t;
}

void weft_transfer_free(weft_transfer *transfer) {
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    free(transfer);
}

void weft_transfer_resume(weft_transfer *transfer) { curl_easy_pause(transfer->easy, CURLPAUSE_CONT); }

weft_loop *weft_loop_new(long connections) {
    pthread_once(&initialised, initialise);
    weft_loop *loop = calloc(1, sizeof *loop);
    if (!loop) return NULL;
    if (!(loop->multi = curl_multi_init())) {
        free(loop);
        return NULL;
    }
    curl_multi_setopt(loop->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections);
    return loop;
}

void weft_loop_free(weft_loop *loop) {
    curl_multi_cleanup(loop->multi);
    free(loop);
}

int weft_loop_add(weft_loop *loop, weft_transfer *transfer) { return curl_multi_add_handle(loop->multi, transfer->easy); }
void weft_loop_remove(weft_loop *loop, weft_transfer *transfer) { curl_multi_remove_handle(loop->multi, transfer->easy); }

void weft_loop_perform(weft_loop *loop) {
    int running;
    curl_multi_perform(loop->multi, &running);
}

void weft_loop_wait(weft_loop *loop) { curl_multi_poll(loop->multi, NULL, 0, 60000, NULL); }
void weft_loop_wake(weft_loop *loop) { curl_multi_wakeup(loop->multi); }

weft_transfer *weft_loop_ended(weft_loop *loop, weft_end *end, const char **reason) {
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(loop->multi, &left))) {
        if (message->msg != CURLMSG_DONE) continue;
        CURLcode code = message->data.result;
        weft_transfer *transfer;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
        switch (code) {
        case CURLE_OK: *end = WEFT_END_COMPLETE; break;
        case CURLE_OPERATION_TIMEDOUT: *end = WEFT_END_TIMED_OUT; break;
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
        case CURLE_PARTIAL_FILE:
        case CURLE_GOT_NOTHING:
        case CURLE_WRITE_ERROR:
        case CURLE_HTTP2:
        case CURLE_HTTP2_STREAM:
        case CURLE_WEIRD_SERVER_REPLY: *end = WEFT_END_INTERRUPTED; break;
        default: *end = WEFT_END_CANNOT_CONNECT; break;
        }
        *reason = transfer->error[0] ? transfer->error : curl_easy_strerror(code);
        return transfer;
    }
    return NULL;
}
