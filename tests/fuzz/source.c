/* The source: it checks that it is called as promised, and misbehaves as planned. */
#include "source.h"

#include <limits.h>
#include <sched.h>

/* ---- being called ---------------------------------------------------------------------------- */

static bool is_complete(void)
{
    return the.final != NONE && spans_total(&the.held) == the.final;
}

static void expect_a_caller(void)
{
    if (me->number >= HELPER) {
        EXPECT(the.helper_asked, "the source is called by a thread that nobody asked for");
        return;
    }
    EXPECT(me->call && me->call->fetches, "the source is called by %s",
           me->call ? me->call->name : "nobody's call");
    if (the.prefetch_sure > 0 && the.prefetch_sure != NONE)
        EXPECT(++the.begun_since_prefetch <= 1, "the source is called by a reader during a prefetch");
}

static void enter(void)
{
    EXPECT(atomic_exchange(&the.occupied, 1) == 0, "the source is called by two threads at a time");
    lock();
    adopt();
    settle(NULL);
    EXPECT(!the.size_awaited, "the source is not asked for its size");
    the.gives_up = false;
    the.calls++;
    atomic_fetch_add_explicit(&calls_done, 1, memory_order_relaxed);
    EXPECT(!the.closed, "the source is called after its close");
    EXPECT(!the.over, "the source is called after the buffer was freed");
    expect_a_caller();
    EXPECT(the.buffer, "the source is called before the handle is there");
    EXPECT(!the.failed, "the source is called after it failed with %" PRId64 ", without a resume",
           the.code);
    EXPECT(!is_complete(), "the source is called though every byte is held");
    if (the.canceled)
        EXPECT(++the.begun_since_cancel <= 1, "the source is called after a cancel");
    if (the.freed)
        EXPECT(++the.begun_since_free <= 1, "the source is called after the buffer was freed");
    the.insider = me;
    me->inside++;
    me->pulled = true;
}

static void leave(void)
{
    me->inside--;
    the.left_at = tick();
    the.insider = NULL;
    /* The next call is decided only now. */
    the.need = the.watched;
    the.saving = false;
    for (size_t at = 0; at < WORKERS; at++)
        for (const call *call = the.workers[at].call; call; call = call->outer) {
            if (call->need == NONE)
                the.saving = true;
            else if (call->need > the.need)
                the.need = call->need;
        }
    if (the.prefetch_sure != NONE)
        the.prefetch_most = the.prefetch_sure;
}

static void expect_wanted(uint64_t offset, uint64_t capacity)
{
    uint64_t end = offset + capacity;
    bool ahead = false;
    EXPECT(capacity > 0, "the source is asked for nothing");
    EXPECT(offset != the.ended_at, "the source is asked at %" PRIu64 " again, where it has ended",
           offset);
    if (spans_at(&the.held, offset) || spans_next(&the.held, offset) < end) {
        EXPECT(spans_cover(&the.held, offset, end) && capacity <= 64 * KIB,
               "the source is asked for %" PRIu64 " bytes at %" PRIu64 ", some of which are held",
               capacity, offset);
        EXPECT(the.forward_only || the.rechecks, "byte %" PRIu64 " is fetched twice", offset);
        return;
    }
    if (the.prefetch_most > 0 && capacity <= 256 * KIB) {
        /* A save reads, too. */
        uint64_t last = spans_last(&the.held), from = the.saved && last > the.furthest ? last : the.furthest;
        uint64_t goal = from + the.prefetch_most;
        ahead = goal < from || end <= rounded(goal);
    }
    /* A save of a source that has sought forward and cannot seek back needs the bytes in between. */
    bool through = the.saving && the.forward_only && spans_next(&the.held, offset) != NONE;
    /* Where the source goes on from bytes that it delivered before it sought elsewhere, it is asked for more. */
    bool goes_on = the.plan.read_granularity > 0 && the.seeks > 0 && offset > 0
        && spans_at(&the.held, offset - 1) && capacity <= 256 * KIB;
    EXPECT(ahead || end <= rounded(the.need) || through || goes_on
           || (the.saving && capacity <= rounded(64 * KIB) + 16384)
           /* A search for the size reads on to the end. */
           || (the.saving && the.plan.sizes && capacity <= 256 * KIB),
           "the source is asked for %" PRIu64 " bytes at %" PRIu64 ", but only what is before %" PRIu64
           " is wanted", capacity, offset, the.need);
}

static void expect_sought(uint64_t offset)
{
    EXPECT(!the.forward_only, "a source that can't seek is sent to %" PRIu64, offset);
    EXPECT(offset < INT64_MAX, "the source is sent to %" PRIu64, offset);
    EXPECT(offset <= the.furthest || the.saving || the.prefetch_most > 0 || the.rechecks,
           "the source is sent to %" PRIu64 ", but nobody wants that", offset);
}

/* ---- the callbacks --------------------------------------------------------------------------- */

/* Blocks until its time is over or a cancel is obeyed, and as long as a call holds it. */
static void stall(rng *random)
{
    int64_t until = now_us() + 100 + (int64_t)below(random, below(random, 20) ? 900 : 25000);
    the.stalled = true;
    while (the.holds > 0 || (now_us() < until && (the.marks == 0 || the.plan.manners == DEAF))) {
        unlock();
        pause_us(50);
        lock();
    }
    the.stalled = false;
}

static void dawdle(rng *random)
{
    if (the.honest)
        return;
    if (chance(random, the.plan.reentries)) {
        unlock();
        perform_inside(random);
        lock();
    }
    if (chance(random, the.plan.stalls))
        stall(random);
    if (chance(random, the.plan.pauses)) {
        unsigned us = (unsigned)below(random, 60);
        unlock();
        if (us < 20)
            sched_yield();
        else
            pause_us(us);
        lock();
    }
}

static void fill(rng *random, uint64_t offset, void *out, uint64_t capacity, const outcome *came)
{
    uint64_t count = came->kind == BYTES ? came->count : 0;
    content_fill(the.plan.salt, came->variant, offset, out, count);
    /* Bytes that it writes beyond its count have no meaning. */
    if (chance(random, the.plan.scribbles)) {
        uint64_t more = capacity - count < 200 ? capacity - count : 200;
        content_fill(the.plan.salt, 0, offset + count + (UINT64_C(1) << 40), (unsigned char *)out + count,
                     more);
    }
}

static void expect_clean(rng *random, uint64_t offset, const void *out, uint64_t capacity)
{
    if (capacity < 64 || (the.plan.chunk != 0 && the.plan.chunk < 1000) || the.plan.chunk_varies)
        return;
    uint64_t most = capacity < 4096 ? capacity : 4096, at = below(random, capacity - most + 1);
    EXPECT(!content_foreign(the.plan.salt, offset + at, (const unsigned char *)out + at, most),
           "the source is shown bytes of another stream at %" PRIu64, offset);
}

static int64_t read_bytes(void *opaque, void *out, size_t capacity)
{
    (void)opaque;
    enter();
    the.reads++;
    rng random = rng_of(the.plan.seed, 1000 + the.calls);
    uint64_t offset = the.position;
    expect_wanted(offset, capacity);
    expect_clean(&random, offset, out, capacity);
    dawdle(&random);
    outcome came = choose(&random, offset, capacity, false);
    size_follows();
    take_in(offset, &came, false);
    leave();
    unlock();
    fill(&random, offset, out, capacity, &came);
    atomic_store(&the.occupied, 0);
    if (came.kind == LIE)
        return came.count % 2 ? INT64_MAX : (int64_t)capacity + 1;
    return came.kind == BYTES ? (int64_t)came.count : came.kind == ZERO ? 0 : came.code;
}

static int64_t seek_to(void *opaque, uint64_t offset)
{
    (void)opaque;
    int64_t code = 0;
    enter();
    the.seeks++;
    rng random = rng_of(the.plan.seed, 1000 + the.calls);
    expect_sought(offset);
    dawdle(&random);
    if (!the.honest) {
        if (takes_a_stop())
            code = SB_SOURCE_CANCELED;
        else if (chance(&random, the.plan.seek_errors))
            code = some_error(&random, false);
        if (chance(&random, the.plan.refusals))
            code = SB_SOURCE_UNSUPPORTED;
    }
    trace("the source is sent to %" PRIu64 ": %" PRId64, offset, code);
    size_follows();
    if (code == SB_SOURCE_CANCELED) {
        came_with_nothing(true);
    } else if (code != 0) {
        could_not_seek(code);
    } else {
        the.position = offset;
        if (offset > the.passed)
            the.passed = offset;
        the.doubt = the.refused = false;
        the.ended_at = NONE;
    }
    leave();
    unlock();
    atomic_store(&the.occupied, 0);
    return code;
}

static int pull_bytes(void *opaque, uint64_t offset, void *out, size_t capacity, size_t *count)
{
    (void)opaque;
    int result = SB_OK;
    enter();
    bool jumps = offset != the.position;
    the.reads++;
    the.seeks += jumps;
    rng random = rng_of(the.plan.seed, 1000 + the.calls);
    EXPECT(*count == SIZE_MAX, "the count is %zu before a pull", *count);
    if (jumps)
        expect_sought(offset);
    expect_wanted(offset, capacity);
    expect_clean(&random, offset, out, capacity);
    dawdle(&random);
    outcome came = choose(&random, offset, capacity, true);
    if (jumps && !the.honest) {
        if (came.kind == LIE)
            came = (outcome){ .kind = ERROR, .code = -71 };
        if (chance(&random, the.plan.seek_errors))
            came = (outcome){ .kind = ERROR, .code = some_error(&random, true) };
        if (chance(&random, the.plan.refusals))
            came = (outcome){ .kind = ERROR, .code = SB_SOURCE_UNSUPPORTED };
    }
    size_follows();
    if (jumps && (came.kind == ERROR || came.kind == NOTHING)) {
        trace("the source is sent to %" PRIu64 ": %" PRId64, offset, came.code);
        if (came.code == SB_SOURCE_CANCELED)
            came_with_nothing(true);
        else
            could_not_seek(came.code);
    } else {
        if (jumps)
            the.ended_at = NONE;
        take_in(offset, &came, jumps);
        if (the.position > the.passed)
            the.passed = the.position;
    }
    leave();
    unlock();
    fill(&random, offset, out, capacity, &came);
    if (came.kind == BYTES || came.kind == ZERO) {
        *count = came.count;
    } else if (came.kind == LIE) {
        if (came.count == 0)
            *count = capacity + 1;
        if (came.count == 1)
            result = 1 + (int)below(&random, 100);
        if (came.count == 2) {
            *count = 0;
            result = INT_MAX;
        }
    } else {
        /* Returns without setting the count. */
        *count = below(&random, 2) ? 0 : capacity;
        result = (int)came.code;
    }
    atomic_store(&the.occupied, 0);
    return result;
}

static int64_t state_size(void *opaque)
{
    (void)opaque;
    EXPECT(atomic_exchange(&the.occupied, 1) == 0, "`size` is called while the source runs");
    lock();
    EXPECT(!the.closed && !the.over, "`size` is called after the end");
    EXPECT(the.size_awaited, "`size` is called though no call of the source needs it");
    the.size_awaited = false;
    int64_t size = the.size_next;
    trace("the source's size: %" PRId64, size);
    unlock();
    atomic_store(&the.occupied, 0);
    return size;
}

static void cancel_it(void *opaque)
{
    (void)opaque;
    lock();
    EXPECT(!the.closed, "`cancel` is called after `close`");
    EXPECT(!the.over, "`cancel` is called after the buffer was freed");
    EXPECT(me && me->inside == 0, "`cancel` is called by the thread that is inside the source");
    the.canceling++;
    the.cancels_called++;
    the.told_least += !the.gives_up;
    the.told_most++;
    the.marks = the.plan.manners == OBEYS_EACH ? the.marks + 1 : 1;
    trace("the source's cancel");
    rng random = rng_of(the.plan.seed, 500000 + the.cancels_called);
    bool more = chance(&random, the.plan.reentries), waits = chance(&random, the.plan.pauses);
    unlock();
    if (more)
        look(&random);
    if (waits)
        pause_us((unsigned)below(&random, 300));
    lock();
    the.canceling--;
    unlock();
}

static void close_it(void *opaque)
{
    (void)opaque;
    lock();
    adopt();
    trace("the source's close");
    EXPECT(!the.closed, "`close` is called twice");
    EXPECT(atomic_load(&the.occupied) == 0, "`close` is called while the source runs");
    EXPECT(the.canceling == 0, "`close` is called while `cancel` runs");
    EXPECT(is_complete() || cause_overlaps(FREED, 0, the.clock) || !the.buffer,
           "`close` is called too early");
    EXPECT(!the.over, "`close` is called after the buffer was freed");
    the.closed = true;
    the.closes++;
    rng random = rng_of(the.plan.seed, 700000);
    bool more = chance(&random, the.plan.reentries);
    unlock();
    if (more)
        look(&random);
}

sb_callback source_callback(void)
{
    const plan *plan = &the.plan;
    sb_callback callback;
    memset(&callback, 0, sizeof callback);
    if (plan->form == READ || plan->form == READ_SEEK)
        callback.read = read_bytes;
    else
        callback.pull = pull_bytes;
    if (plan->form == READ_SEEK)
        callback.seek = seek_to;
    if (plan->form == PULL_SEEKS)
        callback.flags = SB_SOURCE_SEEKS;
    if (plan->has_cancel)
        callback.cancel = cancel_it;
    /* Not drawn, so that the kept seeds stay what they are. */
    if (plan->has_cancel && plan->seed % 2)
        callback.flags |= SB_SOURCE_INTERRUPTIBLE;
    if (plan->has_close)
        callback.close = close_it;
    if (plan->states)
        callback.size = state_size;
    callback.opaque = &the;
    return callback;
}
