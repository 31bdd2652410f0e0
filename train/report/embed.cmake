# cmake -DOUTPUT=FILE.c -P embed.cmake: writes the report's page and style as C strings,
# report_page and report_style. Comments of the style sheet are left out.
set(code "/* Made by embed.cmake from page.html and style.css. */\n")
foreach(name page.html style.css)
  file(READ "${CMAKE_CURRENT_LIST_DIR}/${name}" text)
  string(REGEX REPLACE "/\\*[^*]*\\*/\n" "" text "${text}")
  string(REPLACE "\\" "\\\\" text "${text}")
  string(REPLACE "\"" "\\\"" text "${text}")
  string(REPLACE "\n" "\\n\"\n    \"" text "${text}")
  cmake_path(GET name STEM stem)
  string(APPEND code "const char report_${stem}[] =\n    \"${text}\";\n")
endforeach()
file(WRITE "${OUTPUT}" "${code}")
