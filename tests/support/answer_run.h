/* Runs a case of answer_fix.h through a guard, in pieces, and describes the result in one line:
 * the texts that were forwarded, then the report. */
#ifndef SUPPORT_ANSWER_RUN_H
#define SUPPORT_ANSWER_RUN_H

#include "answer/document.h"
#include "answer/frames.h"
#include "support/answer_fix.h"

#define CONVERSE FRAMES "; converse" /* a line has a type and a payload */

/* ---- the texts that were forwarded ---- */

enum { TEXTS = 8 };
struct joined {
	struct {
		char name[32];
		struct buf text;
	} v[TEXTS];
	size_t n;
};

/* Reads the output as a client of the dialect does, and joins the texts of each channel in `j`.
 */
void read_out(const struct answer_case *r, struct span out, bool streamed, struct joined *j);

/* Puts each line into a frame as Bedrock's InvokeModel does, or, with `typed`, as a type and a
 * payload. */
void put_frames(struct span lines, bool typed, struct buf *out);

/* Feeds the response in two pieces (cut at `cut`), or in pieces of `step` bytes. */
void answer_case_run(const struct answer_case *r, const struct policy *p,
	const struct answer_request *asked, struct detect_scratch *scratch,
	const struct vault *vault, size_t cut, size_t step, struct buf *out, struct buf *say);

#endif
