/* The rank files of a folder, NAME.ranks each: the encodings that texts can be counted in
 * exactly. Immutable once it is open. */
#ifndef BASE_TOKENS_ENCODINGS_H
#define BASE_TOKENS_ENCODINGS_H

#include "base/tokens/bpe.h"

enum { ENCODINGS_MAX = 32 };

struct encodings {
	char *dir; /* NULL: none was found */
	struct ranks *v[ENCODINGS_MAX];
	size_t n;
	size_t refused; /* files that are damaged, or too many */
};

/* Opens every rank file of `dir`; where that is NULL, of the first of these that has one:
 * ranks/ next to the program, share/tollgate/ranks next to its folder. A file that is refused
 * is a line "FILE: why" in *why, and the others are open. 0; ERR_NOTFOUND: there is no file,
 * and *why says where was looked; ERR_NOMEM. *out is valid in each case but the last. */
int encodings_open(const char *dir, struct encodings **out, struct buf *why);
void encodings_close(struct encodings **e);
/* By the name in the file; NULL: there is none. */
const struct ranks *encodings_find(const struct encodings *e, struct span name);

#endif
