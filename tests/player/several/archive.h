/*
 * libarchive unpacks an archive.
 */
#include <archive_entry.h>

#include "spoolbuf_archive.h"

#define FAILED_SAYS "error"
#define GOES_ON 0
#define ONE_AT_A_TIME 0
#define BEGINS 1
#define LOOKS_AHEAD

struct player {
    PLAYER;
    spoolbuf_archive io;
};

static void player_open(player *self)
{
    if (self->buffer != NULL)
        assert(spoolbuf_archive_open(&self->io, self->buffer) == SB_OK);
}

static void player_stop(player *self)
{
    spoolbuf_archive_cancel(&self->io);
}

static int player_status(player *self)
{
    return spoolbuf_archive_status(&self->io);
}

static void player_close(player *self)
{
    if (self->buffer != NULL)
        spoolbuf_archive_close(&self->io);
}

static void player_resume(player *self)
{
    spoolbuf_archive_resume(&self->io);
}

/* Zeros without an end, of a source that can be sought once. */
static int64_t zeros_read(void *opaque, void *out, size_t capacity)
{
    (void)opaque;
    memset(out, 0, capacity);
    return (int64_t)capacity;
}

static int64_t zeros_seek(void *sought, uint64_t offset)
{
    (void)offset;
    return (*(int *)sought)++ == 0 ? 0 : SB_SOURCE_UNSUPPORTED;
}

/* Bytes that the source cannot go back to are an error. */
static void loses_the_start(void)
{
    int sought = 0;
    sb_callback callback = { .read = zeros_read, .seek = zeros_seek, .opaque = &sought };
    sb_buffer *buffer = sb_new(&callback, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    struct archive *archive = archive_read_new();
    spoolbuf_archive io;
    const void *bytes;

    assert(spoolbuf_archive_open(&io, buffer) == SB_OK);
    assert(spoolbuf_archive_seek(archive, &io, LOOK, SEEK_SET) == LOOK);
    assert(spoolbuf_archive_read(archive, &io, &bytes) > 0 && sought == 1);
    assert(spoolbuf_archive_seek(archive, &io, 0, SEEK_SET) == 0);
    assert(spoolbuf_archive_read(archive, &io, &bytes) == ARCHIVE_FATAL);
    assert(spoolbuf_archive_status(&io) == SB_ERR_UNSUPPORTED);
    archive_read_free(archive);
    spoolbuf_archive_close(&io);
    sb_free(buffer);
}

/* The start of a 7-Zip, and zeros. */
static int64_t zip_read(void *position, void *out, size_t capacity)
{
    size_t *at = (size_t *)position, count = LOOK - *at < capacity ? LOOK - *at : capacity;

    memset(out, 0, count);
    if (*at == 0 && count >= 6)
        memcpy(out, "7z\xbc\xaf\x27\x1c", 6);
    *at += count;
    return (int64_t)count;
}

static int64_t zip_seek(void *position, uint64_t offset)
{
    (void)position;
    (void)offset;
    return SB_SOURCE_UNSUPPORTED;
}

/* A 7-Zip is fetched to its end, also if the source only turns out to be unable to seek. */
static void fetches_the_end(void)
{
    size_t position = 0;
    sb_callback callback = { .read = zip_read, .seek = zip_seek, .opaque = &position };
    sb_buffer *buffer = sb_new(&callback, LOOK, SB_MAX_DEFAULT);
    struct archive *archive = archive_read_new();
    spoolbuf_archive io;
    const void *bytes;

    assert(spoolbuf_archive_open(&io, buffer) == SB_OK);
    assert(spoolbuf_archive_read(archive, &io, &bytes) > 6 && memcmp(bytes, "7z", 2) == 0);
    assert(spoolbuf_archive_seek(archive, &io, -1, SEEK_END) == LOOK - 1);
    assert(spoolbuf_archive_status(&io) == SB_OK);
    archive_read_free(archive);
    spoolbuf_archive_close(&io);
    sb_free(buffer);
}

static void player_asks(player *self)
{
    struct archive *archive = archive_read_new();
    spoolbuf_archive *io = &self->io, other;
    sb_reader_options options;
    const void *bytes;

    loses_the_start();
    fetches_the_end();
    /* As long as the end is unknown, a skip reads, and a seek from the end is not a failure. */
    assert(spoolbuf_archive_skip(archive, io, 5000) == 0);
    assert(spoolbuf_archive_seek(archive, io, 0, SEEK_END) == ARCHIVE_FATAL);
    assert(player_status(self) == SB_OK);
    assert(spoolbuf_archive_seek(archive, io, ODD - 1, SEEK_SET) == ODD - 1);
    assert(spoolbuf_archive_read(archive, io, &bytes) == 1);
    assert(*(const unsigned char *)bytes == odd_byte(ODD - 1));
    assert(spoolbuf_archive_read(archive, io, &bytes) == 0);
    /* Then nothing past it is skipped. */
    assert(spoolbuf_archive_skip(archive, io, 1) == 0);
    assert(spoolbuf_archive_seek(archive, io, -10, SEEK_END) == ODD - 10);
    assert(spoolbuf_archive_skip(archive, io, 5000) == 10);
    assert(spoolbuf_archive_seek(archive, io, -1, SEEK_SET) == ARCHIVE_FATAL);
    assert(player_status(self) == SB_ERR_INVALID);
    assert(spoolbuf_archive_open(&other, NULL) == SB_ERR_INVALID);
    spoolbuf_archive_close(&other);
    sb_reader_options_init(&options, sizeof options);
    options.flags = 77;
    assert(spoolbuf_archive_open_with(&other, self->buffer, &options) == SB_ERR_INVALID);
    player_resume(self);
    /* A stop stops although every byte is buffered. */
    player_stop(self);
    assert(spoolbuf_archive_read(archive, io, &bytes) == ARCHIVE_FATAL);
    assert(player_status(self) == SB_ERR_CANCELED);
    player_resume(self);
    assert(spoolbuf_archive_read(archive, io, &bytes) > 0 && *(const unsigned char *)bytes == odd_byte(0));
    sb_free(self->buffer);
    assert(spoolbuf_archive_read(archive, io, &bytes) == ARCHIVE_FATAL);
    assert(archive_errno(archive) == SB_ERR_INVALID && player_status(self) == SB_ERR_INVALID);
    archive_read_free(archive);
}

static int player_looks_ahead(player *self, int asks_size)
{
    struct archive *archive = archive_read_new();
    int found = spoolbuf_archive_seek(archive, &self->io, 0, SEEK_END) >= 0;

    (void)asks_size;
    archive_read_free(archive);
    return found;
}

static void player_play(player *self)
{
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    char bytes[8192];
    la_ssize_t count = 0;
    int status;

    self->sum = 1;
    archive_read_support_filter_all(archive);
    archive_read_support_format_all(archive);
    status = self->buffer == NULL ? archive_read_open_filename(archive, self->file, 10240)
                                  : spoolbuf_archive_read_open(&self->io, archive);
    while (status == ARCHIVE_OK && count >= 0) {
        status = archive_read_next_header(archive, &entry);
        if (status != ARCHIVE_OK)
            break;
        while ((count = archive_read_data(archive, bytes, sizeof bytes)) > 0) {
            begin(&self->begun);
            self->sum = sum_of(self->sum, bytes, (size_t)count);
        }
    }
    self->says = status == ARCHIVE_EOF                                         ? "end"
        : self->buffer != NULL && player_status(self) == SB_ERR_CANCELED ? "stop"
                                                                               : "error";
    archive_read_free(archive);
}
