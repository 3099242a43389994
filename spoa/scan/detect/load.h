/* What the two halves of the loader share. Not included outside load*.c. */
#ifndef SCAN_DETECT_LOAD_H
#define SCAN_DETECT_LOAD_H

#include "base/codec/yaml.h"
#include "scan/detect/engine.h"

struct definition {
	struct span name, text;
};

struct loader {
	struct arena *a;   /* the rule set's */
	struct arena tree; /* YAML nodes, until all files are loaded */
	const char *file;  /* that is loaded, in the rule set's arena */
	struct diag *d;
	struct detect_rules *r;
	size_t nliterals;
	bool full;			    /* of literals, and it was said */
	uint16_t alike[1u << LITERAL_BITS]; /* literals of each hash */
	struct definition defs[16];
	size_t ndefs;
};

/* ---- load.c ---- */

/* A node's value; what else it is is said, with its place. Texts are in the arena, and no NULL.
 */
struct span load_text(struct loader *l, const struct yaml_node *n, const char *what);
float load_number(struct loader *l, const struct yaml_node *n, const char *what);
bool load_bool(struct loader *l, const struct yaml_node *n, const char *what);
bool load_is(
	struct loader *l, const struct yaml_node *n, enum yaml_kind kind, const char *what);

/* ---- load_patterns.c ---- */

/* `define`, `check` and `patterns` of a rule file. */
void load_patterns(struct loader *l, const struct yaml_node *root, uint16_t entity);
/* The pattern with that index of a policy's own class. */
void load_own_pattern(
	struct loader *l, const struct yaml_node *at, unsigned index, uint16_t entity);

#endif
