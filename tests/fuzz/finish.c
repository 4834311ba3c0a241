/* The end of a case: everything is checked once more while nothing runs, then the buffer is freed. */
#include "fuzz.h"

#include <unistd.h>

/* From here on the source behaves. */
static void calm_down(void)
{
    lock();
    the.honest = true;
    the.marks = 0;
    unlock();
    change_prefetch(0);
    clear(true);
    EVENTUALLY(atomic_load(&the.occupied) == 0, "the source does not come back");
    /* A callback that was still running may have canceled. */
    clear(true);
    lock();
    disk_settles(true);
    unlock();
}

/* Reads every byte that can be read, gap by gap. */
static void drain(void)
{
    uint64_t at = 0, size = the.plan.size;
    for (unsigned turns = 0; turns < 10000; turns++) {
        int64_t count = read_at(at, LARGEST, me->bytes);
        if (count == 0)
            break;
        if (count > 0) {
            at += (uint64_t)count;
            continue;
        }
        /* Bytes that can never arrive, or that fail again, are skipped. */
        lock();
        uint64_t next = spans_next(&the.held, at);
        if (count == SB_ERR_UNSUPPORTED && the.position > at && the.position < next)
            next = the.position;
        unlock();
        if (next == NONE || next <= at || at > size)
            break;
        at = next;
    }
}

static void expect_whole(void)
{
    lock();
    uint64_t final = the.final;
    bool complete = final != NONE && spans_total(&the.held) == final;
    unlock();
    save_whole();
    if (!complete)
        return;
    EXPECT(me->saved == final || me->saved == NONE, "a whole resource was not saved");
    if (the.plan.has_close)
        EVENTUALLY(the.closes == 1, "the source is not closed though every byte is held");
    EXPECT(sb_cancel(the.buffer) == SB_OK, "no cancel");
    for (uint64_t off = 0; off < final; off += LARGEST)
        read_at(off, LARGEST, me->bytes);
    /* Nothing is left that a cancel could stop. */
    EXPECT(read_at(final, 10, me->bytes) == 0, "no end after a cancel");
}

static void expect_freed(void)
{
    unsigned char byte;
    sb_stats stats;
    sb_buffer *freed = the.buffer;
    EXPECT(sb_read(freed, 0, 1, &byte) == SB_ERR_INVALID, "a freed handle is read");
    EXPECT(sb_size(freed) == SB_ERR_INVALID, "a freed handle has a size");
    EXPECT(sb_stat(freed, &stats, sizeof stats) == SB_ERR_INVALID, "a freed handle has stats");
    EXPECT(sb_cancel(freed) == SB_ERR_INVALID, "a freed handle is canceled");
    EXPECT(sb_ranges(freed, NULL, 0) == SB_ERR_INVALID, "a freed handle has ranges");
    EXPECT(!sb_reader_new(freed), "a freed handle has readers");
    for (unsigned at = 0; at < READERS; at++)
        if (the.readers[at])
            EXPECT(sb_reader_read(the.readers[at], 1, &byte) == SB_ERR_INVALID, "a reader outlives it");
    sb_free(freed);
}

/* A case must release its memory. A sanitizer keeps some for itself. */
static void expect_little_memory(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    EXPECT(file && fscanf(file, "%*u %lu", &pages) == 1, "no statm");
    fclose(file);
    EXPECT(pages * (unsigned long)sysconf(_SC_PAGESIZE) < 120000000, "%lu pages are taken", pages);
#endif
}

static bool is_freed(void)
{
    lock();
    bool freed = the.frees > 0;
    unlock();
    return freed;
}

static void finish_source(void)
{
    check_quiet();
    if (!the.plan.giant) {
        drain();
        check_quiet();
        expect_whole();
    }
}

void finish(void)
{
    change_disk(&me->random, false);
    bool freed = is_freed();
    if (!freed) {
        calm_down();
        /* A callback that was still running may have freed it. */
        freed = is_freed();
    }
    if (!freed) {
        if (the.plan.is_pushed)
            finish_pushed();
        else if (the.plan.is_reopened)
            finish_reopened();
        else
            finish_source();
        free_buffer();
    }
    expect_called("sb_free");
    free_watches();
    lock();
    if (!the.plan.has_close && alone())
        the.over = true;
    unlock();
    expect_freed();
    free_readers();
    if (the.plan.is_reopened)
        expect_closed();
    else if (the.plan.has_close && !the.plan.is_pushed)
        EVENTUALLY(the.closes == 1, "the source is not closed");
    if (the.helper_asked)
        EVENTUALLY(entries("/proc/self/task") <= threads_at_first, "a thread is left");
    lock();
    the.over = true;
    EXPECT(atomic_load(&the.occupied) == 0, "the source runs on");
    unlock();
    for (size_t at = 0; at < WORKERS; at++)
        if (the.workers[at].saved != NONE)
            unlink(the.workers[at].path);
    EXPECT(entries(scratch_folder) == 0, "a file is left");
    expect_little_memory();
}
