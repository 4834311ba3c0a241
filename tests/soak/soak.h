/*
 * What the files of the soak share. main.c says what it checks.
 */
#ifndef SOAK_H
#define SOAK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "spoolbuf.h"

#define MIB UINT64_C(1048576)

enum {
    KEYS = 10000,
    USERS = 8,
    HELD = 3,       /* readers that each user keeps after a visit */
    HELPERS = 4,
    SEGMENT = 262144,
    HEADER = 16     /* the bytes at the start of a resource that tell its key and version */
};

#define MAX_MEMORY (64 * MIB)
#define MAX_DISK (512 * MIB)

extern sb_cache *cache;
extern atomic_int is_over, open_sources;
extern atomic_ullong visits, compared, opener_failures, source_failures, tag_changes, same_tags, disk_full,
    held_reads;

/* Ends the program with a message. */
void wrong(const char *format, ...);

/* ---- content.c: the resources ---- */

uint64_t scrambled(uint64_t number);
uint64_t size_of(unsigned key);
/* The bytes of a version of a resource from `offset` on. */
void fill(unsigned key, unsigned version, uint64_t offset, unsigned char *out, size_t count);
/* The version that the first HEADER bytes of a resource tell. */
unsigned version_in(unsigned key, const unsigned char *header);
/* A key: rank 0 is the most popular one. */
unsigned zipf_key(uint64_t random);
void make_zipf(void);

/* ---- origin.c: the opener and its sources ---- */

int open_resource(void *opaque, const void *key, size_t key_size, uint64_t old_tag, sb_opened *out);
/* The codes with which openers and sources fail. */
enum { OPENER_FAILS = -77, SOURCE_FAILS = -78 };

/* ---- user.c ---- */

typedef struct {
    sb_reader *reader;
    unsigned key, version;
    uint64_t from, to;  /* bytes that this user has read */
} lease;

typedef struct {
    pthread_t thread;
    uint64_t random;
    lease held[HELD];
    unsigned next;
    unsigned char seen[65536], expected[65536];
} user;

void *use(void *opaque);

/* ---- gauge.c: what the process takes, as the system counts it ---- */

typedef struct {
    uint64_t resident, spooled;
    unsigned files, threads, maps, spool_files;
} gauge;

gauge measure(const char *spool_dir);

#endif
