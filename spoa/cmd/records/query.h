/* The one way to ask records: where they are, of which time, which lines of them, and on as
 * they grow. A command has options and a callback that is given lines; what is between is here,
 * and it is noted who read (cmd/daemon/reading.h). */
#ifndef CMD_RECORDS_QUERY_H
#define CMD_RECORDS_QUERY_H

#include <hiredis/hiredis.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/codec/lines.h"
#include "base/redis/redis_map.h"
#include "cmd/cmd.h"
#include "record/audit/record_fields.h"
#include "record/audit/record_terms.h"
#include "record/journal/journal.h"

/* A segment of a journal, or a part of it. */
struct query_piece {
	const char *journal; /* its folder, without a slash at its end; a view, of the call */
	struct journal_segment segment;
	uint64_t begin, bytes; /* bytes 0: to its end */
	bool closed;	       /* nothing more is written to it: files may be next to it */
	bool last;	       /* of the journal: its end may be under way */
};

struct query {
	const char *what; /* the command, in messages */
	/* where: what the command line names, else the configured journal */
	const char *journal, *redis, *file; /* a folder, a URL, a file or "-" */
	/* the journal of the host's other instance, read with `journal` as one time line; NULL:
	 * none, or places are named */
	const char *beside;
	const char *config;		    /* as for config_find */
	bool restored;			    /* JOURNAL.restored was named */
	bool without_restored; /* what audit restore brought counts only where it was named */
	/* when: as people say it, and as it was understood: 0 and "" where there is no bound */
	const char *said_at, *said_between, *said_end, *said_since, *said_until, *said_zone;
	int64_t since_ns, until_ns;
	char since[CLOCK_RFC3339_LEN], until[CLOCK_RFC3339_LEN]; /* as audit_time_within() */
	int64_t slack_ns; /* segments that end so long before that are read too */
	bool within;	  /* only lines of that time are given */
	/* which, of a journal: lines that have one of these terms (record_term_hash()), by the
	 * indexes; what has no sound index comes line by line: who gets them compares */
	const uint64_t *term;
	size_t nterms;
	bool no_index;	    /* line by line, whatever is next to segments */
	const char *node;   /* NULL: of every node */
	uint64_t from;	    /* without the segments that end before this record */
	const bool *enough; /* until that is true; NULL: to the end */
	/* It is evidence: what is no whole line inside of a chain is given too, and a segment
	 * that is gone is an error. */
	bool evidence;
	/* Who gets it. */
	void *arg;
	void (*line)(void *arg, struct span line);
	/* What is after the last newline of the last file. NULL: ignored. */
	void (*torn)(void *arg, size_t bytes);
	/* Something that is no line at all (a foreign stream entry). NULL: ignored. */
	void (*reject)(void *arg, const char *why);
	/* Of a journal: a piece that is taken as such. ERR_NOTFOUND: by its lines; or an error
	 * with *why. NULL: all are taken by their lines. */
	int (*piece)(void *arg, const struct query_piece *p, struct buf *why);
	struct arena arena; /* from query_times() to query_end() */
};

/* Rows of options that queries share. */
/* clang-format off */
#define QUERY_SOURCE(q) \
	{ "journal", .text = &(q)->journal }, \
	{ "redis",   .text = &(q)->redis }, \
	{ "file",    .text = &(q)->file }, \
	{ "config",  .text = &(q)->config }, \
	{ "c",       .text = &(q)->config }
#define QUERY_TIMES(q) \
	{ "since", .text = &(q)->said_since }, \
	{ "until", .text = &(q)->said_until }
/* clang-format on */

/* Understands the times that were said. 0, or an exit code after a message. */
int query_times(struct query *q);
/* It is noted what was asked for, and the journal is found where nothing is named. `options`
 * NULL: nobody is told of it. 0, or an exit code after a message; query_end() in any case. */
int query_begin(
	struct query *q, const struct cmd_option *options, char *const *operands, int n);
/* The configured journal, where no place is named. 0, or an exit code after a message. */
int query_source(struct query *q);
/* Returns `code`, which is the command's. */
int query_end(struct query *q, int code);
/* Of a term that has a list of words: 0, or an exit code after a message where this is none of
 * them. One that no record has would find nothing for good. */
int query_word(const char *what, enum record_term t, struct span word);

/* Gives all that is asked for. 0, or an exit code after a message. */
int query_run(const struct query *q);
/* The same. 0, or an error with a sentence in *why. */
int query_read(const struct query *q, struct buf *why);
/* A line, where it is of the time that is asked for. */
void query_give(const struct query *q, struct span line);
/* The lines of a part of a journal. The same. */
int query_lines(const struct query *q, const struct query_piece *p, struct buf *why);
/* Opens a piece with what is next to it. ERR_NOTFOUND: it is gone. */
int query_open_piece(const struct query_piece *p, struct index_segment *s, struct buf *why);
enum { QUERY_INDEX_MAX = JOURNAL_DIR_MAX + 16 };
/* JOURNAL.index; returns `out`. */
const char *query_index(const char *journal, char out[QUERY_INDEX_MAX]);
/* When a segment's first record was written, or the first one from `begin` on, where a line
 * begins; false: it has none yet. */
bool query_first_time(const char *dir, const struct journal_segment *s, uint64_t begin,
	char out[CLOCK_RFC3339_LEN]);

/* The latest time of a piece's last records; false: nothing says so. */
bool query_last_time(const struct query_piece *p, char out[CLOCK_RFC3339_LEN]);

/* Where the first times of a node's segments go back by more than QUERY_BACK_NS: the clock was
 * set, or was wrong when a daemon started. */
#define QUERY_BACK_NS (5ll * 1000000000)
struct query_back {
	size_t n;			     /* how often */
	char from[CLOCK_RFC3339_LEN], to[CLOCK_RFC3339_LEN]; /* of the first one */
	char segment[128];
};
/* The segment's first time is `is`; that of the one before it was `was`, "": there is none. */
void query_note_back(
	struct query_back *back, const char *segment, const char *was, const char *is);
/* Tells the caller on stderr, once for each node. */
void query_say_back(const char *what, const char *node, const struct query_back *back);

/* All records of the segment are from before the time that is asked for. `next` is the node's
 * next one. That it began before the time does not say so: a daemon that starts with its clock
 * behind begins a segment that seems older than the end of the one before it. */
bool query_ended_before(const struct query *q, const char *dir,
	const struct journal_segment *s, const struct journal_segment *next);

/* ---- Redis Streams ---- */

/* Connections to each server that holds keys there: a cluster's nodes, else one. */
struct query_redis {
	redisContext *c[REDIS_NODES_MAX];
	size_t n;
	/* the streams of every node, sorted */
	struct query_stream {
		char *key;
		redisContext *c;
	} * stream;
	size_t nstreams;
};
#define QUERY_STREAMS_MAX   10000
#define QUERY_STREAM_PREFIX "tollgate:audit:"
/* Where the query's URL is that of the configuration its user, password and certificates are
 * used too. 0, or negative with *why; query_hang_up() in any case. */
int query_dial(const struct query *q, struct query_redis *out, struct buf *why);
void query_hang_up(struct query_redis *r);
int query_stream(redisContext *c, const char *key, const struct query *q, struct buf *why);

/* ---- on as it grows ---- */

/* A journal node by node, over its segments, and on where it grows. */
#define QUERY_POLL_NS 200000000L
struct query_feed {
	struct journal_segment at; /* whose segment is read, or was last */
	int fd;			   /* -1: it is read to its end, or gone */
	struct lines lines;
	/* the user's */
	uint64_t good; /* an offset; 0 where a segment begins */
	bool stale;    /* the node is begun anew, where before() says */
};
struct query_feeds {
	const char *what, *dir;
	bool follow; /* there will be another turn */
	void *arg;
	void (*line)(void *arg, struct query_feed *f, struct span line);
	/* The segment is read to its end as it is now; what f->lines.offset is set to is read
	 * again at the next turn. NULL: nothing. */
	void (*end)(void *arg, struct query_feed *f);
	/* Returns true if the segment `s` has no record that the command wants. `next` is the node's
	 * next segment. Reading begins after such segments. NULL: reading begins at the node's
	 * oldest segment. */
	bool (*passed)(void *arg, const struct journal_segment *s,
		const struct journal_segment *next);
	struct query_feed *feed;
	size_t n;
};
/* All there is now. An exit code after a message, or 0. */
int query_feeds_turn(struct query_feeds *f);
void query_feeds_free(struct query_feeds *f);
/* Gives the lines of q->journal, and those that come, until somebody ends it. An exit code. */
int query_follow(const struct query *q);

#endif
