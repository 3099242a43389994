/* Facts about targets that daemons share through Redis: as text, and what one daemon makes of
 * the facts of another (targets/sync.c exchanges them). */
#include <inttypes.h>
#include <stdio.h>

#include "base/ascii.h"
#include "base/err.h"
#include "base/notice.h"
#include "base/stops.h"
#include "gate/targets/callers.h"
#include "gate/targets/share.h"

/* ---- facts that daemons share ---- */

/* A stamp may be this much ahead of Redis' clock: it may come from an earlier server. */
#define SLACK_US 60000000u
#define STALE_US 600000000u /* a breaker whose time ended this long ago means nothing */
/* In `more` of FACT_OPEN: open only for the callers who failed there. */
#define MORE_FOR_ONE 32u

static const struct {
	char letter;
	/* largest value, above Redis' clock; 0: the value is not a time but 0 or 1 */
	uint64_t most_us;
	uint64_t more;
	size_t word; /* offset in struct target_state */
} kinds[FACTS] = { [FACT_HAND] = { 'h', 0, 0, offsetof(struct target_state, by_hand) },
	[FACT_OPEN] = { 'o', TARGET_OPEN_MOST_US, 63, offsetof(struct target_state, open) },
	[FACT_THROTTLED] = { 't', TARGET_THROTTLED_US, 0,
		offsetof(struct target_state, throttled_until) },
	[FACT_KEY] = {
		'k', TARGET_KEY_PROBE_US, 0, offsetof(struct target_state, key_probe) } };

static bool
read_node(struct span node, char out[FACT_NODE_BYTES])
{
	if (!node.n || node.n >= FACT_NODE_BYTES || !span_is_alnum(node, ".-_"))
		return false;
	memcpy(out, node.p, node.n);
	out[node.n] = 0;
	return true;
}

static bool
read_fact(struct span word, uint64_t redis_us, struct target_facts *out)
{
	struct span letter = span_next(&word, ':'), stamp = span_next(&word, ':'),
		    value = span_next(&word, ':'), more = span_next(&word, ':');
	size_t kind = 0;

	while (kind < FACTS && !(letter.n == 1 && letter.p[0] == kinds[kind].letter))
		kind++;
	if (kind == FACTS || out->of[kind].stamp)
		return false;
	struct target_fact *f = &out->of[kind];
	uint64_t most = kinds[kind].most_us ? redis_us + kinds[kind].most_us + SLACK_US : 1;
	return span_u64(stamp, &f->stamp) == 0 && f->stamp && f->stamp <= redis_us + SLACK_US &&
	       span_u64(value, &f->value) == 0 && f->value <= most &&
	       span_u64(more, &f->more) == 0 && f->more <= kinds[kind].more &&
	       read_node(word, f->node);
}

int
target_facts_read(struct span text, uint64_t redis_us, struct target_facts *out)
{
	*out = (struct target_facts){ 0 };
	if (text.n >= FACTS_TEXT_BYTES || !span_is(span_next(&text, ' '), "1"))
		return ERR_SYNTAX;
	while (text.p) {
		if (read_fact(span_next(&text, ' '), redis_us, out))
			continue;
		*out = (struct target_facts){ 0 };
		return ERR_SYNTAX;
	}
	return 0;
}

void
target_facts_write(const struct target_facts *f, struct buf *out)
{
	buf_putc(out, '1');
	for (size_t i = 0; i < FACTS; i++)
		if (f->of[i].stamp)
			buf_printf(out, " %c:%" PRIu64 ":%" PRIu64 ":%" PRIu64 ":%s",
				kinds[i].letter, f->of[i].stamp, f->of[i].value, f->of[i].more,
				f->of[i].node);
}

/* ---- facts and the table's words ---- */

static _Atomic uint64_t *
fact_word_of(struct target_state *s, enum target_fact_kind kind)
{
	return (_Atomic uint64_t *)(void *)((char *)s + kinds[kind].word);
}

int64_t
target_offset(const int64_t *was, uint64_t sent_us, uint64_t got_us, uint64_t redis_us)
{
	int64_t least = (int64_t)redis_us - (int64_t)got_us,
		most = (int64_t)redis_us - (int64_t)sent_us;

	if (!was)
		return least + (most - least) / 2;
	return *was < least ? least : *was > most ? most : *was;
}

/* Converts a time of ours to Redis' clock, or back. Never returns 0. */
static uint64_t
shift_clock(uint64_t us, int64_t by)
{
	int64_t t = (int64_t)us + by;

	return t < 1 ? 1 : (uint64_t)t;
}

static void
found_out(const struct target_sharing *w, struct target_state *s, enum target_fact_kind kind,
	uint64_t word, uint64_t stamp, struct target_fact *f)
{
	uint64_t us = kind == FACT_OPEN ? word >> OPEN_BITS : word;

	*f = (struct target_fact){ .stamp = stamp };
	if (kind == FACT_HAND)
		f->value = word & 1;
	else if (us)
		f->value = shift_clock(us, w->offset_us);
	if (kind == FACT_OPEN && us)
		f->more = (word & OPEN_FOR_ONE ? MORE_FOR_ONE : 0) |
			  (uint64_t)atomic_load(&s->opens) << 1 | (word & OPEN_BY_SHARE);
	if (kind == FACT_THROTTLED && us)
		f->value = (f->value & ~THROTTLED_FOR_ONE) | (word & THROTTLED_FOR_ONE);
	snprintf(f->node, sizeof(f->node), "%s", w->node);
}

/* A total order, equal in all daemons. */
static bool
fact_beats(const struct target_fact *x, const struct target_fact *y)
{
	return x->stamp != y->stamp   ? x->stamp > y->stamp
	       : x->value != y->value ? x->value > y->value
	       : x->more != y->more   ? x->more > y->more
				      : strcmp(x->node, y->node) > 0;
}

static void
log_target_fact(const struct target_state *s, const struct target_fact *f, const char *what)
{
	log_event(LOG_WARN, "target.told", LS("target", s->name), LS("state", what),
		LS("by", f->node));
}

/* Sets the target's word to the fact of another daemon. If the word has changed since it was
 * read, the change is later and is shared in the next turn. */
static void
obey_fact(const struct target_sharing *w, struct target_state *s, enum target_fact_kind kind,
	const struct target_fact *f, uint64_t *seen)
{
	static const char *const on[FACTS] = { [FACT_OPEN] = "open", [FACT_KEY] = "out" };
	static const char *const off[FACTS] = { [FACT_OPEN] = "closed", [FACT_KEY] = "back" };
	uint64_t us = f->value ? shift_clock(f->value, -w->offset_us) : 0, word = us,
		 was = *seen;

	if (kind == FACT_HAND) {
		uint64_t at = shift_clock(f->stamp, -w->offset_us);
		at = at < w->now_us ? at : w->now_us;
		stop_at("target-obeys");
		if (!target_by_hand(w->table, s, seen, f->value, at))
			return;
		if ((was & 1) != f->value)
			log_target_fact(s, f, f->value ? "ejected" : "admitted");
		if (!f->value)
			target_notice(s, NOTICED_HAND, true, "");
		*seen = at << 1 | f->value;
		return;
	}
	if (kind == FACT_OPEN && us)
		word = us << OPEN_BITS | (f->more & MORE_FOR_ONE ? OPEN_FOR_ONE : 0) |
		       (f->more & OPEN_BY_SHARE);
	if (kind == FACT_THROTTLED && us)
		word = (us & ~THROTTLED_FOR_ONE) | (f->value & THROTTLED_FOR_ONE);
	if (word)
		target_falls_ill(s, w->now_us);
	if (was == word || !atomic_compare_exchange_strong(fact_word_of(s, kind), &was, word))
		return;
	*seen = word;
	if (kind == FACT_OPEN) {
		atomic_store(&s->failures, 0);
		atomic_store(&s->successes, 0);
		if (f->more & MORE_FOR_ONE)
			atomic_store(&s->open_for, callers_most(&s->callers));
		else if (us)
			atomic_store(&s->open_for, 0);
		if (us)
			atomic_store(&s->opens, (unsigned)(f->more >> 1) & TARGET_OPENS_MOST);
		else
			atomic_store(&s->closed_us, w->now_us);
		if (!us && !(was & OPEN_FOR_ONE))
			callers_forget(&s->callers);
	}
	if (on[kind] && (!was || !word || kind == FACT_OPEN))
		log_target_fact(s, f, word ? on[kind] : off[kind]);
	if (on[kind] && !word)
		target_notice(s, kind == FACT_OPEN ? NOTICED_OPEN : NOTICED_KEY, true, "");
}

static bool
is_fact_believed(const struct target_sharing *w, const struct target_state *s,
	enum target_fact_kind kind, const struct target_fact *f, uint64_t redis_us)
{
	if (kind == FACT_OPEN && f->value && f->value + STALE_US < redis_us)
		return false;
	return (kind != FACT_OPEN && kind != FACT_KEY) || !f->value ||
	       !target_comes_through(s, w->now_us);
}

/* Returns the time of a change made here. An operator's change has the time of the command,
 * because another daemon may have received a later one. Any other change has the time of this
 * turn. */
static uint64_t
found_at(const struct target_sharing *w, enum target_fact_kind kind, uint64_t word,
	const struct target_fact *mine, const struct target_fact *theirs)
{
	uint64_t at = w->now_us, past = mine->stamp;

	if (kind == FACT_HAND)
		at = word >> 1;
	else if (theirs->stamp > past)
		past = theirs->stamp;
	at = shift_clock(at, w->offset_us);
	return at > past ? at : past + 1;
}

bool
target_share(const struct target_sharing *w, struct target_state *s, struct target_known *known,
	const struct target_facts *found)
{
	static const struct target_facts nothing;
	uint64_t redis_us = shift_clock(w->now_us, w->offset_us), word;
	bool admitted = false, later = false;

	found = found ? found : &nothing;
	for (enum target_fact_kind i = 0; i < FACTS; i++) {
		struct target_fact *mine = &known->facts.of[i];
		const struct target_fact *theirs = &found->of[i];
		/* The stamp is of another server, or of one whose clock was set back. */
		if (mine->stamp > redis_us + SLACK_US)
			mine->stamp = redis_us;
		word = atomic_load(fact_word_of(s, i));
		if (word != known->seen[i] || (admitted && !word)) {
			found_out(w, s, i, word, found_at(w, i, word, mine, theirs), mine);
			known->seen[i] = word;
			admitted |= i == FACT_HAND && !(word & 1);
		}
		if (i == FACT_THROTTLED && theirs->stamp > mine->stamp && theirs->value &&
			theirs->value < mine->value && mine->value > redis_us &&
			!(mine->value & ~theirs->value & THROTTLED_FOR_ONE)) {
			/* the later end stays, unless a state for all replaces one for a
			 * single caller */
			mine->stamp = theirs->stamp + 1;
		} else if (fact_beats(theirs, mine)) {
			*mine = *theirs;
			if (is_fact_believed(w, s, i, mine, redis_us))
				obey_fact(w, s, i, mine, &known->seen[i]);
		}
		later |= fact_beats(mine, theirs);
	}
	return later;
}

/* ---- the callers that other daemons saw ---- */

/* Parses "1", and " HASH:SECOND:FAILURES" for each caller. */
static int
read_callers(struct span text, uint32_t redis_s, struct callers_known *out)
{
	out->n = 0;
	if (!text.n)
		return 0;
	if (text.n >= CALLERS_TEXT_BYTES || !span_is(span_next(&text, ' '), "1"))
		return ERR_SYNTAX;
	while (text.p) {
		struct span word = span_next(&text, ' '), hash = span_next(&word, ':'),
			    second = span_next(&word, ':');
		uint64_t who, at, failures;
		if (out->n == TARGET_CALLERS || span_u64(hash, &who) < 0 || !who ||
			who > UINT32_MAX || span_u64(second, &at) < 0 ||
			at > redis_s + SLACK_US / 1000000 || span_u64(word, &failures) < 0 ||
			failures > 255)
			return ERR_SYNTAX;
		out->of[out->n++] = (struct caller_known){ (uint32_t)who, (unsigned)failures,
			at < redis_s ? redis_s - (uint32_t)at : 0 };
	}
	return 0;
}

/* Returns the entry of this caller in the list, or NULL. */
static const struct caller_known *
caller_in(const struct callers_known *k, uint32_t caller)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->of[i].caller == caller)
			return &k->of[i];
	return NULL;
}

static bool
one_failed(const struct callers_known *k)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->of[i].failures && k->of[i].age_s < TARGET_WINDOW_S)
			return true;
	return false;
}

int
target_share_callers(const struct target_sharing *w, struct target_state *s, struct span text,
	struct buf *out)
{
	uint32_t now_s = target_second(w->now_us),
		 redis_s = (uint32_t)(shift_clock(w->now_us, w->offset_us) / 1000000);
	struct callers_known there, here;
	bool later = false;
	int err = read_callers(text, redis_s, &there);

	callers_list(&s->callers, now_s, &here);
	if (err || (!one_failed(&there) && !one_failed(&here)))
		return err;
	for (size_t i = 0; i < there.n; i++) {
		const struct caller_known *c = &there.of[i];
		if (c->age_s < TARGET_WINDOW_S)
			callers_told(
				&s->callers, c->caller, c->failures, now_s, now_s - c->age_s);
	}
	for (size_t i = 0; i < here.n && !later; i++) {
		const struct caller_known *c = caller_in(&there, here.of[i].caller);
		later = !c || c->age_s > here.of[i].age_s + 1;
	}
	if (!later)
		return 0;
	callers_list(&s->callers, now_s, &here);
	buf_putc(out, '1');
	for (size_t i = 0; i < here.n; i++)
		buf_printf(out, " %" PRIu32 ":%" PRIu32 ":%u", here.of[i].caller,
			redis_s - here.of[i].age_s, here.of[i].failures);
	return 0;
}
