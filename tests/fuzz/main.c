/*
 * A fuzzer of the C ABI with a model: threads, and a source that misbehaves.
 *
 *   fuzz [--seed N] [--cases N] [--seconds N] [--from N] [--threads N]
 *        [--seeds FILE] [--patience SECONDS] [--trace]
 */
#include "fuzz.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static atomic_uint working;

static void *work(void *opaque)
{
    me = opaque;
    for (unsigned done = 0; done < the.plan.operations; done++)
        perform();
    atomic_fetch_sub(&working, 1);
    return NULL;
}

static void make(void)
{
    const plan *plan = &the.plan;
    sb_callback callback = source_callback();
    sb_options options;
    EXPECT(sb_options_init(&options, sizeof options) == SB_OK, "no options");
    options.size = plan->declared;
    options.max_memory = plan->max;
    options.prefetch = plan->prefetch;
    options.prefetch_low = plan->prefetch_low;
    options.seek_gap = plan->seek_gap;
    options.read_granularity = plan->read_granularity;
    options.on_full = plan->on_full;
    options.on_short = plan->on_short;
    options.spool_dir = plan->spool_dir ? scratch_folder : NULL;
    int result = sb_new_with(&callback, &options, &the.buffer);
    EXPECT(result == SB_OK && the.buffer, "no buffer: %d", result);
}

static void run(uint64_t seed)
{
    plan plan;
    plan_of(seed, &plan);
    model_begin(&plan);
    me = &the.workers[MAIN];
    if (plan.other != SAME) {
        (plan.other == WINDOW ? run_window : run_cache)(seed);
        model_end();
        return;
    }
    watches_begin();
    if (plan.is_pushed)
        make_pushed();
    else if (plan.is_reopened)
        make_reopened();
    else
        make();
    atomic_store(&working, plan.threads);
    for (unsigned at = 0; at < plan.threads; at++)
        if (pthread_create(&the.workers[at].thread, NULL, work, &the.workers[at]) != 0)
            fail("no thread");
    /* Whoever waits for bytes must get them. */
    while (plan.is_pushed && atomic_load(&working) > 0) {
        pause_us(300);
        keep_pushing(&me->random);
    }
    for (unsigned at = 0; at < plan.threads; at++)
        pthread_join(the.workers[at].thread, NULL);
    finish();
    model_end();
}

static void make_folder(void)
{
    const char *under = getenv("TMPDIR");
    snprintf(scratch_folder, sizeof scratch_folder, "%s/spoolbuf-fuzz-XXXXXX", under ? under : "/tmp");
    if (!mkdtemp(scratch_folder))
        exit(2);
}

static struct {
    uint64_t seed;
    int64_t ms;
} slowest;

static void run_timed(uint64_t seed)
{
    int64_t begun = now_ms();
    run(seed);
    int64_t spent = now_ms() - begun;
    if (spent >= slowest.ms) {
        slowest.seed = seed;
        slowest.ms = spent;
    }
}

/* Runs the cases of a list. A line has a seed, how often it runs, and what it found. */
static uint64_t run_list(const char *path)
{
    uint64_t done = 0;
    char line[300];
    uint64_t seed;
    unsigned times;
    FILE *list = fopen(path, "r");
    if (!list) {
        perror(path);
        exit(2);
    }
    while (fgets(line, sizeof line, list))
        if (sscanf(line, "%" SCNu64 " %u", &seed, &times) == 2)
            for (unsigned turn = 0; turn < times; turn++, done++)
                run_timed(seed);
    fclose(list);
    return done;
}

static uint64_t number(const char *text)
{
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 0);
    if (errno || *end || !*text) {
        fprintf(stderr, "no number: %s\n", text);
        exit(2);
    }
    return value;
}

int main(int count, char **arguments)
{
    uint64_t seed = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
    uint64_t cases = NONE, seconds = NONE, done = 0, listed = 0;
    const char *list = NULL;
    seed %= UINT64_C(1000000000000);
    for (int at = 1; at < count; at++) {
        const char *name = arguments[at];
        if (strcmp(name, "--trace") == 0) {
            the.tracing = true;
            continue;
        }
        if (strcmp(name, "--seeds") == 0 && at + 1 < count) {
            list = arguments[++at];
            continue;
        }
        uint64_t value = at + 1 < count ? number(arguments[++at]) : 0;
        if (strcmp(name, "--seed") == 0)
            seed = value, cases = 1;
        else if (strcmp(name, "--from") == 0)
            seed = value;
        else if (strcmp(name, "--cases") == 0)
            cases = value;
        else if (strcmp(name, "--seconds") == 0)
            seconds = value;
        else if (strcmp(name, "--form") == 0)
            only_form = (form)value;
        else if (strcmp(name, "--threads") == 0)
            only_threads = (int)value;
        else if (strcmp(name, "--patience") == 0)
            patience_ms = (int64_t)value * 1000;
        else {
            fprintf(stderr, "unknown: %s\n", name);
            return 2;
        }
    }
    if (cases == NONE && seconds == NONE && !list)
        seconds = 10;
    signal(SIGXFSZ, SIG_IGN);
    make_folder();
    watch_begin();
    int64_t begun = now_ms();
    if (list) {
        listed = run_list(list);
        if (cases == NONE && seconds == NONE)
            cases = 0;
    } else {
        printf("from seed %" PRIu64 "\n", seed);
    }
    fflush(stdout);
    while (done < cases && (seconds == NONE || now_ms() - begun < (int64_t)seconds * 1000))
        run_timed(seed + done++);
    rmdir(scratch_folder);
    printf("%" PRIu64 " cases, %" PRIuFAST64 " operations, %" PRIuFAST64 " calls of sources, %" PRIuFAST64
           " MB read, %.1f s; the slowest case, %" PRIu64 ", took %.1f s\n", listed + done,
           atomic_load(&operations_done), atomic_load(&calls_done), atomic_load(&bytes_done) / 1000000,
           (double)(now_ms() - begun) / 1000, slowest.seed, (double)slowest.ms / 1000);
    return 0;
}
