/* What a scan is asked for, and what it finds. */
#ifndef SCAN_DETECT_RULES_FINDING_H
#define SCAN_DETECT_RULES_FINDING_H

#include "base/span.h"

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
/* Who found it, in the upper bits: 0 the rules, n the policy's n-th recognizer. */
#define FINDING_SOURCE_SHIFT 12
#define FINDING_SOURCES	     15

struct findings {
	struct finding *v; /* sorted by start, not overlapping */
	size_t n;
	bool evasion; /* one is marked FINDING_EVASION, or the text holds characters that
			 hide or reorder what is shown */
};

struct detect_used;
struct column_table;
struct detect_options {
	/* NULL: all entities at their own threshold. Else one float an entity;
	 * above 1.0 switches it off. */
	const float *thresholds;
	struct span before; /* context that is before the text (a JSON key, a form field's
			       name) */
	bool inside;	    /* the text goes on from another: `before` is its context, and not
			       what is right before it */
	/* Whatever has an entity's shape, also where its validator says no, at any score:
	 * all that could match. They may overlap. */
	bool all_candidates;
	bool skip_samples; /* published samples are no findings */
	bool labeled_names; /* people's names only behind a label: "Name: Maria Lopez" */
	/* NULL: all. Otherwise findings are those of a search for all, without the entities
	 * that are not in it; a text that holds none of these costs less. */
	const struct detect_used *used;
	/* The table that this text and those before it are parts of (detect_table_new()); NULL: the
	 * text is a whole one. */
	struct column_table *table;
	bool part; /* there is more before or after: nothing follows from what is missing */
};

#endif
