/*
 * What the rows of misuse_rows.h name: the things, values to pass, and options.
 */
#include "check.h"

enum { SIZE = 1000 };

static unsigned char whole[SIZE], other[SIZE], out_bytes[SIZE];

/* Fresh for each row. */
typedef struct things {
    stream source;
    sb_buffer *pulled; /* of `source`, of which it has read 100 bytes */
    sb_buffer *pushed; /* has 100 bytes */
    sb_reader *reader; /* of `pulled` */
    sb_watch *watch;   /* of `pushed`, at 500 */
    sb_cache *cache;   /* has an entry for "a" */
    sb_reader *leased; /* of that entry, of which it has read 100 bytes */
    int calls;         /* of the watch's function */
} things;

/* The source that a call is handed over. */
static stream spare;

static void *const out = out_bytes;
static sb_range range;
static sb_stats stats;
static sb_error error = { .struct_size = sizeof(sb_error) };
static sb_options options;
static sb_reader_options reading;
static sb_save_options saving;
static sb_cache_options caching;
static sb_cache_stats cached;
static unsigned char long_key[4097];

#define CALLBACK(...) \
    (&(sb_callback){ .opaque = &spare, .cancel = stream_cancel, .close = stream_close, __VA_ARGS__ })
#define OPTIONS(...) (&(sb_options){ .struct_size = sizeof(sb_options), __VA_ARGS__ })
#define READING(...) (&(sb_reader_options){ .struct_size = sizeof(sb_reader_options), __VA_ARGS__ })
#define SAVE(...) (&(sb_save_options){ .struct_size = sizeof(sb_save_options), __VA_ARGS__ })
#define CACHING(...) \
    (&(sb_cache_options){ .struct_size = sizeof(sb_cache_options), .open = opener, .fresh_ms = -1, \
                          .idle_ms = -1, __VA_ARGS__ })
#define ERROR(...) (&(sb_error){ .struct_size = sizeof(sb_error), __VA_ARGS__ })

/* The options of a program built with a later header, whose struct has one more member. */
#define LATER(type, value) \
    (((struct { type known; uint64_t later; }){ { .struct_size = sizeof(type) + 8 }, value }).known)
