/* Verifies closed segments of this node, of both its instances, again, one after another, while the daemon runs: a
 * record that is changed on the disk is found without a person who asks for it. The thread
 * tg-recheck uses at most one hundredth of a core and the disk only if no other thread does. It
 * begins a new pass an hour after the last one began, at the earliest.
 *
 * A fault that a pass found stays until a pass or a verification finds the record sound. A
 * fault that a verification of all records found stays until another one finds it sound. An
 * operator who knows the cause accepts a fault with a reason. JOURNAL.verified (mode 0600)
 * keeps faults and progress over a restart. Nobody has to trust this file: if it is removed,
 * there is another pass, and no more. */
#ifndef RECORD_AUDIT_RECHECK_H
#define RECORD_AUDIT_RECHECK_H

#include "record/audit/audit.h"
#include "record/journal/verify.h"

#define RECHECK_SUFFIX ".verified"

/* The pace of the thread. Tests set it before the start. */
struct recheck_pace {
	uint64_t first_us; /* µs from the start to the first pass */
	int64_t pause_s;   /* least time between the begins of two passes */
	unsigned share;	   /* the thread uses one part of so many of a core */
};
extern struct recheck_pace recheck_pace;

enum { RECHECK_FAULTS = 16, RECHECK_SOURCE = 16 };

/* A record that does not verify. */
struct recheck_fault {
	char source[RECHECK_SOURCE]; /* "journal", or what `audit verify` calls the chain */
	char node[CHAIN_NODE_MAX + 1];
	uint64_t seq;
	char why[VERIFY_WHY_MAX];
	int64_t found_ns; /* wall time */
	bool accepted;	  /* an operator has explained it */
	bool seen;	  /* the pass in progress found it again */
	bool whole; /* found by a verification of all records, which alone can find it corrected
		     */
};

struct recheck_state {
	/* wall times. Every segment that was closed at `since_ns` was verified after it; 0: not
	 * yet. `began_ns`: begin of the pass in progress; 0: none */
	int64_t since_ns, began_ns;
	uint64_t done, segments; /* closed segments of this pass: verified, and all */
	struct recheck_fault fault[RECHECK_FAULTS];
	size_t nfaults;
};

struct recheck;

/* A chain that the thread verifies. Its texts must live until recheck_stop(). */
struct recheck_chain {
	const char *journal, *node;
	/* Sets *out to the public keys with which the chain was signed. Returns false if the
	 * chain is not to be read now: the process that writes it verifies it. */
	bool (*keys)(void *arg, struct keyring *out);
	void *arg;
};
enum { RECHECK_CHAINS = 2 };
/* Returns the chain that this daemon writes. */
struct recheck_chain recheck_own(const char *journal, const char *node, struct audit *a);
/* Starts the thread for `n` chains, at most RECHECK_CHAINS. JOURNAL.verified is that of the
 * first one, the daemon's own. Returns NULL if memory or threads are exhausted. */
struct recheck *recheck_start(const struct recheck_chain *chain, size_t n);
void recheck_stop(struct recheck **r);

/* Copies faults and progress. Any thread, as the functions below. */
void recheck_state(struct recheck *r, struct recheck_state *out);
/* Takes the result of a verification of all records that began at that wall time. `found` has
 * its faults, none if all records were verified. */
void recheck_verified(
	struct recheck *r, int64_t began_ns, const struct recheck_fault *found, size_t n);
/* Marks the fault of that record as accepted. Returns false if there is no such fault. */
bool recheck_accept(struct recheck *r, const char *node, uint64_t seq);
/* Appends the first fault that is not accepted, and the number of the others, as a sentence.
 * Returns false if there is none. */
bool recheck_says(struct recheck *r, struct buf *why);

#endif
