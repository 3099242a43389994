/* Byte-pair encoding by a vocabulary: the ids of a text, or how many there are. Special tokens'
 * spellings are text like any other. Ids are exactly those of the published tokenizers. */
#ifndef BASE_TOKENS_BPE_H
#define BASE_TOKENS_BPE_H

#include "base/tokens/ranks.h"

/* A piece that the pattern does not break: up to here it is merged exactly, which costs
 * n log n; beyond, its bytes are counted, which no merging exceeds. */
#define BPE_PIECE_MAX (16u << 10)

struct bpe_count {
	uint64_t tokens;
	bool bounded; /* some piece was too long: `tokens` is an upper bound */
};

/* Counts. Bytes that are no UTF-8 are encoded as they are. 0 or ERR_NOMEM. */
int bpe_count(const struct ranks *r, struct span text, struct bpe_count *out);
/* The ids, each once the one before it is known, exactly whatever the length of a piece. 0,
 * ERR_NOMEM, or what `each` returned, if it is not 0. */
int bpe_encode(const struct ranks *r, struct span text, int (*each)(void *arg, uint32_t id),
	void *arg);

#endif
