/* What the source's two files share. All of it under the lock. */
#ifndef SOURCE_H
#define SOURCE_H

#include "fuzz.h"

/* What a call comes back with. */
typedef struct outcome {
    enum { BYTES, ZERO, ERROR, NOTHING, LIE } kind;
    uint64_t count;
    int64_t code;
    uint32_t variant;
} outcome;

/* Whether a mark that a cancel left is obeyed now. */
bool takes_a_stop(void);
int64_t some_error(rng *random, bool is_int);
outcome choose(rng *random, uint64_t offset, uint64_t capacity, bool is_int);
/* Writes down what a call came to: one that brings bytes, one that could not go elsewhere, one that came
 * with SB_SOURCE_CANCELED. */
void take_in(uint64_t offset, outcome *out, bool jumps);
void could_not_seek(int64_t code);
void came_with_nothing(bool seeks);

#endif
