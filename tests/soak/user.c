/*
 * The users: each visits a resource, reads some of it and compares, and keeps the reader for a while. What
 * it has read must be buffered as long as it keeps that, whatever was evicted meanwhile.
 */
#include "soak.h"

static uint64_t below(user *self, uint64_t limit)
{
    return scrambled(self->random++) % limit;
}

static void compare(user *self, const lease *lease, uint64_t offset, size_t count)
{
    fill(lease->key, lease->version, offset, self->expected, count);
    if (memcmp(self->seen, self->expected, count) != 0)
        wrong("key %u, version %u: other bytes at %llu", lease->key, lease->version,
              (unsigned long long)offset);
    atomic_fetch_add(&compared, count);
}

/* Whether an error is one that this program has provoked. */
static void expect(const lease *lease, int64_t result, const sb_error *error)
{
    int is_source = error->source == OPENER_FAILS || error->source == SOURCE_FAILS;
    if (result == SB_ERR_DISK_FULL)
        atomic_fetch_add(&disk_full, 1);
    else if (result != SB_ERR_TIMEOUT && !(result == SB_ERR_SOURCE && is_source))
        wrong("key %u: %s, %lld", lease->key, sb_strerror(result), (long long)error->source);
}

static sb_error error_of(const lease *lease)
{
    sb_error error;
    sb_error_init(&error, sizeof error);
    sb_reader_error(lease->reader, &error);
    return error;
}

/* Reads and compares. Returns whether all of it was there. */
static int look_at(user *self, lease *lease, uint64_t offset, uint64_t count)
{
    uint64_t size = size_of(lease->key), end = count < size - offset ? offset + count : size;

    sb_reader_seek(lease->reader, (int64_t)offset, SB_SEEK_SET);
    while (offset < end && !atomic_load(&is_over)) {
        size_t most = end - offset < sizeof self->seen ? (size_t)(end - offset) : sizeof self->seen;
        int64_t got = sb_reader_read(lease->reader, most, self->seen);
        if (got < 0) {
            sb_error error = error_of(lease);
            expect(lease, got, &error);
            return 0;
        }
        if (got == 0)
            wrong("key %u ends at %llu of %llu", lease->key, (unsigned long long)offset,
                  (unsigned long long)size);
        compare(self, lease, offset, (size_t)got);
        offset += (uint64_t)got;
    }
    return 1;
}

/* Learns which version it is: the entry of a lease has one. */
static int look_at_header(user *self, lease *lease)
{
    size_t done = 0;
    while (done < HEADER) {
        int64_t got = sb_reader_read(lease->reader, HEADER - done, self->seen + done);
        if (got <= 0) {
            sb_error error = error_of(lease);
            expect(lease, got == 0 ? SB_ERR_PANIC : got, &error);
            return 0;
        }
        done += (size_t)got;
    }
    lease->version = version_in(lease->key, self->seen);
    return 1;
}

/* Reads a bit of what it has read before. That must be there, although the source may have failed. */
static void look_again(user *self, const lease *lease)
{
    const sb_buffer *buffer = sb_reader_buffer(lease->reader);
    uint64_t offset = lease->from + below(self, lease->to - lease->from);
    uint64_t left = lease->to - offset, most = left < 5000 ? left : 5000;
    int64_t got = sb_read_some((sb_buffer *)buffer, offset, (size_t)most, self->seen, 0);

    if (got <= 0)
        wrong("key %u: %llu was there and is gone: %s", lease->key, (unsigned long long)offset,
              sb_strerror(got));
    compare(self, lease, offset, (size_t)got);
    atomic_fetch_add(&held_reads, 1);
}

static void end_lease(user *self, lease *lease)
{
    if (lease->reader != NULL && lease->to > lease->from)
        look_again(self, lease);
    sb_reader_free(lease->reader);
    memset(lease, 0, sizeof *lease);
}

/* Keeps a lease instead of an older one. */
static void keep(user *self, lease *lease)
{
    end_lease(self, &self->held[self->next]);
    self->held[self->next] = *lease;
    self->next = (self->next + 1) % HELD;
}

static int open_key(user *self, lease *lease)
{
    sb_reader_options options;
    sb_error error;
    unsigned char key[64] = { 0 };

    sb_error_init(&error, sizeof error);
    sb_reader_options_init(&options, sizeof options);
    options.error = &error;
    if (below(self, 8) == 0)
        options.timeout_ms = (int64_t)below(self, 50);
    if (below(self, 20) == 0)
        options.flags = SB_READER_BUFFERED;
    memcpy(key, &lease->key, sizeof lease->key);
    int status = sb_cache_open(cache, key, sizeof key, &options, &lease->reader);
    if (status != SB_OK)
        expect(lease, status, &error);
    return status == SB_OK;
}

static void visit(user *self)
{
    lease lease = { .key = zipf_key(scrambled(self->random++)) };
    uint64_t size = size_of(lease.key), mood = below(self, 10), from = 0, most = 4 * SEGMENT;

    if (!open_key(self, &lease))
        return;
    if (mood > 6)
        from = below(self, size);
    else if (mood > 4)
        most = 8 * MIB;
    if (look_at_header(self, &lease) && look_at(self, &lease, from, most) && !atomic_load(&is_over)) {
        lease.from = from;
        lease.to = most < size - from ? from + most : size;
    }
    if (below(self, 3) == 0)
        keep(self, &lease);
    else
        end_lease(self, &lease);
    if (below(self, 200) == 0) {
        unsigned char key[64] = { 0 };
        memcpy(key, &lease.key, sizeof lease.key);
        sb_cache_remove(cache, key, sizeof key);
    }
    if (below(self, 2000) == 0)
        sb_cache_trim(cache, MAX_MEMORY / 2, MAX_DISK / 2);
}

void *use(void *opaque)
{
    user *self = opaque;
    while (!atomic_load(&is_over)) {
        visit(self);
        atomic_fetch_add(&visits, 1);
        if (below(self, 4) == 0 && self->held[self->next].to > 0)
            look_again(self, &self->held[self->next]);
    }
    for (unsigned index = 0; index < HELD; index++)
        end_lease(self, &self->held[index]);
    return NULL;
}
