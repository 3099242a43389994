/* The thread of the group. Each turn, once a second, it reads Redis' time and the hash, writes
 * or removes the own field, and removes fields that nobody has written for a day.
 *
 * Every ten turns it also shares the trends: it appends the own new lines to the string
 * tollgate:{group}:trends:NODE, and reads what other daemons appended to theirs. If another
 * daemon has written its string again from the start, all strings are read again, because sums
 * cannot be subtracted. The own trends are in memory and are not read.
 *
 * Values in Redis are untrusted input: they are read within limits, and invalid ones are
 * ignored. */
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/ascii.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/redis/redis_service.h"
#include "base/scoped.h"
#include "budget/trends/trends.h"
#include "operator/group/group.h"
#include "operator/group/nodes.h"
#include "record/journal/chain.h"

/* A trends string begins with "generation NUMBER"; the lines of budget/trends/trends.h follow.
 * The number changes when all lines are written again. */

enum { GROUP_TRENDS_NODES = 32, GROUP_TRENDS_EVERY = 10 /* turns between two exchanges */ };

/* The shared trends. owner: the group's thread, except where the lock is named */
struct group_trends {
	/* this daemon's trends; the pointer is NULL until they exist */
	struct trends *_Atomic *own;
	/* number of turns so far */
	unsigned turns;
	/* generation and length of the own string; `sent` 0: not written yet */
	uint64_t generation, sent;
	/* the own string was written, and all others were read, at least once; guarded by the
	 * lock of `service` */
	bool complete;
	/* sum of the other daemons' trends; NULL: no other daemons; guarded by the same lock */
	struct trends *others;
	size_t n;
	struct group_node {
		char node[CHAIN_NODE_MAX + 1]; /* name of the daemon's first instance */
		/* wrote within the last 10 s; is in the hash */
		bool live, listed;
		/* generation of its string, and the number of bytes read */
		uint64_t generation, read;
		struct trends_reader *reader;
	} node[GROUP_TRENDS_NODES]; /* [0] is this daemon; guarded by the lock of `service` */
};

/* The group. owner: its thread; the members above `others` do not change */
struct group {
	const char *node;
	void (*self)(void *arg, struct buf *out);
	void *arg;
	struct redis_service service;
	/* the other daemons as JSON, for group_put() and group_put_known(), and all for
	 * group_put_nodes(); guarded by service.lock */
	struct buf others, known, nodes;
	struct nodes_counts counts; /* with `missing`: as group_seen() returns them */
	struct buf missing;
	struct group_ready ready;    /* guarded by service.lock */
	uint64_t read_us; /* monotonic time of the last turn; guarded by service.lock */
	struct group_trends *trends; /* NULL: no trends are shared */
};

#define KEY  "tollgate:{group}:trends:"
#define HEAD "generation %016" PRIx64 "\n"
/* sizes in bytes */
enum { HEAD_BYTES = 28, KEY_BYTES = sizeof(KEY) + CHAIN_NODE_MAX, LINES_MOST = 32 << 20 };
#define LIFE_S "7948800" /* strings expire after 92 days */

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

/* Discards the sum, so that all strings are read again. */
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

static void
group_trends_free(struct group_trends *t)
{
	if (t)
		drop_together(t);
	free(t);
}

static void
group_trends_node(struct group *g, const char *daemon, bool live)
{
	struct group_trends *t = g->trends;
	struct span node = daemon ? span_str(daemon) : (struct span){ NULL, 0 };
	size_t i = 0;

	if (!t || !node.n || !chain_node_valid(node))
		return;
	SCOPED_LOCK(&g->service.lock);
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

/* Removes the daemons that the hash no longer lists, and the sum that contains them. */
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

/* Writes the string, or appends to it, and stores its new length. Returns false if Redis does
 * not answer. */
static bool
share_lines(struct group *g, const char *key, bool whole, struct span text, uint64_t *bytes)
{
	const char *set[] = { "SET", key, text.p, "EX", LIFE_S },
		   *append[] = { "APPEND", key, text.p };
	const size_t lens[] = { whole ? 3 : 6, strlen(key), text.n, 2, sizeof(LIFE_S) - 1 };
	reply_auto_t *r =
		redis_service_ask(&g->service, whole ? 5 : 3, whole ? set : append, lens);

	if (!r)
		return false;
	*bytes = whole ? text.n : r->type == REDIS_REPLY_INTEGER ? (uint64_t)r->integer : 0;
	return true;
}

/* Sends this daemon's new trend lines to Redis. If a write failed before, or Redis has another
 * length than expected, the whole text is sent again with a new generation, and readers start
 * over. */
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
	t->sent = 0; /* if the write fails, everything is sent again */
	bool shared = share_lines(g, key, whole, buf_view(&text), &bytes);
	if (whole) { /* several MB are free now */
		buf_free(&lines);
		buf_free(&text);
		mem_give_back();
	}
	if (!shared)
		return false;
	t->sent = bytes == due ? bytes : 0;
	return true;
}

/* ---- other daemons' strings ---- */

/* Reads bytes from..to of a node's string; the reply is empty if there are none. Returns NULL
 * if Redis does not answer. */
static redisReply *
read_lines_from(struct group *g, const char *node, uint64_t from, int64_t to)
{
	char key[KEY_BYTES], first[24], last[24];
	const char *argv[] = { "GETRANGE", key, first, last };

	snprintf(key, sizeof(key), KEY "%s", node);
	snprintf(first, sizeof(first), "%" PRIu64, from);
	snprintf(last, sizeof(last), "%" PRId64, to);
	return redis_service_ask(&g->service, 4, argv, NULL);
}

/* Stores the generation of a node's string in *out; 0: there is no string. Returns false if
 * Redis does not answer. */
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
	SCOPED_LOCK(&g->service.lock);
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
		SCOPED_LOCK(&g->service.lock);
		drop_together(t);
		t->others = trends_open(NULL);
	}
	for (size_t i = 1; i < t->n && t->others; i++) {
		t->node[i].generation = now[i];
		if (!read_new_lines(g, &t->node[i]))
			return false;
	}
	SCOPED_LOCK(&g->service.lock);
	t->complete |= t->sent > 0;
	return true;
}

/* `own`: this daemon is listed, so that it also writes its string. */
static bool
group_trends_turn(struct group *g, bool own)
{
	struct group_trends *t = g->trends;

	if (!t || t->turns++ % GROUP_TRENDS_EVERY)
		return true;
	{
		SCOPED_LOCK(&g->service.lock);
		forget_nodes(t);
		for (size_t i = 1; i < t->n; i++)
			t->node[i].listed = false;
	}
	return (!own || share_own(g)) && read_daemons(g);
}

bool
group_trends_json(
	struct group *g, const struct trends_asked *asked, int64_t wall_ns, struct buf *out)
{
	SCOPED_BUF(why, 0);
	if (!g || !g->trends || !redis_service_up(&g->service, &why))
		return false;
	SCOPED_LOCK(&g->service.lock);
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

/* Bounds: members that are read, bytes of a member, and the ages at which a member counts as
 * missing and is removed. */

enum { MEMBERS_MAX = 256,
	MEMBER_BYTES = 4096,
	CONSOLE_BYTES = 300,
	LIVE_S = 10,
	GONE_S = 86400 };

/* A daemon that wrote within this time counts as ready, if it wrote that it is. The result of a
 * turn is used for the same time. */
enum { READY_S = 3 };

/* ---- this daemon ---- */

/* Appends the machine's id (machine-id(5)), or the kernel's id of this boot, because the unit's
 * sandbox may hide the former. Returns false if neither can be read. */
static bool
put_machine(struct buf *out)
{
	static const char *const files[] = { "/etc/machine-id",
		"/proc/sys/kernel/random/boot_id" };
	size_t before = out->n;

	for (size_t i = 0; i < COUNT_OF(files) && out->n == before; i++) {
		SCOPED_BUF(id, 256);
		if (buf_regular_file(&id, files[i]))
			buf_span(out, span_trim(buf_view(&id), "\n"));
	}
	return out->n > before;
}

/* Appends an id of the path's folder. Returns false and appends nothing if machine or folder are
 * unknown; then no other daemon counts as sharing it. */
static bool
put_folder_id(const char *path, struct buf *out)
{
	const char *slash = strrchr(path, '/');
	char folder[4096];
	struct stat st;

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1,
		slash ? path : ".");
	if (stat(folder, &st) < 0 || !put_machine(out))
		return false;
	buf_printf(out, " %ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return true;
}

/* Appends an id of the file, or nothing. */
static void
put_file_id(const char *path, struct buf *out)
{
	const char *slash = strrchr(path, '/');

	if (put_folder_id(path, out))
		buf_printf(out, " %s", slash ? slash + 1 : path);
}

void
group_member_put(const struct group_member *m, struct buf *out)
{
	SCOPED_BUF(file, 0);
	SCOPED_BUF(sockets, 0);
	put_file_id(m->file, &file);
	if (m->agent)
		put_folder_id(m->agent, &sockets);
	json_put_open(out, NULL, '{');
	json_put_str(out, "policy", m->policy);
	json_put_str(out, "policy_version", m->version);
	json_put_text(out, "file", buf_view(&file));
	json_put_opt(out, "admin", m->admin);
	json_put_str(out, "daemon", m->daemon);
	json_put_text(out, "sockets", buf_view(&sockets));
	json_put_opt(out, "console", m->console);
	json_put_bool(out, "ready", m->ready);
	json_put_form(
		out, "'asked':%u,'ready_s':%u,'minute':%u", m->asked, m->ready_s, m->minute);
	if (m->idle_s >= 0)
		json_put_int(out, "idle_s", m->idle_s);
	json_put_form(out, "'in_flight':%u,'awaited':%u", m->in_flight, m->awaited);
	if (m->oldest_id) {
		json_put_str(out, "oldest_id", m->oldest_id);
		json_put_uint(out, "oldest_s", m->oldest_s);
	}
	json_put_opt(out, "program", m->program);
	if (m->degraded.n)
		json_put_raw(out, "degraded", m->degraded);
	if (m->records)
		json_put_uint(out, "records", m->records);
	if (m->head.n) {
		char hex[2 * CHAIN_HASH_BYTES + 1];
		INVARIANT(m->head.n == CHAIN_HASH_BYTES);
		sodium_bin2hex(hex, sizeof(hex), (const unsigned char *)m->head.p, m->head.n);
		json_put_str(out, "head", hex);
	}
	json_put_time(out, "verified", m->verified_ns);
}

/* ---- other daemons ---- */

static bool
is_member(const json_t *o)
{
	return json_str_in(o, "policy") && json_str_in(o, "policy_version") &&
	       json_str_in(o, "file") && json_is_integer(json_object_get(o, "at"));
}

static void
put_other(struct span node, const json_t *o, const json_t *self, struct buf *out)
{
	const char *file = json_str_in(o, "file");

	json_put_open(out, NULL, '{');
	json_put_text(out, "node", node);
	json_put_str(out, "policy", json_str_in(o, "policy"));
	json_put_str(out, "policy_version", json_str_in(o, "policy_version"));
	json_put_bool(out, "shares_file", file[0] && str_same(file, json_str_in(self, "file")));
	json_put_opt(out, "admin", json_str_in(o, "admin"));
	json_put_close(out, '}');
}

bool
group_console_valid(const char *url)
{
	const struct span begin = SPAN_LIT("https://"), end = SPAN_LIT("/console/");
	struct span s = span_str(url);

	if (s.n > CONSOLE_BYTES || s.n <= begin.n + end.n || !span_starts(s, begin) ||
		!span_ends(s, end))
		return false;
	return span_is_alnum(span_cut(s, begin.n, s.n - end.n), ".-:[]");
}

/* Returns the machine's id, which begins the ids of files and folders. */
static struct span
machine_of(const json_t *o)
{
	struct span id = json_span(json_object_get(o, "file"));

	return span_next(&id, ' ');
}

const char *
group_machine(const json_t *o, const json_t *self)
{
	struct span its = machine_of(o), own = machine_of(self);

	return !its.n || !own.n ? NULL : span_eq(its, own) ? "same" : "other";
}

const char *
group_console(const json_t *o)
{
	const char *console = json_str_in(o, "console");

	return console && group_console_valid(console) ? console : NULL;
}

static void
put_known(struct span node, const json_t *o, const json_t *self, bool away, struct buf *out)
{
	json_put_open(out, NULL, '{');
	json_put_text(out, "node", node);
	json_put_opt(out, "machine", group_machine(o, self));
	json_put_opt(out, "console", group_console(o));
	json_put_bool(out, "away", away);
	json_put_close(out, '}');
}

static uint64_t
member_number(const json_t *o, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(o, name));

	return n > 0 ? (uint64_t)n : 0;
}

/* Adds another daemon that wrote `age_s` seconds ago to the daemons that are ready, if it is. */
static void
note_ready(struct span node, const json_t *o, const json_t *self, int64_t age_s,
	struct group_ready *out)
{
	const char *sockets = json_str_in(o, "sockets"), *own = json_str_in(self, "sockets");
	uint64_t asked = member_number(o, "asked");

	if (age_s > READY_S || !json_is_true(json_object_get(o, "ready")))
		return;
	out->others++;
	span_copy(node, out->node, sizeof(out->node));
	if (!sockets || !sockets[0] || !own || !str_same(sockets, own) ||
		member_number(o, "ready_s") < GROUP_BACK_S)
		return;
	if (!out->beside++ || asked < out->asked) {
		out->asked = asked;
		span_copy(node, out->beside_node, sizeof(out->beside_node));
	}
}

static bool
read_group_time(struct group *g, int64_t *now_s)
{
	const char *argv[] = { "TIME", "" };
	uint64_t second = 0;
	reply_auto_t *r = redis_service_ask(&g->service, 1, argv, NULL);

	if (!r)
		return false;
	bool ok = r->type == REDIS_REPLY_ARRAY && r->elements == 2 && r->element[0]->str &&
		  span_u64(span_of(r->element[0]->str, r->element[0]->len), &second) == 0 &&
		  second < INT64_MAX;
	*now_s = (int64_t)second;
	if (!ok)
		redis_service_lost(&g->service, "Redis' reply to TIME is invalid");
	return ok;
}

/* The lists that one turn reads. owner: the turn */
struct listed {
	struct buf others, known; /* the lists of struct group */
	json_t *nodes;
	struct group_ready ready;
};

/* Removes the field of a daemon that has ended. Returns false if Redis does not answer. */
static bool
remove_member(struct group *g, struct span node)
{
	const char *argv[] = { "HDEL", GROUP_KEY, node.p };
	const size_t lens[] = { 4, sizeof(GROUP_KEY) - 1, node.n };
	reply_auto_t *r = redis_service_ask(&g->service, 3, argv, lens);

	return r != NULL;
}

/* Returns true if the field belongs to the other instance of this daemon. */
static bool
is_own_instance(const json_t *o, const json_t *self)
{
	const char *daemon = json_str_in(self, "daemon");

	return daemon && str_same(json_str_in(o, "daemon"), daemon);
}

/* Lists the members in a reply to HGETALL. Returns false if Redis does not answer. */
static bool
list_members(struct group *g, const redisReply *all, const json_t *self, int64_t now_s,
	struct listed *to)
{
	struct buf *out = &to->others, *known = &to->known;
	json_put_open(out, NULL, '[');
	json_put_open(known, NULL, '[');
	for (size_t i = 0; i + 1 < all->elements; i += 2) {
		const redisReply *k = all->element[i], *v = all->element[i + 1];
		if (!k->str || !v->str)
			continue;
		struct span node = span_of(k->str, k->len);
		json_auto_t *o =
			v->len <= MEMBER_BYTES ? json_loadb(v->str, v->len, 0, NULL) : NULL;
		int64_t age_s = chain_node_valid(node) && is_member(o)
					? now_s - json_integer_value(json_object_get(o, "at"))
					: GONE_S;
		if ((age_s >= GONE_S || age_s < -LIVE_S) && !remove_member(g, node))
			return false;
		bool other = age_s < GONE_S && age_s >= -LIVE_S && !span_is(node, g->node) &&
			     !is_own_instance(o, self);
		if (other)
			put_known(node, o, self, age_s >= LIVE_S, known);
		if (other || (o && span_is(node, g->node)))
			nodes_add(to->nodes, node, o, self, age_s);
		if (other && age_s < LIVE_S) {
			put_other(node, o, self, out);
			note_ready(node, o, self, age_s, &to->ready);
		}
		if (age_s < GONE_S && age_s >= -LIVE_S && !span_is(node, g->node))
			group_trends_node(g, json_str_in(o, "daemon"), age_s < LIVE_S);
	}
	json_put_close(out, ']');
	json_put_close(known, ']');
	return true;
}

/* Orders the pairs of a reply to HGETALL by their fields. Redis has no order of its own. */
static int
by_member_field(const void *a, const void *b)
{
	const redisReply *const *x = a, *const *y = b;

	return strcmp((*x)->str ? (*x)->str : "", (*y)->str ? (*y)->str : "");
}

static bool
read_group(struct group *g, const json_t *self, int64_t now_s, struct listed *to)
{
	const char *count[] = { "HLEN", GROUP_KEY }, *all[] = { "HGETALL", GROUP_KEY },
		   *del[] = { "DEL", GROUP_KEY };
	reply_auto_t *n = redis_service_ask(&g->service, 2, count, NULL);

	if (!n)
		return false;
	bool too_many = n->type != REDIS_REPLY_INTEGER || n->integer > MEMBERS_MAX;
	reply_auto_t *r = redis_service_ask(&g->service, 2, too_many ? del : all, NULL);
	if (!r)
		return false;
	if (too_many || r->type != REDIS_REPLY_ARRAY) {
		buf_str(&to->others, "[]");
		buf_str(&to->known, "[]");
		return true;
	}
	if (r->elements)
		qsort(r->element, r->elements / 2, 2 * sizeof(*r->element), by_member_field);
	return list_members(g, r, self, now_s, to);
}

static bool
write_self(struct group *g, struct span self)
{
	const char *argv[] = { "HSET", GROUP_KEY, g->node, self.p };
	const size_t lens[] = { 4, sizeof(GROUP_KEY) - 1, strlen(g->node), self.n };
	reply_auto_t *r = redis_service_ask(&g->service, 4, argv, lens);

	return r != NULL;
}

/* Writes the own field, or removes it if `self` is NULL because this instance does not decide.
 */
static bool
share_self(struct group *g, const json_t *self, struct span text)
{
	return self ? write_self(g, text) : remove_member(g, span_str(g->node));
}

/* Makes what the turn has read the state that other threads see. */
static void
take_listed(struct group *g, const struct listed *l)
{
	json_auto_t *list = nodes_list(l->nodes);
	char *nodes = json_dumps(list, JSON_COMPACT);

	SCOPED_LOCK(&g->service.lock);
	buf_clear(&g->others);
	buf_span(&g->others, buf_view(&l->others));
	buf_clear(&g->known);
	buf_span(&g->known, buf_view(&l->known));
	buf_clear(&g->nodes);
	buf_str(&g->nodes, nodes ? nodes : "[]");
	buf_clear(&g->missing);
	nodes_count(list, &g->counts, &g->missing);
	g->ready = l->ready;
	g->read_us = clock_mono_us();
	free(nodes);
}

/* Writes the own member and reads all. Returns false if Redis does not answer. */
static bool
exchange(struct group *g, struct listed *to)
{
	int64_t now_s;

	SCOPED_BUF(self, MEMBER_BYTES);
	if (!redis_service_dial(&g->service, SPAN_LIT(GROUP_KEY)) || !read_group_time(g, &now_s))
		return false;
	g->self(g->arg, &self);
	if (self.n) {
		json_put_int(&self, "at", now_s);
		json_put_close(&self, '}');
	}
	json_auto_t *o = buf_failed(&self) ? NULL : json_loadb(self.p, self.n, 0, NULL);
	/* The own state is written before the others are read. So of two daemons that fail at the
	 * same time, at least one reads that the other is not ready. */
	to->ready.self = json_is_true(json_object_get(o, "ready"));
	return (!self.n || o) && share_self(g, o, buf_view(&self)) &&
	       read_group(g, o, now_s, to) && group_trends_turn(g, o != NULL);
}

static enum redis_turn
group_turn(void *arg, uint64_t puts UNUSED)
{
	struct group *g = arg;
	struct listed l = { .nodes = json_array() };

	buf_init(&l.others, 0);
	buf_init(&l.known, 0);
	bool up = exchange(g, &l);
	if (up)
		take_listed(g, &l);
	buf_free(&l.others);
	buf_free(&l.known);
	json_decref(l.nodes);
	return up ? REDIS_TURN_DONE : REDIS_TURN_AWAY;
}

bool
group_seen(struct group *g, unsigned *live, unsigned *known, struct buf *missing)
{
	SCOPED_BUF(why, 0);
	*live = *known = 0;
	if (!g || !redis_service_up(&g->service, &why))
		return false;
	SCOPED_LOCK(&g->service.lock);
	*live = g->counts.live;
	*known = g->counts.known;
	if (missing)
		buf_span(missing, buf_view(&g->missing));
	return g->counts.live > 0;
}

/* Removes the own field at the end, so that others no longer list this daemon. */
static void
group_last(void *arg)
{
	struct group *g = arg;

	if (g->service.redis)
		remove_member(g, span_str(g->node));
}

static const struct redis_service_kind group_service = { .thread = "tg-group",
	.away = "group.away",
	.every_us = 1000000,
	.again_us = 1000000,
	.turn = group_turn,
	.last = group_last };

struct group *
group_start(const char *node, const struct redis_options *redis,
	void (*self)(void *arg, struct buf *out), void *arg, struct group_trends *trends,
	struct buf *why)
{
	struct group *g = calloc(1, sizeof(*g));

	if (!g) {
		group_trends_free(trends);
		buf_str(why, err_str(ERR_NOMEM));
		return NULL;
	}
	g->node = node;
	g->self = self;
	g->arg = arg;
	g->trends = trends;
	buf_init(&g->others, 0);
	buf_init(&g->known, 0);
	buf_init(&g->nodes, 0);
	buf_init(&g->missing, 1024);
	redis_service_init(&g->service, &group_service, g, redis);
	if (redis_service_start(&g->service, why))
		group_stop(&g);
	return g;
}

void
group_self_changed(struct group *g)
{
	if (g)
		redis_service_wake(&g->service);
}

/* Appends a list of the last turn, or null. */
static void
put_list(struct group *g, const struct buf *list, struct buf *out)
{
	SCOPED_BUF(why, 0);
	if (!g || !redis_service_up(&g->service, &why)) {
		buf_str(out, "null");
		return;
	}
	SCOPED_LOCK(&g->service.lock);
	buf_span(out, buf_view(list));
}

void
group_put(struct group *g, struct buf *out)
{
	put_list(g, g ? &g->others : NULL, out);
}

void
group_put_known(struct group *g, struct buf *out)
{
	put_list(g, g ? &g->known : NULL, out);
}

void
group_put_nodes(struct group *g, struct buf *out)
{
	put_list(g, g ? &g->nodes : NULL, out);
}

bool
group_ready(struct group *g, struct group_ready *out)
{
	SCOPED_BUF(why, 0);
	*out = (struct group_ready){ .self = false };
	if (!g || !redis_service_up(&g->service, &why))
		return false;
	SCOPED_LOCK(&g->service.lock);
	if (!g->read_us || clock_mono_us() - g->read_us > READY_S * 1000000ull)
		return false;
	*out = g->ready;
	return true;
}

void
group_stop(struct group **gp)
{
	struct group *g = *gp;

	if (!g)
		return;
	redis_service_stop(&g->service, 0);
	group_trends_free(g->trends);
	buf_free(&g->others);
	buf_free(&g->known);
	buf_free(&g->nodes);
	buf_free(&g->missing);
	free(g);
	*gp = NULL;
}
