/*
 * Where a FILE over a buffer can be moved to, and what it says of the rest: as a file does.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <limits.h>

#include "spoolbuf_fd.h"
#include "spoolbuf_stdio.h"

static void refused(FILE *file, long offset, int whence, int code)
{
    errno = 0;
    assert(fseek(file, offset, whence) == -1 && errno == code);
    assert(!ferror(file) && fgetc(file) == '4' && fseek(file, 4, SEEK_SET) == 0);
}

int main(void)
{
    FILE *given = tmpfile(), *file;
    sb_callback source;
    sb_buffer *buffer;
    uint64_t size;
    char byte;

    assert(given != NULL && fputs("0123456789", given) >= 0 && fflush(given) == 0);
    rewind(given);
    if (spoolbuf_fd_source(&source, fileno(given), 0, &size) < 0)
        return 1;
    buffer = sb_new(&source, size, SB_MAX_DEFAULT);
    file = spoolbuf_fopen(buffer, NULL);
    assert(file != NULL && fseek(file, 4, SEEK_SET) == 0);
    refused(file, -1, SEEK_SET, EINVAL);
    refused(file, -5, SEEK_CUR, EINVAL);
    refused(file, -11, SEEK_END, EINVAL);
    refused(file, LONG_MAX, SEEK_CUR, EINVAL);
    assert(fseek(file, -10, SEEK_END) == 0 && fgetc(file) == '0');
    assert(fseek(file, 20, SEEK_SET) == 0 && ftell(file) == 20);
    assert(fread(&byte, 1, 1, file) == 0 && feof(file) && !ferror(file));
    sb_free(buffer);
    errno = 0;
    assert(fseek(file, 100000, SEEK_SET) == -1 && errno == EBADF);
    fclose(file);
    fclose(given);
    puts("ok");
    return 0;
}
