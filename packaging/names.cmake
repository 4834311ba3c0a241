# How the files of the libraries are called, for each system. packaging/libraries.sh has the names again.
#   SPOOLBUF_MSVC     whether the compiler is Visual Studio's or one in its place, as clang can be
#   SPOOLBUF_SHARED   the shared library
#   SPOOLBUF_SONAME   the name that programs look for, a link
#   SPOOLBUF_PLAIN    the name that the linker looks for, a link
#   SPOOLBUF_IMPORT   what the linker takes instead, on Windows
#   SPOOLBUF_ARCHIVE  the static library
#   SPOOLBUF_PRIVATE  the system's libraries that the static one needs
#   SPOOLBUF_HIDE     the linker's option by which a plugin exports no function of the static one
set(SPOOLBUF_MSVC OFF)
if(MSVC OR CMAKE_C_SIMULATE_ID STREQUAL "MSVC")
  set(SPOOLBUF_MSVC ON)
endif()
set(SPOOLBUF_SONAME "")
set(SPOOLBUF_PLAIN "")
set(SPOOLBUF_IMPORT "")
set(SPOOLBUF_ARCHIVE "libspoolbuf.a")
set(SPOOLBUF_HIDE "")
if(WIN32)
  set(SPOOLBUF_SHARED "spoolbuf.dll")
  set(SPOOLBUF_PRIVATE kernel32 ntdll userenv ws2_32 dbghelp)
  if(SPOOLBUF_MSVC)
    set(SPOOLBUF_IMPORT "spoolbuf.dll.lib")
    set(SPOOLBUF_ARCHIVE "spoolbuf.lib")
  else()
    set(SPOOLBUF_IMPORT "libspoolbuf.dll.a")
    # LLVM's linker has no such option there.
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
      set(SPOOLBUF_HIDE "-Wl,--exclude-libs,${SPOOLBUF_ARCHIVE}")
    endif()
  endif()
elseif(APPLE)
  set(SPOOLBUF_SHARED "libspoolbuf.${PROJECT_VERSION}.dylib")
  set(SPOOLBUF_SONAME "libspoolbuf.${PROJECT_VERSION_MAJOR}.dylib")
  set(SPOOLBUF_PLAIN "libspoolbuf.dylib")
  set(SPOOLBUF_PRIVATE "")
else()
  set(SPOOLBUF_SHARED "libspoolbuf.so.${PROJECT_VERSION}")
  set(SPOOLBUF_SONAME "libspoolbuf.so.${PROJECT_VERSION_MAJOR}")
  set(SPOOLBUF_PLAIN "libspoolbuf.so")
  set(SPOOLBUF_PRIVATE pthread dl m)
  set(SPOOLBUF_HIDE "-Wl,--exclude-libs,${SPOOLBUF_ARCHIVE}")
endif()
