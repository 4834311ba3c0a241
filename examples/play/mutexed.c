/*
 * A temporary file behind a mutex: received bytes are appended to the file, all threads read from the
 * file, and the mutex keeps them apart. It is correct, and it is short. But the receiving thread holds
 * the mutex while the network is silent, so no thread can read, not even bytes that arrived long ago.
 */

#define _POSIX_C_SOURCE 200809L

#include "mutexed.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct mutexed {
    pthread_mutex_t lock;
    struct network *net;
    int file;
    uint64_t have;   /* bytes in the file */
    int64_t result;  /* of the last call of the network: 0 the end, < 0 an error */
};

/* With the mutex held: receives once. */
static void receive(struct mutexed *spool)
{
    char bytes[64 * 1024];

    spool->result = network_read(spool->net, bytes, sizeof bytes);
    for (int64_t done = 0; done < spool->result;) {
        ssize_t count = pwrite(spool->file, bytes + done, (size_t)(spool->result - done),
                               (off_t)spool->have);
        if (count < 0) {
            spool->result = -errno;
            return;
        }
        done += count;
        spool->have += (uint64_t)count;
    }
}

int64_t mutexed_read(void *opaque, uint64_t off, size_t len, void *out)
{
    struct mutexed *spool = opaque;

    pthread_mutex_lock(&spool->lock);
    while (spool->have < off + len && spool->result > 0)
        receive(spool);
    int is_canceled = spool->have < off + len && spool->result == SB_SOURCE_CANCELED;
    ssize_t count = is_canceled ? 0 : pread(spool->file, out, len, (off_t)off);
    int64_t result = count < 0 ? -errno : count > 0 || spool->result > 0 ? count : spool->result;
    pthread_mutex_unlock(&spool->lock);
    return result;
}

int64_t mutexed_fetch(void *opaque, uint64_t off)
{
    struct mutexed *spool = opaque;

    pthread_mutex_lock(&spool->lock);
    int is_needed = spool->have < off && spool->result > 0;
    if (is_needed)
        receive(spool);
    int64_t result = spool->result <= 0 ? spool->result : is_needed;
    pthread_mutex_unlock(&spool->lock);
    return result;
}

void mutexed_explain(void *spool, int64_t error, char *out, size_t size)
{
    (void)spool;
    snprintf(out, size, "%s", error == SB_SOURCE_CANCELED ? "canceled" : strerror((int)-error));
}

int mutexed_have(struct mutexed *spool, uint64_t *have)
{
    if (pthread_mutex_trylock(&spool->lock) != 0)
        return 0;  /* the caller would wait for the network too */
    *have = spool->have;
    pthread_mutex_unlock(&spool->lock);
    return 1;
}

struct mutexed *mutexed_open(struct network *net, int file)
{
    struct mutexed *spool = calloc(1, sizeof *spool);
    if (spool == NULL)
        return NULL;
    pthread_mutex_init(&spool->lock, NULL);
    spool->net = net;
    spool->file = file;
    spool->result = 1;
    return spool;
}

void mutexed_close(struct mutexed *spool)
{
    close(spool->file);
    network_close(spool->net);
    pthread_mutex_destroy(&spool->lock);
    free(spool);
}
