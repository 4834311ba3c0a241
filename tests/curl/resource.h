/*
 * The resource of the servers in tests/full/it/curl/resource.rs, as the programs of this folder see it:
 * checks of its bytes and errors, and the arguments of a program.
 */
#ifndef RESOURCE_H
#define RESOURCE_H

#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <time.h>

#include "spoolbuf_curl.h"

enum { SIZE = 2000000 };

static unsigned char bytes[SIZE + 1]; /* what was read last */
static int64_t given[4];              /* the numbers after the URL */

static inline unsigned char byte_at(uint64_t offset)
{
    return (unsigned char)((offset + 1) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

/* Whether these are the bytes of the resource from an offset on. */
static inline int is(const unsigned char *found, uint64_t from, int64_t count)
{
    int64_t at;

    for (at = 0; at < count; at++)
        if (found[at] != byte_at(from + (uint64_t)at))
            return 0;
    return 1;
}

static inline int64_t source_error(sb_buffer *buffer)
{
    sb_stats stats;

    sb_stat(buffer, &stats, sizeof stats);
    return stats.source_error;
}

static inline void is_whole(sb_buffer *buffer)
{
    assert(sb_read(buffer, 0, SIZE + 1, bytes) == SIZE && is(bytes, 0, SIZE));
}

/* The bytes before an offset are there, and no others. */
static inline void is_part(sb_buffer *buffer, int64_t offset)
{
    assert(sb_buffered(buffer, 0) == offset);
    assert(sb_read(buffer, 0, (size_t)offset, bytes) == offset && is(bytes, 0, offset));
}

/* The source fails at an offset, and delivers the bytes before it. */
static inline void fails_at(sb_buffer *buffer, int64_t offset, int64_t error)
{
    assert(sb_read(buffer, 0, SIZE + 1, bytes) == (offset > 0 ? offset : SB_ERR_SOURCE));
    assert(sb_read(buffer, (uint64_t)offset, 1, bytes) == SB_ERR_SOURCE);
    assert(source_error(buffer) == error);
}

/* Waits until another thread has counted that far. */
static inline void await(int *counter, int value)
{
    struct timespec time = { 0, 1000000 };

    while (__atomic_load_n(counter, __ATOMIC_SEQ_CST) < value)
        nanosleep(&time, NULL);
}

/* Takes the arguments WHAT URL NUMBER..., and returns the first one. */
static inline const char *begin(int argc, char **argv)
{
    int at;

    for (at = 3; at < argc && at < 7; at++)
        given[at - 3] = strtoll(argv[at], NULL, 10);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    return argc > 2 ? argv[1] : "";
}

#endif
