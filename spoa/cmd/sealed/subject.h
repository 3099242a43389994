/* tollgate audit subject: what is held about one person, for that person. */
#ifndef CMD_SEALED_SUBJECT_H
#define CMD_SEALED_SUBJECT_H

#include <jansson.h>

#include "base/buf.h"

/* A page that one can read, without a script and without anything from elsewhere: what others
 * wrote is text in it. `o`: one decision as a line of decisions.jsonl has it. */
void subject_page_begin(struct buf *b, const char *person, const char *made, const char *since,
	const char *until);
void subject_page_decision(struct buf *b, const json_t *o);
/* How many there were, and of texts by what came of them ({"open": 12}). */
void subject_page_end(struct buf *b, size_t decisions, const json_t *texts);

#endif
