/*
 * Files on Windows: targets by name and by descriptor, what is in the way of a save, and what a
 * killed process leaves behind. Run in an empty folder (.ci/windows).
 */
#include "../c/check.h"

#include <direct.h>
#include <fcntl.h>
#include <io.h>
#include <sys/stat.h>
#include <windows.h>

#define SIZE 3000000
#define MAX 300000

static sb_buffer *opened(stream *source)
{
    stream_init(source, SIZE, 50001);
    return stream_open(source, SB_SIZE_UNKNOWN, MAX);
}

/* Checks a file and closes it. */
static void check_file(FILE *file, uint64_t size)
{
    static unsigned char bytes[100000];
    uint64_t offset = 0;
    size_t count;
    CHECK(file != NULL);
    while ((count = fread(bytes, 1, sizeof bytes, file)) > 0) {
        CHECK_BYTES(bytes, offset, count);
        offset += count;
    }
    CHECK_EQ(offset, size);
    fclose(file);
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    fputs(text, file);
    fclose(file);
}

/* The number of names that match a pattern. */
static int names(const wchar_t *pattern)
{
    WIN32_FIND_DATAW found;
    HANDLE search = FindFirstFileW(pattern, &found);
    int count = 0;
    if (search == INVALID_HANDLE_VALUE)
        return 0;
    do {
        count++;
    } while (FindNextFileW(search, &found));
    FindClose(search);
    return count;
}

static int temp_files(void)
{
    return names(L".spoolbuf*");
}

/* Saves to a path that cannot be written, and returns the system's code. */
static int code_of_save(sb_buffer *buffer, const char *path, int operation)
{
    sb_save_options options = save_options(path, -1, 0);
    sb_error error;
    char text[300];

    CHECK_EQ(sb_error_init(&error, sizeof error), SB_OK);
    options.error = &error;
    CHECK_EQ(sb_save_with(buffer, &options), SB_ERR_IO);
    CHECK_EQ(error.status, SB_ERR_IO);
    CHECK_EQ(error.operation, operation);
    /* In the system's words, without the end of a line. */
    CHECK(sb_error_text(&error, text, sizeof text) > 0);
    CHECK(strncmp(text, "cannot ", 7) == 0 && strpbrk(text, "\r\n?") == NULL);
    CHECK_EQ(stats_of(buffer).system_error, 0);
    return error.system;
}

static void names_of_any_kind(void)
{
    stream source;
    sb_buffer *buffer = opened(&source);

    CHECK_EQ(sb_save(buffer, "Gr\303\266\303\237e \351\237\263.bin"), SIZE);
    check_file(_wfopen(L"Gr\u00f6\u00dfe \u97f3.bin", L"rb"), SIZE);
    CHECK_EQ(_wunlink(L"Gr\u00f6\u00dfe \u97f3.bin"), 0);
    CHECK_EQ(sb_save(buffer, "not UTF-8: \377"), SB_ERR_INVALID);

    CHECK_EQ(code_of_save(buffer, "no such folder/saved", SB_OP_TARGET_OPEN), ERROR_PATH_NOT_FOUND);
    sb_free(buffer);
}

static void what_is_in_the_way(void)
{
    stream source;
    sb_buffer *buffer = opened(&source);
    HANDLE held;
    int code;

    put("target", "old");
    CHECK_EQ(save_with(buffer, "target", -1, SB_SAVE_NO_REPLACE, NULL, NULL), SB_ERR_EXISTS);
    CHECK_EQ(save_with(buffer, "TARGET", -1, SB_SAVE_NO_REPLACE, NULL, NULL), SB_ERR_EXISTS);
    CHECK_EQ(save_with(buffer, "target", -1, SB_SAVE_SYNC, NULL, NULL), SIZE);
    check_file(fopen("target", "rb"), SIZE);
    CHECK_EQ(unlink("target"), 0);
    CHECK_EQ(save_with(buffer, "target", -1, SB_SAVE_NO_REPLACE | SB_SAVE_SYNC | SB_SAVE_LINK, NULL,
                          NULL),
             SIZE);
    check_file(fopen("target", "rb"), SIZE);

    /* Another user that has it open and does not close it. */
    put("target", "old");
    held = CreateFileA("target", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                       OPEN_EXISTING, 0, NULL);
    CHECK(held != INVALID_HANDLE_VALUE);
    code = code_of_save(buffer, "target", SB_OP_TARGET_RENAME);
    CHECK(code == ERROR_ACCESS_DENIED || code == ERROR_SHARING_VIOLATION);
    CHECK_EQ(GetFileSize(held, NULL), 3);
    CHECK(CloseHandle(held));
    CHECK_EQ(temp_files(), 0);
    CHECK_EQ(sb_save(buffer, "target"), SIZE);
    check_file(fopen("target", "rb"), SIZE);
    CHECK_EQ(unlink("target"), 0);

    CHECK_EQ(_mkdir("folder"), 0);
    CHECK_EQ(sb_save(buffer, "folder"), SB_ERR_UNSUPPORTED);
    CHECK_EQ(_rmdir("folder"), 0);
    CHECK_EQ(sb_save(buffer, "NUL"), SB_ERR_UNSUPPORTED);
    CHECK_EQ(sb_save(buffer, "what?"), SB_ERR_IO);
    CHECK_EQ(temp_files(), 0);
    sb_free(buffer);
}

static void *read_pipe(void *opaque)
{
    check_file(_fdopen(*(int *)opaque, "rb"), SIZE);
    return NULL;
}

static void descriptors_of_the_runtime(void)
{
    stream source;
    sb_buffer *buffer = opened(&source);
    pthread_t reader;
    int ends[2];
    int file = _open("written", _O_CREAT | _O_RDWR | _O_BINARY, _S_IREAD | _S_IWRITE);

    CHECK(file >= 0);
    CHECK_EQ(save_with(buffer, NULL, file, SB_SAVE_SYNC, NULL, NULL), SIZE);
    CHECK_EQ(_lseeki64(file, 0, SEEK_CUR), SIZE);
    CHECK_EQ(_close(file), 0);
    check_file(fopen("written", "rb"), SIZE);
    CHECK_EQ(unlink("written"), 0);

    CHECK_EQ(save_with(buffer, NULL, file, 0, NULL, NULL), SB_ERR_INVALID);
    CHECK_EQ(save_with(buffer, NULL, 99, 0, NULL, NULL), SB_ERR_INVALID);
    CHECK_EQ(save_with(buffer, NULL, 123456789, 0, NULL, NULL), SB_ERR_INVALID);
    CHECK_EQ(save_with(buffer, NULL, -1, 0, NULL, NULL), SB_ERR_INVALID);

    CHECK_EQ(_pipe(ends, 4096, _O_BINARY), 0);
    CHECK_EQ(pthread_create(&reader, NULL, read_pipe, &ends[0]), 0);
    CHECK_EQ(save_with(buffer, NULL, ends[1], 0, NULL, NULL), SIZE);
    CHECK_EQ(_close(ends[1]), 0);
    CHECK_EQ(pthread_join(reader, NULL), 0);

    CHECK_EQ(_pipe(ends, 4096, _O_BINARY), 0);
    CHECK_EQ(_close(ends[0]), 0);
    CHECK_EQ(save_with(buffer, NULL, ends[1], 0, NULL, NULL), SB_ERR_IO);
    CHECK_EQ(_close(ends[1]), 0);
    sb_free(buffer);
}

static int move_on(void *opaque, uint64_t done, uint64_t total)
{
    int *moved = opaque;
    (void)total;
    if (!*moved && done > 0)
        *moved = _chdir("elsewhere") == 0;
    return 0;
}

/* A path refers to where it was when the save began. */
static void the_working_folder_changes(void)
{
    stream source;
    sb_buffer *buffer = opened(&source);
    int moved = 0;
    CHECK_EQ(_mkdir("elsewhere"), 0);
    CHECK_EQ(save_with(buffer, "here", -1, 0, move_on, &moved), SIZE);
    CHECK(moved);
    CHECK_EQ(_chdir(".."), 0);
    check_file(fopen("here", "rb"), SIZE);
    CHECK_EQ(unlink("here"), 0);
    CHECK_EQ(_rmdir("elsewhere"), 0);
    sb_free(buffer);
}

static int say_so(void *opaque, uint64_t done, uint64_t total)
{
    (void)opaque, (void)total;
    if (done > SIZE / 3)
        put("halfway", "");
    return 0;
}

/* In the process that is killed: reaches the middle of a save and no further. */
static int get_killed(void)
{
    stream source;
    sb_buffer *buffer = opened(&source);
    source.stall_at = SIZE / 2;
    return save_with(buffer, "killed", -1, 0, say_so, NULL) > 0;
}

static void a_killed_process_leaves_nothing(const char *self)
{
    char command[600];
    STARTUPINFOA startup;
    PROCESS_INFORMATION process;
    stream source;
    sb_buffer *buffer = opened(&source);

    memset(&startup, 0, sizeof startup);
    startup.cb = sizeof startup;
    put("killed", "old");
    sprintf(command, "\"%s\" killed", self);
    CHECK(CreateProcessA(NULL, command, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &process));
    WAIT_UNTIL(names(L"halfway") == 1);
    CHECK(temp_files() > 0);
    /* The other process's temporary file is not in the way, and not ours to remove. */
    CHECK_EQ(sb_save(buffer, "target"), SIZE);
    CHECK(temp_files() > 0);
    CHECK(TerminateProcess(process.hProcess, 9));
    CHECK_EQ(WaitForSingleObject(process.hProcess, 60000), WAIT_OBJECT_0);
    WAIT_UNTIL(temp_files() == 0);
    check_file(fopen("target", "rb"), SIZE);
    CHECK_EQ(unlink("target"), 0);
    CHECK_EQ(unlink("halfway"), 0);
    CHECK_EQ(unlink("killed"), 0);
    sb_free(buffer);
}

int main(int count, char **arguments)
{
    if (count > 1)
        return get_killed();
    names_of_any_kind();
    what_is_in_the_way();
    descriptors_of_the_runtime();
    the_working_folder_changes();
    a_killed_process_leaves_nothing(arguments[0]);
    CHECK_EQ(names(L"*"), 2); /* the directory and its parent */
    return 0;
}
