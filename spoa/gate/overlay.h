/* The parts of a text that are redacted: findings of several sources, in the segments they are
 * in, combined without overlap. Not part of request.h, because `tollgate redact` has no
 * request. */
#ifndef GATE_OVERLAY_H
#define GATE_OVERLAY_H

#include "scan/detect/detect.h"
#include "scan/text/body.h"

/* A finding with the segment it is in. Borrows the segment. */
struct hit {
	const struct segment *segment;
	bool in_target;	  /* the segment is part of path or query */
	struct finding f; /* offsets within segment->text */
	enum {
		HIT_SPAN,
		HIT_WHOLE, /* applies to the whole segment, which redaction replaces */
		/* a recognizer did not reply: redacted whatever the rules demand */
		HIT_POSSIBLE,
		HIT_UNKNOWN, /* not inspected: the whole segment; f.entity is meaningless */
		/* the caller's credential, or a tg_ key; f.entity is meaningless */
		HIT_CREDENTIAL
	} kind;
	/* another occurrence of the value of this hit; NULL: a finding of its own */
	const struct hit *of;
	/* the value that the text spells, if it differs from the bytes; else p is NULL */
	struct span value;
	struct span with; /* the text that replaces it (gate/steps/number.c) */
	/* A finding over several parts of a message has a hit in each of them. The first one
	 * stands for the finding: only it is counted. */
	enum { PIECE_NONE, PIECE_FIRST, PIECE_FURTHER } piece : 8;
	bool inside; /* a finding over several parts covers the hit, so it is not counted */
};

/* Returns true if the hit is counted: each finding once. */
static inline bool
hit_counts(const struct hit *h)
{
	return h->piece != PIECE_FURTHER && !h->inside;
}

/* Returns the value that the hit stands for. */
static inline struct span
hit_value(const struct hit *h)
{
	return h->value.p ? h->value : span_cut(h->segment->text, h->f.start, h->f.end);
}

/* The parts that are redacted: `hits` are parts of segments in the order of classification,
 * without overlap. `wholes` are segments that are replaced as a whole. */
struct overlay {
	struct hit *hits;
	size_t nhits;
	struct hit *wholes;
	size_t nwholes;
};

/* Combines hits of one segment. Each list is sorted. `own` keep their places; `extra` get the
 * bytes that are left between them, so that every byte that a hit names is redacted. `out`
 * needs room for nown + nown + nextra. Returns how many were written. */
size_t hits_lay_over(const struct hit *own, size_t nown, const struct hit *extra, size_t nextra,
	struct hit *out);
#endif
