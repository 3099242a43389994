/* What a character that is not plain ASCII may be written for, in bytes that may be no UTF-8.
 */
#ifndef SCAN_DETECT_DISGUISE_FOLD_H
#define SCAN_DETECT_DISGUISE_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/codec/letters.h"

/* letters_fold(), at once for most letters of the world. */
struct folded fold_char(uint32_t cp);

/* The bytes of the characters from p on that are UTF-8, beyond ASCII, and written for
 * nothing else: most letters of the world. May be fewer than there are. */
size_t fold_nothing(const char *p, size_t n);

/* The code point at p (n > 0 bytes may be read) and its bytes. What is not UTF-8 is
 * one byte of its own: *valid false, and the byte's value. An overlong form gives the
 * character that it hides, *valid false. */
uint32_t fold_decode(const char *p, size_t n, size_t *bytes, bool *valid);

#endif
