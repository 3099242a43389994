/* Checks one node's chain, line by line in the order in which it was written:
 * every hash, every link, every signature, no gap. Finds the first bad sequence
 * number and what is wrong with it. Holds one commit's records, not the chain;
 * the signatures are checked in batches on every core. owner: one thread. */
#ifndef RECORD_JOURNAL_VERIFY_H
#define RECORD_JOURNAL_VERIFY_H

#include "base/clock.h"
#include "record/journal/chain.h"
#include "record/journal/keyring.h"

struct verify_options {
	const struct pubkey *keys; /* any of them may have signed; borrowed */
	size_t nkeys;
	/* In their place: these keys, and those of statements that it took. Key records of the
	 * chain are learned from in any case. Copied; may be NULL. */
	const struct keyring *ring;
	const char *node; /* the chain's node; NULL: that of the first line */
	/* The chain may begin after its first record: at any (a stream that was
	 * trimmed), or at exactly this one (0: at 1). */
	bool trimmed;
	uint64_t from;
	/* With `from`: a record of type trim, later in the chain, must say that what was before
	 * it was trimmed, and which hash it ended with; else record 1 is missing. */
	bool by_trim;
	/* With `by_trim`, of an archive: the trim record must also say that what was before was
	 * archived nowhere. */
	bool unarchived;
	/* The end may still be being written: records after the last commit, and
	 * a cut last line, are counted and not an error. */
	bool live;
	/* Every commit's signature is looked at, also where one elsewhere vouches for it. */
	bool every_signature;
	/* Runs for every record as it is read: nothing is known of it yet. NULL: nothing. */
	void (*record)(void *arg, const struct chain_line *l, struct span line);
	/* Runs for every record of a commit whose hashes agree; its signature may
	 * be checked later. NULL: nothing. */
	void (*each)(void *arg, uint64_t seq, const unsigned char hash[CHAIN_HASH_BYTES]);
	void *arg;
};

/* How a record of type trim (record/archive/trim.c) names the record before `first`, whose hash is
 * `prev`. */
#define VERIFY_TRIM_BYTES 128
void verify_trim_text(uint64_t first, const unsigned char prev[CHAIN_HASH_BYTES],
	char out[VERIFY_TRIM_BYTES]);
/* Whether that trim record is of that text; `unarchived`: and says that what it trimmed was archived
 * nowhere. */
bool verify_is_trim(struct span line, const char *text, bool unarchived);

#define VERIFY_WHY_MAX 256

struct verify_result {
	bool ok;
	uint64_t bad_seq; /* first bad sequence number, where not ok */
	char why[VERIFY_WHY_MAX];
	char node[CHAIN_NODE_MAX + 1]; /* "": no line named one */
	/* What is signed and agrees, up to the first error: */
	uint64_t records, commits, boots;
	uint64_t vouched;     /* commits whose signature was not looked at */
	uint64_t first, last; /* sequence numbers; 0: none */
	uint64_t boot;
	unsigned char head[CHAIN_HASH_BYTES];
	char time[CLOCK_RFC3339_LEN]; /* of the last record */
	char type[32];		      /* of the last record */
	uint64_t trim_seq;	      /* the record that vouches for what was trimmed */
	char key[SIGNKEY_ID_LEN + 1]; /* that signed the last commit */
	/* After the last commit: */
	uint64_t unsigned_records;
	uint64_t torn_bytes;
};

struct verifier;
struct verifier *verifier_new(const struct verify_options *o); /* NULL: out of memory */
void verifier_free(struct verifier **v);
/* The chain that follows continues this one, whose end was verified elsewhere
 * (the segment before). Before the first line only. */
void verifier_continue(struct verifier *v, const struct chain *before);
/* A line without its newline. Returns true if it was a commit that agreed: what
 * was fed up to here is whole. */
bool verifier_line(struct verifier *v, struct span line);
/* Something is where the next line should be, `why` says what. */
void verifier_reject(struct verifier *v, const char *why);
/* Inside `each`: this record of the commit under way is bad. Its commit's signature, and what
 * came before, are looked at first. */
void verifier_reject_record(struct verifier *v, uint64_t seq, const char *why);
/* Inside `each`: a signature elsewhere vouches for the hashes of records from..to. Their
 * commits' signatures need no look then, but for those of the chain's first VERIFY_ALL commits.
 */
#define VERIFY_ALL 4096
void verifier_vouched(struct verifier *v, uint64_t from, uint64_t to);
/* Whether a signature that may vouch is worth a look: enough commits wait for theirs. In a
 * chain's first VERIFY_ALL commits everything is looked at. */
bool verifier_wants_vouching(const struct verifier *v);
/* The last bytes, which no newline ended. */
void verifier_torn(struct verifier *v, size_t bytes);
/* The keys that may sign what record `seq` holds, as far as the chain was read: their number.
 */
size_t verifier_keys(const struct verifier *v, uint64_t seq, struct pubkey *out, size_t max);
/* Its keys and what it was told of them, by the chain too, as far as that was read. */
const struct keyring *verifier_ring(const struct verifier *v);
/* Nothing is pending: the last line was a commit, or there was none yet. */
bool verifier_at_commit(const struct verifier *v);
/* Once, at the end. */
void verifier_end(struct verifier *v, struct verify_result *out);

#endif
