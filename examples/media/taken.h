/*
 * The output of FFmpeg's decoders: counted, with a sum of the samples in the order in which they are heard.
 */
#ifndef TAKEN_H
#define TAKEN_H

#include "resource.h"

#include <libavcodec/avcodec.h>

struct taken {
    uint32_t sum, pictures, samples;
};

/* Each channel may have its own area (planar), or all share one (interleaved). */
static inline void take(struct taken *self, const AVFrame *frame)
{
    int size = av_get_bytes_per_sample((enum AVSampleFormat)frame->format);
    int planar = av_sample_fmt_is_planar((enum AVSampleFormat)frame->format);
    int channels = frame->ch_layout.nb_channels, at;

    self->pictures += frame->nb_samples == 0;
    self->samples += (uint32_t)frame->nb_samples;
    for (at = 0; at < frame->nb_samples * channels; at++)
        self->sum = resource_sum(self->sum, planar ? frame->extended_data[at % channels] + at / channels * size
                                                   : frame->data[0] + at * size, (size_t)size);
}

#endif
