/*
 * What the programs in this folder share: checks that name their line, a source whose every byte is
 * a function of its offset, threads that read, and a log of what happened in which order.
 *
 * Included first, since it asks for more than C99's own functions.
 */
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "spoolbuf.h"

/* Ends the program with the line's number unless `what` holds. */
#define CHECK(what) \
    do { \
        if (!(what)) \
            check_failed(__FILE__, __LINE__, #what); \
    } while (0)

/* The same for two integers, which it prints. */
#define CHECK_EQ(left, right) \
    check_equal(__FILE__, __LINE__, #left " == " #right, (int64_t)(left), (int64_t)(right))

/* Checks that `bytes` are the `count` bytes of the resource at `offset`. */
#define CHECK_BYTES(bytes, offset, count) \
    check_bytes(__FILE__, __LINE__, (bytes), (offset), (count))

/* Far more milliseconds than anything takes on a busy machine. */
enum { PATIENCE = 300000 };

/* Waits until a condition holds that another thread brings about. Fails if that takes too long. */
#define WAIT_UNTIL(what) \
    do { \
        int64_t check_deadline = now_ms() + PATIENCE; \
        while (!(what)) { \
            if (now_ms() > check_deadline) \
                check_failed(__FILE__, __LINE__, "in time: " #what); \
            pause_ms(1); \
        } \
    } while (0)

/* Reports that something could not be tested here. */
#define SKIP(what, why) fprintf(stderr, "SKIPPED: %s (%s)\n", what, why)

/* Reports that this build of the library does not promise what the test is about. */
#define LEAVE_OUT(what, why) fprintf(stderr, "LEFT OUT: %s (%s)\n", what, why)

/* Whether the library uses parking_lot's locks, as its builder reports. */
static inline int parking_lot(void)
{
    const char *locks = getenv("SPOOLBUF_LOCKS");
    return locks != NULL && strcmp(locks, "parking_lot") == 0;
}

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* What is being checked, where many things are checked by the same lines. */
static const char *check_context = "";

static inline void check_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: FAILED: %s%s%s\n", file, line, check_context, *check_context ? ": " : "",
            what);
    fflush(NULL);
    _exit(1);
}

static inline void check_equal(const char *file, int line, const char *what, int64_t left,
                               int64_t right)
{
    if (left != right) {
        fprintf(stderr, "%s:%d: %" PRId64 " is not %" PRId64 "\n", file, line, left, right);
        check_failed(file, line, what);
    }
}

/* ---- time ------------------------------------------------------------------------------------ */

static inline int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void pause_ms(int ms)
{
    struct timespec time = { ms / 1000, (long)(ms % 1000) * 1000000 };
    nanosleep(&time, NULL);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

/* The resource's byte at an offset. It differs from each neighbor, and from the bytes a power of two
 * away. */
static inline unsigned char byte_at(uint64_t offset)
{
    return (unsigned char)((offset + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

static inline void check_bytes(const char *file, int line, const void *bytes, uint64_t offset,
                               uint64_t count)
{
    const unsigned char *at = bytes;
    uint64_t index;
    for (index = 0; index < count; index++) {
        if (at[index] != byte_at(offset + index)) {
            fprintf(stderr, "%s:%d: byte %" PRIu64 " of the resource is 0x%02x, not 0x%02x\n", file,
                    line, offset + index, at[index], byte_at(offset + index));
            check_failed(file, line, "the bytes at an offset are those of the resource");
        }
    }
}

/* A pseudo-random number. The sequence is the same in each run. */
static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* ---- the order of events --------------------------------------------------------------------- */

static pthread_mutex_t events_lock = PTHREAD_MUTEX_INITIALIZER;
static const char *events[64];
static size_t events_count;

/* Records an event. */
static inline void note(const char *event)
{
    pthread_mutex_lock(&events_lock);
    CHECK(events_count < COUNT_OF(events));
    events[events_count++] = event;
    pthread_mutex_unlock(&events_lock);
}

/* The position of an event in the record, from 1; 0 if it has not happened. */
static inline size_t noted(const char *event)
{
    size_t index, found = 0;
    pthread_mutex_lock(&events_lock);
    for (index = 0; index < events_count && found == 0; index++)
        if (strcmp(events[index], event) == 0)
            found = index + 1;
    pthread_mutex_unlock(&events_lock);
    return found;
}

/* Checks that both events happened, in this order. */
#define CHECK_ORDER(first, second) \
    CHECK(noted(first) != 0 && noted(second) != 0 && noted(first) < noted(second))

/* ---- the source ------------------------------------------------------------------------------ */

#define NEVER UINT64_MAX

/* A forward-only source. It checks itself that it is called as promised. */
typedef struct stream {
    uint64_t size;     /* the size in bytes */
    uint64_t chunk;    /* the most bytes per call; 0: as many as requested */
    uint64_t fail_at;  /* the offset at which it fails with `code`, every time */
    int64_t code;
    uint64_t stall_at; /* the offset at which it blocks, until it is released or canceled */
    int obeys_cancel;  /* a cancel ends the block, with SB_SOURCE_CANCELED */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t at;
    int inside;   /* calls inside `read`: at most one */
    int stalled;  /* one of them is blocked */
    int canceled; /* a cancel has not been obeyed yet */
    int ended;
    int reads;
    int cancels;
    int closes;
} stream;

static inline void stream_init(stream *self, uint64_t size, uint64_t chunk)
{
    memset(self, 0, sizeof *self);
    self->size = size;
    self->chunk = chunk;
    self->fail_at = NEVER;
    self->stall_at = NEVER;
    self->obeys_cancel = 1;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
}

static inline int64_t stream_read(void *opaque, void *out, size_t capacity)
{
    stream *self = opaque;
    unsigned char *bytes = out;
    int64_t result;
    uint64_t count = capacity, index;

    pthread_mutex_lock(&self->lock);
    CHECK(capacity > 0);
    CHECK(self->inside == 0);
    CHECK(self->closes == 0);
    CHECK(!self->ended);
    self->inside++;
    self->reads++;
    if (self->chunk != 0 && count > self->chunk)
        count = self->chunk;
    /* A seek may lead past the end. */
    if (count > self->size - self->at || self->at > self->size)
        count = self->at < self->size ? self->size - self->at : 0;
    if (self->at < self->stall_at && count > self->stall_at - self->at)
        count = self->stall_at - self->at;
    if (self->at < self->fail_at && count > self->fail_at - self->at)
        count = self->fail_at - self->at;
    while (self->at == self->stall_at && !(self->canceled && self->obeys_cancel)) {
        self->stalled = 1;
        pthread_cond_broadcast(&self->changed);
        pthread_cond_wait(&self->changed, &self->lock);
    }
    self->stalled = 0;
    if (self->at == self->stall_at) {
        self->canceled = 0;
        result = SB_SOURCE_CANCELED;
    } else if (self->at == self->fail_at) {
        result = self->code;
    } else {
        for (index = 0; index < count; index++)
            bytes[index] = byte_at(self->at + index);
        self->at += count;
        self->ended = count == 0;
        result = (int64_t)count;
    }
    self->inside--;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    return result;
}

static inline void stream_cancel(void *opaque)
{
    stream *self = opaque;
    /* This would hang if the library held a lock that the source needs. */
    pthread_mutex_lock(&self->lock);
    self->cancels++;
    self->canceled = 1;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static inline void stream_close(void *opaque)
{
    stream *self = opaque;
    pthread_mutex_lock(&self->lock);
    CHECK(self->inside == 0);
    self->closes++;
    CHECK(self->closes == 1);
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

/* Waits until a call is blocked inside the source. */
static inline void stream_await_stall(stream *self)
{
    pthread_mutex_lock(&self->lock);
    while (!self->stalled)
        pthread_cond_wait(&self->changed, &self->lock);
    pthread_mutex_unlock(&self->lock);
}

/* Releases the blocked call and later ones; the next block is at `next`. */
static inline void stream_release(stream *self, uint64_t next)
{
    pthread_mutex_lock(&self->lock);
    self->stall_at = next;
    self->canceled = 0;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static inline int stream_get(stream *self, const int *member)
{
    int value;
    pthread_mutex_lock(&self->lock);
    value = *member;
    pthread_mutex_unlock(&self->lock);
    return value;
}

/* A stream's callbacks, all except `seek`. */
static inline sb_callback stream_callback(stream *self)
{
    sb_callback callback = { .read = stream_read, .cancel = stream_cancel, .close = stream_close };
    callback.opaque = self;
    return callback;
}

/* A buffer over a stream. */
static inline sb_buffer *stream_open(stream *self, uint64_t declared, uint64_t max)
{
    sb_callback callback = stream_callback(self);
    sb_buffer *buffer = sb_new(&callback, declared, max);
    CHECK(buffer != NULL);
    return buffer;
}

/* ---- threads that read ----------------------------------------------------------------------- */

typedef struct call {
    sb_buffer *buffer;
    sb_reader *reader; /* if not NULL: reads from it */
    uint64_t offset;
    size_t length;
    int64_t limit;     /* the timeout of sb_read_some(); NO_SOME: sb_read() */
    const char *event; /* the event recorded when it returns */

    pthread_t thread;
    unsigned char *bytes;
    int64_t result;
} call;

#define NO_SOME INT64_MIN

static inline void *call_run(void *opaque)
{
    call *self = opaque;
    self->bytes = malloc(self->length + 1);
    CHECK(self->bytes != NULL);
    if (self->reader != NULL)
        self->result = sb_reader_read(self->reader, self->length, self->bytes);
    else if (self->limit == NO_SOME)
        self->result = sb_read(self->buffer, self->offset, self->length, self->bytes);
    else
        self->result = sb_read_some(self->buffer, self->offset, self->length, self->bytes,
                                    self->limit);
    if (self->event != NULL)
        note(self->event);
    return NULL;
}

/* With a small stack, so that hundreds fit into a limited address space. */
static inline void call_thread(call *self)
{
    pthread_attr_t attributes;

    CHECK_EQ(pthread_attr_init(&attributes), 0);
    CHECK_EQ(pthread_attr_setstacksize(&attributes, 256 * 1024), 0);
    CHECK_EQ(pthread_create(&self->thread, &attributes, call_run, self), 0);
    pthread_attr_destroy(&attributes);
}

static inline void call_start(call *self, sb_buffer *buffer, uint64_t offset, size_t length,
                              const char *event)
{
    memset(self, 0, sizeof *self);
    self->buffer = buffer;
    self->offset = offset;
    self->length = length;
    self->limit = NO_SOME;
    self->event = event;
    call_thread(self);
}

static inline void call_start_some(call *self, sb_buffer *buffer, uint64_t offset, size_t length,
                                   int64_t limit, const char *event)
{
    memset(self, 0, sizeof *self);
    self->buffer = buffer;
    self->offset = offset;
    self->length = length;
    self->limit = limit;
    self->event = event;
    call_thread(self);
}

static inline void call_start_reader(call *self, sb_reader *reader, size_t length,
                                     const char *event)
{
    memset(self, 0, sizeof *self);
    self->reader = reader;
    self->length = length;
    self->event = event;
    call_thread(self);
}

/* Joins the thread and returns its call's result. Checks the bytes, unless a reader read them. */
static inline int64_t call_finish(call *self)
{
    CHECK_EQ(pthread_join(self->thread, NULL), 0);
    if (self->result > 0 && self->reader == NULL)
        CHECK_BYTES(self->bytes, self->offset, (uint64_t)self->result);
    free(self->bytes);
    return self->result;
}

/* ---- the process ----------------------------------------------------------------------------- */

static inline sb_stats stats_of(sb_buffer *buffer)
{
    sb_stats stats;
    CHECK_EQ(sb_stat(buffer, &stats, sizeof stats), SB_OK);
    return stats;
}

/* Frees a buffer over a stream that must outlive it. If the helper is inside the source, it calls `close`
 * a little later than sb_free() returns. */
static inline void free_and_await_close(sb_buffer *buffer, stream *self)
{
    sb_free(buffer);
    WAIT_UNTIL(stream_get(self, &self->closes) == 1);
}

/* The options of a save to a path or, if that is NULL, to a descriptor. */
static inline sb_save_options save_options(const char *path, int fd, uint32_t flags)
{
    sb_save_options options;
    CHECK_EQ(sb_save_options_init(&options, sizeof options), SB_OK);
    options.path = path;
    options.fd = fd;
    options.flags = flags;
    return options;
}

/* sb_save_with() with the options that most saves here need. */
static inline int64_t save_with(sb_buffer *buffer, const char *path, int fd, uint32_t flags,
                                sb_progress_fn progress, void *opaque)
{
    sb_save_options options = save_options(path, fd, flags);
    options.progress = progress;
    options.opaque = opaque;
    return sb_save_with(buffer, &options);
}

/* The number of entries of a directory such as /proc/self/task or /proc/self/fd. */
static inline int entries_in(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    int count = 0;
    CHECK(folder != NULL);
    while ((entry = readdir(folder)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

/* Whether the program runs under ThreadSanitizer, which has a thread of its own. */
#ifdef __SANITIZE_THREAD__
#define RACES_SOUGHT 1
#else
#define RACES_SOUGHT 0
#endif

static inline int threads(void)
{
    int count = entries_in("/proc/self/task");
    /* So has an emulator, which .ci/machines names. */
    const char *runner = getenv("SPOOLBUF_RUNNER");
    if (runner != NULL && *runner != 0)
        return count - 1;
    return count > 1 ? count - RACES_SOUGHT : count;
}

/* The number of open descriptors, including the one that this function opens. */
static inline int descriptors(void)
{
    return entries_in("/proc/self/fd");
}

#endif
