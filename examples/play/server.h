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

/* Serves `size` bytes of `file`. On an error returns NULL and sets errno. */
struct server *server_start(int file, uint64_t size, const struct line *line);

/* Opens a connection that receives the whole file from its start: a socket, or -1 and errno. At most two. */
int server_connect(struct server *server);

/* Starts sending, to all connections at the same pace and with the same silences. Returns 0 or an errno. */
int server_send(struct server *server);

/* Sets the silence number `index`, counted from 0. Returns 1, or 0 if it has not begun. */
int server_silence(struct server *server, int index, struct silence *out);

/* Ends all connections and frees the server. */
void server_stop(struct server *server);

/* Seconds on a monotonic clock. */
double now(void);

#endif
