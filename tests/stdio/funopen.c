/*
 * What spoolbuf_stdio.h does on the BSDs and macOS, where a FILE comes from funopen(3): that function, made
 * of the system's own, and the header in the belief that it is there. With NARROW, fpos_t has 32 bits, as on
 * 32-bit Android.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#ifdef NARROW
#define fpos_t int32_t
#else
#define fpos_t int64_t
#endif

typedef struct functions {
    void *opaque;
    int (*read)(void *opaque, char *out, int length);
    fpos_t (*seek)(void *opaque, fpos_t offset, int whence);
    int (*close)(void *opaque);
} functions;

static ssize_t read_by(void *opaque, char *out, size_t length)
{
    functions *self = opaque;
    return self->read(self->opaque, out, (int)length);
}

static int seek_by(void *opaque, off64_t *offset, int whence)
{
    functions *self = opaque;
    *offset = self->seek(self->opaque, *offset, whence);
    return *offset < 0 ? -1 : 0;
}

static int close_by(void *opaque)
{
    functions *self = opaque;
    int status = self->close(self->opaque);

    free(self);
    return status;
}

/* With the signature of funopen(3). */
static FILE *funopen(const void *opaque, int (*reads)(void *, char *, int),
                     int (*writes)(void *, const char *, int), fpos_t (*seeks)(void *, fpos_t, int),
                     int (*closes)(void *))
{
    cookie_io_functions_t all = { read_by, NULL, seek_by, close_by };
    functions *self = malloc(sizeof *self);

    assert(writes == NULL);
    self->opaque = (void *)opaque;
    self->read = reads;
    self->seek = seeks;
    self->close = closes;
    return fopencookie(self, "rb", all);
}

#undef __GLIBC__
#undef __linux__
#include "spoolbuf_stdio.h"

enum { SIZE = 100000, FAILS = 50000 };

static int fails;

static int64_t give(void *opaque, void *out, size_t capacity)
{
    int64_t *position = opaque;
    size_t at;

    if (fails && *position == FAILS)
        return -1;
    for (at = 0; at < capacity && *position < (fails ? FAILS : SIZE); at++)
        ((unsigned char *)out)[at] = (unsigned char)((uint64_t)++*position * UINT64_C(0x9e3779b97f4a7c15) >> 56);
    return (int64_t)at;
}

/* An offset that does not fit is an error, which leaves the position. */
static void far(void)
{
    int64_t position = 0;
    sb_callback source = { .read = give, .opaque = &position };
    sb_buffer *buffer = sb_new(&source, SB_SIZE_UNKNOWN, 4096);
    sb_reader_options whole;
    spoolbuf_stdio *self;
    FILE *file;

    sb_reader_options_init(&whole, sizeof whole);
    file = spoolbuf_stdio_open(&self, buffer, &whole);
    assert(file != NULL && spoolbuf_stdio_seek(self, INT32_MAX, SEEK_SET) == INT32_MAX);
    errno = 0;
#ifdef NARROW
    assert(spoolbuf_stdio_seek(self, 1, SEEK_CUR) == -1 && errno == EOVERFLOW);
    assert(spoolbuf_stdio_seek(self, 0, SEEK_CUR) == INT32_MAX);
#else
    assert(spoolbuf_stdio_seek(self, 1, SEEK_CUR) == INT64_C(1) << 31 && errno == 0);
#endif
    assert(fclose(file) == 0);
    sb_free(buffer);
}

int main(void)
{
    far();
    for (fails = 0; fails < 2; fails++) {
        int64_t position = 0, at;
        sb_callback source = { .read = give, .opaque = &position };
        sb_buffer *buffer = sb_new(&source, SB_SIZE_UNKNOWN, 4096);
        FILE *file = spoolbuf_fopen(buffer, NULL);

        assert(file != NULL);
        for (at = 1; at <= (fails ? FAILS : SIZE); at++)
            assert(fgetc(file) == (int)((uint64_t)at * UINT64_C(0x9e3779b97f4a7c15) >> 56));
        errno = 0;
        assert(fgetc(file) == EOF);
        assert(fails ? ferror(file) && errno == EIO : feof(file));
        clearerr(file);
        assert(fseek(file, 10, SEEK_SET) == 0 && ftell(file) == 10);
        assert(fgetc(file) == (int)(UINT64_C(11) * UINT64_C(0x9e3779b97f4a7c15) >> 56));
        assert(fails ? fseek(file, 0, SEEK_END) < 0 && errno == ESPIPE
                     : fseek(file, 0, SEEK_END) == 0 && ftell(file) == SIZE);
        assert(fclose(file) == 0);
        sb_free(buffer);
    }
    puts("ok");
    return 0;
}
