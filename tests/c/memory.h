/*
 * Every allocation of the program and the library passes here: counted, and made to fail.
 *
 * The program's own definitions take precedence over the C library's, for the shared library, too.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include "check.h"
#include <malloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define MEMORY_IS_OURS 0
#else
#define MEMORY_IS_OURS 1
#endif

/* How many allocations go well before one fails; negative: none is to fail. */
static int64_t memory_after = -1;
/* Whether all that follow fail, too. */
static int memory_lasting;
/* How many were made to fail. */
static int64_t memory_struck;
/* Bytes that are held now, and the most that were. */
static int64_t memory_live, memory_peak;

#if MEMORY_IS_OURS

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *old);

/* Whether this allocation is to fail. */
static int memory_strikes(void)
{
    int64_t after = __atomic_load_n(&memory_after, __ATOMIC_SEQ_CST);
    if (after < 0)
        return 0;
    after = __atomic_fetch_sub(&memory_after, 1, __ATOMIC_SEQ_CST);
    if (after > 0)
        return 0;
    /* It stays at 0, or goes back to none. */
    __atomic_store_n(&memory_after, memory_lasting ? 0 : -1, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&memory_struck, 1, __ATOMIC_SEQ_CST);
    errno = ENOMEM;
    return 1;
}

static void memory_took(int64_t size)
{
    int64_t live = __atomic_add_fetch(&memory_live, size, __ATOMIC_SEQ_CST);
    if (live > __atomic_load_n(&memory_peak, __ATOMIC_SEQ_CST))
        __atomic_store_n(&memory_peak, live, __ATOMIC_SEQ_CST);
}

static void *memory_given(void *block)
{
    if (block != NULL)
        memory_took((int64_t)malloc_usable_size(block));
    return block;
}

void *malloc(size_t size)
{
    return memory_strikes() ? NULL : memory_given(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return memory_strikes() ? NULL : memory_given(__libc_calloc(count, size));
}

void *realloc(void *old, size_t size)
{
    int64_t before;
    void *block;
    if (memory_strikes())
        return NULL;
    before = old != NULL ? (int64_t)malloc_usable_size(old) : 0;
    block = __libc_realloc(old, size);
    if (block != NULL)
        memory_took((int64_t)malloc_usable_size(block) - before);
    return block;
}

void *memalign(size_t alignment, size_t size)
{
    return memory_strikes() ? NULL : memory_given(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memory_strikes() ? NULL : memory_given(__libc_memalign(alignment, size));
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *block = memory_strikes() ? NULL : memory_given(__libc_memalign(alignment, size));
    if (block == NULL)
        return ENOMEM;
    *out = block;
    return 0;
}

void free(void *old)
{
    int kept = errno;
    if (old != NULL)
        memory_took(-(int64_t)malloc_usable_size(old));
    __libc_free(old);
    errno = kept;
}

#ifdef SYS_mmap
void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *mapped;
    if ((flags & MAP_ANONYMOUS) && memory_strikes())
        return MAP_FAILED;
    mapped = (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
    if (mapped != MAP_FAILED)
        memory_took((int64_t)size);
    return mapped;
}

int munmap(void *at, size_t size)
{
    memory_took(-(int64_t)size);
    return (int)syscall(SYS_munmap, at, size);
}
#endif

#endif
#endif
