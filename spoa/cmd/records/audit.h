/* The subcommands of `tollgate audit`, and what they share: their arguments, keys and
 * columns. */
#ifndef CMD_RECORDS_AUDIT_H
#define CMD_RECORDS_AUDIT_H

#include <jansson.h>

#include "cmd/records/opening.h"
#include "record/journal/chain.h"
#include "record/journal/keyring.h"

/* The options of `audit list` that select records by a field. */
enum {
	AUDIT_PERSON,
	AUDIT_DECISION,
	AUDIT_ROUTE,
	AUDIT_CLASS,
	AUDIT_OUTCOME,
	AUDIT_OPERATION,
	AUDIT_SERVER,
	AUDIT_TOOL,
	AUDIT_FILTERS
};

#define AUDIT_STATEMENTS 16 /* the largest number of --statement options */
#define AUDIT_PROGRAMS	 16 /* the largest number of --program options */
/* The command line after the verb. Owned by cmd_audit(). The word before a colon is the
 * verb that uses the member; NULL and false mean that the option was not given. */
struct audit_args {
	struct query q;
	const char *id, *policy;
	struct opening_args opening; /* explain: to open sealed texts; list: --shares */
	bool as_json, follow;
	bool texts;			   /* verify: also verify the sealed texts */
	struct pseudonyms pseudonyms; /* list: words that records have in place of --person */
	const char *want[AUDIT_FILTERS];   /* list: the values that are shown; NULL: any value */
	uint64_t from;			   /* verify: the first record of the log */
	/* show: --seq or --receipt, which name the record in place of its id; --proof, and
	 * the type of the record */
	const char *seq, *receipt;
	bool proof, page; /* print the proof as a page of HTML */
	const char
		*proof_of; /* NULL: the decision, or the only record if there is no decision */
	bool patient;	   /* audit_prove() waits for the checkpoint of a fresh record */
	const char *note;  /* verify: a checkpoint that the log must continue */
	const char *root, *statements[AUDIT_STATEMENTS]; /* verify: the public key and the
							  * statements of an offline root */
	size_t nstatements;
	struct keyring *ring;		    /* verify: the keys and what each may sign; set by
					     * audit_ring() */
	const char *manifest;		    /* verify: the manifest of an exported file */
	const char *program[AUDIT_PROGRAMS]; /* verify: program files that boot records must name */
	size_t nprograms;
	const char *tsa_ca, *witness_key;   /* verify: keys of time-stamping authorities and
					     * witnesses, as files */
	const struct anchor_keys *outside;  /* verify: the same keys, loaded */
	const char *key_file[SIGNKEYS_MAX]; /* files of --public-key */
	size_t nkey_files;
	struct pubkey keys[SIGNKEYS_MAX];
	size_t nkeys;
};
/* clang-format off */
#define AUDIT_KEYS(a) \
	{ "public-key", .text = (a)->key_file, .count = &(a)->nkey_files, .most = SIGNKEYS_MAX }
/* clang-format on */
/* Loads the keys of --public-key, or else the configured key. With `need`, having neither
 * is an error, unless --root is given. Returns 0, or an exit code after a message. */
int audit_signers(struct audit_args *a, bool need);

/* A column of `audit list`. A missing value is printed as "-". */
struct audit_column {
	enum record_field field;
	int width;
	bool may_lack; /* a missing value is omitted instead */
};
/* Prints a record as one line with n columns. */
void audit_print_columns(const json_t *r, const struct audit_column *c, size_t n);
/* Prints the object as one line in ASCII, and releases it. */
void audit_print_json(json_t *o);

int audit_search(int argc, char **argv);  /* in cmd/search/ */
int audit_report(int argc, char **argv);  /* in cmd/report/ */
int audit_subject(int argc, char **argv); /* in cmd/sealed/ */
int audit_restore(int argc, char **argv);
/* restore: which files of sealed texts (record/archive/kept_texts.h) to restore, by period
 * or by name. */
struct archive_options;
struct audit_texts_wanted {
	const struct archive_options *archive;
	const char *journal;
	char *const *asked; /* names of files; names with another ending are ignored */
	int nasked;
	bool by_time;
	const char *since, *until;
	struct span trims; /* the journal's trim records, one a line */
};
/* Number of files: restored, already on this machine, and refused. */
struct audit_texts_done {
	size_t restored, here, refused;
};
/* Restores files of sealed texts, and prints a line for each. In cmd/sealed/. Returns 0, or
 * the error that ended the work, with *why. */
int audit_restore_texts(
	const struct audit_texts_wanted *w, struct audit_texts_done *done, struct buf *why);
/* Compares a file's hash with the trim record that names the file in `member`. Returns 0 if
 * they agree or no trim record names the file, or ERR_AUTH with *why. */
int audit_agrees_with_trims(struct span trims, const char *member, const char *name,
	const unsigned char sha256[CHAIN_HASH_BYTES], struct buf *why);
int audit_verify(struct audit_args *a);
/* verify --texts: verifies the sealed texts, in cmd/sealed/. Sets *ok to false if one is
 * wrong. Returns 0, or an error with *why. */
int audit_verify_texts(struct audit_args *a, bool *ok, struct buf *why);
int audit_key(int argc, char **argv); /* argv[0] is "key" */
int audit_erase(int argc, char **argv);
/* Builds a->ring from the given keys, the root, and the statements. The statements include
 * JOURNAL.keys of the journal that is named or configured. Returns 0, or an error with
 * *why. */
int audit_ring(struct audit_args *a, struct buf *why);
/* The record that `audit show` looks for. */
struct audit_wanted {
	struct buf id; /* the id as in a record, with its quotes; empty: any id */
	char node[CHAIN_NODE_MAX + 1]; /* "": any node */
	uint64_t seq;		       /* 0: any number */
	bool hashed;
	unsigned char hash[CHAIN_HASH_BYTES]; /* the hash that the record must have, if `hashed` */
};
/* Returns true if the line is such a record, and then fills *l. The hash is not compared. */
bool audit_is_wanted(const struct audit_wanted *w, struct span line, struct chain_line *l);
/* Appends the proof of the record as a file (record/proof/bundle.h). If `anchors` is not
 * NULL, the checkpoint is one that outside places confirmed, if there is one, and their
 * records are appended to `anchors`, one a line. Otherwise the checkpoint is the first one
 * that covers the record. Returns an exit code, after a message if it is not EXIT_DONE. */
int audit_prove(struct audit_args *a, const struct audit_wanted *w, struct buf *out,
	struct buf *anchors);
/* Appends the proof as one page of HTML that verifies itself in a browser. In cmd/export/.
 * Returns an exit code, after a message if it is not EXIT_DONE. */
int audit_prove_page(struct audit_args *a, const struct audit_wanted *w, struct buf *out);
int audit_explain(struct audit_args *a);
int audit_export(int argc, char **argv); /* in cmd/export/ */
/* verify: verifies an exported file by its manifest. Returns an exit code. */
int audit_verify_manifest(struct audit_args *a);

#endif
