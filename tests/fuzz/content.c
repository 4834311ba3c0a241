/*
 * The bytes of a resource, in words of eight bytes. Each word is its own offset and delivery, encrypted
 * with the case's salt. So a byte that is misplaced, stale or from another case shows, and a word tells
 * whether it belongs to this case.
 */
#include "fuzz.h"

#define FIRST UINT64_C(0xbf58476d1ce4e5b9)
#define SECOND UINT64_C(0x94d049bb133111eb)
enum { PLACE_BITS = 38, VARIANT_BITS = 14 };

static uint64_t word(uint64_t salt, uint32_t variant, uint64_t place)
{
    uint64_t x = place & ((UINT64_C(1) << PLACE_BITS) - 1);
    x |= (uint64_t)(variant & ((1u << VARIANT_BITS) - 1)) << PLACE_BITS;
    x = (x ^ salt) * FIRST;
    x = (x ^ x >> 32) * SECOND;
    return x ^ x >> 29;
}

/* The number that undoes a multiplication by `odd`. */
static uint64_t inverse(uint64_t odd)
{
    uint64_t x = odd;
    for (int round = 0; round < 6; round++)
        x *= 2 - odd * x;
    return x;
}

static bool is_word(uint64_t salt, uint64_t x)
{
    static uint64_t first, second;
    if (first == 0) {
        second = inverse(SECOND);
        first = inverse(FIRST);
    }
    x = (x ^ x >> 29 ^ x >> 58) * second;
    x = ((x ^ x >> 32) * first) ^ salt;
    return x >> (PLACE_BITS + VARIANT_BITS) == 0;
}

void content_fill(uint64_t salt, uint32_t variant, uint64_t offset, unsigned char *out, size_t count)
{
    size_t at = 0;
    while (at < count) {
        uint64_t here = word(salt, variant, (offset + at) / 8);
        size_t skip = (offset + at) % 8, most = 8 - skip;
        if (most > count - at)
            most = count - at;
        memcpy(out + at, (unsigned char *)&here + skip, most);
        at += most;
    }
}

size_t content_same(uint64_t salt, uint32_t variant, uint64_t offset, const unsigned char *bytes,
                    size_t count)
{
    size_t at = 0;
    while (at < count) {
        uint64_t here = word(salt, variant, (offset + at) / 8);
        size_t skip = (offset + at) % 8, most = 8 - skip;
        if (most > count - at)
            most = count - at;
        if (memcmp(bytes + at, (unsigned char *)&here + skip, most) != 0) {
            const unsigned char *right = (unsigned char *)&here + skip;
            for (size_t place = 0; place < most; place++)
                if (bytes[at + place] != right[place])
                    return at + place;
        }
        at += most;
    }
    return count;
}

bool content_foreign(uint64_t salt, uint64_t offset, const unsigned char *bytes, size_t count)
{
    /* A word on the border of two deliveries belongs to neither: only several in a row count. */
    unsigned strange = 0;
    for (size_t at = (8 - offset % 8) % 8; at + 8 <= count; at += 8) {
        uint64_t here;
        memcpy(&here, bytes + at, 8);
        if (here == 0 || is_word(salt, here))
            strange = 0;
        else if (++strange == 4)
            return true;
    }
    return false;
}
