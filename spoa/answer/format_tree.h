/* The rows of a format as a tree, which a reader descends along with the document. */
#ifndef ANSWER_FORMAT_TREE_H
#define ANSWER_FORMAT_TREE_H

#include <stdbool.h>

#include "answer/format.h"

/* A step of a path: a key of an object, or the elements of an array. */
struct answer_node {
	struct span key;
	const struct answer_row *rows; /* the first row with this path; NULL: an inner node */
	size_t nrows;
	const struct answer_row *call; /* the path's READ_CALL row, which is not among `rows` */
	bool calls;		       /* a call, or a part of one, is here or below */
	bool is_type;		       /* the path of format.type */
	bool joined;		       /* an array whose elements form one text: [+] */
	bool counts;		       /* usage_key_counts() of the key */
	const struct answer_node *members, *next;
	const struct answer_node *element; /* an array's elements; NULL: none */
};

/* Returns the root of the format's tree, built at the first call. Any thread. The tree is never
 * freed. NULL: out of memory. */
const struct answer_node *answer_tree(const struct answer_format *f);
/* Returns the member with this key, or NULL if no row's path leads there. n may be NULL. */
const struct answer_node *answer_member(const struct answer_node *n, struct span key);
/* Returns true if an event's type matches a row's `event`. "*x" matches types that contain
 * x. */
bool answer_type_is(struct span type, const char *row);
/* Returns the row of a value in an event of this type, or NULL. n may be NULL. */
static inline const struct answer_row *
answer_row_of(const struct answer_node *n, struct span type)
{
	for (size_t i = 0; n && i < n->nrows; i++)
		if (!n->rows[i].event || answer_type_is(type, n->rows[i].event))
			return &n->rows[i];
	return NULL;
}
/* Returns the value of a JSON number that identifies a choice, item or call. 0, 0.0 and 0e1 are
 * equal. UINT32_MAX: not such a number. */
uint32_t answer_number(struct span literal);

#endif
