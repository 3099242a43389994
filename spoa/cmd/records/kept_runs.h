/* A kept text for a person to read: runs of text with their authors, in place of the JSON and
 * the stream events of an API. Files are named, not shown. Programs read the kept bytes
 * instead. */
#ifndef CMD_RECORDS_KEPT_RUNS_H
#define CMD_RECORDS_KEPT_RUNS_H

#include "base/buf.h"
#include "record/seal/seal.h"

struct kept_run {
	/* "user", "assistant", "system", "tool", or what the text states. Printable ASCII */
	char by[48];
	/* "" for a text; otherwise "reasoning", "call of NAME", "file", or the name of the
	 * member that the text was in */
	char what[96];
	struct buf text; /* may contain any bytes */
};

struct kept_runs {
	struct kept_run *v; /* in the order of the text */
	size_t n, room;
};

/* Reads a kept text: the body of a request or response, the events of a stream, JSON lines (if
 * `lines`: `form` of its record is "texts"), or a text without a format, which is one run.
 * `kind`: prompts are the user's and responses the assistant's, unless the text
 * states its author. *out must be zero before. Returns false if
 * memory is exhausted; *out then has the runs so far. */
bool kept_runs_read(struct span text, bool lines, enum seal_kind kind, struct kept_runs *out);
/* Erases and frees all runs. */
void kept_runs_free(struct kept_runs *runs);

#endif
