/* Detectors of a policy's own: words, patterns, a dictionary, fingerprints of documents.
 * The policy reads its classes into these; they compile into one rule set with the rule
 * files (detect_load_with), and what they find is a finding like any other. */
#ifndef SCAN_DETECT_CUSTOM_CUSTOM_H
#define SCAN_DETECT_CUSTOM_CUSTOM_H

#include "base/codec/yaml.h"
#include "scan/detect/rules/entities.h"

enum {
	OWN_CLASSES = 64,
	OWN_PATTERNS = 256,   /* of a class */
	OWN_FINGERPRINTS = 8, /* lists in a policy */
	OWN_SHINGLES = 3,     /* different ones that make a finding, by default */
};
/* Scores: what was found, and next to a context word. A run of fingerprints scores the
 * share of its words that is known. */
#define OWN_SCORE 0.6f
#define OWN_BOOST 0.35f

/* Nodes and strings are borrowed while detect_load_with runs. */
struct detect_own {
	const struct yaml_node *at; /* where the class is, for messages */
	const char *class, *entity;
	float threshold;
	bool exact_case; /* of words and dictionary */
	const struct yaml_node *words, *patterns, *context,
		*against;		       /* a text or a list; NULL */
	const char *dictionary, *fingerprints; /* files; NULL */
	const struct yaml_node *dictionary_at, *fingerprints_at;
	unsigned shingles;
};

struct detect_extra {
	const struct detect_own *v; /* by name, so that their order in the file is no matter */
	size_t n;
};

/* Remarks on what own detectors cost, measured now: patterns without a literal in µs per
 * KB, dictionaries and lists in terms and memory. */
void detect_own_costs(const struct detect_rules *r,
	void (*note)(void *arg, const struct yaml_node *at, const char *text), void *arg);

#endif
