/* Reading records from where they are: a journal (live or not), a file, Redis
 * Streams. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec/lines.h"
#include "base/err.h"
#include "base/redis/redis_sync.h"
#include "cmd/cmd.h"
#include "cmd/records/audit.h"
#include "policy/config/config.h"
#include "record/journal/journal.h"
#include "record/journal/recover.h"

#define PAGE	   1000 /* stream entries a request */
#define TIMEOUT_US 10000000

bool
audit_first_time(const char *dir, const struct journal_segment *s, uint64_t begin,
	char out[CLOCK_RFC3339_LEN])
{
	char head[AUDIT_HEAD_BYTES];
	int fd = journal_segment_open(dir, s);
	ssize_t n = fd < 0  ? -1
		    : begin ? pread(fd, head, sizeof(head), (off_t)begin)
			    : lines_head(fd, head, sizeof(head));
	if (fd >= 0)
		close(fd);
	struct span time = audit_time_of(span_of(head, n > 0 ? (size_t)n : 0));
	if (!time.n)
		return false;
	memcpy(out, time.p, time.n);
	out[time.n] = '\0';
	return true;
}

static int
read_fd(int fd, const char *name, bool last, const struct audit_sink *to, const bool *enough,
	struct buf *why)
{
	struct lines l;
	struct span line;
	int err = lines_open(&l, fd, 0), got = 0;

	while (!err && !(enough && *enough) && (got = lines_next(&l, UINT64_MAX, &line)) > 0) {
		uint64_t from = l.offset - line.n - 1;
		if (last && !l.pipe && span_chr(line, '\0') < line.n &&
			journal_unfinished(&l, line)) {
			if (to->torn)
				to->torn(to->arg, (size_t)(l.offset - from));
			got = 0;
			break;
		}
		to->line(to->arg, line);
	}
	if (enough && *enough) {
		lines_close(&l);
		return err;
	}
	if (!err)
		err = got;
	if (err)
		buf_printf(why, "%s: %s", name, errno ? strerror(errno) : err_str(err));
	struct span rest = err ? (struct span){ NULL, 0 } : lines_rest(&l);
	if (rest.n && !last)
		to->line(to->arg, rest); /* inside a chain: not a line */
	else if (rest.n && to->torn)
		to->torn(to->arg, rest.n);
	lines_close(&l);
	return err;
}

/* fd -1: errno says why it could not be opened. */
static int
read_named(int fd, const char *name, bool last, const struct audit_sink *to, const bool *enough,
	struct buf *why)
{
	if (fd < 0) {
		buf_printf(why, "%s: %s", name, strerror(errno));
		return ERR_IO;
	}
	errno = 0;
	int err = read_fd(fd, name, last, to, enough, why);
	close(fd);
	return err;
}

int
audit_read_file(const char *file, const struct audit_sink *to, struct buf *why)
{
	return strcmp(file, "-") != 0
		       ? read_named(open(file, O_RDONLY | O_CLOEXEC), file, true, to, NULL, why)
		       : read_fd(STDIN_FILENO, "standard input", true, to, NULL, why);
}

/* Without files that are no segments, nor were, before somebody renamed them: nothing in those
 * is a record. */
static void
drop_foreign(struct journal_list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->n; i++)
		if (list->seg[i].ours || strstr(list->seg[i].name, ".jsonl"))
			list->seg[kept++] = list->seg[i];
	list->n = kept;
}

/* Whether the node's next segment began before that time too: then all of this one did. */
static bool
is_before(const char *dir, const struct journal_list *all, size_t i, const char *since)
{
	char when[CLOCK_RFC3339_LEN];
	size_t k = i + 1;

	while (k < all->n && strcmp(all->seg[k].node, all->seg[i].node) != 0)
		k++;
	return since[0] && k < all->n && audit_first_time(dir, &all->seg[k], 0, when) &&
	       strcmp(when, since) < 0;
}

/* Whether the node's next segment begins at or before record `from`. */
static bool
ends_before(const struct journal_list *all, size_t i, uint64_t from)
{
	size_t k = i + 1;

	while (k < all->n && strcmp(all->seg[k].node, all->seg[i].node) != 0)
		k++;
	return all->seg[i].ours && k < all->n && all->seg[k].ours && all->seg[k].first <= from;
}

static int
read_segments(const char *dir, const char *node, const char *since, uint64_t from,
	bool restored, const struct audit_sink *to, const bool *enough, struct buf *why)
{
	struct journal_list list;
	char path[JOURNAL_PATH_MAX];
	int err = journal_list_all(dir, NULL, restored, &list, why);

	if (err)
		return err;
	drop_foreign(&list);
	for (size_t i = 0; i < list.n && !err && !(enough && *enough); i++) {
		if ((node && list.seg[i].ours && strcmp(list.seg[i].node, node) != 0) ||
			ends_before(&list, i, from))
			continue;
		journal_segment_path(dir, &list.seg[i], path);
		/* A daemon that starts removes a segment that nothing was written to. */
		if (list.seg[i].bytes == 0 && access(path, F_OK) < 0)
			continue;
		if (is_before(dir, &list, i, since))
			continue;
		err = read_named(journal_segment_open(dir, &list.seg[i]), path, i + 1 == list.n,
			to, enough, why);
	}
	journal_list_free(&list);
	return err;
}

int
audit_read_journal(const char *dir, const char *since, bool restored,
	const struct audit_sink *to, struct buf *why)
{
	return read_segments(dir, NULL, since, 0, restored, to, NULL, why);
}

int
audit_read_journal_from(const char *dir, const char *node, uint64_t from,
	const struct audit_sink *to, const bool *enough, struct buf *why)
{
	return read_segments(dir, node, "", from, true, to, enough, why);
}

/* ---- streams ---- */

static struct span
reply_span(const redisReply *r)
{
	return r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS
		       ? span_of(r->str, (size_t)r->len)
		       : (struct span){ NULL, 0 };
}

struct stream_id {
	uint64_t boot, seq;
};

/* One entry: [id, [field, value, …]]. */
static void
read_entry(const redisReply *e, const struct audit_sink *to, struct stream_id *last)
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
			record.n ? "a field that is not ours" : "no record");
	else if (chain_parse(record, &l) == 0 && (l.boot != boot || l.seq != seq))
		snprintf(why, sizeof(why),
			"changed or moved: entry %.*s of the stream holds record %" PRIu64
			" of boot %" PRIu64,
			SPAN_ARG(span_cut(id, 0, 48)), l.seq, l.boot);
	if (why[0] && to->reject)
		to->reject(to->arg, why);
	if (record.n)
		to->line(to->arg, record);
	if (commit.n)
		to->line(to->arg, commit);
}

/* The largest id the stream ever held; entries after its present end were deleted
 * one by one, as trimming takes the oldest. */
static bool
last_generated(redisContext *c, const char *key, struct stream_id *out)
{
	const char *argv[] = { "XINFO", "STREAM", key };
	redisReply *r = redisCommandArgv(c, 3, argv, NULL);
	bool found = false;

	for (size_t i = 0; r && r->type == REDIS_REPLY_ARRAY && i + 1 < r->elements; i += 2) {
		struct span s = reply_span(r->element[i + 1]), b;
		if (!span_is(reply_span(r->element[i]), "last-generated-id"))
			continue;
		b = span_next(&s, '-');
		found = span_u64(b, &out->boot) == 0 && span_u64(s, &out->seq) == 0;
	}
	if (r)
		freeReplyObject(r);
	return found;
}

int
audit_read_stream(
	redisContext *c, const char *key, const struct audit_sink *to, struct buf *why)
{
	struct stream_id last = { 0, 0 }, ever;
	char next[64] = "-", page[16], said[160];
	/* Asked first: what is added meanwhile is read too. */
	bool known = last_generated(c, key, &ever);

	snprintf(page, sizeof(page), "%d", PAGE);
	for (size_t n = PAGE; n == PAGE;) {
		const char *argv[] = { "XRANGE", key, next, "+", "COUNT", page };
		redisReply *r = redisCommandArgv(c, 6, argv, NULL);
		bool ok = r && r->type == REDIS_REPLY_ARRAY;
		n = ok ? r->elements : 0;
		if (!ok)
			buf_printf(why, "%s: %s", key, r && r->str ? r->str : redis_sync_error(c));
		for (size_t i = 0; i < n; i++)
			read_entry(r->element[i], to, &last);
		snprintf(next, sizeof(next), "%" PRIu64 "-%" PRIu64, last.boot, last.seq + 1);
		if (r)
			freeReplyObject(r);
		if (!ok)
			return ERR_IO;
	}
	bool cut = known &&
		   (ever.boot > last.boot || (ever.boot == last.boot && ever.seq > last.seq));
	if (cut && to->reject) {
		snprintf(said, sizeof(said),
			"missing: the stream held entries up to %" PRIu64 "-%" PRIu64
			", its end was deleted",
			ever.boot, ever.seq);
		to->reject(to->arg, said);
	}
	return 0;
}

static int
read_by_key(const void *a, const void *b)
{
	return strcmp(
		((const struct audit_stream *)a)->key, ((const struct audit_stream *)b)->key);
}

/* The streams of one server, found by SCAN. 0, or an error with a sentence in *why. */
static int
scan(redisContext *c, struct audit_streams *out, struct buf *why)
{
	char cursor[32] = "0";

	do {
		const char *argv[] = { "SCAN", cursor, "MATCH", AUDIT_STREAM_PREFIX "*",
			"COUNT", "1000" };
		redisReply *r = redisCommandArgv(c, 6, argv, NULL);
		bool ok = r && r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
			  r->element[1]->type == REDIS_REPLY_ARRAY;
		for (size_t i = 0; ok && i < r->element[1]->elements; i++) {
			struct audit_stream *to = &out->stream[out->n];
			ok = out->n < AUDIT_STREAMS_MAX &&
			     (to->key = strdup(r->element[1]->element[i]->str));
			if (ok)
				out->stream[out->n++].c = c;
		}
		if (ok)
			snprintf(cursor, sizeof(cursor), "%s", r->element[0]->str);
		else
			buf_printf(why, "SCAN: %s",
				r && r->type == REDIS_REPLY_ERROR ? r->str
				: c->errstr[0]			  ? c->errstr
								  : "too many streams");
		if (r)
			freeReplyObject(r);
		if (!ok)
			return ERR_IO;
	} while (strcmp(cursor, "0") != 0);
	return 0;
}

int
audit_streams(const struct audit_redis *redis, struct audit_streams *out, struct buf *why)
{
	int err = 0;

	*out = (struct audit_streams){ calloc(AUDIT_STREAMS_MAX, sizeof(*out->stream)), 0 };
	if (!out->stream) {
		buf_str(why, err_str(ERR_NOMEM));
		return ERR_NOMEM;
	}
	for (size_t i = 0; i < redis->n && !err; i++)
		err = scan(redis->c[i], out, why);
	if (err) {
		audit_streams_free(out);
		return err;
	}
	qsort(out->stream, out->n, sizeof(*out->stream), read_by_key);
	/* SCAN may give a key twice, and two nodes may while its slot moves. */
	size_t kept = 0;
	for (size_t i = 0; i < out->n; i++) {
		if (kept && !strcmp(out->stream[kept - 1].key, out->stream[i].key))
			free(out->stream[i].key);
		else
			out->stream[kept++] = out->stream[i];
	}
	out->n = kept;
	return 0;
}

void
audit_streams_free(struct audit_streams *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->stream[i].key);
	free(s->stream);
	*s = (struct audit_streams){ NULL, 0 };
}

/* False: no configuration has this URL. */
static bool
configured(const char *url, const char *named, struct redis_options *out)
{
	const char *file = config_find(named);
	struct arena a;
	struct diag d;
	bool same = false;

	if (!file)
		return false;
	arena_init(&a, 0, false);
	diag_init(&d);
	const struct config *cfg = config_load(&a, file, &d);
	if (cfg && cfg->redis_url && !strcmp(cfg->redis_url, url))
		same = config_redis(cfg, out) == 0;
	diag_free(&d);
	arena_reset(&a);
	return same;
}

int
audit_dial(const char *url, const char *config, struct audit_redis *out, struct buf *why)
{
	struct redis_options o;

	out->n = 0;
	if (!configured(url, config, &o) && redis_options_url(&o, url)) {
		buf_str(why, "--redis: none of " REDIS_URL_FORMS);
		return ERR_SYNTAX;
	}
	int n = redis_dial_all(&o, TIMEOUT_US, out->c, why);
	explicit_bzero(&o, sizeof(o));
	out->n = n > 0 ? (size_t)n : 0;
	return n < 0 ? n : 0;
}

void
audit_hang_up(struct audit_redis *r)
{
	while (r->n)
		redisFree(r->c[--r->n]);
}

static int
read_streams(const struct audit_args *a, const struct audit_sink *to, struct buf *why)
{
	struct audit_streams s = { NULL, 0 };
	struct audit_redis redis;
	int err = audit_dial(a->redis, a->config, &redis, why);

	if (!err)
		err = audit_streams(&redis, &s, why);
	for (size_t i = 0; i < s.n && !err; i++)
		err = audit_read_stream(s.stream[i].c, s.stream[i].key, to, why);
	audit_streams_free(&s);
	audit_hang_up(&redis);
	return err;
}

int
audit_read(const struct audit_args *a, const struct audit_sink *to)
{
	char since[CLOCK_RFC3339_LEN] = "";
	struct buf why;

	if (a->since_ns)
		clock_rfc3339(a->since_ns, since);
	buf_init(&why, 8192);
	int err = a->file      ? audit_read_file(a->file, to, &why)
		  : a->journal ? audit_read_journal(a->journal, since, true, to, &why)
			       : read_streams(a, to, &why);
	if (err)
		err = cmd_fail(a->what, "%.*s", SPAN_ARG(buf_view(&why)));
	buf_free(&why);
	return err;
}
