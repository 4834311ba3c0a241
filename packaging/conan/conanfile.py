"""The library as a Conan package, built by Rust's cargo: `conan create packaging/conan`.

It is the static library, and the shared one with `-o "*:shared=True"`.
"""

import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import cross_building
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rm, rmdir, save

# What a build needs of the repository.
FILES = ("CMakeLists.txt", "Cargo.toml", "Cargo.lock", "build.rs", "LICENSE-MIT", "LICENSE-APACHE")
FOLDERS = ("src", "include", "bindings", "packaging")

# By this, a plugin exports none of the library's functions. As a library to link with, in CMake: an option for the
# linker does not pass a static library of the project that is linked with this one.
HIDE = "-Wl,--exclude-libs,libspoolbuf.a"
HIDE_IN_CMAKE = f'set_property(TARGET spoolbuf::spoolbuf APPEND PROPERTY INTERFACE_LINK_LIBRARIES "{HIDE}")\n'
HIDE_MODULE = os.path.join("lib", "cmake", "spoolbuf-hide.cmake")

required_conan_version = ">=2.0"


class Spoolbuf(ConanFile):
    """The recipe."""

    name = "spoolbuf"
    description = "A stream that arrives once, readable anywhere, any number of times"
    license = "MIT OR Apache-2.0"
    topics = ("buffer", "spool", "stream", "media")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False]}
    default_options = {"shared": False}

    def set_version(self):
        manifest = load(self, os.path.join(self.recipe_folder, "..", "..", "Cargo.toml"))
        self.version = re.search(r'^version = "(.*)"', manifest, re.MULTILINE).group(1)

    def export_sources(self):
        root = os.path.join(self.recipe_folder, "..", "..")
        for name in FILES:
            copy(self, name, root, self.export_sources_folder)
        for name in FOLDERS:
            copy(self, "*", os.path.join(root, name), os.path.join(self.export_sources_folder, name))

    def configure(self):
        self.settings.rm_safe("compiler.cppstd")
        self.settings.rm_safe("compiler.libcxx")

    def layout(self):
        cmake_layout(self)

    # Its interface is C, and cargo builds what is shipped: a compiler and its flags change nothing, except
    # the runtime library of Windows.
    def package_id(self):
        if self.info.settings.os != "Windows":
            del self.info.settings.compiler
            del self.info.settings.build_type

    def validate(self):
        if cross_building(self):
            raise ConanInvalidConfiguration("this recipe can't build spoolbuf for another machine")

    def generate(self):
        CMakeToolchain(self).generate()

    # CMakeLists.txt looks for cargo, in the environment of the profile, and says in one line if there is none.
    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE-*", self.source_folder, os.path.join(self.package_folder, "licenses"))
        CMake(self).install()
        # Conan writes its own files instead. The manual pages stay.
        rmdir(self, os.path.join(self.package_folder, "lib", "pkgconfig"))
        for name in ("cmake", "doc"):
            rmdir(self, os.path.join(self.package_folder, "share", name))
        # One of the two libraries.
        lib = os.path.join(self.package_folder, "lib")
        others = ["*.so*", "*.dylib", "*.dll.a", "*.dll.lib"]
        if self.options.shared:
            others = ["spoolbuf.lib", "libspoolbuf.a"]
        else:
            rmdir(self, os.path.join(self.package_folder, "bin"))
        for name in others:
            rm(self, name, lib)
        if self._hides():
            save(self, os.path.join(self.package_folder, HIDE_MODULE), HIDE_IN_CMAKE)

    # On Windows, LLVM's linker has no such option.
    def _hides(self):
        settings = self.settings
        return (
            not self.options.shared
            and settings.os != "Macos"
            and (settings.os != "Windows" or settings.compiler == "gcc")
        )

    def package_info(self):
        windows = self.settings.os == "Windows"
        self.cpp_info.libs = ["spoolbuf.dll" if windows and self.options.shared else "spoolbuf"]
        if self.options.shared:
            return
        self.cpp_info.set_property("cmake_target_aliases", ["spoolbuf::static"])
        if windows:
            self.cpp_info.system_libs = ["kernel32", "ntdll", "userenv", "ws2_32", "dbghelp"]
        elif self.settings.os != "Macos":
            self.cpp_info.system_libs = ["pthread", "dl", "m"]
        if self._hides():
            # For pkg-config and Meson, and for CMake.
            self.cpp_info.sharedlinkflags = [HIDE]
            self.cpp_info.set_property("cmake_build_modules", [HIDE_MODULE])
