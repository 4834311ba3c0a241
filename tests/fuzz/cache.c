/*
 * Caches: threads open, read, keep, release and remove a few keys of one cache with small budgets, while
 * openers and sources fail and resources change. Cases of their own. Each lease has the bytes of one version
 * of its key; what it has shown stays; the budgets hold; nothing is left over.
 */
#include "fuzz.h"

enum { KEYS = 5, LEASES = 3, FILL = 256 * 1024, OPENER_FAILS = -91, SOURCE_FAILS = -92, VERSIONS = 200 };

typedef struct lease {
    sb_reader *reader;
    unsigned key;
    int version;  /* -1: not known yet */
    bool buffered;
    spans shown;
} lease;

typedef struct origin {
    unsigned key, version;
    atomic_bool occupied;
} origin;

static struct {
    uint64_t salt, sizes[KEYS];
    sb_cache_options options;
    sb_cache *cache;
    unsigned errors, changes, circles; /* per mille */
    bool removes, is_freed_midway;
    atomic_uint versions[KEYS], inside[KEYS];
    atomic_uint sources, working;
    atomic_uint expected, met; /* sources that wait for each other, and those that do */
    atomic_bool freed;
    atomic_uint_fast64_t dice;
    call calls[WORKERS];
} it;

static _Thread_local unsigned depth; /* openers that this thread is in */

static uint32_t variant(unsigned key, unsigned version)
{
    return 1 + key * VERSIONS + version;
}

static bool happens(unsigned per_mille)
{
    rng random = { atomic_fetch_add(&it.dice, UINT64_C(0x9e3779b97f4a7c15)) };
    return chance(&random, per_mille);
}

static void begin(const char *name, uint64_t off, uint64_t len)
{
    if (depth > 0)
        return;
    call *call = &it.calls[me->number];
    lock();
    *call = (struct call){ .name = name, .off = off, .len = len, .begun_ms = now_ms() };
    me->call = call;
    unlock();
    atomic_fetch_add(&operations_done, 1);
}

static void end(const char *name, unsigned key, uint64_t off, int64_t result)
{
    if (depth == 0) {
        lock();
        me->call = NULL;
        unlock();
    }
    trace("%s(%u, %" PRIu64 "): %s", name, key, off, status_name(result));
}

/* ---- the opener and its sources ---- */

/* So that their entries are filled at the same time, mostly. */
static void meet(void)
{
    unsigned expected = atomic_load(&it.expected);
    if (expected == 0)
        return;
    atomic_fetch_add(&it.met, 1);
    for (unsigned turn = 0; turn < 100 && atomic_load(&it.met) < expected; turn++)
        pause_us(200);
}

static int pull(void *opaque, uint64_t offset, void *out, size_t capacity, size_t *count)
{
    origin *self = opaque;
    uint64_t size = it.sizes[self->key], left = offset < size ? size - offset : 0;

    EXPECT(!atomic_exchange(&self->occupied, true), "two threads are in one source");
    atomic_fetch_add(&calls_done, 1);
    if (happens(200))
        pause_us(100);
    meet();
    bool fails = happens(it.errors);
    *count = left < capacity ? (size_t)left : capacity;
    content_fill(it.salt, variant(self->key, self->version), offset, out, *count);
    atomic_store(&self->occupied, false);
    return fails ? SOURCE_FAILS : SB_OK;
}

static void close_origin(void *opaque)
{
    EXPECT(!atomic_load(&((origin *)opaque)->occupied), "closed by one thread and used by another");
    atomic_fetch_sub(&it.sources, 1);
    free(opaque);
}

static void open_another(unsigned key);

static int open_key(void *opaque, const void *bytes, size_t size, uint64_t old_tag, sb_opened *out)
{
    unsigned key;
    (void)opaque;
    EXPECT(size == sizeof key, "a key of %zu bytes", size);
    memcpy(&key, bytes, sizeof key);
    adopt();
    unsigned others = atomic_fetch_add(&it.inside[key], 1);
    EXPECT(others == 0 || it.removes, "%u openers of one key", others + 1);
    if (happens(300))
        pause_us(300);
    if (happens(it.circles))
        open_another(key);
    if (happens(it.changes) && atomic_load(&it.versions[key]) < VERSIONS - KEYS)
        atomic_fetch_add(&it.versions[key], 1);
    unsigned version = atomic_load(&it.versions[key]);
    bool fails = happens(it.errors);
    out->size = happens(500) ? it.sizes[key] : SB_SIZE_UNKNOWN;
    out->tag = (uint64_t)version + 1;
    if (!fails && out->tag != old_tag) {
        origin *made = calloc(1, sizeof *made);
        made->key = key;
        made->version = version;
        out->source = (sb_callback){ .pull = pull, .close = close_origin, .opaque = made, .flags = SB_SOURCE_SEEKS };
        atomic_fetch_add(&it.sources, 1);
    }
    atomic_fetch_sub(&it.inside[key], 1);
    return fails ? OPENER_FAILS : 0;
}

/* ---- what the threads do ---- */

/* Whether an error has a reason. */
static void judge(const char *name, int64_t result, int64_t source, int64_t timeout, bool buffered)
{
    bool is_known = false;
    switch (result) {
    case SB_ERR_SOURCE:
        is_known = source == OPENER_FAILS || source == SOURCE_FAILS;
        break;
    case SB_ERR_TIMEOUT:
        is_known = timeout >= 0 || buffered;
        break;
    case SB_ERR_REENTRANT:
        is_known = depth > 0;
        break;
    case SB_ERR_DISK_FULL:
        is_known = it.options.max_disk < UINT64_MAX;
        break;
    case SB_ERR_INVALID:
    case SB_ERR_CANCELED:
        is_known = atomic_load(&it.freed);
        break;
    }
    EXPECT(is_known, "%s: %s, %" PRId64, name, status_name(result), source);
}

static sb_reader *open_reader(unsigned key, int64_t timeout, bool buffered)
{
    sb_reader_options options;
    sb_reader *reader = NULL;
    sb_error error;

    sb_error_init(&error, sizeof error);
    sb_reader_options_init(&options, sizeof options);
    options.error = &error;
    options.timeout_ms = timeout;
    options.flags = buffered ? SB_READER_BUFFERED : 0;
    begin("sb_cache_open", key, 0);
    int result = sb_cache_open(it.cache, &key, sizeof key, &options, &reader);
    end("sb_cache_open", key, (uint64_t)timeout, result);
    EXPECT((result == SB_OK) == (reader != NULL), "a reader with %d", result);
    if (result != SB_OK)
        judge("sb_cache_open", result, error.source, timeout, buffered);
    return reader;
}

static void open_another(unsigned key)
{
    depth++;
    sb_reader_free(open_reader((key + 1) % KEYS, -1, false));
    depth--;
}

/* Which version the bytes are of. -1 if there are too few to tell. */
static int version_of(const lease *lease, uint64_t off, size_t count)
{
    unsigned newest = atomic_load(&it.versions[lease->key]);
    for (unsigned version = 0; version <= newest; version++)
        if (content_same(it.salt, variant(lease->key, version), off, me->bytes, count) == count)
            return count < 16 ? -1 : (int)version;
    fail("bytes of key %u at %" PRIu64 " are of no version", lease->key, off);
}

static void compare(lease *lease, uint64_t off, size_t count)
{
    if (lease->version < 0) {
        lease->version = version_of(lease, off, count);
        return;
    }
    size_t same = content_same(it.salt, variant(lease->key, (unsigned)lease->version), off, me->bytes, count);
    EXPECT(same == count, "key %u: a wrong byte at %" PRIu64, lease->key, off + same);
    spans_add(&lease->shown, off, off + count, 0);
    atomic_fetch_add(&bytes_done, count);
}

static void read_some_of(lease *lease, rng *random)
{
    uint64_t size = it.sizes[lease->key], off = below(random, size + 1), len = 1 + below(random, LARGEST - 1);
    sb_error error;

    sb_reader_seek(lease->reader, (int64_t)off, SB_SEEK_SET);
    begin("sb_reader_read", off, len);
    int64_t result = sb_reader_read(lease->reader, len, me->bytes);
    end("sb_reader_read", lease->key, off, result);
    if (result > 0)
        compare(lease, off, (size_t)result);
    else if (result == 0)
        EXPECT(off == size, "key %u ends at %" PRIu64 " of %" PRIu64, lease->key, off, size);
    else {
        sb_error_init(&error, sizeof error);
        if (sb_reader_error(lease->reader, &error) != SB_OK)
            error.source = 0;
        /* A reader may have a timeout. */
        judge("sb_reader_read", result, error.source, 0, lease->buffered);
        if (below(random, 2))
            sb_retry(sb_reader_buffer(lease->reader));
    }
}

/* What a lease has shown is there, whatever has happened since. */
static void read_again(lease *lease, rng *random)
{
    if (lease->shown.count == 0)
        return;
    span *seen = &lease->shown.list[below(random, lease->shown.count)];
    uint64_t off = seen->start + below(random, seen->end - seen->start), len = 1 + below(random, 5000);
    begin("sb_read_some", off, len);
    int64_t result = sb_read_some(sb_reader_buffer(lease->reader), off, len, me->bytes, 0);
    end("sb_read_some", lease->key, off, result);
    EXPECT(result > 0 || atomic_load(&it.freed), "key %u: %" PRIu64 " was there: %s", lease->key, off,
           status_name(result));
    if (result > 0)
        compare(lease, off, (size_t)result);
}

static void release(lease *lease)
{
    spans_clear(&lease->shown);
    begin("sb_reader_free", 0, 0);
    sb_reader_free(lease->reader);
    end("sb_reader_free", lease->key, 0, 0);
    lease->reader = NULL;
}

static void check_stats(void)
{
    sb_cache_stats stats;
    if (sb_cache_stat(it.cache, &stats, sizeof stats) != SB_OK) {
        EXPECT(atomic_load(&it.freed), "no stats");
        return;
    }
    /* 256 KiB of bookkeeping, and a segment for each thread. */
    uint64_t least = it.options.max_memory < FILL ? FILL : it.options.max_memory;
    uint64_t filling = (THREADS + 1 + it.options.threads) * (uint64_t)FILL;
    EXPECT(stats.memory_peak <= least + filling, "%" PRIu64 " bytes of memory", stats.memory_peak);
    EXPECT(stats.disk_peak <= it.options.max_disk, "%" PRIu64 " bytes of disk space", stats.disk_peak);
}

static void change_cache(rng *random)
{
    unsigned key = (unsigned)below(random, KEYS);
    int result = SB_OK;
    switch (below(random, 6)) {
    case 0:
        result = it.removes ? sb_cache_remove(it.cache, &key, sizeof key) : SB_OK;
        break;
    case 1:
        result = it.removes ? sb_cache_remove(it.cache, NULL, 0) : SB_OK;
        break;
    case 2:
        result = sb_cache_trim(it.cache, below(random, 2000000), below(random, 2000000));
        break;
    default:
        check_stats();
    }
    if (result != SB_OK)
        judge("a change", result, 0, -1, false);
}

static void *use(void *opaque)
{
    me = opaque;
    rng random = rng_of(the.plan.seed, 300 + me->number);
    lease leases[LEASES] = { { 0 } };
    for (unsigned count = 30 + (unsigned)below(&random, 150); count > 0; count--) {
        lease *lease = &leases[below(&random, LEASES)];
        if (below(&random, 8) == 0) {
            change_cache(&random);
        } else if (lease->reader == NULL) {
            lease->key = (unsigned)below(&random, KEYS);
            lease->version = -1;
            lease->buffered = below(&random, 8) == 0;
            lease->reader = open_reader(lease->key, (int64_t)below(&random, 40) - 30 < 0 ? -1 : 5, lease->buffered);
        } else if (below(&random, 4) == 0) {
            release(lease);
        } else if (below(&random, 3) == 0) {
            read_again(lease, &random);
        } else {
            read_some_of(lease, &random);
        }
    }
    for (unsigned at = 0; at < LEASES; at++) {
        if (leases[at].reader != NULL)
            read_again(&leases[at], &random);
        release(&leases[at]);
    }
    atomic_fetch_sub(&it.working, 1);
    return NULL;
}

static void make_cache(rng *random)
{
    const uint64_t memory[] = { 0, FILL, 3 * FILL, 1000000, 8 * FILL }, disk[] = { 0, FILL, 1000000, 16 * FILL };
    memset(&it, 0, sizeof it);
    it.salt = rng_next(random);
    atomic_store(&it.dice, rng_next(random));
    for (unsigned key = 0; key < KEYS; key++)
        it.sizes[key] = below(random, 3) ? 1 + below(random, 1500000) : 16 + below(random, 3000);
    it.errors = below(random, 2) ? 0 : 60;
    it.changes = below(random, 2) ? 0 : 200;
    it.circles = below(random, 3) ? 0 : 200;
    it.removes = below(random, 2);
    it.is_freed_midway = below(random, 3) == 0;
    sb_cache_options_init(&it.options, sizeof it.options);
    it.options.open = open_key;
    it.options.max_memory = memory[below(random, COUNT_OF(memory))];
    it.options.max_disk = disk[below(random, COUNT_OF(disk))];
    it.options.max_entry = below(random, 2) ? 0 : 1 + below(random, 1000000);
    it.options.fresh_ms = below(random, 2) ? -1 : (int64_t)below(random, 5);
    it.options.idle_ms = below(random, 2) ? -1 : (int64_t)below(random, 5);
    it.options.threads = 1 + (unsigned)below(random, 3);
    it.options.prefetch = below(random, 2) ? 0 : 1 + below(random, 400000);
    it.options.spool_dir = scratch_folder;
    EXPECT(sb_cache_new(&it.options, &it.cache) == SB_OK, "no cache");
    trace("a cache: memory %" PRIu64 ", disk %" PRIu64 ", fresh %" PRId64 ", idle %" PRId64 ", prefetch %" PRIu64
          "%s%s", it.options.max_memory, it.options.max_disk, it.options.fresh_ms, it.options.idle_ms,
          it.options.prefetch, it.removes ? ", removals" : "", it.is_freed_midway ? ", freed midway" : "");
}

/* An opener that an open has not waited for may bring another entry. */
static bool is_empty(sb_cache_stats *stats)
{
    EXPECT(sb_cache_remove(it.cache, NULL, 0) == SB_OK, "no removal");
    EXPECT(sb_cache_stat(it.cache, stats, sizeof *stats) == SB_OK, "no stats");
    return stats->opening + stats->entries + stats->leases + stats->memory + stats->disk == 0;
}

/* Once nobody needs more memory, it fits again, except where the disk was full. */
static bool is_at_rest(sb_cache_stats *stats)
{
    EXPECT(sb_cache_stat(it.cache, stats, sizeof *stats) == SB_OK, "no stats");
    uint64_t most = it.options.max_memory < FILL ? FILL : it.options.max_memory;
    return stats->memory <= most || stats->disk_peak + FILL > it.options.max_disk;
}

static void *fill(void *opaque)
{
    me = opaque;
    sb_reader *reader = open_reader(me->number, -1, false);
    if (reader != NULL) {
        int64_t result = sb_reader_read(reader, 1, me->bytes);
        EXPECT(result == 1 || result == SB_ERR_SOURCE, "%s", status_name(result));
    }
    sb_reader_free(reader);
    return NULL;
}

static void finish_cache(void)
{
    sb_cache_stats stats;
    if (!atomic_load(&it.freed)) {
        check_stats();
        EVENTUALLY(is_at_rest(&stats), "%" PRIu64 " bytes of memory at rest", stats.memory);
        EVENTUALLY(is_empty(&stats), "%" PRIu64 " entries are left, %" PRIu64 " leases, %" PRIu64
                   " bytes of memory, %" PRIu64 " of disk space", stats.entries, stats.leases, stats.memory,
                   stats.disk);
        sb_cache_free(it.cache);
    }
    EVENTUALLY(atomic_load(&it.sources) == 0, "%u sources are open", atomic_load(&it.sources));
    EVENTUALLY(entries("/proc/self/task") <= threads_at_first, "a thread is left");
    EXPECT(entries(scratch_folder) == 0, "a file is left");
}

/* A cache with much disk space, of which each thread fills an entry of its own. */
static void fill_at_once(unsigned threads)
{
    it.options.max_disk = UINT64_MAX;
    it.options.max_memory = 0;
    EXPECT(sb_cache_new(&it.options, &it.cache) == SB_OK, "no cache");
    atomic_store(&it.freed, false);
    atomic_store(&it.expected, threads);
    for (unsigned at = 0; at < threads; at++)
        EXPECT(pthread_create(&the.workers[at].thread, NULL, fill, &the.workers[at]) == 0, "no thread");
    for (unsigned at = 0; at < threads; at++)
        pthread_join(the.workers[at].thread, NULL);
    finish_cache();
}

void run_cache(uint64_t seed)
{
    rng random = rng_of(seed, 200);
    unsigned threads = 1 + (unsigned)below(&random, THREADS);
    make_cache(&random);
    atomic_store(&it.working, threads);
    for (unsigned at = 0; at < threads; at++)
        EXPECT(pthread_create(&the.workers[at].thread, NULL, use, &the.workers[at]) == 0, "no thread");
    if (it.is_freed_midway) {
        pause_us((unsigned)below(&random, 20000));
        atomic_store(&it.freed, true);
        begin("sb_cache_free", 0, 0);
        sb_cache_free(it.cache);
        end("sb_cache_free", 0, 0, 0);
        for (unsigned key = 0; key < KEYS; key++)
            EXPECT(atomic_load(&it.inside[key]) == 0, "freed while a thread is in the opener");
    }
    for (unsigned at = 0; at < threads; at++)
        pthread_join(the.workers[at].thread, NULL);
    finish_cache();
    fill_at_once(threads);
}
