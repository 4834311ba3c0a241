/* The results of the source, and what the library must make of them. */
#include "source.h"

#include <limits.h>

/* ---- its results ----------------------------------------------------------------------------- */

int64_t some_error(rng *random, bool is_int)
{
    const int64_t codes[] = { -104, -5, -1, SB_ERR_CANCELED, SB_ERR_TIMEOUT, SB_ERR_SHORT, INT_MIN,
                              is_int ? -2 : INT64_MIN, SB_SOURCE_UNSUPPORTED };
    /* The last code makes a source forward-only, and nobody reads through a giant resource. */
    return codes[below(random, COUNT_OF(codes) - the.plan.giant)];
}

bool takes_a_stop(void)
{
    if (the.marks == 0 || the.plan.manners >= DEAF)
        return false;
    the.marks = the.plan.manners == OBEYS_EACH ? the.marks - 1 : 0;
    return true;
}

outcome choose(rng *random, uint64_t offset, uint64_t capacity, bool is_int)
{
    const plan *plan = &the.plan;
    uint64_t left = offset < plan->size ? plan->size - offset : 0;
    outcome out = { .kind = BYTES };
    if (!the.honest) {
        if (takes_a_stop() || chance(random, plan->nothings))
            return (outcome){ .kind = NOTHING, .code = SB_SOURCE_CANCELED };
        /* It returns late, and with an error that does not report the cancel. */
        bool late = the.marks > 0 && plan->manners == LATE && plan->errors > 0;
        if (late)
            the.marks = 0;
        if (the.dead > 0) {
            the.dead--;
            if (the.dead_code == 0)
                return (outcome){ .kind = ZERO };
            return (outcome){ .kind = ERROR, .code = the.dead_code };
        }
        if (chance(random, late ? 500 : plan->errors)) {
            out = (outcome){ .kind = ERROR, .code = some_error(random, is_int) };
            the.dead = (unsigned)below(random, 4);
            the.dead_code = chance(random, plan->zeros_after) ? 0 : out.code;
            return out;
        }
        if (chance(random, plan->lies))
            return (outcome){ .kind = LIE, .count = below(random, 4) };
        if (chance(random, plan->false_ends))
            return (outcome){ .kind = ZERO };
        if (left == 0 && chance(random, plan->late_ends))
            return (outcome){ .kind = below(random, 2) ? NOTHING : ERROR, .code = SB_SOURCE_CANCELED };
    }
    if (left == 0)
        return (outcome){ .kind = ZERO };
    out.count = capacity < left ? capacity : left;
    if (plan->chunk && out.count > plan->chunk)
        out.count = plan->chunk;
    if (plan->chunk_varies)
        out.count = 1 + below(random, out.count);
    out.variant = (uint32_t)++the.deliveries;
    return out;
}

/* ---- what the library must make of them ------------------------------------------------------ */

static void failed(cause cause, int64_t code)
{
    cause_open(cause, 0, NONE);
    /* A concurrent clear may clear this failure. */
    the.failed = the.clearing == 0;
    if (cause != SHORT)
        the.code = code;
}

/* From now on a 0 does not mean the end. */
static void doubt(int64_t code)
{
    the.doubt = true;
    the.doubted = code;
}

static void came(uint64_t offset, const outcome *out)
{
    bool known = spans_at(&the.held, offset);
    spans_add(&the.journal, offset, offset + out->count, out->variant);
    spans_add(&the.held, offset, offset + out->count, 0);
    the.position = offset + out->count;
    if (the.position > the.passed)
        the.passed = the.position;
    the.doubt = the.refused = false;
    the.rechecks &= known;
    the.ended_at = NONE;
    the.holes |= the.held.count > 1 || the.held.list[0].start > 0;
    uint64_t last = spans_last(&the.held);
    if (last > the.plan.declared)
        the.disproved = true;
    bool is_short = the.plan.declared != SB_SIZE_UNKNOWN && last < the.plan.declared;
    if (the.bound == last && the.final == NONE && !is_short) {
        the.final = last;
    } else if (the.bound <= last && the.final == NONE) {
        the.bound = NONE;
        for (size_t at = 0; at < the.causes_count; at++)
            if (the.causes[at].cause == ENDED)
                the.causes[at].closing = true;
    }
}

static void said_zero(uint64_t offset, bool jumps)
{
    uint64_t last = spans_last(&the.held), declared = the.plan.declared;
    the.position = offset;
    if (the.doubt && offset != declared) {
        /* The same failure again; after a seek, only that of this read. */
        the.refused |= offset >= last;
        /* A concurrent retry may be a retry of this failure. */
        the.rechecks |= the.refused && the.clearing > 0;
        if (jumps && offset >= last) {
            cause_open(SEEK_FAILED, 0, NONE);
            the.code = the.doubted;
        } else {
            failed(FAILED, the.doubted);
        }
        return;
    }
    bool is_short = declared != SB_SIZE_UNKNOWN && offset < declared;
    /* Even below bytes that are held: the connection was cut. */
    if (offset <= last && is_short && the.plan.on_short == SB_SHORT_ERROR) {
        failed(SHORT, 0);
        the.is_short = the.failed;
        return;
    }
    if (offset < last) {
        failed(FAILED, the.code);
        return;
    }
    if (declared != SB_SIZE_UNKNOWN && offset < declared)
        the.disproved = true;
    if (offset == last)
        the.final = offset;
    if (offset < the.bound)
        the.bound = offset;
    the.ended_at = offset;
    cause_open(ENDED, offset, NONE);
}

/* The earliest time of a cancel that can concern the current call: the library may have decided on the
 * call a while before it entered the source. */
static uint64_t decided(void)
{
    uint64_t from = the.left_at;
    for (const call *call = me->call; call; call = call->outer)
        if (!call->outer && call->begin > from)
            from = call->begin;
    return from;
}

void came_with_nothing(bool seeks)
{
    uint64_t from = decided();
    the.gives_up = true;
    the.gave_up = me;
    bool may_be_stopped = cause_overlaps(CANCELED, from, the.clock)
        || cause_overlaps(FREED, from, the.clock);
    bool surely_told = the.told_least > 0, may_be_told = the.told_most > 0;
    the.told_most -= may_be_told;
    /* A cancel that is being delivered may have been counted already. */
    the.told_least -= surely_told || may_be_stopped;
    if (surely_told || the.canceled || the.freed)
        return;
    if (may_be_stopped || may_be_told) {
        cause_open(seeks ? SEEK_FAILED : FAILED, 0, NONE);
        the.code_known = false;
    } else if (seeks) {
        cause_open(SEEK_FAILED, 0, NONE);
        the.code = SB_SOURCE_CANCELED;
    } else {
        failed(FAILED, SB_SOURCE_CANCELED);
    }
}

void could_not_seek(int64_t code)
{
    if (code == SB_SOURCE_UNSUPPORTED) {
        the.forward_only = true;
        cause_open(FORWARD_ONLY, 0, NONE);
    } else {
        cause_open(SEEK_FAILED, 0, NONE);
        doubt(code);
        the.code = code;
    }
}

void take_in(uint64_t offset, outcome *out, bool jumps)
{
    trace("the source at %" PRIu64 ": %s %" PRId64, offset,
          out->kind == BYTES ? "bytes" : out->kind == ZERO ? "the end" : out->kind == ERROR ? "error"
          : out->kind == NOTHING ? "nothing" : "a lie", out->kind == BYTES ? (int64_t)out->count : out->code);
    switch (out->kind) {
    case BYTES:
        came(offset, out);
        break;
    case ZERO:
        said_zero(offset, jumps);
        break;
    case NOTHING:
    case ERROR:
        if (out->code == SB_SOURCE_CANCELED) {
            came_with_nothing(false);
            break;
        }
        failed(FAILED, out->code);
        doubt(out->code);
        break;
    case LIE:
        failed(FAILED, 0);
        the.code_known = false;
        doubt(0);
        break;
    }
}
