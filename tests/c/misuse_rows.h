/*
 * Every misuse and its result, a row each. misuse.c includes this file twice: for the functions and for
 * the table. So a row takes nothing but its lines here.
 *
 * A misuse of one thing, with the expected result:        ROW(what, code, expression)
 * A call with a handle that is none, SB_ERR_INVALID:      BUFFER(function, expression)
 *                                                         READER(function, expression)
 *                                                         CACHE(function, expression)
 * A call inside a callback, with the expected result:     INSIDE(what, callbacks, code, expression)
 *
 * The expressions use `t` (see `things`), `buffer`, `reader` and `cache`.
 */

/* ---- handles: NULL, freed, forged, or of another kind ------------------------------------------- */

BUFFER(sb_read, sb_read(buffer, 0, 16, out))
BUFFER(sb_read, sb_read(buffer, 0, 0, NULL))
BUFFER(sb_save, sb_save(buffer, "never"))
BUFFER(sb_free, (sb_free(buffer), sb_free(buffer), SB_ERR_INVALID))
BUFFER(sb_read_some, sb_read_some(buffer, 0, 16, out, -1))
BUFFER(sb_read_some, sb_read_some(buffer, 0, 16, out, 0))
BUFFER(sb_read_some, sb_read_some(buffer, 0, 16, out, 1000))
BUFFER(sb_reader_new, made(sb_reader_new(buffer)))
BUFFER(sb_reader_new_with, new_reader(buffer, NULL))
BUFFER(sb_prefetch, sb_prefetch(buffer, 1000))
BUFFER(sb_prefetch, sb_prefetch(buffer, 0))
BUFFER(sb_cancel, sb_cancel(buffer))
BUFFER(sb_retry, sb_retry(buffer))
BUFFER(sb_resume, sb_resume(buffer))
BUFFER(sb_reopen, reopen(buffer, SB_SIZE_UNKNOWN))
BUFFER(sb_spill, sb_spill(buffer))
BUFFER(sb_set_max_memory, sb_set_max_memory(buffer, 0))
BUFFER(sb_size, sb_size(buffer))
BUFFER(sb_known_size, sb_known_size(buffer))
BUFFER(sb_find_size, sb_find_size(buffer, -1))
BUFFER(sb_find_size, sb_find_size(buffer, 0))
BUFFER(sb_buffered, sb_buffered(buffer, 0))
BUFFER(sb_ranges, sb_ranges(buffer, &range, 1))
BUFFER(sb_ranges, sb_ranges(buffer, NULL, 0))
BUFFER(sb_stat, sb_stat(buffer, &stats, sizeof stats))
BUFFER(sb_stat, sb_stat(buffer, &stats, 0))
BUFFER(sb_spool_dir, sb_spool_dir(buffer, out, 16))
BUFFER(sb_spool_dir, sb_spool_dir(buffer, NULL, 0))
BUFFER(sb_push, sb_push(buffer, 0, 16, whole, -1))
BUFFER(sb_push, sb_push(buffer, 0, 0, NULL, 0))
BUFFER(sb_push_end, sb_push_end(buffer, 0, 0))
BUFFER(sb_push_end, sb_push_end(buffer, SB_SIZE_UNKNOWN, -1))
BUFFER(sb_wanted, sb_wanted(buffer, &range))
BUFFER(sb_when, when(buffer, 0))
BUFFER(sb_when, when(buffer, SB_WHEN_WANTED))
BUFFER(sb_save_with, sb_save_with(buffer, SAVE(.path = "never", .progress = progress_never)))
BUFFER(sb_save_with, sb_save_with(buffer, SAVE(.fd = 1)))

READER(sb_reader_buffer, made(sb_reader_buffer(reader)))
READER(sb_reader_read, sb_reader_read(reader, 16, out))
READER(sb_reader_read, sb_reader_read(reader, 0, NULL))
READER(sb_reader_seek, sb_reader_seek(reader, 0, SB_SEEK_SET))
READER(sb_reader_seek, sb_reader_seek(reader, 0, SB_SEEK_CUR))
READER(sb_reader_seek, sb_reader_seek(reader, 0, SB_SEEK_END))
READER(sb_reader_find_size, sb_reader_find_size(reader))
READER(sb_reader_cancel, sb_reader_cancel(reader))
READER(sb_reader_resume, sb_reader_resume(reader))
READER(sb_reader_free, (sb_reader_free(reader), sb_reader_free(reader), SB_ERR_INVALID))
READER(sb_reader_error, sb_reader_error(reader, &error))

CACHE(sb_cache_open, open_key(cache, "a", 1, NULL))
CACHE(sb_cache_open, open_key(cache, "a", 1, READING(.flags = SB_READER_BUFFERED)))
CACHE(sb_cache_remove, sb_cache_remove(cache, "a", 1))
CACHE(sb_cache_remove, sb_cache_remove(cache, NULL, 0))
CACHE(sb_cache_trim, sb_cache_trim(cache, 0, 0))
CACHE(sb_cache_stat, sb_cache_stat(cache, &cached, sizeof cached))
CACHE(sb_cache_stat, sb_cache_stat(cache, &cached, 0))
CACHE(sb_cache_free, (sb_cache_free(cache), sb_cache_free(cache), SB_ERR_INVALID))

/* A reader whose buffer is freed. */
ROW("sb_reader_buffer of an orphan", SB_ERR_INVALID, made(sb_reader_buffer(orphan(t))))
ROW("sb_reader_read of an orphan", SB_ERR_INVALID, sb_reader_read(orphan(t), 16, out))
ROW("sb_reader_seek of an orphan", SB_ERR_INVALID, sb_reader_seek(orphan(t), 0, SB_SEEK_SET))
ROW("sb_reader_find_size of an orphan", SB_ERR_INVALID, sb_reader_find_size(orphan(t)))
ROW("sb_reader_cancel of an orphan", SB_ERR_INVALID, sb_reader_cancel(orphan(t)))
ROW("sb_reader_resume of an orphan", SB_ERR_INVALID, sb_reader_resume(orphan(t)))
ROW("sb_reader_error of an orphan", SB_OK, sb_reader_error(orphan(t), &error))

/* ---- a source ----------------------------------------------------------------------------------- */

ROW("callback NULL", SB_ERR_INVALID, refused(t, NULL))
ROW("callback with neither read nor pull", SB_ERR_INVALID, refused(t, CALLBACK(.flags = 0)))
ROW("callback with both forms", SB_ERR_INVALID,
    refused(t, CALLBACK(.read = stream_read, .pull = pull_never)))
ROW("callback with seek and pull", SB_ERR_INVALID,
    refused(t, CALLBACK(.seek = seek_never, .pull = pull_never)))
ROW("callback with seek alone", SB_ERR_INVALID, refused(t, CALLBACK(.seek = seek_never)))
ROW("callback with a flag and read", SB_ERR_INVALID,
    refused(t, CALLBACK(.read = stream_read, .flags = SB_SOURCE_SEEKS)))
ROW("callback with an unknown flag", SB_ERR_INVALID,
    refused(t, CALLBACK(.pull = pull_never, .flags = 4)))
ROW("callback with reserved flags", SB_ERR_INVALID,
    refused(t, CALLBACK(.read = stream_read, .reserved_flags = 1)))
ROW("callback with a reserved member", SB_ERR_INVALID, reserved_member(t))

/* ---- options of a buffer, of either kind --------------------------------------------------------- */

ROW("options NULL", SB_OK, new_both(NULL))
ROW("options of zeros", SB_OK, new_both(OPTIONS(.flags = 0)))
ROW("read_granularity", SB_ERR_INVALID, new_both(OPTIONS(.read_granularity = 16385)))
ROW("on_full", SB_ERR_INVALID, new_both(OPTIONS(.on_full = 2)))
ROW("on_short", SB_ERR_INVALID, new_both(OPTIONS(.on_short = 2)))
ROW("an unknown flag", SB_ERR_INVALID, new_both(OPTIONS(.flags = 2)))
ROW("reserved_pointer", SB_ERR_INVALID, new_both(OPTIONS(.reserved_pointer = &spare)))
ROW("spool_dir empty", SB_ERR_INVALID, new_both(OPTIONS(.spool_dir = "")))
ROW("struct_size 0", SB_ERR_INVALID, new_both(&(sb_options){ .struct_size = 0 }))
ROW("struct_size too small", SB_ERR_INVALID,
    new_both(&(sb_options){ .struct_size = sizeof(sb_options) - 1 }))
ROW("struct_size too large", SB_ERR_INVALID, new_both(&(sb_options){ .struct_size = 4097 }))
ROW("struct_size SIZE_MAX", SB_ERR_INVALID, new_both(&(sb_options){ .struct_size = SIZE_MAX }))
ROW("a later member that is 0", SB_OK, new_both(&LATER(sb_options, 0)))
ROW("a later member", SB_ERR_UNSUPPORTED, new_both(&LATER(sb_options, 7)))
ROW("ahead with a source", SB_ERR_UNSUPPORTED, new_with(OPTIONS(.ahead = 1)))
ROW("sb_new_with without out", SB_ERR_INVALID, new_without_out(NULL))
ROW("sb_new_with without out, invalid options", SB_ERR_INVALID, new_without_out(OPTIONS(.flags = 2)))
ROW("sb_new_with of nothing", SB_ERR_INVALID, sb_new_with(NULL, NULL, NULL))
ROW("sb_new_push without out", SB_ERR_INVALID, sb_new_push(NULL, NULL))
ROW("sb_options_init NULL", SB_ERR_INVALID, sb_options_init(NULL, sizeof(sb_options)))
ROW("sb_options_init 0", SB_ERR_INVALID, sb_options_init(&options, 0))
ROW("sb_options_init too small", SB_ERR_INVALID, sb_options_init(&options, sizeof options - 1))
ROW("sb_options_init too large", SB_ERR_INVALID, sb_options_init(&options, 4097))

/* ---- reading ------------------------------------------------------------------------------------ */

ROW("sb_read without out", SB_ERR_INVALID, sb_read(t->pulled, 0, 10, NULL))
ROW("sb_read of nothing", 0, sb_read(t->pulled, 0, 0, NULL))
ROW("sb_read past 2^64", SB_ERR_INVALID, sb_read(t->pulled, UINT64_MAX - 8, 10, out))
ROW("sb_read of SIZE_MAX", SB_ERR_INVALID, sb_read(t->pulled, 0, SIZE_MAX, out))
ROW("sb_read of SIZE_MAX past 2^64", SB_ERR_INVALID, sb_read(t->pulled, 1, SIZE_MAX, out))
ROW("sb_read of more than half", SB_ERR_INVALID, sb_read(t->pulled, 0, SIZE_MAX / 2 + 1, out))
ROW("sb_read of bytes that are not pushed, canceled", SB_ERR_CANCELED,
    sb_read(canceled(t), 100, 1, out))
ROW("sb_read_some without out", SB_ERR_INVALID, sb_read_some(t->pulled, 0, 10, NULL, -1))
ROW("sb_read_some without out, non-blocking", SB_ERR_INVALID,
    sb_read_some(t->pulled, 0, 10, NULL, 0))
ROW("sb_read_some without out, timed", SB_ERR_INVALID, sb_read_some(t->pulled, 0, 10, NULL, 1000))
ROW("sb_read_some of nothing", 0, sb_read_some(t->pulled, 0, 0, NULL, 0))
ROW("sb_read_some past 2^64", SB_ERR_INVALID, sb_read_some(t->pulled, UINT64_MAX, 2, out, 1000))
ROW("sb_read_some of SIZE_MAX", SB_ERR_INVALID, sb_read_some(t->pulled, 0, SIZE_MAX, out, 0))
ROW("reads at the last offsets", SB_OK, last_offsets(t->pulled))

/* ---- readers ------------------------------------------------------------------------------------ */

ROW("sb_reader_new_with without out", SB_ERR_INVALID, sb_reader_new_with(t->pulled, NULL, NULL))
ROW("reader without options", SB_OK, new_reader(t->pulled, NULL))
ROW("reader with an unknown flag", SB_ERR_INVALID, new_reader(t->pulled, READING(.flags = 2)))
ROW("reader with reserved", SB_ERR_INVALID, new_reader(t->pulled, READING(.reserved = 1)))
ROW("reader, struct_size 0", SB_ERR_INVALID,
    new_reader(t->pulled, &(sb_reader_options){ .struct_size = 0 }))
ROW("reader, struct_size too small", SB_ERR_INVALID,
    new_reader(t->pulled, &(sb_reader_options){ .struct_size = sizeof(sb_reader_options) - 1 }))
ROW("reader, struct_size too large", SB_ERR_INVALID,
    new_reader(t->pulled, &(sb_reader_options){ .struct_size = 4097 }))
ROW("reader, a later member that is 0", SB_OK, new_reader(t->pulled, &LATER(sb_reader_options, 0)))
ROW("reader, a later member", SB_ERR_UNSUPPORTED,
    new_reader(t->pulled, &LATER(sb_reader_options, 7)))
ROW("sb_reader_options_init NULL", SB_ERR_INVALID,
    sb_reader_options_init(NULL, sizeof(sb_reader_options)))
ROW("sb_reader_options_init too small", SB_ERR_INVALID,
    sb_reader_options_init(&reading, sizeof reading - 1))
ROW("sb_reader_options_init too large", SB_ERR_INVALID, sb_reader_options_init(&reading, 4097))
ROW("sb_reader_read without out", SB_ERR_INVALID, sb_reader_read(t->reader, 10, NULL))
ROW("sb_reader_read of nothing", 0, sb_reader_read(t->reader, 0, NULL))
ROW("sb_reader_read of SIZE_MAX", SB_ERR_INVALID, sb_reader_read(t->reader, SIZE_MAX, out))
ROW("sb_reader_seek, whence 3", SB_ERR_INVALID, sb_reader_seek(t->reader, 0, 3))
ROW("sb_reader_seek, whence -1", SB_ERR_INVALID, sb_reader_seek(t->reader, 0, -1))
ROW("sb_reader_seek before the start", SB_ERR_INVALID, sb_reader_seek(t->reader, -1, SB_SEEK_SET))
ROW("sb_reader_seek back past the start", SB_ERR_INVALID,
    sb_reader_seek(t->reader, -1, SB_SEEK_CUR))
ROW("sb_reader_seek to INT64_MIN", SB_ERR_INVALID,
    sb_reader_seek(t->reader, INT64_MIN, SB_SEEK_CUR))
ROW("sb_reader_seek from an unknown end", SB_ERR_UNKNOWN_SIZE,
    sb_reader_seek(t->reader, 0, SB_SEEK_END))
ROW("sb_reader_seek past 2^63", SB_ERR_INVALID, seek_past_the_last(t->reader))

/* ---- errors and the log -------------------------------------------------------------------------- */

ROW("sb_error_init NULL", SB_ERR_INVALID, sb_error_init(NULL, sizeof(sb_error)))
ROW("sb_error_init too small", SB_ERR_INVALID, sb_error_init(&error, sizeof error - 1))
ROW("sb_error_init too large", SB_ERR_INVALID, sb_error_init(&error, 4097))
ROW("sb_reader_error without out", SB_ERR_INVALID, sb_reader_error(t->reader, NULL))
ROW("sb_reader_error, struct_size too small", SB_ERR_INVALID,
    sb_reader_error(t->reader, &(sb_error){ .struct_size = sizeof(sb_error) - 1 }))
ROW("sb_reader_error, struct_size too large", SB_ERR_INVALID,
    sb_reader_error(t->reader, &(sb_error){ .struct_size = 4097 }))
ROW("sb_reader_error, no path but space", SB_ERR_INVALID,
    sb_reader_error(t->reader, ERROR(.path_cap = 1)))
ROW("sb_error_text NULL", SB_ERR_INVALID, sb_error_text(NULL, out, 16))
ROW("sb_error_text without out", SB_ERR_INVALID, sb_error_text(ERROR(.status = 0), NULL, 1))
ROW("sb_error_text, struct_size 0", SB_ERR_INVALID,
    sb_error_text(&(sb_error){ .struct_size = 0 }, out, 16))
ROW("sb_set_log, level 5", SB_ERR_INVALID, sb_set_log(log_never, NULL, 5))
ROW("sb_set_log, no function and level 5", SB_ERR_INVALID, sb_set_log(NULL, NULL, 5))
ROW("sb_strerror of any value", SB_OK, texts())

/* ---- what a buffer reports ----------------------------------------------------------------------- */

ROW("sb_size before it is known", SB_ERR_UNKNOWN_SIZE, sb_size(t->pulled))
ROW("sb_known_size before it is known", SB_ERR_UNKNOWN_SIZE, sb_known_size(t->pulled))
ROW("sb_find_size, non-blocking", SB_ERR_TIMEOUT, sb_find_size(t->pulled, 0))
ROW("sb_buffered at the last offset", 0, sb_buffered(t->pulled, UINT64_MAX))
ROW("sb_ranges without out", SB_ERR_INVALID, sb_ranges(t->pulled, NULL, 1))
ROW("sb_stat without out", SB_ERR_INVALID, sb_stat(t->pulled, NULL, sizeof stats))
ROW("sb_stat without out of size 0", SB_ERR_INVALID, sb_stat(t->pulled, NULL, 0))
ROW("sb_stat of size 0", SB_OK, sb_stat(t->pulled, &stats, 0))
ROW("sb_stat of other versions", SB_OK, other_snapshots(t->pulled))
ROW("sb_spool_dir without out", SB_ERR_INVALID, sb_spool_dir(t->pulled, NULL, 1))
ROW("sb_spool_dir of SIZE_MAX", SB_ERR_INVALID, sb_spool_dir(t->pulled, out, SIZE_MAX))

/* ---- saving ------------------------------------------------------------------------------------- */

ROW("sb_save without a path", SB_ERR_INVALID, sb_save(t->pulled, NULL))
ROW("sb_save to an empty path", SB_ERR_INVALID, sb_save(t->pulled, ""))
ROW("sb_save to a part file", SB_ERR_INVALID, sb_save(t->pulled, ".spoolbuf-1.part"))
ROW("sb_save to .", SB_ERR_UNSUPPORTED, sb_save(t->pulled, "."))
ROW("sb_save to ..", SB_ERR_UNSUPPORTED, sb_save(t->pulled, ".."))
ROW("sb_save to /", SB_ERR_UNSUPPORTED, sb_save(t->pulled, "/"))
ROW("sb_save to ./", SB_ERR_UNSUPPORTED, sb_save(t->pulled, "./"))
ROW("sb_save to new/", SB_ERR_UNSUPPORTED, sb_save(t->pulled, "new/"))
ROW("sb_save to new/.", SB_ERR_UNSUPPORTED, sb_save(t->pulled, "new/."))
ROW("sb_save to new/..", SB_ERR_UNSUPPORTED, sb_save(t->pulled, "new/.."))
ROW("sb_save_options_init NULL", SB_ERR_INVALID,
    sb_save_options_init(NULL, sizeof(sb_save_options)))
ROW("sb_save_options_init too small", SB_ERR_INVALID,
    sb_save_options_init(&saving, sizeof saving - 1))
ROW("sb_save_options_init too large", SB_ERR_INVALID, sb_save_options_init(&saving, 4097))
ROW("sb_save_with without options", SB_ERR_INVALID, sb_save_with(t->pulled, NULL))
ROW("sb_save_with, struct_size 0", SB_ERR_INVALID,
    sb_save_with(t->pulled, &(sb_save_options){ .path = "never" }))
ROW("sb_save_with, struct_size too small", SB_ERR_INVALID,
    sb_save_with(t->pulled,
                 &(sb_save_options){ .struct_size = sizeof(sb_save_options) - 1, .path = "never" }))
ROW("sb_save_with, struct_size too large", SB_ERR_INVALID,
    sb_save_with(t->pulled, &(sb_save_options){ .struct_size = 4097, .path = "never" }))
ROW("sb_save_with, a later member", SB_ERR_UNSUPPORTED, save_later(t->pulled))
ROW("sb_save_with, no target", SB_ERR_INVALID, sb_save_with(t->pulled, SAVE(.fd = -1)))
ROW("sb_save_with, an unknown flag", SB_ERR_INVALID,
    sb_save_with(t->pulled, SAVE(.path = "never", .flags = 32)))
ROW("sb_save_with, the last flag", SB_ERR_INVALID,
    sb_save_with(t->pulled, SAVE(.path = "never", .flags = 0x80000000u)))
ROW("sb_save_with, mode", SB_ERR_INVALID,
    sb_save_with(t->pulled, SAVE(.path = "never", .mode = 01000)))
ROW("sb_save_with, mode for a descriptor", SB_ERR_INVALID,
    sb_save_with(t->pulled, SAVE(.fd = 1, .mode = 0600)))
ROW("sb_save_with, a descriptor that must not exist", SB_ERR_INVALID,
    sb_save_with(t->pulled, SAVE(.fd = 1, .flags = SB_SAVE_NO_REPLACE)))
ROW("sb_save_with, reserved", SB_ERR_INVALID,
    sb_save_with(t->pulled, SAVE(.path = "never", .reserved = 1)))
ROW("sb_save_with, reserved_pointer", SB_ERR_INVALID,
    sb_save_with(t->pulled, SAVE(.path = "never", .reserved_pointer = &spare)))
ROW("sb_save_with, error of size 0", SB_ERR_INVALID,
    sb_save_with(t->pulled, SAVE(.path = "never", .error = &(sb_error){ .struct_size = 0 })))
ROW("sb_save_with, error without its path", SB_ERR_INVALID,
    sb_save_with(t->pulled, SAVE(.path = "never", .error = ERROR(.path_cap = 1))))

/* ---- pushing: `pushed` has 100 bytes ------------------------------------------------------------- */

ROW("sb_push to a buffer with a source", SB_ERR_UNSUPPORTED,
    sb_push(t->pulled, 100, 10, whole + 100, -1))
ROW("sb_push of nothing to a buffer with a source", SB_ERR_UNSUPPORTED,
    sb_push(t->pulled, 0, 0, NULL, 0))
ROW("sb_push of nothing", 0, sb_push(t->pushed, 500, 0, NULL, -1))
ROW("sb_push without bytes", SB_ERR_INVALID, sb_push(t->pushed, 100, 1, NULL, 0))
ROW("sb_push past 2^64", SB_ERR_INVALID, sb_push(t->pushed, UINT64_MAX, 2, whole, 0))
ROW("sb_push past 2^63 - 1", SB_ERR_SIZE, sb_push(t->pushed, INT64_MAX, 1, whole, 0))
ROW("sb_push across 2^63 - 1", SB_ERR_SIZE,
    sb_push(t->pushed, (uint64_t)INT64_MAX - 1, 2, whole, 0))
ROW("sb_push up to 2^63 - 1", 1, sb_push(t->pushed, (uint64_t)INT64_MAX - 1, 1, whole, 0))
ROW("sb_push of SIZE_MAX", SB_ERR_INVALID, sb_push(t->pushed, 0, SIZE_MAX, whole, 0))
ROW("sb_push of more than half", SB_ERR_INVALID,
    sb_push(t->pushed, 0, SIZE_MAX / 2 + 1, whole, 0))
ROW("sb_push of other bytes", 100, sb_push(t->pushed, 0, 100, other, 0))
ROW("sb_push of other bytes in part", 100, first_bytes_win(t->pushed))
ROW("sb_push at the end", SB_ERR_SIZE, sb_push(ended(t, 200), 200, 1, whole + 200, 0))
ROW("sb_push past the end", SB_ERR_SIZE, sb_push(ended(t, 200), 300, 1, whole + 300, -1))
ROW("sb_push across the end", SB_ERR_SIZE, sb_push(ended(t, 200), 199, 2, whole + 199, 0))
ROW("sb_push below the end", 100, sb_push(ended(t, 200), 100, 100, whole + 100, 0))
ROW("sb_push after the complete end", SB_ERR_SIZE, sb_push(ended(t, 100), 100, 1, whole, 0))
ROW("sb_push of nothing past the end", 0, sb_push(ended(t, 200), 300, 0, NULL, 0))
ROW("sb_push after a failure", SB_ERR_SOURCE, sb_push(failed(t), 100, 1, whole + 100, -1))
ROW("sb_push after a short end", SB_ERR_SHORT, sb_push(ended_short(t), 100, 1, whole + 100, -1))
ROW("sb_push while canceled", SB_ERR_CANCELED, sb_push(canceled(t), 100, 1, whole + 100, -1))
ROW("sb_push_end to a buffer with a source", SB_ERR_UNSUPPORTED, sb_push_end(t->pulled, 100, 0))
ROW("a failure to a buffer with a source", SB_ERR_UNSUPPORTED, sb_push_end(t->pulled, 100, -1))
ROW("sb_push_end with a positive code", SB_ERR_INVALID, sb_push_end(t->pushed, 100, 1))
ROW("sb_push_end below the highest byte", SB_ERR_SIZE, sb_push_end(t->pushed, 99, 0))
ROW("sb_push_end above 2^63 - 1", SB_ERR_SIZE,
    sb_push_end(t->pushed, (uint64_t)INT64_MAX + 1, 0))
ROW("sb_push_end twice", SB_OK, sb_push_end(ended(t, 200), 200, 0))
ROW("sb_push_end twice, lower", SB_ERR_SIZE, sb_push_end(ended(t, 200), 199, 0))
ROW("sb_push_end twice, higher", SB_ERR_SIZE, sb_push_end(ended(t, 200), 201, 0))
ROW("sb_push_end twice, after the highest byte", SB_ERR_SIZE,
    sb_push_end(ended(t, 200), SB_SIZE_UNKNOWN, 0))
ROW("sb_push_end twice, complete", SB_OK, sb_push_end(ended(t, 100), SB_SIZE_UNKNOWN, 0))
ROW("sb_push_end twice, complete and higher", SB_ERR_SIZE, sb_push_end(ended(t, 100), 101, 0))
ROW("sb_push_end after a failure", SB_ERR_SOURCE, sb_push_end(failed(t), 100, 0))
ROW("sb_push_end after a short end", SB_ERR_SHORT, sb_push_end(ended_short(t), 100, 0))
ROW("a failure after a failure", SB_OK, sb_push_end(failed(t), SB_SIZE_UNKNOWN, -6))
ROW("a failure after the complete end", SB_OK, sb_push_end(ended(t, 100), 0, -5))
ROW("sb_wanted of a buffer with a source", SB_ERR_UNSUPPORTED, sb_wanted(t->pulled, &range))
ROW("sb_wanted without out", SB_ERR_INVALID, sb_wanted(t->pushed, NULL))

/* ---- watches ------------------------------------------------------------------------------------ */

ROW("sb_when without out", SB_ERR_INVALID, sb_when(t->pushed, 500, on_ready, t, NULL))
ROW("sb_when without ready", SB_ERR_INVALID, when_without_ready(t->pushed))
ROW("sb_when with neither", SB_ERR_INVALID, sb_when(t->pushed, 500, NULL, NULL, NULL))
ROW("SB_WHEN_WANTED of a buffer with a source", SB_ERR_UNSUPPORTED,
    when(t->pulled, SB_WHEN_WANTED))
ROW("sb_when past the end", 0, when(ended(t, 100), 100))
ROW("sb_when after a failure", SB_ERR_SOURCE, when(failed(t), 100))
ROW("sb_when while canceled", SB_ERR_CANCELED, when(canceled(t), 100))
ROW("sb_watch_free of NULL", 1, calls_after(t, NULL))
ROW("sb_watch_free of a forged watch", 1, calls_after(t, (sb_watch *)forged(0x7777777)))
ROW("sb_watch_free of a pointer", 1, calls_after(t, (sb_watch *)(void *)&spare))
ROW("sb_watch_free of a buffer", 1, calls_after(t, (sb_watch *)t->pushed))
ROW("sb_watch_free of a reader", 1, calls_after(t, (sb_watch *)t->reader))
ROW("sb_watch_free of the watch", 0, calls_after(t, t->watch))
ROW("sb_watch_free twice", 0, (sb_watch_free(t->watch), calls_after(t, t->watch)))
ROW("sb_watch_free after the buffer", SB_OK,
    (sb_free(t->pushed), sb_watch_free(t->watch), sb_watch_free(t->watch), SB_OK))

/* ---- another source ----------------------------------------------------------------------------- */

ROW("sb_reopen of a push buffer", SB_ERR_UNSUPPORTED, reopen(t->pushed, SB_SIZE_UNKNOWN))
ROW("sb_reopen, size below the buffered bytes", SB_ERR_SIZE, reopen(t->pulled, 99))
ROW("sb_reopen, size below the end", SB_ERR_SIZE, reopen(complete(t), SIZE - 1))
ROW("sb_reopen, size above the end", SB_ERR_SIZE, reopen(complete(t), SIZE + 1))
ROW("sb_reopen, complete", SB_OK, reopen(complete(t), SIZE))
ROW("sb_reopen that would block, in ready", SB_ERR_REENTRANT, reopen_beside_a_read(READY))
ROW("sb_reopen that would block, in log", SB_ERR_REENTRANT, reopen_beside_a_read(LOG))

/* ---- a cache: `cache` has an entry for "a", of which `leased` is a reader ------------------------- */

ROW("sb_cache_new without options", SB_ERR_INVALID, new_cache(NULL))
ROW("sb_cache_new without out", SB_ERR_INVALID, sb_cache_new(CACHING(.threads = 1), NULL))
ROW("cache", SB_OK, new_cache(CACHING(.threads = 1)))
ROW("cache without an opener", SB_ERR_INVALID, 
    new_cache(&(sb_cache_options){ .struct_size = sizeof(sb_cache_options) }))
ROW("cache, on_short", SB_ERR_INVALID, new_cache(CACHING(.on_short = 2)))
ROW("cache, spool_dir empty", SB_ERR_INVALID, new_cache(CACHING(.spool_dir = "")))
ROW("cache, struct_size 0", SB_ERR_INVALID,
    new_cache(&(sb_cache_options){ .struct_size = 0, .open = opener }))
ROW("cache, struct_size too small", SB_ERR_INVALID,
    new_cache(&(sb_cache_options){ .struct_size = sizeof(sb_cache_options) - 1, .open = opener }))
ROW("cache, struct_size too large", SB_ERR_INVALID,
    new_cache(&(sb_cache_options){ .struct_size = 4097, .open = opener }))
ROW("cache, a later member that is 0", SB_OK, cache_later(0))
ROW("cache, a later member", SB_ERR_UNSUPPORTED, cache_later(7))
ROW("sb_cache_options_init NULL", SB_ERR_INVALID,
    sb_cache_options_init(NULL, sizeof(sb_cache_options)))
ROW("sb_cache_options_init too small", SB_ERR_INVALID,
    sb_cache_options_init(&caching, sizeof caching - 1))
ROW("sb_cache_options_init too large", SB_ERR_INVALID, sb_cache_options_init(&caching, 4097))
ROW("sb_cache_open without a key", SB_ERR_INVALID, open_key(t->cache, NULL, 1, NULL))
ROW("sb_cache_open of nothing", SB_ERR_INVALID, open_key(t->cache, NULL, 0, NULL))
ROW("sb_cache_open, key_size 0", SB_ERR_INVALID, open_key(t->cache, "a", 0, NULL))
ROW("sb_cache_open, key_size 4096", SB_ERR_SOURCE, open_key(t->cache, long_key, 4096, NULL))
ROW("sb_cache_open, key_size 4097", SB_ERR_INVALID, open_key(t->cache, long_key, 4097, NULL))
ROW("sb_cache_open, key_size SIZE_MAX", SB_ERR_INVALID, open_key(t->cache, "a", SIZE_MAX, NULL))
ROW("sb_cache_open without out", SB_ERR_INVALID, sb_cache_open(t->cache, "a", 1, NULL, NULL))
ROW("sb_cache_open, an unknown flag", SB_ERR_INVALID,
    open_key(t->cache, "a", 1, READING(.flags = 2)))
ROW("sb_cache_open, struct_size 0", SB_ERR_INVALID,
    open_key(t->cache, "a", 1, &(sb_reader_options){ .struct_size = 0 }))
ROW("sb_cache_open, error of size 0", SB_ERR_INVALID,
    open_key(t->cache, "a", 1, READING(.error = &(sb_error){ .struct_size = 0 })))
ROW("sb_cache_open, error without its path", SB_ERR_INVALID,
    open_key(t->cache, "a", 1, READING(.error = ERROR(.path_cap = 1))))
ROW("sb_cache_open of a key that fails", SB_ERR_SOURCE, open_key(t->cache, "ab", 2, NULL))
ROW("sb_cache_open of a key that fails, non-blocking", SB_ERR_TIMEOUT,
    open_key(t->cache, "ab", 2, READING(.flags = SB_READER_BUFFERED)))
ROW("sb_cache_open, non-blocking", SB_OK, open_key(t->cache, "a", 1, READING(.timeout_ms = 0)))
ROW("sb_cache_remove, key_size 0", SB_ERR_INVALID, sb_cache_remove(t->cache, "a", 0))
ROW("sb_cache_remove, key_size 4097", SB_ERR_INVALID, sb_cache_remove(t->cache, long_key, 4097))
ROW("sb_cache_remove without a key", SB_ERR_INVALID, sb_cache_remove(t->cache, NULL, 1))
ROW("sb_cache_remove of an unknown key", SB_OK, sb_cache_remove(t->cache, "b", 1))
ROW("sb_cache_remove of a key in use", SB_OK, sb_cache_remove(t->cache, "a", 1))
ROW("sb_cache_trim to nothing", SB_OK, sb_cache_trim(t->cache, 0, 0))
ROW("sb_cache_stat without out", SB_ERR_INVALID, sb_cache_stat(t->cache, NULL, sizeof cached))
ROW("sb_cache_stat of other versions", SB_OK, other_cache_stats(t->cache))
ROW("sb_cancel of an entry", SB_ERR_UNSUPPORTED, sb_cancel(sb_reader_buffer(t->leased)))
ROW("sb_reopen of an entry", SB_ERR_UNSUPPORTED,
    reopen(sb_reader_buffer(t->leased), SB_SIZE_UNKNOWN))
ROW("sb_free of an entry", SB_OK, (sb_free(sb_reader_buffer(t->leased)), SB_OK))
ROW("sb_push to an entry", SB_ERR_UNSUPPORTED,
    sb_push(sb_reader_buffer(t->leased), 0, 10, whole, 0))
ROW("sb_set_max_memory of an entry", SB_OK, sb_set_max_memory(sb_reader_buffer(t->leased), 0))
ROW("sb_reader_new of an entry without a lease", SB_ERR_INVALID, made(sb_reader_new(idle(t))))
ROW("sb_reader_new_with of an entry without a lease", SB_ERR_INVALID, new_reader(idle(t), NULL))

/* ---- inside callbacks: `buffer` has 10 bytes, and more do not come ------------------------------- */

INSIDE("sb_read of buffered bytes", ANY, 10, sb_read(buffer, 0, 10, out))
INSIDE("sb_read", ANY, SB_ERR_REENTRANT, sb_read(buffer, 2000, 1, out))
INSIDE("sb_read_some", ANY, SB_ERR_REENTRANT, sb_read_some(buffer, 2000, 1, out, -1))
INSIDE("sb_read_some, non-blocking", ANY, SB_ERR_TIMEOUT, sb_read_some(buffer, 2000, 1, out, 0))
INSIDE("sb_read_some, timed", ANY, SB_ERR_REENTRANT, sb_read_some(buffer, 2000, 1, out, 60000))
INSIDE("sb_find_size", ANY, SB_ERR_REENTRANT, sb_find_size(buffer, -1))
INSIDE("sb_find_size, non-blocking", ANY, SB_ERR_TIMEOUT, sb_find_size(buffer, 0))
INSIDE("sb_find_size, timed", ANY, SB_ERR_REENTRANT, sb_find_size(buffer, 60000))
INSIDE("sb_save", ANY, SB_ERR_REENTRANT, sb_save(buffer, "never"))
INSIDE("sb_reader_read", ANY, SB_ERR_REENTRANT, reader_inside(buffer, 0))
INSIDE("sb_reader_find_size", ANY, SB_ERR_REENTRANT, reader_inside(buffer, 1))
INSIDE("sb_push, blocking", READY | LOG, SB_ERR_REENTRANT, sb_push(buffer, 2000, 1, whole, -1))
INSIDE("sb_push, timed", READY | LOG, SB_ERR_REENTRANT, sb_push(buffer, 2000, 1, whole, 60000))
INSIDE("sb_push, non-blocking", READY | LOG, SB_ERR_TIMEOUT, sb_push(buffer, 2000, 1, whole, 0))
INSIDE("sb_push of what has space", READY | LOG, 10, sb_push(buffer, 10, 10, whole + 10, -1))
INSIDE("sb_reopen without close", SOURCE, SB_ERR_REENTRANT, reopen(buffer, SB_SIZE_UNKNOWN))
INSIDE("sb_cache_open of a new key", READY | LOG | BEGIN, SB_ERR_REENTRANT,
       open_new(READING(.timeout_ms = -1)))
INSIDE("sb_cache_open of a new key, timed", READY | LOG | BEGIN, SB_ERR_REENTRANT,
       open_new(READING(.timeout_ms = 60000)))
INSIDE("sb_watch_free of the watch itself", READY, SB_OK,
       (sb_watch_free(inside.watch), sb_watch_free(inside.watch), SB_OK))
INSIDE("sb_free", READY | LOG | SOURCE, SB_ERR_INVALID, (sb_free(buffer), sb_size(buffer)))
