/* Finding entities in text: the interface behind which engines may change.
 * Rules are data (policies/detectors/ *.yaml); a rule set is immutable once
 * loaded and shared by all threads; each thread brings its own scratch. */
#ifndef DETECT_DETECT_H
#define DETECT_DETECT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"
#include "text/mention.h"

#define DETECT_ENTITIES_MAX 1024

struct detect_rules;
struct detect_scratch;

struct finding {
	uint16_t entity;   /* index for detect_entity_* */
	uint16_t flags;	   /* FINDING_* */
	float score;	   /* 0..1, context applied */
	size_t start, end; /* bytes of the text given, end exclusive */
};
#define FINDING_VALIDATED 1u  /* a checksum or grammar confirmed it */
#define FINDING_SAMPLE	  2u  /* a published sample value */
#define FINDING_OWN	  4u  /* of a policy's own class */
#define FINDING_RUN	  8u  /* a stretch of a document whose fingerprint is known */
#define FINDING_EVASION	  16u /* written so that it would not be seen: in disguise or encoded */
/* Who found it, in the upper bits: 0 the rules, n the policy's n-th recogniser. */
#define FINDING_SOURCE_SHIFT 12
#define FINDING_SOURCES	     15

struct findings {
	struct finding *v; /* sorted by start, not overlapping */
	size_t n;
	bool evasion; /* one is marked FINDING_EVASION, or the text holds characters that
			 hide or reorder what is shown */
};

/* Loads every *.yaml of `dir`, or the one file that it names; NULL loads the set compiled into
 * the program. On failure NULL, and every mistake is appended to *errors, one
 * "file:line:column: message" a line. */
struct detect_rules *detect_load(const char *dir, struct buf *errors);
/* The same with a policy's own classes (detect/custom.h); NULL: none. */
struct detect_extra;
struct detect_rules *detect_load_with(
	const char *dir, const struct detect_extra *extra, struct buf *errors);
void detect_free(struct detect_rules **r);
/* Runs every rule's own examples; 0, or the number that fail with lines in
 * *errors. */
int detect_self_test(const struct detect_rules *r, struct buf *errors);

size_t detect_entity_count(const struct detect_rules *r);
const char *detect_entity_name(const struct detect_rules *r, size_t entity);
const char *detect_entity_class(const struct detect_rules *r, size_t entity);
float detect_entity_threshold(const struct detect_rules *r, size_t entity);
/* Values of this entity are equal whatever separators they are written with (cards,
 * phones, IBANs): see text/placeholder.h. */
bool detect_entity_folds(const struct detect_rules *r, size_t entity);
/* Whether a value of this entity, found once, is that value wherever else it is: secrets
 * and identifiers, not names, dates, ages and places. Secrets are the same byte by byte, others
 * in any case, those that fold however they are separated. */
bool detect_entity_spreads(const struct detect_rules *r, size_t entity, enum mention_how *how);
/* Index by name, or -1. */
int detect_entity_find(const struct detect_rules *r, struct span name);
/* An entity that only others report (external recognisers): its index, the old one
 * where it is known already, or -1 (no such name: UPPER_CASE, up to 63 bytes; or too
 * many). Before the rules are shared between threads. */
int detect_entity_add(struct detect_rules *r, const char *name, const char *class);
/* Whether patterns of the rules find it, and nothing else does (word lists, finders): then
 * what has its shape is all that could be it. */
bool detect_entity_by_pattern(const struct detect_rules *r, size_t entity);
/* A stable hash of the rules' meaning, 64 hex digits; part of a policy's version. */
const char *detect_version(const struct detect_rules *r);

struct detect_scratch *detect_scratch_new(const struct detect_rules *r);
/* Nothing of the texts that were scanned is left in it. Some microseconds: after a request's
 * texts, not after each. */
void detect_scratch_wipe(struct detect_scratch *s);
void detect_scratch_free(struct detect_scratch **s);

struct detect_options {
	/* NULL: all entities at their own threshold. Else one float an entity;
	 * above 1.0 switches it off. */
	const float *thresholds;
	struct span before; /* context that stands before the text (a JSON key, a form field's
			       name) */
	bool inside;	    /* the text goes on from another: `before` is its context, and not
			       what stands right before it */
	/* Whatever has an entity's shape, also where its validator says no, at any score:
	 * all that could match. They may overlap. */
	bool all_candidates;
	bool skip_samples; /* published samples are no findings */
	bool part; /* more stands before or behind: nothing follows from what is missing */
};

/* Appends nothing on error. 0; ERR_LIMIT (a match limit was hit or too many
 * findings, or encodings nested too deep: the caller applies
 * on_failure.classifier); ERR_NOMEM. The findings
 * live in the arena. */
int detect_scan(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt, struct arena *a, struct findings *out);

#endif
