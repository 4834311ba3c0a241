/* What has happened in a case, and which results are valid because of it. */
#include "fuzz.h"

struct the the;
pthread_mutex_t the_lock = PTHREAD_MUTEX_INITIALIZER;
_Thread_local worker *me;

void model_begin(const plan *plan)
{
    bool tracing = the.tracing;
    worker kept[WORKERS];
    lock();
    memcpy(kept, the.workers, sizeof kept);
    memset(&the, 0, sizeof the);
    the.tracing = tracing;
    the.plan = *plan;
    the.final = the.bound = the.ended_at = NONE;
    the.code_known = true;
    the.stated_settled = NONE;
    the.max = plan->max;
    the.prefetch_most = the.prefetch_sure = plan->prefetch;
    the.helper_asked = plan->prefetch > 0;
    for (unsigned at = 0; at < WORKERS; at++) {
        worker *self = &the.workers[at];
        self->number = at;
        self->random = rng_of(plan->seed, 100 + at);
        self->saved = NONE;
        self->bytes = kept[at].bytes ? kept[at].bytes : malloc(LARGEST);
        snprintf(self->path, sizeof self->path, "%s/saved-%u", scratch_folder, at);
    }
    the.forward_only = plan->form == READ || plan->form == PULL;
    if (the.forward_only)
        cause_open(FORWARD_ONLY, 0, 0);
    unlock();
}

void adopt(void)
{
    if (!me)
        me = &the.workers[HELPER + the.helpers++ % HELPERS];
}

void model_end(void)
{
    lock();
    spans_clear(&the.journal);
    spans_clear(&the.held);
    spans_clear(&the.shown);
    free(the.causes);
    the.causes = NULL;
    the.causes_count = 0;
    unlock();
}

uint64_t tick(void)
{
    return ++the.clock;
}

/* ---- causes ---------------------------------------------------------------------------------- */

void cause_open(cause cause, uint64_t value, uint64_t settled)
{
    if (the.causes_count == the.causes_room) {
        the.causes_room = the.causes_room * 2 + 32;
        the.causes = realloc(the.causes, the.causes_room * sizeof *the.causes);
        if (!the.causes)
            abort();
    }
    the.causes[the.causes_count++] = (interval){
        .cause = cause, .value = value, .from = tick(), .settled = settled, .to = NONE,
        .closing = cause == SEEK_FAILED, .by = me,
    };
}

void cause_close(cause cause, uint64_t value, uint64_t begun)
{
    for (size_t at = 0; at < the.causes_count; at++) {
        interval *one = &the.causes[at];
        if (one->cause == cause && (value == NONE || one->value == value) && one->to == NONE
            && one->settled < begun)
            one->to = tick();
    }
}

static bool overlaps(const interval *one, uint64_t from, uint64_t to)
{
    return one->from <= to && one->to >= from;
}

bool cause_overlaps(cause cause, uint64_t from, uint64_t to)
{
    for (size_t at = the.causes_count; at-- > 0;)
        if (the.causes[at].cause == cause && overlaps(&the.causes[at], from, to))
            return true;
    return false;
}

static bool of_reader(cause cause, int reader, uint64_t from, uint64_t to)
{
    for (size_t at = the.causes_count; at-- > 0;) {
        const interval *one = &the.causes[at];
        if (one->cause == cause && one->value == (uint64_t)reader && overlaps(one, from, to))
            return true;
    }
    return false;
}

bool cause_ended(uint64_t offset, uint64_t from, uint64_t to)
{
    if (offset >= INT64_MAX)
        return true;
    for (size_t at = the.causes_count; at-- > 0;) {
        const interval *one = &the.causes[at];
        if (one->cause == ENDED && one->value <= offset && overlaps(one, from, to))
            return true;
    }
    return false;
}

void size_follows(void)
{
    plan *plan = &the.plan;
    if (!plan->states || the.has_stated || the.final != NONE)
        return;
    the.size_awaited = true;
    the.size_next = -1 - (int64_t)plan->states_after;
    if (plan->states_after > 0) {
        plan->states_after--;
        return;
    }
    the.size_next = (int64_t)plan->stated;
    the.has_stated = true;
    the.stated_by = me;
    plan->declared = plan->stated;
    if (spans_last(&the.held) > plan->declared || the.bound < plan->declared)
        the.disproved = true;
}

void settle(const worker *by)
{
    if (the.has_stated && the.stated_settled == NONE && (!by || by == the.stated_by))
        the.stated_settled = tick();
    for (size_t at = the.causes_count; at-- > 0;) {
        interval *one = &the.causes[at];
        if (one->cause > ENDED || (by && one->by != by))
            continue;
        if (one->settled == NONE)
            one->settled = tick();
        if (one->closing && one->to == NONE)
            one->to = tick();
    }
}

/* ---- what the callers do --------------------------------------------------------------------- */

void cancel_begins(void)
{
    cause_open(CANCELED, 0, NONE);
    if (the.gives_up)
        the.failed = the.code_known = false;
}

void cancel_ended(uint64_t begun, bool done)
{
    /* A cancel that ran concurrently with a resume may be over. */
    for (size_t at = 0; at < the.causes_count; at++)
        if (the.causes[at].cause == CANCELED && the.causes[at].by == me
            && the.causes[at].settled == NONE)
            the.causes[at].settled = tick();
    if (!done || the.resuming > 0 || the.resumed_at > begun)
        return;
    if (!the.canceled)
        the.begun_since_cancel = 0;
    the.canceled = true;
}

void clear_begins(bool resumes)
{
    the.clearing++;
    the.cleared_at = tick();
    the.failed = the.is_short = false;
    the.rechecks |= the.refused;
    /* An offset below the declared size where the source had no bytes is requested again. */
    if (the.plan.on_short == SB_SHORT_ERROR && the.plan.declared != SB_SIZE_UNKNOWN
        && the.bound < the.plan.declared && the.final == NONE) {
        the.bound = the.ended_at = NONE;
        /* One that the library may not know yet can stay. */
        for (size_t at = 0; at < the.causes_count; at++)
            if (the.causes[at].cause == ENDED && the.causes[at].settled != NONE)
                the.causes[at].closing = true;
    }
    if (resumes) {
        the.resuming++;
        the.resumed_at = the.cleared_at;
        the.canceled = false;
    }
}

void clear_ended(bool resumes, uint64_t begun)
{
    the.clearing--;
    the.cleared_at = tick();
    cause_close(FAILED, NONE, begun);
    cause_close(SHORT, NONE, begun);
    if (resumes) {
        the.resuming--;
        the.resumed_at = the.cleared_at;
        cause_close(CANCELED, NONE, begun);
    }
}

void prefetch_begins(uint64_t ahead)
{
    the.prefetching++;
    the.prefetched_at = tick();
    the.prefetch_sure = NONE;
    if (ahead > the.prefetch_most)
        the.prefetch_most = ahead;
    if (ahead > 0)
        the.helper_asked = true;
}

void prefetch_ended(uint64_t ahead, uint64_t begun)
{
    the.prefetching--;
    if (the.prefetching == 0 && the.prefetched_at < begun) {
        the.prefetch_sure = ahead;
        the.begun_since_prefetch = 0;
    }
    the.prefetched_at = tick();
}

void free_begins(void)
{
    cause_open(FREED, 0, 0);
}

void free_ended(void)
{
    if (!the.freed)
        the.begun_since_free = 0;
    the.freed = true;
}

/* A call that met the full disk passes its failure on to calls that joined it, until it returns. */
void disk_lifted(void)
{
    uint64_t now = tick();
    for (size_t at = 0; at < the.causes_count; at++) {
        interval *one = &the.causes[at];
        if (one->cause == DISK_FULL && one->to == NONE && !one->closing) {
            one->closing = true;
            one->settled = now;
        }
    }
}

static bool runs_since(uint64_t moment)
{
    for (size_t at = 0; at < WORKERS; at++)
        for (const call *call = the.workers[at].call; call; call = call->outer)
            if (call->begin < moment)
                return true;
    return false;
}

/* The helper's failures belong to no call. */
void disk_settles(bool helper_rests)
{
    for (size_t at = 0; at < the.causes_count; at++) {
        interval *one = &the.causes[at];
        if (one->cause == DISK_FULL && one->closing && one->to == NONE
            && (helper_rests || !the.helper_asked) && !runs_since(one->settled))
            one->to = tick();
    }
}

bool alone(void)
{
    return the.plan.threads == 1 && !the.helper_asked;
}

uint64_t rounded(uint64_t end)
{
    uint64_t step = the.plan.read_granularity;
    if (step == 0 || end > INT64_MAX)
        return end;
    return (end + step - 1) / step * step;
}

uint64_t some(uint64_t off, uint64_t len)
{
    uint64_t step = the.plan.read_granularity, most = step ? 16384 - step : 256 * KIB;
    if (len > most)
        len = most;
    return off + (len > 0 ? len : 1);
}

/* ---- calls ----------------------------------------------------------------------------------- */

void call_begin(call *self)
{
    lock();
    self->begin = tick();
    self->begun_ms = now_ms();
    self->shown_last = spans_last(&the.shown);
    self->final_shown = the.final_shown;
    self->outer = me->call;
    me->call = self;
    if (self->off != NONE) {
        self->shown = spans_end(&the.shown, self->off) - self->off;
        /* A read of buffered bytes never blocks. */
        if (self->len > 0 && self->shown >= self->len)
            self->waits = false;
        uint64_t end = self->off + self->len;
        if (self->off < INT64_MAX && end > the.furthest)
            the.furthest = end;
    }
    if (self->need == NONE)
        the.saving = true;
    else if (self->need > the.need)
        the.need = self->need;
    the.holds += !self->waits;
    unlock();
}

void call_end(call *self)
{
    lock();
    self->end = tick();
    me->call = self->outer;
    the.holds -= !self->waits;
    if (me->inside == 0 && me->pulled) {
        settle(me);
        the.gives_up &= the.gave_up != me;
        me->pulled = false;
    }
    disk_settles(false);
    atomic_fetch_add_explicit(&operations_done, 1, memory_order_relaxed);
    unlock();
}

static bool is_gone(const call *self)
{
    return cause_overlaps(FREED, self->begin, self->end)
        || (self->reader >= 0 && of_reader(READER_FREED, self->reader, self->begin, self->end));
}

const char *unlawful(const call *self, int64_t status)
{
    uint64_t from = self->begin, to = self->end;
    switch (status) {
    case SB_ERR_INVALID:
        return is_gone(self) ? NULL : "a handle that is not freed";
    case SB_ERR_CANCELED:
        if (cause_overlaps(CANCELED, from, to) || is_gone(self) || self->stopped)
            return NULL;
        if (self->reader >= 0 && of_reader(READER_CANCELED, self->reader, from, to))
            return NULL;
        return "nothing was canceled";
    case SB_ERR_SOURCE:
        return cause_overlaps(FAILED, from, to) || cause_overlaps(SEEK_FAILED, from, to)
            ? NULL : "the source has not failed";
    case SB_ERR_SHORT:
        return cause_overlaps(SHORT, from, to) ? NULL : "the source did not end short";
    case SB_ERR_TIMEOUT:
        if (self->limit < 0)
            return "there was no limit";
        return now_ms() - self->begun_ms + 1 >= self->limit ? NULL : "too early";
    case SB_ERR_REENTRANT:
        return me->inside > 0 ? NULL : "not from inside the source";
    case SB_ERR_UNSUPPORTED: {
        uint64_t off = self->off == NONE ? 0 : self->off;
        if (!cause_overlaps(FORWARD_ONLY, from, to))
            return "the source can seek";
        return spans_end(&the.held, off) < the.passed ? NULL : "the source has not passed it";
    }
    case SB_ERR_DISK_FULL:
    case SB_ERR_IO:
        return cause_overlaps(DISK_FULL, from, to) ? NULL : "the disk has room";
    default:
        return "no such answer";
    }
}

void judge_status(const call *self, int64_t status)
{
    lock();
    const char *why = unlawful(self, status);
    EXPECT(!why, "%s returned %s: %s", self->name, status_name(status), why);
    unlock();
}

static void judge_bytes(const call *self, uint64_t count, const unsigned char *bytes)
{
    uint64_t at = self->off, end = self->off + count;
    while (at < end) {
        const span *span = spans_at(&the.journal, at);
        EXPECT(span, "%s(%" PRIu64 ", %" PRIu64 ") returned %" PRIu64 ": byte %" PRIu64
               " was never delivered", self->name, self->off, self->len, count, at);
        uint64_t until = span->end < end ? span->end : end;
        const unsigned char *here = bytes + (at - self->off);
        uint64_t same = content_same(the.plan.salt, span->variant, at, here, until - at);
        EXPECT(same == until - at, "%s(%" PRIu64 ", %" PRIu64 ") returned a wrong byte at %" PRIu64,
               self->name, self->off, self->len, at + same);
        at = until;
    }
    spans_add(&the.shown, self->off, end, 0);
    atomic_fetch_add_explicit(&bytes_done, count, memory_order_relaxed);
}

/* Whether a read may have stopped before `off + len` without an end there. */
static bool may_be_short(const call *self)
{
    static const cause causes[] = { FAILED, SHORT, SEEK_FAILED, FORWARD_ONLY, DISK_FULL };
    for (size_t at = 0; at < COUNT_OF(causes); at++)
        if (cause_overlaps(causes[at], self->begin, self->end))
            return true;
    return me->inside > 0;
}

void judge_count(const call *self, int64_t result, const unsigned char *bytes, bool all)
{
    lock();
    bool gone = is_gone(self);
    uint64_t count = result > 0 ? (uint64_t)result : 0;
    uint64_t sure = self->shown < self->len ? self->shown : self->len;
    EXPECT(count <= self->len, "%s returned %" PRIu64 " of %" PRIu64, self->name, count, self->len);
    judge_bytes(self, count, bytes);
    if (result < 0) {
        const char *why = unlawful(self, result);
        EXPECT(!why, "%s(%" PRIu64 ", %" PRIu64 ") returned %s: %s", self->name, self->off, self->len,
               status_name(result), why);
        bool stopped = gone || (result == SB_ERR_CANCELED && all);
        EXPECT(sure == 0 || (stopped && (gone || sure < self->len)),
               "%s(%" PRIu64 ", %" PRIu64 ") returned %s though %" PRIu64 " bytes were buffered",
               self->name, self->off, self->len, status_name(result), sure);
    } else {
        uint64_t end = self->off + count;
        EXPECT(count >= sure, "%s(%" PRIu64 ", %" PRIu64 ") returned %" PRIu64 ", less than the %" PRIu64
               " that were buffered", self->name, self->off, self->len, count, sure);
        if (count == 0 && self->len > 0)
            EXPECT(cause_ended(self->off, self->begin, self->end),
                   "%s(%" PRIu64 ", %" PRIu64 ") returned 0, but the source has not ended", self->name,
                   self->off, self->len);
        if (all && count < self->len)
            EXPECT(cause_ended(end, self->begin, self->end) || may_be_short(self),
                   "%s(%" PRIu64 ", %" PRIu64 ") returned %" PRIu64 " for no reason", self->name,
                   self->off, self->len, count);
    }
    if (alone() && !gone && result != SB_ERR_CANCELED && self->off < INT64_MAX) {
        uint64_t there = spans_end(&the.held, self->off) - self->off;
        there = there < self->len ? there : self->len;
        EXPECT(all ? count == there : count > 0 || there == 0,
               "%s(%" PRIu64 ", %" PRIu64 ") returned %" PRId64 ", but %" PRIu64 " bytes are there",
               self->name, self->off, self->len, result, there);
    }
    unlock();
}
