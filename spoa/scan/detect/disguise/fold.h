/* Determines the plain characters that a non-ASCII character stands for, in bytes that may be
 * invalid UTF-8. */
#ifndef SCAN_DETECT_DISGUISE_FOLD_H
#define SCAN_DETECT_DISGUISE_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/codec/letters.h"

/* Returns the same as letters_fold(). Most letters need no search. */
struct folded fold_char(uint32_t cp);

/* Returns how many bytes from p on are valid, non-ASCII UTF-8 that stands for no other
 * character, as most letters of the world do. The number may be smaller than possible. */
size_t fold_nothing(const char *p, size_t n);

/* Returns the code point at p (n > 0 bytes are readable) and sets *bytes to its length. A byte
 * that is not UTF-8 is returned as its value, with *valid false. An overlong form returns the
 * character that it encodes, with *valid false. */
uint32_t fold_decode(const char *p, size_t n, size_t *bytes, bool *valid);

#endif
