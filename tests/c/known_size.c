/*
 * sb_known_size(): a size that is a fact, because the end was seen or the caller vouches for it.
 */
#include "check.h"

enum { SIZE = 100000 };

static unsigned char bytes[SIZE + 10];

static int64_t seek_stream(void *opaque, uint64_t offset)
{
    stream *self = opaque;

    self->at = offset < self->size ? offset : self->size;
    self->ended = 0;
    return 0;
}

static int64_t states_it(void *opaque)
{
    return (int64_t)((stream *)opaque)->size;
}

static sb_options options_of(uint64_t declared, uint32_t flags)
{
    sb_options options;

    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.size = declared;
    options.flags = flags;
    options.seek_gap = 0;
    return options;
}

static sb_buffer *opened(const sb_callback *callback, uint64_t declared, uint32_t flags)
{
    sb_options options = options_of(declared, flags);
    sb_buffer *buffer;

    CHECK_EQ(sb_new_with(callback, &options, &buffer), SB_OK);
    return buffer;
}

/* Without an end, only a size that the caller vouches for is known, and only until it is disproved. */
static void until_the_end(uint64_t declared, uint32_t flags)
{
    int64_t told = flags != 0 && declared != SB_SIZE_UNKNOWN ? (int64_t)declared : SB_ERR_UNKNOWN_SIZE;
    sb_callback callback;
    sb_buffer *buffer;
    stream source;

    stream_init(&source, SIZE, 10000);
    callback = stream_callback(&source);
    buffer = opened(&callback, declared, flags);
    CHECK_EQ(sb_known_size(buffer), told);
    if (declared > SIZE / 2) {
        CHECK_EQ(sb_read(buffer, 0, 10, bytes), 10);
        CHECK_EQ(sb_known_size(buffer), told);
    }
    if (declared < SIZE) {
        CHECK_EQ(sb_read(buffer, declared, 1, bytes), 1);
        CHECK_EQ(sb_known_size(buffer), SB_ERR_UNKNOWN_SIZE);
    }
    CHECK_EQ(sb_read(buffer, 0, sizeof bytes, bytes), SIZE);
    CHECK_BYTES(bytes, 0, SIZE);
    CHECK_EQ(sb_known_size(buffer), SIZE);
    sb_free(buffer);
}

/* A source that can seek proves its size by one seek. */
static void by_a_seek(void)
{
    sb_callback callback;
    sb_buffer *buffer;
    stream source;

    stream_init(&source, SIZE, 0);
    callback = stream_callback(&source);
    callback.seek = seek_stream;
    buffer = opened(&callback, SIZE, 0);
    CHECK_EQ(sb_known_size(buffer), SB_ERR_UNKNOWN_SIZE);
    CHECK_EQ(sb_find_size(buffer, -1), SIZE);
    CHECK_EQ(sb_known_size(buffer), SIZE);
    CHECK_EQ(sb_buffered(buffer, 0), 0);
    sb_free(buffer);
}

/* What the source states counts as what the caller declares. */
static void by_what_the_source_states(uint32_t flags)
{
    sb_callback callback;
    sb_buffer *buffer;
    stream source;

    stream_init(&source, SIZE, 1000);
    callback = stream_callback(&source);
    callback.size = states_it;
    buffer = opened(&callback, SB_SIZE_UNKNOWN, flags);
    CHECK_EQ(sb_known_size(buffer), SB_ERR_UNKNOWN_SIZE);
    CHECK_EQ(sb_read(buffer, 0, 1, bytes), 1);
    CHECK_EQ(sb_size(buffer), SIZE);
    CHECK_EQ(sb_known_size(buffer), flags != 0 ? SIZE : SB_ERR_UNKNOWN_SIZE);
    sb_free(buffer);
}

/* Pushed bytes: the end is known once it was reported. */
static void by_a_pusher(uint32_t flags)
{
    sb_options options = options_of(4, flags);
    sb_buffer *buffer;

    CHECK_EQ(sb_new_push(&options, &buffer), SB_OK);
    CHECK_EQ(sb_known_size(buffer), flags != 0 ? 4 : SB_ERR_UNKNOWN_SIZE);
    CHECK_EQ(sb_push_end(buffer, 4, 0), SB_OK);
    CHECK_EQ(sb_known_size(buffer), 4);
    sb_free(buffer);
    CHECK_EQ(sb_known_size(buffer), SB_ERR_INVALID);
}

static void flags_are_checked(void)
{
    sb_options options = options_of(4, 2);
    sb_buffer *buffer;

    CHECK_EQ(sb_new_push(&options, &buffer), SB_ERR_INVALID);
    CHECK_EQ(sb_known_size(NULL), SB_ERR_INVALID);
}

int main(void)
{
    static const uint64_t sizes[] = { 0, 50000, SIZE - 1, SIZE, SIZE + 1, UINT64_C(1) << 40,
                                      SB_SIZE_UNKNOWN };
    size_t index;

    for (index = 0; index < COUNT_OF(sizes); index++) {
        until_the_end(sizes[index], 0);
        until_the_end(sizes[index], SB_SIZE_TRUSTED);
    }
    by_a_seek();
    by_what_the_source_states(0);
    by_what_the_source_states(SB_SIZE_TRUSTED);
    by_a_pusher(0);
    by_a_pusher(SB_SIZE_TRUSTED);
    flags_are_checked();
    return 0;
}
