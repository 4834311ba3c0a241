/*
 * A source with the manners of a network. Where this reads a file, yours calls recv(); the rest of
 * it, a wait that another thread can end, looks the same: poll() on the socket and on a pipe.
 */

#define _GNU_SOURCE /* pipe2() */

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
            return SB_SOURCE_CANCELED;
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

/* A pipe that a program executed meanwhile can't inherit. 0 or -1. */
static int wake_pipe(int ends[2])
{
#ifdef __APPLE__  /* has no pipe2() */
    if (pipe(ends) != 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        fcntl(ends[i], F_SETFD, FD_CLOEXEC);
        fcntl(ends[i], F_SETFL, O_NONBLOCK);
    }
    return 0;
#else
    return pipe2(ends, O_CLOEXEC | O_NONBLOCK);
#endif
}

int network_open(sb_callback *callback, int file, uint64_t size, const struct pace *pace)
{
    struct network *net = calloc(1, sizeof *net);
    if (net == NULL)
        return ENOMEM;
    if (wake_pipe(net->wake) != 0) {
        int error = errno;
        free(net);
        return error;
    }
    net->file = file;
    net->size = size;
    net->pace = *pace;
    net->until_stall = STALL_EVERY;
    sb_callback made = {
        .read = network_read, .opaque = net, .cancel = network_cancel, .close = network_close};
    *callback = made;
    return 0;
}
