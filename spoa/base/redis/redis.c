/* Decides which server gets a command: the only one, the master that Sentinels name, or a
 * cluster's node by slot. The finder (redis_find.c) wakes the loop when it has a new map;
 * redis_conn.c makes the connections. */
#include "base/redis/redis.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/redis/redis_find.h"
#include "base/redis/redis_private.h"
#include "base/err.h"

enum { TICK_MS = 10, IDLE_MS = 100, KEPT_MS = 60000, COMING_MS = 1000, FORMER_MS = 60000 };

/* ---- a cluster's nodes ---- */

static void
init_conn(struct redis *r, const struct redis *front, struct redis_front *f)
{
	TAG(redis, r);
	r->f = f;
	r->o = redis_finder_options(f->finder);
	r->loop = front->loop;
	r->deadline_us = front->deadline_us;
	r->metrics = front->metrics;
	r->open = true;
}

static struct redis *
find_node(struct redis_front *f, const struct redis_place *p)
{
	for (size_t i = 0; i < f->nodes; i++)
		if (f->node[i]->place.port == p->port &&
			!strcmp(f->node[i]->place.host, p->host))
			return f->node[i];
	return NULL;
}

struct redis *
redis_node_at(struct redis *front, const struct redis_place *p)
{
	struct redis_front *f = front->f;
	struct redis *r = find_node(f, p);

	if (r || f->nodes == REDIS_NODES_MAX || !(r = calloc(1, sizeof(*r))))
		return r;
	init_conn(r, front, f);
	r->node = true;
	snprintf(r->text, sizeof(r->text), "%s:%u", p->host, p->port);
	r->kept_us = clock_mono_us() + KEPT_MS * 1000;
	redis_hold_commands(r);
	/* A redirection names an address, or a name that the map will contain. */
	struct redis_place at = *p;
	if (!at.address[0])
		redis_place_address(&at);
	r->place = at;
	if (at.address[0])
		redis_conn_place(r, &at);
	INVARIANT(f->cluster && f->nodes < REDIS_NODES_MAX);
	f->node[f->nodes++] = r;
	redis_conn_tick(r);
	return r;
}

void
redis_hold_commands(struct redis *r)
{
	if (!r->coming_us)
		r->coming_us = clock_mono_us() + COMING_MS * 1000;
}

/* Assigns the slot to a node; NULL: to none that is known. */
static void
give_slot(struct redis_front *f, unsigned slot, struct redis *node)
{
	const struct redis *was = f->owner[slot];

	INVARIANT(f->cluster && slot < REDIS_SLOTS && (!node || node->f == f));
	if (was && was != node && was->last_epoch)
		f->former[slot] = (struct redis_former){ .epoch = was->last_epoch,
			.until_us = clock_mono_us() + FORMER_MS * 1000 };
	f->owner[slot] = node;
}

uint64_t
redis_former_epoch(const struct redis *r, struct span key)
{
	if (!r->f->cluster)
		return 0;
	unsigned slot = redis_slot(key);
	const struct redis *now = r->f->owner[slot];
	const struct redis_former *was = &r->f->former[slot];
	bool other = was->epoch && now && now->life.epoch != was->epoch;

	return other && clock_mono_us() < was->until_us ? was->epoch : 0;
}

static void
node_free(struct redis_front *f, size_t i)
{
	struct redis *r = f->node[i];

	INVARIANT(i < f->nodes && r->node && r->f == f);
	for (unsigned s = 0; s < REDIS_SLOTS; s++)
		if (f->owner[s] == r)
			give_slot(f, s, NULL);
	f->node[i] = f->node[--f->nodes];
	redis_conn_end(r);
	TAG_CLEAR(redis, r);
	free(r);
}

/* The order in which a slot is chosen for the key of a node's epoch. The order is scattered
 * because redis-cli moves slots in ascending order: the lowest slot of a node changes with each
 * slot that it loses, and the highest one with each slot that it gets. */
static uint32_t
slot_rank(unsigned slot)
{
	return (uint32_t)slot * 2654435761u;
}

/* Chooses the slots for the two keys of the node's epoch among the node's slots, if any. The
 * choice depends only on the map, so that all daemons choose the same slots. The second one is
 * the highest, which redis-cli moves last: both seldom move between two looks at the map. */
static void
tag_node(struct redis *r)
{
	const struct redis_front *f = r->f;
	unsigned best[2] = { REDIS_SLOTS, REDIS_SLOTS };
	char tag[2][sizeof(r->life.tag)] = { "", "" };

	for (unsigned s = 0; s < REDIS_SLOTS; s++) {
		if (f->owner[s] != r)
			continue;
		if (best[0] == REDIS_SLOTS || slot_rank(s) < slot_rank(best[0]))
			best[0] = s;
	}
	for (unsigned s = REDIS_SLOTS; s-- > 0 && best[1] == REDIS_SLOTS;)
		if (f->owner[s] == r && s != best[0])
			best[1] = s;
	for (int i = 0; i < 2 && best[i] < REDIS_SLOTS; i++) {
		char number[REDIS_TAG_MAX];
		redis_slot_tag(best[i], number);
		snprintf(tag[i], sizeof(tag[i]), "{%s}", number);
	}
	redis_conn_tags(r, tag[0], tag[1]);
}

static void
take_cluster(struct redis *front, const struct redis_map *m, uint64_t now)
{
	struct redis_front *f = front->f;
	struct redis *at[REDIS_NODES_MAX] = { NULL };

	for (size_t i = 0; i < m->n; i++) {
		at[i] = redis_node_at(front, &m->place[i]);
		if (at[i])
			redis_conn_place(at[i], &m->place[i]);
	}
	for (unsigned s = 0; s < REDIS_SLOTS; s++)
		give_slot(f, s, m->owner[s] < m->n ? at[m->owner[s]] : NULL);
	for (size_t i = f->nodes; i-- > 0;) {
		bool listed = false;
		for (size_t k = 0; k < m->n; k++)
			listed |= at[k] == f->node[i];
		if (!listed && now > f->node[i]->kept_us)
			node_free(f, i);
	}
	for (size_t i = 0; i < f->nodes; i++)
		tag_node(f->node[i]);
}

struct redis *
redis_at(struct redis *r, struct span key)
{
	return r->f->cluster ? r->f->owner[redis_slot(key)] : r;
}

size_t
redis_holders(struct redis *r, struct redis *out[REDIS_HOLDERS_MAX])
{
	if (!r->f->cluster) {
		out[0] = r;
		return 1;
	}
	memcpy(out, r->f->node, r->f->nodes * sizeof(out[0]));
	return r->f->nodes;
}

uint64_t
redis_moves(const struct redis *r)
{
	return r->f->version + r->f->moved;
}

uint64_t
redis_deadline_us(const struct redis *r)
{
	return r->deadline_us;
}

void
redis_note_moved_slot(struct redis *front, unsigned slot, struct redis *node)
{
	struct redis_front *f = front->f;

	if (!node || f->owner[slot] == node)
		return;
	f->moved++;
	give_slot(f, slot, node);
	if (!node->life.epoch && conn_up(node))
		redis_hold_commands(node);
	/* if one slot moves, others probably move too */
	redis_finder_refresh(f->finder);
}

/* ---- the client as a whole ---- */

static void
take_map(struct redis *r, uint64_t now)
{
	struct redis_front *f = r->f;

	if (!redis_finder_new_map(f->finder, &f->version, f->map))
		return;
	if (f->cluster)
		take_cluster(r, f->map, now);
	else
		redis_conn_place(r, &f->map->place[0]);
}

/* Returns true if anything has a deadline. */
static bool
front_has_deadline(const struct redis *r)
{
	const struct redis_front *f = r->f;
	bool any = !TAILQ_EMPTY(&f->sent) || (!f->cluster && redis_conn_waits(r));

	for (size_t i = 0; i < f->nodes; i++)
		any = any || redis_conn_waits(f->node[i]);
	return any;
}

static void
on_redis_tick(struct ev_loop *loop UNUSED, ev_timer *t, int revents UNUSED)
{
	struct redis *r = TAGGED(redis, t->data);
	uint64_t now = clock_mono_us();

	redis_pipes_late(r, now);
	take_map(r, now);
	if (!r->f->cluster)
		redis_conn_tick(r);
	for (size_t i = 0; i < r->f->nodes; i++)
		redis_conn_tick(r->f->node[i]);
}

/* Takes a new map before this turn's commands are written. */
static void
on_news(struct ev_loop *loop UNUSED, ev_async *a, int revents UNUSED)
{
	take_map(TAGGED(redis, a->data), clock_mono_us());
}

static void
on_redis_flush(struct ev_loop *loop UNUSED, ev_prepare *w, int revents UNUSED)
{
	struct redis *r = TAGGED(redis, w->data);
	struct redis_front *f = r->f;
	struct redis_place place;
	unsigned slot;

	/* redirections that other workers of this process met */
	while (f->cluster && redis_finder_next_moved(f->finder, &f->told, &slot, &place))
		redis_note_moved_slot(r, slot, redis_node_at(r, &place));
	if (f->before_write)
		f->before_write(f->before_write_arg);
	redis_conn_flush(r);
	for (size_t i = 0; i < f->nodes; i++)
		redis_conn_flush(f->node[i]);
	if (!front_has_deadline(r))
		ev_timer_stop(r->loop, &f->often);
	else if (!ev_is_active(&f->often))
		ev_timer_again(r->loop, &f->often);
}

static void
on_soon(struct ev_loop *loop UNUSED, ev_timer *t, int revents UNUSED)
{
	redis_pipes_failed(TAGGED(redis, t->data));
}

static void
start_redis_watchers(struct redis *r)
{
	struct redis_front *f = r->f;

	ev_timer_init(&f->tick, on_redis_tick, IDLE_MS / 1000., IDLE_MS / 1000.);
	ev_timer_init(&f->often, on_redis_tick, 0., TICK_MS / 1000.);
	ev_timer_init(&f->soon, on_soon, 0., 0.);
	ev_prepare_init(&f->flush, on_redis_flush);
	ev_async_init(&f->listener.wake, on_news);
	f->tick.data = f->often.data = f->soon.data = f->flush.data = f->listener.wake.data = r;
	f->listener.loop = r->loop;
	ev_async_start(r->loop, &f->listener.wake);
	redis_finder_subscribe(f->finder, &f->listener);
	ev_timer_start(r->loop, &f->tick);
	ev_prepare_start(r->loop, &f->flush);
	take_map(r, clock_mono_us());
	if (!f->cluster)
		redis_conn_tick(r);
}

struct redis *
redis_new_at(struct ev_loop *loop, struct redis_finder *finder, uint64_t deadline_us,
	struct metrics *m)
{
	const struct redis_options *o = redis_finder_options(finder);
	bool cluster = o->url.kind == REDIS_CLUSTER;
	size_t owners = cluster ? REDIS_SLOTS : 0;
	struct redis *r = calloc(1, sizeof(*r));
	struct redis_front *f = calloc(1, sizeof(*f) + owners * sizeof(f->owner[0]));
	struct redis_map *map = calloc(1, sizeof(*map));
	struct redis_tls *tls = redis_tls_new(o);
	struct redis_former *former = calloc(owners + 1, sizeof(*former));

	if (!r || !f || !map || !tls || !former) {
		free(r);
		free(f);
		free(former);
		free(map);
		redis_tls_free(&tls);
		return NULL;
	}
	f->finder = redis_finder_share(finder);
	f->map = map;
	f->former = former;
	f->tls = tls;
	f->cluster = cluster;
	f->every_ms = IDLE_MS;
	TAILQ_INIT(&f->sent);
	buf_init(&f->command, 1u << 20);
	r->loop = loop;
	r->deadline_us = deadline_us;
	r->metrics = m;
	init_conn(r, r, f);
	redis_url_text(&o->url, r->text);
	start_redis_watchers(r);
	return r;
}

/* Ends all pipelines without their callbacks. */
static void
redis_pipes_end(struct redis *r)
{
	struct redis_pipe *p;

	TAILQ_FOREACH (p, &r->f->sent, of_sent)
		p->answered = true;
	for (p = r->f->failed; p; p = p->next)
		p->answered = true;
	redis_pipes_failed(r);
}

void
redis_free(struct redis **rp)
{
	struct redis *r = *rp;

	if (!r)
		return;
	struct redis_front *f = r->f;
	ev_timer_stop(r->loop, &f->tick);
	ev_timer_stop(r->loop, &f->often);
	ev_timer_stop(r->loop, &f->soon);
	ev_prepare_stop(r->loop, &f->flush);
	redis_finder_unsubscribe(f->finder, &f->listener);
	ev_async_stop(r->loop, &f->listener.wake);
	/* hiredis ends each command with a callback, but its owner may be gone. */
	redis_pipes_end(r);
	redis_conn_end(r);
	while (f->nodes)
		node_free(f, f->nodes - 1);
	redis_finder_free(&f->finder);
	redis_tls_free(&f->tls);
	buf_free(&f->command);
	free(f->map);
	free(f->former);
	free(f);
	TAG_CLEAR(redis, r);
	free(r);
	*rp = NULL;
}

void
redis_before_write(struct redis *r, void (*cb)(void *arg), void *arg)
{
	r->f->before_write = cb;
	r->f->before_write_arg = arg;
}

void
redis_tick_every(struct redis *r, unsigned ms)
{
	struct redis_front *f = r->f;

	if (f->every_ms == ms)
		return;
	f->every_ms = ms;
	f->tick.repeat = ms / 1000.;
	ev_timer_again(r->loop, &f->tick);
}

void
redis_wake_users(struct redis *r)
{
	redis_finder_wake_users(r->f->finder);
}

/* ---- the state ---- */

/* Returns true if the server is up and, with `epoch`, its epoch is known. For a cluster: if
 * every slot has such a node. */
static bool
all_up(const struct redis *r, bool epoch)
{
	const struct redis_front *f = r->f;

	if (!f->cluster || r->node)
		return conn_up(r) && (!epoch || r->life.epoch);
	for (size_t s = 0; s < REDIS_SLOTS; s++)
		if (!f->owner[s] || !all_up(f->owner[s], epoch))
			return false;
	return true;
}

bool
redis_up(const struct redis *r)
{
	return all_up(r, false);
}

bool
redis_ready(const struct redis *r)
{
	return all_up(r, true);
}

bool
redis_evicts(const struct redis *r)
{
	bool evicts = r->evicts;

	for (size_t i = 0; i < r->f->nodes; i++)
		evicts |= r->f->node[i]->evicts;
	return evicts;
}

uint64_t
redis_used_bytes(const struct redis *r)
{
	uint64_t most = r->used_bytes;

	for (size_t i = 0; i < r->f->nodes; i++)
		if (r->f->node[i]->used_bytes > most)
			most = r->f->node[i]->used_bytes;
	return most;
}

enum redis_refusal
redis_refuses(const struct redis *r, const char **said)
{
	const struct redis *one = r;

	for (size_t i = 0; i < r->f->nodes && !one->refusal; i++)
		one = r->f->node[i];
	*said = one->refused_with;
	return one->refusal;
}

static int64_t
skew_of(const struct redis *r, int64_t ahead_us)
{
	return r->connected && r->life.clock ? ahead_us - r->life.offset_us : 0;
}

int64_t
redis_skew_us(const struct redis *r)
{
	int64_t ahead_us = clock_wall_ns() / 1000 - (int64_t)clock_mono_us();
	int64_t most = skew_of(r, ahead_us);

	for (size_t i = 0; i < r->f->nodes; i++) {
		int64_t us = skew_of(r->f->node[i], ahead_us);
		if (llabs(us) > llabs(most))
			most = us;
	}
	return most;
}

static bool
clock_of(const struct redis *r, int64_t *off_us)
{
	*off_us = r->life.offset_us;
	return r->connected && r->life.clock;
}

bool
redis_clock_us(const struct redis *r, int64_t *off_us)
{
	for (size_t i = 0; i < r->f->nodes; i++)
		if (clock_of(r->f->node[i], off_us))
			return true;
	return clock_of(r, off_us);
}

const struct redis_life *
redis_life(const struct redis *r)
{
	return &r->life;
}

bool
redis_coming(const struct redis *r)
{
	return r->coming_us && clock_mono_us() < r->coming_us;
}

bool
redis_life_asked(const struct redis *r)
{
	const struct redis_front *f = r->f;

	for (size_t i = 0; i < f->nodes; i++)
		if (conn_up(f->node[i]) && f->node[i]->life_asked)
			return true;
	return conn_up(r) && r->life_asked;
}
