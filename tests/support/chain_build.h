/* Builds chains for tests: a fixed key, fixed times, commits of given sizes. */
#ifndef TESTS_CHAIN_BUILD_H
#define TESTS_CHAIN_BUILD_H

#include <inttypes.h>
#include <stdio.h>

#include "base/err.h"
#include "store/verify.h"

#define CHAIN_BUILD_TIME INT64_C(1800000000000000000)

struct chain_build {
	struct chain chain;
	struct signkey key;
	struct buf out;
	uint64_t first; /* of the commit that is open */
};

static inline void
chain_build_init(struct chain_build *b, const char *node)
{
	unsigned char seed[32] = "a seed of tests, known to all";

	memset(b, 0, sizeof(*b));
	snprintf(b->chain.node, sizeof(b->chain.node), "%s", node);
	signkey_from_seed(seed, &b->key);
	buf_init(&b->out, 0);
	b->first = 1;
}

static inline void
chain_build_free(struct chain_build *b)
{
	buf_free(&b->out);
}

static inline void
chain_build_record(struct chain_build *b, const char *fields)
{
	chain_record(&b->out, &b->chain, CHAIN_BUILD_TIME + (int64_t)b->chain.seq * 1000000,
		span_str(fields));
}

static inline void
chain_build_commit(struct chain_build *b)
{
	chain_commit(&b->out, &b->chain, b->first,
		CHAIN_BUILD_TIME + (int64_t)b->chain.seq * 1000000, &b->key);
	b->first = b->chain.seq + 1;
}

/* The boot record and its commit. */
static inline void
chain_build_boot(struct chain_build *b)
{
	b->chain.boot++;
	chain_build_record(b, "\"type\":\"boot\",\"program\":\"test\"");
	chain_build_commit(b);
}

/* n records in one commit. */
static inline void
chain_build_add(struct chain_build *b, size_t n)
{
	char fields[256];

	for (size_t i = 0; i < n; i++) {
		snprintf(fields, sizeof(fields),
			"\"type\":\"decision\",\"id\":\"id-%" PRIu64
			"\",\"decision\":\"permit\"",
			b->chain.seq + 1);
		chain_build_record(b, fields);
	}
	chain_build_commit(b);
}

/* Feeds text line by line; what follows the last newline is torn. */
static inline struct verify_result
chain_verify_text(const struct verify_options *o, struct span text)
{
	struct verifier *v = verifier_new(o);
	struct verify_result r;

	INVARIANT(v);
	while (text.n) {
		size_t at = span_chr(text, '\n');
		if (at == text.n) {
			verifier_torn(v, text.n);
			break;
		}
		verifier_line(v, span_cut(text, 0, at));
		text = span_cut(text, at + 1, text.n);
	}
	verifier_end(v, &r);
	verifier_free(&v);
	return r;
}

#endif
