/* Makes everyday documents with labelled values from the templates in tests/data/fidelity/.
 *
 * values.txt there says how a value of each entity is made, and each other NAME.txt is a kind
 * of document; both files explain their format. A document follows from its seed alone. The
 * program exits with a message if a file has a mistake. owner: the test program. */
#ifndef SUPPORT_FIDELITY_DOCS_H
#define SUPPORT_FIDELITY_DOCS_H

#include "base/buf.h"

enum { DOCS_LABELS_MAX = 65536, DOCS_KINDS_MAX = 96, DOCS_VALUES_MAX = 512 };

/* A value that a document holds: bytes [start, end) of its text. */
struct docs_label {
	size_t start, end;
	unsigned entity; /* index for docs_entity() */
};

struct docs_document {
	struct buf text;
	struct docs_label *labels; /* in the order of the text, not overlapping */
	size_t n;
};

/* Reads the folder once, at the first call of any function; it is `tests/data/fidelity`. */
size_t docs_kinds(void);
const char *docs_kind(size_t kind);
size_t docs_entities(void);
const char *docs_entity(size_t entity);

/* Makes one document of that kind into *d, which holds the one before or is zeroed. */
void docs_make(size_t kind, uint64_t seed, struct docs_document *d);
void docs_document_free(struct docs_document *d);

/* The next number of a generator whose state is *state (splitmix64). */
uint64_t docs_random(uint64_t *state);

#endif
