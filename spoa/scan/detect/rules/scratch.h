/* The memory of a scan, which its stages share. The rule set is immutable; stages append
 * candidates to the scratch. A stage is a function of rules, scratch, text and options that
 * calls scratch_keep() with byte offsets in the text. pipeline.c runs the stages and resolves
 * overlaps. Private to detect/. */
#ifndef SCAN_DETECT_RULES_SCRATCH_H
#define SCAN_DETECT_RULES_SCRATCH_H

#include "scan/detect/rules/finding.h"
#include "scan/detect/rules/rule.h"

enum {
	KEYED_TEXT = 1024, /* bytes of the text that are tried together with the key */
	KEYED_ROOM = CONTEXT_BYTES + 1 + KEYED_TEXT,
	KNOWN_NAMES = 64,
	NAME_CELLS = 32,
};

struct view_part;

/* Hashes of people's names that were found, so that later mentions are found too. */
struct known_names {
	uint64_t v[KNOWN_NAMES];
	uint32_t at[KNOWN_NAMES]; /* offset in the text where the name was found */
	size_t n;
};

/* The column whose cells are read, if its header may name people. */
struct name_column {
	struct span name; /* the header's field; compared by its address */
	bool key, weak;	  /* the header names people; or perhaps something else */
	bool beside;	  /* a key of personal data is in the same header */
	size_t cells, names;   /* number of cells so far, and of those that look like names */
	size_t n;	       /* cells that are names if most others are */
	size_t start[NAME_CELLS], end[NAME_CELLS];
};

/* Owner: one worker thread; reused for all its scans. */
struct detect_scratch {
	const struct detect_rules *rules;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
	pcre2_match_data *data;
	/* by pattern: free_base plus the offset where its last match ended */
	size_t *free_from;
	/* marks of earlier texts are at most this value, so they need not be cleared */
	size_t free_base;
	struct finding *v; /* candidates */
	size_t n, room;
	char *keyed;		      /* buffer for `before` + "=" + text */
	struct columns columns;	      /* columns of the current text */
	struct name_column name_column; /* names.h: names_cell() */
	struct context_state near_by; /* context of the current text */
	struct scan_open {
		const char *of; /* the text that continues after its end; NULL: none */
		/* matches that begin before this offset were reported earlier */
		size_t least;
		size_t from; /* offset of the first match that more text could change */
		/* Candidates that depend on text far before them: the beginnings of the match
		 * and of the value. */
		struct scan_lead {
			size_t match, start;
		} leads[16];
		unsigned nleads;
	} open; /* for texts that arrive in pieces */
	/* Parts of the current text in which digits and rare bytes are examined, ascending;
	 * NULL: everywhere. Literals are examined everywhere, because a match can extend far
	 * beyond its literal. */
	const struct view_part *parts;
	size_t nparts;
	/* names of the earlier parts; this text adds its own; NULL: not collected */
	struct known_names *known;
	struct evade *evade; /* owned by disguise/evade.c; NULL until used */
	bool evasion;	     /* the text hides or reorders something */
	struct {
		char p[48];
		size_t n;
	} clean[4]; /* recent values without findings, a cache of detect_is_clean() */
	unsigned next_clean;
	/* the last scan ended because its effort exceeded the limit (base/effort.h) */
	bool overworked;
	const char *limit; /* the limit at which the last scan ended; NULL: none */
	/* first_only: one candidate is enough, and scratch_keep() then ends the scan.
	 * found_one: there is a candidate. */
	bool first_only, found_one;
};

/* Returns the threshold of an entity: the options' if set, else its own. */
static inline float
scan_threshold(const struct detect_rules *r, const struct detect_options *opt, size_t entity)
{
	return opt && opt->thresholds ? opt->thresholds[entity] : r->entities[entity].threshold;
}

/* Appends a candidate. Returns 0, ERR_LIMIT (too many), ERR_NOMEM, or ERR_FULL if one is enough
 * (first_only). */
int scratch_keep(struct detect_scratch *s, struct finding f);

#endif
