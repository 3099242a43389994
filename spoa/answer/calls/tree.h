/* A small JSON document as a tree, to be written again with some of it changed: what is not
 * touched stays byte for byte. All of it lives in an arena. owner: worker. */
#ifndef ANSWER_CALLS_TREE_H
#define ANSWER_CALLS_TREE_H

#include "answer/format_tree.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/codec/json.h"

struct node {
	enum json_tok tok;   /* JSON_OBJECT, JSON_ARRAY, or a value */
	size_t start, end;   /* in the document, with quotes and brackets */
	struct span key;     /* of a member, decoded */
	struct span written; /* the same with its quotes, as it came; p NULL: it is ours */
	struct tree *of;
	struct node *up, *first, *last, *next;
	const struct answer_node *rows; /* of its format, that name it; NULL: none do */
	struct span with;		/* takes its place; p NULL: nothing does */
	bool escaped;			/* a string with escapes */
	bool cased;			/* its key has a capital, or is not all ASCII */
	bool gone;			/* it is taken out */
	bool changed;			/* something in it is */
};

struct tree {
	struct arena *a;
	struct span raw;
	struct node *root;
	bool odd; /* some readers, and not all, find what was asked for */
};

/* Views of `raw`. Halves of surrogate pairs pass. 0, ERR_NOMEM or the parser's error. */
int tree_read(struct tree *t, struct arena *a, struct span raw);
/* The same with the rows of its format. Where those lead to a call, a key that is one of theirs
 * but for case, a list where they have an object, or the other way round, is odd. */
int tree_read_as(
	struct tree *t, struct arena *a, struct span raw, const struct answer_format *f);
/* All nodes below `within`, in the order of the bytes: the first one after it, and the next. */
struct node *tree_next(const struct node *n, const struct node *within);
/* The member of an object; NULL: it has none, or is none. One that is it but for case, as Go's
 * encoding/json takes it, is none, and the tree is odd. */
struct node *tree_member(const struct node *object, const char *key);
/* The first element of an array, or NULL. */
struct node *tree_elements(const struct node *array);
/* As it is written. */
struct span tree_raw(const struct tree *t, const struct node *n);
/* What a string spells; "": it is none. p NULL: out of memory. */
struct span tree_text(const struct tree *t, const struct node *n);
/* Whether it is a string that spells this. */
bool tree_is(const struct tree *t, const struct node *n, const char *word);
/* The elements of what has to be a list, or NULL; an object, whose members some take for them,
 * is odd. */
struct node *tree_list(const struct node *array);
/* A number without sign and fraction; `otherwise`: it is none. */
uint64_t tree_number(const struct tree *t, const struct node *n, uint64_t otherwise);

/* ---- changes: out of memory the arena has failed ---- */

/* In its place goes JSON, which outlives the tree. */
void tree_put(struct node *n, struct span json);
/* The same as json_put_form() writes it; n NULL: nowhere. */
void tree_put_form(struct node *n, const char *form, ...);
/* The string goes on with this. */
void tree_append_text(struct node *n, struct span text);
/* One more member, or element of an array. NULL: out of memory. */
struct node *tree_add(
	const struct tree *t, struct node *container, const char *key, struct span json);
/* It is taken out of its array or object. */
void tree_cut(struct node *n);
/* Whether anything is left in it. */
bool tree_is_empty(const struct node *container);
/* The document as it is now. */
void tree_write(const struct tree *t, const struct node *n, struct buf *out);

#endif
