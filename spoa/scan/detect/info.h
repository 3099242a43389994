/* What a rule set holds, for those who list, test and time it. Views live as long as the
 * rules. */
#ifndef SCAN_DETECT_INFO_H
#define SCAN_DETECT_INFO_H

#include "scan/detect/detect.h"

struct detect_info {
	const char *name, *class, *source;
	float threshold;
	size_t patterns, examples;
	size_t context, against; /* words */
	float boost;		 /* what a word of context adds */
	bool own;		 /* a policy's */
};
void detect_info(const struct detect_rules *r, size_t entity, struct detect_info *out);

struct detect_pattern_info {
	const char *name, *regex;
	const char *check; /* its validator's name, "" where it has none */
	const char *proof; /* what that one looks at, likewise */
	const char *start; /* literal, digits, byte, anywhere */
	float score;
};
/* Pattern number `nth` of an entity; false after the last. */
bool detect_pattern_info(const struct detect_rules *r, size_t entity, size_t nth,
	struct detect_pattern_info *out);
/* Each text that a pattern of an entity begins at. */
void detect_literals(const struct detect_rules *r, size_t entity,
	void (*each)(void *arg, struct span literal), void *arg);
/* Word number `nth` of its context, or of what speaks against it; false after the last. */
bool detect_context_word(const struct detect_rules *r, size_t entity, bool against, size_t nth,
	struct span *out);

struct detect_example {
	struct span text, find; /* find.p == NULL: nothing may be found in it */
	const char *file;
	unsigned line, column;
};
bool detect_example(
	const struct detect_rules *r, size_t entity, size_t nth, struct detect_example *out);

#endif
