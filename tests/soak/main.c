/*
 * The soak: 10,000 resources through a cache of 64 MiB of memory and 512 MiB of disk space for a given time:
 * soak SECONDS SPOOL-DIR
 *
 * Users ask for popular resources more often, read parts of them, and keep readers while others are
 * evicted. Openers and sources fail, and resources change. Every byte is compared. Twenty times a second the
 * process is measured by what the system says: memory, and the blocks of the files that it has open without a
 * name. Both must stay within the budgets and a margin. What the cache does not count must not
 * grow. At the end nothing may be left. The last line has the figures.
 */
#include "soak.h"

#include <stdarg.h>

sb_cache *cache;
atomic_int is_over, open_sources;
atomic_ullong visits, compared, opener_failures, source_failures, tag_changes, same_tags, disk_full, held_reads;

/* Each user, and each helper of the cache, fills one segment at a time. */
#define FILLING ((uint64_t)(USERS + HELPERS) * SEGMENT)
/* What the system counts besides: the allocator's free lists, the stacks of threads, the program. */
#define MARGIN (12 * MIB)
/* How much more of that there may be in the last quarter than in the second one. */
#define GROWTH (2 * MIB)
/* The blocks in which a file system keeps the places of a file's blocks, for each file. */
#define FILE_MARGIN 65536

enum { QUARTERS = 4, PAUSE_MS = 50 };

/* The most of each, in each quarter of the time. */
static struct {
    uint64_t resident, uncounted, spooled;
    unsigned maps, files;
} most[QUARTERS];

static const char *spool_dir;
static uint64_t program;  /* the memory before there was a cache */

void wrong(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("soak: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    fflush(NULL);
    _exit(1);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static sb_cache_stats look(void)
{
    sb_cache_stats stats;
    if (sb_cache_stat(cache, &stats, sizeof stats) != SB_OK)
        wrong("sb_cache_stat()");
    return stats;
}

static void at_most(const char *what, uint64_t value, uint64_t limit)
{
    if (value > limit)
        wrong("%s: %" PRIu64 ", at most %" PRIu64, what, value, limit);
}

#define RAISE(most, value) ((most) = (value) > (most) ? (value) : (most))

/* What the library says and what the system says, both against the budget. */
static gauge sample(unsigned quarter)
{
    sb_cache_stats stats = look();
    gauge now = measure(spool_dir);
    uint64_t resident = now.resident > program ? now.resident - program : 0;
    uint64_t uncounted = resident > stats.memory ? resident - stats.memory : 0;

    at_most("memory that the cache counts", stats.memory_peak, MAX_MEMORY + FILLING);
    at_most("disk space that the cache counts", stats.disk_peak, MAX_DISK);
    at_most("resident memory", resident, MAX_MEMORY + FILLING + MARGIN);
    at_most("disk space", now.spooled, MAX_DISK + (uint64_t)now.spool_files * FILE_MARGIN);
    at_most("threads", now.threads, 1 + USERS + HELPERS);
    RAISE(most[quarter].resident, resident);
    RAISE(most[quarter].uncounted, uncounted);
    RAISE(most[quarter].spooled, now.spooled);
    RAISE(most[quarter].maps, now.maps);
    RAISE(most[quarter].files, now.files);
    return now;
}

/* Samples until the time is over. Says once that there are spool files. */
static void watch(double length)
{
    double start = seconds(), passed;
    int is_said = 0;

    while ((passed = seconds() - start) < length) {
        gauge now = sample((unsigned)(QUARTERS * passed / length));
        if (!is_said && now.spooled > MAX_DISK / 8) {
            puts("spooling");
            fflush(stdout);
            is_said = 1;
        }
        nanosleep(&(struct timespec){ 0, PAUSE_MS * 1000000 }, NULL);
    }
    /* A short run is over before memory and disk are as full as they get. */
    if (length >= 40) {
        at_most("memory at the end that is not counted", most[3].uncounted, most[1].uncounted + GROWTH);
        at_most("resident memory at the end", most[3].resident, most[1].resident + 2 * GROWTH);
        at_most("mappings at the end", most[3].maps, most[1].maps + 64);
    }
}

static void report(double length)
{
    sb_cache_stats stats = look();
    uint64_t evicted = stats.evicted_disk + stats.evicted_free + stats.evicted_memory
        + stats.evicted_large;
    gauge last = { 0 };

    printf("%.0f s, %llu visits, %llu hits, %llu MiB fetched, %llu MiB compared; evicted %llu, %llu expired",
           length, visits, (unsigned long long)stats.hits, (unsigned long long)(stats.pulled / MIB),
           compared / MIB, (unsigned long long)evicted, (unsigned long long)stats.expired);
    printf("; failed: %llu openers, %llu sources; tags: %llu other, %llu same; %llu reads under old leases",
           opener_failures, source_failures, tag_changes, same_tags, held_reads);
    printf("; %llu on a full disk", disk_full);
    for (unsigned quarter = 0; quarter < QUARTERS; quarter++) {
        RAISE(last.resident, most[quarter].resident);
        RAISE(last.spooled, most[quarter].spooled);
        RAISE(last.files, most[quarter].files);
        RAISE(last.maps, most[quarter].maps);
    }
    printf("; resident %.1f MiB (counted %.1f), not counted %.1f, %.1f, %.1f, %.1f by quarter",
           (double)last.resident / MIB, (double)stats.memory_peak / MIB, (double)most[0].uncounted / MIB,
           (double)most[1].uncounted / MIB, (double)most[2].uncounted / MIB,
           (double)most[3].uncounted / MIB);
    printf("; disk %.1f MiB (counted %.1f); %u files, %u mappings\n", (double)last.spooled / MIB,
           (double)stats.disk_peak / MIB, last.files, last.maps);
}

/* Nothing is left of a cache that was freed. */
static void end(unsigned files)
{
    at_most("leases that are left", look().leases, 0);
    sb_cache_free(cache);
    gauge left = measure(spool_dir);
    at_most("sources that are left open", (uint64_t)atomic_load(&open_sources), 0);
    at_most("spool files that are left", left.spool_files, 0);
    at_most("files that are left open", left.files, files);
    at_most("threads that are left", left.threads, 1);
    at_most("memory that is left", left.resident - program, MARGIN);
}

static void make_cache(void)
{
    sb_cache_options options;
    sb_cache_options_init(&options, sizeof options);
    options.open = open_resource;
    options.max_memory = MAX_MEMORY;
    options.max_disk = MAX_DISK;
    options.fresh_ms = 300;
    options.idle_ms = 20000;
    options.threads = HELPERS;
    options.prefetch = SEGMENT;
    options.spool_dir = spool_dir;
    if (sb_cache_new(&options, &cache) != SB_OK)
        wrong("sb_cache_new()");
}

int main(int argc, char **argv)
{
    static user users[USERS];
    double length = argc == 3 ? strtod(argv[1], NULL) : 0;

    if (length <= 0)
        wrong("usage: soak SECONDS SPOOL-DIR");
    spool_dir = argv[2];
    make_zipf();
    unsigned files = measure(spool_dir).files;
    program = measure(spool_dir).resident;
    make_cache();
    for (unsigned index = 0; index < USERS; index++) {
        users[index].random = (uint64_t)(index + 1) << 40;
        if (pthread_create(&users[index].thread, NULL, use, &users[index]) != 0)
            wrong("pthread_create()");
    }
    watch(length);
    atomic_store(&is_over, 1);
    for (unsigned index = 0; index < USERS; index++)
        pthread_join(users[index].thread, NULL);
    report(length);
    end(files);
    return 0;
}
