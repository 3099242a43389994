/* The rank files (NAME.ranks) of a folder: the encodings in which texts can be counted exactly.
 * Immutable after opening. */
#ifndef BASE_TOKENS_ENCODINGS_H
#define BASE_TOKENS_ENCODINGS_H

#include "base/tokens/bpe.h"

enum { ENCODINGS_MAX = 32 };

struct encodings {
	char *dir; /* NULL: no folder was found */
	struct ranks *v[ENCODINGS_MAX];
	size_t n;
	size_t refused; /* files that are damaged or too many */
};

/* Opens every rank file of `dir`. If `dir` is NULL, opens those of the first of these folders
 * that has one: ranks/ next to the program, share/tollgate/ranks next to its folder. A refused
 * file adds a line "FILE: why" to *why, and the others are opened. Returns 0; ERR_NOTFOUND if
 * there is no file, with the searched folders in *why; or ERR_NOMEM. *out is valid in each case
 * except the last. */
int encodings_open(const char *dir, struct encodings **out, struct buf *why);
void encodings_close(struct encodings **e);
/* Returns the encoding with that name in its file, or NULL. */
const struct ranks *encodings_find(const struct encodings *e, struct span name);

#endif
