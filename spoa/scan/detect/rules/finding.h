/* The options of a scan, and its findings. */
#ifndef SCAN_DETECT_RULES_FINDING_H
#define SCAN_DETECT_RULES_FINDING_H

#include "base/span.h"

/* One finding. Findings are owned by the scratch or the caller's arena. */
struct finding {
	uint16_t entity;   /* index for detect_entity_*() */
	uint16_t flags;	   /* FINDING_* */
	float score;	   /* 0..1, after context was applied */
	size_t start, end; /* byte offsets in the scanned text; end exclusive */
};
#define FINDING_VALIDATED 1u  /* confirmed by a checksum or a grammar */
#define FINDING_SAMPLE	  2u  /* a published sample value */
#define FINDING_OWN	  4u  /* found by a policy's own class */
#define FINDING_RUN	  8u  /* part of a document whose fingerprint is known */
#define FINDING_EVASION	  16u /* obfuscated or encoded to avoid detection */
/* The source of a finding, in the upper bits of flags. 0: the rules; n: the policy's n-th
 * recognizer. */
#define FINDING_SOURCE_SHIFT 12
#define FINDING_SOURCES	     15

struct findings {
	struct finding *v; /* sorted by start, without overlaps */
	size_t n;
	/* a finding has FINDING_EVASION, or the text contains characters that hide or reorder
	 * text */
	bool evasion;
};

struct detect_used;
struct column_table;
/* The options of one scan; all zero is valid. */
struct detect_options {
	/* NULL: each entity's own threshold. Otherwise one float for each entity; a value above
	 * 1.0 disables the entity. */
	const float *thresholds;
	/* context before the text, such as a JSON key or the name of a form field */
	struct span before;
	/* the text continues another text: `before` is context, but does not directly precede
	 * the text */
	bool inside;
	/* Report every value with the shape of an entity, even if the validator rejects it, and
	 * with any score. Such findings may overlap. */
	bool all_candidates;
	bool skip_samples; /* ignore published sample values */
	bool labeled_names; /* find people's names only after a label: "Name: Maria Lopez" */
	bool identifier; /* the text is a name, id or word of a protocol: only patterns are
			  * searched for, not lists of words */
	/* NULL: search for all entities. Otherwise only for those in the set. The result is the
	 * same as that of a full search without the other entities; texts that contain none of
	 * them cost less. */
	const struct detect_used *used;
	/* The table of which this text and the texts before are parts (detect_table_new()).
	 * NULL: the text is complete. */
	struct column_table *table;
	bool part; /* the text is a part: nothing follows from the absence of content */
};

#endif
