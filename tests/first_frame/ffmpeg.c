/*
 * FFmpeg's first packet, or the sum of everything that it decodes, over a slow line: see line.h.
 */
#define _GNU_SOURCE
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/adler32.h>

#include "line.h"
#include "spoolbuf_ffmpeg.h"

/* Sums up the first area of each frame: luma, or the first channel's samples. */
static uint32_t add(uint32_t sum, const AVFrame *frame)
{
    int row, bytes = frame->nb_samples * av_get_bytes_per_sample((enum AVSampleFormat)frame->format);

    for (row = 0; row < frame->height; row++)
        sum = av_adler32_update(sum, frame->data[0] + row * frame->linesize[0], (size_t)frame->width);
    return frame->height > 0 ? sum : av_adler32_update(sum, frame->data[0], (size_t)bytes);
}

/* Decodes everything from the first packet on, and says its sum. */
static void decode(AVFormatContext *format, AVPacket *packet, int status)
{
    AVFrame *frame = av_frame_alloc();
    AVCodecContext *decoders[2] = { NULL };
    uint32_t sums[2] = { 1, 1 };
    unsigned int frames = 0, at;

    CHECK(frame != NULL && format->nb_streams <= 2);
    for (at = 0; at < format->nb_streams; at++) {
        const AVCodecParameters *how = format->streams[at]->codecpar;
        decoders[at] = avcodec_alloc_context3(avcodec_find_decoder(how->codec_id));
        CHECK(decoders[at] != NULL && avcodec_parameters_to_context(decoders[at], how) >= 0);
        decoders[at]->pkt_timebase = format->streams[at]->time_base;
        CHECK(avcodec_open2(decoders[at], NULL, NULL) == 0);
    }
    for (; frames == 0 || status >= 0; status = av_read_frame(format, packet)) {
        at = (unsigned int)packet->stream_index;
        if (status < 0)
            break;
        avcodec_send_packet(decoders[at], packet);
        for (; avcodec_receive_frame(decoders[at], frame) >= 0; frames++)
            sums[at] = add(sums[at], frame);
        av_packet_unref(packet);
    }
    for (at = 0; at < format->nb_streams; at++)
        for (avcodec_send_packet(decoders[at], NULL); avcodec_receive_frame(decoders[at], frame) >= 0; frames++)
            sums[at] = add(sums[at], frame);
    printf("sum %08x%08x of %u, %s\n", sums[0], sums[1], frames,
           status == AVERROR_EOF ? "ended" : av_err2str(status));
}

int main(int argc, char **argv)
{
    AVFormatContext *format = avformat_alloc_context();
    AVPacket *packet = av_packet_alloc();
    spoolbuf_ffmpeg io;
    char name[40];
    double start;
    int status;
    line the;

    line_open(&the, argc, argv);
    av_log_set_level(AV_LOG_QUIET);
    if (the.buffer != NULL) {
        CHECK(spoolbuf_ffmpeg_open(&io, the.buffer) == 0);
        format->pb = io.context;
    }
    snprintf(name, sizeof name, "pipe:%d", the.pipe);
    start = line_now();
    status = avformat_open_input(&format, the.buffer != NULL ? NULL : the.file != NULL ? the.file : name, NULL, NULL);
    if (status >= 0)
        status = avformat_find_stream_info(format, NULL);
    if (status >= 0)
        status = av_read_frame(format, packet);
    if (status >= 0)
        line_first(&the, start);
    if (status >= 0 && the.sound != NULL)
        decode(format, packet, status);
    printf("status %d\n", the.buffer != NULL ? spoolbuf_ffmpeg_status(&io) : 0);
    line_end(status < 0);
}
