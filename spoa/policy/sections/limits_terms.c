/* The terms of a limit besides whom and how much: its window, a burst, where callers are
 * warned, what becomes of a request that there is no room for, and what counts while the store
 * is away or after a daemon is lost. */

#include "base/ascii.h"
#include "policy/cel/time.h"
#include "policy/sections/limits.h"

enum { SHARE_WHOLE = 10000 }; /* hundredths of a per cent */

/* ---- amounts ---- */

/* usd = digits [ "." digits ], at most nine of them after the point. */
static bool
usd(struct span s, uint64_t *nano)
{
	size_t dot = span_chr(s, '.');
	struct span whole = span_cut(s, 0, dot), part = span_cut(s, dot + 1, s.n);
	uint64_t dollars = 0, rest = 0;

	if ((dot < s.n && part.n == 0) || part.n > 9 ||
		span_past(whole, 0, is_digit) != whole.n ||
		span_past(part, 0, is_digit) != part.n || span_u64(whole, &dollars) < 0 ||
		dollars > LIMIT_USD_MAX)
		return false;
	for (size_t i = 0; i < 9; i++)
		rest = rest * 10 + (i < part.n ? (uint64_t)(part.p[i] - '0') : 0);
	*nano = dollars * LIMIT_NANO + rest;
	return *nano > 0;
}

bool
limit_amount(struct builder *b, const struct yaml_node *n, enum limit_of of, uint64_t *out)
{
	uint64_t max = of == LIMIT_CONCURRENT ? 1 << 20 : 1ull << 40;

	if (of != LIMIT_USD)
		return read_uint(b->d, n, 1, max, out);
	if (n->kind == YAML_SCALAR && usd(n->s, out))
		return true;
	diag_at(b->d, n,
		"%.*s: US dollars such as 500 or 0.25, at most %d, are expected, found %s",
		SPAN_ARG(read_name(n, "usd")), LIMIT_USD_MAX, yaml_found(n));
	return false;
}

/* share = digits [ "." digits ] "%", from 0.01% to 100% */
static bool
share(struct span s, uint64_t *out)
{
	uint64_t whole, part = 0;
	size_t dot = span_chr(s, '.');
	struct span after;

	if (s.n < 2 || s.p[s.n - 1] != '%')
		return false;
	s.n--;
	dot = dot < s.n ? dot : s.n;
	after = span_cut(s, dot + 1, s.n);
	if (span_u64(span_cut(s, 0, dot), &whole) < 0 || whole > 100 || after.n > 2 ||
		(after.n && span_u64(after, &part) < 0) || (dot < s.n && !after.n))
		return false;
	*out = whole * 100 + part * (after.n == 1 ? 10 : 1);
	return *out > 0 && *out <= SHARE_WHOLE;
}

/* Hundredths of a per cent. */
static bool
limit_share(struct builder *b, const struct yaml_node *n, uint64_t *out)
{
	if (n->kind == YAML_SCALAR && share(n->s, out))
		return true;
	diag_at(b->d, n,
		"%.*s: a share such as 10%%, from 0.01%% to 100%%, is expected, found %s",
		SPAN_ARG(read_name(n, "share")), yaml_found(n));
	return false;
}

/* ---- the window ---- */

static void
calendar(struct builder *b, const struct yaml_node *n, struct limit *l)
{
	const struct yaml_node *zone;
	const char *why;

	if (!build_section(b, n, SECTION_WINDOW, l))
		return;
	read_needed(b->d, n, n, "window", "calendar");
	l->by_calendar = true;
	if (!(zone = yaml_get(n, "zone")))
		return;
	if (zone->kind != YAML_SCALAR || !(l->zone = cel_zone_load(b->a, zone->s, &why)))
		diag_at(b->d, zone, "zone: %s: %s", yaml_found(zone),
			zone->kind == YAML_SCALAR ? why : "a name is expected");
}

void
limit_window(struct builder *b, const struct yaml_node *n, struct limit *l)
{
	if (n->kind == YAML_MAPPING) {
		calendar(b, n, l);
		return;
	}
	if (n->kind != YAML_SCALAR || duration_parse(n->s, &l->window_s) < 0 ||
		l->window_s < SECOND_US || l->window_s > 31 * 86400 * SECOND_US) {
		diag_at(b->d, n,
			"window: a duration with its unit (30s, 10m, 2h, 1d) from 1s to 31d, "
			"or {calendar: hour}, day, week or month, is expected, found %s",
			yaml_found(n));
		return;
	}
	if (l->window_s % SECOND_US)
		diag_at(b->d, n, "window: whole seconds are expected, found %s", n->s.p);
	l->window_s /= SECOND_US;
}

static uint64_t
longest_s(const struct limit *l)
{
	static const uint64_t s[] = { 3600, 86400, 7 * 86400, 31 * 86400 };

	return l->by_calendar ? s[l->calendar] : l->window_s;
}

static void
burst(struct builder *b, const struct yaml_node *n, struct limit *l)
{
	const struct yaml_node *most = yaml_get(n, "most"), *window = yaml_get(n, "window");

	if (!build_section(b, n, SECTION_BURST, l))
		return;
	if (!most || !window) {
		diag_at(b->d, n, "burst: %s is missing", most ? "window" : "most");
		return;
	}
	if (limit_amount(b, most, l->of, &l->burst.amount) && l->burst.amount >= l->amount)
		diag_at(b->d, most, "most: not less than the limit: it bounds nothing");
	if (l->burst.window_s && longest_s(l) && l->burst.window_s >= longest_s(l))
		diag_at(b->d, window,
			"window: not shorter than the limit's: it bounds nothing");
}

/* ---- near and past the limit ---- */

enum { USD_ONE = 1000000000 }; /* in nano-dollars */

static void
soft(struct builder *b, const struct yaml_node *n, struct limit *l)
{
	uint64_t part;

	if (n->kind == YAML_SCALAR && n->s.n && n->s.p[n->s.n - 1] == '%') {
		if (limit_share(b, n, &part))
			l->soft = (uint64_t)((unsigned __int128)l->amount * part / SHARE_WHOLE);
		l->soft += l->soft == 0;
	} else if (n->kind == YAML_SCALAR && span_starts(n->s, SPAN_LIT("0.")) &&
		   (l->of != LIMIT_USD || l->amount > USD_ONE)) {
		/* 0.8 for four fifths: of 500 dollars it would be 80 cents */
		diag_at(b->d, n, "soft: a share is written as 80%%, found %s", yaml_found(n));
	} else {
		limit_amount(b, n, l->of, &l->soft);
	}
	if (l->soft >= l->amount && l->amount)
		diag_at(b->d, n, "soft: not less than the limit: nothing comes between");
}

/* A model that no target speaks of is the provider's to know; its form is not. */
static const struct limit_change *
read_limit_change(struct builder *b, const struct yaml_node *n, enum section_name which,
	const struct limit *l)
{
	struct limit_change *x = build_array(b, n, 1, sizeof(*x));
	const struct yaml_node *c;

	if (!x || !build_section(b, n, which, x))
		return NULL;
	if ((c = yaml_get(n, "model")))
		build_model(b, c, &x->model);
	if ((c = yaml_get(n, "tag")))
		build_tags(b, c, &x->tags, &x->ntags);
	if (which == SECTION_AT_LIMIT && !yaml_get(n, "model") &&
		!yaml_get(n, "max_output_tokens"))
		diag_at(b->d, n->key, "at_limit: model or max_output_tokens is missing");
	if (n->count == 0)
		diag_at(b->d, n->key, "at_soft: model, max_output_tokens or tag is missing");
	if (which != SECTION_AT_LIMIT || !(c = yaml_get(n, "up_to")))
		return x;
	if (!x->model && yaml_get(n, "max_output_tokens"))
		diag_at(b->d, c->key,
			"up_to: says how far the limit goes for another model: model is "
			"missing");
	if (limit_amount(b, c, l->of, &x->up_to) && x->up_to <= l->amount)
		diag_at(b->d, c, "up_to: not more than the limit");
	return x;
}

/* ---- without the store, without the daemon ---- */

static void
away(struct builder *b, const struct yaml_node *n, struct limit *l)
{
	static const char *const words[] = { "deny", "allow", NULL };
	const struct yaml_node *part;
	unsigned word;

	if (n->kind != YAML_MAPPING) {
		if (read_word(b->d, n, words, &word))
			l->away = word ? AWAY_ALLOW : AWAY_DENY;
		return;
	}
	l->away = AWAY_SHARE;
	if (!build_section(b, n, SECTION_AWAY, l))
		return;
	if ((part = read_needed(b->d, n, n, "away", "share")))
		limit_share(b, part, &l->share);
}

void
limit_terms(struct builder *b, const struct yaml_node *n, struct limit *l)
{
	const struct yaml_node *c;

	if ((c = yaml_get(n, "burst"))) {
		if (l->of == LIMIT_CONCURRENT || l->of == LIMIT_MESSAGE)
			diag_at(b->d, c->key, "burst: the limit counts nothing over time");
		else
			burst(b, c, l);
	}
	if ((c = yaml_get(n, "soft"))) {
		if (l->of == LIMIT_MESSAGE)
			diag_at(b->d, c->key, "soft: tokens_per_request counts nothing");
		else
			soft(b, c, l);
	}
	if ((c = yaml_get(n, "at_soft"))) {
		l->at_soft = read_limit_change(b, c, SECTION_AT_SOFT, l);
		if (!yaml_get(n, "soft"))
			diag_at(b->d, c->key, "at_soft: soft is missing");
	}
	if ((c = yaml_get(n, "at_limit")))
		l->at_limit = read_limit_change(b, c, SECTION_AT_LIMIT, l);
	if ((c = yaml_get(n, "orphan")) && !l->by_calendar)
		diag_at(b->d, c->key,
			"orphan: only the window of a calendar keeps what nobody settled");
	if ((c = yaml_get(n, "away")))
		away(b, c, l);
	l->reads_body |= l->at_limit || l->at_soft;
}

void
build_quota_failure(struct builder *b, const struct yaml_node *n, struct on_failure *out)
{
	const struct yaml_node *c;
	unsigned word;

	out->quota_share = 0;
	if (n->kind != YAML_MAPPING) {
		if (read_word(b->d, n, effect_words, &word))
			out->quota = (enum outcome)word;
		return;
	}
	if (!build_section(b, n, SECTION_LOCAL, NULL))
		return;
	if ((c = read_needed(b->d, n, n, "quota", "local")))
		limit_share(b, c, &out->quota_share);
	if ((c = yaml_get(n, "peers")))
		read_uint(b->d, c, 1, 1000, &out->quota_peers);
	out->quota = OUT_DENY;
}
