/* What the audit subcommands share: where records are read from. */
#ifndef CMD_AUDIT_H
#define CMD_AUDIT_H

#include <hiredis/hiredis.h>

#include "base/arena.h"
#include "base/buf.h"
#include "store/chain.h"
#include "store/verify.h"

/* Receives a source's lines in their order. */
struct audit_sink {
	void *arg;
	void (*line)(void *arg, struct span line);
	/* What is after the last newline of the last file. NULL: ignored. */
	void (*torn)(void *arg, size_t bytes);
	/* Something that is no line at all (a foreign stream entry). NULL: ignored. */
	void (*reject)(void *arg, const char *why);
};

/* Each: 0, or an error with a sentence in *why. The whole of a journal, a file
 * ("-": standard input), a stream. */
int audit_read_journal(const char *dir, const struct audit_sink *to, struct buf *why);
int audit_read_file(const char *file, const struct audit_sink *to, struct buf *why);
int audit_read_stream(
	redisContext *c, const char *key, const struct audit_sink *to, struct buf *why);

redisContext *audit_dial(const char *url, struct buf *why);

#define AUDIT_STREAMS_MAX   10000
#define AUDIT_STREAM_PREFIX "tollgate:audit:"
/* The streams of every node, sorted; audit_streams_free. */
struct audit_streams {
	char **key;
	size_t n;
};
int audit_streams(redisContext *c, struct audit_streams *out, struct buf *why);
void audit_streams_free(struct audit_streams *s);

/* The command line after the verb, and the configuration's defaults. */
struct audit_args {
	const char *what; /* the command, in messages */
	const char *journal, *redis, *file, *id;
	const char *config, *policy;
	bool as_json;
	/* list: what is shown; NULL and 0: any */
	const char *person, *decision, *route, *class;
	int64_t since_ns, until_ns;
	bool follow;
	uint64_t from;
	struct pubkey keys[SIGNKEYS_MAX];
	size_t nkeys;
	struct arena arena;
};
/* Fills in from the configuration where the records are, and with `need_key` the key, where
 * the command line says neither. 0, or an exit code after a message. */
int audit_source(struct audit_args *a, bool need_key);
/* Reads what the arguments name (several streams one after the other). 0, or an exit code
 * after a message. */
int audit_read(const struct audit_args *a, const struct audit_sink *to);

int audit_verify(struct audit_args *a);
int audit_list(struct audit_args *a);
int audit_show(struct audit_args *a);
int audit_explain(struct audit_args *a);
int audit_export(struct audit_args *a);

#endif
