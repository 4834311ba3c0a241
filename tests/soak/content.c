/*
 * The resources: sizes as in the replay of the bench, bytes that are a function of the key, the version and
 * the offset, and how popular each is.
 */
#include "soak.h"

#include <math.h>

static double popularity[KEYS];  /* the sum of the shares of this rank and those before it */

uint64_t scrambled(uint64_t number)
{
    number = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
    number = (number ^ number >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return number ^ number >> 32;
}

/* 2 to 6 MiB, or, one in fifty, 100 to 600 MiB. */
uint64_t size_of(unsigned key)
{
    uint64_t random = scrambled(key + (UINT64_C(1) << 60));
    return random % 50 == 0 ? 100 * MIB + random / 50 % (500 * MIB) : 2 * MIB + random / 50 % (4 * MIB);
}

static uint64_t word_at(unsigned key, unsigned version, uint64_t index)
{
    switch (index) {
    case 0: return key;
    case 1: return version;
    default: return scrambled(((uint64_t)version << 14 | key) << 28 | index);
    }
}

void fill(unsigned key, unsigned version, uint64_t offset, unsigned char *out, size_t count)
{
    while (count > 0) {
        uint64_t word = word_at(key, version, offset / 8);
        size_t skip = (size_t)(offset % 8);
        size_t part = sizeof word - skip < count ? sizeof word - skip : count;
        memcpy(out, (unsigned char *)&word + skip, part);
        offset += part;
        out += part;
        count -= part;
    }
}

unsigned version_in(unsigned key, const unsigned char *header)
{
    uint64_t words[2];
    memcpy(words, header, sizeof words);
    if (words[0] != key)
        wrong("key %u has the bytes of key %llu", key, (unsigned long long)words[0]);
    return (unsigned)words[1];
}

void make_zipf(void)
{
    double sum = 0;
    for (unsigned rank = 0; rank < KEYS; rank++)
        popularity[rank] = sum += pow(rank + 1, -0.9);
    for (unsigned rank = 0; rank < KEYS; rank++)
        popularity[rank] /= sum;
}

unsigned zipf_key(uint64_t random)
{
    double share = (double)(random >> 11) / (double)(UINT64_C(1) << 53);
    unsigned first = 0, last = KEYS - 1;
    while (first < last) {
        unsigned middle = (first + last) / 2;
        if (popularity[middle] < share)
            first = middle + 1;
        else
            last = middle;
    }
    /* So that size and popularity have nothing to do with each other. */
    return (unsigned)(((uint64_t)first * 7919) % KEYS);
}
