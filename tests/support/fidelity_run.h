/* What redaction does to the documents of fidelity_docs.h, measured: values that stay, values
 * of which a part stays, bytes that go and belong to no value, and whether the placeholders
 * give the document back. owner: the test program. */
#ifndef SUPPORT_FIDELITY_RUN_H
#define SUPPORT_FIDELITY_RUN_H

#include "support/fidelity_docs.h"

/* The ways a document is read. */
enum fidelity_way {
	WAY_WHOLE, /* as the text of a request is: scanned as one, mentions of its values too */
	WAY_STREAM, /* as the text of a streamed response is: in pieces, cut somehow */
	WAYS,
};
extern const char *const fidelity_ways[WAYS];

struct fidelity_count {
	size_t bytes, values;
	size_t missed[WAYS]; /* values no byte of which goes */
	size_t cut[WAYS];    /* values of which a part goes */
	size_t over[WAYS];   /* bytes that go and belong to no value */
};

struct fidelity_result {
	size_t documents;
	struct fidelity_count all, kind[DOCS_KINDS_MAX], entity[DOCS_VALUES_MAX];
	size_t restored, not_restored; /* documents of WAY_WHOLE */
	size_t cuts_differ; /* documents that two ways of cutting a stream redact differently */
	size_t guard_differs;	   /* responses in which the guard takes something else */
	size_t stream_only_missed; /* values that WAY_STREAM alone misses or cuts */
};

/* Makes documents from `seed` until they have `bytes`, and measures them. `show`: prints each
 * fault that is found, at most so many of each entity and way. */
void fidelity_run(uint64_t seed, size_t bytes, unsigned show, struct fidelity_result *out);

#endif
