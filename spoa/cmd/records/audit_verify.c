/* tollgate audit verify: one line a chain, the first bad record by its sequence
 * number. Given a journal and its stream, the stream must be its prefix too. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "cmd/records/audit.h"
#include "cmd/cmd.h"
#include "store/chain.h"
#include "store/journal.h"
#include "store/recover.h"
#include "store/verify.h"

#define CHAINS_MAX  1024 /* nodes in one file */
#define PRINT_BYTES 16	 /* of each hash, to compare a stream with its journal */

/* The stream's hashes, which the journal must repeat. */
struct prints {
	char node[CHAIN_NODE_MAX + 1];
	uint64_t first;
	unsigned char *hash;
	size_t n, room;
	uint64_t differs; /* first sequence number that does */
	bool full;
};

static void
print_add(void *arg, uint64_t seq, const unsigned char hash[CHAIN_HASH_BYTES])
{
	struct prints *p = arg;

	if (p->n == 0)
		p->first = seq;
	if (!mem_room(&p->hash, &p->room, p->n + 1, PRINT_BYTES)) {
		p->full = true;
		return;
	}
	memcpy(p->hash + p->n++ * PRINT_BYTES, hash, PRINT_BYTES);
}

static void
print_compare(void *arg, uint64_t seq, const unsigned char hash[CHAIN_HASH_BYTES])
{
	struct prints *p = arg;

	if (seq >= p->first && seq - p->first < p->n && !p->differs &&
		memcmp(p->hash + (seq - p->first) * PRINT_BYTES, hash, PRINT_BYTES) != 0)
		p->differs = seq;
}

static void
print_result(const struct verify_result *r, const char *source)
{
	char head[2 * CHAIN_HASH_BYTES + 1];

	if (!r->ok) {
		printf("bad node=%s source=%s seq=%" PRIu64 " why=\"%s\" verified=%" PRIu64
		       "\n",
			r->node, source, r->bad_seq, r->why, r->records);
		return;
	}
	chain_hex(r->head, head);
	printf("ok node=%s source=%s records=%" PRIu64 " seq=%" PRIu64 " boots=%" PRIu64
	       " commits=%" PRIu64 " head=%s time=%s",
		r->node, source, r->records, r->last, r->boots, r->commits, head, r->time);
	if (r->first > 1)
		printf(" trimmed=%" PRIu64, r->first - 1);
	if (r->unsigned_records || r->torn_bytes)
		printf(" unfinished=\"last commit: %" PRIu64 " records and %" PRIu64
		       " bytes behind it are not signed yet\"",
			r->unsigned_records, r->torn_bytes);
	putchar('\n');
}

/* A chain that has no record is no proof of anything. */
static void
end(struct verifier *v, struct verify_result *r)
{
	verifier_end(v, r);
	if (r->ok && r->records == 0) {
		r->ok = false;
		r->bad_seq = 1;
		snprintf(r->why, sizeof(r->why), "missing: no signed record");
	}
}

/* ---- one chain ---- */

static void
line_to(void *v, struct span line)
{
	verifier_line(v, line);
}

static void
torn_to(void *v, size_t bytes)
{
	verifier_torn(v, bytes);
}

static void
reject_to(void *v, const char *why)
{
	verifier_reject(v, why);
}

/* A daemon that writes meanwhile may cut off what a full disk left half written, and a stream
 * may be trimmed under our eyes: what looks bad is read a second time. `key` NULL: the journal.
 */
static int
verify_chain(struct audit_args *a, redisContext *c, const char *key, struct verify_options *o,
	struct verify_result *r, struct buf *why)
{
	int err = 0;

	r->ok = false;
	for (int tries = 0; tries < 2 && !err && !r->ok; tries++) {
		struct prints *p = o->arg;
		if (p && key)
			p->n = 0;
		else if (p)
			p->differs = 0;
		struct verifier *v = verifier_new(o);
		if (!v)
			return ERR_NOMEM;
		struct audit_sink to = { v, line_to, torn_to, reject_to };
		err = key ? audit_read_stream(c, key, &to, why)
			  : audit_read_journal(a->journal, "", false, &to, why);
		if (!err)
			end(v, r);
		verifier_free(&v);
	}
	return err;
}

/* The node whose journal it is; empty: not known. */
static int
journal_node(struct audit_args *a, char node[CHAIN_NODE_MAX + 1], struct buf *why)
{
	struct journal_list list;
	int err = journal_list_all(a->journal, NULL, false, &list, why);

	node[0] = '\0';
	if (err)
		return err;
	for (size_t i = 0; i < list.n && !node[0]; i++)
		if (list.seg[i].ours)
			memcpy(node, list.seg[i].node, CHAIN_NODE_MAX + 1);
	journal_list_free(&list);
	return 0;
}

/* *clean: nothing else is in its folder. */
static int
verify_journal(struct audit_args *a, struct prints *p, struct verify_result *r, bool *clean,
	struct buf *why)
{
	char node[CHAIN_NODE_MAX + 1];
	int err = journal_node(a, node, why);
	struct verify_options o = { .keys = a->keys,
		.nkeys = a->nkeys,
		.from = a->from,
		.live = true,
		.node = node[0] ? node : NULL };

	if (p && !strcmp(p->node, node)) {
		o.each = print_compare;
		o.arg = p;
	}
	struct buf stranger;
	buf_init(&stranger, 8192);
	*clean = err || !journal_has_stranger(a->journal, node[0] ? node : "?", &stranger);
	if (!*clean)
		cmd_fail(a->what, "%.*s", SPAN_ARG(buf_view(&stranger)));
	buf_free(&stranger);
	return err ? err : verify_chain(a, NULL, NULL, &o, r, why);
}

static int
verify_stream(struct audit_args *a, redisContext *c, const char *key, struct prints *p,
	struct verify_result *r, struct buf *why)
{
	const char *node = key + strlen(AUDIT_STREAM_PREFIX);
	struct verify_options o = {
		.keys = a->keys, .nkeys = a->nkeys, .trimmed = true, .live = true, .node = node
	};

	if (p) {
		snprintf(p->node, sizeof(p->node), "%s", node);
		o.each = print_add;
		o.arg = p;
	}
	return verify_chain(a, c, key, &o, r, why);
}

/* ---- a file, which may hold several chains ---- */

struct chains {
	struct audit_args *a;
	struct verifier *v[CHAINS_MAX];
	char node[CHAINS_MAX][CHAIN_NODE_MAX + 1];
	size_t n, at;
	bool failed;
};

static void
chain_begin(struct chains *c, struct span node)
{
	struct verify_options o = {
		.keys = c->a->keys, .nkeys = c->a->nkeys, .from = c->a->from
	};
	struct verifier *v = c->n < CHAINS_MAX ? verifier_new(&o) : NULL;

	c->failed = c->failed || !v;
	if (!v)
		return;
	snprintf(c->node[c->n], sizeof(c->node[0]), "%.*s", SPAN_ARG(node));
	c->at = c->n;
	c->v[c->n++] = v;
}

static void
line_to_chains(void *arg, struct span line)
{
	struct chains *c = arg;
	struct chain_line l;
	bool known = chain_parse(line, &l) == 0;

	if (known && (!c->n || !span_is(l.node, c->node[c->at]))) {
		size_t i = 0;
		while (i < c->n && !span_is(l.node, c->node[i]))
			i++;
		if (i < c->n)
			c->at = i;
		else if (!c->n || (!l.commit && verifier_at_commit(c->v[c->at])))
			chain_begin(c, l.node);
		/* Else a record inside a commit names a node of its own: its chain says so. */
	} else if (!c->n) {
		chain_begin(c, (struct span){ NULL, 0 });
	}
	if (!c->failed)
		verifier_line(c->v[c->at], line);
}

static void
torn_to_chains(void *arg, size_t bytes)
{
	struct chains *c = arg;

	if (!c->n)
		chain_begin(c, (struct span){ NULL, 0 });
	if (!c->failed)
		verifier_torn(c->v[c->at], bytes);
}

static int
verify_file(struct audit_args *a, bool *ok, struct buf *why)
{
	struct chains *c = calloc(1, sizeof(*c));
	struct verify_result r;

	if (!c)
		return ERR_NOMEM;
	c->a = a;
	struct audit_sink to = { c, line_to_chains, torn_to_chains, NULL };
	int err = audit_read_file(a->file, &to, why);
	if (!err && c->failed)
		err = ERR_LIMIT;
	if (!err && c->n == 0)
		chain_begin(c, (struct span){ NULL, 0 });
	for (size_t i = 0; i < c->n; i++) {
		if (!err) {
			end(c->v[i], &r);
			print_result(&r, "file");
			*ok = *ok && r.ok;
		}
		verifier_free(&c->v[i]);
	}
	free(c);
	return err;
}

/* ---- both ---- */

/* The stream lags behind its journal, or it is what the journal was. */
static void
compare(const struct verify_result *journal, const struct verify_result *stream,
	const struct prints *p, bool *ok)
{
	if (!journal->ok || !stream->ok)
		return;
	if (p->differs || stream->last > journal->last) {
		printf("bad node=%s source=journal,stream seq=%" PRIu64
		       " why=\"%s\" verified=0\n",
			stream->node, p->differs ? p->differs : journal->last + 1,
			p->differs ? "changed: journal and stream hold different records, both "
				     "signed"
				   : "missing: the stream holds it, the journal does not");
		*ok = false;
	}
}

static int
verify_streams(struct audit_args *a, const char *journal_node, struct prints *p,
	struct verify_result *mine, bool *ok, struct buf *why)
{
	struct audit_streams s = { NULL, 0 };
	struct audit_redis redis;
	struct verify_result r;
	int err = audit_dial(a->redis, a->config, &redis, why);

	if (!err)
		err = audit_streams(&redis, &s, why);
	if (!err && s.n == 0) {
		printf("bad node= source=stream seq=1 why=\"missing: no stream\" verified=0\n");
		*ok = false;
	}
	for (size_t i = 0; !err && i < s.n; i++) {
		bool ours =
			!strcmp(s.stream[i].key + strlen(AUDIT_STREAM_PREFIX), journal_node);
		err = verify_stream(
			a, s.stream[i].c, s.stream[i].key, ours ? p : NULL, &r, why);
		if (err)
			break;
		print_result(&r, "stream");
		*ok = *ok && r.ok;
		if (ours)
			*mine = r;
	}
	audit_streams_free(&s);
	audit_hang_up(&redis);
	return err;
}

int
audit_verify(struct audit_args *a)
{
	struct prints p = { 0 };
	struct verify_result journal = { 0 }, stream = { 0 };
	struct buf why;
	bool ok = true;
	int err = 0;

	buf_init(&why, 8192);
	if (a->file)
		err = verify_file(a, &ok, &why);
	if (a->journal && a->redis)
		err = journal_node(a, p.node, &why);
	/* The stream first: what it holds is in the journal by then. */
	if (!err && a->redis) {
		char node[CHAIN_NODE_MAX + 1];
		memcpy(node, p.node, sizeof(node));
		err = verify_streams(a, node, &p, &stream, &ok, &why);
	}
	if (!err && a->journal) {
		bool clean;
		err = verify_journal(a, p.n ? &p : NULL, &journal, &clean, &why);
		if (!err) {
			print_result(&journal, "journal");
			ok = ok && journal.ok && clean;
			compare(&journal, &stream, &p, &ok);
		}
	}
	if (!err && p.full)
		err = ERR_NOMEM;
	if (err)
		cmd_fail(a->what, "%.*s",
			SPAN_ARG(why.n ? buf_view(&why) : span_str(err_str(err))));
	free(p.hash);
	buf_free(&why);
	if (fflush(stdout) == EOF)
		err = ERR_IO;
	return err ? EXIT_CANNOT : ok ? EXIT_DONE : EXIT_NO;
}
