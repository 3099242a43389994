/* What an external recognizer is asked and what it answers: three shapes of HTTP
 * bodies. No I/O here. An answer is somebody else's: one that does not say exactly
 * what was asked for is an error, never half believed. */
#ifndef SCAN_RECOGNIZER_RECOGNIZER_H
#define SCAN_RECOGNIZER_RECOGNIZER_H

#include "scan/detect/detect.h"

enum recognizer_shape {
	SHAPE_PRESIDIO,	  /* Presidio analyzer's POST /analyze: spans in code points */
	SHAPE_JSON,	  /* any classifier that answers with labels, of a whole text */
	SHAPE_MODERATION, /* OpenAI's POST /v1/moderations: categories of a whole text */
};

/* A name of theirs and the entity that it is here. */
struct recognizer_label {
	const char *theirs;
	uint16_t entity;
};

struct recognizer {
	const char *name;
	unsigned source; /* 1 to FINDING_SOURCES */
	enum recognizer_shape shape;
	bool batch;	      /* takes several texts a call */
	const char *language; /* presidio */
	const char *model;    /* moderation; NULL: none sent */
	/* Findings below it do not count. Moderation: negative goes by their own verdict. */
	double score_threshold;
	const struct recognizer_label *labels; /* none of theirs twice */
	size_t nlabels;
	int flagged; /* moderation: the entity of `flagged`; -1: none */
	/* json: the request around the text or, with `batch`, the list of texts */
	struct span before, after;
	/* JSON pointers (RFC 6901): with `batch` to the list of results; in a result to the
	 * labels, one object or a list; in one of those to its name and score (NULL: 1.0) */
	const char *results, *items, *label, *score;
};

/* Whether its findings are of whole texts. */
static inline bool
recognizer_whole(const struct recognizer *r)
{
	return r->shape != SHAPE_PRESIDIO;
}

/* The body that asks for n texts (1 without `batch`), which are UTF-8. */
void recognizer_ask(
	const struct recognizer *r, const struct span *texts, size_t n, struct buf *out);

/* Reads the answer about the same texts into out[0..n): findings in bytes, with their
 * source in the flags, sorted by entity and start; those of one entity that overlap
 * are one. They live in the arena. 0; ERR_SYNTAX, ERR_RANGE, ERR_LIMIT with *why, a
 * fixed phrase; ERR_NOMEM. */
int recognizer_read(const struct recognizer *r, struct span answer, const struct span *texts,
	size_t n, struct arena *a, struct findings *out, const char **why);

/* Whether s is a JSON pointer. */
bool recognizer_pointer(const char *s);

#endif
