/*
 * Decodes a sound, from a file or a pipe, with libsndfile.
 *
 *     sndfile song.flac
 *     curl -s https://example.com/song.flac | sndfile -
 */
#include "resource.h"
#include "spoolbuf_sndfile.h"

static void stop(void *io)
{
    spoolbuf_sndfile_cancel(io);
}

int main(int argc, char **argv)
{
    sb_buffer *buffer = resource_open(argc > 1 ? argv[1] : NULL);
    sf_count_t total = 0, count = 1;
    short samples[4096];
    SF_INFO info = { 0 };
    spoolbuf_sndfile io;
    uint32_t sum = 1;
    SNDFILE *sound;
    int status;

    if (buffer == NULL || spoolbuf_sndfile_open(&io, buffer) < 0)
        return 2;
    resource_on_interrupt(stop, &io);
    sound = sf_open_virtual(&io.calls, SFM_READ, &info, &io);
    while (sound != NULL && count > 0) {
        count = sf_readf_short(sound, samples, 4096 / info.channels);
        sum = resource_sum(sum, samples, sizeof *samples * (size_t)(count * info.channels));
        total += count;
    }
    printf("samples %lld\nduration %.2f\nsum 0x%08x\n", (long long)total,
           info.samplerate > 0 ? (double)total / info.samplerate : 0, sum);
    status = resource_end(spoolbuf_sndfile_status(&io), sound == NULL ? sf_strerror(NULL) : NULL);
    if (sound != NULL)
        sf_close(sound);
    spoolbuf_sndfile_close(&io);
    sb_free(buffer);
    return status;
}
