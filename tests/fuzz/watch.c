/* sb_when(): each function is called exactly once, with a result that is valid, and never after its watch
 * was freed. */
#include "fuzz.h"

typedef struct watched {
    call call;
    sb_watch *watch;
    unsigned calls;  /* of its function */
    bool returned;   /* sb_when has */
    bool registered; /* the library has kept it: its function must be called */
    bool running, freed, frees_itself;
    bool claimed;    /* somebody frees it */
} watched;

/* Not used twice in a case. */
enum { MOST = 2000 };
static watched all[MOST];
static unsigned made;

void watches_begin(void)
{
    memset(all, 0, sizeof all);
    made = 0;
}

static void judge(watched *self, int64_t result)
{
    uint64_t off = self->call.off, now = the.clock;
    self->call.end = now;
    if (result > 0 && off != NONE) {
        EXPECT(spans_cover(&the.held, off, off + (uint64_t)result),
               "sb_when(%" PRIu64 ") told of %" PRId64 " bytes that nobody delivered", off, result);
        spans_add(&the.shown, off, off + (uint64_t)result, 0);
    } else if (result == 0) {
        bool ended = off != NONE ? cause_ended(off, self->call.begin, now)
            : the.final != NONE && spans_total(&the.held) >= the.final;
        EXPECT(ended, "sb_when(%" PRId64 ") told of an end", (int64_t)off);
    } else if (result < 0) {
        const char *why = unlawful(&self->call, result);
        EXPECT(!why, "sb_when(%" PRId64 ") told of %s: %s", (int64_t)off, status_name(result), why);
    }
}

/* Whether the caller is the one that frees it. */
static bool claim(watched *self)
{
    lock();
    bool mine = !self->claimed;
    self->claimed = true;
    unlock();
    return mine;
}

/* A function may use the buffer, but not block. */
static void use_inside(watched *self)
{
    unsigned char bytes[2000];
    rng random = rng_of(the.plan.seed, 900000 + (uint64_t)(self - all));
    me->inside++;
    if (below(&random, 3) == 0)
        look(&random);
    if (below(&random, 3) == 0)
        read_at(some_offset(&random), below(&random, sizeof bytes), bytes);
    me->inside--;
}

static void ready(void *opaque, int64_t buffered)
{
    watched *self = opaque;
    lock();
    adopt();
    trace("ready(%" PRId64 "): %s", (int64_t)self->call.off, status_name(buffered));
    EXPECT(self->calls++ == 0, "a function of sb_when was called twice");
    EXPECT(!self->freed, "a function was called after its watch was freed");
    self->running = true;
    tick();
    judge(self, buffered);
    unlock();
    use_inside(self);
    EXPECT(self->watch, "a function is called before sb_when has written the watch");
    if (self->frees_itself && claim(self))
        sb_watch_free(self->watch);
    lock();
    self->running = false;
    unlock();
}

static void add(rng *random)
{
    lock();
    watched *self = made < MOST ? &all[made++] : NULL;
    unlock();
    if (!self)
        return;
    bool wanted = the.plan.is_pushed && below(random, 3) == 0;
    uint64_t off = wanted ? NONE : some_offset(random);
    if (off >= UINT64_MAX - 1)
        off = wanted ? NONE : 0;
    self->frees_itself = below(random, 4) == 0;
    self->call = (call){ .name = "sb_when", .off = off, .len = off == NONE ? 0 : 1,
                         .need = off == NONE ? 0 : off + 1, .limit = 0, .reader = -1 };
    call_begin(&self->call);
    lock();
    self->registered = true;
    the.helper_asked = true;
    if (off < INT64_MAX && off + 1 > the.watched)
        the.watched = off + 1;
    unlock();
    int64_t result = sb_when(the.buffer, off == NONE ? SB_WHEN_WANTED : off, ready, self, &self->watch);
    call_end(&self->call);
    trace("sb_when(%" PRId64 "): %s", (int64_t)off, status_name(result));
    lock();
    if (result == SB_ERR_TIMEOUT) {
        EXPECT(self->watch, "no watch");
        EXPECT(off == NONE || self->call.shown == 0, "sb_when waits for bytes that are buffered");
        self->returned = true;
    } else {
        EXPECT(!self->watch && self->calls == 0, "a function is called though sb_when returned %s",
               status_name(result));
        EXPECT(result <= 0 || off == NONE || (uint64_t)result >= self->call.shown,
               "sb_when returned %" PRId64 ", less than is buffered", result);
        self->registered = false;
        judge(self, result);
    }
    unlock();
}

static void end(watched *self)
{
    if (!self->returned || !claim(self))
        return;
    sb_watch_free(self->watch);
    trace("sb_watch_free(%" PRId64 ")", (int64_t)self->call.off);
    lock();
    self->freed = true;
    EXPECT(me->inside > 0 || !self->running, "sb_watch_free returned while the function runs");
    unlock();
}

void use_watch(rng *random)
{
    lock();
    watched *one = made > 0 && below(random, 2) ? &all[below(random, made)] : NULL;
    unlock();
    if (one)
        end(one);
    else
        add(random);
}

/* Once there is a result for every offset, or the buffer is freed: each function was called. */
void expect_called(const char *when)
{
    for (unsigned at = 0; at < made; at++) {
        watched *one = &all[at];
        EVENTUALLY(one->calls == 1 || one->claimed || !one->registered, "no call for sb_when(%" PRId64 ") after %s",
                   (int64_t)one->call.off, when);
    }
}

void free_watches(void)
{
    for (unsigned at = 0; at < made; at++)
        end(&all[at]);
    expect_called("the end");
}
