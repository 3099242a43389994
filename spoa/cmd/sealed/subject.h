/* tollgate audit subject: everything that is held about one person, for that person. */
#ifndef CMD_SEALED_SUBJECT_H
#define CMD_SEALED_SUBJECT_H

#include <jansson.h>

#include "base/buf.h"
#include "cmd/records/audit.h"

/* The verified chains of the records that a->q requests. */
struct subject_chains;
/* Verifies all records with the keys of a->ring. Returns 0, EXIT_NO if a record does not
 * verify, or EXIT_CANNOT, the latter two after a message. Call subject_chains_free() in any
 * case; *out must be NULL before. */
int subject_verify(const struct audit_args *a, struct subject_chains **out);
/* Returns true if this record was read by subject_verify() and is signed. */
bool subject_verified(const struct subject_chains *s, struct span node, uint64_t seq);
void subject_chains_free(struct subject_chains **s);

/* Write a page that a person can read. The page has no script and loads nothing, and
 * everything that other people wrote is escaped. `o` is a decision, as a line of
 * decisions.jsonl has it. */
void subject_page_begin(struct buf *b, const char *person, const char *made, const char *since,
	const char *until);
void subject_page_decision(struct buf *b, const json_t *o);
/* Ends the page with the number of decisions, and the number of texts by result, such as
 * {"open": 12}. */
void subject_page_end(struct buf *b, size_t decisions, const json_t *texts);

#endif
