/*
 * libsndfile decodes a sound.
 */
#include "spoolbuf_sndfile.h"

#define FAILED_SAYS "end"
#define GOES_ON 1
#define ONE_AT_A_TIME 0
#define BEGINS 1
#define GOES_BACK STANDS_STILL
#define LOOKS_AHEAD

struct player {
    PLAYER;
    spoolbuf_sndfile io;
};

static void player_open(player *self)
{
    if (self->buffer != NULL)
        assert(spoolbuf_sndfile_open(&self->io, self->buffer) == SB_OK);
}

static void player_stop(player *self)
{
    spoolbuf_sndfile_cancel(&self->io);
}

static int player_status(player *self)
{
    return spoolbuf_sndfile_status(&self->io);
}

static void player_resume(player *self)
{
    spoolbuf_sndfile_resume(&self->io);
}

static void player_close(player *self)
{
    if (self->buffer != NULL)
        spoolbuf_sndfile_close(&self->io);
}

static void player_asks(player *self)
{
    spoolbuf_sndfile *io = &self->io, other;
    sb_reader_options options;
    unsigned char bytes[ODD];

    /* Whole reads, whatever the source's chunks are. */
    assert(io->calls.read(bytes, 0, io) == 0 && io->calls.read(bytes, 900, io) == 900);
    assert(bytes[0] == odd_byte(0) && bytes[899] == odd_byte(899));
    assert(io->calls.seek(10, SEEK_SET, io) == 10 && io->calls.tell(io) == 10);
    /* The end is not known, and nothing is fetched for it. */
    assert(io->calls.get_filelen(io) == SF_COUNT_MAX && io->calls.seek(0, SEEK_END, io) == -1);
    assert(io->calls.seek(ODD + SB_REACH_AUTO + 1, SEEK_SET, io) < 0 && io->calls.tell(io) == 10);
    /* With the whole it is found, and the position kept. */
    sb_reader_options_init(&options, sizeof options);
    assert(spoolbuf_sndfile_open_with(&other, self->buffer, &options) == SB_OK);
    assert(other.calls.get_filelen(&other) == ODD && other.calls.tell(&other) == 0);
    spoolbuf_sndfile_close(&other);
    options.flags = 77;
    assert(spoolbuf_sndfile_open_with(&other, self->buffer, &options) == SB_ERR_INVALID);
    assert(io->calls.get_filelen(io) == ODD && io->calls.tell(io) == 10);
    /* A stop stops although every byte is buffered. */
    spoolbuf_sndfile_cancel(io);
    assert(io->calls.read(bytes, 1, io) == 0 && player_status(self) == SB_ERR_CANCELED);
    spoolbuf_sndfile_resume(io);
    assert(io->calls.tell(io) == 0 && io->calls.read(bytes, 1, io) == 1);
    assert(io->calls.seek(-20, SEEK_END, io) == ODD - 20);
    assert(io->calls.seek(10, SEEK_CUR, io) == ODD - 10);
    assert(io->calls.read(bytes, 20, io) == 10 && bytes[9] == odd_byte(ODD - 1));
    assert(io->calls.read(bytes, 1, io) == 0 && player_status(self) == SB_OK);
    assert(io->calls.seek(-1, SEEK_SET, io) < 0 && io->calls.seek(0, 77, io) < 0);
    assert(io->calls.seek(5000, SEEK_SET, io) == 5000 && io->calls.read(bytes, 1, io) == 0);
    assert(io->calls.write(bytes, 1, io) == 0);
    assert(spoolbuf_sndfile_open(&other, NULL) == SB_ERR_INVALID);
    sb_free(self->buffer);
    assert(io->calls.get_filelen(io) < 0 && io->calls.read(bytes, 1, io) == 0);
    assert(player_status(self) == SB_ERR_INVALID);
}

static int player_looks_ahead(player *self, int asks_size)
{
    sf_count_t found = asks_size ? self->io.calls.get_filelen(&self->io)
                                 : self->io.calls.seek(0, SEEK_END, &self->io);

    return found >= 0 && found != SF_COUNT_MAX;
}

static SNDFILE *open_sound(player *self, SF_INFO *info)
{
    memset(info, 0, sizeof *info);
    if (self->buffer == NULL)
        return sf_open(self->file, SFM_READ, info);
    return sf_open_virtual(&self->io.calls, SFM_READ, info, &self->io);
}

static void player_play(player *self)
{
    SF_INFO info;
    SNDFILE *sound = open_sound(self, &info);
    sf_count_t total = 0, count = 1;
    short samples[2 * 1000];
    sb_reader_options whole;

    self->sum = 1;
    while (sound != NULL && count > 0) {
        count = sf_readf_short(sound, samples, 1000);
        begin(&self->begun);
        self->sum = sum_of(self->sum, samples, (size_t)count * 4);
        total += count;
        if (count == 0 && self->goes_on > 0) {
            self->goes_on--;
            assert(player_status(self) == SB_ERR_SOURCE && total < info.frames);
            sf_close(sound);
            sb_resume(self->buffer);
            /* FLAC seeks only with the whole. */
            spoolbuf_sndfile_close(&self->io);
            sb_reader_options_init(&whole, sizeof whole);
            assert(spoolbuf_sndfile_open_with(&self->io, self->buffer, &whole) == SB_OK);
            sound = open_sound(self, &info);
            assert(sf_seek(sound, total, SEEK_SET) == total);
            count = 1;
        }
    }
    /* It cannot tell an error or a cancel from the end: the adapter can. */
    self->says = self->buffer != NULL && player_status(self) == SB_ERR_CANCELED ? "stop" : "end";
    if (sound != NULL)
        sf_close(sound);
}

/* A second, and the same again. FLAC is not sought without the whole. */
static void player_goes_back(player *self)
{
    static short once[2 * 44100], again[2 * 44100];
    SF_INFO info;
    SNDFILE *sound = open_sound(self, &info);

    assert(sound != NULL && sf_readf_short(sound, once, 44100) == 44100);
    if (strstr(self->file, ".flac") == NULL) {
        assert(sf_seek(sound, 0, SEEK_SET) == 0 && sf_readf_short(sound, again, 44100) == 44100);
        assert(memcmp(once, again, sizeof once) == 0);
    }
    sf_close(sound);
}
