/*
 * Interposes every allocation of the program and the library: counts it, and can make it fail. The
 * program's own definitions take precedence over the C library's, for the shared library, too.
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

/* The number of allocations that succeed before one fails; negative: none fails. */
static int64_t memory_after = -1;
/* Whether all later ones fail, too. */
static int memory_lasting;
/* The number of allocations that were made to fail. */
static int64_t memory_struck;
/* The bytes allocated now, and the most so far: from the heap, and mapped. Mapped bytes cost nothing
 * until they are touched; memory_touched() counts those. */
static int64_t memory_live, memory_peak, memory_mapped;

#if MEMORY_IS_OURS

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *old);

/* Whether this allocation must fail. */
static int memory_strikes(void)
{
    int64_t after = __atomic_load_n(&memory_after, __ATOMIC_SEQ_CST);
    if (after < 0)
        return 0;
    after = __atomic_fetch_sub(&memory_after, 1, __ATOMIC_SEQ_CST);
    if (after > 0)
        return 0;
    /* Stays at 0, or is switched off again. */
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

#if defined(SYS_mmap) || defined(SYS_mmap2)
static struct {
    char *start;
    size_t size;
} memory_maps[256];
static pthread_mutex_t memory_maps_lock = PTHREAD_MUTEX_INITIALIZER;

static void memory_map_add(char *start, size_t size)
{
    size_t index = 0;
    while (index < COUNT_OF(memory_maps) && memory_maps[index].size != 0)
        index++;
    CHECK(index < COUNT_OF(memory_maps));
    memory_maps[index].start = start;
    memory_maps[index].size = size;
}

/* Records a mapping, or removes a part of one. */
static void memory_map_changed(char *start, size_t size, int made)
{
    size_t index;
    pthread_mutex_lock(&memory_maps_lock);
    if (made)
        memory_map_add(start, size);
    for (index = 0; !made && index < COUNT_OF(memory_maps); index++) {
        char *from = memory_maps[index].start, *to = from + memory_maps[index].size;
        if (from == to || start < from || start + size > to)
            continue;
        memory_maps[index].size = (size_t)(start - from);
        if (start + size < to)
            memory_map_add(start + size, (size_t)(to - start) - size);
        break;
    }
    memory_mapped += made ? (int64_t)size : -(int64_t)size;
    pthread_mutex_unlock(&memory_maps_lock);
}

/* The system call takes its arguments in three ways. */
static long memory_system_map(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
#if defined(SYS_mmap2)
    return syscall(SYS_mmap2, at, size, protection, flags, fd, offset >> 12);
#elif defined(__s390x__)
    unsigned long arguments[] = { (unsigned long)at,    size,              (unsigned long)protection,
                                  (unsigned long)flags, (unsigned long)fd, (unsigned long)offset };
    return syscall(SYS_mmap, arguments);
#else
    return syscall(SYS_mmap, at, size, protection, flags, fd, offset);
#endif
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *mapped;
    if ((flags & MAP_ANONYMOUS) && memory_strikes())
        return MAP_FAILED;
    mapped = (void *)memory_system_map(at, size, protection, flags, fd, offset);
    if (mapped != MAP_FAILED)
        memory_map_changed(mapped, size, 1);
    return mapped;
}

int munmap(void *at, size_t size)
{
    memory_map_changed(at, size, 0);
    return (int)syscall(SYS_munmap, at, size);
}

/* The number of mapped bytes that are in memory. */
static inline int64_t memory_touched(void)
{
    static unsigned char pages[65536];
    size_t page = (size_t)sysconf(_SC_PAGESIZE), map, index;
    int64_t touched = 0;
    pthread_mutex_lock(&memory_maps_lock);
    for (map = 0; map < COUNT_OF(memory_maps); map++) {
        size_t count = (memory_maps[map].size + page - 1) / page;
        if (count == 0 || count > sizeof pages)
            continue;
        CHECK_EQ(mincore(memory_maps[map].start, memory_maps[map].size, pages), 0);
        for (index = 0; index < count; index++)
            touched += pages[index] & 1 ? (int64_t)page : 0;
    }
    pthread_mutex_unlock(&memory_maps_lock);
    return touched;
}
#endif

#endif
#endif
