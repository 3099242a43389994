/* Each ten seconds: append the own lines, and read what other daemons appended. If another daemon's string was written
 * anew, all of them are read again, because sums cannot be subtracted. The own trends are in memory and are not read. */
#include "operator/group/group_trends.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_put.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/scoped.h"
#include "operator/group/group.h"

#define KEY "tollgate:{group}:trends:"
#define HEAD "generation %016" PRIx64 "\n"
enum { HEAD_BYTES = 28, KEY_BYTES = sizeof(KEY) + CHAIN_NODE_MAX, LINES_MOST = 32 << 20 };
#define LIFE_S "7948800" /* 92 days */

struct group_trends *
group_trends_new(const char *daemon, struct trends *_Atomic *own)
{
	struct group_trends *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->own = own;
	t->n = 1;
	snprintf(t->node[0].node, sizeof(t->node[0].node), "%s", daemon);
	t->node[0].live = t->node[0].listed = true;
	return t;
}

/* Ends what was added up. */
static void
drop_together(struct group_trends *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->node[i].reader);
		t->node[i].reader = NULL;
		t->node[i].generation = t->node[i].read = 0;
	}
	trends_close(&t->others);
}

void
group_trends_free(struct group_trends *t)
{
	if (t)
		drop_together(t);
	free(t);
}

void
group_trends_node(struct group *g, const char *daemon, bool live)
{
	struct group_trends *t = g->trends;
	struct span node = daemon ? span_str(daemon) : (struct span){ NULL, 0 };
	size_t i = 0;

	if (!t || !node.n || !chain_node_valid(node))
		return;
	SCOPED_LOCK(&g->turns.lock);
	while (i < t->n && !span_is(node, t->node[i].node))
		i++;
	if (i == GROUP_TRENDS_NODES)
		return;
	if (i == t->n) {
		t->node[i] = (struct group_node){ .live = live };
		span_copy(node, t->node[i].node, sizeof(t->node[i].node));
		t->n++;
	}
	t->node[i].live = live || (t->node[i].listed && t->node[i].live);
	t->node[i].listed = true;
}

/* Daemons that the hash no longer lists have ended, or are gone for a day. */
static void
forget_nodes(struct group_trends *t)
{
	size_t n = 1;

	for (size_t i = 1; i < t->n; i++)
		n += t->node[i].listed;
	if (n == t->n)
		return;
	drop_together(t);
	n = 1;
	for (size_t i = 1; i < t->n; i++)
		if (t->node[i].listed)
			t->node[n++] = t->node[i];
	t->n = n;
}

/* ---- the own string ---- */

/* Sets the string, or appends to it. False: Redis is away. */
static bool
share_lines(struct group *g, const char *key, bool whole, struct span text, uint64_t *bytes)
{
	const char *set[] = { "SET", key, text.p, "EX", LIFE_S },
		   *append[] = { "APPEND", key, text.p };
	const size_t lens[] = { whole ? 3 : 6, strlen(key), text.n, 2, sizeof(LIFE_S) - 1 };
	reply_auto_t *r = turns_ask(&g->turns, whole ? 5 : 3, whole ? set : append, lens);

	if (!r)
		return false;
	*bytes = whole ? text.n : r->type == REDIS_REPLY_INTEGER ? (uint64_t)r->integer : 0;
	return true;
}

static bool
share_own(struct group *g)
{
	struct group_trends *t = g->trends;
	struct trends *own = *t->own;
	char key[KEY_BYTES];
	uint64_t bytes = 0;

	if (!own)
		return true;
	SCOPED_BUF(lines, LINES_MOST);
	SCOPED_BUF(text, LINES_MOST);
	snprintf(key, sizeof(key), KEY "%s", t->node[0].node);
	bool whole = trends_since(own, t->sent == 0, &lines);
	if (whole) {
		random_bytes(&t->generation, sizeof(t->generation));
		buf_printf(&text, HEAD, t->generation);
		t->sent = 0;
	}
	buf_span(&text, buf_view(&lines));
	if (!text.n || buf_failed(&text))
		return true;
	uint64_t due = t->sent + text.n;
	t->sent = 0; /* all again, unless it is there now */
	bool shared = share_lines(g, key, whole, buf_view(&text), &bytes);
	if (whole) { /* some MB */
		buf_free(&lines);
		buf_free(&text);
		mem_give_back();
	}
	if (!shared)
		return false;
	t->sent = bytes == due ? bytes : 0;
	return true;
}

/* ---- all strings ---- */

/* Reads a node's string from a byte on; an empty reply where there is none. NULL: Redis is away. */
static redisReply *
read_lines_from(struct group *g, const char *node, uint64_t from, int64_t to)
{
	char key[KEY_BYTES], first[24], last[24];
	const char *argv[] = { "GETRANGE", key, first, last };

	snprintf(key, sizeof(key), KEY "%s", node);
	snprintf(first, sizeof(first), "%" PRIu64, from);
	snprintf(last, sizeof(last), "%" PRId64, to);
	return turns_ask(&g->turns, 4, argv, NULL);
}

/* The generation of a node's string in *out, 0: it has none. */
static bool
read_generation(struct group *g, const char *node, uint64_t *out)
{
	reply_auto_t *r = read_lines_from(g, node, 0, HEAD_BYTES - 1);

	*out = 0;
	if (r && r->type == REDIS_REPLY_STRING && r->len == HEAD_BYTES &&
		sscanf(r->str, "generation %16" SCNx64, out) != 1)
		*out = 0;
	return r != NULL;
}

static bool
read_new_lines(struct group *g, struct group_node *n)
{
	uint64_t from = n->read ? n->read : HEAD_BYTES;

	if (!n->generation)
		return true;
	reply_auto_t *r = read_lines_from(g, n->node, from, (int64_t)from + LINES_MOST);
	if (!r)
		return false;
	SCOPED_LOCK(&g->turns.lock);
	if (!n->reader)
		n->reader = trends_reader_new(g->trends->others);
	if (n->reader && r->type == REDIS_REPLY_STRING && r->len) {
		trends_read(n->reader, span_of(r->str, r->len));
		n->read = from + r->len;
	}
	return true;
}

static bool
read_daemons(struct group *g)
{
	struct group_trends *t = g->trends;
	uint64_t now[GROUP_TRENDS_NODES];
	bool anew = t->n > 1 && !t->others;

	for (size_t i = 1; i < t->n; i++) {
		if (!read_generation(g, t->node[i].node, &now[i]))
			return false;
		anew |= t->node[i].read && now[i] != t->node[i].generation;
	}
	if (anew) {
		SCOPED_LOCK(&g->turns.lock);
		drop_together(t);
		t->others = trends_open(NULL);
	}
	for (size_t i = 1; i < t->n && t->others; i++) {
		t->node[i].generation = now[i];
		if (!read_new_lines(g, &t->node[i]))
			return false;
	}
	SCOPED_LOCK(&g->turns.lock);
	t->complete |= t->sent > 0;
	return true;
}

bool
group_trends_turn(struct group *g)
{
	struct group_trends *t = g->trends;

	if (!t || t->turns++ % GROUP_TRENDS_EVERY)
		return true;
	{
		SCOPED_LOCK(&g->turns.lock);
		forget_nodes(t);
		for (size_t i = 1; i < t->n; i++)
			t->node[i].listed = false;
	}
	return share_own(g) && read_daemons(g);
}

bool
group_trends_json(struct group *g, const struct trends_asked *asked, int64_t wall_ns,
	struct buf *out)
{
	SCOPED_BUF(why, 0);
	if (!g || !g->trends || !turns_up(&g->turns, &why))
		return false;
	SCOPED_LOCK(&g->turns.lock);
	const struct group_trends *t = g->trends;
	if (!t->complete)
		return false;
	struct trends *const parts[] = { *t->own, t->others };
	trends_json(parts, t->others ? 2 : 1, asked, wall_ns, out);
	json_put_open(out, "daemons", '[');
	for (size_t i = 0; i < t->n; i++) {
		if (i && !t->node[i].read)
			continue;
		json_put_form(out, "{'node':%t", span_str(t->node[i].node));
		json_put_bool(out, "here", i == 0);
		json_put_bool(out, "missing", !t->node[i].live);
		json_put_close(out, '}');
	}
	json_put_close(out, ']');
	return true;
}
