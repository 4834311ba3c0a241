/* Reads standard input far ahead, then at its start: what each of the consumers here builds. */
#include <spoolbuf.h>
#include <stdio.h>

static int64_t from_stdin(void *opaque, void *out, size_t capacity)
{
    (void)opaque;
    size_t count = fread(out, 1, capacity, stdin);
    return count == 0 && ferror(stdin) ? -1 : (int64_t)count;
}

int main(void)
{
    sb_callback source = { .read = from_stdin };
    sb_buffer *buffer = sb_new(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
    char late[6], early[6];

    if (sb_read(buffer, 700000, 6, late) != 6 || sb_read(buffer, 0, 6, early) != 6)
        return 1;
    printf("%.6s, %.6s\n", late, early);
    sb_free(buffer);
    return 0;
}
