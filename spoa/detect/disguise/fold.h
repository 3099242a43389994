/* What a character that is not plain ASCII may be written for: a full-width or
 * Arabic-Indic digit for a digit, a Cyrillic letter for the Latin one that looks
 * like it, nothing at all for what nobody sees. Unicode 15.0. */
#ifndef DETECT_FOLD_H
#define DETECT_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fold_kind {
	FOLD_NONE,
	FOLD_ASCII, /* the same character in another dress */
	FOLD_DROP,  /* invisible: format characters, fillers, variation selectors */
	FOLD_BIDI,  /* invisible, and it reorders what is shown */
	FOLD_TAG,   /* an invisible copy of an ASCII character (U+E0020 to U+E007E) */
	FOLD_MARK,  /* combines with the character before it */
	FOLD_DASH,
	FOLD_SPACE,
	FOLD_DOT,
	FOLD_LIKE, /* another script's letter that looks like the ASCII one */
};

struct folded {
	enum fold_kind kind;
	uint8_t n; /* bytes of c */
	char c[2];
};

struct folded fold_char(uint32_t cp);
/* The same without its short cuts: for tests. */
struct folded fold_search(uint32_t cp);

/* The bytes of the characters from p on that are UTF-8, beyond ASCII, and written for
 * nothing else: most letters of the world. May be fewer than there are. */
size_t fold_nothing(const char *p, size_t n);

/* The code point at p (n > 0 bytes may be read) and its bytes. What is not UTF-8 is
 * one byte of its own: *valid false, and the byte's value. An overlong form gives the
 * character that it hides, *valid false. */
uint32_t fold_decode(const char *p, size_t n, size_t *bytes, bool *valid);

#endif
