/* A temporary file behind a mutex: what the example `play` compares the library with. */

#ifndef MUTEXED_H
#define MUTEXED_H

#include "network.h"

struct mutexed;

/* Creates one over a connection, which it then owns; `file` is an empty file for the bytes. */
struct mutexed *mutexed_open(struct network *net, int file);

/* Copies `len` bytes at `off` to `out` and receives missing ones; fewer at the end, < 0: an error. */
int64_t mutexed_read(void *spool, uint64_t off, size_t len, void *out);

/* Receives up to `off`, ahead of later reads. > 0 if there was something to receive. */
int64_t mutexed_fetch(void *spool, uint64_t off);

/* Describes an error of the other functions. */
void mutexed_explain(void *spool, int64_t error, char *out, size_t size);

/* Sets the number of bytes it has: returns 1, or 0 if the mutex is held. */
int mutexed_have(struct mutexed *spool, uint64_t *have);

void mutexed_close(struct mutexed *spool);

#endif
