/* What opens a text that was sealed (record/seal/seal.h): an auditor's key, the `seal` record
 * that holds share A for it, found in the journal, and share B, which the daemon hands out on
 * record, or which is in a file of shares. */
#ifndef CMD_RECORDS_OPENING_H
#define CMD_RECORDS_OPENING_H

#include "cmd/records/query.h"
#include "record/seal/seal.h"

/* Of the command line; NULL: not given. */
struct opening_args {
	const char *key, *passphrase_file, *shares, *by, *reason;
	bool sealed; /* for opening_sealed() alone: needs no key */
};
/* clang-format off */
#define OPENING_OPTIONS(a) \
	{ "key",             .text = &(a)->key }, \
	{ "passphrase-file", .text = &(a)->passphrase_file }, \
	{ "shares",          .text = &(a)->shares }, \
	{ "by",              .text = &(a)->by }, \
	{ "reason",          .text = &(a)->reason }
/* clang-format on */

/* What came of it, and the word for it. */
/* clang-format off */
#define OPENING_TABLE(X) \
  X(OPENED,      "open") \
  X(NOT_KEPT,    "not_kept")   /* the record names no such text */ \
  X(ERASED,      "erased")     /* share B was, with all of its person's */ \
  X(LOST,        "lost")       /* share B was given, and the file of shares does not have it */ \
  X(NEVER,       "unknown")    /* share B was never given there */ \
  X(TRIMMED,     "trimmed")    /* the file of ciphertexts is not here */ \
  X(NOT_SEALED,  "other_key")  /* it is not sealed to this auditor's key */ \
  X(NO_SEAL,     "no_seal")    /* its `seal` record is not in these records */ \
  X(NOT_GIVEN,   "not_given")  /* share B cannot be had: *why */ \
  X(DAMAGED,     "damaged")    /* what is there is not what the record says: *why */
/* clang-format on */
enum opening_is {
#define X(id, word) OPENING_##id,
	OPENING_TABLE(X)
#undef X
};
extern const char *const opening_words[];

struct opening; /* owner: the command */

/* Reads the key, and the file of shares or else where the daemon is. `q` is where seal records
 * are, after query_source(), and stays the caller's while it lives; without a journal of its
 * own, texts are next to the configured one. NULL after a message. */
struct opening *opening_begin(const struct query *q, const struct opening_args *args);
/* What was had of keys and shares is wiped. */
void opening_end(struct opening **o);
/* A record of type `seal` that the caller comes across: it is not looked for then. */
void opening_saw(struct opening *o, const json_t *record);
/* A share of this command is asked for once: what is opened by it after that names no further
 * record of type `read`. Appends the record's text of that kind to *out, nothing unless it is
 * OPENED. *why: a sentence, where it is not. */
enum opening_is opening_text(struct opening *o, const json_t *record, enum seal_kind kind,
	struct buf *out, struct buf *why);

/* What a program of the auditor's own needs to open it, which is given out as a share is:
 * {"part","type","kept","seal": its record,"share": base64,"parts": [base64]}; with "why", a
 * word of opening_words or a sentence, in place of the last three. NULL: not kept, or out of
 * memory. */
json_t *opening_sealed(struct opening *o, const json_t *record, enum seal_kind kind);

/* The word that records of this journal may have in place of a person's name, "p_…": by a file
 * of shares, or where that is NULL by the daemon, if there are shares next to the journal.
 * False: there is none, and where that cannot be known a line on standard error says so, and
 * *unknown (may be NULL). A search that finds one is not noted with the name. */
bool opening_pseudonym(const struct query *q, const char *shares, const char *person,
	char out[PSEUDONYM_LEN + 1], bool *unknown);
/* The configuration says that records name persons: by their names alone they are found, and a
 * reading is noted with the name. */
bool opening_plain(const struct query *q);

/* The object that says what was kept of it; NULL: nothing. */
const json_t *opening_kept(const json_t *record, enum seal_kind kind);

#endif
