/* tollgate audit subject: what is held about one person, for that person. */
#ifndef CMD_SEALED_SUBJECT_H
#define CMD_SEALED_SUBJECT_H

#include <jansson.h>

#include "base/buf.h"
#include "cmd/records/audit.h"

/* What verified of the records that a->q asks for, under a->ring. */
struct subject_chains;
/* Reads all of them. 0, or after a message EXIT_NO: one does not verify; or EXIT_CANNOT.
 * subject_chains_free() in any case; *out is NULL before. */
int subject_verify(const struct audit_args *a, struct subject_chains **out);
/* This record was there then, and is signed. */
bool subject_verified(const struct subject_chains *s, struct span node, uint64_t seq);
void subject_chains_free(struct subject_chains **s);

/* A page that one can read, without a script and without anything from elsewhere: what others
 * wrote is text in it. `o`: one decision as a line of decisions.jsonl has it. */
void subject_page_begin(struct buf *b, const char *person, const char *made, const char *since,
	const char *until);
void subject_page_decision(struct buf *b, const json_t *o);
/* How many there were, and of texts by what came of them ({"open": 12}). */
void subject_page_end(struct buf *b, size_t decisions, const json_t *texts);

#endif
