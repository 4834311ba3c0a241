/* A temporary file behind a mutex: what the example `play` compares the library with. */

#ifndef MUTEXED_H
#define MUTEXED_H

#include "network.h"

struct mutexed;

/* Makes one over a connection, which it then owns; `file` is an empty file to keep the bytes in. */
struct mutexed *mutexed_open(struct network *net, int file);

/* Copies `len` bytes at `off` to `out`, receiving what is missing; fewer at the end, < 0 an error. */
int64_t mutexed_read(void *spool, uint64_t off, size_t len, void *out);

/* Receives until `off`, ahead of whoever will read there. > 0 if it had something to do. */
int64_t mutexed_fetch(void *spool, uint64_t off);

/* What an error of the others means, in words. */
void mutexed_explain(void *spool, int64_t error, char *out, size_t size);

/* How much it has: 1, or 0 if the mutex is held. */
int mutexed_have(struct mutexed *spool, uint64_t *have);

void mutexed_close(struct mutexed *spool);

#endif
