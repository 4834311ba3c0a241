/*
 * Ctrl-C as the stop button. A separate thread waits for it, since a signal handler may not do what a stop does.
 */
#ifndef INTERRUPT_H
#define INTERRUPT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <signal.h>
#include <string.h>

typedef struct resource_stopper {
    void (*stop)(void *opaque);
    void *opaque;
    sigset_t signals;
} resource_stopper;

/* Blocks Ctrl-C, except for the thread that waits for it. Call it before a thread is started: threads inherit it. */
static inline sigset_t resource_block_interrupt(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    return signals;
}

static inline void *resource_wait_for_interrupt(void *opaque)
{
    resource_stopper *self = (resource_stopper *)opaque;
    int number;

    sigwait(&self->signals, &number);
    self->stop(self->opaque);
    return NULL;
}

/* Calls `stop` on a separate thread at Ctrl-C. */
static inline void resource_on_interrupt(void (*stop)(void *), void *opaque)
{
    static resource_stopper self;
    pthread_t thread;

    self.stop = stop;
    self.opaque = opaque;
    self.signals = resource_block_interrupt();
    if (pthread_create(&thread, NULL, resource_wait_for_interrupt, &self) == 0)
        pthread_detach(thread);
}

#endif
