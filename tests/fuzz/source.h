/* What the source's two files share. Everything is used under the lock. */
#ifndef SOURCE_H
#define SOURCE_H

#include "fuzz.h"

/* The result of a call. */
typedef struct outcome {
    enum { BYTES, ZERO, ERROR, NOTHING, LIE } kind;
    uint64_t count;
    int64_t code;
    uint32_t variant;
} outcome;

/* Whether the source now obeys a cancel that was called earlier. */
bool takes_a_stop(void);
int64_t some_error(rng *random, bool is_int);
outcome choose(rng *random, uint64_t offset, uint64_t capacity, bool is_int);
/* Record the outcome of a call: one that delivers bytes, one whose seek failed, one that returns
 * SB_SOURCE_CANCELED. */
void take_in(uint64_t offset, outcome *out, bool jumps);
void could_not_seek(int64_t code);
void came_with_nothing(bool seeks);

#endif
