/*
 * The options of a save: each member, the time limit, the mode of the file, and the error, which says
 * what failed and leaves the target as it was.
 */
#include "limit_files.h"
#include <fcntl.h>

enum { SIZE = 3000000 };

static unsigned char bytes[SIZE];
static char path[256], line[512];

static sb_error no_error(void)
{
    sb_error error;
    CHECK_EQ(sb_error_init(&error, sizeof error), SB_OK);
    error.path = path;
    error.path_cap = sizeof path;
    memset(path, '#', sizeof path);
    return error;
}

/* All members, and the path. */
static void is(const sb_error *error, int status, int operation, int64_t source, int system,
               uint64_t offset, const char *about)
{
    CHECK_EQ(error->status, status);
    CHECK_EQ(error->operation, operation);
    CHECK_EQ(error->source, source);
    CHECK_EQ(error->system, system);
    CHECK_EQ(error->offset, offset);
    CHECK(strcmp(path, about) == 0);
    CHECK_EQ(error->path_len, strlen(about));
}

static void reads(const sb_error *error, const char *text)
{
    int64_t length = sb_error_text(error, line, sizeof line);
    if (strcmp(line, text) != 0)
        fprintf(stderr, "\"%s\"\n", line);
    CHECK(strcmp(line, text) == 0);
    CHECK_EQ(length, strlen(text));
}

static void target_fails(void)
{
    stream source;
    sb_buffer *buffer;
    sb_error error = no_error();
    sb_save_options options = save_options("missing/saved", -1, 0);
    char text[200];

    stream_init(&source, SIZE, 30000);
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    options.error = &error;
    CHECK_EQ(sb_save_with(buffer, &options), SB_ERR_IO);
    is(&error, SB_ERR_IO, SB_OP_TARGET_OPEN, 0, ENOENT, SB_SIZE_UNKNOWN, "missing/saved");
    snprintf(text, sizeof text, "cannot open the target missing/saved: %s", strerror(ENOENT));
    reads(&error, text);
    /* Nothing of that is in the stats, and the source was not asked. */
    CHECK_EQ(stats_of(buffer).system_error, 0);
    CHECK_EQ(source.reads, 0);
    options.path = ".";
    CHECK_EQ(sb_save_with(buffer, &options), SB_ERR_UNSUPPORTED);
    is(&error, SB_ERR_UNSUPPORTED, SB_OP_TARGET_OPEN, 0, 0, SB_SIZE_UNKNOWN, ".");
    options.path = "saved";
    CHECK_EQ(sb_save_with(buffer, &options), SIZE);
    is(&error, SB_OK, SB_OP_NONE, 0, 0, SB_SIZE_UNKNOWN, "");
    options.flags = SB_SAVE_NO_REPLACE;
    CHECK_EQ(sb_save_with(buffer, &options), SB_ERR_EXISTS);
    is(&error, SB_ERR_EXISTS, SB_OP_TARGET_OPEN, 0, 0, SB_SIZE_UNKNOWN, "saved");
    reads(&error, "cannot open the target saved: the target already exists");
    options.flags = SB_SAVE_REQUIRE_SIZE;
    CHECK_EQ(sb_save_with(buffer, &options), SB_ERR_UNKNOWN_SIZE);
    is(&error, SB_ERR_UNKNOWN_SIZE, SB_OP_NONE, 0, 0, SB_SIZE_UNKNOWN, "");
    CHECK_EQ(unlink("saved"), 0);
    /* The disk is full where the target is, and the bytes before that are no target. */
    options.flags = 0;
    limit_files(1000000);
    CHECK_EQ(sb_save_with(buffer, &options), SB_ERR_DISK_FULL);
    limit_files(RLIM_INFINITY);
    CHECK(error.offset <= 1000000 && error.offset > 1000000 - 262144);
    is(&error, SB_ERR_DISK_FULL, SB_OP_TARGET_WRITE, 0, EFBIG, error.offset, "saved");
    CHECK(access("saved", F_OK) != 0);
    options.path = NULL;
    options.fd = open("/dev/null", O_RDONLY);
    CHECK_EQ(sb_save_with(buffer, &options), SB_ERR_IO);
    is(&error, SB_ERR_IO, SB_OP_TARGET_WRITE, 0, EBADF, 0, "");
    options.flags = SB_SAVE_SYNC;
    CHECK_EQ(sb_save_with(buffer, &options), SB_ERR_UNSUPPORTED);
    is(&error, SB_ERR_UNSUPPORTED, SB_OP_TARGET_SYNC, 0, 0, SB_SIZE_UNKNOWN, "");
    close(options.fd);
    sb_free(buffer);
}

static int stops(void *opaque, uint64_t done, uint64_t total)
{
    (void)opaque;
    (void)total;
    return done >= 100000;
}

/* What is missing is not the target's fault. */
static void source_fails(void)
{
    stream source;
    sb_buffer *buffer;
    sb_error error = no_error();
    sb_save_options options = save_options("saved", -1, 0);

    stream_init(&source, SIZE, 30000);
    source.fail_at = 200000;
    source.code = -104;
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    options.error = &error;
    options.progress = stops;
    CHECK_EQ(sb_save_with(buffer, &options), SB_ERR_CANCELED);
    is(&error, SB_ERR_CANCELED, SB_OP_NONE, 0, 0, SB_SIZE_UNKNOWN, "");
    reads(&error, sb_strerror(SB_ERR_CANCELED));
    options.progress = NULL;
    CHECK_EQ(sb_save_with(buffer, &options), SB_ERR_SOURCE);
    is(&error, SB_ERR_SOURCE, SB_OP_SOURCE_READ, -104, 0, 200000, "");
    CHECK_EQ(sb_cancel(buffer), SB_OK);
    CHECK_EQ(sb_save_with(buffer, &options), SB_ERR_CANCELED);
    is(&error, SB_ERR_CANCELED, SB_OP_NONE, 0, 0, error.offset, "");
    CHECK(access("saved", F_OK) != 0);
    sb_free(buffer);
    CHECK_EQ(sb_save_with(buffer, &options), SB_ERR_INVALID);
    is(&error, SB_ERR_INVALID, SB_OP_NONE, 0, 0, SB_SIZE_UNKNOWN, "");
}

/* Nor is a spool file that cannot be written. */
static void spool_fails(void)
{
    stream source;
    sb_callback callback = stream_callback(&source);
    sb_options how;
    sb_buffer *buffer;
    sb_error error = no_error();
    sb_save_options options = save_options("saved", -1, 0);

    stream_init(&source, SIZE, 30000);
    CHECK_EQ(sb_options_init(&how, sizeof how), SB_OK);
    how.max_memory = 0;
    how.spool_dir = "missing";
    CHECK_EQ(sb_new_with(&callback, &how, &buffer), SB_OK);
    options.error = &error;
    CHECK_EQ(sb_save_with(buffer, &options), SB_ERR_IO);
    CHECK(error.offset > 0 && error.offset <= 2 * 262144);
    is(&error, SB_ERR_IO, SB_OP_SPOOL_CREATE, 0, ENOENT, error.offset, "missing");
    CHECK_EQ(stats_of(buffer).system_error, ENOENT);
    sb_free(buffer);
}

/* The limit holds whatever the source does. The bytes that came stay, and a later save goes on. */
static void takes_too_long(int exists)
{
    stream source;
    sb_buffer *buffer;
    sb_error error = no_error();
    sb_save_options options = save_options("saved", -1, 0);
    int64_t begin = now_ms();
    int file;
    char content[10];

    if (exists) {
        file = open("saved", O_WRONLY | O_CREAT | O_EXCL, 0600);
        CHECK_EQ(write(file, "the old", 7), 7);
        close(file);
    }
    stream_init(&source, SIZE, 30000);
    source.stall_at = 1000000;
    source.obeys_cancel = 0;
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    CHECK_EQ(sb_read(buffer, 0, 1000000, bytes), 1000000);
    options.error = &error;
    options.timeout_ms = 200;
    CHECK_EQ(sb_save_with(buffer, &options), SB_ERR_TIMEOUT);
    CHECK(now_ms() - begin >= 200);
    is(&error, SB_ERR_TIMEOUT, SB_OP_NONE, 0, 0, error.offset, "");
    reads(&error, sb_strerror(SB_ERR_TIMEOUT));
    CHECK_EQ(stats_of(buffer).frontier, 1000000);
    if (exists) {
        file = open("saved", O_RDONLY);
        CHECK_EQ(read(file, content, sizeof content), 7);
        CHECK_EQ(memcmp(content, "the old", 7), 0);
        close(file);
    } else {
        CHECK(access("saved", F_OK) != 0);
    }
    /* Buffered bytes alone are not waited for. */
    options.flags = SB_SAVE_BUFFERED;
    options.timeout_ms = INT64_MAX;
    CHECK_EQ(sb_save_with(buffer, &options), 1000000);
    stream_release(&source, NEVER);
    options.flags = 0;
    options.timeout_ms = 600000;
    CHECK_EQ(sb_save_with(buffer, &options), SIZE);
    is(&error, SB_OK, SB_OP_NONE, 0, 0, SB_SIZE_UNKNOWN, "");
    CHECK_EQ(source.at, SIZE);
    CHECK_EQ(unlink("saved"), 0);
    sb_free(buffer);
}

/* A pipe that nobody reads. */
static void pipe_is_full(void)
{
    stream source;
    sb_buffer *buffer;
    sb_error error = no_error();
    sb_save_options options;
    int ends[2];

    CHECK_EQ(pipe(ends), 0);
    options = save_options(NULL, ends[1], 0);
    stream_init(&source, SIZE, 30000);
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    options.error = &error;
    options.timeout_ms = 100;
    CHECK_EQ(sb_save_with(buffer, &options), SB_ERR_TIMEOUT);
    CHECK_EQ(error.status, SB_ERR_TIMEOUT);
    close(ends[0]);
    close(ends[1]);
    sb_free(buffer);
}

static int late(void *opaque, uint64_t done, uint64_t total)
{
    int64_t until = now_ms() + 60;
    (void)opaque;
    if (done == total)
        while (now_ms() < until)
            pause_ms(1);
    return 0;
}

/* Nothing is published after the limit, though every byte has been written. */
static void late_at_the_end(uint32_t flags)
{
    stream source;
    sb_buffer *buffer;
    sb_save_options options = save_options("saved", -1, flags);

    stream_init(&source, SIZE, 0);
    buffer = stream_open(&source, SIZE, SB_MAX_DEFAULT);
    CHECK_EQ(sb_read(buffer, 0, SIZE, bytes), SIZE);
    options.progress = late;
    options.timeout_ms = 50;
    CHECK_EQ(sb_save_with(buffer, &options), SB_ERR_TIMEOUT);
    CHECK(access("saved", F_OK) != 0);
    sb_free(buffer);
}

static void modes(void)
{
    static const uint32_t flags[] = { 0, SB_SAVE_LINK, SB_SAVE_NO_REPLACE, SB_SAVE_SYNC };
    static const mode_t given[] = { 0600, 0640, 0444, 0777, 0200 };
    stream source;
    sb_buffer *buffer;
    sb_save_options options;
    struct stat about;
    size_t which, how;

    umask(027);
    for (which = 0; which < COUNT_OF(flags); which++) {
        stream_init(&source, SIZE, 30000);
        buffer = stream_open(&source, SIZE, 0);
        for (how = 0; how < COUNT_OF(given); how++) {
            options = save_options("saved", -1, flags[which]);
            options.mode = given[how];
            CHECK_EQ(sb_save_with(buffer, &options), SIZE);
            CHECK_EQ(stat("saved", &about), 0);
            CHECK_EQ(about.st_mode & 07777, given[how]);
            CHECK_EQ(unlink("saved"), 0);
        }
        options.mode = 0;
        CHECK_EQ(sb_save_with(buffer, &options), SIZE);
        CHECK_EQ(stat("saved", &about), 0);
        CHECK_EQ(about.st_mode & 07777, 0640);
        /* A file that is replaced has a mode of its own. */
        CHECK_EQ(chmod("saved", 0777), 0);
        options.mode = 0604;
        options.flags &= ~(uint32_t)SB_SAVE_NO_REPLACE;
        CHECK_EQ(sb_save_with(buffer, &options), SIZE);
        CHECK_EQ(stat("saved", &about), 0);
        CHECK_EQ(about.st_mode & 07777, 0604);
        CHECK_EQ(unlink("saved"), 0);
        sb_free(buffer);
    }
}

static void invalid(void)
{
    struct {
        sb_save_options options;
        char later[4096 - sizeof(sb_save_options)];
    } large;
    sb_save_options options;
    sb_error error = no_error();
    stream source;
    sb_buffer *buffer;
    size_t size;

    stream_init(&source, 1000, 0);
    buffer = stream_open(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    for (size = 0; size <= 5000; size += size < 200 || size > 4090 ? 1 : 10) {
        int valid = size >= sizeof options && size <= 4096;
        memset(&large, '#', sizeof large);
        CHECK_EQ(sb_save_options_init(&large.options, size), valid ? SB_OK : SB_ERR_INVALID);
        if (!valid) {
            large.options.struct_size = size;
            CHECK_EQ(sb_save_with(buffer, &large.options), SB_ERR_INVALID);
            continue;
        }
        large.options.path = "saved";
        CHECK_EQ(sb_save_with(buffer, &large.options), 1000);
        if (size > sizeof options) {
            large.later[size - sizeof options - 1] = 1;
            CHECK_EQ(sb_save_with(buffer, &large.options), SB_ERR_UNSUPPORTED);
        }
    }
    CHECK_EQ(unlink("saved"), 0);
    CHECK_EQ(sb_save_options_init(&options, sizeof options), SB_OK);
    CHECK(options.path == NULL && options.progress == NULL && options.opaque == NULL);
    CHECK(options.error == NULL && options.reserved_pointer == NULL && options.fd == -1);
    CHECK(options.timeout_ms == 0 && options.flags == 0 && options.mode == 0 && options.reserved == 0);
    options.error = &error;
    CHECK_EQ(sb_save_with(buffer, &options), SB_ERR_INVALID);
    is(&error, SB_ERR_INVALID, SB_OP_NONE, 0, 0, SB_SIZE_UNKNOWN, "");
    sb_free(buffer);
}

int main(void)
{
    target_fails();
    source_fails();
    spool_fails();
    takes_too_long(0);
    takes_too_long(1);
    pipe_is_full();
    late_at_the_end(0);
    late_at_the_end(SB_SAVE_LINK);
    modes();
    invalid();
    return 0;
}
