/* The inside of a rule set: what load.c builds from YAML and scan.c runs. Not
 * included outside detect/. Everything lives in the rule set's arena and is
 * immutable once loaded. */
#ifndef SCAN_DETECT_RULES_RULE_H
#define SCAN_DETECT_RULES_RULE_H

#include "base/arena.h"
#include "scan/detect/context/context.h"
#include "scan/detect/context/context_index.h"
#include "scan/detect/prefilter/prefilter.h"
#include "scan/detect/rules/entities.h"

enum { DETECT_PATTERNS_MAX = 4096, OPEN_SLOTS = 1024 };

/* Parts of the program that know an entity by its words (names/). */
enum finder {
	FIND_PERSON,
	FIND_PLACE,
	FIND_NATION,
	FIND_ORGANISATION,
	FIND_FACILITY,
	FIND_STREET,
	FINDERS
};

struct example {
	const struct yaml_node *at;
	struct span text, find, before; /* find.p == NULL: nothing of this entity */
};

struct entity_rule {
	const char *name, *class;
	const char *source;
	bool own; /* a policy's: wins over others, and leaves what it does not cover */
	float threshold;
	bool yields;	 /* to a value after its own name */
	bool separators; /* 1111-2222 and 11112222 are one value */
	enum spreads spreads; /* a value found once is looked for in all of the request */
	struct context_rule context;
	const struct span *samples; /* folded: upper-case letters and digits */
	size_t nsamples;
	const struct example *examples;
	size_t nexamples;
};

/* The beginning of a literal: n bytes. */
struct literal_begin {
	const struct literal *literal;
	uint16_t n;
};

/* What a text's end may cut off before anything shows it (open.c). */
struct open_index {
	/* Beginnings of literals with a separator inside, by a hash of their last two bytes in
	 * small: those of h from begins[h] to begins[h + 1]. */
	struct literal_begin *v;
	uint16_t begins[OPEN_SLOTS + 1];
	uint64_t alone[4];  /* those of one byte */
	uint16_t *patterns; /* that begin before it, across one */
	size_t npatterns;
	bool digits; /* patterns begin at digits */
};

struct detect_rules {
	struct arena arena;
	struct entity_rule *entities;
	size_t nentities;
	struct pattern *patterns;
	size_t npatterns;
	struct prefilter prefilter;
	uint16_t *anywhere; /* patterns that no start condition finds */
	size_t nanywhere;
	bool any_keyed;
	/* The bits of an entity's lists; CONTEXT_NONE: not in the index */
	uint8_t context_bit[DETECT_ENTITIES_MAX], against_bit[DETECT_ENTITIES_MAX];
	float context_best[DETECT_ENTITIES_MAX]; /* the best of patterns that need context */
	struct context_index context_index;
	struct open_index open;
	size_t own_reach;      /* bytes that a find of the policy's own classes may have */
	struct custom *custom; /* a policy's own words; NULL: none */
	const struct names_table *names; /* NULL: no entity has a finder */
	struct names_table *names_own;	 /* where it is not the compiled-in one */
	uint16_t finders[FINDERS];	 /* the entity, and one; 0: none */
	bool borrows;			 /* patterns' code, words and names are another's */
	char version[65];
};

#endif
