/* A policy's own detectors: words, patterns, a dictionary, fingerprints of documents. The
 * policy fills struct detect_own for each class. detect_load_with() compiles the classes and
 * the rule files into one rule set, and scans report findings of both alike. */
#ifndef SCAN_DETECT_CUSTOM_CUSTOM_H
#define SCAN_DETECT_CUSTOM_CUSTOM_H

#include "base/codec/yaml.h"
#include "scan/detect/rules/entities.h"

enum {
	OWN_CLASSES = 64,
	OWN_PATTERNS = 256,   /* in a class */
	OWN_FINGERPRINTS = 8, /* lists in a policy */
	OWN_SHINGLES = 3,     /* default number of different shingles for a finding */
};
/* Score of a match (0..1), and the increase near a context word. A run of fingerprints scores
 * the fraction of its words that are in known shingles. */
#define OWN_SCORE 0.6f
#define OWN_BOOST 0.35f

/* One class. The policy owns nodes and strings; they are borrowed while detect_load_with()
 * runs. */
struct detect_own {
	const struct yaml_node *at; /* the class's place in the policy, for messages */
	const char *class, *entity;
	float threshold;
	bool exact_case; /* compare words and dictionary terms with their case */
	const struct yaml_node *words, *patterns, *context,
		*against;		       /* a text or a list; NULL: none */
	const char *dictionary, *fingerprints; /* file names; NULL: none */
	const struct yaml_node *dictionary_at, *fingerprints_at;
	unsigned shingles;
};

/* All classes of a policy. */
struct detect_extra {
	/* sorted by name, so that their order in the policy does not matter */
	const struct detect_own *v;
	size_t n;
};

/* Reports the costs of own detectors: the measured time of patterns without a literal (µs per
 * KB of text), and the size of dictionaries and fingerprint lists. `note` is called once a
 * remark; `text` is valid during the call.  */
void detect_own_costs(const struct detect_rules *r,
	void (*note)(void *arg, const struct yaml_node *at, const char *text), void *arg);

/* A list of fingerprints is this line, then the lines of fingerprint_make(). */
#define FINGERPRINT_HEAD "# tollgate fingerprints 1"
enum { SHINGLES_MAX = 1000000 }; /* fingerprints in a list */
/* Appends the fingerprints of a document, one a line of 16 hexadecimal digits. Returns their
 * number. */
size_t fingerprint_make(struct span text, struct buf *out);

/* Appends pieces of a sample text for measurements until `out` has at least `bytes` bytes. The text is
 * equal in every run: e-mail, prose, code, logs, tables and JSON in the proportions of a company's
 * prompts, with varying numbers and names. */
void sample_text(struct buf *out, size_t bytes);

#endif
