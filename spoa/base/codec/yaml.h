/* Loads YAML (libyaml's events, YAML 1.2 core scalars) as a tree with positions: every node has
 * its file, line and column, so that an error can name them. Refused: duplicate keys, keys that
 * are not scalars, several documents, tags, recursive anchors, NUL characters, and files over
 * the limits of base/caps.h. */
#ifndef BASE_CODEC_YAML_H
#define BASE_CODEC_YAML_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };
enum yaml_style { YAML_PLAIN, YAML_SINGLE, YAML_DOUBLE, YAML_BLOCK };

/* One node of a tree. owner: the arena of the load. */
struct yaml_node {
	enum yaml_kind kind;
	const char *file;
	unsigned line, column; /* from 1; columns count characters */
	bool quoted; /* scalar: false if the text may be a number, bool or null */
	enum yaml_style style; /* scalar: its form in the source */
	/* scalar on one line: characters in the source, quotes included; otherwise 0 */
	unsigned width;
	struct span s;	/* scalar: its text, with a NUL after it */
	struct yaml_node *key; /* in a mapping: this child's key */
	struct yaml_node *child, *next;
	size_t count; /* number of children */
};

/* All errors of one load, each as "file:line:column: message\n". */
struct diag {
	struct buf text;
	unsigned errors;
	/* the files and folders that the load depends on, each with a NUL after it */
	struct buf files;
	struct buf rotating; /* those of `files` that hold keys, tokens, certificates or secrets */
};

enum { DIAG_BYTES = 1 << 20 };

void diag_init(struct diag *d);
void diag_free(struct diag *d);
/* Combines diag_init() and diag_free() (base/scoped.h). */
#define SCOPED_DIAG(name)                                                                      \
	__attribute__((cleanup(diag_free))) struct diag name = { .text.cap = DIAG_BYTES,       \
		.files.cap = DIAG_BYTES, .rotating.cap = DIAG_BYTES }
/* Notes a file or folder that the load depends on. yaml_load_file() does so itself. */
void diag_reads(struct diag *d, const char *file);
/* As diag_reads(), for a file with keys, tokens, certificates or secrets, which may change
 * without an order (FILE_ROTATES in base/file_set.h). */
void diag_rotates(struct diag *d, const char *file);
/* Returns true if `files`, a list of names in a diag, contains the file. */
bool diag_names(struct span files, struct span file);
__attribute__((format(printf, 3, 4))) void diag_at(
	struct diag *d, const struct yaml_node *n, const char *fmt, ...);
/* Adds an error about the whole file, at position 1:1. */
#define diag_file(d, name, ...)                                                                \
	diag_at((d), &(struct yaml_node){ .file = (name), .line = 1, .column = 1 }, __VA_ARGS__)
/* Sorts the errors by position. Files stay in the order in which they first appear. */
void diag_sort(struct diag *d);
/* Adds an error at a place inside a scalar's text. `line` and `column` are from 1, in characters
 * of the decoded text, as the compiler of an expression reports them. If the place cannot be
 * found in the source, the error has the scalar's position, and the message has the place. */
__attribute__((format(printf, 5, 6))) void diag_within(struct diag *d,
	const struct yaml_node *n, unsigned line, unsigned column, const char *fmt, ...);

/* Returns the root node, or NULL with the errors in *d. The nodes are in the arena. */
struct yaml_node *yaml_load(
	struct arena *a, const char *file, struct span text, struct diag *d);
struct yaml_node *yaml_load_file(struct arena *a, const char *file, struct diag *d);
/* As yaml_load_file(), for a file of keys (diag_rotates). */
struct yaml_node *yaml_load_rotating(struct arena *a, const char *file, struct diag *d);
/* Returns the value of a key of a mapping, or NULL if the key is absent or n is not a mapping. */
struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

/* The value of a scalar by YAML 1.2 core (10.3.2). Return false if the node has another type.
 * Quoted scalars are only strings. "yes" and "on" are not bools, and 0777 is not octal. */
bool yaml_is_null(const struct yaml_node *n);
bool yaml_bool(const struct yaml_node *n, bool *out);
bool yaml_int(const struct yaml_node *n, int64_t *out);
bool yaml_double(const struct yaml_node *n, double *out); /* integers too */
/* Iterate over the items of a sequence, or over any other node as the only item:
 *   for (c = yaml_first(n); c; c = yaml_next(n, c)) */
static inline const struct yaml_node *
yaml_first(const struct yaml_node *n)
{
	return n->kind == YAML_SEQUENCE ? n->child : n;
}
static inline const struct yaml_node *
yaml_next(const struct yaml_node *n, const struct yaml_node *item)
{
	return n->kind == YAML_SEQUENCE ? item->next : NULL;
}
/* Returns a scalar's text, or the name of the node's type, for messages. */
const char *yaml_found(const struct yaml_node *n);
/* Returns "a string", "a number", "true or false", "a list", "a mapping" or "nothing". */
const char *yaml_type_name(const struct yaml_node *n);

#endif
