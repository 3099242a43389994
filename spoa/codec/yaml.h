/* YAML (libyaml events, YAML 1.2 core scalars) as a tree with positions: every
 * node knows file:line:column, so that an error can name it. Refused: duplicate
 * keys, several documents, tags, anchors that recurse, and the caps of
 * base/caps.h. */
#ifndef CODEC_YAML_H
#define CODEC_YAML_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
	enum yaml_kind kind;
	const char *file;
	unsigned line, column; /* 1-based */
	bool quoted;	       /* scalar: plain text may be a number, bool or null */
	struct span s;	       /* scalar text, NUL behind it */
	struct yaml_node *key; /* in a mapping: this child's key */
	struct yaml_node *child, *next;
	size_t count; /* children */
};

/* Errors of one load, all of them, in order: "file:line:column: message\n". */
struct diag {
	struct buf text;
	unsigned errors;
};

void diag_init(struct diag *d);
void diag_free(struct diag *d);
__attribute__((format(printf, 3, 4))) void diag_at(struct diag *d, const struct yaml_node *n, const char *fmt, ...);
__attribute__((format(printf, 3, 4))) void diag_file(struct diag *d, const char *file, const char *fmt, ...);

/* The root node, or NULL with *d filled. Nodes live in the arena. */
struct yaml_node *yaml_load(struct arena *a, const char *file, struct span text, struct diag *d);
struct yaml_node *yaml_load_file(struct arena *a, const char *file, struct diag *d);
struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

#endif
