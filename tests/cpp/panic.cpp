// A panic inside the library, which leaves an sb_error as it was.
#include "check.hpp"

// The program's function takes precedence over the library's.
extern "C" std::int64_t sb_save_with(sb_buffer *, const sb_save_options *)
{
    return SB_ERR_PANIC;
}

int main()
{
    spoolbuf::buffer b(stream{1000});
    auto thrown = caught<spoolbuf::error>([&] { b.save("saved"); });
    CHECK(thrown && thrown->code() == spoolbuf::errc::panic);
    CHECK(thrown->what() == std::string("spoolbuf: ") + sb_strerror(SB_ERR_PANIC));
    std::puts("ok");
}
