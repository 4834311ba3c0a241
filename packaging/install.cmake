# What is installed, and where. `cargo cinstall` installs the same: see [package.metadata.capi] in Cargo.toml.
# The list of what is installed is one of CMake's, and pkg-config writes such a prefix into its flags as it is.
install(CODE [[
if(CMAKE_INSTALL_PREFIX MATCHES ";")
  message(FATAL_ERROR " spoolbuf can't be installed into a prefix with ;: ${CMAKE_INSTALL_PREFIX}")
elseif(CMAKE_INSTALL_PREFIX MATCHES "['\"$`]")
  message(WARNING " pkg-config can't name a prefix with ' \" $ or ` (find_package can): ${CMAKE_INSTALL_PREFIX}")
endif()
]])
if(WIN32)
  install(PROGRAMS "${spoolbuf_out}/${SPOOLBUF_SHARED}" DESTINATION "${CMAKE_INSTALL_BINDIR}")
  install(FILES "${spoolbuf_out}/${SPOOLBUF_IMPORT}" DESTINATION "${CMAKE_INSTALL_LIBDIR}")
else()
  install(PROGRAMS "${spoolbuf_out}/${SPOOLBUF_SHARED}" DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  install(FILES "${spoolbuf_out}/${SPOOLBUF_SONAME}" "${spoolbuf_out}/${SPOOLBUF_PLAIN}"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}")
endif()
install(FILES "${spoolbuf_out}/${SPOOLBUF_ARCHIVE}" DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(FILES ${spoolbuf_headers} DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
file(GLOB spoolbuf_pages CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/packaging/man/*.3")
install(FILES ${spoolbuf_pages} DESTINATION "${CMAKE_INSTALL_MANDIR}/man3")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE-APACHE" "${PROJECT_SOURCE_DIR}/LICENSE-MIT"
  DESTINATION "${CMAKE_INSTALL_DATAROOTDIR}/doc/spoolbuf")

# in_prefix FOLDER RESULT: the folder relative to the prefix, if it is in it.
function(spoolbuf_in_prefix folder result)
  string(FIND "${folder}/" "${CMAKE_INSTALL_PREFIX}/" start)
  if(start EQUAL 0)
    file(RELATIVE_PATH folder "${CMAKE_INSTALL_PREFIX}" "${folder}")
  endif()
  set(${result} "${folder}" PARENT_SCOPE)
endfunction()
foreach(spoolbuf_name IN ITEMS BINDIR INCLUDEDIR LIBDIR)
  spoolbuf_in_prefix("${CMAKE_INSTALL_${spoolbuf_name}}" SPOOLBUF_${spoolbuf_name})
endforeach()

# up_from FOLDER RESULT: the way from an installed folder to the prefix, so that the whole can be moved.
function(spoolbuf_up_from folder result)
  if(IS_ABSOLUTE "${folder}")
    file(RELATIVE_PATH up "${folder}" "${CMAKE_INSTALL_PREFIX}")
  else()
    file(RELATIVE_PATH up "/prefix/${folder}" "/prefix")
  endif()
  string(REGEX REPLACE "/$" "" up "${up}")
  set(${result} "${up}" PARENT_SCOPE)
endfunction()

# pkg-config ends a path at a space that is not escaped. A folder that is not in the prefix stays as it is.
spoolbuf_up_from("${CMAKE_INSTALL_LIBDIR}/pkgconfig" spoolbuf_up)
string(REPLACE " " "\\ " SPOOLBUF_PC_PREFIX "\${pcfiledir}/${spoolbuf_up}")
foreach(spoolbuf_name IN ITEMS INCLUDEDIR LIBDIR)
  string(REPLACE " " "\\ " SPOOLBUF_PC_${spoolbuf_name} "${SPOOLBUF_${spoolbuf_name}}")
  if(NOT IS_ABSOLUTE "${SPOOLBUF_${spoolbuf_name}}")
    string(PREPEND SPOOLBUF_PC_${spoolbuf_name} "\${prefix}/")
  endif()
endforeach()
# Visual Studio's spoolbuf.lib is the static library.
set(SPOOLBUF_PC_NAME "spoolbuf")
if(SPOOLBUF_MSVC)
  set(SPOOLBUF_PC_NAME "spoolbuf.dll")
endif()
list(TRANSFORM SPOOLBUF_PRIVATE PREPEND "-l" OUTPUT_VARIABLE SPOOLBUF_PC_PRIVATE)
list(APPEND SPOOLBUF_PC_PRIVATE ${SPOOLBUF_HIDE})
list(JOIN SPOOLBUF_PC_PRIVATE " " SPOOLBUF_PC_PRIVATE)
configure_file(packaging/spoolbuf.pc.in "${PROJECT_BINARY_DIR}/spoolbuf.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/spoolbuf.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

# For find_package().
set(spoolbuf_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/spoolbuf")
spoolbuf_up_from("${spoolbuf_package_dir}" spoolbuf_up)
file(READ packaging/spoolbuf-config.cmake spoolbuf_config)
file(WRITE "${PROJECT_BINARY_DIR}/spoolbuf-config.cmake"
  "set(_spoolbuf_up \"${spoolbuf_up}\")\n"
  "set(_spoolbuf_libdir \"${SPOOLBUF_LIBDIR}\")\n"
  "set(_spoolbuf_includedir \"${SPOOLBUF_INCLUDEDIR}\")\n"
  "set(_spoolbuf_bindir \"${SPOOLBUF_BINDIR}\")\n\n"
  "${spoolbuf_config}")
file(READ packaging/spoolbuf-config-version.cmake spoolbuf_config)
file(WRITE "${PROJECT_BINARY_DIR}/spoolbuf-config-version.cmake"
  "set(_spoolbuf_pointer \"${CMAKE_SIZEOF_VOID_P}\")\n\n${spoolbuf_config}")
install(FILES "${PROJECT_BINARY_DIR}/spoolbuf-config.cmake"
  "${PROJECT_BINARY_DIR}/spoolbuf-config-version.cmake" DESTINATION "${spoolbuf_package_dir}")

if(spoolbuf_alone)
  add_custom_target(uninstall COMMAND "${CMAKE_COMMAND}" "-DMANIFEST=${PROJECT_BINARY_DIR}/install_manifest.txt"
    -P "${PROJECT_SOURCE_DIR}/packaging/uninstall.cmake" VERBATIM)
endif()
