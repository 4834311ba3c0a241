/*
 * feed: users scroll through a feed of 200 streams, jump about in them and come back to them, while one
 * cache keeps what they have seen within 64 MiB of memory and 512 MiB of disk space. The feed has
 * more than that, so the cache evicts what nobody has used for the longest time.
 *
 * What to copy:
 *   make_cache()   a cache with its two budgets
 *   open_post()    the opener: finds the resource of a key and returns a source for it
 *   visit()        an open, which returns a reader; reads and seeks; and the release
 *   show()         what the cache tells about itself
 * Every byte that a user sees is compared. At the end the budgets are compared with the most that the
 * cache has ever used. Then the program prints "ok", or it says what was wrong and returns 1.
 */

#define _POSIX_C_SOURCE 200809L

#include "spoolbuf.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MIB 1048576.0

enum {
    POSTS = 200,
    MAX_MEMORY = 64 * 1048576,
    MAX_DISK = 512 * 1048576,
    SEGMENT = 256 * 1024,  /* by which each entry that is being filled may exceed the memory */
    AHEAD = 1048576,       /* what the cache fetches past the furthest read of a post */
    MAX_USERS = 64,
    PIECE = 65536          /* what a user reads at once */
};

/* ---- What all share --------------------------------------------------------------------------- */

static unsigned users = 8, visits = 80, delay_ms = 1;  /* the options */
static sb_cache *cache;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;  /* of what follows */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned visited, finished;           /* posts, users */
static unsigned open_sources, most_sources;  /* now, and at most at any time */
static uint64_t compared;                    /* bytes */
static char failure[200];                    /* the first one */

/* Keeps what was wrong, if nothing was wrong before. The users then stop. */
static void wrong(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    pthread_mutex_lock(&lock);
    if (failure[0] == '\0')
        vsnprintf(failure, sizeof failure, format, arguments);
    pthread_mutex_unlock(&lock);
    va_end(arguments);
}

static int has_failed(void)
{
    pthread_mutex_lock(&lock);
    int is_so = failure[0] != '\0';
    pthread_mutex_unlock(&lock);
    return is_so;
}

static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "feed: %s: %s\n", what, why);
    exit(1);
}

static void pause_for(unsigned ms)
{
    struct timespec time = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };

    while (ms > 0 && nanosleep(&time, &time) != 0)
        ;
}

/* ---- The posts: their bytes are a function of the number and the offset ----------------------- */

static uint64_t scrambled(uint64_t number)
{
    number = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
    number = (number ^ number >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return number ^ number >> 32;
}

/* 2 to 6 MiB, and ten times as much for one post in 40. */
static uint64_t size_of(unsigned number)
{
    uint64_t size = 2097152 + scrambled(number) % 4194304;
    return number % 40 == 7 ? size * 10 : size;
}

/* The bytes of a post from `offset` on. */
static void fill(unsigned number, uint64_t offset, unsigned char *out, size_t count)
{
    while (count > 0) {
        uint64_t word = scrambled((uint64_t)number << 40 | offset / 8);
        size_t skip = (size_t)(offset % 8);
        size_t part = sizeof word - skip < count ? sizeof word - skip : count;

        memcpy(out, (unsigned char *)&word + skip, part);
        offset += part;
        out += part;
        count -= part;
    }
}

/* ---- The sources: connections, as far as the cache knows -------------------------------------- */

struct connection {
    unsigned number;
};

/* Delivers bytes from any offset, after a while. An offset past the end is the end. */
static int pull_post(void *opaque, uint64_t offset, void *out, size_t capacity, size_t *count)
{
    const struct connection *connection = opaque;
    uint64_t size = size_of(connection->number);
    uint64_t left = offset < size ? size - offset : 0;

    pause_for(delay_ms);
    *count = left < capacity ? (size_t)left : capacity;
    fill(connection->number, offset, out, *count);
    return SB_OK;
}

static void close_post(void *opaque)
{
    pthread_mutex_lock(&lock);
    open_sources--;
    pthread_mutex_unlock(&lock);
    free(opaque);
}

/* Called by the cache if it has no entry for a key, or only a part whose source is closed. A real one
 * sends a request here, and may take its time: only opens of the same key wait for it. */
static int open_post(void *opaque, const void *key, size_t key_size, uint64_t old_tag, sb_opened *out)
{
    struct connection *connection = malloc(sizeof *connection);
    char text[16] = "";

    (void)opaque;
    (void)old_tag;  /* with `fresh_ms`: what a conditional request would ask about */
    if (connection == NULL)
        return -ENOMEM;
    pause_for(delay_ms);
    memcpy(text, key, key_size < sizeof text ? key_size : sizeof text - 1);
    connection->number = (unsigned)strtoul(text, NULL, 10);
    pthread_mutex_lock(&lock);
    if (++open_sources > most_sources)
        most_sources = open_sources;
    pthread_mutex_unlock(&lock);

    out->size = size_of(connection->number);
    out->tag = connection->number + 1;  /* a hash of the ETag, say: equal tags mean equal bytes */
    out->source.pull = pull_post;
    out->source.flags = SB_SOURCE_SEEKS;
    out->source.close = close_post;
    out->source.opaque = connection;  /* owned by the cache from here on */
    return 0;
}

static void make_cache(void)
{
    sb_cache_options options;

    sb_cache_options_init(&options, sizeof options);
    options.open = open_post;
    options.max_memory = MAX_MEMORY;
    options.max_disk = MAX_DISK;
    options.prefetch = AHEAD;
    int status = sb_cache_new(&options, &cache);
    if (status != SB_OK)
        give_up("a cache", sb_strerror(status));
}

/* ---- The users -------------------------------------------------------------------------------- */

struct user {
    pthread_t thread;
    uint64_t random;
    unsigned place;  /* the number of the post */
    unsigned char seen[PIECE], expected[PIECE];
};

static uint64_t below(struct user *user, uint64_t limit)
{
    return scrambled(user->random++) % limit;
}

/* Mostly the next post, sometimes one that was just there, sometimes any, mostly a popular one. */
static unsigned next_post(struct user *user)
{
    uint64_t mood = below(user, 10);

    if (mood < 6)
        user->place += 1;
    else if (mood < 8)
        user->place += POSTS - 1 - (unsigned)below(user, 8);
    else
        user->place = (unsigned)below(user, below(user, POSTS) + 1);
    user->place %= POSTS;
    return user->place;
}

/* Reads from `offset` on and compares, up to `most` bytes or the end. Returns 0 if that went wrong. */
static int watch(struct user *user, sb_reader *reader, uint64_t offset, uint64_t most)
{
    uint64_t size = size_of(user->place), end = most <= size - offset ? offset + most : UINT64_MAX;

    int64_t result = sb_reader_seek(reader, (int64_t)offset, SB_SEEK_SET);
    while (result >= 0 && offset < end) {
        size_t wanted = end - offset < PIECE ? (size_t)(end - offset) : PIECE;

        result = sb_reader_read(reader, wanted, user->seen);  /* blocks until the first byte is there */
        if (result <= 0)
            break;  /* an error, or the end, which makes the entry a whole one */
        fill(user->place, offset, user->expected, (size_t)result);
        if (memcmp(user->seen, user->expected, (size_t)result) != 0) {
            wrong("post %u: other bytes at %llu", user->place, (unsigned long long)offset);
            return 0;
        }
        offset += (uint64_t)result;
        pthread_mutex_lock(&lock);
        compared += (uint64_t)result;
        pthread_mutex_unlock(&lock);
    }
    if (result < 0)
        wrong("post %u at %llu: %s", user->place, (unsigned long long)offset, sb_strerror(result));
    else if (offset < end && offset != size)
        wrong("post %u ends at %llu", user->place, (unsigned long long)offset);
    return result >= 0;
}

/* Looks at the beginning of a post. Then jumps about in it, leaves it, or watches the whole. */
static void visit(struct user *user)
{
    char key[16];
    unsigned number = next_post(user);
    uint64_t size = size_of(number);
    int length = snprintf(key, sizeof key, "%u", number);  /* any bytes will do: a URL, say */
    sb_reader *reader;

    int status = sb_cache_open(cache, key, (size_t)length, NULL, &reader);
    if (status != SB_OK) {
        wrong("post %u cannot be opened: %s", number, sb_strerror(status));
        return;
    }
    int is_good = watch(user, reader, 0, 4 * PIECE);
    uint64_t mood = below(user, 10);
    for (int jump = 0; mood < 4 && is_good && jump < 4; jump++)
        is_good = watch(user, reader, below(user, size), 2 * PIECE);
    if (mood > 1 && is_good)
        watch(user, reader, 0, UINT64_MAX);
    sb_reader_free(reader);  /* waits for no source; the bytes stay until their room is needed */
}

static void *scroll(void *opaque)
{
    for (unsigned count = 0; count < visits && !has_failed(); count++) {
        visit(opaque);
        pthread_mutex_lock(&lock);
        visited++;
        pthread_mutex_unlock(&lock);
    }
    pthread_mutex_lock(&lock);
    finished++;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* ---- What is printed -------------------------------------------------------------------------- */

static sb_cache_stats look(void)
{
    sb_cache_stats stats;

    sb_cache_stat(cache, &stats, sizeof stats);
    return stats;
}

/* One line, with `before` and `after` it. */
static void show(unsigned count, const char *before, const char *after)
{
    sb_cache_stats stats = look();
    uint64_t opens = stats.hits + stats.misses;
    unsigned hits = opens > 0 ? (unsigned)(100 * stats.hits / opens) : 0;
    uint64_t evicted = stats.evicted_disk + stats.evicted_free + stats.evicted_memory
        + stats.evicted_large;

    printf("%s%4u visits %3u %% hits %4.0f MiB fetched %5.1f memory %5.1f disk %3u evicted%s",
           before, count, hits, (double)stats.pulled / MIB, (double)stats.memory / MIB,
           (double)stats.disk / MIB, (unsigned)evicted, after);
    fflush(stdout);
}

/* Waits for the users. On a terminal the line is overwritten ten times a second; elsewhere there is a
 * line each second. */
static void show_until_the_end(void)
{
    int is_live = isatty(STDOUT_FILENO);
    struct timespec until;

    pthread_mutex_lock(&lock);
    clock_gettime(CLOCK_REALTIME, &until);
    while (finished < users) {
        until.tv_nsec += is_live ? 100000000 : 0;
        until.tv_sec += is_live ? until.tv_nsec / 1000000000 : 1;
        until.tv_nsec %= 1000000000;
        while (finished < users && pthread_cond_timedwait(&changed, &lock, &until) != ETIMEDOUT)
            ;
        unsigned count = visited;
        pthread_mutex_unlock(&lock);
        show(count, is_live ? "\r" : "", is_live ? "" : "\n");
        pthread_mutex_lock(&lock);
    }
    pthread_mutex_unlock(&lock);
    if (is_live)
        putchar('\n');
}

/* The budgets beside the most that was ever used. */
static void compare_budgets(void)
{
    sb_cache_stats stats = look();
    uint64_t memory = MAX_MEMORY + (uint64_t)SEGMENT * most_sources;

    printf("most memory  %5.1f MiB, of %.0f and 0.25 for each of %u open sources\n",
           (double)stats.memory_peak / MIB, MAX_MEMORY / MIB, most_sources);
    printf("most disk    %5.1f MiB, of %.0f\n", (double)stats.disk_peak / MIB, MAX_DISK / MIB);
    printf("compared     %5.0f MiB\n", (double)compared / MIB);
    if (stats.memory_peak > memory)
        wrong("%llu bytes of memory were used, of at most %llu", (unsigned long long)stats.memory_peak,
              (unsigned long long)memory);
    if (stats.disk_peak > MAX_DISK)
        wrong("%llu bytes of disk space were used, of at most %d", (unsigned long long)stats.disk_peak,
              MAX_DISK);
    if (stats.leases > 0)
        wrong("%llu leases are left", (unsigned long long)stats.leases);
}

/* ---- The program ------------------------------------------------------------------------------ */

static void usage(FILE *out)
{
    fprintf(out,
            "Usage: feed [OPTION...]\n"
            "  --users N    users, each with a thread, 1 to %d (%u)\n"
            "  --visits N   posts that each user visits (%u)\n"
            "  --delay MS   how long each call of a source takes (%u)\n",
            MAX_USERS, users, visits, delay_ms);
}

static void read_options(char **arguments)
{
    const struct {
        const char *name;
        unsigned *value, least, most;
    } options[] = {
        { "--users", &users, 1, MAX_USERS },
        { "--visits", &visits, 0, 1000000 },
        { "--delay", &delay_ms, 0, 60000 },
    };

    while (*arguments != NULL) {
        size_t index = 0, count = sizeof options / sizeof *options;

        if (strcmp(*arguments, "--help") == 0) {
            usage(stdout);
            exit(0);
        }
        while (index < count && strcmp(*arguments, options[index].name) != 0)
            index++;
        char *end = NULL;
        long value = index < count && arguments[1] != NULL ? strtol(arguments[1], &end, 10) : -1;
        if (value < 0 || end == arguments[1] || *end != '\0' || value < (long)options[index].least
            || value > (long)options[index].most) {
            fprintf(stderr, "feed: %s: no such option, or not such a value\n", *arguments);
            usage(stderr);
            exit(2);
        }
        *options[index].value = (unsigned)value;
        arguments += 2;
    }
}

int main(int argc, char **argv)
{
    static struct user all[MAX_USERS];

    (void)argc;
    read_options(argv + 1);
    make_cache();
    for (unsigned index = 0; index < users; index++) {
        all[index].random = (uint64_t)index << 32;
        all[index].place = POSTS - 1;  /* the next one is at the top */
        int error = pthread_create(&all[index].thread, NULL, scroll, &all[index]);
        if (error != 0)
            give_up("a thread", strerror(error));
    }
    show_until_the_end();
    for (unsigned index = 0; index < users; index++)
        pthread_join(all[index].thread, NULL);
    compare_budgets();
    sb_cache_free(cache);
    if (failure[0] != '\0')
        give_up("wrong", failure);
    puts("ok");
    return 0;
}
