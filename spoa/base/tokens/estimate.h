/* Counts tokens if the provider's tokenizer is not known: a count by another vocabulary, or by
 * bytes if there is none, times a factor. The factor is learned from the numbers that providers
 * report. */
#ifndef BASE_TOKENS_ESTIMATE_H
#define BASE_TOKENS_ESTIMATE_H

#include <stdatomic.h>

#include "base/tokens/ranks.h"
#include "base/tokens/models.h"

/* A sum of texts and overhead, in thousandths of tokens. */
struct token_sum {
	uint64_t mean, most;
	uint64_t bound; /* upper limit for any text of as many bytes; set by token_sum_estimate() */
	uint64_t by_script[TEXT_SCRIPTS]; /* the shares of `mean` by script */
	bool estimated; /* not counted by the model's own tokenizer alone, or an upper limit */
};

/* How the texts of a family are counted. */
struct token_meter {
	const struct token_family *family;
	/* vocabulary to count with; NULL: tokens are estimated from the number of bytes */
	const struct ranks *ranks;
	bool own;		   /* `ranks` is the family's own tokenizer */
};
struct token_meter token_meter_of(
	const struct encodings *e, const struct token_models *m, struct span model);
/* Adds a text. If memory is exhausted, its bytes are counted. */
void token_sum_text(const struct token_meter *m, struct span text, struct token_sum *sum);
/* Adds another sum. */
void token_sum_add(struct token_sum *sum, const struct token_sum *other);
/* Adds a text by its length alone, without reading it. */
void token_sum_estimate(const struct token_meter *m, size_t bytes, struct token_sum *sum);
/* Adds tokens that belong to no text; may be negative. */
void token_sum_plain(struct token_sum *sum, int64_t tokens);
/* Adds `tokens_kb` tokens for each KB (1,024 bytes, the last one rounded up). */
void token_sum_bytes(struct token_sum *sum, size_t bytes, int32_t tokens_kb);
/* Converts to whole tokens, rounded up, at most INT64_MAX / 4. */
int64_t token_sum_tokens(uint64_t thousandths);

/* ---- learning ---- */

enum { LEARNED_SLOTS = 1024, LEARNED_ENOUGH = 20, LEARNED_FROM = 64 };

/* For each model and script: the reported tokens as a share of the estimate, on average. Any
 * thread; if two threads add to the same slot at the same time, one value may be lost. If the
 * table is full, further models are not learned. */
struct token_learned {
	struct learned_slot {
		_Atomic uint64_t key;	     /* 0: free */
		/* mean: the average share in 1/64,000; most: the share in 1/1000 that 19 of 20
		 * prompts do not exceed */
		_Atomic uint32_t mean, most;
		_Atomic uint32_t seen;
	} slot[LEARNED_SLOTS];
};

/* Returns a key that is never 0. TEXT_SCRIPTS: an estimate by token_sum_estimate(). */
uint64_t learned_key(struct span model, enum text_script script);
/* Multiplies *mean and *most, in whole tokens, by the learned shares of this key. */
void learned_apply(const struct token_learned *l, uint64_t key, int64_t *mean, int64_t *most);
/* Learns from reported tokens. `mean` and `most` are the estimates before correction. Prompts
 * below LEARNED_FROM tokens are ignored, and a share is limited to 0.4 to 4. */
void learned_add(
	struct token_learned *l, uint64_t key, int64_t mean, int64_t most, int64_t used);

#endif
