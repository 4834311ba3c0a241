/*
 * The opener and its sources: now and then an opener fails, a resource has a new version, a source fails.
 */
#include "soak.h"

#include <errno.h>

static atomic_uint versions[KEYS];
static atomic_ullong dice;

/* True once in `times`. */
static int happens(unsigned times)
{
    return scrambled(atomic_fetch_add(&dice, 1)) % times == 0;
}

typedef struct {
    unsigned key, version;
    atomic_int is_inside;
} origin;

static int pull(void *opaque, uint64_t offset, void *out, size_t capacity, size_t *count)
{
    origin *self = opaque;
    uint64_t size = size_of(self->key);

    if (atomic_exchange(&self->is_inside, 1))
        wrong("two threads are in one source");
    int fails = happens(5000);
    if (!fails) {
        uint64_t left = offset < size ? size - offset : 0;
        *count = left < capacity ? (size_t)left : capacity;
        fill(self->key, self->version, offset, out, *count);
    }
    atomic_store(&self->is_inside, 0);
    if (fails)
        atomic_fetch_add(&source_failures, 1);
    return fails ? SOURCE_FAILS : SB_OK;
}

static void close_origin(void *opaque)
{
    atomic_fetch_sub(&open_sources, 1);
    free(opaque);
}

static int describe(unsigned key, unsigned version, uint64_t old_tag, sb_opened *out)
{
    out->size = size_of(key);
    out->tag = (uint64_t)version << 32 | (key + 1);
    if (out->tag == old_tag) {
        atomic_fetch_add(&same_tags, 1);
        return 0;  /* the same bytes, and no source is needed */
    }
    origin *self = calloc(1, sizeof *self);
    if (self == NULL)
        return -ENOMEM;
    self->key = key;
    self->version = version;
    atomic_fetch_add(&open_sources, 1);
    out->source.pull = pull;
    out->source.flags = SB_SOURCE_SEEKS;
    out->source.close = close_origin;
    out->source.opaque = self;
    return 0;
}

int open_resource(void *opaque, const void *key, size_t key_size, uint64_t old_tag, sb_opened *out)
{
    unsigned number;

    (void)opaque;
    if (key_size < sizeof number)
        wrong("a key of %zu bytes", key_size);
    memcpy(&number, key, sizeof number);
    if (happens(50)) {
        atomic_fetch_add(&opener_failures, 1);
        return OPENER_FAILS;
    }
    if (happens(30)) {
        atomic_fetch_add(&tag_changes, 1);
        atomic_fetch_add(&versions[number], 1);
    }
    return describe(number, atomic_load(&versions[number]), old_tag, out);
}
