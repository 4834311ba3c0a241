/*
 * A dr_lib by itself reads from a buffer: dr_flac, which miniaudio carries under another name.
 */
#define _GNU_SOURCE
#define MINIAUDIO_IMPLEMENTATION
#define MA_NO_DEVICE_IO
#include <miniaudio.h>

#include "../../examples/media/resource.h"
#include "spoolbuf_miniaudio.h"

typedef ma_bool32 ma_dr_flac_bool32;
typedef ma_int64 ma_dr_flac_int64;
SPOOLBUF_DR(ma_dr_flac, MA_DR_FLAC)

static void stop(void *io)
{
    spoolbuf_miniaudio_cancel(io);
}

int main(int argc, char **argv)
{
    sb_buffer *buffer = argc == 2 ? resource_open(argv[1]) : NULL;
    uint32_t low = 1, high = 0;
    ma_int16 samples[2 * 4096];
    spoolbuf_miniaudio io;
    ma_dr_flac *flac;
    ma_uint64 count, at;

    if (buffer == NULL || spoolbuf_miniaudio_open(&io, buffer) < 0)
        return 2;
    resource_on_interrupt(stop, &io);
    flac = ma_dr_flac_open(spoolbuf_ma_dr_flac_read, spoolbuf_ma_dr_flac_seek,
                           spoolbuf_ma_dr_flac_tell, &io, NULL);
    while (flac != NULL && (count = ma_dr_flac_read_pcm_frames_s16(flac, 4096, samples)) > 0) {
        for (at = 0; at < count * 4; at++) {
            low = (low + ((unsigned char *)samples)[at]) % 65521;
            high = (high + low) % 65521;
        }
    }
    printf("sum 0x%08x\n%s\n", high << 16 | low,
           spoolbuf_miniaudio_status(&io) == SB_ERR_CANCELED ? "stopped" : "ended");
    ma_dr_flac_close(flac);
    spoolbuf_miniaudio_close(&io);
    sb_free(buffer);
    return 0;
}
