/*
 * libsndfile's first sample, or the sum of all of them, over a slow line: see line.h.
 */
#define _GNU_SOURCE
#include "line.h"
#include "spoolbuf_sndfile.h"

int main(int argc, char **argv)
{
    short samples[4096];
    SF_INFO info = { 0 };
    spoolbuf_sndfile io;
    uint32_t sum = 1;
    SNDFILE *sound;
    double start;
    int said = 0;
    sf_count_t count;
    line the;

    line_open(&the, argc, argv);
    if (the.buffer != NULL)
        CHECK(spoolbuf_sndfile_open(&io, the.buffer) == SB_OK);
    start = line_now();
    sound = the.buffer != NULL ? sf_open_virtual(&io.calls, SFM_READ, &info, &io)
        : the.file != NULL     ? sf_open(the.file, SFM_READ, &info)
                               : sf_open_fd(the.pipe, SFM_READ, &info, 1);
    while (sound != NULL && (count = sf_readf_short(sound, samples, 1024 / info.channels)) > 0) {
        if (!said++)
            line_first(&the, start);
        if (the.sound == NULL)
            break;
        sum = line_sum(sum, samples, sizeof *samples * (size_t)(count * info.channels));
    }
    if (said)
        printf("sum %08x\n", sum);
    printf("status %d\n", the.buffer != NULL ? spoolbuf_sndfile_status(&io) : 0);
    line_end(!said);
}
