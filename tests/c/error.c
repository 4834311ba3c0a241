/*
 * sb_error says what failed: the operation, its offset, the source's code or the system's, and the
 * path. Each reader has its own, on whatever thread it is asked for.
 */
#include "script.h"

#include "limit_files.h"

enum { SIZE = 4000000 };

static unsigned char bytes[SIZE];
static char path[256], line[512];

static sb_error error_of(const sb_reader *reader)
{
    sb_error error;
    CHECK_EQ(sb_error_init(&error, sizeof error), SB_OK);
    error.path = path;
    error.path_cap = sizeof path;
    memset(path, '#', sizeof path);
    CHECK_EQ(sb_reader_error(reader, &error), SB_OK);
    CHECK(memchr(path, 0, sizeof path) != NULL);
    CHECK_EQ(error.reserved, 0);
    return error;
}

/* All members but the path. */
static void is(sb_error error, int status, int operation, int64_t source, int system, uint64_t offset)
{
    CHECK_EQ(error.status, status);
    CHECK_EQ(error.operation, operation);
    CHECK_EQ(error.source, source);
    CHECK_EQ(error.system, system);
    CHECK_EQ(error.offset, offset);
}

static void reads(const sb_error *error, const char *text)
{
    int64_t length = sb_error_text(error, line, sizeof line);
    CHECK_EQ(length, strlen(line));
    if (strcmp(line, text) != 0)
        fprintf(stderr, "\"%s\"\n", line);
    CHECK(strcmp(line, text) == 0);
}

static void source_fails(void)
{
    stream source;
    sb_buffer *buffer;
    sb_reader *reader, *other;
    sb_error error;

    stream_init(&source, SIZE, 1000);
    source.fail_at = 5000;
    source.code = -104;
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    reader = sb_reader_new(buffer);
    other = sb_reader_new(buffer);
    error = error_of(reader);
    is(error, SB_OK, SB_OP_NONE, 0, 0, SB_SIZE_UNKNOWN);
    CHECK(error.path_len == 0 && path[0] == 0);
    reads(&error, sb_strerror(SB_OK));
    while (sb_reader_read(reader, 100000, bytes) > 0)
        ;
    error = error_of(reader);
    is(error, SB_ERR_SOURCE, SB_OP_SOURCE_READ, -104, 0, 5000);
    CHECK(error.path_len == 0 && path[0] == 0);
    reads(&error, "cannot read the source at offset 5000: the source failed (code -104)");
    /* The other reader's call has not failed. */
    is(error_of(other), SB_OK, SB_OP_NONE, 0, 0, SB_SIZE_UNKNOWN);
    /* A call that succeeds leaves it; one that fails replaces it. */
    CHECK_EQ(sb_reader_seek(reader, 0, SB_SEEK_SET), 0);
    CHECK_EQ(sb_reader_read(reader, 10, bytes), 10);
    is(error_of(reader), SB_ERR_SOURCE, SB_OP_SOURCE_READ, -104, 0, 5000);
    CHECK_EQ(sb_reader_seek(reader, -11, SB_SEEK_CUR), SB_ERR_INVALID);
    is(error_of(reader), SB_ERR_INVALID, SB_OP_NONE, 0, 0, SB_SIZE_UNKNOWN);
    CHECK_EQ(sb_reader_seek(reader, 0, SB_SEEK_END), SB_ERR_UNKNOWN_SIZE);
    is(error_of(reader), SB_ERR_UNKNOWN_SIZE, SB_OP_NONE, 0, 0, SB_SIZE_UNKNOWN);
    CHECK_EQ(sb_reader_read(reader, 10, NULL), SB_ERR_INVALID);
    is(error_of(reader), SB_ERR_INVALID, SB_OP_NONE, 0, 0, SB_SIZE_UNKNOWN);
    CHECK_EQ(sb_reader_seek(reader, 70000, SB_SEEK_SET), 70000);
    CHECK_EQ(sb_reader_read(reader, 10, bytes), SB_ERR_SOURCE);
    is(error_of(reader), SB_ERR_SOURCE, SB_OP_SOURCE_READ, -104, 0, 70000);
    CHECK_EQ(sb_reader_find_size(reader), SB_ERR_SOURCE);
    is(error_of(reader), SB_ERR_SOURCE, SB_OP_SOURCE_READ, -104, 0, 5000);
    CHECK_EQ(sb_reader_cancel(reader), SB_OK);
    CHECK_EQ(sb_retry(buffer), SB_OK);
    CHECK_EQ(sb_reader_read(reader, 10, bytes), SB_ERR_CANCELED);
    error = error_of(reader);
    is(error, SB_ERR_CANCELED, SB_OP_NONE, 0, 0, 70000);
    reads(&error, sb_strerror(SB_ERR_CANCELED));
    sb_free(buffer);
    CHECK_EQ(sb_reader_read(other, 10, bytes), SB_ERR_INVALID);
    is(error_of(other), SB_ERR_INVALID, SB_OP_NONE, 0, 0, SB_SIZE_UNKNOWN);
    is(error_of(reader), SB_ERR_CANCELED, SB_OP_NONE, 0, 0, 70000);
    sb_reader_free(reader);
    sb_reader_free(other);
    CHECK_EQ(sb_reader_error(reader, &error), SB_ERR_INVALID);
}

/* A seek that fails is told from a read that does, also if the helper is the caller. */
static void seek_fails(form how, int by_helper)
{
    static const int64_t good[] = { 1000 }, bad[] = { 1000, -503 };
    static const int64_t refused[] = { -503, -503, -503 };
    script source = SCRIPT(good);
    sb_buffer *buffer;
    sb_reader *reader;
    sb_error error;

    if (how == READ_SEEK) {
        source.seeks = refused;
        source.seeks_count = COUNT_OF(refused);
    } else {
        source.answers = bad;
        source.count = COUNT_OF(bad);
    }
    buffer = script_open(&source, how, SIZE, SB_SHORT_END);
    reader = sb_reader_new(buffer);
    CHECK_EQ(sb_reader_read(reader, 10, bytes), 10);
    if (by_helper)
        CHECK_EQ(sb_prefetch(buffer, 1), SB_OK);
    CHECK_EQ(sb_reader_seek(reader, 2000000, SB_SEEK_SET), 2000000);
    CHECK_EQ(sb_reader_read(reader, 10, bytes), SB_ERR_SOURCE);
    error = error_of(reader);
    is(error, SB_ERR_SOURCE, SB_OP_SOURCE_SEEK, -503, 0, 2000000);
    reads(&error, "cannot seek the source at offset 2000000: the source failed (code -503)");
    sb_reader_free(reader);
    sb_free(buffer);
}

static void cannot_seek(void)
{
    static const int64_t answers[] = { 1000 }, refused[] = { 0, SB_SOURCE_UNSUPPORTED };
    script source = SCRIPT(answers);
    sb_buffer *buffer;
    sb_reader *reader;

    source.seeks = refused;
    source.seeks_count = COUNT_OF(refused);
    buffer = script_open(&source, READ_SEEK, SIZE, SB_SHORT_END);
    reader = sb_reader_new(buffer);
    CHECK_EQ(sb_reader_seek(reader, 2000000, SB_SEEK_SET), 2000000);
    CHECK_EQ(sb_reader_read(reader, 10, bytes), 10);
    CHECK_EQ(sb_reader_seek(reader, 1000000, SB_SEEK_SET), 1000000);
    CHECK_EQ(sb_reader_read(reader, 10, bytes), SB_ERR_UNSUPPORTED);
    is(error_of(reader), SB_ERR_UNSUPPORTED, SB_OP_SOURCE_SEEK, 0, 0, 1000000);
    sb_reader_free(reader);
    sb_free(buffer);
}

/* Reads to the error, which comes where memory is full. */
static uint64_t read_to_error(sb_reader *reader)
{
    while (sb_reader_read(reader, 100000, bytes) > 0)
        ;
    return (uint64_t)sb_reader_seek(reader, 0, SB_SEEK_CUR);
}

static void spool_is_missing(void)
{
    stream source;
    sb_callback callback = stream_callback(&source);
    sb_options options;
    sb_buffer *buffer;
    sb_reader *reader;
    sb_error error;
    char little[4] = { '#', '#', '#', '#' }, text[200];
    uint64_t at;

    stream_init(&source, SIZE, 30000);
    CHECK_EQ(sb_options_init(&options, sizeof options), SB_OK);
    options.max_memory = 0;
    options.spool_dir = "missing/here\n";
    CHECK_EQ(sb_new_with(&callback, &options, &buffer), SB_OK);
    reader = sb_reader_new(buffer);
    at = read_to_error(reader);
    error = error_of(reader);
    is(error, SB_ERR_IO, SB_OP_SPOOL_CREATE, 0, ENOENT, at);
    CHECK_EQ(error.path_len, strlen(options.spool_dir));
    CHECK(strcmp(path, options.spool_dir) == 0);
    snprintf(text, sizeof text, "cannot create the spool file in missing/here? at offset %d: %s", (int)at,
             strerror(ENOENT));
    reads(&error, text);
    CHECK_EQ(stats_of(buffer).system_error, ENOENT);
    CHECK_EQ(stats_of(buffer).system_operation, SB_OP_SPOOL_CREATE);
    /* Truncated, as snprintf() does it; the length is that of the whole. */
    error.path = little;
    error.path_cap = 4;
    CHECK_EQ(sb_reader_error(reader, &error), SB_OK);
    CHECK(strcmp(little, "mis") == 0);
    CHECK_EQ(error.path_len, strlen(options.spool_dir));
    snprintf(text, sizeof text, "cannot create the spool file in mis... at offset %d: %s", (int)at,
             strerror(ENOENT));
    reads(&error, text);
    error.path_cap = 1;
    CHECK_EQ(sb_reader_error(reader, &error), SB_OK);
    CHECK(little[0] == 0 && little[1] == 'i');
    error.path = NULL;
    CHECK_EQ(sb_reader_error(reader, &error), SB_ERR_INVALID);
    error.path_cap = 0;
    CHECK_EQ(sb_reader_error(reader, &error), SB_OK);
    CHECK_EQ(error.path_len, strlen(options.spool_dir));
    snprintf(text, sizeof text, "cannot create the spool file at offset %d: %s", (int)at,
             strerror(ENOENT));
    reads(&error, text);
    /* The buffer knew the path. */
    sb_free(buffer);
    error = error_of(reader);
    is(error, SB_ERR_IO, SB_OP_SPOOL_CREATE, 0, ENOENT, at);
    CHECK(error.path_len == 0 && path[0] == 0);
    sb_reader_free(reader);
}

static void spool_is_full(void)
{
    stream source;
    sb_buffer *buffer;
    sb_reader *reader;
    sb_error error;
    uint64_t at;

    limit_files(1000000);
    stream_init(&source, SIZE, 30000);
    buffer = stream_open(&source, SIZE, 0);
    reader = sb_reader_new(buffer);
    at = read_to_error(reader);
    error = error_of(reader);
    is(error, SB_ERR_DISK_FULL, SB_OP_SPOOL_WRITE, 0, EFBIG, at);
    CHECK(strcmp(path, getenv("TMPDIR")) == 0);
    CHECK_EQ(error.path_len, strlen(path));
    limit_files(RLIM_INFINITY);
    CHECK(sb_reader_read(reader, 10, bytes) == 10);
    sb_reader_free(reader);
    sb_free(buffer);
}

/* A save that fails is no failure of the spool file. */
static void stats_are_of_the_spool(void)
{
    stream source;
    sb_buffer *buffer;

    stream_init(&source, 1000, 100);
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    CHECK_EQ(sb_save(buffer, "missing/saved"), SB_ERR_IO);
    CHECK_EQ(stats_of(buffer).system_error, 0);
    CHECK_EQ(stats_of(buffer).system_operation, SB_OP_NONE);
    CHECK_EQ(stats_of(buffer).status, SB_OK);
    sb_free(buffer);
}

static void invalid(void)
{
    struct {
        sb_error error;
        char later[4096 - sizeof(sb_error)];
    } large;
    sb_error error;
    stream source;
    sb_buffer *buffer;
    sb_reader *reader;
    size_t size;

    stream_init(&source, 1000, 100);
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    reader = sb_reader_new(buffer);
    for (size = 0; size <= 5000; size++) {
        int valid = size >= sizeof error && size <= 4096;
        memset(&large, '#', sizeof large);
        CHECK_EQ(sb_error_init(&large.error, size), valid ? SB_OK : SB_ERR_INVALID);
        large.error.struct_size = size;
        if (valid) {
            CHECK(size == sizeof error || large.later[size - sizeof error - 1] == 0);
            CHECK(size == 4096 || large.later[size - sizeof error] == '#');
        } else {
            large.error.path_cap = 0;
        }
        CHECK_EQ(sb_reader_error(reader, &large.error), valid ? SB_OK : SB_ERR_INVALID);
        CHECK(sb_error_text(&large.error, line, sizeof line) == (valid ? 7 : SB_ERR_INVALID));
    }
    CHECK_EQ(sb_error_init(&error, sizeof error), SB_OK);
    CHECK(error.path == NULL && error.path_cap == 0 && error.path_len == 0);
    is(error, SB_OK, SB_OP_NONE, 0, 0, SB_SIZE_UNKNOWN);
    CHECK_EQ(sb_error_text(&error, NULL, 0), 7);
    memset(line, '#', sizeof line);
    CHECK_EQ(sb_error_text(&error, line, 4), 7);
    CHECK(memcmp(line, "suc\0#", 5) == 0);
    CHECK_EQ(sb_error_text(&error, line, 1), 7);
    CHECK(memcmp(line, "\0uc\0#", 5) == 0);
    /* Whatever it says, there is a line. */
    error.status = 12345;
    error.operation = -12345;
    CHECK(sb_error_text(&error, line, sizeof line) > 0);
    error.system = INT32_MIN;
    CHECK(sb_error_text(&error, line, sizeof line) > 0);
    sb_reader_free(reader);
    sb_free(buffer);
}

int main(void)
{
    source_fails();
    seek_fails(READ_SEEK, 0);
    seek_fails(READ_SEEK, 1);
    seek_fails(PULL_SEEKS, 0);
    seek_fails(PULL_SEEKS, 1);
    cannot_seek();
    spool_is_missing();
    spool_is_full();
    stats_are_of_the_spool();
    invalid();
    return 0;
}
