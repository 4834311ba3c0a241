/*
 * What FFmpeg's libraries fetch of a file, through a buffer, until they have its first frame.
 *
 *     first_frame film.mp4 seek|forward
 *
 * The source is the file at 1 Gbit/s, 20 ms away: it can seek, or only goes forwards, and counts what
 * it delivers. The first frame has to be that of the file opened directly; then all of the file is
 * read through the buffer and compared, and no byte may have been fetched twice for it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/adler32.h>
#include <libavutil/imgutils.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "spoolbuf_ffmpeg.h"

#define CHECK(what) \
    do { \
        if (!(what)) { \
            fprintf(stderr, "%s:%d: FAILED: %s\n", __FILE__, __LINE__, #what); \
            exit(1); \
        } \
    } while (0)

/* ---- the source ------------------------------------------------------------------------------ */

enum { NS_PER_BYTE = 8, NS_PER_REQUEST = 20000000 };

typedef struct paced {
    int fd;
    uint64_t at;
    uint64_t fetched;
    uint64_t twice;
    uint64_t seeks;
    unsigned char *seen; /* one per byte of the file */
    int64_t ready;       /* when the line is free again */
} paced;

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Returns once the line has been busy for that long. */
static void take_time(paced *self, int64_t ns)
{
    int64_t now = now_ns();
    struct timespec until;

    self->ready = (self->ready > now ? self->ready : now) + ns;
    until.tv_sec = self->ready / 1000000000;
    until.tv_nsec = self->ready % 1000000000;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0) {
    }
}

static int64_t paced_read(void *opaque, void *out, size_t capacity)
{
    paced *self = opaque;
    ssize_t count, place;

    if (self->fetched == 0 && self->seeks == 0)
        take_time(self, NS_PER_REQUEST);
    count = pread(self->fd, out, capacity, (off_t)self->at);
    CHECK(count >= 0);
    take_time(self, (int64_t)count * NS_PER_BYTE);
    for (place = 0; place < count; place++) {
        self->twice += self->seen[self->at + (uint64_t)place];
        self->seen[self->at + (uint64_t)place] = 1;
    }
    self->fetched += (uint64_t)count;
    self->at += (uint64_t)count;
    return count;
}

static int64_t paced_seek(void *opaque, uint64_t offset)
{
    paced *self = opaque;

    take_time(self, NS_PER_REQUEST);
    self->at = offset;
    self->seeks++;
    return 0;
}

/* ---- the first frame ------------------------------------------------------------------------- */

/* Adler-32 of the picture or sound of a frame. */
static uint32_t sum_of(const AVFrame *frame)
{
    uint32_t sum = 1;
    int channel, size, planes;

    if (frame->width > 0) {
        size = av_image_get_buffer_size(frame->format, frame->width, frame->height, 1);
        uint8_t *picture = size > 0 ? malloc((size_t)size) : NULL;
        CHECK(picture != NULL);
        CHECK(av_image_copy_to_buffer(picture, size, (const uint8_t *const *)frame->data,
                                      frame->linesize, frame->format, frame->width, frame->height,
                                      1) == size);
        sum = av_adler32_update(sum, picture, (size_t)size);
        free(picture);
        return sum;
    }
    planes = av_sample_fmt_is_planar(frame->format) ? frame->ch_layout.nb_channels : 1;
    size = av_samples_get_buffer_size(NULL, frame->ch_layout.nb_channels / planes,
                                      frame->nb_samples, frame->format, 1);
    CHECK(size > 0);
    for (channel = 0; channel < planes; channel++)
        sum = av_adler32_update(sum, frame->extended_data[channel], (size_t)size);
    return sum;
}

/* Opens as a player does, up to the first frame: the picture if there is one, else the sound. By
 * its name, or through an AVIOContext. Closes it again. */
static uint32_t first_frame(const char *name, AVIOContext *io, double *duration)
{
    AVFormatContext *format = avformat_alloc_context();
    AVPacket *packet = av_packet_alloc();
    AVFrame *frame = av_frame_alloc();
    AVCodecContext *decoder;
    const AVCodec *codec;
    uint32_t sum;
    int stream, got = AVERROR(EAGAIN);

    CHECK(format != NULL && packet != NULL && frame != NULL);
    format->pb = io;
    CHECK(avformat_open_input(&format, name, NULL, NULL) == 0);
    CHECK(avformat_find_stream_info(format, NULL) >= 0);
    stream = av_find_best_stream(format, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
    if (stream < 0)
        stream = av_find_best_stream(format, AVMEDIA_TYPE_AUDIO, -1, -1, NULL, 0);
    CHECK(stream >= 0);
    codec = avcodec_find_decoder(format->streams[stream]->codecpar->codec_id);
    decoder = avcodec_alloc_context3(codec);
    CHECK(decoder != NULL);
    CHECK(avcodec_parameters_to_context(decoder, format->streams[stream]->codecpar) >= 0);
    /* Several threads would take several packets before the first frame. */
    decoder->thread_count = 1;
    CHECK(avcodec_open2(decoder, codec, NULL) == 0);
    while (got == AVERROR(EAGAIN)) {
        CHECK(av_read_frame(format, packet) == 0);
        if (packet->stream_index == stream) {
            CHECK(avcodec_send_packet(decoder, packet) == 0);
            got = avcodec_receive_frame(decoder, frame);
        }
        av_packet_unref(packet);
    }
    CHECK(got == 0);
    sum = sum_of(frame);
    *duration = (double)format->duration / AV_TIME_BASE;
    avcodec_free_context(&decoder);
    av_frame_free(&frame);
    av_packet_free(&packet);
    avformat_close_input(&format);
    return sum;
}

/* ---- all of the file ------------------------------------------------------------------------- */

/* Compares the buffer's bytes with the file's, from the first to past the last. */
static void compare(sb_buffer *buffer, int fd, uint64_t size)
{
    enum { PIECE = 1 << 20 };
    unsigned char *found = malloc(PIECE), *expected = malloc(PIECE);
    uint64_t at;
    int64_t count;

    CHECK(found != NULL && expected != NULL);
    for (at = 0; at < size; at += (uint64_t)count) {
        count = sb_read(buffer, at, PIECE, found);
        CHECK(count > 0);
        CHECK(pread(fd, expected, (size_t)count, (off_t)at) == (ssize_t)count);
        CHECK(memcmp(found, expected, (size_t)count) == 0);
    }
    CHECK(at == size);
    CHECK(sb_read(buffer, size, 1, found) == 0);
    free(found);
    free(expected);
}

int main(int argc, char **argv)
{
    sb_callback source = { .read = paced_read };
    double duration, expected_duration;
    uint64_t fetched, seeks;
    struct stat status;
    uint32_t expected;
    spoolbuf_ffmpeg io;
    sb_buffer *buffer;
    int64_t start, ms;
    paced line;

    if (argc != 3 || (strcmp(argv[2], "seek") != 0 && strcmp(argv[2], "forward") != 0))
        return 2;
    memset(&line, 0, sizeof line);
    line.fd = open(argv[1], O_RDONLY | O_CLOEXEC);
    CHECK(line.fd >= 0 && fstat(line.fd, &status) == 0);
    line.seen = calloc((size_t)status.st_size, 1);
    CHECK(line.seen != NULL);
    expected = first_frame(argv[1], NULL, &expected_duration);

    source.opaque = &line;
    if (strcmp(argv[2], "seek") == 0)
        source.seek = paced_seek;
    buffer = sb_new(&source, (uint64_t)status.st_size, SB_MAX_DEFAULT);
    CHECK(buffer != NULL && spoolbuf_ffmpeg_open(&io, buffer) == 0);
    start = now_ns();
    CHECK(first_frame(NULL, io.context, &duration) == expected);
    ms = (now_ns() - start) / 1000000;
    /* The source is idle now: nobody reads, and nothing is prefetched. */
    fetched = line.fetched;
    seeks = line.seeks;
    /* Some formats tell it only at the end, which nobody reads first if the source cannot seek. */
    CHECK(duration == expected_duration || (source.seek == NULL && fetched < (uint64_t)status.st_size));
    spoolbuf_ffmpeg_close(&io);

    compare(buffer, line.fd, (uint64_t)status.st_size);
    sb_free(buffer);
    CHECK(line.twice == 0);
    CHECK(line.fetched == (uint64_t)status.st_size);
    printf("size %" PRIu64 "\nfetched %" PRIu64 "\nseeks %" PRIu64 "\nms %" PRId64 "\n",
           (uint64_t)status.st_size, fetched, seeks, ms);
    free(line.seen);
    close(line.fd);
    return 0;
}
