/*
 * Qt copies a file, through the device that qt_file.cpp opens: the buffer's, or a QFile. Qt itself is C++.
 */
#define FAILED_SAYS "error"
#define GOES_ON 1
#define ONE_AT_A_TIME 0
#define BEGINS 1

void *qt_file_open(sb_buffer *buffer, const char *name);
int64_t qt_file_read(void *file, char *out, int64_t wanted);
int qt_file_at_end(void *file);
int qt_file_seek(void *file, int64_t offset);
void qt_file_cancel(void *file);
void qt_file_resume(void *file);
int qt_file_status(void *file);
void qt_file_close(void *file);

struct player {
    PLAYER;
    void *file_of_qt;
};

static void player_open(player *self)
{
    self->file_of_qt = qt_file_open(self->buffer, self->file);
    assert(self->file_of_qt != NULL);
}

static void player_stop(player *self)
{
    qt_file_cancel(self->file_of_qt);
}

static int player_status(player *self)
{
    return qt_file_status(self->file_of_qt);
}

static void player_resume(player *self)
{
    qt_file_resume(self->file_of_qt);
    assert(qt_file_seek(self->file_of_qt, 0));
}

static void player_close(player *self)
{
    qt_file_close(self->file_of_qt);
}

static void player_asks(player *self)
{
    (void)self; /* tests/player/qt.cpp asks. */
}

static int player_goes_on(player *self)
{
    if (self->goes_on == 0)
        return 0;
    self->goes_on--;
    sb_retry(self->buffer);
    qt_file_resume(self->file_of_qt);
    return 1;
}

static void player_play(player *self)
{
    char bytes[5000];
    int64_t count;

    self->sum = 1;
    do {
        while ((count = qt_file_read(self->file_of_qt, bytes, sizeof bytes)) > 0) {
            self->sum = sum_of(self->sum, bytes, (size_t)count);
            begin(&self->begun);
        }
    } while (count < 0 && player_goes_on(self));
    /* An error is not the end. */
    assert(qt_file_at_end(self->file_of_qt) == (count == 0));
    self->says = count == 0                            ? "end"
        : player_status(self) == SB_ERR_CANCELED ? "stop"
                                                 : "error";
}
