/*
 * The far end of a simulated network: a thread that sends a file to its connections, all at the same
 * pace. Now and then it falls silent for all of them at the same moment.
 */

#define _POSIX_C_SOURCE 200809L
#define _DARWIN_C_SOURCE

#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_CONNECTIONS = 2, MOST_SILENCES = 64, CHUNK = 64 * 1024, TICK_MS = 2 };
#define SILENCE_EVERY (14u << 20)

struct server {
    int file;
    uint64_t size;
    struct line line;
    int sockets[MOST_CONNECTIONS];
    uint64_t sent[MOST_CONNECTIONS];
    int connections;
    pthread_t thread;
    int is_running;
    pthread_mutex_t lock;  /* of what follows */
    struct silence silences[MOST_SILENCES];
    int silence_count;
    int is_over;
};

double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

struct server *server_start(int file, uint64_t size, const struct line *line)
{
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return NULL;
    server->file = file;
    server->size = size;
    server->line = *line;
    pthread_mutex_init(&server->lock, NULL);
    return server;
}

int server_connect(struct server *server)
{
    int pair[2];

    if (server->connections == MOST_CONNECTIONS) {
        errno = EMFILE;
        return -1;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        int bytes = 4 * CHUNK;  /* as many bytes as a connection holds in transit */
        setsockopt(pair[i], SOL_SOCKET, i == 0 ? SO_SNDBUF : SO_RCVBUF, &bytes, sizeof bytes);
        fcntl(pair[i], F_SETFL, O_NONBLOCK);
        fcntl(pair[i], F_SETFD, FD_CLOEXEC);
    }
    server->sockets[server->connections++] = pair[0];
    return pair[1];
}

/* Sends at most `most` bytes to one connection: as many as it takes without blocking. */
static void send_some(struct server *server, int index, uint64_t most)
{
    unsigned char bytes[CHUNK];
    uint64_t *sent = &server->sent[index];

    if (most > server->size - *sent)
        most = server->size - *sent;
    while (most > 0) {
        size_t want = most < CHUNK ? (size_t)most : CHUNK;
        ssize_t got = pread(server->file, bytes, want, (off_t)*sent);
        if (got <= 0) {  /* the file was truncated: the connection breaks */
            shutdown(server->sockets[index], SHUT_WR);
            break;
        }
        ssize_t gone = write(server->sockets[index], bytes, (size_t)got);
        if (gone <= 0)
            break;  /* the receiver is behind, or gone */
        *sent += (uint64_t)gone;
        most -= (uint64_t)gone;
    }
    if (*sent == server->size)
        shutdown(server->sockets[index], SHUT_WR);
}

static int is_over(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    int over = server->is_over;
    pthread_mutex_unlock(&server->lock);
    return over;
}

static void fall_silent(struct server *server)
{
    double begin = now();

    pthread_mutex_lock(&server->lock);
    if (server->silence_count < MOST_SILENCES) {
        struct silence silence = {begin, begin + server->line.silence};
        server->silences[server->silence_count++] = silence;
    }
    pthread_mutex_unlock(&server->lock);
    while (now() < begin + server->line.silence && !is_over(server)) {
        struct timespec tick = {0, TICK_MS * 1000000L};
        nanosleep(&tick, NULL);
    }
}

static void *serve(void *opaque)
{
    struct server *server = opaque;
    uint64_t next_silence = server->line.silence > 0 ? SILENCE_EVERY : UINT64_MAX;
    double last = now(), credit[MOST_CONNECTIONS] = {0, 0};

    while (!is_over(server)) {
        struct timespec tick = {0, TICK_MS * 1000000L};
        double time = now(), earned = (time - last) * server->line.rate;
        uint64_t furthest = 0;
        last = time;
        for (int i = 0; i < server->connections; i++) {
            uint64_t room = next_silence > server->sent[i] ? next_silence - server->sent[i] : 0;
            uint64_t before = server->sent[i];
            credit[i] += earned;
            /* Bytes that a receiver did not take in time are not sent all at once later. */
            if (credit[i] > 2 * CHUNK)
                credit[i] = 2 * CHUNK;
            uint64_t most = server->line.rate > 0 && credit[i] < (double)room ? (uint64_t)credit[i]
                                                                              : room;
            send_some(server, i, most);
            credit[i] -= (double)(server->sent[i] - before);
            if (server->sent[i] > furthest)
                furthest = server->sent[i];
        }
        if (furthest >= next_silence && furthest < server->size) {
            next_silence += SILENCE_EVERY;
            fall_silent(server);
            last = now();
        }
        nanosleep(&tick, NULL);
    }
    return NULL;
}

int server_send(struct server *server)
{
    int error = pthread_create(&server->thread, NULL, serve, server);
    server->is_running = error == 0;
    return error;
}

int server_silence(struct server *server, int index, struct silence *out)
{
    pthread_mutex_lock(&server->lock);
    int has_begun = index < server->silence_count;
    if (has_begun)
        *out = server->silences[index];
    pthread_mutex_unlock(&server->lock);
    return has_begun;
}

void server_stop(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    server->is_over = 1;
    pthread_mutex_unlock(&server->lock);
    if (server->is_running)
        pthread_join(server->thread, NULL);
    for (int i = 0; i < server->connections; i++)
        close(server->sockets[i]);
    pthread_mutex_destroy(&server->lock);
    free(server);
}
