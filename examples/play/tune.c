/* A media file to play if none is given: 48 kHz, 16 bits, stereo, three and a half minutes. */

#include "tune.h"

#include <stddef.h>
#include <stdint.h>

enum {
    RATE = 48000,
    FRAME = 4,        /* bytes: two samples of 16 bits */
    STEP = RATE / 5,  /* frames from one note to the next */
    STEPS = 16,       /* notes of a bar */
    VOICES = 5,
    TABLE = 4096,
    TIMES = 2
};

/* The five notes of each bar, as MIDI numbers; they are played 1 2 3 4 5 3 4 5, twice. */
static const unsigned char bars[][VOICES] = {
    {60, 64, 67, 72, 76}, {60, 62, 69, 74, 77}, {59, 62, 67, 74, 77}, {60, 64, 67, 72, 76},
    {60, 64, 69, 76, 81}, {60, 62, 66, 69, 74}, {59, 62, 67, 74, 79}, {59, 60, 64, 67, 72},
    {57, 60, 64, 67, 72}, {50, 57, 62, 66, 72}, {55, 59, 62, 67, 71}, {55, 58, 64, 67, 73},
    {53, 57, 62, 69, 74}, {53, 56, 62, 65, 71}, {52, 55, 60, 67, 72}, {52, 53, 57, 60, 65},
    {50, 53, 57, 60, 65}, {43, 50, 55, 59, 65}, {48, 52, 55, 60, 64}, {48, 55, 58, 60, 64},
    {41, 53, 57, 60, 64}, {42, 48, 57, 60, 63}, {44, 53, 59, 60, 62}, {43, 53, 55, 59, 62},
    {43, 52, 55, 60, 64}, {43, 50, 55, 60, 65}, {43, 50, 55, 59, 65}, {43, 51, 57, 60, 66},
    {43, 52, 55, 60, 67}, {43, 50, 55, 60, 65}, {43, 50, 55, 59, 65}, {36, 48, 55, 58, 64},
    {36, 48, 64, 67, 72},
};
static const unsigned char order[] = {0, 1, 2, 3, 4, 2, 3, 4};

struct voice {
    double phase;  /* in the table */
    double speed;  /* table entries per frame */
    double level;
};

static double wave[TABLE];

/* A sine with two overtones, computed by rotation, so that no math library is needed. */
static void fill_wave(void)
{
    const double angle = 2 * 3.14159265358979323846 / TABLE;
    const double cosine = 1 - angle * angle / 2 + angle * angle * angle * angle / 24;
    const double sine = angle - angle * angle * angle / 6;
    double x = 1, y = 0;

    double pure[TABLE];

    for (int i = 0; i < TABLE; i++) {
        pure[i] = y;
        double turned = x * cosine - y * sine;
        y = x * sine + y * cosine;
        x = turned;
    }
    for (int i = 0; i < TABLE; i++)
        wave[i] = pure[i] + 0.3 * pure[i * 2 % TABLE] + 0.1 * pure[i * 3 % TABLE];
}

static double frequency(int note)
{
    double hertz = 440;
    for (; note > 69; note--)
        hertz *= 1.0594630943592953;
    for (; note < 69; note++)
        hertz /= 1.0594630943592953;
    return hertz;
}

static void put(unsigned char *out, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        out[i] = (unsigned char)(value >> 8 * i);
}

static int write_header(FILE *file, uint32_t data)
{
    unsigned char header[44] = "RIFF....WAVEfmt ....................data";
    put(header + 4, 36 + data, 4);
    put(header + 16, 16, 4);
    put(header + 20, 1, 2);  /* PCM */
    put(header + 22, 2, 2);  /* channels */
    put(header + 24, RATE, 4);
    put(header + 28, RATE * FRAME, 4);
    put(header + 32, FRAME, 2);
    put(header + 34, 16, 2);
    put(header + 40, data, 4);
    return fwrite(header, sizeof header, 1, file) == 1 ? 0 : -1;
}

/* The sound of one note's duration, including all voices that still ring. */
static int write_step(FILE *file, struct voice *voices)
{
    static unsigned char out[STEP * FRAME];

    for (int i = 0; i < STEP; i++) {
        double left = 0, right = 0;
        for (int v = 0; v < VOICES; v++) {
            struct voice *voice = &voices[v];
            double sample = voice->level * wave[(int)voice->phase];
            left += sample * (VOICES - v);
            right += sample * (v + 1);
            voice->level *= 0.99997;
            voice->phase += voice->speed;
            if (voice->phase >= TABLE)
                voice->phase -= TABLE;
        }
        put(out + i * FRAME, (uint32_t)(int32_t)(left * 1400), 2);
        put(out + i * FRAME + 2, (uint32_t)(int32_t)(right * 1400), 2);
    }
    return fwrite(out, sizeof out, 1, file) == 1 ? 0 : -1;
}

int tune_write(FILE *file)
{
    const size_t count = sizeof bars / sizeof bars[0];
    struct voice voices[VOICES] = {{0, 0, 0}};

    fill_wave();
    if (write_header(file, (uint32_t)(TIMES * count * STEPS * STEP * FRAME)) != 0)
        return -1;
    for (size_t bar = 0; bar < TIMES * count; bar++) {
        for (int step = 0; step < STEPS; step++) {
            int v = order[step % (int)sizeof order];
            voices[v].speed = frequency(bars[bar % count][v]) * TABLE / RATE;
            voices[v].level = 1;
            if (write_step(file, voices) != 0)
                return -1;
        }
    }
    return fflush(file) == 0 ? 0 : -1;
}
