/* Colours between those of a table are mixed. */
#include "colours.h"

#include <math.h>
#include <string.h>

static const uint8_t viridis[][3] = {{68, 1, 84},    {71, 44, 122},  {59, 81, 139},
                                     {44, 113, 142}, {33, 144, 141}, {39, 173, 129},
                                     {92, 200, 99},  {170, 220, 50}, {253, 231, 37}};

static const uint8_t orange_violet[][3] = {{127, 59, 8},    {179, 88, 6},    {224, 130, 20},
                                           {253, 184, 99},  {254, 224, 182}, {247, 247, 247},
                                           {216, 218, 235}, {178, 171, 210}, {128, 115, 172},
                                           {84, 39, 136},   {45, 0, 75}};

/* `part` of the way through a table of `count` colours. */
static void mix(const uint8_t (*table)[3], int count, double part, uint8_t rgb[3]) {
    double at = fmin(fmax(part, 0), 1) * (count - 1);
    int below = (int)at < count - 1 ? (int)at : count - 2;
    double share = at - below;
    for (int i = 0; i < 3; i++)
        rgb[i] = (uint8_t)lround((1 - share) * table[below][i] + share * table[below + 1][i]);
}

void colour_amount(double part, uint8_t rgb[3]) {
    if (isnan(part))
        memset(rgb, 0xe2, 3);
    else
        mix(viridis, sizeof viridis / sizeof viridis[0], part, rgb);
}

void colour_signed(double part, uint8_t rgb[3]) {
    mix(orange_violet, sizeof orange_violet / sizeof orange_violet[0], (part + 1) / 2, rgb);
}

void colour_grey(double part, uint8_t rgb[3]) {
    memset(rgb, (int)lround(255 * fmin(fmax(part, 0), 1)), 3);
}
