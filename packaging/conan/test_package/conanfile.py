"""Builds a program in C and one in C++ with the package, and runs them."""

import os
from io import StringIO

from conan import ConanFile
from conan.errors import ConanException
from conan.tools.build import can_run
from conan.tools.cmake import CMake, cmake_layout


class Test(ConanFile):
    """The recipe."""

    settings = "os", "arch", "compiler", "build_type"
    generators = "CMakeDeps", "CMakeToolchain"

    def requirements(self):
        self.requires(self.tested_reference_str)

    def layout(self):
        cmake_layout(self)

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def test(self):
        if not can_run(self):
            return
        numbers = os.path.join(self.build_folder, "numbers")
        with open(numbers, "w", encoding="ascii", newline="\n") as file:
            file.writelines(f"{number:06}\n" for number in range(150_000))
        for name in ("demo", "demo-cpp"):
            said = StringIO()
            program = os.path.join(self.cpp.build.bindir, name)
            self.run(f'"{program}" < "{numbers}"', stdout=said, env="conanrun")
            if said.getvalue() != "100000, 000000\n":
                raise ConanException(f"{name} said {said.getvalue()!r}")
            self.check_libraries(program)
        self.check_pages()
        self.check_plugin()

    def check_plugin(self):
        """It exports no function of the library's."""
        if self.settings.os != "Linux":
            return
        said = StringIO()
        plugin = os.path.join(self.cpp.build.bindir, "libplugin.so")
        self.run(f'nm -D --defined-only "{plugin}"', stdout=said)
        if "plugin_open" not in said.getvalue() or " sb_" in said.getvalue():
            raise ConanException(f"the plugin exports {said.getvalue()}")

    def check_pages(self):
        """Only the manual pages are in share."""
        share = os.path.join(self.dependencies["spoolbuf"].package_folder, "share")
        if os.listdir(share) != ["man"] or not os.path.exists(os.path.join(share, "man", "man3", "sb_read.3")):
            raise ConanException(f"no manual page, or more: {os.listdir(share)}")

    def check_libraries(self, program):
        """Which of the two libraries a program was linked with."""
        if self.settings.os != "Linux":
            return
        with open(program, "rb") as file:
            needs_shared = b"libspoolbuf.so.0" in file.read()
        if needs_shared != bool(self.dependencies["spoolbuf"].options.shared):
            raise ConanException(f"{program} needs the shared library: {needs_shared}")
