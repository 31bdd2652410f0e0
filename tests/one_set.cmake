# cpu/device.c chooses the kernels of the widest instruction set that the processor has. With
# sanitizers the other sets, which no test runs, are compiled without optimisation, and without the
# warnings of that, since the first build has those that count.
if(FCNN_SANITIZE AND EXISTS /proc/cpuinfo)
  file(STRINGS /proc/cpuinfo processor_flags REGEX "^flags" LIMIT_COUNT 1)
  set(other_sets generic avx2 avx512)
  if(processor_flags MATCHES "avx512bw")
    list(REMOVE_ITEM other_sets avx512)
  elseif(processor_flags MATCHES "avx2")
    list(REMOVE_ITEM other_sets avx2)
  else()
    list(REMOVE_ITEM other_sets generic)
  endif()
  foreach(set IN LISTS other_sets)
    if(TARGET fcnn_${set})
      target_compile_options(fcnn_${set} PRIVATE -O0 -w)
    endif()
  endforeach()
endif()
