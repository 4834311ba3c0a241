/*
 * spoolbuf_curl.h - an URL as a source, by libcurl: ranges, reconnects, one resource from start to end.
 *
 *     sb_callback source;
 *     if (spoolbuf_curl_source(&source, "https://example.com/film.mp4", NULL) < 0) ...
 *     int64_t size = spoolbuf_curl_size(&source);            (optional: connects, waits for headers)
 *     sb_buffer *buffer = sb_new(&source, size < 0 ? SB_SIZE_UNKNOWN : (uint64_t)size, SB_MAX_DEFAULT);
 *
 *   what                 how
 *   data                 as it comes; at most one piece of libcurl's (16 KiB) is held back, the transfer
 *                        is paused while nobody reads. Every request is `Range: bytes=N-`
 *   the end              the body's end, if that is where the headers said it would be; 416 at a place
 *                        past the end
 *   a seek               a new request from there, if the server answered 206 so far; else an error,
 *                        after which the source goes on where it stood
 *   a broken connection  is tried again from the next byte that is missing, up to SPOOLBUF_CURL_RETRIES
 *                        times in a row without a byte, after 0.25 s, 0.5 s, 1 s and so on; 408, 429 and
 *                        5xx as well. Not where the server knows no ranges: what is lost is lost
 *   a changed resource   is an error, never a mixture: each answer must have the first one's ETag,
 *                        Last-Modified and size, as far as the server sent any
 *   an error             in sb_stats, source_error: -CURLcode, -(1000 + HTTP status), or a
 *                        SPOOLBUF_CURL_ code from below. sb_resume() tries again
 *   a blocked read       is released at once by the source's `cancel` (curl_multi_wakeup), also while it
 *                        waits to try again: sb_cancel() and sb_free() return at once. DNS only where
 *                        libcurl resolves on a thread or with c-ares, as most builds do
 *   who calls            whoever reads the buffer, one at a time, or the helper thread. No thread of
 *                        its own: while nobody reads, nothing comes (sb_prefetch())
 *   lifetime             all is freed at the source's `close`
 *
 * Call curl_global_init() first if other threads run. libcurl 7.68 or newer; GCC, Clang or MSVC; C99 and
 * C++.
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
    SPOOLBUF_CURL_CUT = -2004        /* the body ended before its end, as its headers gave it */
};

typedef struct spoolbuf_curl {
    CURLM *multi;
    CURL *easy;
    volatile long canceled;
    int running;        /* the easy handle is in the multi handle */
    int finished;       /* its transfer is over */
    CURLcode outcome;
    int64_t verdict;    /* of the headers: 0 none yet, 1 good, else the error */
    int ranges;         /* the server: 1 answers ranges, 0 does not, -1 not known yet */
    int at_end;         /* a place past the end was asked for */
    int paused;
    unsigned tries;
    int64_t place;      /* the next byte to be delivered */
    int64_t asked;      /* where the running request starts */
    int64_t size;       /* or -1 */
    char etag[256], modified[64];         /* of the first answer */
    char new_etag[256], new_modified[64]; /* of the one that is coming in */
    int64_t range_start, range_total;
    char *out;          /* the caller's room */
    size_t room, got;
    char kept[CURL_MAX_WRITE_SIZE];
    size_t kept_from, kept_to;
} spoolbuf_curl;

/* The value of a header line, if it is the one of that name. */
static inline int spoolbuf_curl_value(const char *line, size_t length, const char *name, char *out,
                                      size_t room)
{
    size_t at, count = strlen(name);

    if (length < count)
        return 0;
    for (at = 0; at < count; at++)
        if ((line[at] | 0x20) != name[at])
            return 0;
    while (at < length && (line[at] == ' ' || line[at] == '\t'))
        at++;
    while (length > at && (unsigned char)line[length - 1] <= ' ')
        length--;
    count = length - at < room - 1 ? length - at : room - 1;
    memcpy(out, line + at, count);
    out[count] = '\0';
    return 1;
}

/* Whether this answer can be a part of the resource of the first one; keeps what it says of it. */
static inline int spoolbuf_curl_same(spoolbuf_curl *self, int64_t size)
{
    if (self->size >= 0 && size >= 0 && self->size != size)
        return 0;
    if (self->etag[0] && self->new_etag[0] && strcmp(self->etag, self->new_etag) != 0)
        return 0;
    if (self->modified[0] && self->new_modified[0]
        && strcmp(self->modified, self->new_modified) != 0)
        return 0;
    if (self->size < 0)
        self->size = size;
    if (!self->etag[0])
        memcpy(self->etag, self->new_etag, sizeof self->etag);
    if (!self->modified[0])
        memcpy(self->modified, self->new_modified, sizeof self->modified);
    return 1;
}

/* What the headers of an answer come to. */
static inline int64_t spoolbuf_curl_judge(spoolbuf_curl *self)
{
    curl_off_t length = -1;
    long code = 0;

    curl_easy_getinfo(self->easy, CURLINFO_RESPONSE_CODE, &code);
    if (code == 416 && self->range_total <= self->asked) {
        if (!spoolbuf_curl_same(self, self->range_total))
            return SPOOLBUF_CURL_CHANGED;
        self->at_end = 1;
        return 1;
    }
    if (code == 206) {
        if (self->range_start != self->asked)
            return SPOOLBUF_CURL_BAD_RANGE;
        if (!spoolbuf_curl_same(self, self->range_total))
            return SPOOLBUF_CURL_CHANGED;
        self->ranges = 1;
        return 1;
    }
    if (code != 200)
        return -1000 - code;
    curl_easy_getinfo(self->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (!spoolbuf_curl_same(self, length))
        return SPOOLBUF_CURL_CHANGED;
    self->ranges = 0;
    return self->asked == 0 ? 1 : SPOOLBUF_CURL_NO_RANGES;
}

static inline size_t spoolbuf_curl_header(char *line, size_t one, size_t length, void *opaque)
{
    spoolbuf_curl *self = (spoolbuf_curl *)opaque;
    long long start = -1, total = -1;
    char range[128], *slash;
    long code = 0;

    (void)one;
    if (length > 5 && memcmp(line, "HTTP/", 5) == 0) {
        self->new_etag[0] = self->new_modified[0] = '\0';
        self->range_start = self->range_total = -1;
        self->verdict = 0;
    }
    spoolbuf_curl_value(line, length, "etag:", self->new_etag, sizeof self->new_etag);
    spoolbuf_curl_value(line, length, "last-modified:", self->new_modified,
                        sizeof self->new_modified);
    if (spoolbuf_curl_value(line, length, "content-range:", range, sizeof range)) {
        slash = strchr(range, '/');
        if (sscanf(range, "bytes %lld-", &start) == 1)
            self->range_start = start;
        if (slash != NULL && sscanf(slash, "/%lld", &total) == 1)
            self->range_total = total;
    }
    if (length == 2 && line[0] == '\r') {
        curl_easy_getinfo(self->easy, CURLINFO_RESPONSE_CODE, &code);
        /* Others are on the way to the answer: redirections, a hundred to go on, a proxy's. */
        if (code >= 200 && (code < 300 || code >= 400))
            self->verdict = spoolbuf_curl_judge(self);
    }
    return length;
}

static inline size_t spoolbuf_curl_body(char *bytes, size_t one, size_t length, void *opaque)
{
    spoolbuf_curl *self = (spoolbuf_curl *)opaque;
    size_t count = self->room - self->got;

    (void)one;
    if (self->verdict < 0 || self->at_end)
        return self->at_end ? length : 0;
    if (self->kept_from < self->kept_to || (count == 0 && length > sizeof self->kept)) {
        self->paused = 1;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (count > length)
        count = length;
    if (length - count > sizeof self->kept)
        return 0;
    if (count > 0)
        memcpy(self->out + self->got, bytes, count);
    self->got += count;
    memcpy(self->kept, bytes + count, length - count);
    self->kept_from = 0;
    self->kept_to = length - count;
    return length;
}

static inline void spoolbuf_curl_end(spoolbuf_curl *self)
{
    if (self->running)
        curl_multi_remove_handle(self->multi, self->easy);
    self->running = self->finished = self->paused = 0;
    self->kept_from = self->kept_to = 0;
}

static inline void spoolbuf_curl_begin(spoolbuf_curl *self, int64_t offset)
{
    char range[32];

    spoolbuf_curl_end(self);
    snprintf(range, sizeof range, "%lld-", (long long)offset);
    curl_easy_setopt(self->easy, CURLOPT_RANGE, range);
    self->asked = offset;
    self->verdict = self->at_end = 0;
    curl_multi_add_handle(self->multi, self->easy);
    self->running = 1;
}

/* Lets libcurl work, for so long at most. Returns 0 or SPOOLBUF_CURL_CANCELED. */
static inline int spoolbuf_curl_step(spoolbuf_curl *self, int limit_ms)
{
    CURLMsg *message;
    int count;

    if (self->paused && self->kept_from == self->kept_to) {
        self->paused = 0;
        curl_easy_pause(self->easy, CURLPAUSE_CONT);
    }
    curl_multi_perform(self->multi, &count);
    while ((message = curl_multi_info_read(self->multi, &count)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            self->finished = 1;
            self->outcome = message->data.result;
        }
    }
    if (SPOOLBUF_CURL_EXCHANGE(&self->canceled, 0))
        return SPOOLBUF_CURL_CANCELED;
    if (self->got == 0 && !self->finished && (self->verdict == 0 || self->room > 0))
        curl_multi_poll(self->multi, NULL, 0, limit_ms, NULL);
    return SPOOLBUF_CURL_EXCHANGE(&self->canceled, 0) ? SPOOLBUF_CURL_CANCELED : 0;
}

/* What a transfer that is over came to: 1 all is well, else its error. */
static inline int64_t spoolbuf_curl_result(const spoolbuf_curl *self, int64_t came_to)
{
    if (self->verdict < 0)
        return self->verdict;
    if (self->at_end)
        return 1;
    if (self->outcome != CURLE_OK)
        return -(int64_t)self->outcome;
    return self->size >= 0 && came_to < self->size ? SPOOLBUF_CURL_CUT : 1;
}

/* Whether it may be otherwise the next time. */
static inline int spoolbuf_curl_may_pass(int64_t error)
{
    if (error <= -1000)
        return error == SPOOLBUF_CURL_CUT || error == -1408 || error == -1429
            || (error <= -1500 && error > -1600);
    return error != -CURLE_UNSUPPORTED_PROTOCOL && error != -CURLE_URL_MALFORMAT
        && error != -CURLE_PEER_FAILED_VERIFICATION && error != -CURLE_TOO_MANY_REDIRECTS
        && error != -CURLE_OUT_OF_MEMORY && error != -CURLE_LOGIN_DENIED;
}

/* After an error at `offset`: waits a while and asks again from there. Returns 0, or the error. */
static inline int64_t spoolbuf_curl_again(spoolbuf_curl *self, int64_t offset, int64_t error)
{
    int64_t left;

    spoolbuf_curl_end(self);
    if (!spoolbuf_curl_may_pass(error) || self->tries >= SPOOLBUF_CURL_RETRIES
        || (offset > 0 && self->ranges == 0))
        return error;
    /* In steps, since a wake-up may be for something that is over. */
    for (left = (int64_t)250 << self->tries++; left > 0; left -= 50) {
        curl_multi_poll(self->multi, NULL, 0, 50, NULL);
        if (SPOOLBUF_CURL_EXCHANGE(&self->canceled, 0))
            return SPOOLBUF_CURL_CANCELED;
    }
    spoolbuf_curl_begin(self, offset);
    return 0;
}

static inline int64_t spoolbuf_curl_read(void *opaque, void *out, size_t capacity)
{
    spoolbuf_curl *self = (spoolbuf_curl *)opaque;
    int64_t status = 0;
    size_t count = self->kept_to - self->kept_from;

    if (count > 0) {
        if (count > capacity)
            count = capacity;
        memcpy(out, self->kept + self->kept_from, count);
        self->kept_from += count;
        self->place += (int64_t)count;
        return (int64_t)count;
    }
    if (!self->running)
        spoolbuf_curl_begin(self, self->place);
    self->out = (char *)out;
    self->room = capacity;
    self->got = 0;
    while (status == 0 && self->got == 0) {
        status = spoolbuf_curl_step(self, 1000);
        if (status == 0 && self->got == 0 && self->finished) {
            status = spoolbuf_curl_result(self, self->place);
            if (status < 0)
                status = spoolbuf_curl_again(self, self->place, status);
        }
    }
    self->room = 0;
    if (self->got > 0) {
        self->tries = 0;
        self->place += (int64_t)self->got;
        return (int64_t)self->got;
    }
    return status == 1 ? 0 : status;
}

/* Waits for the headers of the running request, made again where that may help. Returns 1 or the
 * error. */
static inline int64_t spoolbuf_curl_headers(spoolbuf_curl *self)
{
    int64_t status = 0, offset = self->asked;

    self->room = self->got = 0;
    while (status == 0 && self->verdict != 1) {
        status = spoolbuf_curl_step(self, 1000);
        if (status == 0 && self->verdict != 1 && (self->finished || self->verdict < 0)) {
            status = self->verdict < 0 ? self->verdict : spoolbuf_curl_result(self, offset);
            if (status == 1)
                status = -CURLE_WEIRD_SERVER_REPLY;
            if (status != SPOOLBUF_CURL_NO_RANGES)
                status = spoolbuf_curl_again(self, offset, status);
        }
    }
    return status < 0 ? status : 1;
}

static inline int64_t spoolbuf_curl_seek(void *opaque, uint64_t offset)
{
    spoolbuf_curl *self = (spoolbuf_curl *)opaque;
    int64_t status;

    if (self->ranges == 0)
        return SPOOLBUF_CURL_NO_RANGES;
    self->tries = 0;
    spoolbuf_curl_begin(self, (int64_t)offset);
    status = spoolbuf_curl_headers(self);
    if (status < 0) {
        /* The next read asks again for what comes where it stood. */
        spoolbuf_curl_end(self);
        return status;
    }
    self->place = (int64_t)offset;
    return 0;
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
 * own (headers, passwords, proxies, time limits), which becomes the source's. Returns 0, or -CURLcode
 * with `easy` still yours.
 */
static inline int spoolbuf_curl_source(sb_callback *source, const char *url, CURL *easy)
{
    spoolbuf_curl *self = (spoolbuf_curl *)calloc(1, sizeof *self);
    sb_callback made = { spoolbuf_curl_read, self, spoolbuf_curl_seek, spoolbuf_curl_cancel,
                         spoolbuf_curl_close, { NULL, NULL, NULL } };

    if (self == NULL)
        return -CURLE_OUT_OF_MEMORY;
    self->multi = curl_multi_init();
    self->easy = easy != NULL ? easy : curl_easy_init();
    if (self->multi == NULL || self->easy == NULL
        || curl_easy_setopt(self->easy, CURLOPT_URL, url) != CURLE_OK) {
        if (self->easy != easy)
            curl_easy_cleanup(self->easy);
        curl_multi_cleanup(self->multi);
        free(self);
        return -CURLE_OUT_OF_MEMORY;
    }
    self->size = self->ranges = -1;
    curl_easy_setopt(self->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(self->easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(self->easy, CURLOPT_HEADERFUNCTION, spoolbuf_curl_header);
    curl_easy_setopt(self->easy, CURLOPT_HEADERDATA, self);
    curl_easy_setopt(self->easy, CURLOPT_WRITEFUNCTION, spoolbuf_curl_body);
    curl_easy_setopt(self->easy, CURLOPT_WRITEDATA, self);
    *source = made;
    return 0;
}

/* Connects, and tells the size that the server declares; SB_ERR_UNKNOWN if it does not. Else the error,
 * as in the table. Before the source is given to a buffer; its first read goes on with the answer. */
static inline int64_t spoolbuf_curl_size(sb_callback *source)
{
    spoolbuf_curl *self = (spoolbuf_curl *)source->opaque;
    int64_t status;

    spoolbuf_curl_begin(self, 0);
    status = spoolbuf_curl_headers(self);
    if (status < 0)
        return status;
    return self->size < 0 ? (int64_t)SB_ERR_UNKNOWN : self->size;
}

#ifdef __cplusplus
}
#endif

#endif
