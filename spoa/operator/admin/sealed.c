/* Hands out shares of sealed texts, each recorded first, and orders erasures.
 * gate/changes/erasing.c carries out an erasure on this node; this file orders it and
 * reports which nodes have done so. */
#include "operator/admin/sealed.h"

#include <inttypes.h>
#include <microhttpd.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/codec/base64.h"
#include "base/codec/json_text.h"
#include "base/log.h"
#include "base/scoped.h"
#include "gate/changes/sync.h"
#include "operator/admin/caches.h"
#include "operator/server/server.h"
#include "record/seal/shares.h"

#define NODES_US  700000u  /* time for each command to Redis */
#define FORGET_US 1500000u /* an order waits this long for response caches in Redis */

enum { NEAR_MOST = 3 }; /* similar names in a response */

static bool
has_shares(struct change *c)
{
	return c->s->shares ? true
			    : change_refuse(c, MHD_HTTP_CONFLICT,
				      "no texts are sealed here: tollgate.yaml has no seal "
				      "section");
}

/* ---- a share ---- */

static bool
refuse_share(struct change *c, enum share_state state)
{
	return change_refuse(c, state == SHARE_ERASED ? MHD_HTTP_GONE : MHD_HTTP_NOT_FOUND,
		"%s",
		state == SHARE_ERASED ? "erased"
		: state == SHARE_LOST ? "lost"
				      : "never");
}

static const char no_reason[] = "reason: this parameter is missing (tollgate.yaml: "
				"seal.require_reason): give the reason";

/* Returns true if the configuration requires a reason and the call gives none. */
static bool
lacks_reason(const struct server *s, const json_t *in)
{
	return s->shared_cfg->seal_require_reason &&
	       !span_trim(json_span(json_object_get(in, "reason")), " \t").n;
}

/* Finds a share of the node: in the own file, or in that of the other instance, which is opened to
 * read only, because that instance may run. `node` is empty for the own one. */
static enum share_state
find_share(struct server *s, struct span node, uint64_t number, struct share *out)
{
	const struct config *other = config_part(s->shared_cfg, CONFIG_OTHER);
	SCOPED_BUF(why, 4096);
	SCOPED_BUF(lost_why, 4096);
	uint64_t lost;

	if (!node.n || span_is(node, s->shared_cfg->node))
		return shares_find(s->shares, number, out, NULL);
	if (!other->node || !span_is(node, other->node) || !other->seal_shares ||
		access(other->seal_shares, F_OK) != 0)
		return SHARE_NEVER;
	struct shares *of =
		shares_open(other->seal_shares, NULL, other->node, &lost, &lost_why, &why);
	if (!of) {
		log_event(LOG_ERROR, "shares.other", LS("file", other->seal_shares),
			LSP("why", buf_view(&why)));
		return SHARE_LOST;
	}
	enum share_state state = shares_find(of, number, out, NULL);
	shares_close(&of);
	return state;
}

static bool
make_handout(struct change *c, json_t **before UNUSED, json_t **after)
{
	json_int_t number = json_integer_value(json_object_get(c->in, "share"));
	json_t *node = json_object_get(c->in, "node");
	struct share b;

	c->reads = true;
	if (!has_shares(c))
		return false;
	if (!c->s->audit)
		return change_refuse(c, MHD_HTTP_CONFLICT,
			"the daemon writes no records: set "
			"audit.journal in tollgate.yaml");
	if (lacks_reason(c->s, c->in))
		return change_refuse(c, MHD_HTTP_BAD_REQUEST, "%s", no_reason);
	enum share_state state = find_share(c->s, json_span(node), (uint64_t)number, &b);
	sodium_memzero(&b, sizeof(b));
	if (state != SHARE_HERE)
		return refuse_share(c, state);
	*after = json_pack("{s:O,s:O,s:I}", "id", json_object_get(c->in, "id"), "part",
		json_object_get(c->in, "part"), "share", number);
	/* the other instance's share */
	if (node && !span_is(json_span(node), c->s->shared_cfg->node))
		json_object_set(*after, "node", node);
	return change_sign(c, *after);
}

/* Adds the share to the response after its record was written, unless it was erased meanwhile.
 */
static void
give_share(struct change *c, const json_t *after)
{
	json_int_t number = json_integer_value(json_object_get(after, "share"));
	struct share b;

	enum share_state state = find_share(
		c->s, json_span(json_object_get(after, "node")), (uint64_t)number, &b);
	if (state == SHARE_HERE) {
		SCOPED_BUF(text, 0);
		base64_put(&text, b.key, sizeof(b.key));
		json_object_set_new(
			c->answer, "share", json_stringn(buf_view(&text).p, text.n));
		json_object_set_new(c->answer, "number", json_integer(number));
	} else {
		refuse_share(c, state);
	}
	sodium_memzero(&b, sizeof(b));
}

const struct change_row admin_share = { "text", 0, "open", make_handout, give_share };

/* ---- for the console ---- */

const struct reader sealed_texts = {
	.step = { { .command = { "audit", "open", "--sealed" }, .no = MHD_HTTP_NOT_FOUND } },
	.operand = "id",
	.records = true,
};

enum MHD_Result
admin_opening(struct asking *q)
{
	if (!q->server->shared_cfg->console_open)
		return asking_refuse(q, MHD_HTTP_NOT_FOUND,
			"opening texts in the console is off: set console.open in "
			"tollgate.yaml");
	return lacks_reason(q->server, q->in)
		       ? asking_refuse(q, MHD_HTTP_BAD_REQUEST, "%s", no_reason)
		       : reader_begin(q);
}

/* ---- erasures ---- */

/* The known state of erasures on all nodes. */
struct known_nodes {
	/* the result of live_erased_read(); `nodes` includes this node */
	json_t *nodes, *done;
};

static bool
read_nodes(struct server *s, struct known_nodes *k, struct buf *why)
{
	const char *node = s->shared_cfg->node;
	struct redis_options redis;
	bool here = false, ok = true;
	json_t *one;
	size_t i;

	k->nodes = json_array();
	k->done = json_object();
	if (s->live_sync) {
		ok = config_redis(s->shared_cfg, &redis) == 0 &&
		     live_erased_read(&redis, NODES_US, k->nodes, k->done, why) == 0;
		sodium_memzero(&redis, sizeof(redis));
	}
	json_array_foreach(k->nodes, i, one) here = here || span_is(json_span(one), node);
	if (!here)
		json_array_append_new(k->nodes, json_string(node));
	return ok;
}

static void
forget_known_nodes(struct known_nodes *k)
{
	json_decref(k->nodes);
	json_decref(k->done);
}

/* Reads the names of the remaining parts from a node's note. */
static json_t *
left_of_note(struct span names)
{
	json_t *list = json_array();

	while (names.n) {
		struct span name = span_next(&names, ' ');
		if (span_find(name, live_part_names, LIVE_PARTS) < LIVE_PARTS)
			json_array_append_new(list, json_stringn(name.p, name.n));
	}
	return list;
}

/* Returns the state of another node from its note: "SERIAL TIME" if done, or "0 SERIAL" and the
 * remaining parts. A later serial belongs to a repetition of this erasure. */
static json_t *
node_of_note(const struct known_nodes *k, const char *node, const json_t *erasure)
{
	char field[160];
	uint64_t serial = 0, ordered = (uint64_t)json_int_in(erasure, "serial"), of;

	snprintf(field, sizeof(field), "%s/%s", node, json_text_in(erasure, "erasure"));
	struct span at = json_span(json_object_get(k->done, field)),
		    number = span_next(&at, ' ');
	bool noted = span_u64(number, &serial) == 0, done = noted && serial >= ordered;
	struct span left = at;
	bool partly =
		noted && !serial && !span_u64(span_next(&left, ' '), &of) && of == ordered;
	json_t *o = json_pack("{s:s,s:b,s:o}", "node", node, "done", done, "at",
		done ? json_stringn(at.p, at.n) : json_null());
	if (partly) /* otherwise the node is down or has not received the order */
		json_object_set_new(o, "left", left_of_note(left));
	return o;
}

/* Adds every known node with its state to the erasure. Removes `done` and `left`, which are
 * this node's. */
static void
put_nodes(struct server *s, const struct known_nodes *k, json_t *erasure)
{
	json_t *list = json_array(), *done = json_object_get(erasure, "done"),
	       *left = json_object_get(erasure, "left"), *one;
	size_t i;

	json_array_foreach(k->nodes, i, one)
	{
		const char *node = json_string_value(one);
		bool here = !strcmp(node, s->shared_cfg->node);
		json_t *o = here ? json_pack("{s:s,s:b,s:O}", "node", node, "done",
					   json_is_string(done), "at", done)
				 : node_of_note(k, node, erasure);
		if (here && !json_is_string(done))
			json_object_set(o, "left", left);
		json_array_append_new(list, o);
	}
	json_object_set_new(erasure, "nodes", list);
	json_object_del(erasure, "done");
	json_object_del(erasure, "left");
}

unsigned
admin_erasures(struct server *s, struct buf *out)
{
	struct known_nodes k;
	json_t *one;
	size_t i;

	SCOPED_BUF(why, 1024);
	bool ok = read_nodes(s, &k, &why);
	json_t *list = s->live ? live_erasures(s->live) : json_array();
	json_array_foreach(list, i, one) put_nodes(s, &k, one);
	forget_known_nodes(&k);
	if (ok)
		return calls_json(out, json_pack("{s:o}", "erasures", list));
	json_decref(list);
	return calls_error(out, MHD_HTTP_SERVICE_UNAVAILABLE,
		"Redis does not list which nodes have carried out the erasures: %.*s: try "
		"again once it answers",
		SPAN_ARG(buf_view(&why)));
}

/* Adds similar names if the name has no share here and was not erased before. */
static void
put_near_names(struct change *c, struct span holder)
{
	struct share_near near[NEAR_MOST];
	size_t n = shares_near(c->s->shares, holder, near, NEAR_MOST);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_stringn(near[i].name, near[i].n));
	json_object_set_new(c->answer, "near", list);
	json_object_set_new(c->answer, "respelled", json_boolean(n && !near[0].slips));
}

static bool
make_erasure(struct change *c, json_t **before, json_t **after)
{
	char own[SHARE_HASHED_LEN + 1];
	struct span person = json_span(json_object_get(c->in, "person")),
		    holder = share_holder(person, own);
	unsigned char tag[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1], field[LIVE_FIELD_MAX];
	struct share b;

	if (!has_shares(c))
		return false;
	live_tag(c->s->live, holder, tag);
	sodium_bin2hex(hex, sizeof(hex), tag, sizeof(tag));
	live_erase_field(tag, field);
	*before = live_get(c->s->live, field);
	*after = json_pack("{s:s%,s:s,s:O}", "id", hex, LIVE_ERASE_ID, "tag", hex, "why",
		json_object_get(c->in, "why"));
	if (json_object_get(c->in, "ticket"))
		json_object_set(*after, "ticket", json_object_get(c->in, "ticket"));
	for (enum live_part part = LIVE_CACHE; c->s->cache && part < LIVE_PARTS; part++) {
		unsigned char name[LIVE_NAME_BYTES];
		caches_name(c->s, part, person, name);
		sodium_bin2hex(hex, sizeof(hex), name, sizeof(name));
		live_part_tag(part, field);
		json_object_set_new(*after, field, json_string(hex));
	}
	bool here = shares_get(c->s->shares, holder, false, &b) == 0;
	sodium_memzero(&b, sizeof(b));
	json_object_set_new(c->answer, "here", json_boolean(here));
	if (!here && !*before)
		put_near_names(c, holder);
	return change_sign(c, *after);
}

/* Completes the response: the erasure is in force, and carried out on this node if the disk
 * accepted it. */
static void
say_ordered_erasure(struct change *c, const json_t *after)
{
	struct known_nodes k;
	json_t *one;
	size_t i;

	SCOPED_BUF(why, 1024);
	json_object_set(c->answer, "erasure", json_object_get(after, "id"));
	json_object_set(c->answer, "serial", json_object_get(after, "serial"));
	caches_wait_forgotten(c->s->caches, FORGET_US);
	if (!read_nodes(c->s, &k, &why))
		json_object_set_new(
			c->answer, "nodes_unknown", json_stringn(buf_view(&why).p, why.n));
	json_auto_t *list = live_erasures(c->s->live);
	json_array_foreach(list, i, one)
	{
		if (strcmp(json_text_in(one, "erasure"), json_text_in(after, "id")) != 0)
			continue;
		put_nodes(c->s, &k, one);
		json_object_set(c->answer, "nodes", json_object_get(one, "nodes"));
	}
	forget_known_nodes(&k);
}

const struct change_row admin_erase = { NULL, LIVE_ERASE, "new", make_erasure,
	say_ordered_erasure };
