/* Generated tables for tests that process one text in several ways: each kind of separator and
 * quoting, with values that are findings only because of the names in the header. */
#ifndef TESTS_SUPPORT_TABLE_DOCS_H
#define TESTS_SUPPORT_TABLE_DOCS_H

#include "base/buf.h"
#include "base/mem.h"

enum { DOC_KINDS = 9, DOC_SHAPES = 9 };

struct doc_kind {
	const char *name, *begin, *cut, *end, *ruler;
};

extern const struct doc_kind doc_kinds[DOC_KINDS];

/* The text around the table, and the form of its rows. */
struct doc_shape {
	const char *name, *before, *after;
	unsigned note; /* approximate bytes of the last column */
	/* reading in parts finds more, because a cell is read before its row is too long */
	bool more;
	bool second; /* another table follows, with its columns in reverse order */
};

extern const struct doc_shape doc_shapes[DOC_SHAPES];

/* Appends to `b` a text of the kind and shape, with tables of `rows` rows. */
void doc_put(struct buf *b, uint64_t *random, const struct doc_kind *k,
	const struct doc_shape *s, size_t rows);

#endif
