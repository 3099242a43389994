/* Adding to a life of Redis' data what was let go in the former ones, and what a daemon before
 * this one let go, as its journal says. */
#include <stdio.h>

#include "base/err.h"
#include "budget/quota/lives/quota_lives_private.h"

enum {
	PUBLISH_MAX = 256,	 /* counters of a pipeline; one a turn of the loop and server */
	PUBLISH_COMMANDS = 3,	 /* a counter: */
	PUBLISH_ADDS = 1,	 /* the second of them */
	RECALLED_S = 32 * 86400, /* no window is longer */
	SLACK_S = 60,		 /* a key outlives its window */
};

static void
on_published(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	const struct asked *a = TAGGED(asked, arg);
	struct life *l = lives_find(a->quota->lives, a->epoch);

	if (!l)
		return;
	/* SET NX answers nothing where the key is there. */
	for (size_t i = 0; i < n && !err; i++)
		err = i % PUBLISH_COMMANDS == PUBLISH_ADDS ? replies[i].err : 0;
	l->unanswered--;
	l->spoilt |= err != 0;
}

/* ---- what moves from a former epoch ---- */

/* In a cluster the counters of the former epoch may still exist: they have moved along with their slot, or a
 * replica has them. Each worker takes from them what it has added to the new epoch, so that the sum of both is
 * what was admitted. */
struct taken {
	struct asked asked;
	size_t n;
	struct {
		uint64_t epoch;
		int64_t sum, ttl_s;
		size_t kn;
		char key[CELL_KEY_TEXT];
	} of[PUBLISH_MAX];
};

static void
note_taken_part(struct taken *t, const struct ledger_entry *e, const struct quota_dim *d,
	int64_t ttl_s)
{
	size_t i = t->n++;

	INVARIANT(i < PUBLISH_MAX && e->epoch != t->asked.epoch);
	/* Before the count is less: a note never exceeds it. */
	if (e->cell.kind == CELL_SUB)
		notes_drop(t->asked.quota, e->key, e->epoch, e->cell.id);
	t->of[i].epoch = e->epoch;
	t->of[i].sum = e->sum;
	t->of[i].ttl_s = ttl_s;
	t->of[i].kn = cell_key(t->of[i].key, d, e->epoch, e->cell);
}

/* If a counter is below zero, Redis had lost a part of it: it becomes 0, so that the other workers do not miss
 * what they have in it. */
static void
on_taken(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	const struct taken *t = arg;
	struct quota *qt = TAGGED(asked, arg)->quota;
	struct life *l = lives_find(qt->lives, t->asked.epoch), *was;

	for (size_t i = 0; i < t->n; i++) {
		size_t at = PUBLISH_COMMANDS * i + PUBLISH_ADDS;
		if (err || at >= n || replies[at].err) {
			if ((was = lives_find(qt->lives, t->of[i].epoch)))
				was->unsure = true;
		} else if (replies[at].i < 0) {
			struct redis_pipe *p = redis_begin(qt->redis, 1, NULL, NULL, 0);
			key_add(p, t->of[i].key, t->of[i].kn, SPAN_LIT(""), -replies[at].i, 0,
				ADD_ONLY);
			redis_send(p);
			if (l)
				l->lost++;
		}
	}
	if (l)
		l->unanswered--;
}

static void
take(struct quota *qt, struct life *l, const struct taken *t)
{
	struct redis_pipe *p = redis_begin(
		qt->redis, PUBLISH_COMMANDS * t->n, on_taken, t, sizeof(*t));

	for (size_t i = 0; i < t->n; i++)
		key_add(p, t->of[i].key, t->of[i].kn, SPAN_LIT(""), -t->of[i].sum,
			t->of[i].ttl_s, ADD_WITH_TTL);
	l->unanswered++;
	redis_send(p);
}

/* ---- what a daemon before this one let go ---- */

static size_t
recalled_key(const struct quota *qt, char key[CELL_KEY_TEXT], const struct redis_life *life,
	uint64_t epoch)
{
	char name[32];

	snprintf(name, sizeof(name), "recalled-%016llx", (unsigned long long)qt->ledger->node);
	return life_key(key, name, life, epoch);
}

static void
on_recalled(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	const struct asked *a = TAGGED(asked, arg);
	struct life *l = lives_find(a->quota->lives, a->epoch);

	if (!l || l->state != LIFE_ASKS || err || n < 1 || replies[0].err || replies[0].n != 1)
		return; /* asked again */
	if (replies[0].list[0])
		ledger_live(a->quota->ledger, a->epoch);
	life_enter(l, LIFE_PUBLISHES);
}

/* Another daemon of this name may have added it to this life, and let go nothing there: its
 * records do not name it. */
void
publish_ask(struct quota *qt, struct redis *node, struct life *l, uint64_t now_us)
{
	char key[CELL_KEY_TEXT];

	if (l->asked_us && now_us - l->asked_us < BEAT_US)
		return;
	l->asked_us = now_us;
	size_t kn = recalled_key(qt, key, redis_life(node), l->epoch);
	struct redis_pipe *p = lives_begin(qt, l, 1, on_recalled);
	redis_command(p, 2, (const char *[]){ "MGET", key }, (const size_t[]){ 4, kn });
	redis_send(p);
}

static void
say_recalled(struct quota *qt, struct redis *node, const struct life *l)
{
	char key[CELL_KEY_TEXT];
	size_t kn = recalled_key(qt, key, redis_life(node), l->epoch);
	struct redis_pipe *p = redis_begin(qt->redis, 1, NULL, NULL, 0);

	key_set(p, key, kn, 1, RECALLED_S);
	redis_send(p);
}

/* It is added. Who is killed between the two adds it twice: the safe side. */
void
publish_done(struct quota *qt, struct redis *node, struct life *l)
{
	if (!qt->ledger->node || ledger_lived(qt->ledger, l->epoch))
		return;
	ledger_live(qt->ledger, l->epoch);
	say_recalled(qt, node, l);
}

static void
say_longs(struct quota *qt, struct redis *node, struct life *l, int64_t now_ms)
{
	struct redis_pipe *p = lives_begin(qt, l, 1, on_published);

	counts_longs(p, redis_life(node), l->epoch, now_ms / 1000);
	l->unanswered++;
	redis_send(p);
}

void
publish_again(struct quota *qt, struct redis *node, struct life *l, int64_t now_ms)
{
	if (known_longs(qt->known, l->epoch) > 0)
		say_longs(qt, node, l, now_ms);
	else
		known_lives(qt->known, &(struct known_life){ .epoch = l->epoch, .longs_s = -1 });
	if (qt->ledger->node && ledger_lived(qt->ledger, l->epoch))
		say_recalled(qt, node, l);
}

/* Some of what is counted in no life of this server but former ones. */
void
publish_some(struct quota *qt, struct redis *node, struct life *l, uint64_t now_us)
{
	INVARIANT(l->state != LIFE_ASKS); /* what was recalled may be counted there already */
	int64_t now_ms = redis_life_ms(redis_life(node), now_us);
	struct redis_pipe *p = NULL;
	struct taken taken = { .asked = { .quota = qt, .epoch = l->epoch } };
	bool longs = false;
	size_t n = 0;

	TAG(asked, &taken.asked);

	for (; l->chain < LEDGER_CHAINS; l->chain++) {
		for (struct ledger_entry *e = qt->ledger->chain[l->chain]; e; e = e->next) {
			if (e->recalled && ledger_lived(qt->ledger, l->epoch)) {
				e->epoch = l->epoch;
				e->recalled = false;
			}
			if (e->epoch == l->epoch || e->sum == 0 || now_ms >= e->ends_ms ||
				redis_at(qt->redis, span_str(e->key)) != node)
				continue;
			if (n == PUBLISH_MAX)
				goto full; /* this chain once more, at the next turn */
			/* A limit has come back to this epoch, and it is not known whether the sum is still
			 * counted in it. In another epoch, each worker adds its whole sum once. */
			if (l->unsure) {
				leave_life(l);
				goto full;
			}
			if (!p)
				p = lives_begin(qt, l, PUBLISH_COMMANDS * PUBLISH_MAX + 1,
					on_published);
			if (e->cell.kind == CELL_LONG && !longs)
				say_longs(qt, node, l, now_ms);
			longs |= e->cell.kind == CELL_LONG;
			/* Adds a counter's sum where nothing of it is counted. */
			struct quota_dim d = { .span.calendar = e->calendar };
			char key[CELL_KEY_TEXT];
			snprintf(d.key, sizeof(d.key), "%s", e->key);
			int64_t left_s = (e->ends_ms - now_ms) / 1000 + SLACK_S;
			int64_t ttl_s = e->cell.kind == CELL_SUB ? e->ttl_s : left_s;
			size_t kn = cell_key(key, &d, l->epoch, e->cell);
			key_add(p, key, kn, SPAN_LIT(""), e->sum, ttl_s, ADD_WITH_TTL);
			if (node != qt->redis && !e->recalled)
				note_taken_part(&taken, e, &d, ttl_s);
			else
				l->lost++;
			e->epoch = l->epoch;
			e->recalled = false;
			n++;
		}
	}
full:
	if (!p)
		return;
	/* Whoever knows sub-buckets reads them again. */
	INVARIANT(n > 0 && n <= PUBLISH_MAX && taken.n <= n);
	counts_revise(p, redis_life(node), l->epoch);
	l->unanswered++;
	l->published += n;
	metric_add(qt->metrics, M_QUOTA_REPUBLISHED, n);
	redis_send(p);
	if (taken.n)
		take(qt, l, &taken);
}
