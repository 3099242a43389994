/* The kinds of limits: one row for what a limit can count. The rows feed the policy's keys and its schema, limits of API
 * keys, messages, records, Redis keys and response headers. A switch over enum limit_of has no `default`, so the compiler
 * names the places where a new kind needs code (docs/architecture.md, "A kind of limit"). */
#ifndef POLICY_LIMIT_KIND_H
#define POLICY_LIMIT_KIND_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/span.h"

/* A kind counts something, and needs something for it. */
enum limit_trait {
	COUNTS_INPUT = 1 << 0,	/* the prompt's tokens, or their price */
	COUNTS_OUTPUT = 1 << 1, /* the response's tokens, or their price */
	COUNTS_CACHED = 1 << 2, /* cached_input may reduce the counted input */
	COUNTS_MONEY = 1 << 3,	/* amounts are nano-dollars; people read and write dollars */
	NEEDS_BODY = 1 << 4,	/* the amount is known once the body is read */
	NEEDS_END = 1 << 5,	/* the gateway must see the response's end, so the relay sends the request */
	HAS_WINDOW = 1 << 6,	/* the policy states a window, and a burst may shorten it */
	IS_SINGLE = 1 << 7,	/* bounds each single request, and keeps no count */
};
/* The response headers in which a kind appears: x-ratelimit-…-requests, x-ratelimit-…-tokens. SDKs read these amounts as
 * requests and as tokens, so a kind that is neither appears in none. */
enum limit_shown { SHOWN_NOWHERE, SHOWN_REQUESTS, SHOWN_TOKENS };

#define ALL_TOKENS (COUNTS_INPUT | COUNTS_OUTPUT | NEEDS_BODY)
/* Columns:
 *   id       LIMIT_id
 *   letter   in Redis keys: two limits of one name that count different things have different counters
 *   unit     QUOTA_unit of budget/quota/quota.h: REQUESTS (charged once), CONCURRENT (released at the end), or an amount that is
 *            reserved and settled (TOKENS, NANOUSD)
 *   shown    enum limit_shown
 *   traits   enum limit_trait
 *   schema   the type of the amount in the policy: COUNT or TEXT (policy/section.c)
 *   key      in the policy and in `tollgate key create --limit`; commands print it
 *   name     in records, the API, logs and webhooks, where amounts are integers
 *   words    after an amount, for people. docs/budgets.md and the console's format.js repeat them, and test_docs_lists.c compares
 *   help     a sentence for the schema
 * The order is that of `counts` in budget/quota/quota_text.c, which a daemon hands to its successor: append new rows. */
/* clang-format off */
#define LIMIT_KINDS(X) \
	X(REQUESTS,      'r', REQUESTS,   SHOWN_REQUESTS, HAS_WINDOW, COUNT, \
		"requests", "requests", "requests", "most requests in a window") \
	X(TOKENS,        't', TOKENS,     SHOWN_TOKENS,   ALL_TOKENS|COUNTS_CACHED|HAS_WINDOW, COUNT, \
		"tokens", "tokens", "tokens", "most input and output tokens in a window") \
	X(INPUT_TOKENS,  'i', TOKENS,     SHOWN_TOKENS,   COUNTS_INPUT|COUNTS_CACHED|NEEDS_BODY|HAS_WINDOW, COUNT, \
		"input_tokens", "input_tokens", "input tokens", "most input tokens in a window") \
	X(OUTPUT_TOKENS, 'o', TOKENS,     SHOWN_TOKENS,   COUNTS_OUTPUT|NEEDS_BODY|HAS_WINDOW, COUNT, \
		"output_tokens", "output_tokens", "output tokens", "most output tokens in a window") \
	X(MESSAGE,       'm', TOKENS,     SHOWN_NOWHERE,  ALL_TOKENS|IS_SINGLE, COUNT, \
		"tokens_per_request", "tokens_per_request", "tokens", "most input and output tokens of one request") \
	X(USD,           'u', NANOUSD,    SHOWN_NOWHERE,  ALL_TOKENS|COUNTS_MONEY|NEEDS_END|HAS_WINDOW, TEXT, \
		"usd", "nanousd", "dollars", "most US dollars in a window") \
	X(CONCURRENT,    'c', CONCURRENT, SHOWN_NOWHERE,  NEEDS_END, COUNT, \
		"concurrent", "concurrent", "concurrent requests", "most requests in flight") \
	X(SECONDS,       's', TOKENS,     SHOWN_NOWHERE,  NEEDS_BODY|HAS_WINDOW, COUNT, \
		"seconds", "seconds", "seconds of sound", "most seconds of sound in requests in a window")
/* Keys that count a kind in a further dimension, which is never shared with another person: key, id, dimension, help. */
#define LIMIT_KEYS_PER(X) \
	X("tokens_per_conversation", TOKENS, "request.conversation", \
		"most tokens of one person in one conversation; window: default 31d")
/* clang-format on */

enum limit_of {
#define X(id, ...) LIMIT_##id,
	LIMIT_KINDS(X)
#undef X
		LIMIT_OF_COUNT
};

/* By enum limit_of. */
extern const struct limit_kind {
	const char *key, *name, *words;
	char letter;
	enum limit_shown shown;
	unsigned traits; /* enum limit_trait */
} limit_kinds[LIMIT_OF_COUNT];

/* The keys that state what a limit counts. Each limit has exactly one. The last row has no key. */
extern const struct limit_counted {
	const char *key;
	enum limit_of of;
	const char *per; /* NULL, or a dimension in addition to `per` */
} limit_counted[];

/* Returns the kind with this name, or NULL. `name` may be NULL. */
const struct limit_kind *limit_kind_named(const char *name);
/* Appends the keys whose kinds have all of the traits `with` and none of `without`: "requests, tokens or usd". With `own`,
 * only keys without a dimension of their own. */
void limit_keys_put(struct buf *out, unsigned with, unsigned without, bool own);

static inline bool
limit_has(enum limit_of of, unsigned traits)
{
	return (limit_kinds[of].traits & traits) != 0;
}

#endif
