/*
 * spoolbuf_fd.h - a descriptor (a file, a pipe, a socket, a terminal) or a FILE as a source.
 *
 *     sb_callback source;
 *     uint64_t size;
 *     if (spoolbuf_fd_source(&source, 0, 0, &size) < 0) ...         (standard input)
 *     sb_buffer *buffer = sb_new(&source, size, SB_MAX_DEFAULT);
 *
 * The resource begins at the current position of the descriptor.
 *
 *   what                 how
 *   data                 the bytes that one read(2) returns, without waiting for more. EINTR is
 *                        retried. A non-blocking descriptor is waited for by poll(2)
 *   the end              read(2) returns 0
 *   an error             -errno, which sb_stats keeps as source_error. A 0 directly after it (as a
 *                        reset socket returns) is the same error again. Where off_t has 32 bits, a file or
 *                        a block device of 2 GiB or more is -EOVERFLOW, and so is a read there of a file
 *                        that grew. A device that grew ends where it ended at first
 *   seek, size           regular files and block devices use pread(2), so that the descriptor's own
 *                        position does not move. The size is the rest of the file at this time. All
 *                        others are forward-only and have SB_SIZE_UNKNOWN
 *   a blocked read       is released at once by the source's `cancel` (poll(2) also waits for a pipe of
 *                        the source) and returns SB_SOURCE_CANCELED: sb_cancel(), sb_free() and the call
 *                        of a reader that sb_reader_cancel() cancels return at once. Later bytes are read
 *                        after sb_resume(); nothing is lost. A file's pread(2) can't be interrupted
 *   exec                 the pipe is closed across exec(), atomically where pipe2(2) exists, as on
 *                        Linux and the BSDs
 *   threads              the source runs on the thread that reads the buffer, one at a time, or on the
 *                        helper thread
 *   lifetime             with `owned` the descriptor is closed at the source's `close`. Otherwise it
 *                        must stay open until that `close`, which may come after sb_free() has
 *                        returned. To keep the descriptor, pass a dup(2) of it with `owned`
 *
 * For a FILE (popen, fopencookie, ...) use spoolbuf_file_source(). It uses fread(3) and is forward-only.
 * It blocks until all requested bytes have arrived; with the option `read_granularity` 0 these are only the bytes
 * needed. It can't be released while it blocks. The bytes before an error are delivered first. EAGAIN is
 * waited for by poll(2). For a FILE without a descriptor it is SB_SOURCE_CANCELED, and sb_retry() asks
 * again. Prefer fileno() and the descriptor if nothing has been read from the FILE.
 *
 * POSIX; needs _POSIX_C_SOURCE 200809L or more. C99.
 */
#ifndef SPOOLBUF_FD_H
#define SPOOLBUF_FD_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "spoolbuf.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Creates a pipe that is closed across exec(), even one by another thread. Declared here, since strict
 * POSIX modes hide it; C++ on Linux always shows it. */
#if defined(__linux__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__)          \
    || defined(__DragonFly__)
#define SPOOLBUF_FD_PIPE2
#if !defined(_GNU_SOURCE) && !(defined(__linux__) && defined(__cplusplus))
int pipe2(int *ends, int flags);
#endif
#endif

typedef struct spoolbuf_fd {
    int fd;
    int owned;
    int wake[2];     /* written by `cancel`, read by the call that it stopped; -1 for files */
    int64_t start;   /* the resource's start in a file */
    int64_t position;   /* the position in a file, from its own start */
} spoolbuf_fd;

/* Past the largest offset of a file, or of a 32-bit off_t, where pread(2) would report an error: the end, if
 * the file's size is one that the system can tell. fstat(2) tells none of a device; lseek(2) would, but moves
 * the descriptor's position. */
static inline int64_t spoolbuf_fd_far(const spoolbuf_fd *self)
{
    struct stat facts;

    return fstat(self->fd, &facts) < 0 ? -errno : 0;
}

static inline int64_t spoolbuf_fd_pread(void *opaque, void *out, size_t capacity)
{
    spoolbuf_fd *self = (spoolbuf_fd *)opaque;
    off_t at = (off_t)self->position;
    ssize_t count;

    if ((int64_t)at != self->position || capacity > (uint64_t)(INT64_MAX - self->position))
        return spoolbuf_fd_far(self);
    do
        count = pread(self->fd, out, capacity, at);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return -errno;
    self->position += count;
    return count;
}

static inline int64_t spoolbuf_fd_seek(void *opaque, uint64_t offset)
{
    spoolbuf_fd *self = (spoolbuf_fd *)opaque;

    /* An offset past the end is not an error, however far. */
    if (offset > (uint64_t)(INT64_MAX - self->start))
        self->position = INT64_MAX;
    else
        self->position = self->start + (int64_t)offset;
    return 0;
}

static inline void spoolbuf_fd_drain(spoolbuf_fd *self)
{
    char drained[64];

    while (read(self->wake[0], drained, sizeof drained) > 0)
        continue;
}

static inline int64_t spoolbuf_fd_read(void *opaque, void *out, size_t capacity)
{
    spoolbuf_fd *self = (spoolbuf_fd *)opaque;
    struct pollfd waits[2];
    ssize_t count;

    waits[0].fd = self->fd;
    waits[0].events = POLLIN;
    waits[1].fd = self->wake[0];
    waits[1].events = POLLIN;
    for (;;) {
        waits[0].revents = waits[1].revents = 0;
        if (poll(waits, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        if (waits[0].revents != 0) {
            count = read(self->fd, out, capacity);
            if (count >= 0 && waits[1].revents != 0)
                spoolbuf_fd_drain(self); /* A cancel that came meanwhile counts as obeyed: the read returns bytes. */
            if (count >= 0)
                return count;
            if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK)
                return -errno;
        }
        if (waits[1].revents != 0) {
            spoolbuf_fd_drain(self);
            return SB_SOURCE_CANCELED;
        }
    }
}

static inline void spoolbuf_fd_cancel(void *opaque)
{
    spoolbuf_fd *self = (spoolbuf_fd *)opaque;
    int kept = errno;

    /* If the pipe is full, the reader is awake already. */
    if (write(self->wake[1], "", 1) < 0)
        errno = kept;
}

static inline void spoolbuf_fd_close(void *opaque)
{
    spoolbuf_fd *self = (spoolbuf_fd *)opaque;

    if (self->owned)
        close(self->fd);
    if (self->wake[0] >= 0) {
        close(self->wake[0]);
        close(self->wake[1]);
    }
    free(self);
}

/* -errno, visibly < 0 to the compiler, which would otherwise warn that `size` may not be set. */
static inline int spoolbuf_fd_failed(void)
{
    return errno > 0 ? -errno : -EIO;
}

/* Creates a non-blocking pipe that is closed across exec(). Returns 0, or -1 and sets errno. */
static inline int spoolbuf_fd_pipe(int *ends)
{
#ifdef SPOOLBUF_FD_PIPE2
    return pipe2(ends, O_CLOEXEC | O_NONBLOCK);
#else
    int at;

    if (pipe(ends) < 0)
        return -1;
    for (at = 0; at < 2; at++) {
        fcntl(ends[at], F_SETFD, FD_CLOEXEC);
        fcntl(ends[at], F_SETFL, O_NONBLOCK);
    }
    return 0;
#endif
}

/**
 * Creates a source from a descriptor.
 *
 * @param source [out] the source. Its `close` frees it: pass it to sb_new(), or call `close` yourself.
 * @param fd     the descriptor.
 * @param owned  whether the source's `close` closes the descriptor. Otherwise it must stay open until then,
 *               which may be after sb_free() has returned.
 * @param size   [out] what to pass to sb_new() as the declared size.
 * @return 0; or -errno, with nothing changed.
 */
static inline int spoolbuf_fd_source(sb_callback *source, int fd, int owned, uint64_t *size)
{
    sb_callback made = { spoolbuf_fd_read, NULL, NULL, spoolbuf_fd_cancel, spoolbuf_fd_close, NULL,
                         SB_SOURCE_INTERRUPTIBLE, 0, NULL, { NULL } };
    spoolbuf_fd *self;
    struct stat facts;
    int64_t end;
    int failed, regular;

    if (fstat(fd, &facts) < 0)
        return spoolbuf_fd_failed();
    self = (spoolbuf_fd *)calloc(1, sizeof *self);
    if (self == NULL)
        return -ENOMEM;
    made.opaque = self;
    self->fd = fd;
    self->owned = owned;
    self->wake[0] = self->wake[1] = -1;
    regular = S_ISREG(facts.st_mode);
    if (regular || S_ISBLK(facts.st_mode)) {
        self->start = (int64_t)lseek(fd, 0, SEEK_CUR);
        end = regular ? (int64_t)facts.st_size : (int64_t)lseek(fd, 0, SEEK_END);
        failed = end < 0 ? errno : 0;
        if (!regular)
            lseek(fd, (off_t)self->start, SEEK_SET);
        if (failed == EOVERFLOW) { /* as fstat(2) reports for a file */
            free(self);
            return -EOVERFLOW;
        }
        if (self->start < 0)
            self->start = 0;
        self->position = self->start;
        made.read = spoolbuf_fd_pread;
        made.seek = spoolbuf_fd_seek;
        made.cancel = NULL;
        /* Files in /proc report a size of 0 and have more. */
        *size = end <= 0 ? SB_SIZE_UNKNOWN : end > self->start ? (uint64_t)(end - self->start) : 0;
        *source = made;
        return 0;
    }
    if (spoolbuf_fd_pipe(self->wake) < 0) {
        failed = spoolbuf_fd_failed();
        free(self);
        return failed;
    }
    *size = SB_SIZE_UNKNOWN;
    *source = made;
    return 0;
}

typedef struct spoolbuf_file {
    FILE *file;
    int (*close)(FILE *file);
    int failed; /* an errno that came together with bytes, for the next call */
} spoolbuf_file;

/* Whether this errno means that a FILE has no bytes yet. */
static inline int spoolbuf_file_may_go_on(int failed)
{
    return failed == EINTR || failed == EAGAIN || failed == EWOULDBLOCK;
}

/* Waits until a FILE has bytes. Returns 0 if that can't be waited for. */
static inline int spoolbuf_file_wait(FILE *file)
{
    struct pollfd wait;

    wait.fd = fileno(file);
    wait.events = POLLIN;
    wait.revents = 0;
    return wait.fd >= 0 && (poll(&wait, 1, -1) > 0 || errno == EINTR);
}

static inline int64_t spoolbuf_file_read(void *opaque, void *out, size_t capacity)
{
    spoolbuf_file *self = (spoolbuf_file *)opaque;
    int failed = self->failed;
    size_t count;

    self->failed = 0;
    while (failed == 0) {
        errno = 0;
        count = fread(out, 1, capacity, self->file);
        if (ferror(self->file))
            failed = errno != 0 ? errno : EIO;
        clearerr(self->file); /* So that it can be read again. */
        if (count > 0) {
            self->failed = spoolbuf_file_may_go_on(failed) ? 0 : failed;
            return (int64_t)count;
        }
        if (failed == 0)
            return 0;
        if (failed == EINTR || (spoolbuf_file_may_go_on(failed) && spoolbuf_file_wait(self->file)))
            failed = 0;
    }
    return spoolbuf_file_may_go_on(failed) ? (int64_t)SB_SOURCE_CANCELED : -(int64_t)failed;
}

static inline void spoolbuf_file_close(void *opaque)
{
    spoolbuf_file *self = (spoolbuf_file *)opaque;

    if (self->close != NULL)
        self->close(self->file);
    free(self);
}

/**
 * Creates a forward-only source from a FILE.
 *
 * @param source     [out] the source, which its `close` frees.
 * @param file       the FILE.
 * @param close_file fclose or pclose, called at the source's `close`. With NULL the FILE must stay open until
 *                   then, which may be after sb_free() has returned.
 * @return 0 or -ENOMEM.
 */
static inline int spoolbuf_file_source(sb_callback *source, FILE *file, int (*close_file)(FILE *))
{
    spoolbuf_file *self = (spoolbuf_file *)calloc(1, sizeof *self);
    sb_callback made = { spoolbuf_file_read, self, NULL, NULL, spoolbuf_file_close, NULL, 0, 0,
                         NULL, { NULL } };

    if (self == NULL)
        return -ENOMEM;
    self->file = file;
    self->close = close_file;
    *source = made;
    return 0;
}

#ifdef __cplusplus
}
#endif

#endif
