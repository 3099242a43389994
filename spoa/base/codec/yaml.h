/* YAML (libyaml events, YAML 1.2 core scalars) as a tree with positions: every
 * node knows file:line:column, so that an error can name it. Refused: duplicate
 * keys, keys that are no scalars, several documents, tags, anchors that recurse,
 * NUL characters, and the caps of base/caps.h. */
#ifndef BASE_CODEC_YAML_H
#define BASE_CODEC_YAML_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };
enum yaml_style { YAML_PLAIN, YAML_SINGLE, YAML_DOUBLE, YAML_BLOCK };

struct yaml_node {
	enum yaml_kind kind;
	const char *file;
	unsigned line, column; /* 1-based, columns in characters */
	bool quoted; /* scalar: false where plain text may be a number, bool or null */
	enum yaml_style style; /* scalar: how it is written */
	unsigned width; /* scalar on one line: characters of source, quotes included; else 0 */
	struct span s;	/* scalar text, NUL after it */
	struct yaml_node *key; /* in a mapping: this child's key */
	struct yaml_node *child, *next;
	size_t count; /* children */
};

/* Errors of one load, all of them: "file:line:column: message\n". */
struct diag {
	struct buf text;
	unsigned errors;
	struct buf files;    /* all files and folders that the load depends on, each with a NUL after it */
	struct buf rotating; /* those of them that hold keys, tokens, certificates or secrets */
};

enum { DIAG_BYTES = 1 << 20 };

void diag_init(struct diag *d);
void diag_free(struct diag *d);
/* As both: base/scoped.h. */
#define SCOPED_DIAG(name)                                                                      \
	__attribute__((cleanup(diag_free))) struct diag name = { .text.cap = DIAG_BYTES,       \
		.files.cap = DIAG_BYTES, .rotating.cap = DIAG_BYTES }
/* Notes a file or folder that what is loaded depends on; yaml_load_file() does so itself. */
void diag_reads(struct diag *d, const char *file);
/* The same for a file that holds keys, tokens, certificates or secrets: it may change without an
 * order (FILE_ROTATES in base/file_set.h). */
void diag_rotates(struct diag *d, const char *file);
/* Returns true if `files`, a list of names in a diag, contains the file. */
bool diag_names(struct span files, struct span file);
__attribute__((format(printf, 3, 4))) void diag_at(
	struct diag *d, const struct yaml_node *n, const char *fmt, ...);
/* About the whole file: position 1:1. */
#define diag_file(d, name, ...)                                                                \
	diag_at((d), &(struct yaml_node){ .file = (name), .line = 1, .column = 1 }, __VA_ARGS__)
/* Puts the lines in the order of their positions, files in the order in which
 * they first appear. */
void diag_sort(struct diag *d);
/* At a place inside a scalar's text (1-based line and column in characters of
 * the decoded text, as an expression's compiler reports them). Where the
 * scalar's writing does not allow the mapping: the scalar's own position, and
 * the inner one in the message. */
__attribute__((format(printf, 5, 6))) void diag_within(struct diag *d,
	const struct yaml_node *n, unsigned line, unsigned column, const char *fmt, ...);

/* The root node, or NULL with *d filled. Nodes live in the arena. */
struct yaml_node *yaml_load(
	struct arena *a, const char *file, struct span text, struct diag *d);
struct yaml_node *yaml_load_file(struct arena *a, const char *file, struct diag *d);
/* The same for a file of keys (diag_rotates()). */
struct yaml_node *yaml_load_rotating(struct arena *a, const char *file, struct diag *d);
/* The value under a key of a mapping; NULL where absent or n is no mapping. */
struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

/* Scalars by YAML 1.2 core (10.3.2): false where the node is none of that type.
 * Quoted scalars are strings only. "yes", "on" and 0777 are no bool or octal. */
bool yaml_is_null(const struct yaml_node *n);
bool yaml_bool(const struct yaml_node *n, bool *out);
bool yaml_int(const struct yaml_node *n, int64_t *out);
bool yaml_double(const struct yaml_node *n, double *out); /* integers too */
/* The items of a sequence, or any other node as the one item:
 * for (c = yaml_first(n); c; c = yaml_next(n, c)). */
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
/* For messages: a scalar's text, or what else it is. */
const char *yaml_found(const struct yaml_node *n);
/* "a string", "a number", "true or false", "a list", "a mapping", "nothing". */
const char *yaml_type_name(const struct yaml_node *n);

#endif
