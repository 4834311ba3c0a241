/*
 * spoolbuf_fd.h where an offset of the system has 32 bits, as on 32-bit Android and by default on 32-bit
 * Linux: a size or a place past that is an error, and never the end.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static int is_device;

static int64_t narrowed(int64_t offset)
{
    if (offset <= INT32_MAX)
        return offset;
    errno = EOVERFLOW;
    return -1;
}

static ssize_t narrow_pread(int fd, void *out, size_t capacity, int32_t at)
{
    return pread(fd, out, capacity, at);
}

static int32_t narrow_lseek(int fd, int32_t offset, int whence)
{
    return (int32_t)narrowed(lseek(fd, offset, whence));
}

static int narrow_fstat(int fd, struct stat *facts)
{
    if (fstat(fd, facts) < 0)
        return -1;
    if (is_device) {
        facts->st_mode = S_IFBLK;
        facts->st_size = 0;
    }
    return narrowed(facts->st_size) < 0 ? -1 : 0;
}

#define off_t int32_t
#define pread narrow_pread
#define lseek narrow_lseek
#define fstat narrow_fstat
#include "spoolbuf_fd.h"
#undef off_t
#undef lseek

enum { SMALL = 10 };

static const int64_t LARGE = (INT64_C(1) << 31) + 300000;

static int file_of(int64_t size)
{
    int fd = fileno(tmpfile());

    assert(fd >= 0 && ftruncate(fd, size) == 0);
    return fd;
}

/* A file that was small when it was opened. */
static void grows(void)
{
    int fd = file_of(SMALL);
    sb_callback source;
    char bytes[4096];
    uint64_t size;

    assert(spoolbuf_fd_source(&source, fd, 0, &size) == 0 && size == SMALL);
    assert(source.seek(source.opaque, (uint64_t)LARGE) == 0);
    assert(source.read(source.opaque, bytes, sizeof bytes) == 0);
    assert(ftruncate(fd, LARGE) == 0);
    assert(source.seek(source.opaque, INT32_MAX) == 0);
    assert(source.read(source.opaque, bytes, sizeof bytes) == sizeof bytes);
    assert(source.read(source.opaque, bytes, sizeof bytes) == -EOVERFLOW);
    assert(source.seek(source.opaque, 0) == 0);
    assert(source.read(source.opaque, bytes, sizeof bytes) == sizeof bytes);
    source.close(source.opaque);
    assert(spoolbuf_fd_source(&source, fd, 0, &size) == -EOVERFLOW);
    close(fd);
}

/* A device has no size that fstat() tells. */
static void device(int64_t bytes, int result, uint64_t expected)
{
    int fd = file_of(bytes);
    sb_callback source;
    uint64_t size = 7;

    assert(lseek(fd, 3, SEEK_SET) == 3);
    is_device = 1;
    assert(spoolbuf_fd_source(&source, fd, 0, &size) == result && size == expected);
    is_device = 0;
    assert(lseek(fd, 0, SEEK_CUR) == 3);
    if (result == 0)
        source.close(source.opaque);
    close(fd);
}

int main(void)
{
    grows();
    device(SMALL, 0, SMALL - 3);
    device(LARGE, -EOVERFLOW, 7);
    puts("ok");
    return 0;
}
