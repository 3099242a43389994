/* Builds the tree over a chain while the chain is verified, and compares it with every
 * checkpoint of the chain and with one old note. If the chain begins after its first record,
 * the tree is known from the first boot or checkpoint record on that states the range before
 * it. owner: one thread. */
#ifndef RECORD_PROOF_TREE_CHECK_H
#define RECORD_PROOF_TREE_CHECK_H

#include "record/journal/verify.h"
#include "record/proof/note.h"

/* The statement of a checkpoint record, or of the `tree` of a boot record. */
struct tree_said {
	uint64_t seq, size;
	/* ranged: the statement has a range; signature: the note's signature was verified and
	 * is valid */
	bool checkpoint, ranged, signature;
	struct merkle_hash root; /* set only for a checkpoint */
	char origin[NOTE_NAME_MAX + 1];
	struct merkle_range range;
	/* why it cannot be read or does not verify; NULL: nothing is wrong */
	const char *bad;
};
/* Reads the statement of a record. Returns false if the record has none. `keys` NULL: do not
 * verify the note's signature. Appends the note to *note (NULL: not wanted). */
bool tree_said_read(struct span line, struct span type, const struct pubkey *keys, size_t nkeys,
	struct tree_said *out, struct buf *note);

/* The result for the old note. NOTE_NOT_REACHED: the chain ends before the note's size.
 * NOTE_UNREAD: the available records begin after it. NOTE_CONTINUED: the chain continues the
 * note. NOTE_FORKED: the chain has another root. */
enum tree_note { NOTE_NOT_REACHED, NOTE_UNREAD, NOTE_CONTINUED, NOTE_FORKED };

/* The comparison with an old note. Only leaves count: those of the records that are read, and
 * the stored hashes of the records before them. A record's own statement about earlier
 * records counts for nothing, because anyone with the key can write such a record. */
struct tree_against {
	const struct checkpoint *note; /* NULL: there is no note */
	/* Gets the stored range of the first n leaves, which includes the tree of the note,
	 * and returns 0. If the note ends before leaf n, *led becomes true if the stored
	 * hashes lead from the note to that range. NULL: no hashes are stored. */
	int (*stored)(void *arg, const struct checkpoint *note, uint64_t n,
		struct merkle_range *out, bool *led);
	void *arg;

	/* asked: begin_note() has run; known: `range` covers all records before the next one */
	bool asked, known;
	struct merkle_range range;
	uint64_t unread; /* records that the note covers and that were not read */
	/* led: see `stored`; agrees, differs: from checkpoints of the same size among the
	 * records */
	bool led, agrees, differs;
};

/* Zero it, then set `verifier` and `against`. */
struct tree_check {
	struct verifier *verifier; /* receives the findings */
	struct tree_against against;

	bool known; /* `range` covers all records before the next one */
	struct merkle_range range;
	uint64_t from;		       /* the first record whose leaf was appended here */
	uint64_t checkpoints, covered; /* correct checkpoints; size of the last one */
	struct merkle_hash root;       /* root of the last correct checkpoint */
	char origin[NOTE_NAME_MAX + 1];
	/* the result for the old note */
	enum tree_note note_is;

	struct tree_said *said; /* statements of the current commit; owned */
	size_t nsaid, at, room;
	bool failed; /* memory is exhausted */
};

/* Pass these as verify_options.record and .each, with a tree_check as `arg`. */
void tree_check_record(void *t, const struct chain_line *l, struct span line);
void tree_check_each(void *t, uint64_t seq, const unsigned char hash[CHAIN_HASH_BYTES]);
/* Frees `said`. */
void tree_check_free(struct tree_check *t);

#endif
