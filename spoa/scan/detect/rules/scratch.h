/* What the stages of a scan share: the rule set's immutable parts come in, candidates
 * go into the scratch. Not included outside detect/. A stage is a function of rules,
 * scratch, text and options that appends candidates (scratch_keep), in bytes of the
 * text it was given; pipeline.c runs the stages and resolves overlaps. */
#ifndef SCAN_DETECT_RULES_SCRATCH_H
#define SCAN_DETECT_RULES_SCRATCH_H

#include "scan/detect/rules/finding.h"
#include "scan/detect/rules/rule.h"

enum {
	KEYED_TEXT = 1024, /* bytes of the text tried after its key */
	KEYED_ROOM = CONTEXT_BYTES + 1 + KEYED_TEXT,
	KNOWN_NAMES = 64,
};

struct view_part;

/* Hashes of people's names, to find them again. */
struct known_names {
	uint64_t v[KNOWN_NAMES];
	uint32_t at[KNOWN_NAMES]; /* in the text in which it was found */
	size_t n;
};

/* owner: worker */
struct detect_scratch {
	const struct detect_rules *rules;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
	pcre2_match_data *data;
	size_t *free_from; /* a pattern: where its last match ended, and */
	size_t free_base;  /* what belongs to a text before is at most this */
	struct finding *v; /* candidates */
	size_t n, room;
	char *keyed;		      /* before + "=" + text */
	struct columns columns;	      /* of the text that is swept */
	struct context_state near_by; /* of the same */
	struct scan_open {
		const char *of; /* the text that goes on after its end; NULL: none does */
		size_t least;	/* what begins before was asked before */
		size_t from;	/* where the first match begins that more of it could make */
		/* Candidates that are found again only with what is far before them: where the
		 * match and where the value begins. */
		struct scan_lead {
			size_t match, start;
		} leads[16];
		unsigned nleads;
	} open;			/* for who scans a text that comes in pieces */
	/* Where digits and bytes of the text that is swept are looked at, ascending; none: all
	 * of it. Literals are looked at everywhere: what they begin may end far on. */
	const struct view_part *parts;
	size_t nparts;
	struct known_names *known; /* of the parts before, and more of this one; NULL */
	struct evade *evade;	   /* disguise/evade.c's own; NULL until it is needed */
	bool evasion;		   /* the text hides something */
	struct {
		char p[48];
		size_t n;
	} clean[4]; /* detect_is_clean() */
	unsigned next_clean;
	bool overworked;	    /* the last scan ended over its account (base/effort.h) */
	bool first_only, found_one; /* one candidate is enough: scratch_keep() ends the scan */
};

/* The options' threshold of an entity, or its own. */
static inline float
scan_threshold(const struct detect_rules *r, const struct detect_options *opt, size_t entity)
{
	return opt && opt->thresholds ? opt->thresholds[entity] : r->entities[entity].threshold;
}

/* 0, ERR_LIMIT (too many candidates), ERR_NOMEM, ERR_FULL (one is enough). */
int scratch_keep(struct detect_scratch *s, struct finding f);

#endif
