/* tollgate audit search: the parts that share a search. */
#ifndef CMD_SEARCH_SEARCH_H
#define CMD_SEARCH_SEARCH_H

#include <jansson.h>

#include "cmd/records/audit.h"

#define SEARCH_WHAT	 "audit search"
#define SEARCH_VALUES	 64 /* of one term */
#define SEARCH_SOURCES	 64 /* --journal so often */
#define SEARCH_RECORDS	 64 /* of one hit */

/* ---- what is searched for ---- */

/* The values of a term; a record has to have one of them. "x*" is a prefix, and "-" stands for
 * no value. */
struct search_want {
	const char *value[SEARCH_VALUES];
	size_t n;
};

/* A place in the line of all hits, by time, node and sequence number; node "": none. */
struct search_place {
	int64_t time_ns;
	char node[CHAIN_NODE_MAX + 1];
	uint64_t seq;
};

/* One hit, read: records in their order, views into `text`. */
struct search_hit {
	struct buf text;
	struct span line[SEARCH_RECORDS];
	size_t n;
	struct search_place at; /* of the first one */
};

struct search {
	struct search_want want[RT_SEARCHED];
	int64_t from_ns, until_ns; /* until 0: no end */
	bool oldest;		   /* first */
	bool alone;		   /* records of other types than requests' too */
	struct search_place after;
	/* A hit that has all that is wanted; false: enough. */
	bool (*hit)(void *arg, const struct search_hit *h);
	void *arg;
	/* The search begins again from the first hit, because an index was wrong. NULL: the
	 * search continues after the last hit. */
	void (*anew)(void *arg);
};

/* Values of terms, as the command line has them. 0, or an exit code after a message. */
struct search_given {
	const char *value[RT_SEARCHED][SEARCH_VALUES];
	size_t n[RT_SEARCHED];
};
int search_read_wants(struct query *q, struct search *s, const struct search_given *given);
/* Their rows of options, after the command's own. */
void search_options(struct cmd_option *to, struct search_given *given);
/* Adds the pseudonyms of persons that are searched by name: from a file of shares or, if the
 * file is NULL, from the daemon, if its records have pseudonyms. Call it after query_begin(),
 * so that the record of the search has the pseudonym. Returns 0, or an exit code after a
 * message. */
int search_add_pseudonyms(struct query *q, struct search *s, const char *shares,
	const char *const *journals, size_t n);
/* Whether the records, taken together, have all terms that are wanted. */
bool search_fits(const struct search *q, const struct span *line, size_t n);

/* ---- where ---- */

/* A segment, or a file of lines. */
struct search_source {
	struct index_segment s;
	struct index *ix;	/* NULL: not yet */
	const char *path;	/* as messages name it */
	struct query_piece p;	/* journal NULL: has no index file, and no node */
	bool lied;		/* its index file is not used */
	bool empty;		/* nothing in it, or it is gone */
	int64_t from_ns, to_ns; /* times of its records: estimated, until `ix` has them */
	/* Hits that may have all that is wanted, by time, and the next of them. */
	struct search_candidate {
		int64_t time_ns;
		uint32_t hit;
	} * hit;
	size_t nhits, at;
	bool searched;
};

struct search_sources {
	struct query *q; /* in whose arena names are */
	struct search_source *source;
	size_t n, room;
	bool said; /* that indexes cannot be written */
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
void search_sources_free(struct search_sources *all);

/* ---- the search ---- */

/* 0, or an exit code after a message. */
int search_run(const struct search *q, struct search_sources *all);
/* The words of a cursor, and back; false: it is none. */
bool search_place_read(struct span text, struct search_place *out);
void search_place_write(const struct search_place *p, struct buf *out);

#endif
