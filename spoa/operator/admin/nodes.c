/* Lists nodes, retires one and admits it again.
 *
 * A retirement is an entry of the live state, which every daemon keeps on its disk. After the entry
 * is in force, the daemon removes the node's data from Redis: its field in the list of daemons, its
 * trends, its copy of the records, and its name and notes among those of erasures. In a cluster, they
 * are on several servers. */
#include "operator/admin/nodes.h"

#include <microhttpd.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/redis/redis_replies.h"
#include "base/redis/redis_sync.h"
#include "base/scoped.h"
#include "base/wall.h"
#include "gate/changes/sync.h"
#include "operator/group/group.h"
#include "operator/group/nodes.h"
#include "operator/server/fleet.h"
#include "operator/server/recall_gone.h"
#include "operator/server/server.h"
#include "policy/config/read.h"
#include "record/journal/journal.h"

#define NODES_US     1000000u
#define STREAM_KEY   "tollgate:audit:"
#define TRENDS_KEY   "tollgate:{group}:trends:"
#define SCAN_AT_ONCE "1000"

/* names under which the daemon of a node appears: its own, its second instance's, and others */
enum { NAMES_OF_NODE = 8 };

/* The data that a retirement removes. owner: the admin thread */
struct retiring {
	char name[NAMES_OF_NODE][LIVE_NODE_NAME_MAX + 1];
	size_t n;
	bool keep_stream;
	struct redis_options redis;
	bool has_redis;
	struct recall_gone *left; /* NULL: none was given */
};

/* ---- the list ---- */

static const char *
state_of_node(const json_t *node)
{
	if (!json_is_true(json_object_get(node, "live")))
		return "away";
	return json_is_true(json_object_get(node, "ready")) ? "ready" : "not ready";
}

static json_t *
node_in(json_t *list, const char *name)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one) if (str_same(json_str_in(one, "node"), name)) return one;
	return NULL;
}

/* Appends the retired nodes. A retired node that still writes to Redis, because its version is older,
 * keeps its row, with the state. */
static void
add_retired(struct server *s, json_t *list)
{
	static const char *const members[] = { "retired", "settled", "why", "by" };
	json_auto_t *entries = s->live ? live_list(s->live, LIVE_NODE) : json_array();
	json_t *one;
	size_t i;

	json_array_foreach(entries, i, one)
	{
		const char *name = json_text_in(one, "name");
		if (json_object_get(one, "admitted"))
			continue;
		json_t *row = node_in(list, name);
		if (!row) {
			row = json_pack("{s:s}", "node", name);
			json_array_append_new(list, row);
		}
		json_object_set_new(row, "state", json_string("retired"));
		for (size_t m = 0; m < COUNT_OF(members); m++)
			json_object_set(row, members[m], json_object_get(one, members[m]));
	}
}

/* Appends the nodes that have used this Redis and are neither listed nor retired. Returns false if
 * Redis does not answer. */
static bool
add_stopped(struct server *s, json_t *list, struct buf *why)
{
	json_auto_t *names = json_array(), *done = json_object();
	struct redis_options redis;
	json_t *one;
	size_t i;

	if (!s->live_sync)
		return true;
	bool ok = config_redis(s->shared_cfg, &redis) == 0 &&
		  live_erased_read(&redis, NODES_US, names, done, why) == 0;
	sodium_memzero(&redis, sizeof(redis));
	json_array_foreach(names, i, one) if (!node_in(list, json_string_value(one)))
		json_array_append_new(list,
			json_pack("{s:O,s:s}", "node", one, "state", "stopped"));
	return ok;
}

unsigned
admin_nodes(struct server *s, const struct admin_peer *peer, json_t *in, struct buf *out)
{
	SCOPED_BUF(text, 0);
	SCOPED_BUF(why, 1024);
	bool known = fleet_nodes(s, &text);
	json_t *list = json_loadb(buf_view(&text).p, text.n, 0, NULL), *one;
	size_t i;

	(void)peer;
	json_array_foreach(list, i, one)
		json_object_set_new(one, "state", json_string(state_of_node(one)));
	add_retired(s, list);
	if (json_is_true(json_object_get(in, "all")))
		known = add_stopped(s, list, &why) && known;
	json_t *sorted = nodes_list(list);
	json_decref(list);
	return calls_json(out, json_pack("{s:s,s:b,s:o}", "node", s->shared_cfg->node, "known", known,
				       "nodes", sorted));
}

/* ---- what Redis has of a node ---- */

/* Adds a reply's number to the member of the response. Returns false if Redis did not answer, with
 * *why. */
static bool
count_removed(struct change *c, redisContext *redis, redisReply *r, const char *member, struct buf *why)
{
	bool ok = r && r->type == REDIS_REPLY_INTEGER;

	if (ok && member)
		json_object_set_new(c->answer, member,
			json_integer(json_int_in(c->answer, member) + r->integer));
	if (!ok)
		buf_str(why, r && r->type == REDIS_REPLY_ERROR ? r->str : redis_sync_error(redis));
	freeReplyObject(r);
	return ok;
}

/* Removes the node's notes about erasures. */
static bool
remove_erased(struct change *c, redisContext *redis, const char *name, struct buf *why)
{
	char cursor[REDIS_CURSOR] = "0", begin[LIVE_NODE_NAME_MAX + 2];
	unsigned rounds = 0;
	bool ok = true;

	snprintf(begin, sizeof(begin), "%s/", name);
	do {
		reply_auto_t *r = redis_ask(redis, "HSCAN %s %s COUNT " SCAN_AT_ONCE, LIVE_ERASED_KEY,
			cursor);
		const redisReply *list = r ? redis_scan_list(r, cursor) : NULL;
		if (!list) {
			buf_str(why, r && r->type == REDIS_REPLY_ERROR ? r->str
								       : redis_sync_error(redis));
			return false;
		}
		for (size_t i = 0; ok && i + 1 < list->elements; i += 2) {
			struct span field = span_of(list->element[i]->str, list->element[i]->len);
			if (span_starts(field, span_str(begin)))
				ok = count_removed(c, redis,
					redis_ask(redis, "HDEL %s %b", LIVE_ERASED_KEY, field.p,
						field.n),
					"erasures_removed", why);
		}
	} while (ok && ++rounds < REDIS_SCAN_ROUNDS && strcmp(cursor, "0") != 0);
	return ok;
}

static bool
remove_live_one(struct change *c, redisContext *redis, const char *name, struct buf *why)
{
	return count_removed(c, redis, redis_ask(redis, "HDEL %s %s", LIVE_NODES_KEY, name), NULL,
		       why) &&
	       remove_erased(c, redis, name, why);
}

static bool
remove_group_one(struct change *c, redisContext *redis, const char *name, struct buf *why)
{
	return count_removed(
		       c, redis, redis_ask(redis, "HDEL %s %s", GROUP_KEY, name), NULL, why) &&
	       count_removed(c, redis, redis_ask(redis, "DEL " TRENDS_KEY "%s", name), NULL, why);
}

/* Removes the entries of each name of the node, at the server that has this key. */
static bool
remove_each(struct change *c, const struct retiring *r, const char *key,
	bool (*one)(struct change *c, redisContext *redis, const char *name, struct buf *why),
	struct buf *why)
{
	redisContext *redis = redis_dial(&r->redis, span_str(key), NODES_US, why);
	bool ok = redis != NULL;

	for (size_t i = 0; ok && i < r->n; i++)
		ok = one(c, redis, r->name[i], why);
	if (redis)
		redisFree(redis);
	return ok;
}

static bool
remove_stream(struct change *c, const char *name, bool keep, const struct retiring *r, struct buf *why)
{
	char key[sizeof(STREAM_KEY) + LIVE_NODE_NAME_MAX];

	snprintf(key, sizeof(key), STREAM_KEY "%s", name);
	redisContext *redis = redis_dial(&r->redis, span_str(key), NODES_US, why);
	bool ok = redis && count_removed(c, redis, redis_ask(redis, "XLEN %s", key),
				   keep ? "stream_kept" : "stream_removed", why);
	if (ok && !keep)
		ok = count_removed(c, redis, redis_ask(redis, "DEL %s", key), NULL, why);
	if (redis)
		redisFree(redis);
	return ok;
}

static bool
remove_streams(struct change *c, const struct retiring *r, struct buf *why)
{
	bool ok = true;

	for (size_t i = 0; ok && i < r->n; i++)
		ok = remove_stream(c, r->name[i], r->keep_stream, r, why);
	return ok;
}

/* ---- retire ---- */

static void
retiring_free(void *state)
{
	struct retiring *r = state;

	recall_gone_free(&r->left);
	sodium_memzero(&r->redis, sizeof(r->redis));
	free(r);
}

static void
add_name(struct retiring *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->name[i], name))
			return;
	if (r->n < NAMES_OF_NODE && strlen(name) <= LIVE_NODE_NAME_MAX &&
		chain_node_valid(span_str(name)))
		snprintf(r->name[r->n++], sizeof(r->name[0]), "%s", name);
}

/* Finds the names of the node's instances. Returns false, with an error as the response, if one of
 * them runs, or if no daemon of that name is known. */
static bool
names_of_node(struct change *c, struct retiring *r, const char *node)
{
	char second[LIVE_NODE_NAME_MAX + sizeof(SECOND_NODE)];
	json_t *one;
	size_t i;

	SCOPED_BUF(text, 0);
	SCOPED_BUF(why, 1024);
	bool known = fleet_nodes(c->s, &text), found = false;
	json_auto_t *list = json_loadb(buf_view(&text).p, text.n, 0, NULL);
	if (known)
		known = add_stopped(c->s, list, &why);
	if (!known)
		return change_refuse(c, MHD_HTTP_SERVICE_UNAVAILABLE,
			"Redis does not list the nodes%s%.*s: try again once it answers",
			why.n ? ": " : "", SPAN_ARG(buf_view(&why)));
	snprintf(second, sizeof(second), "%s" SECOND_NODE, node);
	add_name(r, node);
	add_name(r, second);
	json_array_foreach(list, i, one)
	{
		const char *name = json_text_in(one, "node");
		if (strcmp(name, node) != 0 && strcmp(json_text_in(one, "daemon"), node) != 0)
			continue;
		found = true;
		if (json_is_true(json_object_get(one, "live")))
			return change_refuse(c, MHD_HTTP_CONFLICT,
				"node %s wrote to Redis %lld s ago: stop its daemon first, or wait "
				"until `tollgate node list` shows it as away",
				name, (long long)json_int_in(one, "age_s"));
		add_name(r, name);
	}
	return found || change_refuse(c, MHD_HTTP_NOT_FOUND,
				"no daemon of this Redis has the node %.64s: see tollgate node list",
				node);
}

static json_t *
entry_of_node(struct change *c, const char *node, char id[LIVE_NODE_ID + 1])
{
	char field[LIVE_FIELD_MAX];

	live_node_id(span_str(node), id);
	snprintf(field, sizeof(field), "%s:%s", live_kinds[LIVE_NODE], id);
	return live_get(c->s->live, field);
}

/* Reads `node` and `why`, and answers with an error if one of them is invalid. */
static const char *
asked_node(struct change *c)
{
	const char *node = change_text(c, "node"), *why = change_text(c, "why");

	if (c->status != MHD_HTTP_OK)
		return NULL;
	if (!node || !chain_node_valid(span_str(node))) {
		change_refuse(c, MHD_HTTP_BAD_REQUEST,
			"node: give the name of a node, such as gw-2: see tollgate node list");
		return NULL;
	}
	if (!why || !*why) {
		change_refuse(c, MHD_HTTP_BAD_REQUEST, "why is missing: give the reason");
		return NULL;
	}
	json_object_set_new(c->answer, "id", json_string(node));
	if (!json_object_get(c->in, "reason"))
		json_object_set_new(c->in, "reason", json_string(why));
	return node;
}

/* Reads the journal of the node, if one was given. */
static bool
read_journal_of_node(struct change *c, struct retiring *r, const char *node)
{
	const char *dir = change_text(c, "journal");

	SCOPED_BUF(why, 4096);
	if (!dir)
		return c->status == MHD_HTTP_OK;
	if (!journal_is_free(dir))
		return change_refuse(c, MHD_HTTP_CONFLICT,
			"%.200s: a daemon writes to this journal: stop it first, or give a copy of "
			"the journal",
			dir);
	r->left = recall_gone_read(dir, node, c->s->table, &why);
	return r->left || change_refuse(c, MHD_HTTP_BAD_REQUEST,
				     "the journal cannot be used: %.*s: check the folder, and that "
				     "the daemon's user can read it",
				     SPAN_ARG(buf_view(&why)));
}

static bool
make_retirement(struct change *c, json_t **before, json_t **after)
{
	const char *node = asked_node(c);
	char id[LIVE_NODE_ID + 1];

	if (!node)
		return false;
	if (!strcmp(node, c->s->shared_cfg->node) || str_same(node, c->s->shared_cfg->first_node))
		return change_refuse(c, MHD_HTTP_CONFLICT,
			"%s is the node of this daemon: stop it, and retire it from another one", node);
	struct retiring *r = calloc(1, sizeof(*r));
	if (!r)
		return change_refuse(c, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory: try again");
	c->state = r;
	c->drop = retiring_free;
	r->keep_stream = json_is_true(json_object_get(c->in, "keep_stream"));
	r->has_redis = c->s->shared_cfg->redis_url && config_redis(c->s->shared_cfg, &r->redis) == 0;
	if (!r->has_redis)
		return change_refuse(c, MHD_HTTP_CONFLICT,
			"this daemon has no redis.url, so that no other node shares anything with it");
	*before = entry_of_node(c, node, id);
	if (*before && !json_object_get(*before, "admitted"))
		return change_refuse(c, MHD_HTTP_CONFLICT, "node %s is retired already", node);
	if (!names_of_node(c, r, node) || !read_journal_of_node(c, r, node))
		return false;
	*after = json_pack("{s:s,s:s,s:O}", "id", id, "name", node, "why",
		json_object_get(c->in, "why"));
	change_set_time(*after, "retired", wall_now_ns());
	if (r->left)
		change_set_time(*after, "settled", wall_now_ns());
	else if (*before && json_object_get(*before, "settled"))
		json_object_set(*after, "settled", json_object_get(*before, "settled"));
	return change_sign(c, *after);
}

static void
remove_node(struct change *c, const json_t *after)
{
	struct retiring *r = c->state;

	SCOPED_BUF(why, 1024);
	(void)after;
	json_object_set_new(c->answer, "holds", json_string(r->left ? "settled" : "kept"));
	if (r->left) {
		/* the ledger has room for one other journal */
		bool counts = !config_other_that_wrote(c->s->shared_cfg);
		json_object_set_new(c->answer, "settled",
			json_integer((json_int_t)recall_gone_open(r->left)));
		recall_gone_settle(&r->left, &c->s->workers[0], c->s->audit, counts);
	}
	bool removed = remove_each(c, r, GROUP_KEY, remove_group_one, &why) &&
		       remove_each(c, r, LIVE_NODES_KEY, remove_live_one, &why) &&
		       remove_streams(c, r, &why);
	json_object_set_new(c->answer, "removed", json_boolean(removed));
	if (!removed)
		json_object_set_new(c->answer, "why", json_stringn(why.p, why.n));
}

const struct change_row admin_node_retire = { NULL, LIVE_NODE, "retire", make_retirement, remove_node };

/* ---- admit ---- */

static bool
make_admission(struct change *c, json_t **before, json_t **after)
{
	const char *node = asked_node(c);
	char id[LIVE_NODE_ID + 1];

	if (!node)
		return false;
	*before = entry_of_node(c, node, id);
	if (!*before || json_object_get(*before, "admitted"))
		return change_refuse(c, MHD_HTTP_NOT_FOUND,
			"node %.64s is not retired: see tollgate node list", node);
	*after = json_deep_copy(*before);
	json_object_set(*after, "why", json_object_get(c->in, "why"));
	change_set_time(*after, "admitted", wall_now_ns());
	return change_sign(c, *after);
}

const struct change_row admin_node_admit = { NULL, LIVE_NODE, "admit", make_admission, NULL };
