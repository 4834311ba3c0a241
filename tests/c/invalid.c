/*
 * Handles are validated: NULL, forged, freed and doubly freed ones are errors. So are invalid pointers
 * and ranges. Covers every function.
 */
#include "check.h"

static int progress_never(void *opaque, uint64_t done, uint64_t total)
{
    (void)opaque;
    (void)done;
    (void)total;
    CHECK(!"a save of a bad handle reports no progress");
    return 1;
}

/* A number that looks like a pointer. */
static void *made_up(uintptr_t number)
{
    void *pointer;
    memcpy(&pointer, &number, sizeof pointer);
    return pointer;
}

static void bad_buffer(sb_buffer *bad)
{
    unsigned char bytes[16];
    sb_range range;
    sb_stats stats;

    CHECK_EQ(sb_read(bad, 0, sizeof bytes, bytes), SB_ERR_INVALID);
    CHECK_EQ(sb_read(bad, 0, 0, bytes), SB_ERR_INVALID);
    CHECK_EQ(sb_read_some(bad, 0, sizeof bytes, bytes, -1), SB_ERR_INVALID);
    CHECK_EQ(sb_read_some(bad, 0, sizeof bytes, bytes, 0), SB_ERR_INVALID);
    CHECK_EQ(sb_read_some(bad, 0, sizeof bytes, bytes, 1000), SB_ERR_INVALID);
    CHECK_EQ(sb_save(bad, "never"), SB_ERR_INVALID);
    CHECK_EQ(save_with(bad, "never", -1, 0, progress_never, NULL), SB_ERR_INVALID);
    CHECK_EQ(save_with(bad, NULL, 1, 0, NULL, NULL), SB_ERR_INVALID);
    CHECK(access("never", F_OK) != 0);
    CHECK(sb_reader_new(bad) == NULL);
    CHECK_EQ(sb_prefetch(bad, 1000), SB_ERR_INVALID);
    CHECK_EQ(sb_prefetch(bad, 0), SB_ERR_INVALID);
    CHECK_EQ(sb_cancel(bad), SB_ERR_INVALID);
    CHECK_EQ(sb_resume(bad), SB_ERR_INVALID);
    CHECK_EQ(sb_spill(bad), SB_ERR_INVALID);
    CHECK_EQ(sb_set_max_memory(bad, 0), SB_ERR_INVALID);
    CHECK_EQ(sb_push(bad, 0, sizeof bytes, bytes, -1), SB_ERR_INVALID);
    CHECK_EQ(sb_push(bad, 0, 0, NULL, 0), SB_ERR_INVALID);
    CHECK_EQ(sb_push_end(bad, 0, 0), SB_ERR_INVALID);
    CHECK_EQ(sb_push_end(bad, SB_SIZE_UNKNOWN, -1), SB_ERR_INVALID);
    CHECK_EQ(sb_wanted(bad, &range), SB_ERR_INVALID);
    CHECK_EQ(sb_size(bad), SB_ERR_INVALID);
    CHECK_EQ(sb_buffered(bad, 0), SB_ERR_INVALID);
    CHECK_EQ(sb_ranges(bad, &range, 1), SB_ERR_INVALID);
    CHECK_EQ(sb_ranges(bad, NULL, 0), SB_ERR_INVALID);
    CHECK_EQ(sb_spool_dir(bad, (char *)bytes, sizeof bytes), SB_ERR_INVALID);
    CHECK_EQ(sb_spool_dir(bad, NULL, 0), SB_ERR_INVALID);
    CHECK_EQ(sb_stat(bad, &stats, sizeof stats), SB_ERR_INVALID);
    sb_free(bad);
    sb_free(bad);
}

static void bad_reader(sb_reader *bad)
{
    unsigned char bytes[16];

    CHECK_EQ(sb_reader_read(bad, sizeof bytes, bytes), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_read(bad, 0, NULL), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_seek(bad, 0, SB_SEEK_SET), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_seek(bad, 0, SB_SEEK_CUR), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_seek(bad, 0, SB_SEEK_END), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_cancel(bad), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_resume(bad), SB_ERR_INVALID);
    sb_reader_free(bad);
    sb_reader_free(bad);
}

static void bad_callbacks(void)
{
    stream source;
    sb_callback good, bad;
    sb_options options;
    sb_buffer *buffer;
    size_t index;

    stream_init(&source, 100, 0);
    good = stream_callback(&source);
    CHECK(sb_new(NULL, 0, 0) == NULL);
    bad = good;
    bad.read = NULL;
    CHECK(sb_new(&bad, 0, 0) == NULL);
    buffer = (sb_buffer *)made_up(12345);
    CHECK_EQ(sb_new_with(&bad, NULL, &buffer), SB_ERR_INVALID);
    CHECK(buffer == NULL);
    for (index = 0; index < COUNT_OF(good.reserved); index++) {
        bad = good;
        bad.reserved[index] = &source;
        CHECK(sb_new(&bad, 0, 0) == NULL);
        CHECK_EQ(sb_new_with(&bad, NULL, &buffer), SB_ERR_INVALID);
        CHECK(buffer == NULL);
    }
    CHECK_EQ(sb_new_with(NULL, NULL, &buffer), SB_ERR_INVALID);
    CHECK_EQ(sb_new_with(NULL, NULL, NULL), SB_ERR_INVALID);
    CHECK_EQ(sb_options_init(NULL, sizeof options), SB_ERR_INVALID);
    CHECK_EQ(sb_options_init(&options, 0), SB_ERR_INVALID);
    CHECK_EQ(sb_options_init(&options, 7), SB_ERR_INVALID);
    CHECK_EQ(sb_options_init(&options, 4097), SB_ERR_INVALID);
    /* An invalid callback stays its owner's. */
    CHECK_EQ(source.closes, 0);

    /* A valid callback with invalid options belongs to the library, so it is closed, once. */
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.read_granularity = 16385;
    CHECK_EQ(sb_new_with(&good, &options, &buffer), SB_ERR_INVALID);
    CHECK(buffer == NULL);
    CHECK_EQ(source.closes, 1);
    source.closes = 0;
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.reserved_pointer = &source;
    CHECK_EQ(sb_new_with(&good, &options, &buffer), SB_ERR_INVALID);
    CHECK(buffer == NULL);
    CHECK_EQ(source.closes, 1);
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.on_full = 99;
    source.closes = 0;
    CHECK_EQ(sb_new_with(&good, &options, &buffer), SB_ERR_INVALID);
    CHECK_EQ(source.closes, 1);
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.struct_size = 3;
    source.closes = 0;
    CHECK_EQ(sb_new_with(&good, &options, &buffer), SB_ERR_INVALID);
    CHECK_EQ(source.closes, 1);
    options.struct_size = SIZE_MAX;
    source.closes = 0;
    CHECK_EQ(sb_new_with(&good, &options, &buffer), SB_ERR_INVALID);
    CHECK_EQ(source.closes, 1);
    source.closes = 0;
    CHECK_EQ(sb_new_with(&good, NULL, NULL), SB_ERR_INVALID);
    CHECK_EQ(source.closes, 1);
    CHECK_EQ(source.reads, 0);
}

/* A program built with a later header, whose struct has one more member. */
static void later_options(void)
{
    struct {
        sb_options known;
        uint64_t later;
    } options;
    stream source;
    sb_callback callback;
    sb_buffer *buffer = NULL;
    unsigned char byte;

    stream_init(&source, 100, 0);
    callback = stream_callback(&source);
    options.later = 7;
    CHECK_EQ(sb_options_init(&options.known, sizeof options), SB_OK);
    CHECK_EQ(options.known.struct_size, (int64_t)sizeof options);
    CHECK_EQ((int64_t)options.later, 0);
    options.known.max_memory = 0;
    CHECK_EQ(sb_new_with(&callback, &options.known, &buffer), SB_OK);
    CHECK_EQ(sb_read(buffer, 5, 1, &byte), 1);
    CHECK_BYTES(&byte, 5, 1);
    sb_free(buffer);
    /* Members that this version does not know are not ignored silently. */
    options.later = 7;
    source.closes = 0;
    CHECK_EQ(sb_new_with(&callback, &options.known, &buffer), SB_ERR_UNSUPPORTED);
    CHECK(buffer == NULL);
    CHECK_EQ(source.closes, 1);
}

/* A read may end at 2^64 and not past it; no byte is at 2^63 or beyond, so it returns 0. */
static void last_offsets(sb_buffer *buffer, unsigned char *bytes, size_t room)
{
    static const uint64_t offsets[] = {
        UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 2, UINT64_MAX - 100, UINT64_MAX / 2 + 1,
        UINT64_MAX / 2, UINT64_MAX / 2 + 2, UINT64_MAX - 65536,
    };
    size_t index, len;

    for (index = 0; index < COUNT_OF(offsets); index++) {
        uint64_t off = offsets[index];
        uint64_t before_2_64 = UINT64_MAX - off; /* One byte less than a read may have. */

        for (len = 0; len <= room; len++) {
            int64_t due = len > 0 && len - 1 > before_2_64 ? SB_ERR_INVALID : 0;

            CHECK_EQ(sb_read(buffer, off, len, bytes), due);
            CHECK_EQ(sb_read_some(buffer, off, len, bytes, 0), due);
            CHECK_EQ(sb_read_some(buffer, off, len, bytes, 1000), due);
            CHECK_EQ(sb_read_some(buffer, off, len, bytes, -1), due);
        }
        CHECK_EQ(sb_buffered(buffer, off), 0);
    }
}

static void bad_arguments(void)
{
    static const char *const directories[] = { ".", "..", "/", "new/", "new/.", "new/..", "./" };
    size_t index;
    stream source;
    sb_buffer *buffer;
    sb_reader *reader;
    sb_stats stats;
    unsigned char bytes[200];

    stream_init(&source, 100, 0);
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    reader = sb_reader_new(buffer);
    CHECK(reader != NULL);
    CHECK_EQ(sb_read(buffer, 0, 10, NULL), SB_ERR_INVALID);
    CHECK_EQ(sb_read_some(buffer, 0, 10, NULL, -1), SB_ERR_INVALID);
    CHECK_EQ(sb_read_some(buffer, 0, 10, NULL, 0), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_read(reader, 10, NULL), SB_ERR_INVALID);
    CHECK_EQ(sb_read(buffer, 0, 0, NULL), 0);
    CHECK_EQ(sb_read_some(buffer, 0, 0, NULL, 0), 0);
    CHECK_EQ(sb_reader_read(reader, 0, NULL), 0);
    /* No resource is that long, so the source is not called. */
    last_offsets(buffer, bytes, sizeof bytes);
    CHECK_EQ(sb_read(buffer, 1, SIZE_MAX, bytes), SB_ERR_INVALID);
    CHECK_EQ(sb_read(buffer, 0, SIZE_MAX, bytes), SB_ERR_INVALID);
    CHECK_EQ(sb_read(buffer, 0, SIZE_MAX / 2 + 1, bytes), SB_ERR_INVALID);
    CHECK_EQ(sb_read_some(buffer, 0, SIZE_MAX, bytes, 0), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_read(reader, SIZE_MAX, bytes), SB_ERR_INVALID);
    CHECK_EQ(sb_save(buffer, NULL), SB_ERR_INVALID);
    CHECK_EQ(sb_save(buffer, ""), SB_ERR_INVALID);
    for (index = 0; index < COUNT_OF(directories); index++)
        CHECK_EQ(sb_save(buffer, directories[index]), SB_ERR_UNSUPPORTED);
    CHECK_EQ(save_with(buffer, NULL, -1, 0, NULL, NULL), SB_ERR_INVALID);
    CHECK_EQ(save_with(buffer, "never", -1, 0x80000000u, NULL, NULL), SB_ERR_INVALID);
    CHECK_EQ(sb_stat(buffer, NULL, sizeof stats), SB_ERR_INVALID);
    CHECK_EQ(sb_stat(buffer, &stats, 0), SB_OK);
    CHECK_EQ(sb_reader_seek(reader, 0, 3), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_seek(reader, 0, -1), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_seek(reader, -1, SB_SEEK_SET), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_seek(reader, -1, SB_SEEK_CUR), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_seek(reader, 0, SB_SEEK_END), SB_ERR_UNKNOWN_SIZE);
    CHECK_EQ(source.reads, 0);

    /* A snapshot for an older header, and for a newer one. */
    memset(bytes, 0xEE, sizeof bytes);
    CHECK_EQ(sb_stat(buffer, (sb_stats *)(void *)bytes, 28), SB_OK);
    CHECK_EQ(bytes[27], 0);
    CHECK_EQ(bytes[28], 0xEE);
    {
        struct { sb_stats stats; unsigned char later[64]; } large;
        memset(&large, 0xEE, sizeof large);
        CHECK_EQ(sb_stat(buffer, &large.stats, sizeof large), SB_OK);
        CHECK_EQ(large.later[0], 0);
        CHECK_EQ(large.later[63], 0);
        CHECK_EQ(large.stats.frontier, 0);
    }

    /* An offset far past the end is accepted, one past the largest is not. */
    CHECK_EQ(sb_reader_seek(reader, INT64_MAX, SB_SEEK_SET), INT64_MAX);
    CHECK_EQ(sb_reader_seek(reader, 1, SB_SEEK_CUR), SB_ERR_INVALID);
    CHECK_EQ(sb_reader_read(reader, 10, bytes), 0);
    CHECK_EQ(sb_buffered(buffer, UINT64_MAX), 0);
    CHECK_EQ(sb_read(buffer, 90, 20, bytes), 10);
    CHECK_BYTES(bytes, 90, 10);
    sb_reader_free(reader);
    sb_free(buffer);
    CHECK_EQ(source.closes, 1);
}

int main(void)
{
    enum { MANY = 1000 };
    static const uintptr_t numbers[] = {
        1, 2, 3, 4, 64, 127, 128, 129, 4096, 4097, 0xffff, 0x10001,
        UINTPTR_MAX, UINTPTR_MAX - 1, UINTPTR_MAX / 2, UINTPTR_MAX / 2 + 1,
    };
    static sb_buffer *freed[MANY];
    stream source;
    sb_buffer *buffer, *later;
    sb_reader *reader, *stale;
    int local = 0;
    size_t index, other;
    uint64_t seed = 7;

    /* Before the first handle exists, and after. */
    for (other = 0; other < 2; other++) {
        bad_buffer(NULL);
        bad_reader(NULL);
        bad_buffer((sb_buffer *)(void *)&local);
        bad_reader((sb_reader *)(void *)&local);
        for (index = 0; index < COUNT_OF(numbers); index++) {
            bad_buffer(made_up(numbers[index]));
            bad_reader(made_up(numbers[index]));
        }
        for (index = 0; index < 2000; index++) {
            uintptr_t number = (uintptr_t)random_next(&seed);
            bad_buffer(made_up(index % 2 ? number : number % 65536));
            bad_reader(made_up(index % 2 ? number : number % 65536));
        }
        bad_callbacks();
        later_options();
        bad_arguments();
    }

    /* A buffer's handle is not a reader's, and the reverse. */
    stream_init(&source, 100, 0);
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, 0);
    reader = sb_reader_new(buffer);
    CHECK(reader != NULL);
    bad_reader((sb_reader *)(void *)buffer);
    bad_buffer((sb_buffer *)(void *)reader);
    /* A stale reader of a live buffer; a live reader of a freed buffer. */
    stale = sb_reader_new(buffer);
    CHECK(stale != NULL);
    sb_reader_free(stale);
    bad_reader(stale);
    CHECK_EQ(sb_size(buffer), SB_ERR_UNKNOWN_SIZE);
    sb_free(buffer);
    CHECK_EQ(source.closes, 1);
    bad_buffer(buffer);
    CHECK_EQ(sb_reader_resume(reader), SB_ERR_INVALID);
    bad_reader(reader);

    /* Handles are not reused: freed ones stay invalid while others live. */
    stream_init(&source, 100, 0);
    for (index = 0; index < MANY; index++) {
        source.closes = 0;
        freed[index] = stream_open(&source, SB_SIZE_UNKNOWN, 0);
        sb_free(freed[index]);
        CHECK_EQ(source.closes, 1);
        for (other = 0; other < index; other++)
            CHECK(freed[other] != freed[index]);
    }
    source.closes = 0;
    later = stream_open(&source, 100, 0);
    for (index = 0; index < MANY; index++) {
        CHECK_EQ(sb_size(freed[index]), SB_ERR_INVALID);
        sb_free(freed[index]);
    }
    CHECK_EQ(sb_size(later), 100);
    sb_free(later);

    /* Every status has a text. */
    CHECK(strlen(sb_strerror(INT64_MIN)) > 0 && strcmp(sb_strerror(INT64_MAX), sb_strerror(SB_OK)) == 0);
    for (local = 0; local >= SB_ERR_PANIC; local--)
        CHECK(strlen(sb_strerror(local)) > 0 && strcmp(sb_strerror(local), sb_strerror(-1000)) != 0);
    return 0;
}
