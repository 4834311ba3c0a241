/*
 * `pull`, the form of a source for languages whose callbacks return anything when they fail: only SB_OK
 * makes the count valid, and a count that was never set is an error.
 */
#include "script.h"

#include <limits.h>

static unsigned char bytes[2100000];

/* A resource of SIZE bytes, from any offset. Records the requests. */
enum { SIZE = 2000000 };

typedef struct resource {
    uint64_t last_end; /* where the last successful call ended */
    int in_order;      /* whether every call began there */
    int calls;
    uint64_t unsupported_from; /* from here on, only sequential offsets are accepted */
} resource;

static int resource_pull(void *opaque, uint64_t offset, void *out, size_t capacity, size_t *count)
{
    resource *self = opaque;
    uint64_t index, length = capacity < 50000 ? capacity : 50000;

    self->calls++;
    if (offset != self->last_end) {
        self->in_order = 0;
        if (offset >= self->unsupported_from)
            return SB_SOURCE_UNSUPPORTED;
    }
    if (offset >= SIZE)
        length = 0;
    else if (length > SIZE - offset)
        length = SIZE - offset;
    for (index = 0; index < length; index++)
        ((unsigned char *)out)[index] = byte_at(offset + index);
    self->last_end = offset + length;
    *count = (size_t)length;
    return SB_OK;
}

static sb_buffer *resource_open(resource *self, uint32_t flags)
{
    sb_callback callback = { .pull = resource_pull, .opaque = self, .flags = flags };
    sb_buffer *buffer = sb_new(&callback, SB_SIZE_UNKNOWN, 100000);
    CHECK(buffer != NULL);
    self->in_order = 1;
    return buffer;
}

static void forwards(void)
{
    resource self = { .unsupported_from = 0 };
    sb_buffer *buffer = resource_open(&self, 0);
    CHECK_EQ(stats_of(buffer).seekable, 0);
    CHECK_EQ(sb_read(buffer, 1000000, 10, bytes), 10);
    CHECK_BYTES(bytes, 1000000, 10);
    CHECK_EQ(sb_read(buffer, 0, sizeof bytes, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    CHECK_EQ(sb_size(buffer), SIZE);
    CHECK(self.in_order);
    sb_free(buffer);
}

static void anywhere(void)
{
    resource self = { .unsupported_from = NEVER };
    sb_buffer *buffer = resource_open(&self, SB_SOURCE_SEEKS);
    sb_stats stats;
    CHECK_EQ(sb_read(buffer, SIZE - 10, 20, bytes), 10);
    CHECK_BYTES(bytes, SIZE - 10, 10);
    CHECK_EQ(sb_size(buffer), SIZE);
    stats = stats_of(buffer);
    CHECK_EQ(stats.seeks, 1);
    CHECK_EQ(stats.pulls, self.calls);
    CHECK_EQ(stats.seekable, 1);
    CHECK_EQ(sb_read(buffer, 0, sizeof bytes, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    sb_free(buffer);
}

/* It claimed to seek and then cannot: it continues forward. */
static void turns_out_not_to_seek(void)
{
    resource self = { .unsupported_from = 0 };
    sb_buffer *buffer = resource_open(&self, SB_SOURCE_SEEKS);
    CHECK_EQ(sb_read(buffer, 0, 10, bytes), 10);
    CHECK_EQ(sb_read(buffer, SIZE - 10, 20, bytes), 10);
    CHECK_BYTES(bytes, SIZE - 10, 10);
    CHECK_EQ(stats_of(buffer).seekable, 0);
    CHECK_EQ(stats_of(buffer).source_error, 0);
    CHECK_EQ(sb_read(buffer, 0, sizeof bytes, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    sb_free(buffer);
}

/* What a callback of another language does if it fails before its first line. */
static int never_counts(void *opaque, uint64_t offset, void *out, size_t capacity, size_t *count)
{
    (void)offset, (void)out, (void)capacity;
    CHECK(*count == SIZE_MAX);
    return *(int *)opaque;
}

static int counts_too_many(void *opaque, uint64_t offset, void *out, size_t capacity, size_t *count)
{
    (void)offset, (void)out;
    *count = capacity + 1;
    return *(int *)opaque;
}

static int counts_and_fails(void *opaque, uint64_t offset, void *out, size_t capacity, size_t *count)
{
    (void)offset;
    memset(out, 'x', capacity);
    *count = capacity;
    return *(int *)opaque;
}

/* The count of all ones, as a code. */
#define MOST (SIZE_MAX > INT64_MAX ? INT64_MAX : (int64_t)SIZE_MAX)

typedef int pull_fn(void *, uint64_t, void *, size_t, size_t *);

static void fails(pull_fn *pull, int result, int64_t code)
{
    sb_callback callback = { .pull = pull, .opaque = &result };
    sb_buffer *buffer = sb_new(&callback, SB_SIZE_UNKNOWN, 0);
    sb_stats stats;
    CHECK(buffer != NULL);
    CHECK_EQ(sb_read(buffer, 0, 10, bytes), SB_ERR_SOURCE);
    CHECK_EQ(sb_save(buffer, "saved"), SB_ERR_SOURCE);
    CHECK(access("saved", F_OK) != 0);
    stats = stats_of(buffer);
    CHECK_EQ(stats.source_error, code);
    CHECK_EQ(stats.state, SB_STATE_FAILED);
    CHECK_EQ(stats.frontier, 0);
    CHECK(stats.final_size == SB_SIZE_UNKNOWN);
    sb_free(buffer);
}

/* A failed seek is the error of its read, and the next read tries again. */
static void failed_jump(void)
{
    static const int64_t answers[] = { 100, -503, -503, 10, 10, 0 };
    script source = SCRIPT(answers);
    sb_buffer *buffer = script_open(&source, PULL_SEEKS, SB_SIZE_UNKNOWN, SB_SHORT_END);
    int again;
    CHECK_EQ(sb_read(buffer, 0, 100, bytes), 100);
    for (again = 0; again < 2; again++) {
        CHECK_EQ(sb_read(buffer, 5000, 10, bytes), SB_ERR_SOURCE);
        CHECK_EQ(stats_of(buffer).source_error, -503);
        CHECK_EQ(stats_of(buffer).state, SB_STATE_OPEN);
        CHECK_EQ(stats_of(buffer).seekable, 1);
    }
    CHECK_EQ(sb_read(buffer, 5000, 10, bytes), 10);
    CHECK_BYTES(bytes, 5000, 10);
    CHECK_EQ(sb_read(buffer, 100, 10, bytes), 10);
    CHECK_BYTES(bytes, 100, 10);
    sb_free(buffer);
}

static void bad_callbacks(void)
{
    int result = 0;
    sb_callback good = { .pull = never_counts, .opaque = &result };
    sb_callback bad[5];
    sb_buffer *buffer = (sb_buffer *)&result;
    size_t index;
    for (index = 0; index < COUNT_OF(bad); index++)
        bad[index] = good;
    bad[0].read = script_read;
    bad[1].seek = script_seek;
    bad[2].flags = 4;
    bad[3].reserved_flags = 1;
    bad[4].pull = NULL;
    for (index = 0; index < COUNT_OF(bad); index++) {
        CHECK(sb_new(&bad[index], 0, 0) == NULL);
        CHECK_EQ(sb_new_with(&bad[index], NULL, &buffer), SB_ERR_INVALID);
        CHECK(buffer == NULL);
    }
    for (index = 0; index < COUNT_OF(good.reserved); index++) {
        bad[0] = good;
        bad[0].reserved[index] = &result;
        CHECK(sb_new(&bad[0], 0, 0) == NULL);
    }
    bad[0] = good;
    bad[0].pull = NULL;
    bad[0].read = script_read;
    bad[0].flags = SB_SOURCE_SEEKS;
    CHECK(sb_new(&bad[0], 0, 0) == NULL);
}

int main(void)
{
    forwards();
    anywhere();
    turns_out_not_to_seek();
    fails(never_counts, SB_OK, MOST);
    fails(never_counts, 1, 1);
    fails(never_counts, -77, -77);
    fails(never_counts, SB_SOURCE_UNSUPPORTED, SB_SOURCE_UNSUPPORTED);
    /* The request was for 10 bytes, rounded up. */
    fails(counts_too_many, SB_OK, 16385);
    fails(counts_and_fails, 1, 1);
    fails(counts_and_fails, INT_MAX, INT_MAX);
    fails(counts_and_fails, -1, -1);
    fails(counts_and_fails, INT_MIN, INT_MIN);
    failed_jump();
    bad_callbacks();
    return 0;
}
