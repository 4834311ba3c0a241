# A port of the repository that it is in: vcpkg install spoolbuf --overlay-ports=packaging/vcpkg
get_filename_component(SOURCE_PATH "${CURRENT_PORT_DIR}/../.." ABSOLUTE)

# cargo builds what is shipped, and its interface is C: programs of both kinds are linked with it.
set(VCPKG_BUILD_TYPE release)
set(VCPKG_POLICY_MISMATCHED_NUMBER_OF_BINARIES enabled)

# Here, since vcpkg shows nothing of what CMake says if it fails. A cargo that is missing or old is one line.
include("${SOURCE_PATH}/packaging/cargo.cmake")
vcpkg_cmake_configure(SOURCE_PATH "${SOURCE_PATH}" OPTIONS "-DSPOOLBUF_CARGO=${SPOOLBUF_CARGO}")
vcpkg_cmake_install()

# One of the two libraries. The CMake package has a target for each one that exists.
if(VCPKG_LIBRARY_LINKAGE STREQUAL "static")
  file(GLOB others "${CURRENT_PACKAGES_DIR}/bin" "${CURRENT_PACKAGES_DIR}/lib/*.so*"
    "${CURRENT_PACKAGES_DIR}/lib/*.dylib" "${CURRENT_PACKAGES_DIR}/lib/*.dll.*")
  # With Visual Studio, the file names the shared library.
  file(READ "${CURRENT_PACKAGES_DIR}/lib/pkgconfig/spoolbuf.pc" text)
  string(REPLACE "-lspoolbuf.dll" "-lspoolbuf" text "${text}")
  file(WRITE "${CURRENT_PACKAGES_DIR}/lib/pkgconfig/spoolbuf.pc" "${text}")
else()
  set(others "${CURRENT_PACKAGES_DIR}/lib/libspoolbuf.a" "${CURRENT_PACKAGES_DIR}/lib/spoolbuf.lib")
endif()
file(REMOVE_RECURSE ${others} "${CURRENT_PACKAGES_DIR}/share/doc")
vcpkg_fixup_pkgconfig()

vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE-MIT" "${SOURCE_PATH}/LICENSE-APACHE")
file(INSTALL "${CURRENT_PORT_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
