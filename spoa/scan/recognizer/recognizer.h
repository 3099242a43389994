/* The requests to external recognizers and their responses, in three formats of HTTP bodies. No
 * I/O; any thread. A response is untrusted: if any part deviates from the format, the whole
 * response is an error. */
#ifndef SCAN_RECOGNIZER_RECOGNIZER_H
#define SCAN_RECOGNIZER_RECOGNIZER_H

#include "scan/detect/detect.h"

enum recognizer_shape {
	SHAPE_PRESIDIO,	  /* Presidio analyzer's POST /analyze: positions in code points */
	SHAPE_JSON,	  /* any classifier that returns labels for a whole text */
	SHAPE_MODERATION, /* OpenAI's POST /v1/moderations: categories of a whole text */
};

/* A label of the recognizer and tollgate's entity for it. In the form json, `theirs` may begin or
 * end with a *, which matches any text. A label that is a boolean is compared as "true" or
 * "false". */
struct recognizer_label {
	const char *theirs;
	uint16_t entity; /* LABEL_HARMLESS: the label means that nothing was found */
};
enum { LABEL_HARMLESS = UINT16_MAX };

/* A configured recognizer. The policy owns it and all that it points to. */
struct recognizer {
	const char *name;
	/* number of the recognizer in the flags of its findings: 1 to FINDING_SOURCES */
	unsigned source;
	enum recognizer_shape shape;
	bool batch;	      /* accepts several texts in one call */
	const char *language; /* presidio only */
	const char *model;    /* moderation only; NULL: not sent */
	/* Findings with a lower score are ignored. Moderation: a negative threshold uses the
	 * recognizer's own verdict. */
	double score_threshold;
	/* each name that the recognizer uses occurs once; json: once for each entity */
	const struct recognizer_label *labels;
	size_t nlabels;
	/* json: the labels are all that the recognizer uses, so that any other label is an
	 * error; false: any other label counts as nothing found, and is reported */
	bool closed;
	int flagged; /* moderation: the entity for `flagged`; -1: none */
	/* json: the request's bytes before and after the text (with `batch`: the list of
	 * texts) */
	struct span before, after;
	/* JSON pointers (RFC 6901). `results`: the list of results, with `batch`. In a result,
	 * `items`: one label object or a list of them. In a label object, `label`: its name,
	 * and `score`: its score; NULL: always 1.0. */
	const char *results, *items, *label, *score;
	/* other places of the label object with a name each, which is looked up as `label` is, with
	 * the score 1.0: Model Armor states beside its verdict whether it was made */
	const char *const *others;
	size_t nothers;
	double score_max; /* json: the highest score, which counts as 1.0; 0: it is 1 */
};

/* Returns true if its findings cover whole texts instead of parts. */
static inline bool
recognizer_whole(const struct recognizer *r)
{
	return r->shape != SHAPE_PRESIDIO;
}

/* Appends the request's body for n texts (1 without `batch`), which are UTF-8. */
void recognizer_ask(
	const struct recognizer *r, const struct span *texts, size_t n, struct buf *out);

/* Reads the response for the same texts into out[0..n). Findings have byte offsets and the
 * source in their flags, and are sorted by entity and start; overlapping findings of one entity
 * are merged. They are in the arena. Returns 0, ERR_NOMEM, or ERR_SYNTAX, ERR_RANGE, ERR_LIMIT
 * with a constant text in *why. On error, out has no findings.
 *
 * *unknown, which may be NULL: the first label that `labels` does not have, in the arena; empty:
 * none. A label with a score is only unknown if `labels` has none of the labels of its result,
 * because many models score each label that they have. It is untrusted, and may repeat a text. */
int recognizer_read(const struct recognizer *r, struct span answer, const struct span *texts,
	size_t n, struct arena *a, struct findings *out, struct span *unknown, const char **why);

/* Returns true if s is a JSON pointer of at most 256 bytes. */
bool recognizer_pointer(const char *s);

#endif
