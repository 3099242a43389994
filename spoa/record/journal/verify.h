/* Verifies the chain of one node, line by line in the order of writing: every hash, every
 * link, every signature, no gap. Reports the first bad sequence number and what is wrong with
 * it. Keeps the records of one commit in memory, not the chain. Signatures are verified in
 * batches on all cores. owner: one thread. */
#ifndef RECORD_JOURNAL_VERIFY_H
#define RECORD_JOURNAL_VERIFY_H

#include "base/clock.h"
#include "record/journal/chain.h"
#include "record/journal/keyring.h"

/* The options of a verification. Members that are not needed are 0. */
struct verify_options {
	const struct pubkey *keys; /* any of these keys may have signed; borrowed */
	size_t nkeys;
	/* Instead of `keys`: these keys and those of the statements that the ring took.
	 * Copied; may be NULL. Key records of the chain are learned from in any case. */
	const struct keyring *ring;
	const char *node; /* the node of the chain; NULL: the node of the first line */
	/* `trimmed`: the chain may begin at any record, as a trimmed stream does. `from`: the
	 * chain must begin at exactly this record; 0: at record 1. */
	bool trimmed;
	uint64_t from;
	/* With `from`: a later trim record must state that the records before were trimmed,
	 * and the hash of the last of them. Otherwise record 1 counts as missing. */
	bool by_trim;
	/* With `by_trim`, for an archive: the trim record must also state that the trimmed
	 * records were not archived. */
	bool unarchived;
	/* The end may still be written: records after the last commit and an incomplete last
	 * line are counted and are no error. */
	bool live;
	/* Verify the signature of every commit, even if another signature covers its
	 * records. */
	bool every_signature;
	/* Use no threads, and verify signatures in small batches. */
	bool one_core;
	/* Called for every record as it is read, before anything is verified. NULL: not
	 * called. */
	void (*record)(void *arg, const struct chain_line *l, struct span line);
	/* Called for every record of a commit whose hashes agree. Its signature may be
	 * verified later. NULL: not called. */
	void (*each)(void *arg, uint64_t seq, const unsigned char hash[CHAIN_HASH_BYTES]);
	void *arg;
};

/* Writes the text by which a trim record (record/archive/keep.c) names the record before
 * `first`, whose hash is `prev`. */
#define VERIFY_TRIM_BYTES 128
void verify_trim_text(uint64_t first, const unsigned char prev[CHAIN_HASH_BYTES],
	char out[VERIFY_TRIM_BYTES]);
/* Returns true if the trim record `line` contains that text and, with `unarchived`, states
 * that the trimmed records were not archived. */
bool verify_is_trim(struct span line, const char *text, bool unarchived);

/* bytes of a reason, with its NUL */
#define VERIFY_WHY_MAX 256

/* The result. */
struct verify_result {
	bool ok;
	uint64_t bad_seq; /* the first bad sequence number, if not `ok` */
	char why[VERIFY_WHY_MAX];
	char node[CHAIN_NODE_MAX + 1]; /* "": no line named a node */
	/* The signed and consistent part, up to the first error: */
	uint64_t records, commits, boots;
	/* commits whose own signature was not verified, because another one covers their
	 * records */
	uint64_t vouched;
	uint64_t first, last; /* sequence numbers; 0: none */
	uint64_t boot;
	unsigned char head[CHAIN_HASH_BYTES];
	char time[CLOCK_RFC3339_LEN]; /* time of the last record */
	char type[32];		      /* type of the last record */
	/* the trim record that explains the missing first records; 0: none */
	uint64_t trim_seq;
	char key[SIGNKEY_ID_LEN + 1]; /* id of the key that signed the last commit */
	/* After the last commit, with `live`: */
	uint64_t unsigned_records;
	uint64_t torn_bytes;
};

/* owner: one thread. */
struct verifier;
struct verifier *verifier_new(const struct verify_options *o); /* NULL: out of memory */
void verifier_free(struct verifier **v);
/* The chain continues `before`, the end of a segment that was verified elsewhere. Call it
 * before the first line only. */
void verifier_continue(struct verifier *v, const struct chain *before);
/* Takes a line without its newline. Returns true if the line is a commit that agrees with the
 * records before it, so that the chain is complete up to here. */
bool verifier_line(struct verifier *v, struct span line);
/* Reports an error in place of the next line, with the reason `why`. */
void verifier_reject(struct verifier *v, const char *why);
/* Call it inside `each`: this record of the current commit is bad. The signature of its
 * commit and earlier errors are checked first. */
void verifier_reject_record(struct verifier *v, uint64_t seq, const char *why);
/* Call it inside `each`: another signature covers the hashes of the records from..to, so the
 * signatures of their commits are not verified. This does not apply to the first VERIFY_ALL
 * commits of the chain. */
#define VERIFY_ALL 4096
void verifier_vouched(struct verifier *v, uint64_t from, uint64_t to);
/* Returns true if enough commits wait that a vouching signature is worth verifying. In the
 * first VERIFY_ALL commits of a chain, everything is verified. */
bool verifier_wants_vouching(const struct verifier *v);
/* Reports the last bytes, which have no newline at their end. */
void verifier_torn(struct verifier *v, size_t bytes);
/* Copies the keys that may sign record `seq`, as far as the chain was read. Returns their
 * number. */
size_t verifier_keys(const struct verifier *v, uint64_t seq, struct pubkey *out, size_t max);
/* Returns the keys and statements, those of the chain included as far as it was read. Valid
 * until verifier_free(). */
const struct keyring *verifier_ring(const struct verifier *v);
/* Returns true if no records wait for a commit. */
bool verifier_at_commit(const struct verifier *v);
/* Ends the verification and fills in *out. Call it once. */
void verifier_end(struct verifier *v, struct verify_result *out);

#endif
