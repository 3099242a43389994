/* Measures what redaction does to the documents of fidelity_docs.h: values that remain, values
 * of which a part remains, removed bytes that belong to no value, and whether restoring the
 * placeholders gives the original document. owner: the test program. */
#ifndef SUPPORT_FIDELITY_RUN_H
#define SUPPORT_FIDELITY_RUN_H

#include "support/fidelity_docs.h"

/* The ways to read a document. */
enum fidelity_way {
	/* as a request's text: scanned as one, with further mentions of its values */
	WAY_WHOLE,
	WAY_STREAM, /* as a streamed response: in pieces that are cut anywhere */
	WAYS,
};
extern const char *const fidelity_ways[WAYS];

struct fidelity_count {
	size_t bytes, values;
	size_t missed[WAYS]; /* values of which no byte is removed */
	size_t cut[WAYS];    /* values of which only a part is removed */
	size_t over[WAYS];   /* removed bytes that belong to no value */
};

struct fidelity_result {
	size_t documents;
	struct fidelity_count all, kind[DOCS_KINDS_MAX], entity[DOCS_VALUES_MAX];
	size_t restored, not_restored; /* documents of WAY_WHOLE */
	/* documents that are redacted differently with two ways of cutting the stream */
	size_t cuts_differ;
	size_t guard_differs;	   /* responses in which the guard removes other bytes */
	size_t stream_only_missed; /* values that only WAY_STREAM misses or cuts */
};

/* Makes documents from `seed` on until they have `bytes` bytes, and measures them. `show`:
 * prints each fault, at most this many for each entity and way. */
void fidelity_run(uint64_t seed, size_t bytes, unsigned show, struct fidelity_result *out);

#endif
