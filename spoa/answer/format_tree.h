/* The rows of a format as a tree that its reader descends with the document. */
#ifndef ANSWER_FORMAT_TREE_H
#define ANSWER_FORMAT_TREE_H

#include <stdbool.h>

#include "answer/format.h"

struct answer_node {
	struct span key;
	const struct answer_row
		*rows; /* of this path, the first; NULL: only a step on the way */
	size_t nrows;
	const struct answer_row *call; /* its READ_CALL, which is none of them */
	bool calls;		       /* it is a part of a call, or one is in it */
	bool is_type;		       /* format.type's */
	bool joined;		       /* an array whose elements are one text: [+] */
	bool counts;		       /* usage_key_counts() */
	const struct answer_node *members, *next;
	const struct answer_node *element; /* of an array */
};

/* Any thread; lives as long as the program. NULL: out of memory. */
const struct answer_node *answer_tree(const struct answer_format *f);
/* The member of that name; NULL: no row's path leads there. n may be NULL. */
const struct answer_node *answer_member(const struct answer_node *n, struct span key);
/* Whether events of this type are those that a row means: "*x": a type that has x in it. */
bool answer_type_is(struct span type, const char *row);
/* The row of a value in an event of this type; NULL: none. n may be NULL. */
static inline const struct answer_row *
answer_row_of(const struct answer_node *n, struct span type)
{
	for (size_t i = 0; n && i < n->nrows; i++)
		if (!n->rows[i].event || answer_type_is(type, n->rows[i].event))
			return &n->rows[i];
	return NULL;
}
/* The literal of a member of an object: 0, 0.0 and 0e1 are one number, of however many digits;
 * UINT32_MAX: it is none of a choice, item or call. */
uint32_t answer_number(struct span literal);

#endif
