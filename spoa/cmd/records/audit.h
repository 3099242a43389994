/* What the audit subcommands share. */
#ifndef CMD_RECORDS_AUDIT_H
#define CMD_RECORDS_AUDIT_H

#include <jansson.h>

#include "cmd/records/opening.h"
#include "record/journal/chain.h"
#include "record/journal/keyring.h"

/* Options of list that want a field, by the name that commands have for it. */
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
extern const enum record_field audit_filters[AUDIT_FILTERS];

#define AUDIT_STATEMENTS 16 /* files of --statement */
#define AUDIT_PROGRAMS	 16 /* files of --program */
/* The command line after the verb. */
struct audit_args {
	struct query q;
	const char *id, *policy;
	struct opening_args opening; /* explain: of what is sealed; list: shares */
	bool as_json, follow;
	bool texts;			   /* verify: what was sealed, too */
	char pseudonym[PSEUDONYM_LEN + 1]; /* list: that records have in place of --person; ""
					    */
	const char *want[AUDIT_FILTERS];   /* list: what is shown; NULL: any */
	uint64_t from;			   /* verify: the first record of the log */
	/* show: the record by what is given of it, in place of its id; its proof, of which type
	 */
	const char *seq, *receipt;
	bool proof, page;     /* page: the proof is one of HTML */
	const char *proof_of; /* NULL: the decision, or where there is none the only record */
	bool patient;	  /* audit_prove() waits for the checkpoint of a record that is fresh */
	const char *note; /* verify: a checkpoint that the log must continue */
	const char *root, *statements[AUDIT_STATEMENTS]; /* verify: of an offline root */
	size_t nstatements;
	struct keyring *ring;		    /* verify: whom to believe what; audit_ring */
	const char *manifest;		    /* verify: of an exported file */
	const char *program[AUDIT_PROGRAMS]; /* verify: files that boot records must name */
	size_t nprograms;
	const char *tsa_ca, *witness_key;   /* verify: of those outside who answered, */
	const struct anchor_keys *outside;  /* as read */
	const char *key_file[SIGNKEYS_MAX]; /* of --public-key */
	size_t nkey_files;
	struct pubkey keys[SIGNKEYS_MAX];
	size_t nkeys;
};
/* clang-format off */
#define AUDIT_KEYS(a) \
	{ "public-key", .text = (a)->key_file, .count = &(a)->nkey_files, .most = SIGNKEYS_MAX }
/* clang-format on */
/* The keys of the files that are given, or else the configured one; where there is neither,
 * with `need` a message; of --root that is enough. 0, or an exit code after a message. */
int audit_signers(struct audit_args *a, bool need);

/* A column of list: "-" where the record has none of it. */
struct audit_column {
	enum record_field field;
	int width;
	bool may_lack; /* nothing is shown then */
};
void audit_print_columns(const json_t *r, const struct audit_column *c, size_t n);
/* A line, as ASCII; takes the value. */
void audit_print_json(json_t *o);

int audit_search(int argc, char **argv);  /* cmd/search/ */
int audit_report(int argc, char **argv);  /* cmd/report/ */
int audit_subject(int argc, char **argv); /* cmd/sealed/ */
int audit_restore(int argc, char **argv);
/* restore: files of ciphertexts (record/archive/kept_texts.h), of a time, or by name. */
struct archive_options;
struct audit_texts_wanted {
	const struct archive_options *archive;
	const char *journal;
	char *const *asked; /* names; what ends otherwise is none of them */
	int nasked;
	bool by_time;
	const char *since, *until;
	struct span trims; /* trim records of the journal, a line each */
};
struct audit_texts_done {
	size_t restored, here, refused;
};
/* cmd/sealed/. A line each on standard output. 0, or the error that ends it, with *why. */
int audit_restore_texts(
	const struct audit_texts_wanted *w, struct audit_texts_done *done, struct buf *why);
/* Where a trim record names the file, as that member, it must have this hash. 0, or ERR_AUTH
 * with *why. */
int audit_agrees_with_trims(struct span trims, const char *member, const char *name,
	const unsigned char sha256[CHAIN_HASH_BYTES], struct buf *why);
int audit_verify(struct audit_args *a);
/* verify --texts: *ok becomes false where one does not hold. 0, or an error with *why. */
int audit_verify_texts(struct audit_args *a, bool *ok, struct buf *why); /* cmd/sealed/ */
/* verify --program: whether the boot records of a chain name one of these programs. cmd/export/. */
struct program_check {
	const unsigned char (*hash)[CHAIN_HASH_BYTES]; /* SHA-256 of the programs */
	size_t nhashes;
	uint64_t boots, same, unstated; /* unstated: boot records without a hash */
	uint64_t other_seq, other;	/* the first boot record of another program; their number */
	char why[256];
};
/* Hashes the files of --program. 0, or an exit code after a message. */
int audit_programs_read(
	const struct audit_args *a, unsigned char hash[AUDIT_PROGRAMS][CHAIN_HASH_BYTES]);
void audit_program_record(
	struct program_check *c, const struct chain_line *l, struct span line);
/* Whether each boot record that names a program names one of these, and at least one does; if
 * not, why and the sequence number of the record. */
bool audit_program_holds(struct program_check *c);
int audit_list(struct audit_args *a);
int audit_key(int argc, char **argv); /* argv[0]: "key" */
int audit_open(int argc, char **argv);
int audit_erase(int argc, char **argv);
/* a->ring: the keys given, the root, and what the files of statements say, JOURNAL.keys of the
 * journal that is named or else configured among them. 0, or an error with *why. */
int audit_ring(struct audit_args *a, struct buf *why);
int audit_show(struct audit_args *a);
/* Which record show looks for. */
struct audit_wanted {
	struct buf id; /* as it is in a record, with its quotes; empty: not by id */
	char node[CHAIN_NODE_MAX + 1]; /* ""; any */
	uint64_t seq;		       /* 0: not by number */
	bool hashed;
	unsigned char hash[CHAIN_HASH_BYTES]; /* which it must have */
};
/* Whether this line is such a record; *l is filled then. Its hash is not looked at. */
bool audit_is_wanted(const struct audit_wanted *w, struct span line, struct chain_line *l);
/* Appends its proof, as a file (record/proof/bundle.h); EXIT_…, after a message. With `anchors`
 * the checkpoint is one that places outside confirmed, if there is one, and their records are
 * appended there, a line each; without it the checkpoint is the first that covers the record. */
int audit_prove(struct audit_args *a, const struct audit_wanted *w, struct buf *out,
	struct buf *anchors);
/* cmd/export/. Appends the same as one page of HTML that checks itself in a browser; EXIT_…,
 * after a message. */
int audit_prove_page(struct audit_args *a, const struct audit_wanted *w, struct buf *out);
int audit_explain(struct audit_args *a);
int audit_export(int argc, char **argv); /* cmd/export/ */
/* verify: an exported file against its manifest. */
int audit_verify_manifest(struct audit_args *a);

#endif
