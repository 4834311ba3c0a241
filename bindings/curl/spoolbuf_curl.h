/*
 * spoolbuf_curl.h - an URL as a source, by libcurl: ranges, reconnects, one resource from start to end.
 *
 *     sb_callback source;
 *     sb_options options;
 *     sb_buffer *buffer;
 *     sb_options_init(&options, sizeof options);
 *     if (spoolbuf_curl_source(&source, "https://example.com/film.mp4", NULL) < 0) ...
 *     spoolbuf_curl_declare(&source, &options);      (optional: connects and waits for the size)
 *     sb_new_with(&source, &options, &buffer);
 *
 *   what                 how
 *   data                 as it comes, in no content encoding. What nobody has read yet is held back, 64 KiB
 *                        at most; then the transfer is paused. Every request is `Range: bytes=N-`
 *   an encoding          that nobody asked for (Content-Encoding, Transfer-Encoding, icy-metaint) is an
 *                        error: those bytes are not the resource's. For a server that labels a .tar.gz
 *                        as an encoded .tar define SPOOLBUF_CURL_ENCODED as 1: the bytes as they come
 *   the end              the size that the server told; where it told none, the end of the whole body, or
 *                        416 after the last part. A whole body without a length ends with its connection
 *                        (HTTP/1.0 knows no better). With spoolbuf_curl_declare() an end before the
 *                        declared size is SB_ERR_SHORT
 *   a seek               a new request from there. One that fails (a 503, a broken connection) fails the
 *                        read that needed it, and the next read tries it again. A server that sends all
 *                        instead knows no ranges: SB_SOURCE_UNSUPPORTED, and the source goes on where it
 *                        stood, from what the server sends
 *   a broken connection  is made again from the next byte that is missing, SPOOLBUF_CURL_RETRIES times
 *                        in a row without a byte, after 0.25 s, 0.5 s, 1 s and so on; 408, 429 and 5xx
 *                        as well, after Retry-After if that is longer, 30 s at most. Not before the first
 *                        response, so that a wrong name shows at once, and not where the server knows no
 *                        ranges: there it is an error, and after sb_retry() or sb_resume() the bytes that
 *                        were delivered are skipped
 *   a part of a part     a server may send less than asked for: the rest is asked for at once
 *   a range              must be the one that was asked for, agree with Content-Length and the total, and
 *                        be one part (no multipart/byteranges); a body that is longer is an error
 *   a changed resource   is an error, never a mixture: each response must have the first one's ETag, or
 *                        where that is weak or missing its Last-Modified, and its size. Compared here, not
 *                        by If-Range, which a server may ignore. One that tells none of them is believed
 *   an error             in sb_stats, source_error: -CURLcode, -(1000 + HTTP status), or a
 *                        SPOOLBUF_CURL_ code from below. sb_retry() and sb_resume() try again
 *   a blocked read       is released at once by the source's `cancel` (curl_multi_wakeup): while it
 *                        resolves, connects, waits for bytes or waits to try again. It returns
 *                        SB_SOURCE_CANCELED. sb_cancel() and sb_free() return at once; before there is a
 *                        buffer, call source.cancel(source.opaque)
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

/* Whether bytes in an encoding that the server chose by itself are taken for the resource. */
#ifndef SPOOLBUF_CURL_ENCODED
#define SPOOLBUF_CURL_ENCODED 0
#endif

enum {
    SPOOLBUF_CURL_CHANGED = -2001,     /* the resource is not the one it was */
    SPOOLBUF_CURL_NO_RANGES = -2002,   /* the server, which knows ranges, sent all */
    SPOOLBUF_CURL_BAD_RANGE = -2003,   /* the range is not the one asked for, or contradicts itself */
    SPOOLBUF_CURL_CUT = -2004,         /* the response ended before its end */
    SPOOLBUF_CURL_NO_SIZE = -2005,     /* spoolbuf_curl_size(): the server does not tell */
    SPOOLBUF_CURL_BAD_ENCODING = -2006 /* the bytes are in an encoding, or have others among them */
};

/* What is known of the server: nothing yet, that it has no ranges, that it says so, that it has them. */
enum { SPOOLBUF_CURL_RANGES_UNKNOWN = -1, SPOOLBUF_CURL_RANGES_NONE, SPOOLBUF_CURL_RANGES_CLAIMED,
       SPOOLBUF_CURL_RANGES_SEEN };

/* What a response was found to be; an error is < 0. */
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
    int ranges;           /* what is known of the server, from above */
    /* The request that runs, from `asked` on. */
    int running, finished, paused;
    CURLcode outcome;
    int64_t asked;
    int64_t before;       /* where to go on if the server sends all: for a seek, where it stood */
    /* Its response: hashes of its validators, its Content-Range, and what else its headers say. */
    int64_t verdict;
    int http, weak, encoded, chunked, parts, has_range, claims_ranges;
    uint64_t etag, modified;
    int64_t start, last, total; /* of Content-Range, or -1 */
    int64_t skip;               /* bytes of the body that were delivered before */
    /* Bytes that have come and were not delivered. */
    size_t from, to;
    char kept[4 * CURL_MAX_WRITE_SIZE];
} spoolbuf_curl;

/* Whether a total, or -1, can be that of the resource. */
static inline int spoolbuf_curl_fits(const spoolbuf_curl *self, int64_t size)
{
    return size < 0 || (self->size >= 0 ? size == self->size : size >= self->reach);
}

/* Whether this is a response about the resource of the first one; keeps what it says of it. */
static inline int spoolbuf_curl_same(spoolbuf_curl *self, int64_t size)
{
    uint64_t mark = self->etag;

    if (self->weak || mark == 0)
        mark = mark * 31 + self->modified;
    if (!spoolbuf_curl_fits(self, size))
        return 0;
    if (self->mark != 0 && mark != self->mark)
        return 0;
    self->mark = mark;
    if (size >= 0)
        self->size = size;
    return 1;
}

/* Whether the Content-Range of a response is possible, and agrees with the body's length, or -1. */
static inline int spoolbuf_curl_range_is_sound(const spoolbuf_curl *self, int64_t length)
{
    if (self->start < 0 || self->last < self->start || self->parts)
        return 0;
    if (self->total >= 0 && self->last >= self->total)
        return 0;
    return length < 0 || length == self->last - self->start + 1;
}

/* What a response with all of the resource comes to, whatever was asked for. */
static inline int64_t spoolbuf_curl_judge_whole(spoolbuf_curl *self, int64_t length)
{
    /* One that says of itself that it is a part is that only if it is all. */
    if (self->has_range && (!spoolbuf_curl_range_is_sound(self, length) || self->start != 0
                            || (self->total >= 0 && self->last + 1 != self->total)))
        return SPOOLBUF_CURL_BAD_RANGE;
    if (self->asked != 0 && self->ranges == SPOOLBUF_CURL_RANGES_SEEN)
        return SPOOLBUF_CURL_NO_RANGES;
    if (!spoolbuf_curl_same(self, length))
        return SPOOLBUF_CURL_CHANGED;
    /* All of it, when all was asked for, says nothing of ranges; in the middle it does. */
    if (self->ranges != SPOOLBUF_CURL_RANGES_SEEN)
        self->ranges = self->asked == 0 && self->claims_ranges ? SPOOLBUF_CURL_RANGES_CLAIMED
                                                               : SPOOLBUF_CURL_RANGES_NONE;
    self->skip = self->asked == 0 ? 0 : self->before;
    return SPOOLBUF_CURL_WHOLE;
}

/* What the headers of a response come to. */
static inline int64_t spoolbuf_curl_judge(spoolbuf_curl *self)
{
    curl_off_t length = -1;
    char *scheme = NULL;
    long code = 0;

    curl_easy_getinfo(self->easy, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_getinfo(self->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    curl_easy_getinfo(self->easy, CURLINFO_SCHEME, &scheme);
    if (self->chunked)
        length = -1;
    if (!self->http && (scheme == NULL || !curl_strnequal(scheme, "http", 4))) {
        /* FTP, which has no headers, sends from where it was asked to. */
        self->ranges = SPOOLBUF_CURL_RANGES_SEEN;
        if (!spoolbuf_curl_same(self, length < 0 ? -1 : self->asked + length))
            return SPOOLBUF_CURL_CHANGED;
        return length < 0 ? SPOOLBUF_CURL_WHOLE : SPOOLBUF_CURL_PART;
    }
    if ((code == 200 || code == 206) && self->encoded && !SPOOLBUF_CURL_ENCODED)
        return SPOOLBUF_CURL_BAD_ENCODING;
    if (code == 200)
        return spoolbuf_curl_judge_whole(self, length);
    if (code == 206) {
        self->ranges = SPOOLBUF_CURL_RANGES_SEEN;
        if (self->start != self->asked)
            return SPOOLBUF_CURL_BAD_RANGE;
        if (!spoolbuf_curl_fits(self, self->total))
            return SPOOLBUF_CURL_CHANGED;
        if (!spoolbuf_curl_range_is_sound(self, length))
            return SPOOLBUF_CURL_BAD_RANGE;
        return spoolbuf_curl_same(self, self->total) ? (int64_t)SPOOLBUF_CURL_PART
                                                     : (int64_t)SPOOLBUF_CURL_CHANGED;
    }
    if (code == 416) { /* Has no validators; where the resource is longer than this, it was another. */
        if (self->total > self->asked || (self->total >= 0 && self->total < self->reach)
            || self->size > self->asked)
            return SPOOLBUF_CURL_CHANGED;
        if (self->total >= 0)
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

/* Whether one of a header's words, which commas separate, is this one; with `other`, is none of the two. */
static inline int spoolbuf_curl_has(const char *value, const char *word, const char *other)
{
    size_t length, size = strlen(word);

    for (;; value += length) {
        value += strspn(value, ", \t\r\n");
        length = strcspn(value, ", \t\r\n");
        if (length == 0)
            return 0;
        if (other == NULL ? length == size && curl_strnequal(value, word, size)
                          : !(length == size && curl_strnequal(value, word, size))
                    && !(length == strlen(other) && curl_strnequal(value, other, length)))
            return 1;
    }
}

/* A number of a header; `*at` goes past it. -1 if there is none, or more than a resource can have. */
static inline int64_t spoolbuf_curl_number(const char **at)
{
    int64_t number = -1;

    for (; **at >= '0' && **at <= '9'; ++*at) {
        if (number > (INT64_MAX - 9) / 10)
            return -1;
        number = (number < 0 ? 0 : number * 10) + (**at - '0');
    }
    return number;
}

/* Content-Range: `bytes 7-99/100`, `bytes 7-99/x` or `bytes x/100`, x a star. Twice must be the same. */
static inline void spoolbuf_curl_content_range(spoolbuf_curl *self, const char *at)
{
    int64_t start = -1, last = -1, total = -1;

    at += strspn(at, " \t");
    if (curl_strnequal(at, "bytes", 5)) {
        at += 5;
        at += strspn(at, " \t=:");
        start = spoolbuf_curl_number(&at);
        if (*at == '-') {
            at++;
            last = spoolbuf_curl_number(&at);
        }
        at += strcspn(at, "/");
        if (*at == '/') {
            at++;
            total = spoolbuf_curl_number(&at);
        }
    }
    if (self->has_range && (start != self->start || last != self->last || total != self->total))
        start = last = -1;
    self->has_range = 1;
    self->start = start;
    self->last = last;
    self->total = total;
}

/* A response begins: others may have come before it, redirections, a hundred to go on. */
static inline void spoolbuf_curl_forget(spoolbuf_curl *self)
{
    self->weak = self->encoded = self->chunked = self->parts = 0;
    self->has_range = self->claims_ranges = 0;
    self->etag = self->modified = 0;
    self->start = self->last = self->total = -1;
    self->skip = 0;
}

static inline size_t spoolbuf_curl_header(char *line, size_t one, size_t length, void *opaque)
{
    spoolbuf_curl *self = (spoolbuf_curl *)opaque;
    char text[256];
    const char *value;
    long code = 0;

    (void)one;
    if (self->verdict != SPOOLBUF_CURL_UNJUDGED)
        return length; /* After the body. */
    snprintf(text, sizeof text, "%.*s", (int)length, line);
    value = strchr(text, ':');
    value = value != NULL ? value + 1 : "";
    if (strncmp(text, "HTTP/", 5) == 0 || strncmp(text, "ICY ", 4) == 0) {
        self->http = 1;
        spoolbuf_curl_forget(self);
    } else if (curl_strnequal(text, "etag:", 5)) {
        self->etag = spoolbuf_curl_hash(line + 5, length - 5);
        self->weak = strstr(text, "W/\"") != NULL;
    } else if (curl_strnequal(text, "last-modified:", 14)) {
        self->modified = spoolbuf_curl_hash(line + 14, length - 14);
    } else if (curl_strnequal(text, "content-range:", 14)) {
        spoolbuf_curl_content_range(self, value);
    } else if (curl_strnequal(text, "content-encoding:", 17)) {
        self->encoded |= spoolbuf_curl_has(value, "identity", "none");
    } else if (curl_strnequal(text, "transfer-encoding:", 18)) {
        /* libcurl undoes `chunked` only. */
        self->chunked |= spoolbuf_curl_has(value, "chunked", NULL);
        self->encoded |= spoolbuf_curl_has(value, "chunked", "identity");
    } else if (curl_strnequal(text, "icy-metaint:", 12)) {
        self->encoded |= strtol(value, NULL, 10) > 0;
    } else if (curl_strnequal(text, "content-type:", 13)) {
        value += strspn(value, " \t");
        self->parts = curl_strnequal(value, "multipart/byteranges", 20);
    } else if (curl_strnequal(text, "accept-ranges:", 14)) {
        self->claims_ranges = spoolbuf_curl_has(value, "bytes", NULL);
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
    size_t skipped, count;
    int64_t left;

    (void)one;
    if (self->verdict == SPOOLBUF_CURL_UNJUDGED)
        self->verdict = spoolbuf_curl_judge(self);
    if (self->verdict < 0)
        return length + 1; /* An error, which ends the transfer. */
    if (self->verdict == SPOOLBUF_CURL_NOTHING)
        return length;
    if (self->from == self->to)
        self->from = self->to = 0;
    skipped = (uint64_t)self->skip < length ? (size_t)self->skip : length;
    count = length - skipped;
    if (count > sizeof self->kept - self->to) {
        self->paused = 1; /* All of it comes again then. */
        return CURL_WRITEFUNC_PAUSE;
    }
    if (self->verdict == SPOOLBUF_CURL_PART && self->last >= 0) {
        /* What is kept, and this, must be in the range. */
        left = self->last + 1 - self->place - (int64_t)(self->to - self->from);
        if (count > (uint64_t)left) {
            count = (size_t)left;
            self->verdict = SPOOLBUF_CURL_BAD_RANGE;
        }
    }
    self->skip -= (int64_t)skipped;
    memcpy(self->kept + self->to, bytes + skipped, count);
    self->to += count;
    return self->verdict < 0 ? length + 1 : length;
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
    spoolbuf_curl_forget(self);
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
    if (self->skip > 0) /* It ends before what was delivered of it. */
        return SPOOLBUF_CURL_CHANGED;
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
    case CURLE_HTTP2_STREAM: return self->ranges != SPOOLBUF_CURL_RANGES_UNKNOWN;
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
        || (self->place > 0 && self->ranges == SPOOLBUF_CURL_RANGES_NONE)) {
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
            return SB_SOURCE_CANCELED;
    }
    return 0;
}

/* Waits for bytes at the place, or only for the headers of the response that brings them. 1 they are there,
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
            return SB_SOURCE_CANCELED;
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
    int64_t status;
    size_t count;

    self->before = self->place;
    status = spoolbuf_curl_wait(self, 0);
    count = self->to - self->from;
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
    /* A stop that came meanwhile is obeyed: the bytes are here. */
    spoolbuf_curl_was_canceled(self);
    return (int64_t)count;
}

static inline int64_t spoolbuf_curl_seek(void *opaque, uint64_t offset)
{
    spoolbuf_curl *self = (spoolbuf_curl *)opaque;
    int64_t status;

    if (self->ranges == SPOOLBUF_CURL_RANGES_NONE)
        return SB_SOURCE_UNSUPPORTED;
    spoolbuf_curl_end(self);
    self->before = self->place;
    /* Past what a resource can have: the server says that there is nothing. */
    self->place = offset > INT64_MAX ? INT64_MAX : (int64_t)offset;
    self->tries = 0;
    status = spoolbuf_curl_wait(self, 1);
    if (status >= 0 && (self->verdict != SPOOLBUF_CURL_WHOLE || self->asked == 0 || !self->running
                        || self->ranges != SPOOLBUF_CURL_RANGES_NONE))
        return 0;
    self->place = self->before;
    if (status >= 0) /* The server sends all: that is gone on with. */
        return SB_SOURCE_UNSUPPORTED;
    /* The next read asks again for what comes where it stood. */
    spoolbuf_curl_end(self);
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

#ifdef SOCK_CLOEXEC
/* A connection that a program executed meanwhile can't inherit; libcurl's own can be inherited. */
static inline curl_socket_t spoolbuf_curl_socket(void *opaque, curlsocktype purpose,
                                                 struct curl_sockaddr *address)
{
    (void)opaque;
    (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}
#endif

/*
 * Makes a source of an URL; asks for nothing yet. `easy`, if not NULL, is a handle with options of your
 * own (headers, passwords, proxies, time limits, redirections), which becomes the source's; without one
 * redirections are followed. Returns 0, or -CURLcode with `easy` still yours.
 */
static inline int spoolbuf_curl_source(sb_callback *source, const char *url, CURL *easy)
{
    spoolbuf_curl *self = (spoolbuf_curl *)calloc(1, sizeof *self);
    sb_callback made = { spoolbuf_curl_read, self, spoolbuf_curl_seek, spoolbuf_curl_cancel,
                         spoolbuf_curl_close, NULL, 0, 0, { NULL } };
    CURLcode status = CURLE_OUT_OF_MEMORY;

    if (self == NULL)
        return -CURLE_OUT_OF_MEMORY;
    self->size = -1;
    self->ranges = SPOOLBUF_CURL_RANGES_UNKNOWN;
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
#ifdef SOCK_CLOEXEC
        curl_easy_setopt(self->easy, CURLOPT_OPENSOCKETFUNCTION, spoolbuf_curl_socket);
#endif
    }
    curl_easy_setopt(self->easy, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
    curl_easy_setopt(self->easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    /* A range of an encoding is none of the resource. */
    curl_easy_setopt(self->easy, CURLOPT_ACCEPT_ENCODING, "identity");
    curl_easy_setopt(self->easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    /* The bytes of the body, as the server has them, and nothing else. */
    curl_easy_setopt(self->easy, CURLOPT_TRANSFER_ENCODING, 0L);
    curl_easy_setopt(self->easy, CURLOPT_HTTP_TRANSFER_DECODING, 1L);
    curl_easy_setopt(self->easy, CURLOPT_HEADER, 0L);
    curl_easy_setopt(self->easy, CURLOPT_TRANSFERTEXT, 0L);
    curl_easy_setopt(self->easy, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)0);
    curl_easy_setopt(self->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(self->easy, CURLOPT_HEADERFUNCTION, spoolbuf_curl_header);
    curl_easy_setopt(self->easy, CURLOPT_HEADERDATA, self);
    curl_easy_setopt(self->easy, CURLOPT_WRITEFUNCTION, spoolbuf_curl_body);
    curl_easy_setopt(self->easy, CURLOPT_WRITEDATA, self);
    *source = made;
    return 0;
}

/* Connects, and tells the size that the server declares; SPOOLBUF_CURL_NO_SIZE if it does not, or the
 * error, as in the table. Before the source is given to a buffer, whose first read goes on from there. */
static inline int64_t spoolbuf_curl_size(sb_callback *source)
{
    spoolbuf_curl *self = (spoolbuf_curl *)source->opaque;
    int64_t status = spoolbuf_curl_wait(self, 1);

    if (status < 0)
        return status;
    return self->size >= 0 ? self->size : status == 0 ? 0 : (int64_t)SPOOLBUF_CURL_NO_SIZE;
}

/* As spoolbuf_curl_size(), and declares that size in the options of the buffer; an end before it is to be
 * SB_ERR_SHORT, since the server told it. Without a size the options stay as they are. */
static inline int64_t spoolbuf_curl_declare(sb_callback *source, sb_options *options)
{
    int64_t size = spoolbuf_curl_size(source);

    options->on_short = SB_SHORT_ERROR;
    if (size >= 0)
        options->size = (uint64_t)size;
    return size;
}

#ifdef __cplusplus
}
#endif

#endif
