/* Reads records for every command: from a journal, a Redis stream or a file, within a period,
 * and on as a journal grows.
 *
 * A command has the options of QUERY_SOURCE and QUERY_TIMES and a callback that gets each
 * line. The sequence is query_times(), query_begin(), query_run(), query_end().
 * query_begin() also records who reads (cmd/daemon/reading.h). */
#ifndef CMD_RECORDS_QUERY_H
#define CMD_RECORDS_QUERY_H

#include <hiredis/hiredis.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/codec/lines.h"
#include "base/redis/redis_map.h"
#include "cmd/cmd.h"
#include "policy/config/members.h"
#include "record/archive/kept_policy.h"
#include "record/audit/record_fields.h"
#include "record/audit/record_terms.h"
#include "record/journal/journal.h"

/* A segment of a journal, or a part of it that has an index of its own. */
struct query_piece {
	const char *journal; /* the journal's folder without a final slash; borrowed for the call */
	struct journal_segment segment;
	uint64_t begin, bytes; /* offset and length in bytes; bytes 0: up to the end */
	bool closed;	       /* no more records are added to the segment, so it may have an
			        * index */
	bool last;	       /* the journal's last piece, whose last line may be incomplete */
};

/* A request for records. Owned by the command; pointers are borrowed from argv. NULL, 0 and
 * false mean that the option was not given. */
struct query {
	const char *what; /* the command, for messages */
	/* The place: named on the command line, else the configured journal. */
	const char *journal, *redis, *file; /* a folder; a URL; a file or "-" */
	/* The configurations of the further journals that are read with `journal`: that of the
	 * other instance, and those of the other daemons of this machine that share Redis
	 * (policy/config/members.h). None if the command line names a place. */
	const struct config *const *beside;
	size_t nbeside;
	const char *config;		    /* the configuration file, as for config_find() */
	bool restored;			    /* the command line names JOURNAL.restored */
	bool without_restored; /* skip restored records unless the command line names them */
	/* The period: as the user wrote it, and as a time; 0 and "" mean no bound. */
	const char *said_at, *said_between, *said_end, *said_since, *said_until, *said_zone;
	int64_t since_ns, until_ns;
	/* the same bounds, in the form that audit_time_within() takes */
	char since[CLOCK_RFC3339_LEN], until[CLOCK_RFC3339_LEN];
	int64_t slack_ns; /* ns; segments that end earlier than the period by up to this are
			   * read too */
	bool within;	  /* pass only lines within the period */
	/* Pass the lines of several journals in the order of their times; without it, segment
	 * by segment. Not with `term` and `piece`. */
	bool by_time;
	/* The selection, for a journal: only lines with one of these terms
	 * (record_term_hash()) are passed, if an index has them. A piece without a sound
	 * index is passed completely, so the callback must compare. */
	const uint64_t *term;
	size_t nterms;
	bool no_index;	    /* read every line, without the indexes */
	const char *node;   /* only this node's records; NULL: those of all nodes */
	bool by_config;	    /* the journal is that of a tollgate.yaml, so it is of one node */
	uint64_t from;	    /* skip segments that end before this record */
	const bool *enough; /* stop when *enough is true; NULL: read to the end */
	/* Evidence: data that is no complete line inside a chain is passed too, and a
	 * segment that disappears is an error. */
	bool evidence;
	/* The callbacks. `arg` is passed to each. */
	void *arg;
	void (*line)(void *arg, struct span line);
	/* Gets the number of bytes after the last newline of the last file. NULL: ignored. */
	void (*torn)(void *arg, size_t bytes);
	/* Gets something that is no line, such as a foreign entry of a stream. NULL:
	 * ignored. */
	void (*reject)(void *arg, const char *why);
	/* Gets a piece of a journal as a whole. Returns ERR_NOTFOUND to get the piece line
	 * by line, or an error with *why. NULL: all pieces are read line by line. */
	int (*piece)(void *arg, const struct query_piece *p, struct buf *why);
	struct arena arena; /* valid from query_times() to query_end() */
};

/* Rows of options that all queries have. */
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

/* Parses the times that the user wrote. Returns 0, or an exit code after a message. */
int query_times(struct query *q);
/* Begins the reading: records what was requested, and finds the configured journal if no
 * place is named. If `options` is NULL, the daemon is not informed. Returns 0, or an exit
 * code after a message. Call query_end() in any case. */
int query_begin(
	struct query *q, const struct cmd_option *options, char *const *operands, int n);
/* Sets the place to the configured journal if the command line names none. Returns 0, or an
 * exit code after a message. */
int query_source(struct query *q);
/* Returns the configuration of the daemon whose records have this node name, or NULL if it is not
 * among q->beside. */
const struct config *query_beside(const struct query *q, const char *node);
/* Returns the journal that has the records of the node: one of q->beside, else q->journal. */
const char *query_journal_of(const struct query *q, const char *node);
/* Stores the folders of all journals that the query reads in `out`, and returns their number. */
enum { QUERY_JOURNALS_MAX = CONFIG_MEMBERS_MAX + 2 };
size_t query_journals(const struct query *q, const char *out[static QUERY_JOURNALS_MAX]);
/* Returns where the texts of the policies are kept that made the decisions. The strings live as
 * long as the query. */
struct kept_places query_places(struct query *q);
/* Ends the reading and frees the arena. Returns `code`, the command's exit code. */
int query_end(struct query *q, int code);
/* Checks a term with a fixed list of words, such as --decision. Returns 0, or an exit code
 * after a message if `word` is none of them. Without this check, a mistyped word would
 * silently match nothing. */
int query_word(const char *what, enum record_term t, struct span word);

/* Passes all requested records to the callbacks. Returns 0, or an exit code after a
 * message. */
int query_run(const struct query *q);
/* As query_run(), but returns an error with a sentence in *why instead of printing. */
int query_read(const struct query *q, struct buf *why);
/* Passes a line to the callback if it is within the period. */
void query_give(const struct query *q, struct span line);
/* Passes the lines of one piece of a journal. Returns as query_read() does. */
int query_lines(const struct query *q, const struct query_piece *p, struct buf *why);
/* Opens a piece with its index files. Returns ERR_NOTFOUND if the piece no longer exists. */
int query_open_piece(const struct query_piece *p, struct index_segment *s, struct buf *why);
enum { QUERY_INDEX_MAX = JOURNAL_DIR_MAX + 16 };
/* Writes the path JOURNAL.index to `out` and returns `out`. */
const char *query_index(const char *journal, char out[QUERY_INDEX_MAX]);
/* Reads when the first record at or after offset `begin`, where a line begins, was written.
 * Returns false if there is no such record yet. */
bool query_first_time(const char *dir, const struct journal_segment *s, uint64_t begin,
	char out[CLOCK_RFC3339_LEN]);

/* Reads the latest time among the last records of a piece. Returns false if no record has a
 * time. */
bool query_last_time(const struct query_piece *p, char out[CLOCK_RFC3339_LEN]);

/* Notes that the times of a node's segments go back by more than QUERY_BACK_NS: the clock
 * was set, or it was wrong when a daemon started. */
#define QUERY_BACK_NS (5ll * 1000000000)
/* The jumps of one node's clock, as query_note_back() found them. */
struct query_back {
	size_t n; /* number of times that the times go back */
	char from[CLOCK_RFC3339_LEN], to[CLOCK_RFC3339_LEN]; /* the first such change */
	char segment[128];
};
/* Compares the first time `is` of a segment with the first time `was` of the segment before
 * it; `was` is "" if there is none. */
void query_note_back(
	struct query_back *back, const char *segment, const char *was, const char *is);
/* Reports the jump of the clock on stderr, once for each node. */
void query_say_back(const char *what, const char *node, const struct query_back *back);

/* Returns true if all records of the segment are earlier than the period. `next` is the
 * node's next segment. A segment that began before the period is not enough to know this,
 * because a daemon that starts with its clock behind begins a segment that seems older than
 * the end of the previous one. */
bool query_ended_before(const struct query *q, const char *dir,
	const struct journal_segment *s, const struct journal_segment *next);

/* ---- Redis Streams ---- */

/* Connections to the servers: to all nodes of a cluster, else to one server. */
struct query_redis {
	redisContext *c[REDIS_NODES_MAX];
	size_t n;
	/* the streams of all nodes, sorted by key */
	struct query_stream {
		char *key;
		redisContext *c;
	} * stream;
	size_t nstreams;
};
#define QUERY_STREAMS_MAX   10000
#define QUERY_STREAM_PREFIX "tollgate:audit:"
/* Connects to the servers of the query's URL and lists their streams. If the configuration
 * has the same URL, its user, password and certificates are used. Returns 0, or a negative
 * error with *why. Call query_hang_up() in any case. */
int query_dial(const struct query *q, struct query_redis *out, struct buf *why);
void query_hang_up(struct query_redis *r);
/* Passes the lines of one stream. Returns 0, or a negative error with *why. */
int query_stream(redisContext *c, const char *key, const struct query *q, struct buf *why);

/* ---- journals that grow ---- */

/* The reading of one node's segments in a journal that may grow. Owned by struct
 * query_feeds. */
#define QUERY_POLL_NS 200000000L
struct query_feed {
	const char *dir;	   /* the journal; borrowed from struct query_feeds */
	struct journal_segment at; /* the segment that is read, or was read last */
	int fd;			   /* -1: the segment was read to its end, or no longer exists */
	struct lines lines;
	/* The members below belong to the caller. */
	uint64_t good; /* an offset in the segment; 0 at the begin of a segment */
	bool stale;    /* the node is read again from the segment that passed() chooses */
};
/* All nodes of some journals. Owned by the command; freed by query_feeds_free(). */
struct query_feeds {
	const char *what;
	const char *dir[QUERY_JOURNALS_MAX]; /* the journals' folders, ndirs; borrowed */
	size_t ndirs;
	bool follow; /* there will be a further call of query_feeds_turn() */
	void *arg;
	void (*line)(void *arg, struct query_feed *f, struct span line);
	/* Called when a segment was read to its present end. The next turn continues at
	 * f->lines.offset, which the callback may set. NULL: not called. */
	void (*end)(void *arg, struct query_feed *f);
	/* Returns true if the segment `s` of `dir` has no record that the command wants. `next` is the node's
	 * next segment. Reading begins after such segments. NULL: reading begins at the node's
	 * oldest segment. */
	bool (*passed)(void *arg, const char *dir, const struct journal_segment *s,
		const struct journal_segment *next);
	struct query_feed *feed;
	size_t n;
};
/* Passes all lines that exist now. Returns 0, or an exit code after a message. */
int query_feeds_turn(struct query_feeds *f);
void query_feeds_free(struct query_feeds *f);

#endif
