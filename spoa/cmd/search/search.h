/* tollgate audit search: the terms, the sources and the search. Shared by search.c, which has
 * the command, and search_run.c, which has the search. */
#ifndef CMD_SEARCH_SEARCH_H
#define CMD_SEARCH_SEARCH_H

#include <jansson.h>

#include "cmd/records/audit.h"

#define SEARCH_WHAT    "audit search"
#define SEARCH_VALUES  64 /* the most values of one term */
#define SEARCH_SOURCES 64 /* the most --journal options */
#define SEARCH_RECORDS 64 /* the most records of one hit */

/* ---- what is searched for ---- */

/* The values of a term. A record matches if it has one of them. "x*" is a prefix, and "-"
 * matches a record that has no value of the term. */
struct search_want {
	const char *value[SEARCH_VALUES];
	size_t n;
};

/* The position of a hit in the order of all hits: by time, then node, then sequence number. An
 * empty `node` means no position. */
struct search_place {
	int64_t time_ns;
	char node[CHAIN_NODE_MAX + 1];
	uint64_t seq;
};

/* A hit with its records, in their order. The lines borrow from `text`. */
struct search_hit {
	struct buf text;
	struct span line[SEARCH_RECORDS];
	size_t n;
	struct search_place at; /* the position of the first record */
};

struct search {
	struct search_want want[RT_SEARCHED];
	int64_t from_ns, until_ns; /* wall clock; until 0: no end */
	bool oldest;		   /* the oldest hits come first */
	bool alone;		   /* records that belong to no request are hits, too */
	struct search_place after;
	/* Called with each hit that matches all terms. Returns false to end the search. */
	bool (*hit)(void *arg, const struct search_hit *h);
	void *arg;
	/* Called when an index was wrong, and the search starts again with the first hit. If
	 * NULL, the search continues after the last hit instead. */
	void (*anew)(void *arg);
};

/* The values of terms as the command line gives them. search_read_wants() returns 0, or an exit
 * code after a message. */
struct search_given {
	const char *value[RT_SEARCHED][SEARCH_VALUES];
	size_t n[RT_SEARCHED];
};
int search_read_wants(struct query *q, struct search *s, const struct search_given *given);
/* Writes one option for each term to `to`. */
void search_options(struct cmd_option *to, struct search_given *given);
/* Adds the pseudonyms of persons that are searched by name: from a file of shares or, if the
 * file is NULL, from the daemon, if its records have pseudonyms. Call it after query_begin(),
 * so that the record of the search has the pseudonym. Returns 0, or an exit code after a
 * message. */
int search_add_pseudonyms(struct query *q, struct search *s, const char *shares,
	const char *const *journals, size_t n);
/* Returns true if the records of a hit, taken together, match all terms. */
bool search_fits(const struct search *q, const struct span *line, size_t n);

/* ---- sources ---- */

/* A segment, or a file of lines. */
struct search_source {
	struct index_segment s;
	struct index *ix;	/* NULL: not opened yet */
	const char *path;	/* as messages print it */
	struct query_piece p;	/* journal NULL: a file of lines, without node and index file */
	bool lied;		/* the index file was wrong and is not used */
	bool empty;		/* the source has no records, or no longer exists */
	int64_t from_ns, to_ns; /* times of the records; estimated until `ix` is opened */
	/* Hits that may match all terms according to the index, by time. `at` is the position
	 * of the next one to be read; if the newest come first, it is one above that. */
	struct search_candidate {
		int64_t time_ns;
		uint32_t hit;
	} * hit;
	size_t nhits, at;
	bool searched;
};

struct search_sources {
	struct query *q; /* its arena owns the names */
	struct search_source *source;
	size_t n, room;
	bool said; /* a message reported that indexes cannot be written */
	size_t made;
};

/* Adds the sources that the query names: the segments of a journal's folder, a file, or
 * streams. Returns 0, or an exit code after a message. */
int search_add_journal(struct search_sources *all, const char *dir);
int search_add_file(struct search_sources *all, const char *file);
int search_add_streams(struct search_sources *all);
/* Makes the index of each closed segment again and compares it with the existing one. Returns
 * EXIT_DONE, EXIT_NO if an index differs, or EXIT_CANNOT. */
int search_check(const struct search_sources *all);

/* ---- the search ---- */

/* Runs the search. Returns 0, or an exit code after a message. */
int search_run(const struct search *q, struct search_sources *all);

#endif
