/*
 * A slow line: a file that arrives at a pace, through a buffer or through a plain pipe, and is counted.
 *
 *     PROGRAM file how rate declared [sound]
 *
 * `how`: `bare`, a pipe without this library; `file`, a file on slow.c's disk without it; `pipe`, a buffer over a
 * source that cannot seek; `seek`, over one that can. `rate`: bytes a second, 0 for no limit. `declared`: the
 * declared size, or `unknown`. Without `sound` the program ends at the first frame; with it, it plays everything,
 * as fast as it can: into that file, or it says the sum.
 */
#ifndef LINE_H
#define LINE_H

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "spoolbuf.h"

#define CHECK(what) \
    do { \
        if (!(what)) { \
            fprintf(stderr, "%s:%d: FAILED: %s\n", __FILE__, __LINE__, #what); \
            exit(1); \
        } \
    } while (0)

typedef struct line {
    int fd, out;
    uint64_t size, at, rate;
    volatile uint64_t fetched, seeks;
    double began;
    sb_buffer *buffer;
    int pipe;         /* the bare library's */
    const char *file; /* the bare library's, if it may seek */
    const char *sound;
} line;

static inline double line_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline void line_pace(line *self, size_t count)
{
    struct timespec nap = { 0, 500000 };

    self->fetched += count;
    if (self->began == 0)
        self->began = line_now();
    while (self->rate > 0 && line_now() < self->began + (double)self->fetched / (double)self->rate)
        nanosleep(&nap, NULL);
}

static inline int64_t line_read(void *opaque, void *out, size_t capacity)
{
    line *self = opaque;
    ssize_t count = pread(self->fd, out, capacity, (off_t)self->at);

    CHECK(count >= 0);
    self->at += (uint64_t)count;
    line_pace(self, (size_t)count);
    return count;
}

static inline int64_t line_seek(void *opaque, uint64_t offset)
{
    line *self = opaque;

    self->at = offset;
    self->seeks++;
    return 0;
}

/* The bare library's pipe. */
static inline void *line_feed(void *opaque)
{
    line *self = opaque;
    char bytes[16384];
    ssize_t count;

    while ((count = read(self->fd, bytes, sizeof bytes)) > 0) {
        line_pace(self, (size_t)count);
        if (write(self->out, bytes, (size_t)count) != count)
            break;
    }
    close(self->out);
    return NULL;
}

static inline void line_open(line *self, int argc, char **argv)
{
    sb_callback source = { .read = line_read, .opaque = self };
    sb_options options;
    struct stat facts;
    pthread_t thread;
    int ends[2];

    CHECK(argc >= 5);
    memset(self, 0, sizeof *self);
    self->fd = open(argv[1], O_RDONLY | O_CLOEXEC);
    CHECK(self->fd >= 0 && fstat(self->fd, &facts) == 0);
    self->size = (uint64_t)facts.st_size;
    self->rate = strtoull(argv[3], NULL, 10);
    self->sound = argc > 5 ? argv[5] : NULL;
    signal(SIGPIPE, SIG_IGN);
    self->pipe = -1;
    if (strcmp(argv[2], "file") == 0) {
        self->file = argv[1];
        CHECK(setxattr(self->file, "user.rate", argv[3], strlen(argv[3]), 0) == 0);
        return;
    }
    if (strcmp(argv[2], "bare") == 0) {
        CHECK(pipe(ends) == 0);
        self->out = ends[1];
        self->pipe = ends[0];
        CHECK(pthread_create(&thread, NULL, line_feed, self) == 0);
        return;
    }
    if (strcmp(argv[2], "seek") == 0)
        source.seek = line_seek;
    sb_options_init(&options, sizeof options);
    if (strcmp(argv[4], "unknown") != 0)
        options.size = strtoull(argv[4], NULL, 10);
    CHECK(sb_new_with(&source, &options, &self->buffer) == SB_OK);
}

/* Adler-32 of what was heard. */
static inline uint32_t line_sum(uint32_t sum, const void *bytes, size_t count)
{
    const unsigned char *next = (const unsigned char *)bytes;
    uint32_t low = sum & 0xffff, high = sum >> 16;

    for (; count > 0; count--) {
        low = (low + *next++) % 65521;
        high = (high + low) % 65521;
    }
    return high << 16 | low;
}

/* Says what the first frame has cost, since `start`. */
static inline void line_first(line *self, double start)
{
    char fetched[24] = "";

    if (self->file != NULL && getxattr(self->file, "user.fetched", fetched, sizeof fetched - 1) > 0)
        self->fetched = strtoull(fetched, NULL, 10);
    printf("first_ms %.0f\nfetched %" PRIu64 "\nseeks %" PRIu64 "\n", 1e3 * (line_now() - start),
           self->fetched, self->seeks);
}

/* Ends the program, whatever the library is doing. */
static inline void line_end(int status)
{
    fflush(stdout);
    _exit(status);
}

#endif
