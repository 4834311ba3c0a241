/* A source with the manners of a network: a pace, bursts, stalls. Part of the example `play`. */

#ifndef NETWORK_H
#define NETWORK_H

#include "spoolbuf.h"

struct pace {
    double rate;     /* bytes a second; 0: as fast as the disk */
    uint64_t burst;  /* bytes that arrive together */
    double stall;    /* seconds of silence after every 4 MiB */
};

/*
 * Makes a source that delivers the first `size` bytes of `file`, which must stay open until the
 * source's `close`. 0, or an errno; `*callback` is then as it was.
 */
int network_open(sb_callback *callback, int file, uint64_t size, const struct pace *pace);

/* Seconds on a monotonic clock. */
double now(void);

#endif
