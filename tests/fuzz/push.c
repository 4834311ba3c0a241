/*
 * Pushed buffers. The offered bytes are what may be read, and the accepted ones what must be read. Every
 * byte is a function of its offset alone, except that bytes which are buffered already are pushed again
 * with another value, which must not replace them.
 */
#include "fuzz.h"

/* Pushes run concurrently, the end of the stream is decided alone. */
static pthread_rwlock_t ending = PTHREAD_RWLOCK_INITIALIZER;

void make_pushed(void)
{
    const plan *plan = &the.plan;
    sb_options options;
    sb_options_init(&options, sizeof options);
    options.size = plan->declared;
    options.max_memory = plan->max;
    options.prefetch = plan->prefetch;
    options.on_full = plan->on_full;
    options.on_short = plan->on_short;
    options.spool_dir = plan->spool_dir ? scratch_folder : NULL;
    options.ahead = plan->ahead;
    the.helper_asked = the.holes = true;
    int result = sb_new_push(&options, &the.buffer);
    EXPECT(result == SB_OK && the.buffer, "no buffer to push to: %d", result);
}

static bool may_be_full(void)
{
    return the.plan.ahead > 0 || the.plan.max != UINT64_MAX || the.plan.limits > 0;
}

static void judge_push(const call *self, int64_t result)
{
    uint64_t off = self->off, len = self->len, end = off + len;
    bool past = end > INT64_MAX || (the.final != NONE && end > the.final);
    if (result > 0) {
        EXPECT((uint64_t)result <= len, "sb_push accepted %" PRId64 " of %" PRIu64, result, len);
        EXPECT(!past, "sb_push accepted bytes past the end");
        EXPECT((uint64_t)result >= (self->shown < len ? self->shown : len),
               "sb_push accepted %" PRId64 ", but %" PRIu64 " were buffered", result, self->shown);
        spans_add(&the.shown, off, off + (uint64_t)result, 0);
    } else if (result == 0) {
        EXPECT(len == 0, "sb_push accepted nothing");
    } else if (result == SB_ERR_SIZE) {
        EXPECT(past, "sb_push(%" PRIu64 ", %" PRIu64 "): not past the end", off, len);
    } else if (result == SB_ERR_REENTRANT) {
        fail("sb_push is not inside a function");
    } else {
        const char *why = unlawful(self, result);
        EXPECT(!why, "sb_push(%" PRIu64 ", %" PRIu64 ") returned %s: %s", off, len, status_name(result), why);
        EXPECT(result != SB_ERR_TIMEOUT || (may_be_full() && self->shown == 0),
               "sb_push returned TIMEOUT though there is room");
    }
}

static void push(uint64_t off, uint64_t len, int64_t limit, rng *random)
{
    pthread_rwlock_rdlock(&ending);
    call self = { .name = "sb_push", .off = off, .len = len, .limit = limit, .reader = -1, .waits = limit < 0 };
    lock();
    /* Read by nobody: `furthest` is for reads. */
    uint64_t furthest = the.furthest;
    bool repeats = len > 0 && spans_cover(&the.shown, off, off + len) && below(random, 2);
    if (len > 0 && off < INT64_MAX) {
        spans_add(&the.journal, off, off + len, 1);
        spans_add(&the.held, off, off + len, 0);
        the.disproved |= off + len > the.plan.declared;
    }
    unlock();
    content_fill(the.plan.salt, repeats ? 2 : 1, off, me->bytes, len);
    call_begin(&self);
    the.furthest = furthest;
    int64_t result = sb_push(the.buffer, off, len, me->bytes, limit);
    call_end(&self);
    trace("sb_push(%" PRIu64 ", %" PRIu64 ", %" PRId64 "%s): %s", off, len, limit, repeats ? ", again" : "",
          status_name(result));
    lock();
    judge_push(&self, result);
    unlock();
    pthread_rwlock_unlock(&ending);
    if (result > 0 && below(random, 3) == 0) {
        int64_t there = sb_buffered(the.buffer, off);
        EXPECT(there >= result || there == SB_ERR_INVALID, "%" PRId64 " of %" PRId64 " pushed bytes are buffered",
               there, result);
    }
}

static int64_t some_wait(rng *random)
{
    switch (below(random, 4)) {
    case 0:
        return 1 + (int64_t)below(random, 10);
    case 1:
        /* Whoever is too far ahead would wait for a reader. */
        return the.plan.ahead ? 0 : -1;
    default:
        return 0;
    }
}

/* Whether it was in force before the call, and nothing was cleared since. */
static bool holds(cause cause, const call *self)
{
    for (size_t at = the.causes_count; at-- > 0;) {
        const interval *one = &the.causes[at];
        if (one->cause == cause && one->settled < self->begin && one->to == NONE && one->from > the.cleared_at)
            return true;
    }
    return false;
}

/* Returns false if nothing is wanted. */
static bool wanted(sb_range *out)
{
    call self = { .name = "sb_wanted", .off = NONE, .limit = -1, .reader = -1 };
    pthread_rwlock_rdlock(&ending);
    call_begin(&self);
    lock();
    uint64_t seen = the.shown.count ? the.shown.list[below(&me->random, the.shown.count)].start : NONE;
    unlock();
    int result = sb_wanted(the.buffer, out);
    call_end(&self);
    trace("sb_wanted: %d, %" PRIu64 " to %" PRId64, result, out->start, (int64_t)out->end);
    if (result != SB_OK) {
        judge_status(&self, result);
        pthread_rwlock_unlock(&ending);
        return false;
    }
    lock();
    bool empty = out->start == out->end;
    EXPECT(out->start <= out->end, "a wanted range from %" PRIu64 " to %" PRIu64, out->start, out->end);
    EXPECT(empty || seen < out->start || seen >= out->end, "byte %" PRIu64 " is wanted, but buffered", seen);
    EXPECT(empty || the.final == NONE || out->end <= the.final, "bytes past the end are wanted");
    if (the.clearing == 0 && (holds(CANCELED, &self) || holds(FAILED, &self)))
        EXPECT(empty, "bytes are wanted in spite of a cancel or a failure");
    unlock();
    pthread_rwlock_unlock(&ending);
    return !empty;
}

/* Ends the stream at `size`, or fails it. */
static void push_end(uint64_t size, int64_t code)
{
    call self = { .name = "sb_push_end", .off = NONE, .limit = -1, .reader = -1 };
    pthread_rwlock_wrlock(&ending);
    call_begin(&self);
    lock();
    uint64_t last = spans_last(&the.shown), final = the.final, declared = the.plan.declared;
    uint64_t at = size == SB_SIZE_UNKNOWN ? last : size;
    bool right = at >= last && at <= INT64_MAX && (final == NONE || final == at);
    bool is_short = the.plan.on_short == SB_SHORT_ERROR && declared != SB_SIZE_UNKNOWN && at < declared;
    if (code < 0)
        cause_open(FAILED, 0, NONE);
    else if (right && is_short)
        cause_open(SHORT, 0, NONE);
    else if (right) {
        the.final = at;
        cause_open(ENDED, at, NONE);
    }
    unlock();
    int result = sb_push_end(the.buffer, size, code);
    call_end(&self);
    trace("sb_push_end(%" PRId64 ", %" PRId64 "): %d", (int64_t)size, code, result);
    lock();
    if (result == SB_OK)
        EXPECT(code < 0 || right, "an end at %" PRId64 " was accepted, the last byte is at %" PRIu64, (int64_t)size,
               last);
    else if (result == SB_ERR_SIZE)
        EXPECT(code == 0 && !right, "an end at %" PRId64 " was refused", (int64_t)size);
    else {
        const char *why = unlawful(&self, result);
        EXPECT(!why, "sb_push_end returned %s: %s", status_name(result), why);
        EXPECT(code == 0 || result == SB_ERR_INVALID, "a failure was refused: %d", result);
    }
    if (result != SB_OK) {
        the.final = final;
        for (size_t place = 0; place < the.causes_count; place++)
            if (the.causes[place].by == me && the.causes[place].settled == NONE && the.causes[place].cause <= ENDED)
                the.causes[place].closing = true;
    }
    settle(me);
    unlock();
    pthread_rwlock_unlock(&ending);
}

static void misuse(void)
{
    sb_callback source = source_callback();
    sb_range range;
    source.close = NULL;
    int result = sb_reopen(the.buffer, &source, SB_SIZE_UNKNOWN);
    EXPECT(result == SB_ERR_UNSUPPORTED || the.frees > 0, "a pushed buffer was reopened: %d", result);
    EXPECT(sb_push_end(the.buffer, 0, 1) == SB_ERR_INVALID, "a positive code");
    EXPECT(sb_push(the.buffer, 0, 1, NULL, 0) == SB_ERR_INVALID, "no bytes");
    EXPECT(sb_push(the.buffer, UINT64_MAX - 2, 4, "abc", 0) == SB_ERR_INVALID, "a push past 2^64");
    EXPECT(sb_wanted(the.buffer, NULL) == SB_ERR_INVALID, "no range");
    EXPECT(sb_push(NULL, 0, 0, NULL, 0) == SB_ERR_INVALID, "no buffer to push to");
    EXPECT(sb_wanted(NULL, &range) == SB_ERR_INVALID, "nothing is wanted by no buffer");
}

/* Keeps a push within the resource, most of the time. */
static uint64_t within(rng *random, uint64_t off, uint64_t len)
{
    uint64_t size = the.plan.size;
    /* One far past the end would leave a gap that nobody fills; one past 2^63 - 1 is refused. */
    if (below(random, 30) == 0 && off < size + 100000)
        return len;
    if (off >= INT64_MAX)
        return len + 1;
    return off >= size ? 0 : len < size - off ? len : size - off;
}

void push_something(rng *random)
{
    uint64_t len = below(random, 4) ? below(random, 20000) : below(random, LARGEST), off;
    sb_range range;
    switch (below(random, 20)) {
    case 0:
        misuse();
        break;
    case 1:
        push_end(0, -1 - (int64_t)below(random, 100));
        break;
    case 2:
        if (below(random, 3) == 0)
            push_end(below(random, 2) ? below(random, the.plan.size * 2) : SB_SIZE_UNKNOWN, 0);
        break;
    case 3: case 4: case 5: case 6:
        if (wanted(&range))
            push(range.start, within(random, range.start, len < range.end - range.start ? len : range.end - range.start),
                 some_wait(random), random);
        break;
    default:
        off = some_offset(random);
        if (off > UINT64_MAX - LARGEST)
            off = 0;
        push(off, within(random, off, len), some_wait(random), random);
    }
}

/* While threads run: pushes what they wait for, reads on where `ahead` holds others up, and ends. */
void keep_pushing(rng *random)
{
    sb_range range;
    if (below(random, 4) == 0)
        clear(true);
    if (the.disk_full && below(random, 20) == 0)
        change_disk(random, false);
    if (wanted(&range)) {
        uint64_t size = the.final != NONE ? the.final : the.plan.size;
        if (range.start < size)
            push(range.start, range.end - range.start < LARGEST && range.end < size ? range.end - range.start
                     : size - range.start < LARGEST ? size - range.start : LARGEST, 0, random);
        else
            push_end(SB_SIZE_UNKNOWN, 0);
    }
}

/* Nothing else runs: every byte arrives, and all of them are compared. */
void finish_pushed(void)
{
    rng *random = &me->random;
    clear(true);
    lock();
    disk_settles(true);
    the.plan.ahead = 0;
    unlock();
    for (uint64_t at = 0;;) {
        lock();
        uint64_t last = spans_last(&the.shown), size = the.final != NONE ? the.final : the.plan.size;
        size = last > size ? last : size;
        at = spans_end(&the.shown, 0);
        unlock();
        if (at >= size)
            break;
        read_some_now(at);
        push(at, size - at < 100000 ? size - at : 100000, 5, random);
    }
    if (the.final == NONE)
        push_end(SB_SIZE_UNKNOWN, 0);
    lock();
    uint64_t last = spans_last(&the.shown);
    unlock();
    /* An end below the declared size may be an error. */
    if (the.final == NONE)
        EXPECT(read_at(last, 10, me->bytes) == SB_ERR_SHORT, "no short end");
    else {
        expect_called("every byte");
        for (uint64_t off = 0; off < the.final; off += LARGEST)
            EXPECT(read_at(off, LARGEST, me->bytes) == (int64_t)(the.final - off < LARGEST ? the.final - off : LARGEST),
                   "a byte is missing at the end");
        EXPECT(read_at(the.final, 10, me->bytes) == 0, "no end");
    }
}
