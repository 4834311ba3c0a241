/* A source: one connection of the simulated network. Part of the example `play`. */

#ifndef NETWORK_H
#define NETWORK_H

#include "spoolbuf.h"

struct network;

/*
 * Takes ownership of `socket`, on which `size` bytes will arrive. On an error closes the socket, sets
 * errno and returns NULL.
 */
struct network *network_open(int socket, uint64_t size);

/* The three callbacks of a source: see spoolbuf.h. */
int64_t network_read(void *network, void *out, size_t capacity);
void network_cancel(void *network);
void network_close(void *network);

#endif
