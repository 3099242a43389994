/* What the audit subcommands share: where records are read from. */
#ifndef CMD_RECORDS_AUDIT_H
#define CMD_RECORDS_AUDIT_H

#include <hiredis/hiredis.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/codec/lines.h"
#include "base/redis/redis_map.h"
#include "record/audit/record_fields.h"
#include "record/journal/chain.h"
#include "record/journal/journal.h"
#include "record/journal/keyring.h"

/* Receives a source's lines in their order. */
struct audit_sink {
	void *arg;
	void (*line)(void *arg, struct span line);
	/* What is after the last newline of the last file. NULL: ignored. */
	void (*torn)(void *arg, size_t bytes);
	/* Something that is no line at all (a foreign stream entry). NULL: ignored. */
	void (*reject)(void *arg, const char *why);
};

/* When a segment's first record was written, or the first one from `begin` on, where a line
 * begins; false: it has none yet. */
bool audit_first_time(const char *dir, const struct journal_segment *s, uint64_t begin,
	char out[CLOCK_RFC3339_LEN]);

/* Each: 0, or an error with a sentence in *why. A journal, without the segments that end before
 * `since` (as above; "": all of it), compressed ones too, and with `restored` what was brought
 * back from an archive; a file ("-": standard input); a stream. */
int audit_read_journal(const char *dir, const char *since, bool restored,
	const struct audit_sink *to, struct buf *why);
/* The same, of one node (NULL: every), without the segments that end before record `from`,
 * until *enough. */
int audit_read_journal_from(const char *dir, const char *node, uint64_t from,
	const struct audit_sink *to, const bool *enough, struct buf *why);
/* The records of a journal that have one of these terms (record_term_hash()), by the indexes;
 * what has no sound index comes line by line: each line is to be compared by who gets it. */
int audit_find(const char *journal, const uint64_t *term, size_t n, const struct audit_sink *to,
	struct buf *why);
int audit_read_file(const char *file, const struct audit_sink *to, struct buf *why);
int audit_read_stream(
	redisContext *c, const char *key, const struct audit_sink *to, struct buf *why);

/* A journal node by node, over its segments, and on where it grows. */
#define AUDIT_POLL_NS 200000000L
struct audit_feed {
	struct journal_segment at; /* whose segment is read, or was last */
	int fd;			   /* -1: it is read to its end, or gone */
	struct lines lines;
	/* the user's */
	uint64_t good; /* an offset; 0 where a segment begins */
	bool stale;    /* the node is begun anew, where before() says */
};
struct audit_feeds {
	const char *what, *dir;
	bool follow; /* there will be another turn */
	void *arg;
	void (*line)(void *arg, struct audit_feed *f, struct span line);
	/* The segment is read to its end as it is now; what f->lines.offset is set to is read
	 * again at the next turn. NULL: nothing. */
	void (*end)(void *arg, struct audit_feed *f);
	/* Whether what is wanted of a node may be in this segment, or before the next one: of
	 * such the newest is read first. NULL: its oldest. */
	bool (*before)(void *arg, const struct journal_segment *s);
	struct audit_feed *feed;
	size_t n;
};
/* All there is now. An exit code after a message, or 0. */
int audit_feeds_turn(struct audit_feeds *f);
void audit_feeds_free(struct audit_feeds *f);

/* Connections to each server that holds keys there: a cluster's nodes, else one. */
struct audit_redis {
	redisContext *c[REDIS_NODES_MAX];
	size_t n;
};
/* Where the URL is that of the configuration (`config` as for config_find), its user, password
 * and certificates are used too. 0, or negative with *why. */
int audit_dial(const char *url, const char *config, struct audit_redis *out, struct buf *why);
void audit_hang_up(struct audit_redis *r);

#define AUDIT_STREAMS_MAX   10000
#define AUDIT_STREAM_PREFIX "tollgate:audit:"
/* The streams of every node, sorted; audit_streams_free. */
struct audit_streams {
	struct audit_stream {
		char *key;
		redisContext *c; /* of the audit_redis */
	} * stream;
	size_t n;
};
int audit_streams(const struct audit_redis *r, struct audit_streams *out, struct buf *why);
void audit_streams_free(struct audit_streams *s);

/* Options of list that want a field, by the name that commands have for it. */
enum {
	AUDIT_PERSON,
	AUDIT_DECISION,
	AUDIT_ROUTE,
	AUDIT_CLASS,
	AUDIT_OUTCOME,
	AUDIT_OPERATION,
	AUDIT_SERVER,
	AUDIT_TOOL,
	AUDIT_FILTERS
};
extern const enum record_field audit_filters[AUDIT_FILTERS];

#define AUDIT_STATEMENTS 16 /* files of --statement */
/* The command line after the verb, and the configuration's defaults. */
struct audit_args {
	const char *what; /* the command, in messages */
	const char *journal, *redis, *file, *id;
	const char *config, *policy;
	bool as_json, no_index;
	const char *want[AUDIT_FILTERS]; /* list: what is shown; NULL: any */
	int64_t since_ns, until_ns;
	bool follow;
	uint64_t from;
	/* show: the record by what is given of it, in place of its id; its proof, of which type
	 */
	const char *seq, *receipt;
	bool proof;
	const char *proof_of; /* NULL: the decision, or where there is none the only record */
	const char *note;     /* verify: a checkpoint that the log must continue */
	const char *root, *statements[AUDIT_STATEMENTS]; /* verify: of an offline root */
	size_t nstatements;
	struct keyring *ring;		   /* verify: whom to believe what; audit_ring */
	bool restored; /* verify: what audit restore brought counts; JOURNAL.restored was named,
			* or the journal has nothing of its own */
	const char *manifest; /* verify: of an exported file */
	const char *tsa_ca, *witness_key;  /* verify: of those outside who answered, */
	const struct anchor_keys *outside; /* as read */
	struct pubkey keys[SIGNKEYS_MAX];
	size_t nkeys;
	struct arena arena;
};
/* Fills in from the configuration where the records are, and with `need_key` the key, where
 * the command line says neither. 0, or an exit code after a message. */
/* --since and --until, each NULL where it is not given: into the arguments, and as
 * audit_time_within() takes them. 0, or an exit code after a message. */
int audit_period(struct audit_args *a, const char *since, const char *until,
	char since_text[CLOCK_RFC3339_LEN], char until_text[CLOCK_RFC3339_LEN]);
int audit_source(struct audit_args *a, bool need_key);
/* A file of --public-key. 0, or an exit code after a message. */
int audit_add_keys(struct audit_args *a, const char *file);
/* Reads what the arguments name (several streams one after the other). 0, or an exit code
 * after a message. */
int audit_read(const struct audit_args *a, const struct audit_sink *to);

/* A column of list: "-" where the record has none of it. */
struct audit_column {
	enum record_field field;
	int width;
	bool may_lack; /* nothing is shown then */
};
void audit_print_columns(const json_t *r, const struct audit_column *c, size_t n);

int audit_search(int argc, char **argv); /* cmd/search/ */
int audit_report(int argc, char **argv); /* cmd/report/ */
int audit_restore(int argc, char **argv);
int audit_verify(struct audit_args *a);
int audit_list(struct audit_args *a);
int audit_key(int argc, char **argv); /* argv[0]: "key" */
/* a->ring: the keys given, the root, and what the files of statements say, JOURNAL.keys of the
 * journal that is named or else configured among them. 0, or an error with *why. */
int audit_ring(struct audit_args *a, struct buf *why);
int audit_show(struct audit_args *a);
/* Which record show looks for. */
struct audit_wanted {
	struct buf id; /* as it is in a record, with its quotes; empty: not by id */
	char node[CHAIN_NODE_MAX + 1]; /* ""; any */
	uint64_t seq;		       /* 0: not by number */
	bool hashed;
	unsigned char hash[CHAIN_HASH_BYTES]; /* which it must have */
};
/* Whether this line is such a record; *l is filled then. Its hash is not looked at. */
bool audit_is_wanted(const struct audit_wanted *w, struct span line, struct chain_line *l);
/* Its proof as a file on standard output; EXIT_… */
int audit_prove(struct audit_args *a, const struct audit_wanted *w);
int audit_explain(struct audit_args *a);
int audit_export(int argc, char **argv); /* cmd/export/ */
/* verify: an exported file against its manifest. */
int audit_verify_manifest(struct audit_args *a);

#endif
