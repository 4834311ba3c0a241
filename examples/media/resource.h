/*
 * What the examples of this folder share, so that each shows its library only: a buffer over the
 * file or pipe that was named, and Ctrl-C as the stop button.
 *
 * SPOOLBUF_MAX (bytes in memory), SPOOLBUF_DIR (where the spool file goes) and SPOOLBUF_FULL=memory
 * (what a full disk does) are looked at in the environment.
 */
#ifndef RESOURCE_H
#define RESOURCE_H

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "spoolbuf_fd.h"
#ifdef WITH_CURL
#include "spoolbuf_curl.h"
#endif

static inline void resource_block_interrupt(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
}

/* A buffer over a file; `-` is standard input; with libcurl an URL too. NULL, with a message. */
static inline sb_buffer *resource_open(const char *name)
{
    int fd = strcmp(name, "-") == 0 ? 0 : -1, status;
    const char *max = getenv("SPOOLBUF_MAX"), *full = getenv("SPOOLBUF_FULL");
    sb_buffer *buffer = NULL;
    sb_callback source;
    sb_options options;
    sigset_t signals;

    /* Before any thread is started, since they inherit it: Ctrl-C is for who waits for it. */
    resource_block_interrupt(&signals);
    sb_options_init(&options, sizeof options);
#ifdef WITH_CURL
    if (strstr(name, "://") != NULL) {
        status = spoolbuf_curl_source(&source, name, NULL);
        if (status == 0) {
            int64_t size = spoolbuf_curl_size(&source);
            options.size = size < 0 ? SB_SIZE_UNKNOWN : (uint64_t)size;
        }
    } else
#endif
    {
        if (fd < 0)
            fd = open(name, O_RDONLY | O_CLOEXEC);
        status = spoolbuf_fd_source(&source, fd, 1, &options.size);
    }
    if (status < 0) {
        fprintf(stderr, "%s: can't be opened (%d)\n", name, status);
        return NULL;
    }
    options.spool_dir = getenv("SPOOLBUF_DIR");
    if (max != NULL)
        options.max = strtoull(max, NULL, 10);
    if (full != NULL && strcmp(full, "memory") == 0)
        options.on_full = SB_FULL_MEMORY;
    /* A thread of the library's calls the source, so that a stop never waits for it. */
    options.prefetch = 1 << 20;
    status = sb_new_with(&source, &options, &buffer);
    if (status < 0)
        fprintf(stderr, "%s: %s\n", name, sb_strerror(status));
    return buffer;
}

typedef struct resource_stopper {
    void (*stop)(void *opaque);
    void *opaque;
    sigset_t signals;
} resource_stopper;

static inline void *resource_wait_for_signal(void *opaque)
{
    resource_stopper *self = (resource_stopper *)opaque;
    int number;

    sigwait(&self->signals, &number);
    self->stop(self->opaque);
    return NULL;
}

/* Calls `stop` on a thread of its own at Ctrl-C. */
static inline void resource_on_interrupt(void (*stop)(void *), void *opaque)
{
    static resource_stopper self;
    pthread_t thread;

    self.stop = stop;
    self.opaque = opaque;
    resource_block_interrupt(&self.signals);
    if (pthread_create(&thread, NULL, resource_wait_for_signal, &self) == 0)
        pthread_detach(thread);
}

#endif
