/*
 * spoolbuf_fd_follow.h - a file that another program is still writing as a source.
 *
 *     static int grows(void *opaque) { return !download_is_over(opaque); }
 *
 *     sb_callback source;
 *     if (spoolbuf_fd_follow(&source, fd, 0, grows, my_download) < 0) ...
 *     sb_buffer *buffer = sb_new(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
 *
 * The resource begins at the current position of the descriptor.
 *
 *   what                 how
 *   data                 pread(2): the descriptor's own position does not move
 *   the end of the file  `grows` is asked. 1: the source waits for more bytes. 0: the file is read once
 *                        more, and if it has no more bytes, that is the end. A negative code, -errno,
 *                        say: the source fails with it
 *   waiting              by inotify where that exists, and at least once a second, since some file systems
 *                        report nothing. Elsewhere ten times a second. `grows` is asked again each time
 *   a truncated file     -ESTALE, never the end: the file became shorter than it was, so the bytes that
 *                        follow would be those of another version. A file that is replaced under its name
 *                        is not followed. A writer that rewrites bytes in place goes unnoticed, and so
 *                        does a file that is truncated and longer than before at the next look
 *   an error             -errno, which sb_stats keeps as source_error
 *   seek                 to any offset, past the present end too: a read there waits for the file
 *   a blocked read       is released at once by the source's `cancel`: sb_cancel(), sb_free() and the call
 *                        of a reader that sb_reader_cancel() cancels return at once, and nothing is lost. A
 *                        read elsewhere does not wait for it
 *   threads              the source and `grows` run on the thread that reads the buffer, one at a time, or
 *                        on the helper thread. `grows` must not block and must not read the buffer
 *   lifetime             with `owned` the descriptor is closed at the source's `close`. Otherwise it must
 *                        stay open until that `close`, which may come after sb_free() has returned. To
 *                        keep the descriptor, pass a dup(2) of it with `owned`. `opaque` must be valid
 *                        until that `close`
 *
 * POSIX; needs _POSIX_C_SOURCE 200809L or more. C99.
 */
#ifndef SPOOLBUF_FD_FOLLOW_H
#define SPOOLBUF_FD_FOLLOW_H

#include "spoolbuf_fd.h"

#ifdef __linux__
#include <sys/inotify.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Tells whether the file still grows.
 *
 * @param opaque what spoolbuf_fd_follow() was given.
 * @return 1, 0, or a negative code.
 */
typedef int (*spoolbuf_fd_grows)(void *opaque);

typedef struct spoolbuf_fd_growing {
    spoolbuf_fd file; /* the first member: `cancel` and `seek` are those of a descriptor */
    spoolbuf_fd_grows grows;
    void *opaque;
    int64_t longest; /* the largest size that the file is known to have had */
    int changes;     /* an inotify descriptor; -1 without one */
} spoolbuf_fd_growing;

/* Waits until the file may have changed. Returns SB_SOURCE_CANCELED if `cancel` was called, else 0. */
static inline int64_t spoolbuf_fd_wait_for_change(spoolbuf_fd_growing *self)
{
    struct pollfd waits[2];
    char drained[4096];
    int count;

    waits[0].fd = self->file.wake[0];
    waits[1].fd = self->changes; /* A negative one is ignored. */
    waits[0].events = waits[1].events = POLLIN;
    waits[0].revents = waits[1].revents = 0;
    count = poll(waits, 2, self->changes >= 0 ? 1000 : 100);
    if (count < 0 && errno != EINTR)
        return -errno;
    if (count > 0 && waits[0].revents != 0) {
        spoolbuf_fd_drain(&self->file);
        return SB_SOURCE_CANCELED;
    }
    if (count > 0 && waits[1].revents != 0)
        while (read(self->changes, drained, sizeof drained) > 0)
            continue;
    return 0;
}

/* Notes the present size. Returns -ESTALE if the file was longer before. */
static inline int64_t spoolbuf_fd_check_growth(spoolbuf_fd_growing *self)
{
    struct stat facts;

    if (fstat(self->file.fd, &facts) < 0)
        return -errno;
    if ((int64_t)facts.st_size < self->longest)
        return -ESTALE;
    self->longest = (int64_t)facts.st_size;
    return 0;
}

static inline int64_t spoolbuf_fd_follow_read(void *opaque, void *out, size_t capacity)
{
    spoolbuf_fd_growing *self = (spoolbuf_fd_growing *)opaque;
    int64_t count;
    int grows = 1;

    for (;;) {
        /* Before the bytes: those of a file that was cut and grew again are not delivered. */
        count = spoolbuf_fd_check_growth(self);
        if (count == 0)
            count = spoolbuf_fd_pread(&self->file, out, capacity);
        if (count != 0 || grows == 0)
            return count;
        grows = self->grows(self->opaque);
        if (grows < 0)
            return grows;
        if (grows > 0) {
            count = spoolbuf_fd_wait_for_change(self);
            if (count < 0)
                return count;
        }
    }
}

static inline void spoolbuf_fd_follow_close(void *opaque)
{
    spoolbuf_fd_growing *self = (spoolbuf_fd_growing *)opaque;

    if (self->changes >= 0)
        close(self->changes);
    spoolbuf_fd_close(&self->file); /* Frees both. */
}

/* Reports changes of a file. Returns a descriptor, or -1 where that is not possible. */
static inline int spoolbuf_fd_watch(int fd)
{
#ifdef __linux__
    int changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    char path[40];

    if (changes < 0)
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (inotify_add_watch(changes, path, IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE) >= 0)
        return changes;
    close(changes);
#else
    (void)fd;
#endif
    return -1;
}

/**
 * Creates a source from a regular file that grows until `grows` returns 0. Its size is unknown.
 *
 * @param source [out] the source. Its `close` frees it: pass it to sb_new(), or call `close` yourself.
 * @param fd     the descriptor.
 * @param owned  whether the source's `close` closes the descriptor. Otherwise it must stay open until then,
 *               which may be after sb_free() has returned.
 * @param grows  the function that tells whether the file still grows.
 * @param opaque passed to `grows`; must be valid until the source's `close`.
 * @return 0; or -errno, with nothing changed: -EINVAL if `fd` is not a regular file (a pipe needs no
 *         following: see spoolbuf_fd_source()) or `grows` is NULL.
 */
static inline int spoolbuf_fd_follow(sb_callback *source, int fd, int owned, spoolbuf_fd_grows grows,
                                     void *opaque)
{
    sb_callback made = { spoolbuf_fd_follow_read, NULL, spoolbuf_fd_seek, spoolbuf_fd_cancel,
                         spoolbuf_fd_follow_close, NULL, SB_SOURCE_INTERRUPTIBLE, 0, NULL, { NULL } };
    spoolbuf_fd_growing *self;
    struct stat facts;
    int failed;

    if (fstat(fd, &facts) < 0)
        return spoolbuf_fd_failed();
    if (!S_ISREG(facts.st_mode) || grows == NULL)
        return -EINVAL;
    self = (spoolbuf_fd_growing *)calloc(1, sizeof *self);
    if (self == NULL)
        return -ENOMEM;
    if (spoolbuf_fd_pipe(self->file.wake) < 0) {
        failed = spoolbuf_fd_failed();
        free(self);
        return failed;
    }
    self->file.fd = fd;
    self->file.owned = owned;
    self->file.start = (int64_t)lseek(fd, 0, SEEK_CUR);
    if (self->file.start < 0)
        self->file.start = 0;
    self->file.position = self->file.start;
    self->grows = grows;
    self->opaque = opaque;
    self->longest = (int64_t)facts.st_size;
    self->changes = spoolbuf_fd_watch(fd);
    made.opaque = self;
    *source = made;
    return 0;
}

#ifdef __cplusplus
}
#endif

#endif
