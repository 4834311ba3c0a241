# A formula for the repository that it is in, or that a link to it leads to:
#
#     brew tap-new --no-git you/local
#     ln -s "$PWD/packaging/homebrew/spoolbuf.rb" "$(brew --repository you/local)/Formula/"
#     brew install --HEAD you/local/spoolbuf
class Spoolbuf < Formula
  desc "Stream that arrives once, readable anywhere, any number of times"
  homepage "file://#{File.expand_path("../../../README.md", File.realpath(__FILE__))}"
  license any_of: ["MIT", "Apache-2.0"]
  head "file://#{File.expand_path("../../..", File.realpath(__FILE__))}", using: :git, branch: "main"

  depends_on "cmake" => :build
  depends_on "rust" => :build

  def install
    system "cmake", "-S", ".", "-B", "build", *std_cmake_args
    system "cmake", "--build", "build"
    system "cmake", "--install", "build"
  end

  test do
    (testpath/"demo.c").write <<~C
      #include <spoolbuf.h>
      #include <stdio.h>
      #include <unistd.h>

      static int64_t from_stdin(void *opaque, void *out, size_t capacity)
      {
          (void)opaque;
          return read(STDIN_FILENO, out, capacity);
      }

      int main(void)
      {
          sb_callback source = { .read = from_stdin };
          sb_buffer *buffer = sb_new(&source, SB_SIZE_UNKNOWN, SB_MAX_DEFAULT);
          char late[6], early[6];
          if (sb_read(buffer, 700000, 6, late) != 6 || sb_read(buffer, 0, 6, early) != 6)
              return 1;
          printf("%.6s, %.6s", late, early);
          sb_free(buffer);
          return 0;
      }
    C
    system ENV.cc, "-std=c99", "demo.c", "-I#{include}", "-L#{lib}", "-lspoolbuf", "-Wl,-rpath,#{lib}", "-o", "demo"
    numbers = (0...150_000).map { |number| format("%06d\n", number) }.join
    assert_equal "100000, 000000", pipe_output("./demo", numbers, 0)
  end
end
