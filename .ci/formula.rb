# Runs a formula of Homebrew without Homebrew: its `install` into a prefix, from a clone of its head, then
# its `test`: ruby .ci/formula.rb FORMULA FOLDER
require "fileutils"
require "open3"
require "pathname"

class Pathname
  def install(file)
    mkpath
    FileUtils.mv(file, self)
  end
end

class << ENV
  def cc
    "cc"
  end
end

# What a formula can say and call, as far as ours does.
class Formula
  class << self
    attr_reader :head_url, :branch, :tests

    %i[desc homepage license depends_on].each { |name| define_method(name) { |*_, **_| nil } }

    def head(url, using:, branch:)
      raise "#{url}: not by git" unless using == :git

      @head_url = url
      @branch = branch
    end

    def test(&block)
      @tests = block
    end
  end

  attr_reader :prefix, :testpath

  def initialize(folder)
    @prefix = folder/"prefix"
    @testpath = folder/"test"
  end

  def include
    prefix/"include"
  end

  def lib
    prefix/"lib"
  end

  def pkgshare
    prefix/"share"/"spoolbuf"
  end

  def std_cmake_args
    ["-DCMAKE_INSTALL_PREFIX=#{prefix}", "-DCMAKE_INSTALL_LIBDIR=lib", "-DCMAKE_BUILD_TYPE=Release"]
  end

  def system(*command)
    Kernel.system(*command.map(&:to_s)) || raise("failed: #{command.join(" ")}")
  end

  def pipe_output(command, input, status)
    said, how = Open3.capture2(command, stdin_data: input)
    assert_equal status, how.exitstatus
    said
  end

  def assert_equal(wanted, found)
    raise "#{found.inspect}, wanted #{wanted.inspect}" unless wanted == found
  end
end

path, folder = ARGV
load path
formula = ObjectSpace.each_object(Class).find { |it| it < Formula }
folder = Pathname.new(folder).expand_path
made = formula.new(folder)
FileUtils.rm_rf(folder)
FileUtils.mkdir_p(folder/"test")
# A clone of what is committed; Homebrew takes the branch main, which a worktree need not have.
made.system("git", "clone", "-q", formula.head_url.delete_prefix("file://"), folder/"source")
Dir.chdir(folder/"source") { made.install }
Dir.chdir(made.testpath) { made.instance_eval(&formula.tests) }
