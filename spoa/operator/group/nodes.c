/* Reads the members of a group into a list. Each value is checked, because anyone who can write to
 * Redis may have written it. */
#include "operator/group/nodes.h"

#include <stdlib.h>
#include <string.h>

#include "base/among.h"
#include "base/attr.h"
#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/utf8.h"
#include "record/journal/chain.h"

/* bounds: seconds after which a daemon counts as away, bytes of a text, degraded parts */
enum { NODE_LIVE_S = 10, NODE_TEXT_MAX = 256, NODE_PARTS_MAX = 64 };

static bool
is_node_text(const json_t *v)
{
	return json_is_string(v) && json_string_length(v) <= NODE_TEXT_MAX && utf8_line(json_span(v));
}

static json_t *
node_text(const json_t *member, const char *name)
{
	json_t *v = json_object_get(member, name);

	return is_node_text(v) ? json_incref(v) : json_null();
}

static json_t *
node_number(const json_t *member, const char *name)
{
	json_t *v = json_object_get(member, name);

	return json_is_integer(v) && json_integer_value(v) >= 0 ? json_incref(v) : json_null();
}

static json_t *
node_head(const json_t *member)
{
	json_t *v = json_object_get(member, "head");
	struct span hex = json_span(v);
	bool ok = json_is_string(v) && hex.n == 2 * (size_t)CHAIN_HASH_BYTES &&
		  span_past_set(hex, 0, "0123456789abcdef") == hex.n;

	return ok ? json_incref(v) : json_null();
}

static json_t *
node_time(const json_t *member, const char *name)
{
	json_t *v = json_object_get(member, name);
	int64_t ns;
	bool ok = is_node_text(v) &&
		  clock_parse(json_string_value(v), json_string_length(v), &ns) == 0;

	return ok ? json_incref(v) : json_null();
}

/* Returns the names of degraded parts, or null if the list is missing or has anything else. */
static json_t *
node_parts(const json_t *member)
{
	json_t *v = json_object_get(member, "degraded"), *one;
	bool ok = json_is_array(v) && json_array_size(v) <= NODE_PARTS_MAX;
	size_t i;

	json_array_foreach(v, i, one) ok = ok && is_node_text(one);
	return ok ? json_incref(v) : json_null();
}

void
nodes_add(json_t *list, struct span node, const json_t *member, const json_t *self, int64_t age_s)
{
	bool live = age_s < NODE_LIVE_S;
	const char *console = group_console(member), *machine = group_machine(member, self);
	json_t *o = json_pack("{s:s%,s:b,s:I,s:b,s:b}", "node", node.p, node.n, "here",
		member == self, "age_s", (json_int_t)(age_s > 0 ? age_s : 0), "live", live, "ready",
		live && json_is_true(json_object_get(member, "ready")));

	json_object_set_new(o, "daemon", node_text(member, "daemon"));
	json_object_set_new(o, "machine", machine ? json_string(machine) : json_null());
	json_object_set_new(o, "console", console ? json_string(console) : json_null());
	json_object_set_new(o, "version", node_text(member, "program"));
	json_object_set_new(o, "policy", node_text(member, "policy"));
	json_object_set_new(o, "policy_version", node_text(member, "policy_version"));
	json_object_set_new(o, "ready_s", node_number(member, "ready_s"));
	json_object_set_new(o, "requests_per_minute", node_number(member, "minute"));
	json_object_set_new(o, "idle_s", node_number(member, "idle_s"));
	/* numbers of a daemon that is away say nothing about the present */
	json_object_set_new(o, "requests_in_flight", live ? node_number(member, "in_flight") : json_null());
	json_object_set_new(o, "awaited", live ? node_number(member, "awaited") : json_null());
	json_object_set_new(o, "oldest_id", live ? node_text(member, "oldest_id") : json_null());
	json_object_set_new(o, "oldest_s", live ? node_number(member, "oldest_s") : json_null());
	json_object_set_new(o, "degraded", node_parts(member));
	json_object_set_new(o, "records", node_number(member, "records"));
	json_object_set_new(o, "head", node_head(member));
	json_object_set_new(o, "verified", node_time(member, "verified"));
	json_array_append_new(list, o);
}

static int
by_node_name(const void *x, const void *y)
{
	return strcmp(json_text_in(*(json_t *const *)x, "node"),
		json_text_in(*(json_t *const *)y, "node"));
}

static bool
node_is_live(const json_t *node)
{
	return json_is_true(json_object_get(node, "live"));
}

/* Returns true if the daemon got a request within NODES_UNASKED_S. */
static bool
was_asked(const json_t *node)
{
	const json_t *idle = json_object_get(node, "idle_s");

	return node_is_live(node) && json_is_integer(idle) && json_integer_value(idle) < NODES_UNASKED_S;
}

/* Returns true if the daemon could have got a request for NODES_UNASKED_S, and got none. An older
 * daemon does not publish its requests. */
static bool
waits_in_vain(const json_t *node)
{
	const json_t *idle = json_object_get(node, "idle_s");

	return node_is_live(node) && json_is_true(json_object_get(node, "ready")) &&
	       json_is_integer(json_object_get(node, "requests_per_minute")) &&
	       (!json_is_integer(idle) || json_integer_value(idle) >= NODES_UNASKED_S) &&
	       json_integer_value(json_object_get(node, "ready_s")) >= NODES_UNASKED_S;
}

json_t *
nodes_list(json_t *list)
{
	size_t n = json_array_size(list), i;
	json_t **v = calloc(n + 1, sizeof(*v)), *sorted = json_array(), *one;
	bool asked = false;

	json_array_foreach(list, i, one) asked = asked || was_asked(one);
	json_array_foreach(list, i, one)
	{
		json_object_set_new(one, "unasked", json_boolean(asked && waits_in_vain(one)));
		if (v)
			v[i] = one;
	}
	if (v && n)
		qsort(v, n, sizeof(*v), by_node_name);
	for (i = 0; v && i < n; i++)
		json_array_append(sorted, v[i]);
	free(v);
	return sorted;
}

/* Returns the name that both instances of a daemon have. */
static const char *
daemon_of(const json_t *node)
{
	const char *daemon = json_str_in(node, "daemon");

	return daemon && *daemon ? daemon : json_text_in(node, "node");
}

void
nodes_count(const json_t *list, struct nodes_counts *out, struct buf *missing)
{
	const json_t *one, *other;
	size_t i, k;

	*out = (struct nodes_counts){ .live = 0 };
	json_array_foreach(list, i, one)
	{
		bool live = false, first = true;
		json_array_foreach(list, k, other)
		{
			if (strcmp(daemon_of(one), daemon_of(other)) != 0)
				continue;
			live = live || node_is_live(other);
			first = first && k >= i;
		}
		out->known += first;
		out->live += first && live;
		if (first && !live)
			buf_printf(missing, "%s%s", missing->n ? ", " : "", daemon_of(one));
	}
}
