/* The far end of the network that the example `play` simulates. */

#ifndef SERVER_H
#define SERVER_H

#include <stdint.h>

struct server;

struct line {
    double rate;     /* bytes a second; 0: as fast as the receivers take them */
    double silence;  /* seconds without a byte, after every 14 MiB; 0: none */
};

/* A time without a byte, in seconds of now(). */
struct silence {
    double begin, end;
};

/* Serves `size` bytes of `file`. NULL, and errno is set, if that cannot be had. */
struct server *server_start(int file, uint64_t size, const struct line *line);

/* A connection that receives the whole file from its start: a socket, or -1 and errno. Up to two. */
int server_connect(struct server *server);

/* Begins to send, to all connections at the same pace and with the same silences. 0 or an errno. */
int server_send(struct server *server);

/* The silence number `index`, counted from 0: 1, or 0 if it has not begun. */
int server_silence(struct server *server, int index, struct silence *out);

/* Ends all connections and frees the server. */
void server_stop(struct server *server);

/* Seconds on a monotonic clock. */
double now(void);

#endif
