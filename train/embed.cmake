# cmake -DFOLDER=DIR -DPREFIX=NAME -DOUTPUT=FILE.c -P embed.cmake: writes the folder's page.html and
# style.css as C strings, NAME_page and NAME_style. Comments of the style sheet are left out.
set(code "/* Made by embed.cmake from page.html and style.css. */\n")
foreach(name page.html style.css)
  file(READ "${FOLDER}/${name}" text)
  string(REGEX REPLACE "/\\*[^*]*\\*/\n" "" text "${text}")
  string(REPLACE "\\" "\\\\" text "${text}")
  string(REPLACE "\"" "\\\"" text "${text}")
  string(REPLACE "\n" "\\n\"\n    \"" text "${text}")
  cmake_path(GET name STEM stem)
  string(APPEND code "const char ${PREFIX}_${stem}[] =\n    \"${text}\";\n")
endforeach()
file(WRITE "${OUTPUT}" "${code}")
