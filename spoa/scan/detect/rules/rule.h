/* The inside of a rule set: load.c builds it from YAML, scan.c runs it. Private to detect/.
 * Everything is in the rule set's arena and immutable after loading, so all threads share
 * it. */
#ifndef SCAN_DETECT_RULES_RULE_H
#define SCAN_DETECT_RULES_RULE_H

#include "base/arena.h"
#include "scan/detect/context/context.h"
#include "scan/detect/context/context_index.h"
#include "scan/detect/prefilter/prefilter.h"
#include "scan/detect/rules/entities.h"

enum { DETECT_PATTERNS_MAX = 4096, OPEN_SLOTS = 1024 };

/* Finders of names/, which recognize an entity by its words. */
enum finder {
	FIND_PERSON,
	FIND_PLACE,
	FIND_NATION,
	FIND_ORGANISATION,
	FIND_FACILITY,
	FIND_STREET,
	FINDERS
};

/* A test case of an entity in the YAML. */
struct example {
	const struct yaml_node *at;
	struct span text, find, before; /* find.p NULL: the text must not contain the entity */
};

/* An entity. Owner: the rule set; at most DETECT_ENTITIES_MAX. */
struct entity_rule {
	const char *name, *class;
	const char *source;
	/* indexes of the more general entities that directly contain this one; the graph has no
	 * cycle */
	const uint16_t *is;
	size_t nis;
	/* The entity is a policy's own class. Its findings win overlaps; of a finding that it
	 * covers only partly, the rest stays a finding. */
	bool own;
	float threshold;
	bool yields;	 /* gives way to a value that follows the entity's own name */
	bool separators; /* 1111-2222 and 11112222 are one value */
	/* which values, once found, are searched for in the whole request */
	enum spreads spreads;
	struct context_rule context;
	/* published sample values, folded to upper-case letters and digits */
	const struct span *samples;
	size_t nsamples;
	const struct example *examples;
	size_t nexamples;
	/* own classes: a hash of the words in the policy, and whether a file has more */
	uint64_t terms;
	bool terms_in_file;
};

/* The first n bytes of a literal. */
struct literal_begin {
	const struct literal *literal;
	uint16_t n;
};

/* Patterns and literals that the end of a text can cut before anything identifies them
 * (open_scan()). */
struct open_index {
	/* Prefixes of literals that contain a separator, in buckets by a hash of their last two
	 * bytes in lower case: bucket h is v[begins[h]] to v[begins[h + 1] - 1]. */
	struct literal_begin *v;
	uint16_t begins[OPEN_SLOTS + 1];
	uint64_t alone[4]; /* bit set of the one-byte prefixes */
	/* patterns that can begin before their digits or their byte, across a separator */
	uint16_t *patterns;
	size_t npatterns;
	bool digits; /* some pattern begins at a digit */
};

/* A rule set. Owner: the policy generation that loaded it. */
struct detect_rules {
	struct arena arena;
	struct entity_rule *entities;
	size_t nentities;
	struct pattern *patterns;
	size_t npatterns;
	struct prefilter prefilter;
	/* indexes of patterns that need no start condition and run at every place */
	uint16_t *anywhere;
	size_t nanywhere;
	/* indexes of patterns that are tried where words of seed phrases follow each other */
	uint16_t *seeds;
	size_t nseeds;
	bool any_keyed;
	/* Bit numbers of an entity's context lists in context_index; CONTEXT_NONE: not in the
	 * index. */
	uint8_t context_bit[DETECT_ENTITIES_MAX], against_bit[DETECT_ENTITIES_MAX];
	/* the highest score of patterns that need context */
	float context_best[DETECT_ENTITIES_MAX];
	struct context_index context_index;
	struct open_index open;
	/* maximum length in bytes of a finding of the policy's own classes */
	size_t own_reach;
	struct custom *custom;		 /* the policy's own words; NULL: none */
	const struct names_table *names; /* NULL: no entity has a finder */
	/* loaded from a file instead of the compiled-in table; NULL: not loaded */
	struct names_table *names_own;
	uint16_t finders[FINDERS]; /* index of the finder's entity plus 1; 0: none */
	/* the compiled patterns, words and names belong to another rule set */
	bool borrows;
	char version[65];
};

#endif
