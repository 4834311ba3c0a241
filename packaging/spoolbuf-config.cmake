# find_package(spoolbuf 0.1): the targets spoolbuf::spoolbuf (shared) and spoolbuf::static.
#
# Installed as it is by cargo-c. CMakeLists.txt puts lines before it that name the folders, where they are
# others than here. The files are looked for relative to this one, so that all of it can be moved.
if(NOT DEFINED _spoolbuf_up)
  set(_spoolbuf_up "../../..")
endif()
get_filename_component(_spoolbuf_prefix "${CMAKE_CURRENT_LIST_DIR}/${_spoolbuf_up}" ABSOLUTE)

# The first of some folders that has a file by one of some names.
function(_spoolbuf_find result folders)
  set(${result} "" PARENT_SCOPE)
  foreach(folder IN LISTS folders)
    get_filename_component(folder "${folder}" ABSOLUTE BASE_DIR "${_spoolbuf_prefix}")
    foreach(name IN LISTS ARGN)
      if(EXISTS "${folder}/${name}")
        set(${result} "${folder}/${name}" PARENT_SCOPE)
        return()
      endif()
    endforeach()
  endforeach()
endfunction()

set(_spoolbuf_folders ${_spoolbuf_libdir} "lib/${CMAKE_LIBRARY_ARCHITECTURE}" lib64 lib32 lib)
_spoolbuf_find(_spoolbuf_header "${_spoolbuf_includedir};include" spoolbuf.h)
if(WIN32)
  _spoolbuf_find(_spoolbuf_shared "${_spoolbuf_bindir};bin" spoolbuf.dll)
  _spoolbuf_find(_spoolbuf_import "${_spoolbuf_folders}" spoolbuf.dll.lib libspoolbuf.dll.a)
  _spoolbuf_find(_spoolbuf_archive "${_spoolbuf_folders}" spoolbuf.lib libspoolbuf.a)
  set(_spoolbuf_private kernel32 ntdll userenv ws2_32 dbghelp)
  # LLVM's linker has no such option there.
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU" OR CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND _spoolbuf_private "-Wl,--exclude-libs,libspoolbuf.a")
  endif()
else()
  _spoolbuf_find(_spoolbuf_shared "${_spoolbuf_folders}" libspoolbuf.so libspoolbuf.dylib)
  _spoolbuf_find(_spoolbuf_archive "${_spoolbuf_folders}" libspoolbuf.a)
  # By the last one, a plugin exports none of the library's functions.
  set(_spoolbuf_private pthread ${CMAKE_DL_LIBS} m "-Wl,--exclude-libs,libspoolbuf.a")
  if(APPLE)
    set(_spoolbuf_private "")
  endif()
endif()

# A package may have one of the libraries alone.
if(_spoolbuf_header AND (_spoolbuf_shared OR _spoolbuf_archive))
  get_filename_component(_spoolbuf_includes "${_spoolbuf_header}" DIRECTORY)
  if(_spoolbuf_shared AND NOT TARGET spoolbuf::spoolbuf)
    add_library(spoolbuf::spoolbuf SHARED IMPORTED)
    set_target_properties(spoolbuf::spoolbuf PROPERTIES
      SPOOLBUF_VERSION "${spoolbuf_VERSION}"
      IMPORTED_LOCATION "${_spoolbuf_shared}"
      INTERFACE_INCLUDE_DIRECTORIES "${_spoolbuf_includes}")
    if(WIN32)
      set_target_properties(spoolbuf::spoolbuf PROPERTIES IMPORTED_IMPLIB "${_spoolbuf_import}")
    endif()
  endif()
  if(_spoolbuf_archive AND NOT TARGET spoolbuf::static)
    add_library(spoolbuf::static STATIC IMPORTED)
    set_target_properties(spoolbuf::static PROPERTIES
      SPOOLBUF_VERSION "${spoolbuf_VERSION}"
      IMPORTED_LOCATION "${_spoolbuf_archive}"
      INTERFACE_INCLUDE_DIRECTORIES "${_spoolbuf_includes}"
      INTERFACE_LINK_LIBRARIES "${_spoolbuf_private}")
  endif()
else()
  set(spoolbuf_FOUND FALSE)
  set(spoolbuf_NOT_FOUND_MESSAGE "No header or no library of spoolbuf in ${_spoolbuf_prefix}")
endif()

foreach(_spoolbuf_name up prefix libdir includedir bindir folders header shared import archive private includes)
  unset(_spoolbuf_${_spoolbuf_name})
endforeach()
unset(_spoolbuf_name)
