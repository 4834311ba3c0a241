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
    pkgshare.install "tests/consumers/demo.c"
  end

  test do
    system ENV.cc, "-std=c99", pkgshare/"demo.c", "-I#{include}", "-L#{lib}", "-lspoolbuf", "-Wl,-rpath,#{lib}", "-o", "demo"
    numbers = (0...150_000).map { |number| format("%06d\n", number) }.join
    assert_equal "100000, 000000\n", pipe_output("./demo", numbers, 0)
  end
end
