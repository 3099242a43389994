/* The tree over a chain while the chain is verified: grown from its records' hashes, and held
 * against every checkpoint that the chain has and against one old note. A chain that begins
 * after its first record has a tree from the first `boot` or `checkpoint` record on that says
 * the range before it. owner: one thread. */
#ifndef RECORD_PROOF_TREE_CHECK_H
#define RECORD_PROOF_TREE_CHECK_H

#include "record/journal/verify.h"
#include "record/proof/note.h"

/* What a record of type checkpoint, or a boot record's `tree`, says. */
struct tree_said {
	uint64_t seq, size;
	bool checkpoint, ranged, signature; /* the last: its note's was looked at, and holds */
	struct merkle_hash root;	    /* a checkpoint's */
	char origin[NOTE_NAME_MAX + 1];
	struct merkle_range range;
	const char *bad; /* it cannot be read, or its note does not verify; NULL */
};
/* Reads a record; false: it says nothing of a tree. `keys` NULL: its note's signature is not
 * looked at. The note is appended to *note (NULL: not wanted). */
bool tree_said_read(struct span line, struct span type, const struct pubkey *keys, size_t nkeys,
	struct tree_said *out, struct buf *note);

/* NOTE_UNREAD: what is there of the log begins after the note's end. */
enum tree_note { NOTE_NOT_REACHED, NOTE_UNREAD, NOTE_CONTINUED, NOTE_FORKED };

/* The note is held against leaves alone: those of the records that are read, and before them
 * the hashes that are stored of those that are not. What a record says of the records before it
 * counts for nothing here: who has the key writes such a record, too. */
struct tree_against {
	const struct checkpoint *note; /* NULL: none */
	/* The stored range of the first n leaves, which has the note's tree in it: 0. Of a note
	 * whose end is before that, *led says whether the stored hashes lead from it there.
	 * NULL: none is stored. */
	int (*stored)(void *arg, const struct checkpoint *note, uint64_t n,
		struct merkle_range *out, bool *led);
	void *arg;

	bool asked, known; /* `range` is of all records before the next */
	struct merkle_range range;
	uint64_t unread;	   /* records that the note covers and nobody read */
	bool led, agrees, differs; /* with the checkpoints of the records that were read */
};

struct tree_check {
	struct verifier *verifier; /* is told what is found; set before the first line */
	struct tree_against against;

	bool known; /* `range` is of all records before the next */
	struct merkle_range range;
	uint64_t from;		       /* the first record whose leaf was appended here */
	uint64_t checkpoints, covered; /* those that hold, and the last one's size */
	struct merkle_hash root;       /* of that one */
	char origin[NOTE_NAME_MAX + 1];
	enum tree_note note_is;

	struct tree_said *said; /* of the commit under way */
	size_t nsaid, at, room;
	bool failed; /* out of memory */
};

/* As verify_options.record and .each, with a tree_check as their argument. */
void tree_check_record(void *t, const struct chain_line *l, struct span line);
void tree_check_each(void *t, uint64_t seq, const unsigned char hash[CHAIN_HASH_BYTES]);
void tree_check_free(struct tree_check *t);

#endif
