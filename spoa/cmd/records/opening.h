/* Opens sealed texts (record/seal/seal.h) for commands.
 *
 * Three things are needed to open a text: an auditor's private key, share A, and share B. Share
 * A is in the journal, in a `seal` record, encrypted for that key. Share B is in a file of
 * shares, or the daemon returns it and records that it did. */
#ifndef CMD_RECORDS_OPENING_H
#define CMD_RECORDS_OPENING_H

#include "cmd/records/query.h"
#include "record/seal/seal.h"

/* Options of the command line; NULL: not given. Borrowed from argv. */
struct opening_args {
	const char *key, *passphrase_file, *shares, *by, *reason;
	bool sealed; /* only opening_sealed() is called, which needs no key */
};
/* clang-format off */
#define OPENING_OPTIONS(a) \
	{ "key",             .text = &(a)->key }, \
	{ "passphrase-file", .text = &(a)->passphrase_file }, \
	{ "shares",          .text = &(a)->shares }, \
	{ "by",              .text = &(a)->by }, \
	{ "reason",          .text = &(a)->reason }
/* clang-format on */

/* The results of opening a text, with the words that are printed. */
/* clang-format off */
#define OPENING_TABLE(X) \
  X(OPENED,      "open") \
  X(NOT_KEPT,    "not_kept")   /* the record names no such text */ \
  X(ERASED,      "erased")     /* share B was erased, with all shares of the person */ \
  X(LOST,        "lost")       /* share B was made, but the file of shares does not have it */ \
  X(NEVER,       "unknown")    /* share B was never made on this node */ \
  X(TRIMMED,     "trimmed")    /* the file of ciphertexts does not exist here */ \
  X(NOT_SEALED,  "other_key")  /* the text is not sealed to this auditor's key */ \
  X(NO_SEAL,     "no_seal")    /* its `seal` record is not among these records */ \
  X(NOT_GIVEN,   "not_given")  /* share B is not available; *why has the reason */ \
  X(DAMAGED,     "damaged")    /* the data differs from what the record states; *why has the
			        * details */
/* clang-format on */
enum opening_is {
#define X(id, word) OPENING_##id,
	OPENING_TABLE(X)
#undef X
};
extern const char *const opening_words[];

struct opening; /* owned by the command; opening_end() frees it */

/* Loads the key, and finds the file of shares or else the daemon. `q` is where seal records
 * are read, after query_source(); it must outlive the result. If q has no journal of its
 * own, sealed texts are next to the configured journal. Returns NULL after a message. */
struct opening *opening_begin(const struct query *q, const struct opening_args *args);
/* Frees the object and erases its keys and shares. */
void opening_end(struct opening **o);
/* Keeps a record of type `seal` that the caller has read, so that it need not be searched
 * for. */
void opening_saw(struct opening *o, const json_t *record);
/* Opens the record's text of that kind and appends it to *out; nothing is appended if the
 * result is not OPENED, and *why then has a sentence. A share is requested from the daemon
 * once for each command: opening further texts with the same share adds no record of type
 * `read`. */
enum opening_is opening_text(struct opening *o, const json_t *record, enum seal_kind kind,
	struct buf *out, struct buf *why);

/* Returns what an auditor's own program needs to open the text:
 * {"part","type","kept","seal": its record,"share": base64,"parts": [base64]}. If the text
 * cannot be provided, "why" (a word of opening_words or a sentence) replaces the last three
 * members. The daemon records the share as given out. The caller owns the result. Returns
 * NULL if no text was kept or memory is exhausted. */
json_t *opening_sealed(struct opening *o, const json_t *record, enum seal_kind kind);

/* Finds the pseudonym "p_..." that records of this journal may have in place of a person's
 * name: in the file of shares, or if `shares` is NULL from the daemon. A search for a
 * pseudonym that exists is not recorded with the person's name. Returns false if there is
 * none. If this cannot be determined, prints a line to stderr and sets *unknown, which may
 * be NULL. */
bool opening_pseudonym(const struct query *q, const char *shares, const char *person,
	char out[PSEUDONYM_LEN + 1], bool *unknown);
/* The pseudonyms of one person. Each daemon has its own, because its shares are its own. */
struct pseudonyms {
	char word[QUERY_JOURNALS_MAX][PSEUDONYM_LEN + 1];
	size_t n;
	bool unknown; /* one could not be determined; a line was printed */
};
/* Finds the pseudonyms that the records of all journals of the query may have, as
 * opening_pseudonym(). */
void opening_pseudonyms(const struct query *q, const char *shares, const char *person,
	struct pseudonyms *out);
/* Returns true if the configuration makes records name persons, so that searches by name
 * find them and readings are recorded with the name. */
bool opening_plain(const struct query *q);

/* Returns the record's object that describes the kept text, or NULL if none was kept. */
const json_t *opening_kept(const json_t *record, enum seal_kind kind);

#endif
