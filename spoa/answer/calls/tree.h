/* A small JSON document as a tree, to be written again with parts of it changed. Bytes of parts
 * that are not changed stay as they are. All memory is the arena's; the tree borrows from
 * `raw`. owner: worker. */
#ifndef ANSWER_CALLS_TREE_H
#define ANSWER_CALLS_TREE_H

#include "answer/format.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/codec/json.h"

/* A value, with its key if it is a member of an object. */
struct node {
	enum json_tok tok; /* JSON_OBJECT, JSON_ARRAY, or the token of a value */
	size_t start, end; /* offsets in the document, quotes and brackets included */
	struct span key;   /* decoded; p NULL: not a member */
	/* the key as it came, with its quotes; p NULL: we added the member */
	struct span written;
	struct tree *of;
	struct node *up, *first, *last, *next;
	const struct answer_node *rows; /* rows of the format with this path; NULL: none */
	struct span with;		/* JSON that replaces the node; p NULL: not replaced */
	bool escaped;			/* a string with escapes */
	bool cased;			/* its key has a capital or a non-ASCII byte */
	bool gone;			/* removed */
	/* the node, or a node inside it, is replaced, added or removed */
	bool changed;
};

/* A document. Nodes refer to it, so it must not move. */
struct tree {
	struct arena *a;
	struct span raw;
	struct node *root;
	bool odd; /* the tree is odd: readers may differ in the calls that they find */
};

/* Parses `raw` into *t. Unpaired halves of surrogate pairs are accepted. Returns 0, ERR_NOMEM
 * or the parser's error. */
int tree_read(struct tree *t, struct arena *a, struct span raw);
/* Likewise, and attaches the rows of the format. On the paths that lead to a call, these make
 * the tree odd: a key that differs from a row's by case alone, and a list in place of an object
 * or the reverse. */
int tree_read_as(
	struct tree *t, struct arena *a, struct span raw, const struct answer_format *f);
/* Returns the node after `n` in the order of the bytes, below `within`; NULL: none. `n` equal
 * to `within` starts the walk. */
struct node *tree_next(const struct node *n, const struct node *within);
/* Returns the member named `key`, the last one if several have the name. NULL: none, or
 * `object` is NULL or not an object. A key that differs by case alone, as Go's encoding/json
 * accepts, is not returned; if it may matter for calls, it makes the tree odd. */
struct node *tree_member(const struct node *object, const char *key);
/* Returns the first element of an array, or NULL. */
struct node *tree_elements(const struct node *array);
/* Returns the bytes of the node as they came; n NULL: "". */
struct span tree_raw(const struct tree *t, const struct node *n);
/* Returns the decoded string, or "" if the node is not a string. p NULL: out of memory. */
struct span tree_text(const struct tree *t, const struct node *n);
/* Returns true if the node is a string equal to `word`. */
bool tree_is(const struct tree *t, const struct node *n, const char *word);
/* Returns the first element of a list, or NULL. An object in its place makes the tree odd,
 * because some clients take its members for elements. */
struct node *tree_list(const struct node *array);
/* Returns an unsigned integer, or `otherwise` if the node is not one. */
uint64_t tree_number(const struct tree *t, const struct node *n, uint64_t otherwise);

/* ---- changes; if memory is out, the arena is marked as failed ---- */

/* Replaces the node with JSON, which must outlive the tree. */
void tree_put(struct node *n, struct span json);
/* Replaces the node with JSON as json_put_form() writes it; n NULL: does nothing. */
void tree_put_form(struct node *n, const char *form, ...);
/* Appends to a string. A node that is not a string is replaced by the text. */
void tree_append_text(struct node *n, struct span text);
/* Adds a member, or an element of an array. NULL: out of memory. */
struct node *tree_add(
	const struct tree *t, struct node *container, const char *key, struct span json);
/* Removes the node from its array or object. */
void tree_cut(struct node *n);
/* Returns true if no member or element of the node is left. */
bool tree_is_empty(const struct node *container);
/* Appends the node to *out, with all changes. */
void tree_write(const struct tree *t, const struct node *n, struct buf *out);

#endif
