/* What is redacted of a text: findings in the segments they are in, of several
 * sources laid over each other. Apart from request.h for those who have no request. */
#ifndef GATE_OVERLAY_H
#define GATE_OVERLAY_H

#include "scan/detect/detect.h"
#include "scan/text/body.h"

/* A finding with the segment it is in. */
struct hit {
	const struct segment *segment;
	bool in_target;	  /* the segment is part of path or query */
	struct finding f; /* offsets within segment->text */
	enum {
		HIT_SPAN,
		HIT_WHOLE,     /* said of the whole text, which redacting takes */
		HIT_POSSIBLE,  /* a recognizer was silent: redacted whatever the rules say */
		HIT_UNKNOWN,   /* the same, of a whole text; f.entity says nothing */
		HIT_CREDENTIAL /* the caller's own, or a key of ours; likewise */
	} kind;
	const struct hit *of; /* a further mention of this one's value; else NULL */
	struct span value; /* what is written there spells, where that differs; else p NULL */
};

static inline struct span
hit_value(const struct hit *h)
{
	return h->value.p ? h->value : span_cut(h->segment->text, h->f.start, h->f.end);
}

/* What is redacted: spans in the order of classification that do not overlap, and
 * texts that go whole. */
struct overlay {
	struct hit *hits;
	size_t nhits;
	struct hit *wholes;
	size_t nwholes;
};

/* Hits of one segment, each list sorted: `own` keep their places, `extra` get what is left free
 * of them, so that no byte which one of them names stays. Room for nown + nown + nextra in
 * `out`; their number. */
size_t hits_lay_over(const struct hit *own, size_t nown, const struct hit *extra, size_t nextra,
	struct hit *out);
#endif
