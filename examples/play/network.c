/*
 * A source to copy from: it receives from a socket, and another thread can end its wait with a byte in a
 * pipe. Any source that waits like this looks the same.
 */

#define _GNU_SOURCE /* pipe2() */

#include "network.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct network {
    int socket;
    uint64_t left;  /* bytes that have not arrived yet */
    int wake[2];    /* a pipe: a byte in it ends a wait */
};

int64_t network_read(void *opaque, void *out, size_t capacity)
{
    struct network *net = opaque;
    char byte;

    for (;;) {
        ssize_t got = recv(net->socket, out, capacity, 0);
        if (got > 0) {
            net->left -= (uint64_t)got < net->left ? (uint64_t)got : net->left;
            return got;
        }
        if (got == 0)
            return net->left == 0 ? 0 : -ECONNRESET;  /* cut short: an error, never the end */
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        struct pollfd wait[2] = {{net->socket, POLLIN, 0}, {net->wake[0], POLLIN, 0}};
        if (poll(wait, 2, -1) > 0 && wait[1].revents != 0) {
            while (read(net->wake[0], &byte, 1) == 1)
                ;
            return SB_SOURCE_CANCELED;
        }
    }
}

/* Makes a blocked network_read() return. From any thread. */
void network_cancel(void *opaque)
{
    struct network *net = opaque;
    ssize_t ignored = write(net->wake[1], "", 1);
    (void)ignored;  /* a full pipe wakes as well */
}

/* The last call: no thread is inside network_read() any more. */
void network_close(void *opaque)
{
    struct network *net = opaque;
    close(net->socket);
    close(net->wake[0]);
    close(net->wake[1]);
    free(net);
}

/* Creates a pipe that is closed across exec(). Returns 0 or -1. */
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

struct network *network_open(int socket, uint64_t size)
{
    struct network *net = calloc(1, sizeof *net);
    if (net == NULL || wake_pipe(net->wake) != 0) {
        int error = errno;
        close(socket);
        free(net);
        errno = error;
        return NULL;
    }
    net->socket = socket;
    net->left = size;
    return net;
}
