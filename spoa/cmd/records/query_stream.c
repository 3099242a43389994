/* Reads records from Redis streams, of one server or of all nodes of a cluster. Each node
 * of tollgate writes a stream tollgate:audit:NODE. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/why.h"
#include "base/redis/redis_sync.h"
#include "cmd/records/query.h"
#include "policy/config/config.h"
#include "record/journal/chain.h"

#define PAGE	   1000 /* stream entries for each request */
#define TIMEOUT_US 10000000

static struct span
reply_span(const redisReply *r)
{
	return r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS
		       ? span_of(r->str, (size_t)r->len)
		       : (struct span){ NULL, 0 };
}

/* The id of a stream entry: the boot and the sequence number of its record. */
struct stream_id {
	uint64_t boot, seq;
};

/* Passes the record of one entry, which has the form [id, [field, value, ...]]. */
static void
read_entry(const redisReply *e, const struct query *q, struct stream_id *last)
{
	struct span id = { NULL, 0 }, record = id, commit = id, gap = id, value, s, b;
	uint64_t boot = 0, seq = 0;
	struct chain_line l;
	char why[160];
	bool strange = false;

	if (e->type == REDIS_REPLY_ARRAY && e->elements == 2 &&
		e->element[1]->type == REDIS_REPLY_ARRAY) {
		const redisReply *f = e->element[1];
		id = reply_span(e->element[0]);
		for (size_t i = 0; i + 1 < f->elements; i += 2) {
			value = reply_span(f->element[i + 1]);
			if (span_is(reply_span(f->element[i]), "r") && !record.p)
				record = value;
			else if (span_is(reply_span(f->element[i]), "c") && !commit.p)
				commit = value;
			else if (span_is(reply_span(f->element[i]), "g") && !gap.p)
				gap = value;
			else
				strange = true;
		}
	}
	s = id;
	b = span_next(&s, '-');
	if (span_u64(b, &boot) || span_u64(s, &seq) || seq == UINT64_MAX)
		boot = seq = UINT64_MAX - 1;
	*last = (struct stream_id){ boot, seq };
	why[0] = '\0';
	if (gap.p && !record.p && !strange)
		snprintf(why, sizeof(why),
			"missing: the journal had lost it before it was copied: %.*s",
			SPAN_ARG(span_cut(gap, 0, 100)));
	else if (!record.n || strange || gap.p)
		snprintf(why, sizeof(why), "junk: entry %.*s of the stream has %s",
			SPAN_ARG(span_cut(id, 0, 48)),
			record.n ? "a field that tollgate does not write" : "no record");
	else if (chain_parse(record, &l) == 0 && (l.boot != boot || l.seq != seq))
		snprintf(why, sizeof(why),
			"changed or moved: entry %.*s of the stream holds record %" PRIu64
			" of boot %" PRIu64,
			SPAN_ARG(span_cut(id, 0, 48)), l.seq, l.boot);
	if (why[0] && q->reject)
		q->reject(q->arg, why);
	if (record.n)
		query_give(q, record);
	if (commit.n)
		query_give(q, commit);
}

/* Reads the largest id that the stream ever had. If it is after the present end, entries
 * were deleted one by one, since trimming removes the oldest entries. */
static bool
last_generated(redisContext *c, const char *key, struct stream_id *out)
{
	const char *argv[] = { "XINFO", "STREAM", key };
	redisReply *r = redis_ask_argv(c, 3, argv, NULL);
	bool found = false;

	for (size_t i = 0; r && r->type == REDIS_REPLY_ARRAY && i + 1 < r->elements; i += 2) {
		struct span s = reply_span(r->element[i + 1]), b;
		if (!span_is(reply_span(r->element[i]), "last-generated-id"))
			continue;
		b = span_next(&s, '-');
		found = span_u64(b, &out->boot) == 0 && span_u64(s, &out->seq) == 0;
	}
	freeReplyObject(r);
	return found;
}

int
query_stream(redisContext *c, const char *key, const struct query *q, struct buf *why)
{
	struct stream_id last = { 0, 0 }, ever;
	char next[64] = "-", page[16], said[160];
	/* read this first, because entries may be added during the reading */
	bool known = last_generated(c, key, &ever);

	snprintf(page, sizeof(page), "%d", PAGE);
	for (size_t n = PAGE; n == PAGE;) {
		const char *argv[] = { "XRANGE", key, next, "+", "COUNT", page };
		redisReply *r = redis_ask_argv(c, 6, argv, NULL);
		bool ok = r && r->type == REDIS_REPLY_ARRAY;
		n = ok ? r->elements : 0;
		if (!ok)
			buf_printf(
				why, "%s: %s", key, r && r->str ? r->str : redis_sync_error(c));
		for (size_t i = 0; i < n; i++)
			read_entry(r->element[i], q, &last);
		snprintf(next, sizeof(next), "%" PRIu64 "-%" PRIu64, last.boot, last.seq + 1);
		freeReplyObject(r);
		if (!ok)
			return ERR_IO;
	}
	bool cut = known &&
		   (ever.boot > last.boot || (ever.boot == last.boot && ever.seq > last.seq));
	if (cut && q->reject) {
		snprintf(said, sizeof(said),
			"missing: the stream had entries up to %" PRIu64 "-%" PRIu64
			", but its end was deleted",
			ever.boot, ever.seq);
		q->reject(q->arg, said);
	}
	return 0;
}

static int
by_stream_key(const void *a, const void *b)
{
	return strcmp(
		((const struct query_stream *)a)->key, ((const struct query_stream *)b)->key);
}

/* Lists the streams of one server with SCAN. Returns 0, or an error with a sentence in
 * *why. */
static int
scan_streams(redisContext *c, struct query_redis *out, struct buf *why)
{
	char cursor[32] = "0";

	do {
		const char *argv[] = { "SCAN", cursor, "MATCH", QUERY_STREAM_PREFIX "*",
			"COUNT", "1000" };
		redisReply *r = redis_ask_argv(c, 6, argv, NULL);
		bool ok = r && r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
			  r->element[1]->type == REDIS_REPLY_ARRAY;
		for (size_t i = 0; ok && i < r->element[1]->elements; i++) {
			struct query_stream *to = &out->stream[out->nstreams];
			ok = out->nstreams < QUERY_STREAMS_MAX &&
			     (to->key = strdup(r->element[1]->element[i]->str));
			if (ok)
				out->stream[out->nstreams++].c = c;
		}
		if (ok)
			snprintf(cursor, sizeof(cursor), "%s", r->element[0]->str);
		else
			buf_printf(why, "SCAN: %s",
				r && r->type == REDIS_REPLY_ERROR ? r->str
				: c->errstr[0]			  ? c->errstr
								  : "more streams than "
								    "this command reads");
		freeReplyObject(r);
		if (!ok)
			return ERR_IO;
	} while (strcmp(cursor, "0") != 0);
	return 0;
}

/* Gets the options of the configuration if it has this URL. Returns false if it has another
 * one. */
static bool
configured(const struct query *q, struct redis_options *out)
{
	SCOPED_ARENA(a, 0, false);
	const struct config *cfg = cmd_config(&a, q->config);

	return cfg && cfg->redis_url && !strcmp(cfg->redis_url, q->redis) &&
	       config_redis(cfg, out) == 0;
}

int
query_dial(const struct query *q, struct query_redis *out, struct buf *why)
{
	struct redis_options o;
	size_t kept = 0;
	int err = 0;

	*out = (struct query_redis){ .n = 0 };
	if (!configured(q, &o) && redis_options_url(&o, q->redis))
		return why_err(why, ERR_SYNTAX, "--redis: give " REDIS_URL_FORMS);
	int n = redis_dial_all(&o, TIMEOUT_US, out->c, why);
	explicit_bzero(&o, sizeof(o));
	if (n < 0)
		return n;
	out->n = (size_t)n;
	out->stream = calloc(QUERY_STREAMS_MAX, sizeof(*out->stream));
	if (!out->stream)
		return why_err(why, ERR_NOMEM, "%s", err_str(ERR_NOMEM));
	for (size_t i = 0; i < out->n && !err; i++)
		err = scan_streams(out->c[i], out, why);
	qsort(out->stream, out->nstreams, sizeof(*out->stream), by_stream_key);
	/* SCAN may return a key twice, and two nodes may both return it while its slot
	 * moves */
	for (size_t i = 0; i < out->nstreams; i++) {
		if (kept && !strcmp(out->stream[kept - 1].key, out->stream[i].key))
			free(out->stream[i].key);
		else
			out->stream[kept++] = out->stream[i];
	}
	out->nstreams = kept;
	return err;
}

void
query_hang_up(struct query_redis *r)
{
	while (r->nstreams)
		free(r->stream[--r->nstreams].key);
	free(r->stream);
	while (r->n)
		redisFree(r->c[--r->n]);
	*r = (struct query_redis){ .n = 0 };
}
