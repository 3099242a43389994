/* One turn a second: read Redis' time and the hash, write or remove the own field, and remove fields
 * that nobody has written for a day. Values of the hash are outside input: they are read within limits,
 * and only listed. */
#include "operator/group/group.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/attr.h"
#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/scoped.h"
#include "operator/group/group_private.h"
#include "operator/group/group_trends.h"

enum { MEMBERS_MAX = 256, MEMBER_BYTES = 4096, LIVE_S = 10, GONE_S = 86400 };

/* ---- this daemon ---- */

/* Appends the machine's id, machine-id(5), or without it the kernel's of this boot, which the unit's
 * sandbox hides. False: there is neither. */
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

/* Nothing if the machine or the folder is not known: then no other daemon shares the file. */
static void
put_file_id(const char *path, struct buf *out)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	char folder[4096];
	struct stat st;

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1,
		slash ? path : ".");
	if (stat(folder, &st) < 0 || !put_machine(out))
		return;
	buf_printf(out, " %ju:%ju %s", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino, name);
}

void
group_member_put(const struct group_member *m, struct buf *out)
{
	SCOPED_BUF(file, 0);
	put_file_id(m->file, &file);
	json_put_open(out, NULL, '{');
	json_put_str(out, "policy", m->policy);
	json_put_str(out, "policy_version", m->version);
	json_put_text(out, "file", buf_view(&file));
	json_put_opt(out, "admin", m->admin);
	json_put_str(out, "daemon", m->daemon);
}

/* ---- the others ---- */

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

static bool
read_group_time(struct group *g, int64_t *now_s)
{
	const char *argv[] = { "TIME", "" };
	uint64_t second = 0;
	reply_auto_t *r = turns_ask(&g->turns, 1, argv, NULL);

	if (!r)
		return false;
	bool ok = r->type == REDIS_REPLY_ARRAY && r->elements == 2 && r->element[0]->str &&
		  span_u64(span_of(r->element[0]->str, r->element[0]->len), &second) == 0 &&
		  second < INT64_MAX;
	*now_s = (int64_t)second;
	if (!ok)
		turns_lost(&g->turns, "TIME is no time");
	return ok;
}

/* Removes the field of a daemon that is gone. */
static bool
remove_member(struct group *g, struct span node)
{
	const char *argv[] = { "HDEL", GROUP_KEY, node.p };
	const size_t lens[] = { 4, sizeof(GROUP_KEY) - 1, node.n };
	reply_auto_t *r = turns_ask(&g->turns, 3, argv, lens);

	return r != NULL;
}

/* Returns true if the field belongs to the other instance of this daemon. */
static bool
is_own_instance(const json_t *o, const json_t *self)
{
	const char *daemon = json_str_in(self, "daemon");

	return daemon && str_same(json_str_in(o, "daemon"), daemon);
}

/* Lists the members of a reply to HGETALL. False: Redis is away. */
static bool
list_members(struct group *g, const redisReply *all, const json_t *self, int64_t now_s,
	struct buf *out)
{
	json_put_open(out, NULL, '[');
	for (size_t i = 0; i + 1 < all->elements; i += 2) {
		const redisReply *k = all->element[i], *v = all->element[i + 1];
		if (!k->str || !v->str)
			continue;
		struct span node = span_of(k->str, k->len);
		json_auto_t *o = v->len <= MEMBER_BYTES ? json_loadb(v->str, v->len, 0, NULL) : NULL;
		int64_t age_s = chain_node_valid(node) && is_member(o)
					? now_s - json_integer_value(json_object_get(o, "at"))
					: GONE_S;
		if ((age_s >= GONE_S || age_s < -LIVE_S) && !remove_member(g, node))
			return false;
		if (age_s < LIVE_S && age_s >= -LIVE_S && !span_is(node, g->node) &&
			!is_own_instance(o, self))
			put_other(node, o, self, out);
		if (age_s < GONE_S && age_s >= -LIVE_S && !span_is(node, g->node))
			group_trends_node(g, json_str_in(o, "daemon"), age_s < LIVE_S);
	}
	json_put_close(out, ']');
	return true;
}

static bool
read_group(struct group *g, const json_t *self, int64_t now_s, struct buf *out)
{
	const char *count[] = { "HLEN", GROUP_KEY }, *all[] = { "HGETALL", GROUP_KEY },
		   *del[] = { "DEL", GROUP_KEY };
	reply_auto_t *n = turns_ask(&g->turns, 2, count, NULL);

	if (!n)
		return false;
	bool too_many = n->type != REDIS_REPLY_INTEGER || n->integer > MEMBERS_MAX;
	reply_auto_t *r = turns_ask(&g->turns, 2, too_many ? del : all, NULL);
	if (!r)
		return false;
	if (too_many || r->type != REDIS_REPLY_ARRAY) {
		buf_str(out, "[]");
		return true;
	}
	return list_members(g, r, self, now_s, out);
}

static bool
write_self(struct group *g, struct span self)
{
	const char *argv[] = { "HSET", GROUP_KEY, g->node, self.p };
	const size_t lens[] = { 4, sizeof(GROUP_KEY) - 1, strlen(g->node), self.n };
	reply_auto_t *r = turns_ask(&g->turns, 4, argv, lens);

	return r != NULL;
}

/* Writes the own field, or removes it if `self` is NULL: this instance does not decide. */
static bool
share_self(struct group *g, const json_t *self, struct span text)
{
	return self ? write_self(g, text) : remove_member(g, span_str(g->node));
}

static enum turn
group_turn(void *arg, uint64_t puts UNUSED)
{
	struct group *g = arg;
	int64_t now_s;

	SCOPED_BUF(self, MEMBER_BYTES);
	SCOPED_BUF(others, 0);
	if (!turns_dial(&g->turns, SPAN_LIT(GROUP_KEY)) || !read_group_time(g, &now_s))
		return TURN_AWAY;
	g->self(g->arg, &self);
	if (self.n) {
		json_put_int(&self, "at", now_s);
		json_put_close(&self, '}');
	}
	json_auto_t *o = buf_failed(&self) ? NULL : json_loadb(self.p, self.n, 0, NULL);
	if ((self.n && !o) || !share_self(g, o, buf_view(&self)) ||
		!read_group(g, o, now_s, &others))
		return TURN_AWAY;
	if (!group_trends_turn(g))
		return TURN_AWAY;
	SCOPED_LOCK(&g->turns.lock);
	buf_clear(&g->others);
	buf_span(&g->others, buf_view(&others));
	return TURN_DONE;
}

/* The others no longer list this daemon. */
static void
group_last(void *arg)
{
	struct group *g = arg;

	if (g->turns.redis)
		remove_member(g, span_str(g->node));
}

static const struct turns_kind group_turns = { .thread = "tg-group",
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
	turns_init(&g->turns, &group_turns, g, redis);
	if (turns_start(&g->turns, why))
		group_stop(&g);
	return g;
}

void
group_self_changed(struct group *g)
{
	if (g)
		turns_soon(&g->turns);
}

void
group_put(struct group *g, struct buf *out)
{
	SCOPED_BUF(why, 0);
	if (!g || !turns_up(&g->turns, &why)) {
		buf_str(out, "null");
		return;
	}
	SCOPED_LOCK(&g->turns.lock);
	buf_span(out, buf_view(&g->others));
}

void
group_stop(struct group **gp)
{
	struct group *g = *gp;

	if (!g)
		return;
	turns_stop(&g->turns, 0);
	group_trends_free(g->trends);
	buf_free(&g->others);
	free(g);
	*gp = NULL;
}
