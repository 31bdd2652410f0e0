/* Text that comes from outside, such as file names, made fit to be shown. */
#include "text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

int fcnn_text_character(const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    if (at[0] < 0x80) return 1;
    int bytes = at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 0;
    for (int i = 1; i < bytes; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    if (bytes == 3) {
        bool overlong = at[0] == 0xe0 && at[1] < 0xa0, surrogate = at[0] == 0xed && at[1] > 0x9f;
        bool forbidden = at[0] == 0xef && at[1] == 0xbf && at[2] > 0xbd;
        return overlong || surrogate || forbidden ? 0 : 3;
    }
    if (bytes == 4 && ((at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f)))
        return 0;
    return bytes;
}

void fcnn_text_printable(const char *from, char *to, size_t bytes) {
    size_t used = 0;
    while (*from && used + 5 <= bytes) {
        unsigned char c = (unsigned char)*from;
        int length = c >= ' ' && c != 127 ? fcnn_text_character(from) : 0;
        if (length)
            memcpy(to + used, from, (size_t)length);
        else
            snprintf(to + used, bytes - used, "\\x%02x", c);
        used += length ? (size_t)length : 4;
        from += length ? length : 1;
    }
    to[used] = '\0';
}
