/* The operations of a thread: reads, and the choice among all the others. */
#include "fuzz.h"

#include <sched.h>

enum { SMALL = 8192 };

uint64_t some_offset(rng *random)
{
    lock();
    uint64_t size = the.plan.size, frontier = spans_end(&the.held, 0), position = the.position;
    const span *some = the.held.count ? &the.held.list[below(random, the.held.count)] : NULL;
    span one = some ? *some : (span){ 0, 0, 0 };
    unlock();
    uint64_t near = below(random, 100) < 50 ? below(random, 20) : below(random, 40000);
    switch (below(random, 12)) {
    case 0: case 1: case 2:
        return frontier;
    case 3:
        return frontier > near ? frontier - near : frontier + near;
    case 4: case 5:
        return below(random, size + 1);
    case 6:
        return size > near ? size - near : size + near;
    case 7: {
        uint64_t block = below(random, size / (256 * KIB) + 1) * 256 * KIB;
        return block + below(random, 40) - (block > 20 ? 20 : 0);
    }
    case 8:
        return one.start > near % 40 ? one.start - near % 40 : one.start;
    case 9:
        return one.end > near % 40 ? one.end - near % 40 : one.end;
    case 10:
        return position + (below(random, 2) ? near : 0);
    default:
        switch (below(random, 6)) {
        case 0:
            return INT64_MAX - below(random, 3);
        case 1:
            return UINT64_MAX - below(random, 3) - 400000;
        case 2:
            return size + size / 2 + near;
        default:
            return size + below(random, 3);
        }
    }
}

static uint64_t some_length(rng *random)
{
    switch (below(random, 12)) {
    case 0:
        return 0;
    case 1: case 2: case 3:
        return 1 + below(random, 20);
    case 4: case 5: case 6: case 7:
        return 1 + below(random, 3000);
    case 8: case 9: case 10:
        return 1 + below(random, 70000);
    default:
        return 1 + below(random, LARGEST);
    }
}

int64_t read_at(uint64_t off, uint64_t len, unsigned char *bytes)
{
    call self = { .name = "sb_read", .off = off, .len = len, .need = off + len, .limit = -1, .reader = -1,
                  .fetches = len > 0, .waits = me->inside == 0 };
    call_begin(&self);
    int64_t result = sb_read(the.buffer, off, len, bytes);
    call_end(&self);
    trace("sb_read(%" PRIu64 ", %" PRIu64 "): %s", off, len, status_name(result));
    judge_count(&self, result, bytes, true);
    return result;
}

static void read_some(uint64_t off, uint64_t len, int64_t limit, unsigned char *bytes)
{
    call self = { .name = "sb_read_some", .off = off, .len = len, .need = some(off, len), .limit = limit,
                  .reader = -1, .fetches = len > 0 && limit < 0, .waits = me->inside == 0 && limit < 0 };
    lock();
    if (limit > 0)
        the.helper_asked = true;
    unlock();
    call_begin(&self);
    int64_t result = sb_read_some(the.buffer, off, len, bytes, limit);
    call_end(&self);
    trace("sb_read_some(%" PRIu64 ", %" PRIu64 ", %" PRId64 "): %s", off, len, limit,
          status_name(result));
    judge_count(&self, result, bytes, false);
}

void read_some_now(uint64_t off)
{
    read_some(off, 1000, 0, me->bytes);
}

static int64_t some_limit(rng *random)
{
    switch (below(random, 5)) {
    case 0: case 1:
        return 0;
    case 2: case 3:
        /* The helper serves this call: not where one thread decides everything. */
        return the.plan.threads > 1 ? 1 + (int64_t)below(random, 20) : 0;
    default:
        return -1;
    }
}

/* Invalid arguments. */
static void misuse(rng *random)
{
    unsigned char byte[4];
    call self = { .name = "a wrong call", .off = NONE, .limit = -1, .reader = -1 };
    call_begin(&self);
    switch (below(random, 7)) {
    case 0:
        EXPECT(sb_read(the.buffer, UINT64_MAX - 2, 4, byte) == SB_ERR_INVALID, "a range past 2^64");
        break;
    case 1:
        EXPECT(sb_read(the.buffer, 0, 4, NULL) == SB_ERR_INVALID, "no room");
        break;
    case 2:
        EXPECT(sb_read(NULL, 0, 1, byte) == SB_ERR_INVALID, "no buffer");
        break;
    case 3:
        EXPECT(sb_read((sb_buffer *)(uintptr_t)(rng_next(random) | 1), 0, 1, byte) == SB_ERR_INVALID,
               "a made-up handle");
        break;
    case 4:
        EXPECT(sb_read(the.buffer, 0, SIZE_MAX / 2 + 2, byte) == SB_ERR_INVALID, "a length too large");
        break;
    case 5:
        EXPECT(sb_stat(the.buffer, NULL, sizeof(sb_stats)) == SB_ERR_INVALID, "no stats");
        break;
    default:
        EXPECT(sb_reader_new(NULL) == NULL, "a reader of nothing");
        sb_reader_free(NULL);
        sb_free(NULL);
    }
    call_end(&self);
}

void perform_inside(rng *random)
{
    unsigned char bytes[SMALL];
    uint64_t off = some_offset(random), len = some_length(random) % SMALL;
    switch (below(random, 8)) {
    case 0: case 1: case 2:
        read_at(off, len, bytes);
        break;
    case 3:
        read_some(off, len, some_limit(random), bytes);
        break;
    case 4: case 5:
        look(random);
        break;
    default:
        if (the.plan.frees && chance(random, 30))
            free_buffer();
        else if (the.plan.controls)
            control(random);
    }
}

void perform(void)
{
    rng *random = &me->random;
    const plan *plan = &the.plan;
    const unsigned weights[] = { plan->reads, plan->some_reads, plan->readers, plan->controls, plan->looks,
                                 plan->saves, plan->frees ? 1 : 0, plan->disk, 1, plan->limits,
                                 plan->sizes, plan->pushes, plan->reopens, plan->watches };
    unsigned total = 0, at = 0;
    for (size_t place = 0; place < COUNT_OF(weights); place++)
        total += weights[place];
    unsigned chosen = (unsigned)below(random, total);
    while (chosen >= weights[at])
        chosen -= weights[at++];
    switch (at) {
    case 0:
        read_at(some_offset(random), some_length(random), me->bytes);
        break;
    case 1: {
        uint64_t off = some_offset(random), len = some_length(random);
        read_some(off, len, some_limit(random), me->bytes);
        break;
    }
    case 2:
        use_reader(random);
        break;
    case 3:
        control(random);
        break;
    case 4:
        look(random);
        break;
    case 5:
        save_something(random);
        break;
    case 6:
        if (below(random, 3) == 0)
            free_buffer();
        break;
    case 7:
        change_disk(random, below(random, 2));
        break;
    case 8:
        misuse(random);
        break;
    case 9:
        change_max(random);
        break;
    case 10:
        find_size(plan->giant ? 0 : some_limit(random));
        break;
    case 11:
        push_something(random);
        break;
    case 12:
        reopen_something(random);
        break;
    default:
        use_watch(random);
    }
    if (chance(random, 60))
        sched_yield();
    if (chance(random, 20))
        pause_us((unsigned)below(random, 400));
}
