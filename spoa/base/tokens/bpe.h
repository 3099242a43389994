/* Byte-pair encoding by a vocabulary: the token ids of a text, or their number. The spellings of
 * special tokens are ordinary text. The ids are exactly those of the published tokenizers. */
#ifndef BASE_TOKENS_BPE_H
#define BASE_TOKENS_BPE_H

#include "base/tokens/ranks.h"

/* bytes of a piece that the pattern does not divide. Up to this length, a piece is merged
 * exactly, which costs n log n. Of a longer one, the bytes are counted, which is an upper
 * limit. */
#define BPE_PIECE_MAX (16u << 10)

struct bpe_count {
	uint64_t tokens;
	bool bounded; /* a piece was too long: `tokens` is an upper limit */
};

/* Counts the tokens. Bytes that are not UTF-8 are encoded as they are. Returns 0 or ERR_NOMEM. */
int bpe_count(const struct ranks *r, struct span text, struct bpe_count *out);
/* Calls `each` with each id in order. Exact for pieces of any length. Returns 0, ERR_NOMEM, or
 * the first result of `each` that is not 0. */
int bpe_encode(const struct ranks *r, struct span text, int (*each)(void *arg, uint32_t id),
	void *arg);

#endif
