/* The ring of a worker's last decisions. */
#include "budget/tally/recent.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/json_put.h"
#include "budget/tally/names.h"
#include "budget/tally/providers.h"

enum shown_text {
	SHOWN_PERSON,
	SHOWN_ROUTE,
	SHOWN_TARGET,
	SHOWN_MODEL,
	SHOWN_RULE,
	SHOWN_TEXTS
};

struct shown {
	int64_t at_ns;
	const char *decision, *via;
	uint32_t took_us;
	uint16_t status;
	uint8_t by_code; /* no rule decided: SHOWN_RULE is the code of an error */
	uint8_t n[SHOWN_TEXTS];
	char id[RECENT_ID];
	char text[194];
};
_Static_assert(sizeof(struct shown) == RECENT_WORDS * sizeof(uint64_t), "a slot is full");

static const struct {
	const char *name;
	uint8_t at, most;
} texts[SHOWN_TEXTS] = {
	[SHOWN_PERSON] = { "person", 0, 40 },
	[SHOWN_ROUTE] = { "route", 40, 36 },
	[SHOWN_TARGET] = { "target", 76, 36 },
	[SHOWN_MODEL] = { "model", 112, 40 },
	[SHOWN_RULE] = { "rule", 152, 42 },
};

/* Copies a text, cut at a character. */
static void
set_shown_text(struct shown *s, enum shown_text t, struct span text)
{
	size_t n = text.n > texts[t].most ? utf8_begin(text, texts[t].most) : text.n;

	INVARIANT(n <= texts[t].most);
	if (n)
		memcpy(s->text + texts[t].at, text.p, n);
	s->n[t] = (uint8_t)n;
}

uint64_t
recent_add(struct recent *rec, const struct decided *d)
{
	uint64_t n = tally_value(&rec->total);
	struct recent_slot *slot = &rec->slot[n % CAP_RECENT];
	struct shown s = { 0 }; /* zeroed, so that no bytes of the stack get into the ring */

	s.at_ns = d->at_ns;
	s.decision = d->decision;
	s.via = d->via;
	s.took_us = d->took_us > UINT32_MAX ? UINT32_MAX : (uint32_t)d->took_us;
	s.status = (uint16_t)d->status;
	memcpy(s.id, d->id, sizeof(s.id));
	s.by_code = !d->rule || !*d->rule;
	set_shown_text(&s, SHOWN_PERSON, d->person);
	set_shown_text(&s, SHOWN_ROUTE, d->route);
	set_shown_text(&s, SHOWN_TARGET, d->target);
	set_shown_text(&s, SHOWN_MODEL, d->model);
	set_shown_text(&s, SHOWN_RULE, span_str(s.by_code ? d->code : d->rule));
	slot_write(&slot->turn, slot->word, n, &s, sizeof(s));
	atomic_store_explicit(&rec->total, n + 1, memory_order_release);
	return n;
}

void
recent_end(struct recent *rec, uint64_t n, int end)
{
	_Atomic uint64_t *to = &rec->slot[n % CAP_RECENT].end;
	uint64_t had = tally_value(to), word = (n + 1) << 16 | (uint64_t)end;

	INVARIANT(n < tally_value(&rec->total)); /* a decision that recent_add() numbered */
	/* The slot may have a later decision by now, whose result stays. */
	while (had >> 16 <= n + 1 && !atomic_compare_exchange_weak_explicit(to, &had, word,
					     memory_order_relaxed, memory_order_relaxed))
		;
}

/* Returns the result as JSON has it, or "" if the relay did not send the request, or the result
 * is not known. */
static const char *
end_text(const struct recent *rec, uint64_t n, char out[16])
{
	static const char *const ends[] = { "under way", "client_abort", "never_sent",
		"answer_denied", "haproxy_answered" };
	uint64_t word = tally_value(&rec->slot[n % CAP_RECENT].end);
	int end = word >> 16 == n + 1 ? (int)(word & 0xffff) : 0;

	return !end			? ""
	       : end < RECENT_UNDER_WAY ? provider_status_text(end, out)
	       : end < (int)RECENT_ENDS ? ends[end - RECENT_UNDER_WAY]
					: provider_status_text(end, out);
}

/* Reads decision n. Returns false if the slot has another decision by now. */
static bool
read_recent(const struct recent *rec, uint64_t n, struct shown *s)
{
	const struct recent_slot *slot = &rec->slot[n % CAP_RECENT];

	return slot_read(&slot->turn, slot->word, n, s, sizeof(*s));
}

static void
put_shown(const struct shown *s, const char *end, struct buf *out)
{
	json_put_open(out, NULL, '{');
	json_put_time(out, "decided_at", s->at_ns);
	json_put_str(out, "decision", s->decision);
	if (s->status)
		json_put_uint(out, "status", s->status);
	if (s->via[0])
		json_put_str(out, "via", s->via);
	if (*end)
		json_put_str(out, "answer", end);
	for (size_t t = 0; t < SHOWN_TEXTS; t++) {
		struct span text = span_of(s->text + texts[t].at, s->n[t]);
		if (text.n)
			json_put_text(out,
				t == SHOWN_RULE && s->by_code ? "code" : texts[t].name,
				utf8_valid(text) ? text : SPAN_LIT("?"));
	}
	json_put_uint(out, "took_us", s->took_us);
	json_put_printf(out, "id", "\"%.*s\"", (int)sizeof(s->id), s->id);
	json_put_close(out, '}');
}

void
recent_write(const struct recent *rec, struct buf *out)
{
	uint64_t total = atomic_load_explicit(&rec->total, memory_order_acquire);
	struct shown s;
	char end[16];

	json_put_form(out, "{'decisions':%u,'recent':[", total);
	for (uint64_t n = total > CAP_RECENT ? total - CAP_RECENT : 0; n < total; n++)
		if (read_recent(rec, n, &s))
			put_shown(&s, end_text(rec, n, end), out);
	buf_str(out, "]}");
}

void
recent_each(
	const struct recent *rec, void (*fn)(void *arg, const struct recent_seen *d), void *arg)
{
	uint64_t total = atomic_load_explicit(&rec->total, memory_order_acquire);
	struct shown s;

	for (uint64_t n = total > CAP_RECENT ? total - CAP_RECENT : 0; n < total; n++) {
		if (!read_recent(rec, n, &s))
			continue;
		const struct recent_seen d = { s.at_ns, s.took_us,
			span_of(s.text + texts[SHOWN_ROUTE].at, s.n[SHOWN_ROUTE]),
			span_of(s.text + texts[SHOWN_TARGET].at, s.n[SHOWN_TARGET]),
			span_of(s.text + texts[SHOWN_MODEL].at, s.n[SHOWN_MODEL]) };
		fn(arg, &d);
	}
}
