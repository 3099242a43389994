/* Feeds a text to a stream in pieces and joins the output. */
#ifndef TESTS_STREAM_RUN_H
#define TESTS_STREAM_RUN_H

#include "base/buf.h"
#include "scan/detect/stream/stream.h"

enum { STREAM_FOUND_MAX = 4096 };

struct stream_run {
	struct buf text; /* all pieces, joined */
	struct buf out;	 /* the redacted text: ? for a finding, ! for uninspected text */
	struct finding found[STREAM_FOUND_MAX]; /* with `more` added to their offsets */
	size_t n;
	size_t pieces; /* in the order of their output */
	size_t unread; /* uninspected bytes */
	size_t held;   /* most bytes held after a delta */
	/* NULL, or for each n bytes after which a delta ended, the bytes that were given out */
	size_t *given;
	bool wrong; /* pieces are out of order, or a finding differs from its piece */
};

/* Takes a piece of output. `arg` is the run. */
int stream_run_take(void *arg, const struct stream_piece *p);

/* Cuts at the sorted offsets `at`, or, if `each` is not 0, every `each` bytes. */
int stream_run(struct stream_run *r, const struct detect_rules *rules,
	struct detect_scratch *scratch, const struct detect_options *opt, struct span text,
	const size_t *at, size_t nat, size_t each);

/* Returns true if both runs have equal text, output, findings and uninspected bytes. */
bool stream_run_same(const struct stream_run *a, const struct stream_run *b);

#endif
