/* Reads `limits` of a policy: the counted amount of each limit, its dimensions (`per`) and its
 * window. Further terms are a burst, a soft limit, changes to requests past the limit, and the
 * part that a daemon may use while Redis is unavailable. verdict/limits_apply.c chooses the
 * limits that apply to a request, and budget/quota/ counts. Amounts are kept in the limit's unit:
 * requests, tokens, or nano-dollars (1e-9 US dollars). */
#include "policy/build.h"
#include "base/ascii.h"
#include "base/scoped.h"
#include "policy/cel/time.h"
#include "policy/data.h"
#include "policy/env.h"
#include "policy/limit.h"
#include "policy/policy.h"

#define LIMIT_NANO 1000000000ull    /* nano-dollars in a dollar */
enum { LIMIT_USD_MAX = 100000000 }; /* dollars */

enum { SHARE_WHOLE = 10000 }; /* hundredths of a percent */

/* ---- amounts ---- */

/* Reads an amount of US dollars into nano-dollars: usd = digits [ "." digits ], with at
 * most nine digits after the point. "0.25" becomes 250000000. Returns false if `s` is no such
 * amount, is 0, or is over LIMIT_USD_MAX. */
static bool
parse_usd(struct span s, uint64_t *nano)
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

/* Reads an amount in the limit's unit. Returns false after it reported an error. */
static bool
limit_amount(struct builder *b, const struct yaml_node *n, enum limit_of of, uint64_t *out)
{
	uint64_t max = of == LIMIT_CONCURRENT ? 1 << 20 : 1ull << 40;

	if (!limit_has(of, COUNTS_MONEY))
		return read_uint(b->d, n, 1, max, out);
	if (n->kind == YAML_SCALAR && parse_usd(n->s, out))
		return true;
	diag_at(b->d, n,
		"%.*s: an amount of US dollars such as 500 or 0.25, at most %d, is expected, "
		"found %s",
		SPAN_ARG(read_name(n, "usd")), LIMIT_USD_MAX, yaml_found(n));
	return false;
}

/* Reads a share into hundredths of a percent: share = digits [ "." digits ] "%", from 0.01% to
 * 100%. "12.5%" becomes 1250. */
static bool
parse_share(struct span s, uint64_t *out)
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

/* Reads a share in hundredths of a percent. Returns false after it reported an error. */
static bool
limit_share(struct builder *b, const struct yaml_node *n, uint64_t *out)
{
	if (n->kind == YAML_SCALAR && parse_share(n->s, out))
		return true;
	diag_at(b->d, n,
		"%.*s: a share such as 10%%, from 0.01%% to 100%%, is expected, found %s",
		SPAN_ARG(read_name(n, "share")), yaml_found(n));
	return false;
}

/* ---- the window ---- */

/* window: {calendar: day, zone: Europe/Berlin} */
static void
build_calendar(struct builder *b, const struct yaml_node *n, struct limit *l)
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

/* window: 1h, or a calendar's hour, day, week or month. */
static void
limit_window(struct builder *b, const struct yaml_node *n, struct limit *l)
{
	if (n->kind == YAML_MAPPING) {
		build_calendar(b, n, l);
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

/* Returns the longest possible length of the limit's window in seconds. */
static uint64_t
longest_s(const struct limit *l)
{
	static const uint64_t s[] = { 3600, 86400, 7 * 86400, 31 * 86400 };

	return l->by_calendar ? s[l->calendar] : l->window_s;
}

/* burst: {most: 10, window: 1s}: a second, shorter window with an amount of its own. */
static void
build_burst(struct builder *b, const struct yaml_node *n, struct limit *l)
{
	const struct yaml_node *most = yaml_get(n, "most"), *window = yaml_get(n, "window");

	if (!build_section(b, n, SECTION_BURST, l))
		return;
	if (!most || !window) {
		diag_at(b->d, n, "burst: %s is missing", most ? "window" : "most");
		return;
	}
	if (limit_amount(b, most, l->of, &l->burst.amount) && l->burst.amount >= l->amount)
		diag_at(b->d, most,
			"most: a burst must be less than the limit: a larger one has no "
			"effect");
	if (l->burst.window_s && longest_s(l) && l->burst.window_s >= longest_s(l))
		diag_at(b->d, window,
			"window: a burst's window must be shorter than the limit's: a longer "
			"one has no effect");
}

/* ---- soft limit, and requests past the limit ---- */

enum { USD_ONE = 1000000000 }; /* one dollar in nano-dollars */

/* soft: 80%, or an amount in the limit's unit. */
static void
build_soft(struct builder *b, const struct yaml_node *n, struct limit *l)
{
	uint64_t part;

	if (n->kind == YAML_SCALAR && n->s.n && n->s.p[n->s.n - 1] == '%') {
		if (limit_share(b, n, &part))
			l->soft =
				(uint64_t)((unsigned __int128)l->amount * part / SHARE_WHOLE);
		l->soft += l->soft == 0;
	} else if (n->kind == YAML_SCALAR && span_starts(n->s, SPAN_LIT("0.")) &&
		   (!limit_has(l->of, COUNTS_MONEY) || l->amount > USD_ONE)) {
		/* 0.8 probably means four fifths, but with a limit of 500 dollars it would be
		 * 80 cents */
		diag_at(b->d, n,
			"soft: write a share with a percent sign, as in 80%%, found %s",
			yaml_found(n));
	} else {
		limit_amount(b, n, l->of, &l->soft);
	}
	if (l->soft >= l->amount && l->amount)
		diag_at(b->d, n,
			"soft: must be less than the limit: requests past the limit are "
			"refused");
}

/* Reads at_soft or at_limit: changes to requests past that amount. A model that no target
 * names is allowed, because the provider may know it. */
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
			"up_to: extends the limit for another model, and model is missing");
	if (limit_amount(b, c, l->of, &x->up_to) && x->up_to <= l->amount)
		diag_at(b->d, c, "up_to: must be more than the limit");
	return x;
}

/* ---- Redis unavailable, daemon lost ---- */

/* away: deny, allow, or {share: 10%}: the decision while Redis does not answer. */
static void
build_away(struct builder *b, const struct yaml_node *n, struct limit *l)
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

/* Reads all further terms. l->of and l->amount are set before. */
static void
limit_terms(struct builder *b, const struct yaml_node *n, struct limit *l)
{
	const struct yaml_node *c;

	if ((c = yaml_get(n, "burst"))) {
		if (!limit_has(l->of, HAS_WINDOW))
			diag_at(b->d, c->key, "burst: this limit has no window: remove burst");
		else
			build_burst(b, c, l);
	}
	if ((c = yaml_get(n, "soft"))) {
		if (limit_has(l->of, IS_SINGLE))
			diag_at(b->d, c->key,
				"soft: %s bounds single requests: remove soft",
				limit_kinds[l->of].key);
		else
			build_soft(b, c, l);
	}
	if ((c = yaml_get(n, "at_soft"))) {
		l->at_soft = read_limit_change(b, c, SECTION_AT_SOFT, l);
		if (!yaml_get(n, "soft"))
			diag_at(b->d, c->key, "at_soft: soft is missing");
	}
	if ((c = yaml_get(n, "at_limit")))
		l->at_limit = read_limit_change(b, c, SECTION_AT_LIMIT, l);
	if ((c = yaml_get(n, "cached_input"))) {
		if (!limit_has(l->of, COUNTS_CACHED)) {
			SCOPED_BUF(keys, 0);
			limit_keys_put(&keys, COUNTS_CACHED, 0, false);
			diag_at(b->d, c->key,
				"cached_input: this limit counts no input tokens: use it with "
				"%.*s",
				SPAN_ARG(buf_view(&keys)));
		} else {
			limit_share(b, c, &l->cached);
		}
	}
	if ((c = yaml_get(n, "orphan")) && !l->by_calendar)
		diag_at(b->d, c->key,
			"orphan: needs a calendar's window: other windows forget unsettled "
			"reservations when they end");
	if ((c = yaml_get(n, "away")))
		build_away(b, c, l);
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

/* ---- counted amounts and dimensions ---- */

const struct limit_kind limit_kinds[LIMIT_OF_COUNT] = {
#define X(id, letter_, unit, shown_, traits_, schema, key_, name_, words_, help)                \
	[LIMIT_##id] = { .key = key_,                                                          \
		.name = name_,                                                                 \
		.words = words_,                                                               \
		.letter = letter_,                                                             \
		.shown = shown_,                                                               \
		.traits = traits_ },
	LIMIT_KINDS(X)
#undef X
};

const struct limit_counted limit_counted[] = {
#define X(id, letter, unit, shown, traits, schema, key, ...) { key, LIMIT_##id, NULL },
	LIMIT_KINDS(X)
#undef X
#define X(key, id, per, help) { key, LIMIT_##id, per },
	LIMIT_KEYS_PER(X)
#undef X
	{ NULL, LIMIT_OF_COUNT, NULL },
};

const struct limit_kind *
limit_kind_named(const char *name)
{
	for (size_t i = 0; name && i < LIMIT_OF_COUNT; i++)
		if (!strcmp(limit_kinds[i].name, name))
			return &limit_kinds[i];
	return NULL;
}

void
limit_keys_put(struct buf *out, unsigned with, unsigned without, bool own)
{
	const struct limit_counted *last = NULL;
	bool first = true;

	for (const struct limit_counted *c = limit_counted;; c++) {
		if (c->key && ((limit_kinds[c->of].traits & with) != with ||
				      limit_has(c->of, without) || (own && c->per)))
			continue;
		if (last) {
			buf_str(out, first ? "" : c->key ? ", " : " or ");
			buf_str(out, last->key);
			first = false;
		}
		if (!(last = c)->key)
			return;
	}
}

enum { CONVERSATION_S = 31 * 86400 };

/* Returns true if the expression can be a dimension. A number would open one counter for each
 * value; string() states that this is meant. */
static bool
is_dimension(struct builder *b, const struct yaml_node *n, const struct cel_program *prog)
{
	enum cel_type type, elem;

	cel_result(prog, &type, &elem);
	if (type == CEL_LIST)
		type = elem;
	if (type == CEL_STRING || type == CEL_BOOL || type == CEL_DYN)
		return true;
	diag_at(b->d, n,
		"per: %s is not a string, a boolean or a list of these: convert it with "
		"string(...)",
		n->s.p);
	return false;
}

/* Returns true if the expression reads a field that is known only after the body: the target,
 * which is chosen then, or data that are fetched from Redis or a URL. */
static bool
reads_late(const struct builder *b, const struct cel_program *prog)
{
	bool late = false;

	for (size_t slot = V_TARGET_NAME; slot <= V_TARGET_ERRORS; slot++)
		late |= cel_reads(prog, slot);
	for (size_t i = 0; i < b->p->ndata; i++)
		late |= b->p->data[i].kind != DATA_FILE && cel_reads(prog, V_COUNT + i);
	return late;
}

/* Adds one expression of `per`: each of its values has a counter of its own. */
static void
build_dimension(struct builder *b, const struct yaml_node *n, struct limit *l)
{
	if (l->nper == PER_MAX) {
		diag_at(b->d, n, "per: more than %d dimensions", PER_MAX);
		return;
	}
	const struct cel_program *prog = build_expression(b, n, "per", CEL_DYN, &l->reads_body);
	if (!prog || !is_dimension(b, n, prog))
		return;
	l->per[l->nper++] = prog;
	l->reads_late |= reads_late(b, prog);
	l->of_person |=
		cel_reads(prog, V_IDENTITY_PERSON) || cel_reads(prog, V_REQUEST_CONVERSATION);
}

/* Reads the window, or takes the default of a conversation's limit. */
static void
build_window(struct builder *b, const struct yaml_node *n, const struct limit_counted *what,
	struct limit *l)
{
	const struct yaml_node *w = yaml_get(n, "window");

	if (w && !limit_has(what->of, HAS_WINDOW))
		diag_at(b->d, w->key, "window: %s has no window: remove it", what->key);
	else if (w)
		limit_window(b, w, l);
	else if (what->per)
		l->window_s = CONVERSATION_S;
	else if (limit_has(what->of, HAS_WINDOW))
		diag_at(b->d, n, "window is missing");
}

/* Reads the one key that states the counted amount, and the window. */
static void
build_counted(struct builder *b, const struct yaml_node *n, struct limit *l)
{
	/* A conversation's counter is never shared with another person. */
	static const char *const each[] = { "identity.person", "request.conversation" };
	const struct limit_counted *what = NULL;
	const struct yaml_node *c;

	for (const struct limit_counted *k = limit_counted; k->key; k++) {
		if (!(c = yaml_get(n, k->key)))
			continue;
		if (what) {
			diag_at(b->d, c->key,
				"%s: this limit already counts %s: write a second limit for %s",
				k->key, what->key, k->key);
			continue;
		}
		what = k;
		l->of = what->of;
		limit_amount(b, c, l->of, &l->amount);
		build_window(b, n, what, l);
		for (size_t i = 0; what->per && i < COUNT_OF(each); i++) {
			struct yaml_node own = *c;
			own.s = span_str(each[i]);
			build_dimension(b, &own, l);
		}
	}
	if (what)
		return;
	for (const char *const *later = sections[SECTION_LIMIT].later; *later; later++)
		if (yaml_get(n, *later))
			return; /* an unsupported key was reported already */
	SCOPED_BUF(keys, 0);
	limit_keys_put(&keys, 0, 0, false);
	diag_at(b->d, n, "the limit counts nothing: add %.*s", SPAN_ARG(buf_view(&keys)));
}

/* A limit that reads a field of a tool call counts calls. Other requests do not count. */
static void
find_tool_limit(struct builder *b, const struct yaml_node *n, struct limit *l)
{
	for (size_t slot = V_TOOL_NAME; slot <= V_MCP_METHOD; slot++) {
		l->reads_tool |= l->when && cel_reads(l->when, slot);
		for (size_t i = 0; i < l->nper; i++)
			l->reads_tool |= cel_reads(l->per[i], slot);
	}
	if (l->when && cel_reads(l->when, V_TOOL_ORIGINS))
		diag_at(b->d, n, "a limit cannot read where the values of a call come from");
	if (l->reads_tool && l->of != LIMIT_REQUESTS)
		diag_at(b->d, n,
			"a limit that reads a field of a call counts calls: only `requests` "
			"can count them");
}

/* Returns true if the limit reads the target and some route has several. Such a target is known
 * only after all rules were evaluated. */
static bool
chosen_late(const struct builder *b, const struct limit *l)
{
	bool reads = build_reads_target(l->when), choice = false;

	for (size_t i = 0; i < l->nper; i++)
		reads |= build_reads_target(l->per[i]);
	for (size_t i = 0; i < b->p->nroutes; i++)
		choice |= b->p->routes[i].ntargets > 1;
	return reads && choice;
}

/* Reads one limit of the list. */
static void
build_limit(struct builder *b, const struct yaml_node *n, struct limit *l)
{
	const struct yaml_node *c, *per = yaml_get(n, "per");

	l->at = n;
	l->name = "";
	if (!build_section(b, n, SECTION_LIMIT, l))
		return;
	build_own_name(b, n, 32, &l->name, b->p->limits, b->p->nlimits, sizeof(*l));
	if (strpbrk(l->name, ":/"))
		diag_at(b->d, yaml_get(n, "name"),
			"name: a limit's name is part of Redis keys and cannot contain ':' or "
			"'/'");
	b->phase = PHASE_TOOL;
	if ((c = yaml_get(n, "when")))
		l->when = build_condition(b, c, &l->reads_body);
	l->reads_late = l->when && reads_late(b, l->when);
	for (c = build_each(b, per, "per", NULL, NULL); c; c = yaml_next(per, c))
		build_dimension(b, c, l);
	b->phase = PHASE_REQUEST;
	build_counted(b, n, l);
	find_tool_limit(b, n, l);
	limit_terms(b, n, l);
	/* The amount that a request takes is known once its body is read. */
	b->p->counts_tokens |= limit_has(l->of, COUNTS_INPUT | COUNTS_OUTPUT);
	l->reads_body |= limit_has(l->of, NEEDS_BODY) || chosen_late(b, l);
}

/* Requests of a `concurrent` limit hold room until they end, and requests of a `usd`
 * limit are settled when they end. HAProxy does not report the end of a request that goes
 * direct, so routes that the limit may reach use the relay (told_of_end). */
static void
limit_told(struct builder *b, const struct limit *l)
{
	bool money = limit_has(l->of, COUNTS_MONEY);

	if (!limit_has(l->of, NEEDS_END))
		return;
	if (money && l->amount && !b->priced) {
		const char *key = limit_kinds[l->of].key;
		diag_at(b->d, yaml_get(l->at, key)->key,
			"%s: the policy has no prices: add prices or unknown_price", key);
	}
	for (size_t i = 0; i < b->p->nroutes; i++) {
		struct route *r = &b->routes[i];
		if (!policy_may_reach(b->a, l->when, r))
			continue;
		r->told_of_end = r->told_of_end ? r->told_of_end : l;
		if (!money)
			continue;
		if (r->response_ignore)
			diag_at(b->d, r->response_ignore,
				"response: ignore: limit %s, at %s:%u:%u, counts the cost of "
				"this route's responses: set response: [meter]",
				l->name, l->at->file, l->at->line, l->at->column);
		r->response |= RESP_METER;
	}
}

void
build_limits(struct builder *b, const struct yaml_node *n)
{
	struct limit *limits = build_list(b, n, "limits", sizeof(*limits));

	for (size_t i = 0; i < b->p->nroutes; i++) {
		const struct route *r = &b->routes[i];
		/* `reserve: learned` learns from the token counts of responses */
		if (r->reserve == RESERVE_LEARNED && !(r->response & RESP_METER))
			diag_at(b->d, yaml_get(r->at, "reserve"),
				"reserve: learned: the route does not meter: add response: "
				"[meter]");
	}
	if (!limits)
		return;
	b->p->limits = limits;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		build_limit(b, c, &limits[b->p->nlimits]);
		limit_told(b, &limits[b->p->nlimits]);
		b->p->nlimits++;
	}
}
