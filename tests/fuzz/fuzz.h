/*
 * The fuzzer of the C ABI: what its files share. README.md says how it works.
 *
 * One case runs at a time. Everything about it is in `the`, under one lock, except what threads keep
 * for themselves.
 */
#ifndef FUZZ_H
#define FUZZ_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spoolbuf.h"

#define NONE UINT64_MAX
#define KIB UINT64_C(1024)
#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* ---- random numbers -------------------------------------------------------------------------- */

typedef struct rng {
    uint64_t state;
} rng;

static inline uint64_t rng_next(rng *self)
{
    uint64_t x = self->state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static inline rng rng_of(uint64_t seed, uint64_t stream)
{
    rng made = { seed * UINT64_C(0xd1342543de82ef95) + stream };
    made.state = rng_next(&made);
    return made;
}

/* 0 to n - 1; 0 if n is 0. */
static inline uint64_t below(rng *self, uint64_t n)
{
    return n == 0 ? 0 : rng_next(self) % n;
}

static inline bool chance(rng *self, unsigned per_mille)
{
    return rng_next(self) % 1000 < per_mille;
}

/* ---- spans.c: sets of offsets ---------------------------------------------------------------- */

/* The bytes of one delivery. `variant` tells them from those of every other delivery. */
typedef struct span {
    uint64_t start, end;
    uint32_t variant;
} span;

typedef struct spans {
    span *list;
    size_t count, room;
} spans;

/* Adds the part that is missing; spans of one variant that touch become one. */
void spans_add(spans *self, uint64_t start, uint64_t end, uint32_t variant);
/* The end of the bytes from `offset` on without a gap; `offset` if that byte is missing. */
uint64_t spans_end(const spans *self, uint64_t offset);
/* The offset of the next byte at or past `offset`; NONE if there is none. */
uint64_t spans_next(const spans *self, uint64_t offset);
uint64_t spans_total(const spans *self);
uint64_t spans_last(const spans *self);
bool spans_cover(const spans *self, uint64_t start, uint64_t end);
/* The span of `offset`, or NULL. */
const span *spans_at(const spans *self, uint64_t offset);
void spans_clear(spans *self);

/* ---- content.c: the bytes of a resource ------------------------------------------------------ */

/* Each byte is a function of the case, of its offset, and of the delivery it came with. */
void content_fill(uint64_t salt, uint32_t variant, uint64_t offset, unsigned char *out, size_t count);
/* The number of bytes that are correct. */
size_t content_same(uint64_t salt, uint32_t variant, uint64_t offset, const unsigned char *bytes,
                    size_t count);
/* Whether some of the memory that a source is given to write to holds bytes of another case. `offset`
 * is that of the first byte. */
bool content_foreign(uint64_t salt, uint64_t offset, const unsigned char *bytes, size_t count);

/* ---- case.c: the case that a seed generates -------------------------------------------------- */

typedef enum form { READ, READ_SEEK, PULL, PULL_SEEKS, FORMS } form;

/* How a source reacts to a `cancel`. */
typedef enum manners {
    OBEYS_EACH, /* each cancel makes one call return SB_SOURCE_CANCELED */
    OBEYS_ANY,  /* any number of cancels makes one call return it */
    DEAF,       /* ignores them */
    LATE,       /* returns from a stall, with whatever it has */
    MANNERS
} manners;

typedef struct plan {
    uint64_t seed;
    uint64_t salt;
    uint64_t size;     /* where the source ends, unless it ends earlier */
    uint64_t declared; /* or SB_SIZE_UNKNOWN */
    uint64_t chunk;    /* the most bytes per call; 0: no limit */
    uint64_t max, prefetch, prefetch_low, seek_gap;
    uint32_t read_granularity, on_short, on_full;
    form form;
    manners manners;
    bool has_cancel, has_close, spool_dir, giant, chunk_varies;
    /* The source states this size, right or wrong, when it is asked for the time after `states_after`. */
    bool states;
    uint64_t stated;
    unsigned states_after;
    unsigned threads, operations;
    /* What goes wrong, per mille of the source's calls. */
    unsigned errors, zeros_after, stalls, lies, nothings, false_ends, reentries, scribbles, late_ends;
    unsigned seek_errors, refusals, pauses;
    /* What the threads do, as weights. */
    unsigned reads, some_reads, readers, controls, saves, looks, frees, disk, limits, sizes;
    unsigned watches;
    bool is_pushed; /* the buffer has no source */
    uint64_t ahead;
    unsigned pushes;
    bool is_reopened;  /* its sources are those of reopen.c */
    unsigned reopens;
    enum other { SAME, WINDOW, CACHE } other; /* a case of window.c or cache.c: nothing above applies */
} plan;

extern form only_form; /* FORMS: all */
extern int only_threads; /* 0: any */
void plan_of(uint64_t seed, plan *out);
void plan_print(const plan *self, FILE *out);

/* ---- model.c: what has happened, and what may follow from it --------------------------------- */

/* What makes an error, or an end, valid for the calls that it overlaps. */
typedef enum cause {
    FAILED,          /* the source failed */
    SHORT,           /* it ended below the declared size, which is an error */
    SEEK_FAILED,     /* a seek failed this time */
    FORWARD_ONLY,    /* it cannot seek */
    ENDED,           /* it ended at `value` or before */
    CANCELED,        /* sb_cancel() */
    FREED,           /* sb_free() */
    READER_CANCELED, /* sb_reader_cancel() of reader `value` */
    READER_FREED,
    DISK_FULL, /* files can't grow */
} cause;

/* A cause over an interval of time. The library knows of it only a little after the source has
 * returned: at the latest from `settled` on. */
typedef struct interval {
    cause cause;
    uint64_t value;
    uint64_t from, settled, to;
    bool closing; /* ends when it has settled */
    const struct worker *by;
} interval;

/* A call of the library. */
typedef struct call {
    const char *name;
    uint64_t off, len; /* the requested bytes; NONE as `off`: none in particular */
    uint64_t need;     /* the end of the bytes that it may fetch; NONE: it may save */
    int64_t limit;     /* milliseconds; < 0: none */
    int reader;        /* the reader's number, or -1 */
    bool fetches;      /* may run the source on this thread */
    bool waits;        /* may wait for the source */
    bool stopped;      /* canceled by its own progress function */
    uint64_t begin, end;
    int64_t begun_ms;
    uint64_t shown; /* bytes from `off` on that were known to be buffered when it began */
    uint64_t shown_last; /* the end of all bytes known to be buffered then */
    bool final_shown;    /* whether the final size was known then */
    struct call *outer;
} call;

typedef struct worker {
    unsigned number;
    rng random;
    pthread_t thread;
    call *call;      /* the innermost one that is running, or NULL */
    unsigned inside; /* how many of the source's callbacks it is in */
    bool pulled;     /* it called the source in the current call */
    char path[256];  /* the target of its saves */
    uint64_t saved;  /* bytes there; NONE: no such file */
    unsigned char *bytes;
} worker;

/* A reopen may start another helper while one is inside the source before. */
enum { THREADS = 4, MAIN = THREADS, HELPER, HELPERS = 64, WORKERS = HELPER + HELPERS, READERS = 6, LARGEST = 320 * 1024 };

struct the {
    plan plan;
    worker workers[WORKERS];
    sb_buffer *buffer;
    bool tracing;

    uint64_t clock;
    interval *causes;
    size_t causes_count, causes_room;

    spans journal; /* every byte's first delivery */
    spans held;    /* the same without the deliveries */
    spans shown;   /* bytes that a result of the library has shown to be buffered */

    /* The source, as far as the library may know it. */
    uint64_t position, final, bound;
    uint64_t ended_at; /* it reported its end there, and was not sought elsewhere since */
    bool doubt;        /* a 0 repeats the failure before it, */
    int64_t doubted;   /* which has this code */
    bool failed;       /* it has failed, and nothing can have cleared that */
    bool refused;      /* an end was not believed, */
    bool rechecks;     /* after a retry of that, buffered bytes are requested again */
    bool forward_only;
    bool disproved;    /* the declared size is disproved */
    bool has_stated;   /* it has stated the size, */
    uint64_t stated_settled; /* which the library knows at the latest from then on */
    const worker *stated_by;
    bool size_awaited; /* its `size` is called next, */
    int64_t size_next; /* and returns this */
    uint64_t max;      /* the largest memory limit that may be in force */
    bool is_short;     /* it ended below the declared size, and that is its failure */
    uint64_t passed;   /* the largest offset that it reached */
    int64_t code;      /* of its last error */
    bool code_known;
    uint64_t cancels_called;
    uint64_t cancels_begun, cancelers;
    int64_t told_least, told_most; /* cancels that it has not obeyed so far, at least and at most */
    bool gives_up; /* it returned no bytes, perhaps because of a cancel */
    const worker *gave_up;
    /* The source itself. */
    atomic_int occupied;
    unsigned marks, dead, late_ends, holds;
    int64_t dead_code;
    bool stalled, honest, closed, over;
    worker *insider;
    uint64_t left_at; /* when it last returned */
    uint64_t reads, seeks, calls, deliveries;
    atomic_uint closes;
    unsigned canceling;
    /* The number of its calls that began since these were surely in force. */
    bool canceled, freed;
    unsigned begun_since_cancel, begun_since_free, frees;
    unsigned resuming, clearing, prefetching; /* calls that are running */
    uint64_t resumed_at, reader_resumed_at, cleared_at, prefetched_at; /* when the last one began or ended */
    uint64_t prefetch_most;  /* the largest that may be in force */
    uint64_t prefetch_sure;  /* the one surely in force, or NONE */
    unsigned begun_since_prefetch;
    unsigned helpers;        /* that called anything so far */
    atomic_bool helper_asked; /* a library thread may call the source */
    uint64_t need;     /* the end of the bytes that calls may need since the source's last call */
    uint64_t watched;  /* the same for functions that sb_when() may still call */
    uint64_t furthest; /* the largest end that any call requested */
    bool saving;       /* whether a save ran since then */
    bool saved;        /* whether a save ever ran */
    bool disk_full;
    bool final_shown;

    bool holes; /* there was one between received bytes */

    sb_reader *readers[READERS];
    int reader_names[READERS];
    int readers_made;
    uint64_t reader_at[READERS];
    int64_t reader_limit[READERS];   /* milliseconds; < 0: none */
    bool reader_buffered[READERS];   /* reads only what is buffered */
    bool reader_taken[READERS]; /* one call at a time */
};

extern struct the the;
extern pthread_mutex_t the_lock;
extern _Thread_local worker *me;

void model_begin(const plan *plan);
void model_end(void);
/* Makes a thread of the library a worker, under the lock. */
void adopt(void);
uint64_t tick(void);
void cause_open(cause cause, uint64_t value, uint64_t settled);
/* Ends the causes that had settled before `begun`. */
void cause_close(cause cause, uint64_t value, uint64_t begun);
bool cause_overlaps(cause cause, uint64_t from, uint64_t to);
bool cause_ended(uint64_t offset, uint64_t from, uint64_t to);
/* From now on the library knows the source's result in a call by `by`; NULL: by any thread. */
void settle(const worker *by);
void disk_lifted(void);
void disk_settles(bool helper_rests);
uint64_t rounded(uint64_t end);
/* The end of the bytes that a call which waits for one byte requests from the source, before rounding.
 * */
uint64_t some(uint64_t off, uint64_t len);
/* Whether only this thread can have used the buffer or its source. */
bool alone(void);
/* The library asks the source for its size after this call, and before it takes in the result. */
void size_follows(void);
/* Around sb_cancel(), sb_resume() or sb_retry(), sb_prefetch(), sb_free(). */
void cancel_begins(void);
void cancel_ended(uint64_t begun, bool done);
void clear_begins(bool resumes);
void clear_ended(bool resumes, uint64_t begun);
void prefetch_begins(uint64_t ahead);
void prefetch_ended(uint64_t ahead, uint64_t begun);
void free_begins(void);
void free_ended(void);

/* Called around each call of the library, without the lock. */
void call_begin(call *self);
void call_end(call *self);
/* Fails unless this call may return that count of bytes or that error. */
void judge_count(const call *self, int64_t result, const unsigned char *bytes, bool all);
void judge_status(const call *self, int64_t status);
const char *unlawful(const call *self, int64_t status);

/* ---- the rest -------------------------------------------------------------------------------- */

sb_callback source_callback(void); /* source.c */

/* push.c */
void make_pushed(void);
void push_something(rng *random);
void keep_pushing(rng *random);
void finish_pushed(void);

/* reopen.c */
void make_reopened(void);
void reopen_something(rng *random);
void finish_reopened(void);
void expect_closed(void);
unsigned sources_closed(void);
/* The most sources in which a call may have been at any time since that many were closed. */
unsigned sources_used(unsigned closed);

/* window.c, cache.c */
void run_window(uint64_t seed);
void run_cache(uint64_t seed);

/* watch.c */
void watches_begin(void);
void use_watch(rng *random);
void expect_called(const char *when);
void free_watches(void);

/* operations.c */
void perform(void);                /* one operation of a thread */
void perform_inside(rng *random);  /* the same, from a callback */
uint64_t some_offset(rng *random);
int64_t read_at(uint64_t off, uint64_t len, unsigned char *bytes);
void read_some_now(uint64_t off);

/* reader.c */
void use_reader(rng *random);
void free_readers(void);

/* control.c */
void control(rng *random);
void change_prefetch(uint64_t ahead);
void change_max(rng *random);
void cancel(bool sees);
void clear(bool resumes);
void free_buffer(void);
void change_disk(rng *random, bool full);
/* Waits for earlier calls that a cancel must end: all, or those of one reader. */
void await_stopped(uint64_t before, int reader);

/* look.c */
void look(rng *random);
void find_size(int64_t limit);
void judge_found(const call *self, int64_t size);
void judge_size(const call *self, int64_t size);
void check_quiet(void);

/* save.c */
void save_something(rng *random);
void save_whole(void);

/* finish.c */
void finish(void);

/* record.c */
extern atomic_uint_fast64_t operations_done, calls_done, bytes_done;
extern char scratch_folder[200];
extern int64_t patience_ms;
extern unsigned threads_at_first; /* the watch's and a sanitizer's among them */
void trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void watch_begin(void);
int64_t now_us(void);
int64_t now_ms(void);
void pause_us(unsigned us);
unsigned entries(const char *folder);
const char *status_name(int64_t status);

#define EXPECT(what, ...) \
    do { \
        if (!(what)) \
            fail(__VA_ARGS__); \
    } while (0)

/* Waits until a condition holds that another thread brings about. */
#define EVENTUALLY(what, ...) \
    do { \
        int64_t eventually_until = now_ms() + patience_ms; \
        while (!(what)) { \
            if (now_ms() > eventually_until) \
                fail(__VA_ARGS__); \
            pause_us(100); \
        } \
    } while (0)

static inline void lock(void)
{
    pthread_mutex_lock(&the_lock);
}

static inline void unlock(void)
{
    pthread_mutex_unlock(&the_lock);
}

#endif
