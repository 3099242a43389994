/* A vocabulary of single bytes: the token ids of a text are its bytes. */
#ifndef SUPPORT_BYTE_RANKS_H
#define SUPPORT_BYTE_RANKS_H

#include "base/err.h"
#include "base/tokens/ranks.h"

/* Opens a vocabulary from the bytes of a file, like ranks_open(). */
int ranks_over(struct span bytes, struct ranks **out, const char **why);

/* Returns the vocabulary, which the caller closes. */
struct ranks *byte_ranks(void);

#endif
