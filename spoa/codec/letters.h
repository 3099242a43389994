/* Latin letters without their marks. */
#ifndef CODEC_LETTERS_H
#define CODEC_LETTERS_H

#include <stdint.h>

/* Of a character from U+00C0 to U+024F or U+1E00 to U+1EFF the letters of ASCII that it is
 * written for, capitals for a capital: "E." for É, "AE" for Æ; "Q." or "q." for a letter that is
 * none of theirs, ".." for no letter. NULL: another character. */
const char *letters_latin(uint32_t cp);

#endif
