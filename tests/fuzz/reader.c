/* Readers: each in a slot of a table that all threads use, one call at a time. */
#include "fuzz.h"

static void make(unsigned at)
{
    call self = { .name = "sb_reader_new", .off = NONE, .limit = -1, .reader = -1 };
    lock();
    rng random = rng_of(the.plan.seed, 800000 + (uint64_t)the.readers_made);
    unlock();
    sb_reader_options options;
    sb_reader_options_init(&options, sizeof options);
    if (chance(&random, 200))
        options.flags = SB_READER_BUFFERED;
    if (chance(&random, 200))
        options.timeout_ms = the.plan.threads > 1 ? (int64_t)below(&random, 20) : 0;
    sb_reader *made = NULL;
    call_begin(&self);
    int result = sb_reader_new_with(the.buffer, &options, &made);
    call_end(&self);
    lock();
    EXPECT((result == SB_OK) == (made != NULL), "sb_reader_new_with returned %d", result);
    EXPECT(made || cause_overlaps(FREED, self.begin, self.end), "no reader");
    the.readers[at] = made;
    the.reader_names[at] = ++the.readers_made;
    the.reader_at[at] = 0;
    the.reader_limit[at] = options.timeout_ms;
    the.reader_buffered[at] = options.flags != 0;
    unlock();
    trace("sb_reader_new_with: reader %d, %" PRId64 " ms%s", the.reader_names[at], options.timeout_ms,
          options.flags ? ", buffered bytes only" : "");
}

static void read_on(unsigned at, sb_reader *reader, int name, rng *random)
{
    uint64_t len = below(random, 4) ? below(random, 3000) : below(random, 100000);
    uint64_t off = the.reader_at[at];
    int64_t limit = the.reader_limit[at];
    bool buffered = the.reader_buffered[at];
    bool fetches = limit < 0 && !buffered;
    /* One of buffered bytes only waits within a timeout alone, and nobody fetches for it. */
    call self = { .name = "sb_reader_read", .off = off, .len = len,
                  .need = buffered ? 0 : some(off, len), .limit = buffered && limit < 0 ? 0 : limit,
                  .reader = name, .fetches = len > 0 && fetches,
                  .waits = me->inside == 0 && fetches };
    lock();
    if (limit > 0 && !buffered)
        the.helper_asked = true;
    unlock();
    call_begin(&self);
    int64_t result = sb_reader_read(reader, len, me->bytes);
    call_end(&self);
    trace("sb_reader_read(reader %d at %" PRIu64 ", %" PRIu64 "): %s", name, off, len,
          status_name(result));
    judge_count(&self, result, me->bytes, false);
    if (result > 0)
        the.reader_at[at] = off + (uint64_t)result;
}

static void find_end(unsigned at, sb_reader *reader, int name)
{
    int64_t limit = the.reader_limit[at];
    bool buffered = the.reader_buffered[at], fetches = limit < 0 && !buffered;
    /* Nobody reads through a giant resource. */
    if (the.plan.giant && (fetches || limit > 0))
        return;
    call self = { .name = "sb_reader_find_size", .off = NONE, .need = buffered ? 0 : NONE,
                  .limit = buffered && limit < 0 ? 0 : limit, .reader = name, .fetches = fetches,
                  .waits = me->inside == 0 && fetches };
    lock();
    the.saved |= !buffered;
    if (limit > 0 && !buffered)
        the.helper_asked = true;
    unlock();
    call_begin(&self);
    int64_t result = sb_reader_find_size(reader);
    call_end(&self);
    trace("sb_reader_find_size(reader %d): %s", name, status_name(result));
    judge_found(&self, result);
}

static void move(unsigned at, sb_reader *reader, int name, rng *random)
{
    uint64_t here = the.reader_at[at], to = some_offset(random);
    int whence = (int)below(random, 4);
    int64_t by = whence == SB_SEEK_CUR ? (below(random, 3) ? 0 : (int64_t)below(random, 2000) - 1000)
        : whence == SB_SEEK_END ? -(int64_t)below(random, 1000) : (int64_t)to;
    call self = { .name = "sb_reader_seek", .off = NONE, .limit = -1, .reader = name };
    call_begin(&self);
    int64_t result = sb_reader_seek(reader, by, whence);
    call_end(&self);
    trace("sb_reader_seek(reader %d at %" PRIu64 ", %" PRId64 ", %d): %" PRId64, name, here, by, whence,
          result);
    lock();
    bool gone = result == SB_ERR_INVALID && !unlawful(&self, result);
    unlock();
    if (whence == SB_SEEK_SET) {
        EXPECT(gone || (by < 0 ? result == SB_ERR_INVALID : result == by), "a seek returned %" PRId64,
               result);
    } else if (whence == SB_SEEK_CUR) {
        int64_t right = (int64_t)here + by;
        EXPECT(gone || (right < 0 ? result == SB_ERR_INVALID : result == right),
               "a reader at %" PRIu64 ", moved by %" PRId64 ", is at %" PRId64, here, by, result);
    } else if (whence == SB_SEEK_END) {
        if (!gone && result != SB_ERR_INVALID)
            judge_size(&self, result >= 0 ? result - by : result);
    } else {
        EXPECT(result == SB_ERR_INVALID, "a seek from nowhere returned %" PRId64, result);
    }
    if (result >= 0)
        the.reader_at[at] = (uint64_t)result;
}

static void stop(sb_reader *reader, int name)
{
    call self = { .name = "sb_reader_cancel", .off = NONE, .limit = -1, .reader = name };
    call_begin(&self);
    lock();
    the.holds++;
    cause_open(READER_CANCELED, (uint64_t)name, NONE);
    unlock();
    int result = sb_reader_cancel(reader);
    call_end(&self);
    trace("sb_reader_cancel(reader %d): %d", name, result);
    if (result != SB_OK)
        judge_status(&self, result);
    else
        await_stopped(self.begin, name);
    lock();
    the.holds--;
    for (size_t at = 0; at < the.causes_count; at++)
        if (the.causes[at].cause == READER_CANCELED && the.causes[at].by == me
            && the.causes[at].settled == NONE)
            the.causes[at].settled = tick();
    unlock();
}

static void go_on(sb_reader *reader, int name)
{
    call self = { .name = "sb_reader_resume", .off = NONE, .limit = -1, .reader = name };
    call_begin(&self);
    lock();
    the.reader_resumed_at = tick();
    unlock();
    int result = sb_reader_resume(reader);
    call_end(&self);
    trace("sb_reader_resume(reader %d): %d", name, result);
    lock();
    cause_close(READER_CANCELED, (uint64_t)name, self.begin);
    unlock();
    if (result != SB_OK)
        judge_status(&self, result);
}

static void end(sb_reader *reader, int name)
{
    call self = { .name = "sb_reader_free", .off = NONE, .limit = -1, .reader = name };
    call_begin(&self);
    lock();
    the.holds++;
    cause_open(READER_FREED, (uint64_t)name, 0);
    unlock();
    sb_reader_free(reader);
    call_end(&self);
    trace("sb_reader_free(reader %d)", name);
    await_stopped(self.begin, name);
    lock();
    the.holds--;
    unlock();
}

void use_reader(rng *random)
{
    unsigned at = (unsigned)below(random, READERS);
    lock();
    bool mine = !the.reader_taken[at];
    the.reader_taken[at] = true;
    sb_reader *reader = the.readers[at];
    int name = the.reader_names[at];
    unlock();
    /* A reader that another thread uses is canceled more often than not. */
    uint64_t chosen = mine ? below(random, 20) : 13 + below(random, 7);
    if (reader && chosen >= 17)
        go_on(reader, name);
    else if (reader && chosen >= 15)
        stop(reader, name);
    else if (reader && (chosen == 14 || !mine))
        end(reader, name);
    else if (mine && !reader)
        make(at);
    else if (mine && chosen == 13)
        make(at); /* and forgets the previous one */
    else if (mine && chosen == 12 && the.plan.sizes && below(random, 2))
        find_end(at, reader, name);
    else if (mine && chosen >= 9)
        move(at, reader, name, random);
    else if (mine)
        read_on(at, reader, name, random);
    if (mine) {
        lock();
        the.reader_taken[at] = false;
        unlock();
    }
}

void free_readers(void)
{
    for (unsigned at = 0; at < READERS; at++)
        if (the.readers[at])
            sb_reader_free(the.readers[at]);
}
