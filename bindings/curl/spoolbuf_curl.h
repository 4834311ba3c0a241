/*
 * spoolbuf_curl.h - an URL as a source, by libcurl: ranges, reconnects, one resource from start to end.
 *
 *     sb_callback source;
 *     if (spoolbuf_curl_source(&source, "https://example.com/film.mp4", NULL) < 0) ...
 *     int64_t size = spoolbuf_curl_size(&source);            (optional: connects, waits for the answer)
 *     sb_buffer *buffer = sb_new(&source, size < 0 ? SB_SIZE_UNKNOWN : (uint64_t)size, SB_MAX_DEFAULT);
 *
 *   what                 how
 *   data                 as it comes, in no content encoding. What nobody has read yet is held back, 64 KiB
 *                        at most; then the transfer is paused. Every request is `Range: bytes=N-`
 *   the end              the size that the server told; where it told none, the end of the whole body, or
 *                        416 after the last part. A whole body without a length ends with its connection
 *                        (HTTP/1.0 knows no better)
 *   a seek               a new request from there, if the server knows ranges; else an error, after
 *                        which the source goes on where it stood
 *   a broken connection  is made again from the next byte that is missing, SPOOLBUF_CURL_RETRIES times
 *                        in a row without a byte, after 0.25 s, 0.5 s, 1 s and so on; 408, 429 and 5xx
 *                        as well, after Retry-After if that is longer, 30 s at most. Not before the first
 *                        answer, so that a wrong name shows at once, and not where the server knows no
 *                        ranges: what is lost is lost
 *   a part of a part     a server may send less than asked for: the rest is asked for at once
 *   a changed resource   is an error, never a mixture: each answer must have the first one's ETag, or
 *                        where that is weak or missing its Last-Modified, and its size. Compared here, not
 *                        by If-Range, which a server may ignore. One that tells none of them is believed
 *   an error             in sb_stats, source_error: -CURLcode, -(1000 + HTTP status), or a
 *                        SPOOLBUF_CURL_ code from below. sb_resume() tries again
 *   a blocked read       is released at once by the source's `cancel` (curl_multi_wakeup): while it
 *                        resolves, connects, waits for bytes or waits to try again. sb_cancel() and
 *                        sb_free() return at once; before there is a buffer, source.cancel(source.opaque)
 *   time limits          none but libcurl's for connecting (300 s): CURLOPT_CONNECTTIMEOUT_MS,
 *                        CURLOPT_LOW_SPEED_TIME and so on, on a handle of your own. What takes too long
 *                        is a broken connection
 *   who calls            whoever reads the buffer, one at a time, or the helper thread. No thread of
 *                        its own: while nobody reads, nothing comes (sb_prefetch())
 *   lifetime             all is freed at the source's `close`
 *
 * HTTP, HTTPS and FTP; files are for spoolbuf_fd.h. Call curl_global_init() first if other threads run.
 * libcurl 7.68 or newer, from 7.87 on also for a `close` that does not wait for a name that is being
 * resolved; GCC, Clang or MSVC; C99 and C++.
 */
#ifndef SPOOLBUF_CURL_H
#define SPOOLBUF_CURL_H

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spoolbuf.h"

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#define SPOOLBUF_CURL_EXCHANGE(place, value) _InterlockedExchange((place), (value))
#else
#define SPOOLBUF_CURL_EXCHANGE(place, value) __atomic_exchange_n((place), (value), __ATOMIC_SEQ_CST)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* How often in a row a request is made again without a byte having come. */
#ifndef SPOOLBUF_CURL_RETRIES
#define SPOOLBUF_CURL_RETRIES 5
#endif

enum {
    SPOOLBUF_CURL_CANCELED = -2000,
    SPOOLBUF_CURL_CHANGED = -2001,   /* the resource is not the one it was */
    SPOOLBUF_CURL_NO_RANGES = -2002, /* the server sends from the start only */
    SPOOLBUF_CURL_BAD_RANGE = -2003, /* the server sent from elsewhere than it was asked to */
    SPOOLBUF_CURL_CUT = -2004,       /* the answer ended before its end */
    SPOOLBUF_CURL_NO_SIZE = -2005    /* spoolbuf_curl_size(): the server does not tell */
};

/* What an answer was found to be; an error is < 0. */
enum { SPOOLBUF_CURL_UNJUDGED, SPOOLBUF_CURL_WHOLE, SPOOLBUF_CURL_PART, SPOOLBUF_CURL_NOTHING };

typedef struct spoolbuf_curl {
    CURLM *multi;
    CURL *easy;
    volatile long canceled;
    int tries;
    /* The resource. */
    int64_t place, reach; /* the next byte to deliver; the end of the furthest that was */
    int64_t size;         /* or -1 */
    uint64_t mark;        /* stands for its validators; 0: none */
    int ranges;           /* the server: 1 knows them, 0 does not, -1 has not answered yet */
    /* The request that runs, from `asked` on. */
    int running, finished, paused;
    CURLcode outcome;
    int64_t asked;
    /* Its answer: hashes of its validators, its Content-Range. */
    int64_t verdict;
    int http, weak;
    uint64_t etag, modified;
    int64_t start, total;
    /* Bytes that have come and were not delivered. */
    size_t from, to;
    char kept[4 * CURL_MAX_WRITE_SIZE];
} spoolbuf_curl;

/* Whether this is an answer about the resource of the first one; keeps what it says of it. */
static inline int spoolbuf_curl_same(spoolbuf_curl *self, int64_t size)
{
    uint64_t mark = self->etag;

    if (self->weak || mark == 0)
        mark = mark * 31 + self->modified;
    if (size >= 0 && (self->size >= 0 ? size != self->size : size < self->reach))
        return 0;
    if (self->mark != 0 && mark != self->mark)
        return 0;
    self->mark = mark;
    if (size >= 0)
        self->size = size;
    return 1;
}

/* What the headers of an answer come to. */
static inline int64_t spoolbuf_curl_judge(spoolbuf_curl *self)
{
    curl_off_t length = -1;
    long code = 0;

    curl_easy_getinfo(self->easy, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_getinfo(self->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (!self->http) { /* FTP, which has no headers, sends from where it was asked to. */
        self->ranges = 1;
        if (!spoolbuf_curl_same(self, length < 0 ? -1 : self->asked + length))
            return SPOOLBUF_CURL_CHANGED;
        return length < 0 ? SPOOLBUF_CURL_WHOLE : SPOOLBUF_CURL_PART;
    }
    if (code == 200 && self->ranges < 0)
        self->ranges = 0;
    if (code == 206)
        self->ranges = 1;
    if (code == 206 && self->start != self->asked)
        return SPOOLBUF_CURL_BAD_RANGE;
    if (code == 200 || code == 206) {
        if (!spoolbuf_curl_same(self, code == 206 ? self->total : length))
            return SPOOLBUF_CURL_CHANGED;
        if (code == 206)
            return SPOOLBUF_CURL_PART;
        if (self->asked != 0)
            return SPOOLBUF_CURL_NO_RANGES;
        return SPOOLBUF_CURL_WHOLE;
    }
    if (code == 416) { /* Has no validators; where the resource is longer than this, it was another. */
        if (self->total > self->asked || (self->total >= 0 && self->total < self->reach)
            || self->size > self->asked)
            return SPOOLBUF_CURL_CHANGED;
        self->size = self->total;
        return SPOOLBUF_CURL_NOTHING;
    }
    return -1000 - code;
}

/* The value of a header, to compare. FNV-1a. */
static inline uint64_t spoolbuf_curl_hash(const char *value, size_t length)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    while (length > 0 && (unsigned char)value[length - 1] <= ' ')
        length--;
    while (length > 0 && (*value == ' ' || *value == '\t')) {
        value++;
        length--;
    }
    for (; length > 0; length--)
        hash = (hash ^ (unsigned char)*value++) * UINT64_C(0x100000001b3);
    return hash;
}

static inline size_t spoolbuf_curl_header(char *line, size_t one, size_t length, void *opaque)
{
    spoolbuf_curl *self = (spoolbuf_curl *)opaque;
    char text[128], *at;
    long code = 0;

    (void)one;
    snprintf(text, sizeof text, "%.*s", (int)length, line);
    if (strncmp(text, "HTTP/", 5) == 0) { /* Others came before it: redirections, a hundred to go on. */
        self->http = 1;
        self->weak = 0;
        self->etag = self->modified = 0;
        self->start = self->total = -1;
    } else if (curl_strnequal(text, "etag:", 5)) {
        self->etag = spoolbuf_curl_hash(line + 5, length - 5);
        self->weak = strstr(text, "W/\"") != NULL;
    } else if (curl_strnequal(text, "last-modified:", 14)) {
        self->modified = spoolbuf_curl_hash(line + 14, length - 14);
    } else if (curl_strnequal(text, "content-range:", 14)) { /* bytes 7-99/100, 7-99/x or x/100, x a star */
        at = text + strcspn(text, "0123456789/*");
        if (*at >= '0' && *at <= '9')
            self->start = strtoll(at, NULL, 10);
        at += strcspn(at, "/");
        if (at[0] == '/' && at[1] >= '0' && at[1] <= '9')
            self->total = strtoll(at + 1, NULL, 10);
    } else if (text[0] == '\r' || text[0] == '\n') {
        curl_easy_getinfo(self->easy, CURLINFO_RESPONSE_CODE, &code);
        if (code == 200 || code == 206) /* Before there is a body; others may be on the way to these. */
            self->verdict = spoolbuf_curl_judge(self);
    }
    return length;
}

static inline size_t spoolbuf_curl_body(char *bytes, size_t one, size_t length, void *opaque)
{
    spoolbuf_curl *self = (spoolbuf_curl *)opaque;

    (void)one;
    if (self->verdict == SPOOLBUF_CURL_UNJUDGED)
        self->verdict = spoolbuf_curl_judge(self);
    if (self->verdict < 0)
        return length + 1; /* An error, which ends the transfer. */
    if (self->verdict == SPOOLBUF_CURL_NOTHING)
        return length;
    if (self->from == self->to)
        self->from = self->to = 0;
    if (length > sizeof self->kept - self->to) {
        self->paused = 1;
        return CURL_WRITEFUNC_PAUSE;
    }
    memcpy(self->kept + self->to, bytes, length);
    self->to += length;
    return length;
}

static inline void spoolbuf_curl_end(spoolbuf_curl *self)
{
    if (self->running)
        curl_multi_remove_handle(self->multi, self->easy);
    self->running = self->finished = self->paused = 0;
    self->from = self->to = 0;
}

static inline void spoolbuf_curl_finish(spoolbuf_curl *self, CURLcode outcome)
{
    self->finished = 1;
    self->outcome = outcome;
}

static inline void spoolbuf_curl_begin(spoolbuf_curl *self)
{
    char range[32];

    snprintf(range, sizeof range, "%lld-", (long long)self->place);
    self->asked = self->place;
    self->verdict = SPOOLBUF_CURL_UNJUDGED;
    self->http = 0;
    self->running = 1;
    if (curl_easy_setopt(self->easy, CURLOPT_RANGE, range) != CURLE_OK
        || curl_multi_add_handle(self->multi, self->easy) != CURLM_OK)
        spoolbuf_curl_finish(self, CURLE_OUT_OF_MEMORY);
}

static inline int spoolbuf_curl_was_canceled(spoolbuf_curl *self)
{
    return SPOOLBUF_CURL_EXCHANGE(&self->canceled, 0) != 0;
}

/* Lets libcurl do what it can without waiting. */
static inline void spoolbuf_curl_step(spoolbuf_curl *self)
{
    CURLMsg *message;
    int count;

    if (self->paused) {
        self->paused = 0;
        curl_easy_pause(self->easy, CURLPAUSE_CONT);
    }
    if (curl_multi_perform(self->multi, &count) != CURLM_OK)
        spoolbuf_curl_finish(self, CURLE_OUT_OF_MEMORY);
    while ((message = curl_multi_info_read(self->multi, &count)) != NULL)
        if (message->msg == CURLMSG_DONE)
            spoolbuf_curl_finish(self, message->data.result);
}

/* What a transfer that is over, and read, came to: 0 the end, 1 there is more to ask for, < 0 an error. */
static inline int64_t spoolbuf_curl_result(spoolbuf_curl *self)
{
    if (self->verdict == SPOOLBUF_CURL_UNJUDGED
        && (self->outcome == CURLE_OK || self->outcome == CURLE_HTTP_RETURNED_ERROR))
        self->verdict = spoolbuf_curl_judge(self);
    if (self->verdict < 0)
        return self->verdict;
    if (self->outcome != CURLE_OK)
        return -(int64_t)self->outcome;
    if (self->verdict == SPOOLBUF_CURL_NOTHING)
        return 0;
    if (self->size >= 0 ? self->place >= self->size : self->verdict == SPOOLBUF_CURL_WHOLE)
        return 0;
    return self->verdict == SPOOLBUF_CURL_PART && self->place > self->asked ? 1 : SPOOLBUF_CURL_CUT;
}

/* Whether it may be otherwise the next time. */
static inline int spoolbuf_curl_may_pass(const spoolbuf_curl *self, int64_t error)
{
    if (error <= -1000)
        return error == SPOOLBUF_CURL_CUT || error == -1408 || error == -1429
            || (error <= -1500 && error > -1600);
    switch (-error) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_HTTP2:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2_STREAM: return self->ranges >= 0;
    default: return 0;
    }
}

/* After an error: waits for the time to ask again. Returns 0, or the error if there is no use. */
static inline int64_t spoolbuf_curl_pause(spoolbuf_curl *self, int64_t error)
{
    int64_t left = self->tries < 7 ? (int64_t)250 << self->tries : 30000;
    curl_off_t told = 0; /* Retry-After, in seconds */

    curl_easy_getinfo(self->easy, CURLINFO_RETRY_AFTER, &told);
    spoolbuf_curl_end(self);
    if (!spoolbuf_curl_may_pass(self, error) || self->tries >= SPOOLBUF_CURL_RETRIES
        || (self->place > 0 && self->ranges == 0)) {
        self->tries = 0;
        return error;
    }
    self->tries++;
    if (told > left / 1000)
        left = told < 30 ? told * 1000 : 30000;
    /* In steps, since a wake-up may be for something that is over. */
    for (; left > 0; left -= 50) {
        curl_multi_poll(self->multi, NULL, 0, 50, NULL);
        if (spoolbuf_curl_was_canceled(self))
            return SPOOLBUF_CURL_CANCELED;
    }
    return 0;
}

/* Waits for bytes at the place, or only for the headers of the answer that brings them. 1 they are there,
 * 0 it is the end, < 0 an error. */
static inline int64_t spoolbuf_curl_wait(spoolbuf_curl *self, int headers_do)
{
    int64_t status;

    while (self->from == self->to) {
        if (self->size >= 0 && self->place >= self->size)
            return 0;
        if (!self->running)
            spoolbuf_curl_begin(self);
        if (!self->finished)
            spoolbuf_curl_step(self);
        if (self->from < self->to || (headers_do && self->verdict > SPOOLBUF_CURL_UNJUDGED))
            break;
        if (spoolbuf_curl_was_canceled(self))
            return SPOOLBUF_CURL_CANCELED;
        if (!self->finished && self->verdict >= 0) {
            /* As long as it takes: libcurl minds its own times, and a stop wakes it. */
            curl_multi_poll(self->multi, NULL, 0, 3600 * 1000, NULL);
            continue;
        }
        status = spoolbuf_curl_result(self);
        if (status == 0)
            return 0;
        status = status > 0 ? 0 : spoolbuf_curl_pause(self, status);
        if (status < 0)
            return status;
        spoolbuf_curl_end(self);
    }
    return 1;
}

static inline int64_t spoolbuf_curl_read(void *opaque, void *out, size_t capacity)
{
    spoolbuf_curl *self = (spoolbuf_curl *)opaque;
    int64_t status = spoolbuf_curl_wait(self, 0);
    size_t count = self->to - self->from;

    if (status <= 0)
        return status;
    if (count > capacity)
        count = capacity;
    memcpy(out, self->kept + self->from, count);
    self->from += count;
    self->place += (int64_t)count;
    if (self->reach < self->place)
        self->reach = self->place;
    self->tries = 0;
    /* A stop that came meanwhile has its answer: the bytes. */
    spoolbuf_curl_was_canceled(self);
    return (int64_t)count;
}

static inline int64_t spoolbuf_curl_seek(void *opaque, uint64_t offset)
{
    spoolbuf_curl *self = (spoolbuf_curl *)opaque;
    int64_t before = self->place, status;

    if (self->ranges == 0)
        return SPOOLBUF_CURL_NO_RANGES;
    spoolbuf_curl_end(self);
    /* Past what a resource can have: the server says that there is nothing. */
    self->place = offset > INT64_MAX ? INT64_MAX : (int64_t)offset;
    self->tries = 0;
    status = spoolbuf_curl_wait(self, 1);
    if (status >= 0)
        return 0;
    /* The next read asks again for what comes where it stood. */
    spoolbuf_curl_end(self);
    self->place = before;
    return status;
}

static inline void spoolbuf_curl_cancel(void *opaque)
{
    spoolbuf_curl *self = (spoolbuf_curl *)opaque;

    SPOOLBUF_CURL_EXCHANGE(&self->canceled, 1);
    curl_multi_wakeup(self->multi);
}

static inline void spoolbuf_curl_close(void *opaque)
{
    spoolbuf_curl *self = (spoolbuf_curl *)opaque;

    spoolbuf_curl_end(self);
    curl_easy_cleanup(self->easy);
    curl_multi_cleanup(self->multi);
    free(self);
}

/*
 * Makes a source of an URL; asks for nothing yet. `easy`, if not NULL, is a handle with options of your
 * own (headers, passwords, proxies, time limits, redirections), which becomes the source's; without one
 * redirections are followed. Returns 0, or -CURLcode with `easy` still yours.
 */
static inline int spoolbuf_curl_source(sb_callback *source, const char *url, CURL *easy)
{
    spoolbuf_curl *self = (spoolbuf_curl *)calloc(1, sizeof *self);
    sb_callback made = { spoolbuf_curl_read, self, spoolbuf_curl_seek, spoolbuf_curl_cancel,
                         spoolbuf_curl_close, { NULL, NULL, NULL } };
    CURLcode status = CURLE_OUT_OF_MEMORY;

    if (self == NULL)
        return -CURLE_OUT_OF_MEMORY;
    self->size = self->ranges = -1;
    self->multi = curl_multi_init();
    self->easy = easy != NULL ? easy : curl_easy_init();
    if (self->multi != NULL && self->easy != NULL)
        status = curl_easy_setopt(self->easy, CURLOPT_URL, url);
    /* libcurl can't pause the reading of a file. */
    if (status == CURLE_OK && curl_strnequal(url, "file:", 5))
        status = CURLE_UNSUPPORTED_PROTOCOL;
    if (status != CURLE_OK) {
        if (self->easy != easy)
            curl_easy_cleanup(self->easy);
        curl_multi_cleanup(self->multi);
        free(self);
        return -(int)status;
    }
    if (easy == NULL) {
        curl_easy_setopt(self->easy, CURLOPT_FOLLOWLOCATION, 1L);
        curl_easy_setopt(self->easy, CURLOPT_MAXREDIRS, 20L);
        curl_easy_setopt(self->easy, CURLOPT_TCP_KEEPALIVE, 1L);
    }
    curl_easy_setopt(self->easy, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    curl_easy_setopt(self->easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    /* A range of an encoding is none of the resource. */
    curl_easy_setopt(self->easy, CURLOPT_ACCEPT_ENCODING, "identity");
    curl_easy_setopt(self->easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    curl_easy_setopt(self->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(self->easy, CURLOPT_HEADERFUNCTION, spoolbuf_curl_header);
    curl_easy_setopt(self->easy, CURLOPT_HEADERDATA, self);
    curl_easy_setopt(self->easy, CURLOPT_WRITEFUNCTION, spoolbuf_curl_body);
    curl_easy_setopt(self->easy, CURLOPT_WRITEDATA, self);
    *source = made;
    return 0;
}

/* Connects, and tells the size that the server declares; SPOOLBUF_CURL_NO_SIZE if it does not, or the
 * error, as in the table. Before the source is given to a buffer; its first read goes on with the answer. */
static inline int64_t spoolbuf_curl_size(sb_callback *source)
{
    spoolbuf_curl *self = (spoolbuf_curl *)source->opaque;
    int64_t status = spoolbuf_curl_wait(self, 1);

    if (status < 0)
        return status;
    return self->size >= 0 ? self->size : status == 0 ? 0 : (int64_t)SPOOLBUF_CURL_NO_SIZE;
}

#ifdef __cplusplus
}
#endif

#endif
