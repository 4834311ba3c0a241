#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: play [OPTION...] [FILE]\n"
    "\n"
    "Sends FILE over a simulated network to a temporary file behind a mutex and to a\n"
    "spoolbuf buffer, plays both, jumps back in both while the network is silent, and\n"
    "saves the file from the buffer. Compares every byte. Without FILE it makes one:\n"
    "three and a half minutes of Bach, 40 MB. Exits with 0 only if every check held.\n"
    "\n"
    "  --rate MIB    the network's pace in MiB/s; 0 as fast as possible (8)\n"
    "  --silence MS  how long it is silent, after every 14 MiB (1500)\n"
    "  --play MIB    the players' pace in MiB/s; 0 as fast as possible (4)\n"
    "  --ahead MIB   how far both read ahead of their player; 0 not at all (8)\n"
    "  --max MIB     the most that spoolbuf keeps in memory, the rest on disk (2)\n"
    "  --out FILE    save to FILE and keep it; else to a temporary file\n"
    "  --plain       lines, even on a terminal\n"
    "  --help        this\n"
    "\n"
    "Ctrl-C stops it at once, also while the network is silent.\n";

static void refuse(const char *what, const char *which)
{
    fprintf(stderr, "play: %s: %s\nTry: play --help\n", which, what);
    exit(2);
}

/* A number from 0 to a million, nothing after it. */
static double number(const char *name, const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= 0 && value <= 1e6))
        refuse("wants a number from 0 to 1000000", name);
    return value;
}

struct options options_read(int argc, char **argv)
{
    struct options options = {NULL, NULL, 8, 1500, 4, 8, 2, 0};
    struct {
        const char *name;
        double *value;
    } numbers[] = {
        {"--rate", &options.rate},   {"--silence", &options.silence},
        {"--play", &options.play},   {"--ahead", &options.ahead},
        {"--max", &options.max},
    };
    int only_files = 0;

    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        double *value = NULL;
        if (only_files || argument[0] != '-') {
            if (options.file != NULL)
                refuse("one FILE is enough", argument);
            options.file = argument;
            continue;
        }
        for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++)
            if (strcmp(argument, numbers[n].name) == 0)
                value = numbers[n].value;
        if (value != NULL || strcmp(argument, "--out") == 0) {
            if (++i == argc)
                refuse("a value is missing", argument);
            if (value != NULL)
                *value = number(argument, argv[i]);
            else
                options.out = argv[i];
        } else if (strcmp(argument, "--plain") == 0) {
            options.plain = 1;
        } else if (strcmp(argument, "--") == 0) {
            only_files = 1;
        } else if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
            fputs(help, stdout);
            exit(0);
        } else {
            refuse("no such option", argument);
        }
    }
    return options;
}
