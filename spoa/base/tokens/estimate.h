/* Tokens where the provider's tokenizer is not known: a count by another vocabulary, or by
 * bytes where there is none, times a factor; and what is learned of that factor from what
 * providers report. */
#ifndef BASE_TOKENS_ESTIMATE_H
#define BASE_TOKENS_ESTIMATE_H

#include <stdatomic.h>

#include "base/tokens/encodings.h"
#include "base/tokens/models.h"

/* A sum of texts and overhead; thousandths of tokens. */
struct token_sum {
	uint64_t mean, most;
	uint64_t bound; /* no text of so many bytes is more; of token_sum_estimate() */
	uint64_t by_script[TEXT_SCRIPTS]; /* of `mean`: which texts there were */
	bool estimated; /* not by the model's own tokenizer alone, or a bound */
};

/* By which vocabulary a family is counted. */
struct token_meter {
	const struct token_family *family;
	const struct ranks *ranks; /* NULL: by bytes */
	bool own;		   /* it is the family's own, and known to be */
};
struct token_meter token_meter_of(
	const struct encodings *e, const struct token_models *m, struct span model);
/* Adds a text; for want of memory its bytes. */
void token_sum_text(const struct token_meter *m, struct span text, struct token_sum *sum);
/* Adds a text by its length alone: nothing of it is read. */
void token_sum_estimate(const struct token_meter *m, size_t bytes, struct token_sum *sum);
/* Adds what is no text; may be negative. */
void token_sum_plain(struct token_sum *sum, int64_t tokens);
/* Adds that many KB (of 1,024 bytes, begun ones whole) at so many tokens each. */
void token_sum_bytes(struct token_sum *sum, size_t bytes, int32_t tokens_kb);
/* The script of most of it. */
enum text_script token_sum_script(const struct token_sum *sum);
/* Whole tokens, rounded up, at most INT64_MAX / 4. */
int64_t token_sum_tokens(uint64_t thousandths);

/* ---- learning ---- */

enum { LEARNED_SLOTS = 1024, LEARNED_ENOUGH = 20, LEARNED_FROM = 64 };

/* By model and script: what was used, as a share of what was estimated on average. Any thread;
 * of two that add at once to the same, one may be lost. A model beyond the room is not learned.
 */
struct token_learned {
	struct learned_slot {
		_Atomic uint64_t key;	     /* 0: free */
		_Atomic uint32_t mean, most; /* 64ths of thousandths; thousandths: 19 of 20 */
		_Atomic uint32_t seen;
	} slot[LEARNED_SLOTS];
};

/* Never 0. TEXT_SCRIPTS: of token_sum_estimate(). */
uint64_t learned_key(struct span model, enum text_script script);
/* Corrects *mean and *most, whole tokens, by what is known. */
void learned_apply(const struct token_learned *l, uint64_t key, int64_t *mean, int64_t *most);
/* `mean` and `most` as they were before correction; prompts below LEARNED_FROM teach nothing,
 * and a share is 0.4 to 4. */
void learned_add(
	struct token_learned *l, uint64_t key, int64_t mean, int64_t most, int64_t used);

#endif
