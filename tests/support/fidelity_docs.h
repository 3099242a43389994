/* Makes everyday documents with labeled values from the templates in tests/data/fidelity/. In
 * that folder, values.txt defines how a value of each entity is made, and each other NAME.txt
 * is a kind of document. Both explain their format. A document depends only on its seed. The
 * program exits with a message if a file has an error. owner: the test program. */
#ifndef SUPPORT_FIDELITY_DOCS_H
#define SUPPORT_FIDELITY_DOCS_H

#include "base/buf.h"

enum { DOCS_LABELS_MAX = 65536, DOCS_KINDS_MAX = 96, DOCS_VALUES_MAX = 512 };

/* A value in a document: bytes [start, end) of its text. */
struct docs_label {
	size_t start, end;
	unsigned entity; /* index for docs_entity() */
};

struct docs_document {
	struct buf text;
	struct docs_label *labels; /* in the order of the text, without overlap */
	size_t n;
};

/* The folder is tests/data/fidelity. It is read once, at the first call of any function. */
size_t docs_kinds(void);
const char *docs_kind(size_t kind);
size_t docs_entities(void);
const char *docs_entity(size_t entity);

/* Makes one document of that kind in *d, which must be zeroed or hold an earlier document. */
void docs_make(size_t kind, uint64_t seed, struct docs_document *d);
void docs_document_free(struct docs_document *d);

/* Returns the next number of a generator (splitmix64) whose state is *state. */
uint64_t docs_random(uint64_t *state);

#endif
