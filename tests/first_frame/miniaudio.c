/*
 * miniaudio's first sample, or the sum of all of them, over a slow line: see line.h.
 */
#define _GNU_SOURCE
#define MA_NO_DEVICE_IO
#define MA_NO_ENGINE
#define STB_VORBIS_HEADER_ONLY
#include <stb_vorbis.c>
#define MINIAUDIO_IMPLEMENTATION
#include <miniaudio.h>
#undef STB_VORBIS_HEADER_ONLY
#include <stb_vorbis.c>
#undef CHECK

#include "line.h"
#include "spoolbuf_miniaudio.h"

int main(int argc, char **argv)
{
    ma_decoder_config how = ma_decoder_config_init(ma_format_s16, 2, 44100);
    ma_int16 samples[2 * 1024];
    char name[40];
    spoolbuf_miniaudio io;
    ma_decoder decoder;
    ma_uint64 count = 0;
    ma_result result;
    uint32_t sum = 1;
    int said = 0;
    double start;
    line the;

    line_open(&the, argc, argv);
    /* Otherwise it looks for an MP3 in everything first. */
    if (strstr(argv[1], ".ogg") != NULL)
        how.encodingFormat = ma_encoding_format_vorbis;
    if (the.buffer != NULL)
        CHECK(spoolbuf_miniaudio_open(&io, the.buffer) == SB_OK);
    snprintf(name, sizeof name, "/dev/fd/%d", the.pipe);
    start = line_now();
    if (the.buffer != NULL)
        result = ma_decoder_init(spoolbuf_miniaudio_read, spoolbuf_miniaudio_seek, &io, &how, &decoder);
    else
        result = ma_decoder_init_file(the.file != NULL ? the.file : name, &how, &decoder);
    while (result == MA_SUCCESS) {
        result = ma_decoder_read_pcm_frames(&decoder, samples, 1024, &count);
        if (count > 0 && !said++)
            line_first(&the, start);
        if (the.sound == NULL)
            break;
        sum = line_sum(sum, samples, (size_t)count * 4);
    }
    if (said)
        printf("sum %08x\n", sum);
    printf("status %d\n", the.buffer != NULL ? spoolbuf_miniaudio_status(&io) : 0);
    line_end(!said);
}
