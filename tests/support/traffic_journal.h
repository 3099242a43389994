/* Generated traffic: a journal of many records with a valid chain, signatures and checkpoints,
 * as left by a daemon that ran for a while and was stopped. Half of the records are decisions,
 * half completions. They have several people, teams, routes, models and targets; denials,
 * redactions, limits, tool calls, failed attempts, errors, and responses without a price or
 * usage. Equal parameters make equal records. */
#ifndef TESTS_TRAFFIC_JOURNAL_H
#define TESTS_TRAFFIC_JOURNAL_H

#include "base/clock.h"
#include "base/err.h"
#include "record/journal/chain.h"
#include "record/journal/journal.h"
#include "record/proof/note.h"

struct traffic {
	const char *journal, *node; /* an existing folder without segments of the node */
	struct signkey key;
	uint64_t records, days, people;
	int64_t until_ns; /* the last day */
	uint64_t commit, segment,
		every; /* records; bytes; records between checkpoints, 0: no checkpoints */
	bool strange;  /* a few names contain markup, or characters that reverse the line */
};

#define TRAFFIC(dir, name)                                                                     \
	{                                                                                      \
		.journal = dir, .node = name, .records = 100000, .days = 30, .people = 2000,   \
		.commit = 20, .segment = 64u << 20, .every = 2000                              \
	}

/* Returns 0, or an error with errno. */
int traffic_make(const struct traffic *t);

#endif
