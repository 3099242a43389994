/* The table as operators see it: JSON, and metrics. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/json_put.h"
#include "base/metrics.h"
#include "gate/targets/entry.h"

static bool
is_target_keyless(const struct target_state *s)
{
	return atomic_load_explicit(&s->keyless, memory_order_relaxed);
}

/* A target that lacks its model gets no requests, like one that is out. */
static const char *
state_shown(const struct target_table *t, const struct target_state *s, enum target_condition c,
	uint64_t now_us)
{
	struct span model = span_cut(span_str(s->name), s->provider_bytes + 1, SIZE_MAX);

	if (c == TARGET_BY_HAND)
		return target_conditions[c];
	if (is_target_keyless(s))
		return "keyless";
	const char *lacks =
		target_is_without(t, s, &(struct target_request){ .model = model }, now_us);

	return c <= TARGET_RAMP && lacks ? lacks : target_conditions[c];
}

static void
put_target(struct buf *out, const struct target_table *t, const struct target_state *s,
	uint64_t now_us)
{
	static const char *const sizes[TARGET_SIZES] = { "4k", "32k", "more" };
	uint64_t back;
	enum target_condition c = target_condition(s, true, now_us, &back, NULL);
	unsigned why = atomic_load_explicit(&s->why, memory_order_relaxed);
	int64_t since =
		/* since when the target is in a state without normal traffic; 0: it is
		 * healthy, or the time is not known */
		0;
	const struct target_state *by = target_ejected(s);

	if (c == TARGET_BY_HAND)
		since = by ? atomic_load(&by->ejected_ns) : 0;
	else if (c != TARGET_CLOSED && c != TARGET_RAMP)
		since = atomic_load(&s->ill_ns);
	json_put_open(out, NULL, '{');
	json_put_str(out, "target", s->name);
	json_put_str(out, "state", state_shown(t, s, c, now_us));
	json_put_int(out, "under_way", target_under_way(s));
	json_put_printf(out, "errors", "%.3f", target_errors(s, now_us));
	if (since) {
		char at[CLOCK_RFC3339_LEN];
		clock_rfc3339(since, at);
		json_put_str(out, "since", at);
	}
	if (back && back != UINT64_MAX)
		json_put_printf(out, "back_in_s", "%.1f", (double)(back - now_us) / 1e6);
	if (why)
		json_put_str(out, "last_failure", attempt_causes[why & 0xff]);
	if (why >> 8)
		json_put_uint(out, "last_status", why >> 8);
	json_put_open(out, "first_content_ms", '{');
	for (int i = 0; i < TARGET_SIZES; i++)
		if (target_word(&s->content_ms[i]))
			json_put_uint(out, sizes[i], target_word(&s->content_ms[i]));
	json_put_close(out, '}');
	json_put_close(out, '}');
}

/* Returns false for a provider that is in the table only because of its models. */
static bool
is_target(const struct target_state *s)
{
	uint64_t ended = 0;

	for (int i = 0; i < CAUSES; i++)
		ended += atomic_load_explicit(&s->ended[i], memory_order_relaxed);
	return s->provider != s || atomic_load(&s->named) || target_ejected(s) || ended ||
	       target_under_way(s);
}

void
target_table_json(struct buf *out, const struct target_table *t, uint64_t now_us)
{
	const struct target_state *s;

	buf_putc(out, '[');
	for (size_t i = 0; (s = target_at(t, i)); i++)
		if (is_target(s))
			put_target(out, t, s, now_us);
	json_put_close(out, ']');
}

/* Writes a gauge with one line for each target. */
static void
put_gauge(struct buf *out, const struct target_table *t, const char *name, const char *help,
	uint64_t (*value)(const struct target_state *s, uint64_t now_us), uint64_t now_us)
{
	const struct target_state *s;

	metrics_head(out, name, "gauge", help);
	for (size_t i = 0; (s = target_at(t, i)); i++)
		if (is_target(s)) {
			buf_printf(out, "tollgate_%s{target=", name);
			buf_json_str(out, span_str(s->name));
			buf_printf(out, "} %" PRIu64 "\n", value(s, now_us));
		}
}

static uint64_t
may_be_asked(const struct target_state *s, uint64_t now_us)
{
	return !is_target_keyless(s) &&
	       target_condition(s, true, now_us, NULL, NULL) <= TARGET_PROBE_DUE;
}

static uint64_t
under_way(const struct target_state *s, uint64_t now_us)
{
	(void)now_us;
	return (uint64_t)target_under_way(s);
}

void
target_table_metrics(struct buf *out, const struct target_table *t, uint64_t now_us)
{
	const struct target_state *s;

	put_gauge(out, t, "target_up",
		"1 if requests may be sent to the target, 0 if it is open, throttled, out, "
		"ejected or keyless.",
		may_be_asked, now_us);
	put_gauge(out, t, "target_attempts_under_way", "Attempts in flight at the target.",
		under_way, now_us);
	metrics_head(out, "target_attempts_total", "counter",
		"Counts attempts at targets that ended, by cause.");
	for (size_t i = 0; (s = target_at(t, i)); i++)
		for (int c = 0; c < CAUSES; c++) {
			uint64_t n = atomic_load_explicit(&s->ended[c], memory_order_relaxed);
			if (!n)
				continue;
			buf_str(out, "tollgate_target_attempts_total{target=");
			buf_json_str(out, span_str(s->name));
			buf_printf(out, ",cause=\"%s\"} %" PRIu64 "\n", attempt_causes[c], n);
		}
}
