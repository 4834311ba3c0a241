/*
 * Buffers whose source is replaced: by another one of the same resource, or by one of another resource, in
 * which every byte differs. At least one byte is buffered before, so that no byte of the other resource may
 * ever be read.
 */
#include "fuzz.h"

typedef struct origin {
    bool differs, seeks, has_close, fails;
    bool given, closed, canceled;
    bool doubted; /* it has failed, and delivered nothing since: an end is that failure again */
    bool found; /* it differs, and has delivered bytes that show it */
    atomic_int inside;
    uint64_t position;
    unsigned calls;
} origin;

/* Not used twice in a case. */
enum { MOST = 600 };
static origin all[MOST];
static unsigned made;
static atomic_uint closed_count;
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

static void reopen(origin *next, uint64_t size, bool waits);
static origin *some_origin(rng *random);

static rng enter(origin *self)
{
    EXPECT(atomic_fetch_add(&self->inside, 1) == 0, "a source is called by two threads at a time");
    lock();
    adopt();
    settle(me);
    EXPECT(!self->closed && self->given, "a source is called after its close");
    EXPECT(!self->found, "a source of another resource is called again");
    rng random = rng_of(the.plan.seed, 2000000 + (uint64_t)(self - all) * 5000 + self->calls++);
    me->inside++;
    me->pulled = true;
    the.reads++;
    atomic_fetch_add_explicit(&calls_done, 1, memory_order_relaxed);
    unlock();
    return random;
}

static void leave(origin *self)
{
    lock();
    me->inside--;
    unlock();
    atomic_fetch_sub(&self->inside, 1);
}

/* Whoever is stuck returns at a cancel, and at the latest after a while. */
static bool dawdle(origin *self, rng *random)
{
    int64_t until = now_us() + (int64_t)below(random, 3000);
    if (the.honest)
        return false;
    if (chance(random, the.plan.reentries))
        perform_inside(random);
    if (chance(random, the.plan.reentries) && self->has_close && pthread_mutex_trylock(&one_at_a_time) == 0) {
        origin *next = some_origin(random);
        if (next)
            reopen(next, SB_SIZE_UNKNOWN, false);
        pthread_mutex_unlock(&one_at_a_time);
    }
    if (!chance(random, the.plan.stalls))
        return false;
    while (now_us() < until && !self->canceled)
        pause_us(50);
    bool stopped = self->canceled && below(random, 2);
    self->canceled &= !stopped;
    return stopped;
}

static void fails_now(origin *self)
{
    self->doubted = true;
    lock();
    cause_open(FAILED, 0, NONE);
    unlock();
}

static int64_t deliver(void *opaque, void *out, size_t capacity)
{
    origin *self = opaque;
    rng random = enter(self);
    uint64_t left = the.plan.size - self->position, count = capacity < left ? capacity : left;
    int64_t result;
    if (the.plan.chunk && count > the.plan.chunk)
        count = the.plan.chunk;
    if (dawdle(self, &random)) {
        result = SB_SOURCE_CANCELED;
    } else if (self->fails && !the.honest && chance(&random, 100)) {
        fails_now(self);
        result = -5;
    } else {
        if (count > 0)
            self->doubted = false;
        else if (self->doubted)
            fails_now(self);
        content_fill(the.plan.salt, 1, self->position, out, count);
        for (uint64_t at = 0; self->differs && at < count; at++)
            ((unsigned char *)out)[at] ^= 0xFF;
        self->position += count;
        self->found |= self->differs && count > 0;
        result = (int64_t)count;
    }
    trace("source %u at %" PRIu64 ": %s", (unsigned)(self - all), self->position, status_name(result));
    leave(self);
    return result;
}

static int64_t go_to(void *opaque, uint64_t offset)
{
    origin *self = opaque;
    enter(self);
    self->position = offset < the.plan.size ? offset : the.plan.size;
    trace("source %u is sent to %" PRIu64, (unsigned)(self - all), offset);
    leave(self);
    return 0;
}

static void stop(void *opaque)
{
    origin *self = opaque;
    EXPECT(!self->closed, "a source is canceled after its close");
    self->canceled = true;
}

static void end(void *opaque)
{
    origin *self = opaque;
    EXPECT(atomic_load(&self->inside) == 0, "a source is closed while it runs");
    EXPECT(!self->closed, "a source is closed twice");
    self->closed = true;
    atomic_fetch_add(&closed_count, 1);
}

unsigned sources_closed(void)
{
    return atomic_load(&closed_count);
}

unsigned sources_used(unsigned closed)
{
    return the.plan.is_reopened ? made + 1 - closed : 1;
}

static sb_callback callback_of(origin *self)
{
    sb_callback callback;
    memset(&callback, 0, sizeof callback);
    callback.read = deliver;
    callback.seek = self->seeks ? go_to : NULL;
    callback.cancel = stop;
    callback.close = self->has_close ? end : NULL;
    callback.opaque = self;
    self->given = true;
    return callback;
}

static origin *some_origin(rng *random)
{
    lock();
    origin *self = made < MOST ? &all[made++] : NULL;
    unlock();
    if (!self)
        return NULL;
    self->differs = below(random, 3) == 0;
    self->seeks = below(random, 2);
    self->has_close = below(random, 4) != 0;
    self->fails = below(random, 4) == 0;
    return self;
}

/* One at a time: the last one wins. */
static void reopen(origin *next, uint64_t size, bool waits)
{
    static origin *last;
    call self = { .name = "sb_reopen", .off = NONE, .limit = -1, .reader = -1, .waits = waits };
    sb_callback callback = callback_of(next);
    call_begin(&self);
    lock();
    if (next == &all[1])
        last = &all[0];
    if (next->differs) {
        cause_open(SEEK_FAILED, 0, NONE);
        the.causes[the.causes_count - 1].closing = false;
    }
    uint64_t end = spans_last(&the.shown);
    bool complete = the.final_shown && spans_total(&the.shown) == the.plan.size;
    unlock();
    int result = sb_reopen(the.buffer, &callback, size);
    call_end(&self);
    trace("sb_reopen(source %u: %s%s%s): %d", (unsigned)(next - all), next->differs ? "another resource" : "the same",
          next->seeks ? ", seeks" : "", next->has_close ? "" : ", no close", result);
    if (result == SB_ERR_SIZE) {
        EXPECT(size != SB_SIZE_UNKNOWN && size != the.plan.size, "a right size is refused");
    } else if (result != SB_OK) {
        judge_status(&self, result);
    } else {
        EXPECT(size == SB_SIZE_UNKNOWN || size >= end, "a size of %" PRIu64 " is accepted, %" PRIu64 " are buffered",
               size, end);
        EXPECT(!complete || !next->has_close || next->closed, "a source that is not needed is not closed");
        EXPECT(!waits || !last || last->has_close || atomic_load(&last->inside) == 0,
               "sb_reopen returned while the old source runs");
    }
    EXPECT(result == SB_OK || !next->has_close || next->closed, "a refused source is not closed");
    lock();
    settle(me);
    if (result == SB_OK && !next->differs) {
        cause_close(SEEK_FAILED, NONE, self.begin);
        cause_close(FAILED, NONE, self.begin);
    }
    if (result == SB_OK)
        last = next;
    unlock();
}

void make_reopened(void)
{
    sb_options options;
    const plan *plan = &the.plan;
    memset(all, 0, sizeof all);
    made = 1;
    atomic_store(&closed_count, 0);
    all[0] = (origin){ .seeks = plan->form == READ_SEEK, .has_close = true };
    sb_callback callback = callback_of(&all[0]);
    sb_options_init(&options, sizeof options);
    options.size = plan->declared;
    options.max_memory = plan->max;
    options.prefetch = plan->prefetch;
    options.seek_gap = plan->seek_gap;
    options.read_granularity = plan->read_granularity;
    options.on_full = plan->on_full;
    options.spool_dir = plan->spool_dir ? scratch_folder : NULL;
    lock();
    the.helper_asked = the.holes = true;
    /* Each byte may come at any time, and is the same each time. */
    spans_add(&the.journal, 0, plan->size, 1);
    spans_add(&the.held, 0, plan->size, 0);
    the.final = plan->size;
    cause_open(ENDED, plan->size, 0);
    unlock();
    the.honest = true;
    int result = sb_new_with(&callback, &options, &the.buffer);
    EXPECT(result == SB_OK && the.buffer, "no buffer: %d", result);
    EXPECT(read_at(0, 1, me->bytes) == (plan->size > 0), "no first byte");
    the.honest = false;
}

void reopen_something(rng *random)
{
    pthread_mutex_lock(&one_at_a_time);
    origin *next = some_origin(random);
    lock();
    uint64_t wrong = spans_last(&the.shown) / 2;
    unlock();
    uint64_t size = below(random, 2) ? SB_SIZE_UNKNOWN : the.plan.size;
    if (next)
        reopen(next, below(random, 8) ? size : wrong, true);
    pthread_mutex_unlock(&one_at_a_time);
}

/* Nothing else runs: whatever happened, a source of the same resource delivers the rest. */
void finish_reopened(void)
{
    lock();
    the.honest = true;
    unlock();
    clear(true);
    pthread_mutex_lock(&one_at_a_time);
    origin *next = &all[MOST - 1];
    *next = (origin){ .seeks = below(&me->random, 2), .has_close = true };
    reopen(next, SB_SIZE_UNKNOWN, true);
    pthread_mutex_unlock(&one_at_a_time);
    clear(true);
    for (uint64_t off = 0; off < the.plan.size; off += LARGEST) {
        int64_t count = read_at(off, LARGEST, me->bytes);
        EXPECT(count == (int64_t)(the.plan.size - off < LARGEST ? the.plan.size - off : LARGEST),
               "a byte is missing after a reopen: %" PRId64, count);
    }
    EXPECT(read_at(the.plan.size, 1, me->bytes) == 0, "no end");
    expect_called("every byte");
}

void expect_closed(void)
{
    for (unsigned at = 0; at < MOST; at++)
        EVENTUALLY(!all[at].given || !all[at].has_close || all[at].closed, "source %u is not closed", at);
}
