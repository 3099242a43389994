/* Feeds a reader of frames in pieces and writes down its results: "type|data;" for a frame with
 * data, "!" before an exception's, "<" and ">" where the pieces of a frame begin and end, and
 * the error that ended the stream. For tests and fuzz targets. */
#ifndef TESTS_SUPPORT_FRAMES_RUN_H
#define TESTS_SUPPORT_FRAMES_RUN_H

#include "answer/frames.h"
#include "base/err.h"

struct frames_run {
	struct frames f;
	struct buf events, raw;
	size_t frames; /* frames with data */
	int err;
};

/* Begins a stream. `cap`: limit of a frame in bytes, 0: the default. */
void frames_run_init(struct frames_run *r, enum frames_kind kind, size_t cap);

/* Frees the reader and the results. */
void frames_run_free(struct frames_run *r);

/* Reads a piece of the stream. `in` may be freed afterwards. */
void frames_run_feed(struct frames_run *r, struct span in);

/* Ends the stream and writes down an error, if there is one. */
void frames_run_end(struct frames_run *r);

#endif
