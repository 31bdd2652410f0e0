/* This file writes text and numbers for HTML and SVG. */
#include "markup.h"

#include <math.h>
#include <string.h>

#include "text.h"

static void write_escaped(FILE *out, const char *text, const char *kept) {
    const unsigned char *at = (const unsigned char *)text;
    while (*at) {
        int bytes = fcnn_text_character((const char *)at);
        if (!bytes)
            fputs("\xef\xbf\xbd", out);
        else if (*at == '&')
            fputs("&amp;", out);
        else if (*at == '<')
            fputs("&lt;", out);
        else if (*at == '>')
            fputs("&gt;", out);
        else if (*at == '"')
            fputs("&quot;", out);
        else if (!fcnn_text_visible((const char *)at) && (*at >= 0x80 || !strchr(kept, *at)))
            fputc(' ', out);
        else
            fwrite(at, 1, (size_t)bytes, out);
        at += bytes ? bytes : 1;
    }
}

void markup_text(FILE *out, const char *text) { write_escaped(out, text, ""); }
void markup_lines(FILE *out, const char *text) { write_escaped(out, text, "\n\t"); }

void markup_command(FILE *out, const char *command) {
    char word[512];
    while (*command) {
        size_t spaces = strspn(command, " "), length = strcspn(command + spaces, " ");
        fprintf(out, "%.*s<span>", (int)spaces, command);
        for (command += spaces; length;) {
            size_t part = length < sizeof word - 1 ? length : sizeof word - 1;
            while (part > 1 && part < length && (command[part] & 0xc0) == 0x80)
                part--; /* a whole character */
            memcpy(word, command, part);
            word[part] = '\0';
            markup_lines(out, word);
            command += part;
            length -= part;
        }
        fputs("</span>", out);
    }
}

void markup_count(FILE *out, int64_t count) {
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)count);
    for (int i = 0; i < length; i++) {
        fputc(digits[i], out);
        int left = length - 1 - i;
        if (left && left % 3 == 0 && digits[i] != '-') fputc(',', out);
    }
}

void markup_large(FILE *out, double number) {
    static const char *const units[] = {"", "&nbsp;k", "&nbsp;M", "&nbsp;G", "&nbsp;T", "&nbsp;P"};
    int unit = 0;
    while (number >= 999.5 && unit < 5) {
        number /= 1000;
        unit++;
    }
    int places = !unit || number >= 99.95 ? 0 : number >= 9.995 ? 1 : 2;
    fprintf(out, "%.*f%s", places, number, units[unit]);
}

void markup_percent(FILE *out, double part) {
    if (isfinite(part))
        fprintf(out, "%.1f&nbsp;%%", 100 * part);
    else
        fputs("&ndash;", out);
}

void markup_seconds(FILE *out, double seconds) {
    if (!isfinite(seconds))
        fputs("&ndash;", out);
    else if (seconds > 0 && seconds < 0.0005)
        fputs("&lt;1&nbsp;ms", out);
    else if (seconds < 0.9995)
        fprintf(out, "%.0f&nbsp;ms", 1000 * seconds);
    else if (seconds < 99.95)
        fprintf(out, "%.*f&nbsp;s", seconds < 9.995 ? 2 : 1, seconds);
    else if (seconds < 3599.5)
        fprintf(out, "%d&nbsp;min&nbsp;%d&nbsp;s", (int)(seconds + 0.5) / 60,
                (int)(seconds + 0.5) % 60);
    else
        fprintf(out, "%lld&nbsp;h&nbsp;%lld&nbsp;min", (long long)(seconds / 60 + 0.5) / 60,
                (long long)(seconds / 60 + 0.5) % 60);
}

fcnn_status markup_fill(FILE *out, const char *page,
                        fcnn_status (*write_part)(void *user, const char *name), void *user) {
    for (const char *mark; (mark = strstr(page, "{{")); page = strstr(mark, "}}") + 2) {
        char name[16] = "";
        fwrite(page, 1, (size_t)(mark - page), out);
        sscanf(mark, "{{%15[a-z]", name);
        FCNN_TRY(write_part(user, name));
    }
    fputs(page, out);
    return FCNN_OK;
}
