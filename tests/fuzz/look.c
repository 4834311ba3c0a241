/* The queries of a buffer, compared with what its reads and its source showed. */
#include "fuzz.h"

void judge_size(const call *self, int64_t size)
{
    lock();
    uint64_t declared = the.plan.declared;
    bool gone = cause_overlaps(FREED, self->begin, self->end);
    bool right;
    if (size == SB_ERR_INVALID)
        right = gone;
    else if (size == SB_ERR_UNKNOWN_SIZE)
        right = !self->final_shown
            && (declared == SB_SIZE_UNKNOWN || the.disproved
                || (the.has_stated && self->begin <= the.stated_settled));
    else
        right = (uint64_t)size == the.final
            || ((uint64_t)size == declared && !self->final_shown && self->shown_last <= declared);
    EXPECT(right, "the size is said to be %" PRId64 "; final %" PRId64 ", declared %" PRId64 "%s", size,
           (int64_t)the.final, (int64_t)declared, the.disproved ? ", disproved" : "");
    unlock();
}

static void size(void)
{
    call self = { .name = "sb_size", .off = NONE, .limit = -1, .reader = -1 };
    call_begin(&self);
    int64_t result = sb_size(the.buffer);
    call_end(&self);
    trace("sb_size: %" PRId64, result);
    judge_size(&self, result);
}

void judge_found(const call *self, int64_t size)
{
    if (size < 0) {
        judge_status(self, size);
        return;
    }
    lock();
    EXPECT((uint64_t)size == the.final, "%s found a size of %" PRId64 ", it is %" PRId64, self->name, size,
           (int64_t)the.final);
    the.final_shown = true;
    unlock();
}

void find_size(int64_t limit)
{
    call self = { .name = "sb_find_size", .off = NONE, .need = NONE, .limit = limit, .reader = -1,
                  .fetches = limit < 0, .waits = me->inside == 0 && limit < 0 };
    lock();
    the.saved = true;
    if (limit > 0)
        the.helper_asked = true;
    unlock();
    call_begin(&self);
    int64_t result = sb_find_size(the.buffer, limit);
    call_end(&self);
    trace("sb_find_size(%" PRId64 "): %s", limit, status_name(result));
    judge_found(&self, result);
}

static void buffered(uint64_t off)
{
    call self = { .name = "sb_buffered", .off = off, .len = 0, .limit = -1, .reader = -1 };
    call_begin(&self);
    int64_t result = sb_buffered(the.buffer, off);
    call_end(&self);
    trace("sb_buffered(%" PRIu64 "): %" PRId64, off, result);
    if (result < 0) {
        judge_status(&self, result);
        return;
    }
    lock();
    EXPECT((uint64_t)result >= self.shown, "%" PRId64 " bytes are buffered at %" PRIu64 ", but %" PRIu64
           " were before", result, off, self.shown);
    EXPECT(spans_cover(&the.held, off, off + (uint64_t)result),
           "bytes are buffered at %" PRIu64 " that were never delivered", off);
    spans_add(&the.shown, off, off + (uint64_t)result, 0);
    unlock();
}

static void judge_ranges(const sb_range *list, size_t count, uint64_t known)
{
    uint64_t total = 0;
    for (size_t at = 0; at < count; at++) {
        const sb_range *one = &list[at];
        EXPECT(one->start < one->end && (at == 0 || list[at - 1].end < one->start),
               "a range from %" PRIu64 " to %" PRIu64, one->start, one->end);
        EXPECT(spans_cover(&the.held, one->start, one->end),
               "the range from %" PRIu64 " to %" PRIu64 " was never delivered", one->start, one->end);
        spans_add(&the.shown, one->start, one->end, 0);
        total += one->end - one->start;
    }
    EXPECT(total >= known, "the ranges have %" PRIu64 " bytes, but %" PRIu64 " were buffered", total, known);
}

static void ranges(void)
{
    sb_range list[64];
    call self = { .name = "sb_ranges", .off = NONE, .limit = -1, .reader = -1 };
    call_begin(&self);
    lock();
    uint64_t known = spans_total(&the.shown);
    unlock();
    int64_t count = sb_ranges(the.buffer, list, COUNT_OF(list));
    call_end(&self);
    trace("sb_ranges: %" PRId64, count);
    if (count < 0) {
        judge_status(&self, count);
        return;
    }
    lock();
    if (count > (int64_t)COUNT_OF(list))
        judge_ranges(list, COUNT_OF(list), 0);
    else
        judge_ranges(list, (size_t)count, known);
    unlock();
}

static void judge_stats(const sb_stats *stats, bool final_shown, uint64_t frontier, uint64_t known,
                        uint64_t reads, unsigned closed)
{
    const plan *plan = &the.plan;
    uint64_t total = stats->memory + stats->disk;
    EXPECT(stats->declared == plan->declared
               || (plan->states && stats->declared == SB_SIZE_UNKNOWN && !alone()),
           "another size was declared");
    EXPECT(stats->frontier >= frontier && stats->frontier <= spans_end(&the.held, 0),
           "the frontier is said to be at %" PRIu64, stats->frontier);
    EXPECT(total >= known && total <= spans_total(&the.held),
           "%" PRIu64 " bytes are said to be buffered, at least %" PRIu64 " are", total, known);
    /* A call is in flight in each source that a thread, or helper, has not left. */
    uint64_t calls = sources_used(closed);
    /* Its segment is the library's again a little after it was closed. */
    uint64_t segments = calls + (plan->is_reopened ? plan->threads + 2 : 0);
    if (!(plan->on_full == SB_ON_FULL_MEMORY && the.disk_full) && the.max < INT64_MAX)
        EXPECT(stats->memory <= the.max + segments * 256 * KIB, "%" PRIu64 " bytes are in memory", stats->memory);
    EXPECT(stats->final_size == the.final || (stats->final_size == SB_SIZE_UNKNOWN && !final_shown),
           "the final size is said to be %" PRId64, (int64_t)stats->final_size);
    /* The library counts a call before it enters the source, which counts it, too. */
    EXPECT((stats->pulls >= reads || plan->is_reopened) && stats->pulls <= the.reads + calls,
           "%" PRIu64 " pulls", stats->pulls);
    EXPECT(stats->disk == 0 || stats->spool != SB_SPOOL_NONE, "bytes in no spool file");
    EXPECT(!stats->helper || the.helper_asked, "a helper thread that nobody asked for");
    spans_add(&the.shown, 0, stats->frontier, 0);
    the.final_shown |= stats->final_size != SB_SIZE_UNKNOWN;
}

static void stats(void)
{
    sb_stats stats;
    call self = { .name = "sb_stat", .off = NONE, .limit = -1, .reader = -1 };
    memset(&stats, 0xEE, sizeof stats);
    call_begin(&self);
    lock();
    uint64_t frontier = spans_end(&the.shown, 0), known = spans_total(&the.shown);
    uint64_t reads = the.reads;
    unsigned closed = sources_closed();
    unlock();
    int result = sb_stat(the.buffer, &stats, sizeof stats);
    call_end(&self);
    trace("sb_stat: %d", result);
    if (result != SB_OK) {
        judge_status(&self, result);
        return;
    }
    lock();
    judge_stats(&stats, self.final_shown, frontier, known, reads, closed);
    unlock();
}

void look(rng *random)
{
    switch (below(random, 4)) {
    case 0:
        size();
        break;
    case 1:
        buffered(some_offset(random));
        break;
    case 2:
        ranges();
        break;
    default:
        stats();
    }
}

/* ---- while nothing runs --------------------------------------------------------------------- */

/* An end just before the last retry may have been recorded after it. */
static uint64_t bound_of(const sb_stats *stats)
{
    return the.bound == NONE && cause_ended(stats->bound, the.clock, NONE) ? stats->bound : the.bound;
}

/* The first difference from the model, or NULL. */
static const char *differs(const sb_stats *stats)
{
    const plan *plan = &the.plan;
    uint64_t bound = bound_of(stats);
    bool disproved = spans_last(&the.held) > plan->declared || bound < plan->declared;
    uint64_t size = the.final != NONE ? the.final : disproved ? SB_SIZE_UNKNOWN : plan->declared;
    int64_t told = sb_size(the.buffer);
    /* A failure just before the last resume may have been recorded after it. */
    bool may_have_failed = stats->state == SB_STATE_FAILED && !the.failed
        && (cause_overlaps(FAILED, the.clock, NONE) || cause_overlaps(SHORT, the.clock, NONE));
    bool is_short = the.is_short || (may_have_failed && stats->status == SB_ERR_SHORT)
        || (the.final != NONE && plan->declared != SB_SIZE_UNKNOWN && the.final < plan->declared)
        || (the.final == NONE && plan->declared != SB_SIZE_UNKNOWN && bound < plan->declared);
    if (stats->frontier != spans_end(&the.held, 0))
        return "the frontier";
    if (stats->memory + stats->disk != spans_total(&the.held))
        return "the bytes in memory and on disk";
    if (stats->final_size != the.final)
        return "the final size";
    if (stats->pulls != the.reads)
        return "the pulls";
    /* A source that gets an offset with each call is not sought before it. */
    if (plan->form != PULL_SEEKS && stats->seeks != the.seeks)
        return "the seeks";
    if (the.code_known && stats->source_error != the.code)
        return "the source's error";
    if (stats->bound != bound)
        return "the bound";
    if (stats->ended_short != is_short)
        return "the short end";
    if (stats->seekable != !the.forward_only)
        return "whether it can seek";
    int state = the.failed ? SB_STATE_FAILED : the.final != NONE ? SB_STATE_ENDED : SB_STATE_OPEN;
    if (!may_have_failed && stats->state != state)
        return "the state";
    if (!may_have_failed && stats->status != (the.is_short ? SB_ERR_SHORT : the.failed ? SB_ERR_SOURCE : SB_OK))
        return "the status";
    if (told != (size == SB_SIZE_UNKNOWN ? SB_ERR_UNKNOWN_SIZE : (int64_t)size))
        return "the size";
    return NULL;
}

static const char *ranges_differ(void)
{
    size_t room = the.held.count + 8;
    sb_range *list = calloc(room, sizeof *list);
    int64_t told = sb_ranges(the.buffer, list, room);
    size_t count = told > 0 ? (size_t)told : 0;
    const char *what = told == (int64_t)the.held.count ? NULL : "the number of ranges";
    for (size_t at = 0; !what && at < count; at++)
        if (list[at].start != the.held.list[at].start || list[at].end != the.held.list[at].end)
            what = "the ranges";
    free(list);
    return what;
}

void check_quiet(void)
{
    const char *what;
    sb_stats stats;
    int64_t until = now_ms() + patience_ms;
    do {
        EXPECT(sb_stat(the.buffer, &stats, sizeof stats) == SB_OK, "no stats");
        lock();
        what = differs(&stats);
        if (!what)
            what = ranges_differ();
        if (what && now_ms() > until)
            fail("%s: frontier %" PRIu64 ", bytes %" PRIu64 ", final %" PRId64 ", pulls %" PRIu64 ", seeks %"
                 PRIu64 ", error %" PRId64 ", bound %" PRId64 ", short %d, seekable %d, size %" PRId64
                 "; the model: frontier %" PRIu64 ", error %" PRId64 ", short %d, bound %" PRId64, what,
                 stats.frontier, stats.memory + stats.disk, (int64_t)stats.final_size, stats.pulls,
                 stats.seeks, stats.source_error, (int64_t)stats.bound, stats.ended_short, stats.seekable,
                 sb_size(the.buffer), spans_end(&the.held, 0), the.code, the.is_short,
                 (int64_t)the.bound);
        if (!what)
            judge_stats(&stats, the.final_shown, stats.frontier, 0, 0, sources_closed());
        unlock();
        if (what)
            pause_us(200);
    } while (what);
}
