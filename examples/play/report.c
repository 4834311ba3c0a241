#define _POSIX_C_SOURCE 200809L

#include "report.h"

#include <stdio.h>
#include <string.h>

enum { FREEZE_MS = 100, MOST_RANGES = 16, MOST_MARKS = 32 };
#define MB 1e6

void report_title(const char *path, uint64_t size, const struct line *line)
{
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    const char *name = path == NULL ? "Bach, BWV 846" : slash != NULL ? slash + 1 : path;

    screen_say("A file of %.1f MB (%.30s) arrives over a network%s", (double)size / MB, name,
               line->silence > 0 ? " that goes silent" : ".");
    if (line->silence > 0)
        screen_say("for %.4g s now and then. Two programs play it and jump back in it meanwhile:",
                   line->silence);
    else
        screen_say("Two programs play it and jump back in it meanwhile:");
    screen_say("  mutex     keeps what has come in a temporary file behind a mutex");
    screen_say("  spoolbuf  keeps it in this library");
    if (!screen_is_live())
        screen_say("%s", "");
}

void report_begin(struct report *report, struct side *mutexed, struct side *spoolbuf,
                  struct mutexed *spool, sb_buffer *buffer)
{
    memset(report, 0, sizeof *report);
    report->mutexed = mutexed;
    report->spoolbuf = spoolbuf;
    report->spool = spool;
    report->buffer = buffer;
    report->begin = report->drawn_at = now();
}

/* Describes what a side does. A blocked jumper is a freeze: its bytes arrived long ago. */
static enum mood describe(const struct progress *progress, char *out, size_t size)
{
    double time = now(), jumper = progress->waiting_since[JUMPER];
    double player = progress->waiting_since[PLAYER];

    if (jumper > 0 && time - jumper > FREEZE_MS / 1e3) {
        snprintf(out, size, "FROZEN for %.1f s", time - jumper);
        return BAD;
    }
    if (player > 0 && time - player > FREEZE_MS / 1e3) {
        snprintf(out, size, "waits for more");
        return PLAIN;
    }
    snprintf(out, size, progress->is_over ? "done" : "plays");
    return GOOD;
}

static int is_silent(struct side *side, double *for_how_long)
{
    struct silence silence;

    for (int i = 0; server_silence(side->server, i, &silence); i++) {
        *for_how_long = now() - silence.begin;
        if (now() < silence.end)
            return 1;
    }
    return 0;
}

/* One side as a line: its state, its position, and its seek bar. */
static void draw_side(struct report *report, struct side *side)
{
    struct progress seen = side_look(side);
    struct mark marks[MOST_MARKS];
    sb_range ranges[MOST_RANGES];
    char state[40], bar[MOST_COLUMNS + 1], line[2 * MOST_COLUMNS];
    size_t count = 0;
    enum mood mood = describe(&seen, state, sizeof state);

    if (side == report->mutexed) {
        mutexed_have(report->spool, &report->have);
        struct mark all = {0, report->have, '='};
        marks[count++] = all;
    } else {
        sb_stats stats;
        int64_t known = sb_ranges(report->buffer, ranges, MOST_RANGES);
        for (int64_t i = 0; i < known && i < MOST_RANGES; i++) {
            struct mark range = {ranges[i].start, ranges[i].end, '#'};
            marks[count++] = range;
        }
        /* The oldest bytes are spilled first; a forward-only source delivers them in order. */
        if (sb_stat(report->buffer, &stats, sizeof stats) == SB_OK) {
            struct mark disk = {0, stats.disk, '='};
            marks[count++] = disk;
        }
    }
    struct mark jumper = {seen.jumped_to, seen.jumped_to, 'J'};
    struct mark player = {seen.played, seen.played, 'P'};
    marks[count++] = jumper;
    marks[count++] = player;
    int used = snprintf(line, sizeof line, "%-8s  %-21s %5.1f MB  ", side->name, state,
                        (double)seen.played / MB);
    int cells = screen_columns() - used - 2;
    if (cells >= 8) {
        screen_bar(bar, cells, side->size, marks, count);
        snprintf(line + used, sizeof line - (size_t)used, "[%s]", bar);
    }
    screen_line(mood, line);
}

static void draw_plain(struct report *report)
{
    struct progress theirs = side_look(report->mutexed), ours = side_look(report->spoolbuf);
    char their_state[40], our_state[40];
    double silent;

    describe(&theirs, their_state, sizeof their_state);
    describe(&ours, our_state, sizeof our_state);
    screen_say("%4.0f s %-7s mutex %4.1f MB, %-16s spoolbuf %4.1f MB, %s", now() - report->begin,
               is_silent(report->spoolbuf, &silent) ? "SILENT" : "", (double)theirs.played / MB,
               their_state, (double)ours.played / MB, our_state);
}

void report_draw(struct report *report)
{
    char text[80];
    double silent = 0, time = now();

    if (!screen_is_live()) {
        if (time - report->drawn_at < 1)
            return;
        report->drawn_at += 1;
        draw_plain(report);
        return;
    }
    int is_calm = is_silent(report->spoolbuf, &silent);
    if (is_calm)
        snprintf(text, sizeof text, "network   SILENT for %.1f s", silent);
    else
        snprintf(text, sizeof text, "network   sends");
    screen_redraw();
    screen_line(PLAIN, "");
    screen_line(PLAIN, text);
    draw_side(report, report->mutexed);
    draw_side(report, report->spoolbuf);
    screen_line(PLAIN, "          P player  J jumper  = on disk  # in memory  . to come");
    fflush(stdout);
}

static void say_silence(const char *name, const struct episode *episode)
{
    screen_say("  %-8s  played %4.1f MB, jumped back %3u times, a jump took up to %7.2f ms", name,
               (double)episode->played / MB, episode->jumps, episode->longest * 1e3);
}

/* Whether a jump that began before `time` is still not done. */
static int is_held_up(const struct progress *seen, double time)
{
    return seen->waiting_since[JUMPER] > 0 && seen->waiting_since[JUMPER] < time;
}

void report_silences(struct report *report)
{
    struct silence silence;

    while (report->silences < MOST_EPISODES
           && server_silence(report->spoolbuf->server, report->silences, &silence)
           && now() > silence.end) {
        struct progress theirs = side_look(report->mutexed), ours = side_look(report->spoolbuf);
        if (is_held_up(&theirs, silence.end) || is_held_up(&ours, silence.end))
            return;  /* its length is not known yet */
        screen_say("The network was silent for %.0f ms:", (silence.end - silence.begin) * 1e3);
        say_silence("mutex", &theirs.silences[report->silences]);
        say_silence("spoolbuf", &ours.silences[report->silences]);
        report->silences++;
    }
}

static void say_seek(const char *name, const struct progress *seen)
{
    if (seen->seek_end == 0)
        screen_say("  %-8s  still waits", name);
    else
        screen_say("  %-8s  took %4.0f ms; meanwhile %3u jumps back, each up to %7.2f ms",
                   name, (seen->seek_end - seen->seek_begin) * 1e3, seen->seek.jumps,
                   seen->seek.longest * 1e3);
}

void report_seek(struct report *report, int is_late)
{
    struct progress theirs = side_look(report->mutexed), ours = side_look(report->spoolbuf);
    int is_done = theirs.seek_end > 0 && ours.seek_end > 0 && !is_held_up(&theirs, theirs.seek_end)
                  && !is_held_up(&ours, ours.seek_end);

    if (report->has_told_seek || ours.seek_begin == 0 || ours.is_stopped || !(is_done || is_late))
        return;
    report->has_told_seek = 1;
    screen_say("A third reader asked for the end of the file, which had not come yet:");
    say_seek("mutex", &theirs);
    say_seek("spoolbuf", &ours);
}

void report_end(struct report *report)
{
    struct progress theirs = side_look(report->mutexed), ours = side_look(report->spoolbuf);

    report_silences(report);
    report_seek(report, 1);
    screen_say("Played, of %.1f MB: mutex %.1f, spoolbuf %.1f", (double)report->spoolbuf->size / MB,
               (double)theirs.played / MB, (double)ours.played / MB);
}
