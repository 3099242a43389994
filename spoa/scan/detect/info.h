/* The contents of a rule set, for commands that list, test and time it. Strings and spans are
 * valid as long as the rules. */
#ifndef SCAN_DETECT_INFO_H
#define SCAN_DETECT_INFO_H

#include "scan/detect/detect.h"

struct detect_info {
	const char *name, *class, *source;
	float threshold;
	size_t patterns, examples;
	size_t context, against; /* numbers of context words, and of words against */
	float boost;		 /* increase of the score by a context word */
	bool own;		 /* from a policy's class */
};
void detect_info(const struct detect_rules *r, size_t entity, struct detect_info *out);

/* Sets *out to number `nth` of the general entities that directly contain an entity. Returns
 * false after the last. */
bool detect_entity_is(const struct detect_rules *r, size_t entity, size_t nth, size_t *out);

struct detect_pattern_info {
	const char *name, *regex;
	const char *check; /* name of its validator; "": it has none */
	const char *proof; /* description of the validator's rule; "": it has none */
	const char *start; /* literal, digits, byte, anywhere */
	float score;
};
/* Sets *out to pattern number `nth` of an entity. Returns false after the last. */
bool detect_pattern_info(const struct detect_rules *r, size_t entity, size_t nth,
	struct detect_pattern_info *out);
/* Calls `each` with each literal at which a pattern of the entity begins. */
void detect_literals(const struct detect_rules *r, size_t entity,
	void (*each)(void *arg, struct span literal), void *arg);
/* Sets *out to word number `nth` of an entity's context words, or of its words against. Returns
 * false after the last. */
bool detect_context_word(const struct detect_rules *r, size_t entity, bool against, size_t nth,
	struct span *out);

struct detect_example {
	struct span text, find; /* find.p NULL: nothing may be found in the text */
	const char *file;
	unsigned line, column;
};
/* Sets *out to example number `nth` of an entity. Returns false after the last. */
bool detect_example(
	const struct detect_rules *r, size_t entity, size_t nth, struct detect_example *out);

#endif
