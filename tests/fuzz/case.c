/* The case that a seed generates: the resource, the options, the source's behavior, and the threads'
 * operations. */
#include "fuzz.h"

form only_form = FORMS;
int only_threads;

static uint64_t size_of(rng *random, plan *out)
{
    switch (below(random, 20)) {
    case 0:
        return 0;
    case 1: case 2: case 3: case 4: case 5:
        return 1 + below(random, 40);
    case 6: case 7: case 8: case 9: case 10: case 11: case 12: case 13:
        return 1 + below(random, 60000);
    case 14: case 15: case 16: case 17:
        return 100000 + below(random, 1000000);
    case 18:
        return 2000000 + below(random, 4000000);
    default:
        out->giant = true;
        return (UINT64_C(1) << (33 + below(random, 8))) + below(random, 100000);
    }
}

static uint64_t declared_of(rng *random, uint64_t size)
{
    switch (below(random, 6)) {
    case 0: case 1:
        return SB_SIZE_UNKNOWN;
    case 2: case 3:
        return size;
    case 4:
        return below(random, size + 1);
    default:
        return size + 1 + below(random, size + 10);
    }
}

static uint64_t chunk_of(rng *random, uint64_t size)
{
    static const uint64_t small[] = { 1, 3, 7, 100, 4096, 0 };
    static const uint64_t middle[] = { 97, 1000, 4096, 16384, 0 };
    static const uint64_t large[] = { 5000, 65536, 262144, 0 };
    if (size < 2000)
        return small[below(random, COUNT_OF(small))];
    if (size < 100000)
        return middle[below(random, COUNT_OF(middle))];
    return large[below(random, COUNT_OF(large))];
}

static uint64_t max_of(rng *random, uint64_t size)
{
    const uint64_t choice[] = { 0, 0, size / 2, size, size + 1, size ? size - 1 : 0, UINT64_MAX,
                                SB_MAX_DEFAULT, 256 * KIB };
    return choice[below(random, COUNT_OF(choice))];
}

static unsigned one_of(rng *random, unsigned a, unsigned b, unsigned c, unsigned d)
{
    const unsigned choice[] = { a, b, c, d };
    return choice[below(random, 4)];
}

static void plan_source(rng *random, plan *out)
{
    out->form = (form)below(random, FORMS);
    if (only_form != FORMS)
        out->form = only_form;
    /* Nobody reads through a giant resource, as a source that cannot seek would require. */
    if (out->giant && (out->form == READ || out->form == PULL)) {
        out->giant = false;
        out->size %= 50000;
    }
    out->manners = (manners)below(random, MANNERS);
    out->has_cancel = below(random, 4) != 0;
    out->has_close = below(random, 4) != 0;
    out->stalls = one_of(random, 0, 0, 30, 200);
    out->pauses = one_of(random, 0, 20, 100, 400);
    out->scribbles = one_of(random, 0, 0, 0, 300);
    out->chunk_varies = below(random, 2) == 0;
    if (below(random, 4) == 0)
        return; /* well-behaved */
    out->errors = one_of(random, 0, 10, 60, 250);
    out->zeros_after = one_of(random, 0, 300, 700, 1000);
    out->lies = one_of(random, 0, 0, 0, 40);
    out->nothings = one_of(random, 0, 0, 30, 100);
    out->false_ends = one_of(random, 0, 0, 0, 15);
    out->reentries = one_of(random, 0, 0, 50, 300);
    out->late_ends = one_of(random, 0, 0, 0, 700);
    out->seek_errors = one_of(random, 0, 0, 100, 500);
    out->refusals = one_of(random, 0, 0, 0, out->giant ? 0 : 60);
}

/* The end of a case pushes everything, with a read for each `ahead` bytes. */
static uint64_t ahead_of(rng *random, uint64_t size)
{
    uint64_t ahead = below(random, 4) ? 0 : 1 + below(random, 100000), least = size / 200;
    return ahead > 0 && ahead < least ? least : ahead;
}

/* Pushed buffers, and sb_when(). */
static void plan_new(rng *random, plan *out)
{
    out->watches = one_of(random, 0, 0, 3, 10);
    unsigned kind = (unsigned)below(random, 3);
    if (kind == 0 || out->giant)
        return;
    if (kind == 1) {
        out->is_reopened = out->has_close = true;
        out->states = false;
        out->declared = out->size;
        out->on_short = SB_SHORT_END;
        out->reopens = 1 + (unsigned)below(random, 12);
        return;
    }
    out->is_pushed = true;
    out->has_close = true;
    out->states = false;
    out->stalls = 0;
    out->pushes = 10 + (unsigned)below(random, 30);
    out->ahead = ahead_of(random, out->size);
    out->watches = one_of(random, 0, 3, 5, 20);
}

/* A tenth of the new cases each. */
static enum other other_of(uint64_t seed)
{
    if (only_form != FORMS || only_threads || seed < 10000)
        return SAME;
    return seed % 10 == 3 ? WINDOW : seed % 10 == 7 ? CACHE : SAME;
}

void plan_of(uint64_t seed, plan *out)
{
    static const uint64_t gaps[] = { 0, 1000, 256 * KIB, UINT64_MAX };
    static const uint32_t round_ups[] = { 0, 1, 512, 4096, 16384, 16384 };
    rng random = rng_of(seed, 0);
    memset(out, 0, sizeof *out);
    out->seed = seed;
    out->other = other_of(seed);
    out->salt = rng_next(&random);
    out->size = size_of(&random, out);
    plan_source(&random, out);
    out->declared = declared_of(&random, out->size);
    out->chunk = chunk_of(&random, out->size);
    out->max = max_of(&random, out->size);
    if (out->giant && out->max > 100000000)
        out->max = SB_MAX_DEFAULT;
    out->seek_gap = gaps[below(&random, out->giant ? 3 : 4)];
    out->read_granularity = round_ups[below(&random, COUNT_OF(round_ups))];
    out->on_short = below(&random, 3) == 0 ? SB_SHORT_ERROR : SB_SHORT_END;
    out->on_full = below(&random, 3) == 0 ? SB_ON_FULL_MEMORY : SB_ON_FULL_FAIL;
    out->spool_dir = below(&random, 2) == 0;
    if (below(&random, 5) == 0)
        out->prefetch = below(&random, 2) == 0 && !out->giant ? SB_PREFETCH_ALL : 1 + below(&random, 200000);
    /* Without a number of its own, so that the seeds stay what they are. */
    out->prefetch_low = out->salt % 3 == 0 ? UINT64_MAX : out->salt % 3 == 1 ? 0 : out->salt / 3 % 100000;
    out->threads = 1 + (unsigned)below(&random, THREADS);
    if (below(&random, 3) == 0)
        out->threads = 1;
    if (only_threads)
        out->threads = (unsigned)only_threads;
    out->operations = 3 + (unsigned)below(&random, 40);
    out->reads = one_of(&random, 5, 10, 20, 30);
    out->some_reads = one_of(&random, 0, 5, 5, 20);
    out->readers = one_of(&random, 0, 0, 5, 20);
    out->controls = one_of(&random, 0, 2, 5, 20);
    out->looks = one_of(&random, 0, 2, 5, 5);
    out->saves = one_of(&random, 0, 0, 1, 3);
    out->frees = one_of(&random, 0, 0, 0, 1);
    out->disk = one_of(&random, 0, 0, 0, out->max < out->size ? 3 : 0);
    /* The kept seeds stay what they are. */
    if (seed < 10000)
        return;
    out->limits = one_of(&random, 0, 0, 1, 5);
    out->sizes = one_of(&random, 0, 0, 1, 5);
    out->states = out->declared == SB_SIZE_UNKNOWN && below(&random, 2);
    out->stated = below(&random, 3) ? out->size : below(&random, out->size * 2 + 10);
    out->states_after = (unsigned)below(&random, 4);
    /* Several threads do not know whether a retry comes before or after the size. */
    if (out->states && (out->threads > 1 || out->prefetch > 0))
        out->on_short = SB_SHORT_END;
    plan_new(&random, out);
}

void plan_print(const plan *self, FILE *out)
{
    static const char *forms[] = { "read", "read and seek", "pull", "pull that seeks" };
    static const char *how[] = { "obeys each cancel", "obeys any cancel", "ignores cancels",
                                 "comes back late" };
    if (self->other != SAME) {
        fprintf(out, "  a case of %s\n", self->other == WINDOW ? "window.c" : "cache.c");
        return;
    }
    fprintf(out,
            "  size %" PRIu64 ", declared %" PRId64 ", chunk %" PRIu64 "%s, max %" PRId64
            ", prefetch %" PRId64 " from %" PRId64 ", gap %" PRId64 ", read_granularity %u, on_short %u, on_full %u\n",
            self->size, (int64_t)self->declared, self->chunk, self->chunk_varies ? " at most" : "",
            (int64_t)self->max, (int64_t)self->prefetch, (int64_t)self->prefetch_low,
            (int64_t)self->seek_gap, self->read_granularity,
            self->on_short, self->on_full);
    fprintf(out,
            "  %s, %s%s%s; per mille: errors %u, then 0 %u, stalls %u, lies %u, nothings %u, "
            "false ends %u, late ends %u, reentries %u, seek errors %u, refusals %u\n",
            forms[self->form], self->has_cancel ? how[self->manners] : "no cancel",
            self->has_close ? "" : ", no close", self->giant ? ", giant" : "", self->errors,
            self->zeros_after, self->stalls, self->lies, self->nothings, self->false_ends,
            self->late_ends, self->reentries, self->seek_errors, self->refusals);
    if (self->is_reopened)
        fprintf(out, "  reopened\n");
    if (self->is_pushed)
        fprintf(out, "  pushed, ahead %" PRIu64 "\n", self->ahead);
    if (self->states)
        fprintf(out, "  states a size of %" PRIu64 " after %u calls\n", self->stated, self->states_after);
    fprintf(out, "  %u threads, %u operations each\n", self->threads, self->operations);
}
