/*
 * spoolbuf_curl.h - a URL as a source, through libcurl: ranges, reconnects, one resource from start to end.
 *
 *     sb_callback source;
 *     sb_options options;
 *     sb_buffer *buffer;
 *     sb_options_init(&options, sizeof options);
 *     if (spoolbuf_curl_source(&source, "https://example.com/film.mp4", NULL) < 0) ...
 *     options.on_short = SB_SHORT_ERROR;
 *     sb_new_with(&source, &options, &buffer);
 *
 *   what                 how
 *   data                 as it arrives, in no content encoding. At most 64 KiB that nobody has read yet are
 *                        held back; then the transfer is paused. Every request has `Range: bytes=N-`
 *   an encoding          that was not requested (Content-Encoding, Transfer-Encoding, icy-metaint) is an
 *                        error: its bytes are not those of the resource. If a server labels a .tar.gz as
 *                        an encoded .tar, define SPOOLBUF_CURL_ENCODED as 1 to get the bytes as they arrive
 *   the end              is at the size that the server declared. Without a size, it is the end of the
 *                        whole body, or a 416 after the last part. A whole body without a length ends with
 *                        its connection (HTTP/1.0 has no other way). A response that ends before the size
 *                        that it declared is an error
 *   the size             is the declared size of the buffer as soon as the first response has stated it
 *                        (`size` in sb_callback), unless the options have one. A program that needs it
 *                        before the first byte calls spoolbuf_curl_declare(), which connects and waits
 *   a seek               is a new request from that offset. If it fails (a 503, a broken connection), the
 *                        read that needed it fails, and the next read tries again. A server that sends the
 *                        whole resource instead has no ranges: that is SB_SOURCE_UNSUPPORTED, and the
 *                        source goes on at its old position, from the bytes that the server sends
 *   a broken connection  is reopened at the next missing byte, at most SPOOLBUF_CURL_RETRIES times in a row
 *                        without a byte, after 0.25 s, 0.5 s, 1 s and so on. So are 408, 429 and 5xx. The
 *                        wait is that of Retry-After, if that is longer, but at most 30 s. Before the first
 *                        response there is no retry, so that a wrong name is reported at once. If the
 *                        server has no ranges it is an error; after sb_retry() or sb_resume(), the bytes
 *                        that were already delivered are skipped
 *   an expired URL       is replaced by the one that the function set by spoolbuf_curl_renew() returns. It is
 *                        called after a refusal (any 4xx except 416; 408 and 429 are retried first) and after
 *                        the last retry of a broken connection. If the new URL fails like that before a byte
 *                        arrives, that is the error. Blocked reads go on under the new URL. Its validators
 *                        and size are compared like those of every response, and up to 4 KiB of the bytes
 *                        delivered last are requested again and compared, before any other byte is
 *                        delivered. A difference is SPOOLBUF_CURL_CHANGED. The source does not use
 *                        sb_reopen() for this: that is refused for a cache's entry and with the option
 *                        `window`, needs a buffer, which spoolbuf_curl_declare() does not have yet, and could
 *                        replace a source that the program has set meanwhile. The program may use it, in that
 *                        function or elsewhere: then the library compares bytes, and not validators
 *   a growing resource   is followed if spoolbuf_curl_follow() has set a function. At the end, that function is
 *                        asked, and the server every SPOOLBUF_CURL_POLL milliseconds: the bytes delivered last,
 *                        up to 4 KiB, are requested again and compared, and what has been added follows. A
 *                        server makes validators of the time and the size (nginx, Apache), so that they
 *                        change with each growth. Therefore another ETag, even a strong one, or another
 *                        Last-Modified is accepted if the size is larger and those bytes are the same, and
 *                        never otherwise. If it grows with each request, the first bytes at another place are
 *                        held back until the bytes delivered last were compared once more. A longer file of
 *                        another content that has the same bytes there (zeros, say) goes unnoticed. Where
 *                        nothing was delivered yet, nothing is compared.
 *                        A resource that has shrunk is SPOOLBUF_CURL_CHANGED. The size is not declared,
 *                        and the server must have ranges
 *   a partial response   may be shorter than requested: the rest is requested at once
 *   a range              must be the requested one, agree with Content-Length and the total, and be a
 *                        single part (no multipart/byteranges). A longer body is an error
 *   a changed resource   is an error, never a mixture. Each response must have the size of the first one
 *                        and its ETag, or its Last-Modified if the ETag is weak or missing. They are
 *                        compared here, not by If-Range, which a server may ignore. A server that sends
 *                        none of them is believed
 *   an error             is source_error in sb_stats: -CURLcode, -(1000 + HTTP status), or one of the
 *                        SPOOLBUF_CURL_ codes below. sb_retry() and sb_resume() try again
 *   a blocked read       is released at once by the source's `cancel` (curl_multi_wakeup), whether it
 *                        resolves, connects, waits for bytes or waits to retry. It returns
 *                        SB_SOURCE_CANCELED. sb_cancel() and sb_free() return at once, and so does the
 *                        call of a reader that sb_reader_cancel() cancels. Before there is a buffer, call
 *                        source.cancel(source.opaque)
 *   a stalled transfer   is left for a read elsewhere, and requested again for who waits for it: the source
 *                        is SB_SOURCE_INTERRUPTIBLE
 *   timeouts             only libcurl's connect timeout (300 s). Set others (CURLOPT_CONNECTTIMEOUT_MS,
 *                        CURLOPT_LOW_SPEED_TIME and so on) on a handle of your own. A timeout counts as a
 *                        broken connection
 *   threads              the source runs on the thread that reads the buffer, one at a time, or on the
 *                        helper thread. It has no thread of its own: while nobody reads, nothing is
 *                        received (see sb_prefetch())
 *   lifetime             everything is freed at the source's `close`, which may come after sb_free() has
 *                        returned. What the options of your own handle refer to, such as a list of
 *                        headers, must be valid until then
 *
 * HTTP, HTTPS and FTP; for files use spoolbuf_fd.h. If other threads are running, call curl_global_init()
 * first. Needs libcurl 7.68 or newer; with 7.87 or newer, `close` does not wait for a pending name
 * resolution. GCC, Clang or MSVC; C99 and C++.
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
#define SPOOLBUF_CURL_EXCHANGE(target, value) _InterlockedExchange((target), (value))
#else
#define SPOOLBUF_CURL_EXCHANGE(target, value) __atomic_exchange_n((target), (value), __ATOMIC_SEQ_CST)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** How many times in a row a request is retried without receiving a byte. */
#ifndef SPOOLBUF_CURL_RETRIES
#define SPOOLBUF_CURL_RETRIES 5
#endif

/** How often the server is asked whether the resource has grown, in milliseconds. */
#ifndef SPOOLBUF_CURL_POLL
#define SPOOLBUF_CURL_POLL 1000
#endif

/** Whether bytes in an encoding that was not requested are accepted as the resource. */
#ifndef SPOOLBUF_CURL_ENCODED
#define SPOOLBUF_CURL_ENCODED 0
#endif

/* How many of the last delivered bytes are compared under a new URL, or of a resource that grows, at most. */
enum { SPOOLBUF_CURL_SAMPLE = 4096 };

/** Error codes of the source, besides -CURLcode and -(1000 + HTTP status). */
enum {
    SPOOLBUF_CURL_CHANGED = -2001,     /**< the resource has changed */
    SPOOLBUF_CURL_NO_RANGES = -2002,   /**< a server that supports ranges sent the whole resource */
    SPOOLBUF_CURL_BAD_RANGE = -2003,   /**< the range is not the requested one, or contradicts itself */
    SPOOLBUF_CURL_CUT = -2004,         /**< the response is truncated */
    SPOOLBUF_CURL_NO_SIZE = -2005,     /**< spoolbuf_curl_size(): the server declares no size */
    SPOOLBUF_CURL_BAD_ENCODING = -2006 /**< the bytes are encoded, or have other bytes among them */
};

/* Whether the server supports ranges: unknown, no, it claims to, it was seen to. */
enum { SPOOLBUF_CURL_RANGES_UNKNOWN = -1, SPOOLBUF_CURL_RANGES_NONE, SPOOLBUF_CURL_RANGES_CLAIMED,
       SPOOLBUF_CURL_RANGES_SEEN };

/* The verdict on a response; < 0 is an error. */
enum { SPOOLBUF_CURL_UNJUDGED, SPOOLBUF_CURL_WHOLE, SPOOLBUF_CURL_PART, SPOOLBUF_CURL_NOTHING };

/**
 * Finds a fresh URL of the same resource. Runs on the thread that calls the source, while no request is running, and
 * may block. A cancel does not interrupt it: the source returns SB_SOURCE_CANCELED after it, and
 * keeps the new URL. It must not read the buffer: a read that needs the source returns SB_ERR_REENTRANT. It may
 * set options of the handle that was given to spoolbuf_curl_source(), such as a fresh Authorization header, and
 * then return the same URL. It may replace this source by sb_reopen(), and then return NULL: blocked reads go on
 * with the other source, and the library compares bytes.
 *
 * @param opaque what spoolbuf_curl_renew() was given.
 * @param error  the error of the present URL, as in the table (-1403, say).
 * @return the URL, which is copied and remains yours; or NULL to give up: then `error` stands.
 */
typedef const char *(*spoolbuf_curl_renew_fn)(void *opaque, int64_t error);

/**
 * Tells whether the resource still grows. Runs on the thread that calls the source. It must not block and must not
 * read the buffer.
 *
 * @param opaque what spoolbuf_curl_follow() was given.
 * @return 1; 0, after which the server is asked once more; or a negative code, with which the source fails.
 */
typedef int (*spoolbuf_curl_grows_fn)(void *opaque);

typedef struct spoolbuf_curl {
    CURLM *multi;
    CURL *easy;
    volatile long canceled;
    int tries;
    /* The resource. */
    int64_t position, reach; /* the next offset to deliver; the end of the furthest delivered byte */
    int64_t size;         /* or -1 */
    uint64_t mark;        /* hash of its validators; 0: none */
    int ranges;           /* one of SPOOLBUF_CURL_RANGES_ */
    /* The current request, from `asked` on. */
    int running, finished, paused;
    CURLcode outcome;
    int64_t asked;
    int64_t before;       /* where to go on if the server sends everything: for a seek, the old position */
    /* Its response: hashes of its validators, its Content-Range, and facts from its other headers. */
    int64_t verdict;
    int http, weak, encoded, chunked, parts, has_range, claims_ranges;
    uint64_t etag, modified;
    int64_t start, last, total; /* of Content-Range, or -1 */
    int64_t skip;               /* bytes of the body that were already delivered */
    /* Fresh URLs. */
    spoolbuf_curl_renew_fn renew;
    void (*release)(void *opaque);
    void *renew_opaque;
    int renewed;   /* since the last byte */
    int unchecked; /* the sample has not been compared since */
    int checking;  /* the sample is being compared */
    int checked;   /* it has been compared since the last byte */
    int holding;   /* the bytes of this response are not delivered before it is compared again */
    /* Growth. */
    spoolbuf_curl_grows_fn grows;
    void *grows_opaque;
    int64_t sample_end;
    size_t sample_size;
    char sample[SPOOLBUF_CURL_SAMPLE]; /* the last bytes delivered */
    /* Bytes received and not yet delivered. */
    size_t from, to;
    char kept[4 * CURL_MAX_WRITE_SIZE];
    char held[CURL_MAX_WRITE_SIZE];
} spoolbuf_curl;

/* Whether this total size is a larger one than before, of a resource that is followed. */
static inline int spoolbuf_curl_grew(const spoolbuf_curl *self, int64_t size)
{
    return self->grows != NULL && size > (self->size >= 0 ? self->size : self->reach);
}

/* Whether the resource can have this total size; -1: unknown. */
static inline int spoolbuf_curl_fits(const spoolbuf_curl *self, int64_t size)
{
    return size < 0 || spoolbuf_curl_grew(self, size)
        || (self->size >= 0 ? size == self->size : size >= self->reach);
}

/* Has the sample requested again and compared before any other byte is delivered. Returns 0 if there is none. */
static inline int spoolbuf_curl_distrust(spoolbuf_curl *self)
{
    self->unchecked |= self->sample_size > 0;
    return self->unchecked;
}

/* Whether this response is about the same resource as the first one; stores its validators and size. */
static inline int spoolbuf_curl_same(spoolbuf_curl *self, int64_t size)
{
    uint64_t mark = self->etag;

    if (self->weak || mark == 0)
        mark = mark * 31 + self->modified;
    if (!spoolbuf_curl_fits(self, size))
        return 0;
    if (self->mark != 0 && mark != self->mark) {
        if (!spoolbuf_curl_grew(self, size))
            return 0;
        if (!self->checking && spoolbuf_curl_distrust(self)) {
            if (!self->checked)
                return 0;
            /* It grows faster than it is requested: these bytes wait for the next comparison. */
            self->holding = 1;
        }
    }
    self->mark = mark;
    if (size >= 0)
        self->size = size;
    return 1;
}

/* Whether the Content-Range of a response is possible, and agrees with the body's length; -1: unknown. */
static inline int spoolbuf_curl_range_is_sound(const spoolbuf_curl *self, int64_t length)
{
    if (self->start < 0 || self->last < self->start || self->parts)
        return 0;
    if (self->total >= 0 && self->last >= self->total)
        return 0;
    return length < 0 || length == self->last - self->start + 1;
}

/* The verdict on a response with the whole resource, whatever was requested. */
static inline int64_t spoolbuf_curl_judge_whole(spoolbuf_curl *self, int64_t length)
{
    /* One that claims to be a part is accepted only if that part is everything. */
    if (self->has_range && (!spoolbuf_curl_range_is_sound(self, length) || self->start != 0
                            || (self->total >= 0 && self->last + 1 != self->total)))
        return SPOOLBUF_CURL_BAD_RANGE;
    if (self->asked != 0 && self->ranges == SPOOLBUF_CURL_RANGES_SEEN)
        return SPOOLBUF_CURL_NO_RANGES;
    if (!spoolbuf_curl_same(self, length))
        return SPOOLBUF_CURL_CHANGED;
    /* Sending everything proves that there are no ranges only if the request was not from the start. */
    if (self->ranges != SPOOLBUF_CURL_RANGES_SEEN)
        self->ranges = self->asked == 0 && self->claims_ranges ? SPOOLBUF_CURL_RANGES_CLAIMED
                                                               : SPOOLBUF_CURL_RANGES_NONE;
    self->skip = self->asked == 0 ? 0 : self->before;
    return SPOOLBUF_CURL_WHOLE;
}

/* The verdict on a response, from its headers. */
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
        /* FTP has no headers, and sends from the requested offset. */
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
    if (code == 416) { /* Has no validators. If the resource is longer than this offset, it has changed. */
        if (self->total > self->asked || (self->total >= 0 && self->total < self->reach)
            || self->size > self->asked)
            return SPOOLBUF_CURL_CHANGED;
        if (self->total >= 0)
            self->size = self->total;
        return SPOOLBUF_CURL_NOTHING;
    }
    return -1000 - code;
}

/* A hash of a header's value, for comparison. FNV-1a. */
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

/* Whether one of a header's comma-separated words is `word`; with `other`, whether one is neither of them. */
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

/* Parses a number in a header and moves `*at` past it. -1 if there is none, or it is too large. */
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

/* Content-Range: `bytes 7-99/100`, `bytes 7-99/x` or `bytes x/100`, x a star. Repeated, it must be equal. */
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

/* A response begins. Others may have come before it: redirections, 100 Continue. */
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
        /* libcurl decodes only `chunked`. */
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
        if (code == 200 || code == 206) /* Before the body. Other statuses may precede these. */
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
        return length + 1; /* Reports an error, which ends the transfer. */
    if (self->verdict == SPOOLBUF_CURL_NOTHING)
        return length;
    if (self->from == self->to)
        self->from = self->to = 0;
    skipped = (uint64_t)self->skip < length ? (size_t)self->skip : length;
    count = length - skipped;
    if (count > sizeof self->kept - self->to) {
        self->paused = 1; /* libcurl passes all of it again later. */
        return CURL_WRITEFUNC_PAUSE;
    }
    if (self->verdict == SPOOLBUF_CURL_PART && self->last >= 0) {
        /* The kept bytes and these must lie in the range. */
        left = self->last + 1 - self->position - (int64_t)(self->to - self->from);
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
    self->running = self->finished = self->paused = self->holding = 0;
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

    snprintf(range, sizeof range, "%lld-", (long long)self->position);
    self->asked = self->position;
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

/* Lets libcurl do all it can without blocking. */
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

/* The result of a finished transfer whose bytes were read: 0 the end, 1 more to request, < 0 an error. */
static inline int64_t spoolbuf_curl_result(spoolbuf_curl *self)
{
    if (self->verdict == SPOOLBUF_CURL_UNJUDGED && self->outcome == CURLE_OK)
        self->verdict = spoolbuf_curl_judge(self);
    if (self->verdict < 0)
        return self->verdict;
    if (self->outcome != CURLE_OK)
        return -(int64_t)self->outcome;
    if (self->skip > 0) /* It ends before the bytes already delivered. */
        return SPOOLBUF_CURL_CHANGED;
    if (self->verdict == SPOOLBUF_CURL_NOTHING)
        return 0;
    if (self->size >= 0 ? self->position >= self->size : self->verdict == SPOOLBUF_CURL_WHOLE)
        return 0;
    return self->verdict == SPOOLBUF_CURL_PART && self->position > self->asked ? 1 : SPOOLBUF_CURL_CUT;
}

/* Whether a retry may succeed. */
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

/* Sets the URL. libcurl can't pause reading a file. */
static inline CURLcode spoolbuf_curl_set_url(CURL *easy, const char *url)
{
    if (curl_strnequal(url, "file:", 5))
        return CURLE_UNSUPPORTED_PROTOCOL;
    return curl_easy_setopt(easy, CURLOPT_URL, url);
}

/* After an error that another URL may avoid: asks for one. Returns 0, or the error if there is none. */
static inline int64_t spoolbuf_curl_renewal(spoolbuf_curl *self, int64_t error)
{
    const char *url = NULL;

    if (self->renew != NULL && !self->renewed)
        url = self->renew(self->renew_opaque, error);
    if (url != NULL)
        error = -(int64_t)spoolbuf_curl_set_url(self->easy, url);
    self->renewed = error == 0;
    if (self->renewed)
        spoolbuf_curl_distrust(self);
    /* Whatever the function returned: it may have given up because of the cancel. */
    return spoolbuf_curl_was_canceled(self) ? (int64_t)SB_SOURCE_CANCELED : error;
}

/* Waits. In steps, since a wake-up may be a stale one. Returns 0, or SB_SOURCE_CANCELED. */
static inline int64_t spoolbuf_curl_nap(spoolbuf_curl *self, int64_t left)
{
    for (; left > 0; left -= 50) {
        curl_multi_poll(self->multi, NULL, 0, left < 50 ? (int)left : 50, NULL);
        if (spoolbuf_curl_was_canceled(self))
            return SB_SOURCE_CANCELED;
    }
    return 0;
}

/* After an error: waits until it is time to retry, or renews the URL. Returns 0, or the error if both are
 * pointless. */
static inline int64_t spoolbuf_curl_pause(spoolbuf_curl *self, int64_t error)
{
    int64_t left = self->tries < 7 ? (int64_t)250 << self->tries : 30000;
    int passes = spoolbuf_curl_may_pass(self, error)
        && !(self->position > 0 && self->ranges == SPOOLBUF_CURL_RANGES_NONE);
    curl_off_t told = 0; /* Retry-After, in seconds */

    curl_easy_getinfo(self->easy, CURLINFO_RETRY_AFTER, &told);
    spoolbuf_curl_end(self);
    if (!passes || self->tries >= SPOOLBUF_CURL_RETRIES) {
        self->tries = 0;
        return passes || (error <= -1400 && error > -1500) ? spoolbuf_curl_renewal(self, error) : error;
    }
    self->tries++;
    if (told > left / 1000)
        left = told < 30 ? told * 1000 : 30000;
    return spoolbuf_curl_nap(self, left);
}

static inline int64_t spoolbuf_curl_check(spoolbuf_curl *self);
static inline int64_t spoolbuf_curl_check_held(spoolbuf_curl *self);

/* Waits for bytes at the position, or only for the headers of their response. Returns 1 if there are bytes,
 * 0 at the end, < 0 for an error. */
static inline int64_t spoolbuf_curl_wait(spoolbuf_curl *self, int headers_do)
{
    int64_t status;

    while (self->from == self->to) {
        if (self->unchecked && !self->holding) {
            status = spoolbuf_curl_check(self);
            if (status < 0)
                return status;
            continue;
        }
        if (self->size >= 0 && self->position >= self->size)
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
            /* Without a timeout: libcurl keeps its own timeouts, and a cancel wakes it. */
            curl_multi_poll(self->multi, NULL, 0, 3600 * 1000, NULL);
            continue;
        }
        status = spoolbuf_curl_result(self);
        if (status == 0)
            return 0;
        if (status > 0 || (status == SPOOLBUF_CURL_CHANGED && self->unchecked))
            status = 0;
        else
            status = spoolbuf_curl_pause(self, status);
        if (status < 0)
            return status;
        spoolbuf_curl_end(self);
    }
    return self->holding && self->from < self->to ? spoolbuf_curl_check_held(self) : 1;
}

/* Under a new URL, or of a resource that has grown: requests the sample again and compares it. Returns 0, or < 0
 * for an error. If the sample ends at the position, the same response goes on there. */
static inline int64_t spoolbuf_curl_check(spoolbuf_curl *self)
{
    int64_t position = self->position, before = self->before, status = 1;
    size_t done = 0, count;

    self->unchecked = 0;
    self->checking = 1;
    self->position = self->before = self->sample_end - (int64_t)self->sample_size;
    while (status > 0 && done < self->sample_size) {
        status = spoolbuf_curl_wait(self, 0);
        count = self->to - self->from;
        if (count > self->sample_size - done)
            count = self->sample_size - done;
        if (status == 0 || (status > 0 && memcmp(self->kept + self->from, self->sample + done, count) != 0)) {
            status = SPOOLBUF_CURL_CHANGED;
        } else if (status > 0) {
            self->from += count;
            self->position += (int64_t)count;
            done += count;
        }
    }
    if (status < 0 || self->position != position || before != position)
        spoolbuf_curl_end(self);
    self->unchecked = status < 0;
    self->checked = status >= 0;
    self->checking = 0;
    self->position = position;
    self->before = before;
    return status < 0 ? status : 0;
}

/* Of a resource that has grown between two requests: compares the sample after the first bytes of the second one
 * arrived. They are of the same resource if both it and what came later are. Returns 1, or < 0 for an error. */
static inline int64_t spoolbuf_curl_check_held(spoolbuf_curl *self)
{
    int64_t status;
    size_t count = self->to - self->from;

    if (count > sizeof self->held)
        count = sizeof self->held;
    memcpy(self->held, self->kept + self->from, count);
    spoolbuf_curl_end(self);
    status = spoolbuf_curl_check(self);
    if (status < 0)
        return status;
    spoolbuf_curl_end(self);
    memcpy(self->kept, self->held, count);
    self->to = count;
    return 1;
}

/* Adds bytes that are delivered at the position to the sample. */
static inline void spoolbuf_curl_sample(spoolbuf_curl *self, const char *bytes, size_t count)
{
    size_t used = self->sample_end == self->position ? self->sample_size : 0, left;

    self->sample_end = self->position + (int64_t)count;
    if (count > sizeof self->sample) {
        bytes += count - sizeof self->sample;
        count = sizeof self->sample;
    }
    left = sizeof self->sample - count;
    if (used > left) {
        memmove(self->sample, self->sample + used - left, left);
        used = left;
    }
    memcpy(self->sample + used, bytes, count);
    self->sample_size = used + count;
}

/* As spoolbuf_curl_wait(), and at the end of a resource that grows, waits for more. */
static inline int64_t spoolbuf_curl_follow_on(spoolbuf_curl *self)
{
    int64_t status;
    int grows = 1;

    for (;;) {
        status = spoolbuf_curl_wait(self, 0);
        if (status != 0 || self->grows == NULL || grows == 0)
            return status;
        grows = self->grows(self->grows_opaque);
        if (grows < 0)
            return grows;
        if (self->ranges == SPOOLBUF_CURL_RANGES_NONE)
            return grows == 0 ? 0 : (int64_t)SPOOLBUF_CURL_NO_RANGES;
        status = grows == 0 ? 0 : spoolbuf_curl_nap(self, SPOOLBUF_CURL_POLL);
        if (status < 0)
            return status;
        self->tries = self->renewed = 0;
        spoolbuf_curl_end(self);
        if (!spoolbuf_curl_distrust(self))
            self->size = -1; /* Nothing can be compared: a request at the position tells. */
    }
}

static inline int64_t spoolbuf_curl_read(void *opaque, void *out, size_t capacity)
{
    spoolbuf_curl *self = (spoolbuf_curl *)opaque;
    int64_t status;
    size_t count;

    self->before = self->position;
    status = spoolbuf_curl_follow_on(self);
    count = self->to - self->from;
    if (status <= 0)
        return status;
    if (count > capacity)
        count = capacity;
    memcpy(out, self->kept + self->from, count);
    if (self->renew != NULL || self->grows != NULL)
        spoolbuf_curl_sample(self, self->kept + self->from, count);
    self->from += count;
    self->position += (int64_t)count;
    if (self->reach < self->position)
        self->reach = self->position;
    self->tries = self->renewed = self->checked = 0;
    /* A cancel that came meanwhile counts as obeyed: the read returns bytes. */
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
    self->before = self->position;
    /* Past the largest offset: the server reports that there are no bytes. */
    self->position = offset > INT64_MAX ? INT64_MAX : (int64_t)offset;
    self->tries = self->renewed = 0;
    status = spoolbuf_curl_wait(self, 1);
    if (status >= 0 && (self->verdict != SPOOLBUF_CURL_WHOLE || self->asked == 0 || !self->running
                        || self->ranges != SPOOLBUF_CURL_RANGES_NONE))
        return 0;
    self->position = self->before;
    if (status >= 0) /* The server sends the whole resource: keep reading that. */
        return SB_SOURCE_UNSUPPORTED;
    /* The next read requests the bytes at the old position again. */
    spoolbuf_curl_end(self);
    return status;
}

/* The size that a response has stated, or -1. That of a resource that grows is no size. */
static inline int64_t spoolbuf_curl_known(void *opaque)
{
    spoolbuf_curl *self = (spoolbuf_curl *)opaque;

    return self->grows != NULL ? -1 : self->size;
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
    if (self->release != NULL)
        self->release(self->renew_opaque);
    free(self);
}

#ifdef SOCK_CLOEXEC
/* A socket that is closed across exec(); libcurl's own sockets are inherited. */
static inline curl_socket_t spoolbuf_curl_socket(void *opaque, curlsocktype purpose,
                                                 struct curl_sockaddr *address)
{
    (void)opaque;
    (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}
#endif

/**
 * Creates a source from a URL. Sends no request yet.
 *
 * @param source [out] the source, which its `close` frees.
 * @param url    the URL, which is copied.
 * @param easy   a handle with your own options (headers, passwords, proxies, timeouts, redirections), or
 *               NULL. The source takes ownership of it. Without one, redirections are followed.
 * @return 0; or -CURLcode, after which `easy` is still yours.
 */
static inline int spoolbuf_curl_source(sb_callback *source, const char *url, CURL *easy)
{
    spoolbuf_curl *self = (spoolbuf_curl *)calloc(1, sizeof *self);
    sb_callback made = { spoolbuf_curl_read, self, spoolbuf_curl_seek, spoolbuf_curl_cancel,
                         spoolbuf_curl_close, NULL, SB_SOURCE_INTERRUPTIBLE, 0, spoolbuf_curl_known,
                         { NULL } };
    CURLcode status = CURLE_OUT_OF_MEMORY;

    if (self == NULL)
        return -CURLE_OUT_OF_MEMORY;
    self->size = -1;
    self->ranges = SPOOLBUF_CURL_RANGES_UNKNOWN;
    self->multi = curl_multi_init();
    self->easy = easy != NULL ? easy : curl_easy_init();
    if (self->multi != NULL && self->easy != NULL)
        status = spoolbuf_curl_set_url(self->easy, url);
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
    /* A range of an encoded body is not a range of the resource. */
    curl_easy_setopt(self->easy, CURLOPT_ACCEPT_ENCODING, "identity");
    curl_easy_setopt(self->easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    /* Statuses are judged here: a 416 may be the end. */
    curl_easy_setopt(self->easy, CURLOPT_FAILONERROR, 0L);
    /* Only the bytes of the body, as the server stores them. */
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

/**
 * Sets the function that is called for a fresh URL when the present one has expired. Call this before the
 * source is given to a buffer, and before spoolbuf_curl_declare(). The options of the handle apply to the new
 * URL too, passwords included.
 *
 * @param source  the source, made by spoolbuf_curl_source().
 * @param renew   the function.
 * @param opaque  passed to `renew` and `release`; must be usable from any thread.
 * @param release called with `opaque` exactly once, at the source's `close`, which may be after sb_free() has
 *                returned. Or NULL.
 */
static inline void spoolbuf_curl_renew(sb_callback *source, spoolbuf_curl_renew_fn renew, void *opaque,
                                       void (*release)(void *opaque))
{
    spoolbuf_curl *self = (spoolbuf_curl *)source->opaque;

    self->renew = renew;
    self->renew_opaque = opaque;
    self->release = release;
}

/**
 * Has the source follow a resource that grows, until `grows` returns 0: a file that is still being written.
 * Call this before the source is given to a buffer, and before spoolbuf_curl_size().
 *
 * @param source the source, made by spoolbuf_curl_source().
 * @param grows  the function.
 * @param opaque passed to `grows`; must be valid until the source's `close`.
 */
static inline void spoolbuf_curl_follow(sb_callback *source, spoolbuf_curl_grows_fn grows, void *opaque)
{
    spoolbuf_curl *self = (spoolbuf_curl *)source->opaque;

    self->grows = grows;
    self->grows_opaque = opaque;
}

/**
 * Connects, and finds the size that the server declares. Call it before the source is given to a buffer: the
 * buffer's first read continues the same response.
 *
 * @param source the source, made by spoolbuf_curl_source().
 * @return the size; SPOOLBUF_CURL_NO_SIZE if the server declares none or the resource grows; or the error, as
 *         in the table.
 */
static inline int64_t spoolbuf_curl_size(sb_callback *source)
{
    spoolbuf_curl *self = (spoolbuf_curl *)source->opaque;
    int64_t status = spoolbuf_curl_wait(self, 1);

    if (status < 0)
        return status;
    if (self->grows != NULL)
        return SPOOLBUF_CURL_NO_SIZE;
    return self->size >= 0 ? self->size : status == 0 ? 0 : (int64_t)SPOOLBUF_CURL_NO_SIZE;
}

/**
 * As spoolbuf_curl_size(), and declares that size in the buffer's options. It also sets `on_short`: an end
 * before that size is SB_ERR_SHORT, since the server declared it. And if the server states a size, it sets
 * SB_SIZE_TRUSTED: players may be told that size, since an end elsewhere is an error. Otherwise a `size` of
 * the caller's stays as it is, a hint. If there is none either, SB_SIZE_TRUSTED is set for the size that a
 * later response states.
 *
 * @param source  the source, made by spoolbuf_curl_source().
 * @param options the options for the buffer, which sb_options_init() has set.
 * @return as spoolbuf_curl_size().
 */
static inline int64_t spoolbuf_curl_declare(sb_callback *source, sb_options *options)
{
    int64_t size = spoolbuf_curl_size(source);

    options->on_short = SB_SHORT_ERROR;
    if (size >= 0 || options->size == SB_SIZE_UNKNOWN)
        options->flags |= SB_SIZE_TRUSTED;
    if (size >= 0)
        options->size = (uint64_t)size;
    return size;
}

#ifdef __cplusplus
}
#endif

#endif
