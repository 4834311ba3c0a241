/*
 * A source with the manners of a network. Where this reads a file, yours calls recv(); the rest of
 * it, a wait that another thread can end, looks the same: poll() on the socket and on a pipe.
 */

#define _POSIX_C_SOURCE 200809L

#include "network.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define STALL_EVERY (4u << 20)

struct network {
    int file;
    uint64_t at, size;
    struct pace pace;
    uint64_t left;         /* of the burst that has arrived */
    uint64_t until_stall;  /* bytes */
    double next;           /* when the next burst arrives */
    int wake[2];           /* a pipe: a byte in it ends a wait */
};

double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Waits for the next burst. 0, or -1 if network_cancel() came first. */
static int network_wait(struct network *net)
{
    struct pollfd wake = {net->wake[0], POLLIN, 0};
    double left;
    char byte;

    while ((left = net->next - now()) > 0) {
        int most = left > 60 ? 60000 : (int)(left * 1000) + 1;
        if (poll(&wake, 1, most) == 1) {
            while (read(net->wake[0], &byte, 1) == 1)
                ;
            return -1;
        }
    }
    return 0;
}

/* A burst has arrived; decides when the next one will. */
static void network_arrived(struct network *net)
{
    net->left = net->pace.burst;
    net->next = net->next > now() - 0.1 ? net->next : now();
    if (net->pace.rate > 0)
        net->next += (double)net->left / net->pace.rate;
    if (net->until_stall > net->left) {
        net->until_stall -= net->left;
    } else {
        net->until_stall = STALL_EVERY;
        net->next += net->pace.stall;
    }
}

static int64_t network_read(void *opaque, void *out, size_t capacity)
{
    struct network *net = opaque;
    uint64_t count = net->size - net->at;

    if (count == 0)
        return 0;
    if (net->left == 0) {
        if (network_wait(net) != 0)
            return -ECANCELED;
        network_arrived(net);
    }
    if (count > net->left)
        count = net->left;
    if (count > capacity)
        count = capacity;
    ssize_t got = pread(net->file, out, (size_t)count, (off_t)net->at);
    if (got <= 0)
        return got == 0 ? -EIO : -errno;  /* shorter than it was: not the end, an error */
    net->at += (uint64_t)got;
    net->left -= (uint64_t)got;
    return got;
}

/* From any thread, while network_read() waits: makes it return. */
static void network_cancel(void *opaque)
{
    struct network *net = opaque;
    ssize_t ignored = write(net->wake[1], "", 1);
    (void)ignored;  /* a full pipe wakes as well */
}

/* The last call: nobody is inside network_read() any more. */
static void network_close(void *opaque)
{
    struct network *net = opaque;
    close(net->wake[0]);
    close(net->wake[1]);
    free(net);
}

int network_open(sb_callback *callback, int file, uint64_t size, const struct pace *pace)
{
    struct network *net = calloc(1, sizeof *net);
    if (net == NULL)
        return ENOMEM;
    if (pipe(net->wake) != 0) {
        int error = errno;
        free(net);
        return error;
    }
    for (int i = 0; i < 2; i++) {
        fcntl(net->wake[i], F_SETFL, O_NONBLOCK);
        fcntl(net->wake[i], F_SETFD, FD_CLOEXEC);
    }
    net->file = file;
    net->size = size;
    net->pace = *pace;
    net->until_stall = STALL_EVERY;
    sb_callback made = {network_read, net, NULL, network_cancel, network_close, {NULL, NULL, NULL}};
    *callback = made;
    return 0;
}
