/* Which nodes are retired, and how many daemons share the Redis. Retirements are entries of the
 * live state (gate/changes/entry.h), so each daemon has them on its disk. */
#include "operator/server/fleet.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/hash.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/replace.h"
#include "base/scoped.h"
#include "base/wall.h"
#include "gate/changes/live.h"
#include "operator/group/group.h"
#include "operator/group/nodes.h"
#include "operator/server/server.h"
#include "policy/config/read.h"
#include "record/audit/audit.h"

/* time in which other daemons may start, before those that are known count as all */
#define FLEET_US (30 * SECOND_US)

/* Returns true if one of the names of this daemon is retired. */
static bool
own_node_retired(struct server *s, struct buf *why)
{
	const struct config *cfg = s->shared_cfg;

	return s->live && (live_node_retired(s->live, cfg->node, why) ||
				  (cfg->first_node && live_node_retired(s->live, cfg->first_node, why)));
}

/* Gives the workers the nodes whose usage they need not await. */
static void
state_gone(struct server *s)
{
	json_auto_t *list = live_list(s->live, LIVE_NODE);
	const json_t *one;
	size_t i, n = 0;

	json_array_foreach(list, i, one)
	{
		struct span name = json_span(json_object_get(one, "name"));
		if (json_object_get(one, "admitted") || n == QUOTA_GONE_MAX)
			continue;
		s->quota_daemon.gone[n++] = quota_node_gone(span_hash(name));
	}
	if (n < QUOTA_GONE_MAX)
		s->quota_daemon.gone[n] = 0;
	atomic_store_explicit(&s->any_gone, n > 0, memory_order_relaxed);
}

/* Returns the list of daemons, owned by the caller; this daemon alone if *known is false. */
static json_t *
list_nodes(struct server *s, bool *known)
{
	SCOPED_BUF(text, 0);
	group_put_nodes(s->group, &text);
	json_t *list = json_loadb(buf_view(&text).p, text.n, JSON_DECODE_ANY, NULL);
	*known = json_array_size(list) > 0;
	if (*known)
		return list;
	json_decref(list);
	list = json_array();
	SCOPED_BUF(self, 0);
	server_member(s, &self);
	if (self.n)
		json_put_close(&self, '}');
	json_auto_t *o = self.n ? json_loadb(buf_view(&self).p, self.n, 0, NULL) : NULL;
	if (o)
		nodes_add(list, span_str(s->shared_cfg->node), o, o, 0);
	json_decref(nodes_list(list));
	return list;
}

/* ---- the daemons that are remembered ---- */

/* Appends the path of the file, which both instances use. Appends nothing without a journal. */
static void
put_nodes_file(const struct server *s, struct buf *out)
{
	const char *journal = config_part(s->shared_cfg,
		config_is_second() ? CONFIG_OTHER : CONFIG_OWN)
				      ->journal;

	if (journal)
		buf_printf(out, "%s.nodes", journal);
	buf_putc(out, '\0');
}

static void
load_remembered(struct server *s)
{
	SCOPED_BUF(file, 4096);
	SCOPED_BUF(text, 1 << 16);
	put_nodes_file(s, &file);
	s->remembers = true;
	if (file.p[0] && buf_regular_file(&text, file.p))
		remembered_read(&s->remembered, buf_view(&text));
}

static void
keep_remembered(struct server *s)
{
	SCOPED_BUF(file, 4096);
	SCOPED_BUF(text, 1 << 16);
	SCOPED_BUF(why, 1024);
	put_nodes_file(s, &file);
	remembered_write(&s->remembered, &text);
	if (file.p[0] && replace_file(AT_FDCWD, file.p, 0600, buf_view(&text), &why))
		log_event(LOG_WARN, "node.not_kept", LS("file", file.p), LSP("why", buf_view(&why)),
			LS("note", "after a loss of Redis' data, this daemon does not know the "
				   "others until they are back"));
}

/* Updates the remembered daemons by those that are listed, and states how many there are. */
static void
remember_nodes(struct server *s, const json_t *list)
{
	int64_t now_s = wall_now_ns() / 1000000000;
	const json_t *one;
	bool changed = false;
	size_t i;

	if (!s->remembers)
		load_remembered(s);
	remembered_trim(&s->remembered, now_s);
	json_array_foreach(list, i, one)
	{
		const char *daemon = json_str_in(one, "daemon");
		if (daemon && json_is_true(json_object_get(one, "live")))
			changed |= remembered_see(&s->remembered, span_str(daemon), now_s);
	}
	for (i = s->remembered.n; s->live && i-- > 0;) {
		struct span node = span_str(s->remembered.v[i].node);
		if (live_node_retired(s->live, s->remembered.v[i].node, NULL))
			changed |= remembered_forget(&s->remembered, node);
	}
	if (changed)
		keep_remembered(s);
	if (clock_mono_us() - s->started_us >= FLEET_US)
		s->quota_daemon.fleet = s->remembered.n;
}

void
fleet_look(struct server *s)
{
	unsigned live, known;
	bool is_known;

	SCOPED_BUF(why, 1024);
	bool was = atomic_load_explicit(&s->retired, memory_order_relaxed),
	     retired = own_node_retired(s, &why);
	if (s->live)
		state_gone(s);
	if (group_seen(s->group, &live, &known, NULL) && atomic_load(&s->decides)) {
		json_auto_t *list = list_nodes(s, &is_known);
		s->quota_daemon.daemons = known;
		if (is_known)
			remember_nodes(s, list);
	}
	if (s->audit)
		audit_stream_pause(s->audit, retired);
	if (retired == was)
		return;
	atomic_store_explicit(&s->retired, retired, memory_order_relaxed);
	group_self_changed(s->group);
	if (retired)
		log_event(LOG_ERROR, "node.retired", LSP("why", buf_view(&why)),
			LS("note", "this daemon accepts no requests until its node is admitted: "
				   "tollgate node admit"));
	else
		log_event(LOG_INFO, "node.admitted", LS("node", s->shared_cfg->node));
}

bool
fleet_says_retired(struct server *s, struct buf *out)
{
	SCOPED_BUF(why, 1024);
	if (!own_node_retired(s, &why))
		return false;
	buf_printf(out,
		"retired: %.*s: this daemon accepts no requests; to use the node again, run "
		"`tollgate node admit` on another one\n",
		SPAN_ARG(buf_view(&why)));
	return true;
}

bool
fleet_nodes(struct server *s, struct buf *out)
{
	bool known;
	json_auto_t *list = list_nodes(s, &known);
	char *text = json_dumps(list, JSON_COMPACT);

	buf_str(out, text ? text : "[]");
	free(text);
	return known;
}

void
fleet_says_unasked(struct server *s, struct buf *out)
{
	bool known;
	json_auto_t *list = s->group ? list_nodes(s, &known) : NULL;
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		const json_t *idle = json_object_get(one, "idle_s");
		if (!json_is_true(json_object_get(one, "unasked")))
			continue;
		buf_printf(out, "daemons: node %s got no request ", json_text_in(one, "node"));
		if (json_is_integer(idle))
			buf_printf(out, "for %lld minutes", (long long)json_integer_value(idle) / 60);
		else
			buf_str(out, "since its start");
		buf_str(out, ", and others did: check HAProxy's servers and the load balancer\n");
	}
}

void
fleet_metrics(struct server *s, struct buf *out)
{
	bool known;
	json_auto_t *list = list_nodes(s, &known);
	const json_t *one;
	size_t i;

	metrics_head(out, "node_live", "gauge",
		"1 if the node's daemon wrote to Redis within the last 10 seconds, 0 if it is away.");
	json_array_foreach(list, i, one) buf_printf(out, "tollgate_node_live{node=\"%s\"} %d\n",
		json_text_in(one, "node"), json_is_true(json_object_get(one, "live")));
	metrics_head(out, "node_unasked", "gauge",
		"1 if the node's daemon got no request for five minutes, while another one did.");
	json_array_foreach(list, i, one) buf_printf(out, "tollgate_node_unasked{node=\"%s\"} %d\n",
		json_text_in(one, "node"), json_is_true(json_object_get(one, "unasked")));
}
