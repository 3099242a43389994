/* policy/prices: the reader of price lists, its errors, its use by a policy, and the shipped
 * list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/clock.h"
#include "policy/advice/notes.h"
#include "policy/prices.h"
#include "support/policy_fix.h"
#include "support/temp_dir.h"

static struct arena arena;
static struct diag diag;

static const struct prices *
read_list_of(const char *text)
{
	put("prices.yaml", text);
	arena_reset(&arena);
	diag_free(&diag);
	arena_init(&arena, 0, false);
	diag_init(&diag);
	return prices_load(&arena, path("prices.yaml"), &diag, NULL);
}

#define HEAD "prices: 1\nproviders:\n  openai:\n"

/* ---- mistakes ---- */

static const struct {
	const char *name, *in, *at, *says;
} mistakes[] = {
	{ "no version", "providers: {}\n", "1:1", "prices: the version of the format is missing" },
	{ "another version", "prices: 2\nproviders: {}\n", "1:9", "1 is expected, found 2" },
	{ "no providers", "prices: 1\n", "1:1", "providers is missing" },
	{ "an unknown key", HEAD "    - {model: a, input: 1, output: 2, cachd: 3}\n", "4:39",
		"cachd: unknown key, did you mean cached?" },
	{ "a tool priced as tokens", "prices: 1\ntools: {web: input}\nproviders: {}\n", "2:14",
		"web: image, search, maps, session, file_search or tool_image is "
		"expected, found "
		"input" },
	{ "a tool priced twice", "prices: 1\ntools: {web: search, web: image}\nproviders: {}\n",
		"2:22", "web: given twice" },
	{ "no model", HEAD "    - {input: 1, output: 2}\n", "4:7", "model is missing" },
	{ "no output: it is not free of charge", HEAD "    - {model: a, input: 1}\n", "4:7",
		"output is missing: write 0 if nothing is charged" },
	{ "an exponent", HEAD "    - {model: a, input: 1e3, output: 2}\n", "4:25",
		"US dollars for a million tokens, such as 2.50, without sign and exponent, are "
		"expected, found 1e3" },
	{ "a price as text", HEAD "    - {model: a, input: '1', output: 2}\n", "4:25",
		"US dollars for a million tokens" },
	{ "below nothing", HEAD "    - {model: a, input: 1, output: -2}\n", "4:36",
		"US dollars for a million tokens" },
	{ "more digits than can be kept",
		HEAD "    - {model: a, input: 0.1234567, output: 2}\n", "4:25",
		"at most 1000000 US dollars with at most 6 digits after the point" },
	{ "a price for one", HEAD "    - {model: a, input: 0, output: 0, search: 1 USD}\n",
		"4:47", "search: US dollars for one, such as 2.50, without sign and exponent, are" },
	{ "a day that there is not",
		HEAD "    - {model: a, from: 2026-02-31, input: 1, output: "
		     "2}\n",
		"4:24", "from: a day such as 2026-12-31 is expected, found 2026-02-31" },
	{ "a time in place of a day",
		HEAD "    - {model: a, from: '2026-02-01T00:00:00Z', input: 1, output: 2}\n",
		"4:24", "from: a day such as" },
	{ "a share without its sign", HEAD "    - {model: a, input: 1, output: 2, batch: 50}\n",
		"4:46", "batch: a share of the prices such as 50%" },
	{ "tiers that do not grow",
		HEAD
		"    - {model: a, input: 1, output: 2, tiers: [{over: 9, input: 1, output: 1}, "
		"{over: 9, input: 1, output: 1}]}\n",
		"4:86", "over: each tier must be larger than the one before, found 9" },
	{ "a tier that leaves out a price of its row",
		HEAD "    - {model: a, input: 1, cached: 0.1, output: 2, tiers: [{over: 9, "
		     "input: 1, "
		     "output: 1}]}\n",
		"4:60", "cached is missing: the row has this price, so the tier needs it too" },
	{ "a tier of no size",
		HEAD "    - {model: a, input: 1, output: 2, tiers: [{input: 1, output: 1}]}\n",
		"4:47", "over or from is expected" },
	{ "a tier of two sizes",
		HEAD
		"    - {model: a, input: 1, output: 2, tiers: [{over: 9, from: 10, input: 1, "
		"output: 1}]}\n",
		"4:47", "over or from is expected" },
	{ "a price where nothing is said",
		HEAD "    - {model: a, input: 1, output: 2, where: [{image: 1}]}\n", "4:47",
		"where: one of size, quality, search_context, region is missing" },
	{ "a condition without a price",
		HEAD "    - {model: a, input: 1, output: 2, where: [{size: big}]}\n", "4:47",
		"where: share, or a price of a unit other than tokens, is missing" },
	{ "a price of tokens by size",
		HEAD "    - {model: a, input: 1, output: 2, where: [{size: big, input: 1}]}\n",
		"4:59", "input: unknown key" },
	{ "storage below nothing",
		HEAD "    - {model: a, input: 1, output: 2, cache_storage: -1}\n", "4:54",
		"cache_storage: US dollars for a million tokens and an hour" },
	{ "the same model twice",
		HEAD "    - {model: [a, b], input: 1, output: 2}\n"
		     "    - {model: b, input: 1, output: 2}\n",
		"5:15", "model: b already occurs, at" },
	{ "the same model twice from the same day",
		HEAD "    - {model: b, from: 2026-01-01, input: 1, output: 2}\n"
		     "    - {model: b, from: 2026-01-01, input: 1, output: 2}\n",
		"5:15", "model: b already occurs, at" },
	{ "two patterns of which neither is the more specific one",
		HEAD "    - {model: gpt-4*, input: 1, output: 2}\n"
		     "    - {model: '*-mini', input: 1, output: 2}\n",
		"5:15", "model: *-mini and gpt-4* at" },
	{ "a group that does not end", HEAD "    - {model: '{a,b', input: 1, output: 2}\n",
		"4:15", "model: a group such as {us.,eu.} is expected" },
	{ "a group in a group", HEAD "    - {model: '{a,{b}}', input: 1, output: 2}\n", "4:15",
		"model: a group such as" },
	{ "more variants than a list may hold",
		HEAD
		"    - {model: '{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,"
		"b}', input: 1, output: 2}\n",
		"4:15", "model: a group such as" },
	{ "the same provider by two patterns",
		"prices: 1\nproviders:\n  'a*': []\n  '*b': []\n", "4:3",
		"providers: *b and a* at" },
};

static void
errors_in_a_price_list_have_their_place(void **state)
{
	bool wrong = false;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(mistakes); i++) {
		char at[64];
		assert_null(read_list_of(mistakes[i].in));
		snprintf(at, sizeof(at), "prices.yaml:%s: ", mistakes[i].at);
		struct span said = buf_view(&diag.text);
		if (!memmem(said.p, said.n, at, strlen(at)) ||
			!memmem(said.p, said.n, mistakes[i].says, strlen(mistakes[i].says)))
			wrong = true, print_error("%s: %.*s", mistakes[i].name, SPAN_ARG(said));
	}
	assert_false(wrong);
}

/* ---- valid lists ---- */

static void
row_is_read_whole(void **state)
{
	const struct prices *p =
		read_list_of("prices: 1\nas_of: 2026-11-21\nproviders:\n  openai:\n"
			     "    - {model: ['{eu.,us.}m-*', x], from: 2026-01-01, input: "
			     "0.0375, cached: 0.01,\n"
			     "       output: 2.50, reasoning: 3, search: 0.01, batch: 50%, "
			     "priority: 170.5%,\n"
			     "       tiers: [{over: 1000, input: 1, cached: 0.5, output: 5, "
			     "reasoning: 6}]}\n");

	(void)state;
	if (!p)
		fail_msg("%.*s", SPAN_ARG(buf_view(&diag.text)));
	assert_string_equal(p->as_of, "2026-11-21");
	assert_int_equal(p->lists[0].nrows, 3);
	const struct price_row *r =
		price_find(&p->lists[0], SPAN_LIT("us.m-1"), 1767225600000000000);
	assert_non_null(r);
	assert_null(price_find(&p->lists[0], SPAN_LIT("us.m-1"), 1767225599999999999));
	assert_null(price_find(&p->lists[0], SPAN_LIT("m-1"), 1767225600000000000));
	assert_string_equal(r->model, "us.m-*");
	assert_string_equal(r->from, "2026-01-01");
	assert_int_equal(r->rates.pico[PRICE_INPUT], 37500);
	assert_int_equal(r->rates.pico[PRICE_SEARCHES], 10000000000);
	assert_int_equal(r->share[PRICE_BATCH], 5000);
	assert_int_equal(r->share[PRICE_PRIORITY], 17050);
	assert_int_equal(r->ntiers, 1);
	assert_int_equal(r->tier[0].rates.pico[PRICE_REASONING], 6000000);
	/* items have the same price in every tier */
	assert_int_equal(r->tier[0].rates.pico[PRICE_SEARCHES], 10000000000);
}

static void
minute_is_sixty_seconds(void **state)
{
	const struct prices *p =
		read_list_of(HEAD "    - {model: a, input: 0, output: 0, minute: 0.006}\n");
	struct price_usage used = { .n = { [PRICE_SECONDS] = 61 } };
	struct price_cost c;

	(void)state;
	assert_non_null(p);
	assert_int_equal(price_cost(&p->lists[0].rows[0], &used, &c), 0);
	assert_int_equal(c.nanousd, 6100000);
	/* a price that 60 does not divide is rounded up */
	p = read_list_of(HEAD "    - {model: a, input: 0, output: 0, minute: 0.0035}\n");
	assert_int_equal(p->lists[0].rows[0].rates.pico[PRICE_SECONDS], 58333334);
	assert_null(read_list_of(
		HEAD "    - {model: a, input: 0, output: 0, minute: 1, second: 1}\n"));
	assert_null(read_list_of(HEAD "    - {model: a, input: 0, output: 0, minute: -1}\n"));
}

static void
tier_begins_at_its_size(void **state)
{
	const struct prices *p = read_list_of(HEAD
		"    - {model: a, input: 1, output: 2, tiers: [{from: 1000, input: 3, "
		"output: 5}],\n"
		"       second: 0.0001, character: 0.000015, cache_storage: 4.5,\n"
		"       where: [{size: 1024x*, quality: hd, image: 0.08}, {region: eu, share: "
		"110%}]}\n");
	struct price_usage used = { .n = { [PRICE_INPUT] = 999 } };
	struct price_cost c;

	(void)state;
	if (!p)
		fail_msg("%.*s", SPAN_ARG(buf_view(&diag.text)));
	const struct price_row *r = &p->lists[0].rows[0];
	assert_int_equal(price_cost(r, &used, &c), 0);
	assert_int_equal(c.nanousd, 999000);
	used.n[PRICE_INPUT] = 1000;
	assert_int_equal(price_cost(r, &used, &c), 0);
	assert_int_equal(c.nanousd, 3000000);
	assert_int_equal(r->rates.pico[PRICE_SECONDS], 100000000);
	assert_int_equal(r->rates.pico[PRICE_CHARACTERS], 15000000);
	assert_int_equal(r->rates.pico[PRICE_STORED], 4500000);
	assert_int_equal(r->tier[0].rates.pico[PRICE_STORED], 4500000);
	assert_true(p->where);
	assert_int_equal(r->nwhere, 2);
	assert_string_equal(r->where[0].is[ASKED_SIZE], "1024x*");
	assert_int_equal(r->where[1].share, 11000);
}

static const char *
priced(const struct prices *p, const char *provider, const char *model, const char *day)
{
	static char text[96];
	char when[32];
	int64_t ns;
	struct price_usage used = {
		.n = { [PRICE_INPUT] = 1000000, [PRICE_OUTPUT] = 1000000 }
	};
	struct price_cost c;

	snprintf(when, sizeof(when), "%sT12:00:00Z", day);
	assert_int_equal(clock_parse(when, strlen(when), &ns), 0);
	const struct price_row *r =
		price_find(prices_list(p, span_str(provider), (struct span){ NULL, 0 }),
			span_str(model), ns);
	if (!r)
		return "no price";
	assert_int_equal(price_cost(r, &used, &c), 0);
	price_text(c.nanousd, text);
	return text;
}

/* The price of a million tokens of each kind, on a day. */
static void
shipped_list_has_known_models(void **state)
{
	static const struct {
		const char *provider, *model, *day, *usd;
	} rows[] = {
		{ "openai", "gpt-4o", "2026-01-01", "12.5" },
		{ "openai", "gpt-4o-2024-05-13", "2026-01-01", "20.0" },
		{ "openai", "gpt-4o-mini-2024-07-18", "2026-01-01", "0.75" },
		{ "openai", "o3", "2025-06-09", "50.0" },
		{ "openai", "o3", "2025-06-10", "10.0" },
		{ "anthropic", "claude-opus-5-20260101", "2026-11-01", "30.0" },
		{ "anthropic", "claude-opus-5-5", "2026-11-01", "24.0" },
		{ "anthropic", "claude-opus-5-6", "2026-11-01", "no price" },
		{ "anthropic", "claude-sonnet-5", "2026-11-01", "12.0" }, /* no increase */
		{ "anthropic", "claude-sonnet-5-1", "2026-11-01", "no price" },
		{ "anthropic", "claude-fable-5-2", "2026-11-01", "no price" },
		{ "bedrock", "us.anthropic.claude-sonnet-5-20260101-v1:0", "2026-11-01",
			"13.2" },
		{ "bedrock", "us.anthropic.claude-sonnet-5-5-v1:0", "2026-11-01", "no price" },
		{ "openai", "gpt-6-sol", "2026-11-01", "19.0" }, /* tier */
		{ "openai", "gpt-99", "2026-01-01", "no price" },
		{ "openai", "text-embedding-3-small", "2026-01-01", "0.02" },
		{ "anthropic", "claude-sonnet-4-5-20250929", "2026-01-01", "28.5" }, /* tier */
		{ "anthropic", "claude-haiku-4-5", "2026-01-01", "6.0" },
		{ "gemini", "claude-haiku-4-5@20251001", "2026-01-01", "6.0" },
		{ "gemini", "gemini-2.5-flash", "2026-01-01", "2.8" },
		{ "gemini", "gemini-2.5-flash-lite", "2026-01-01", "0.5" },
		{ "bedrock", "us.anthropic.claude-haiku-4-5-20251001-v1:0", "2026-01-01",
			"6.6" },
		{ "bedrock", "global.anthropic.claude-haiku-4-5-20251001-v1:0", "2026-01-01",
			"6.0" },
		{ "bedrock",
			"arn:aws:bedrock:us-east-1:123456789012:inference-profile/"
			"us.anthropic.claude-haiku-4-5-20251001-v1:0",
			"2026-01-01", "6.6" },
		{ "bedrock", "amazon.nova-pro-v1:0", "2026-01-01", "4.0" },
		{ "mistral", "mistral-small-latest", "2026-01-01", "0.75" },
		{ "cohere", "command-a-03-2025", "2026-01-01", "12.5" },
	};

	(void)state;
	arena_reset(&arena);
	diag_free(&diag);
	arena_init(&arena, 0, false);
	diag_init(&diag);
	const struct prices *p = prices_load(&arena, "policies/prices.yaml", &diag, NULL);
	if (!p)
		fail_msg("%.*s", SPAN_ARG(buf_view(&diag.text)));
	assert_true(p->as_of[0]);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *got = priced(p, rows[i].provider, rows[i].model, rows[i].day);
		if (strcmp(got, rows[i].usd) != 0)
			fail_msg("%s %s on %s: %s, not %s", rows[i].provider, rows[i].model,
				rows[i].day, got, rows[i].usd);
	}
}

/* ---- in a policy ---- */

static const struct policy *
load(struct policy_fix *f, const char *text)
{
	put("p.yaml", text);
	return fix_load_file(f, &fix_config, path("p.yaml"));
}

#define POLICY(more, provider)                                                                 \
	"tollgate: 1\nname: t\n" more                                                          \
	"providers:\n  azure: {backend: openai, dialect: openai" provider                      \
	"}\n  mine: {backend: local, dialect: gemini}\n"                                       \
	"routes:\n  - {name: chat, match: {path: /a}, targets: azure}\n"                       \
	"  - {name: own, match: {path: /b}, targets: mine}\n"                                  \
	"  - {name: bare, match: {path: /c}, dialect: openai, backend: openai}\n"

#define PRICES                                                                                 \
	"prices: 1\nproviders:\n"                                                              \
	"  openai: [{model: m, input: 1, output: 1}]\n"                                        \
	"  azure: [{model: m, input: 2, output: 2}]\n"                                         \
	"  cheap: [{model: m, input: 3, output: 3}]\n"

static uint64_t
input_of(const struct policy *p, size_t route, const char *model)
{
	const struct price_row *r =
		policy_price(p, &p->routes[route].targets[0], span_str(model), 0);

	return r ? r->rates.pico[PRICE_INPUT] / 1000000 : 0;
}

static void
target_has_its_providers_price_list(void **state)
{
	struct policy_fix f;

	(void)state;
	put("prices.yaml", PRICES);
	const struct policy *p = load(&f, POLICY("prices: prices.yaml\n", ""));
	if (!p)
		fail_msg("%.*s", SPAN_ARG(buf_view(&f.d.text)));
	assert_int_equal(input_of(p, 0, "m"), 2); /* by the provider's name */
	assert_int_equal(input_of(p, 1, "m"), 0); /* neither name nor dialect match: no price */
	assert_int_equal(input_of(p, 2, "m"), 1); /* by the route's dialect */
	assert_int_equal(input_of(p, 0, "n"), 0);
	assert_non_null(memmem(buf_view(&f.d.files).p, f.d.files.n, "prices.yaml", 11));
	fix_done(&f);
	p = load(&f, POLICY("prices: prices.yaml\nunknown_price: {input: 9, output: 9}\n",
			     ", prices: cheap"));
	if (!p)
		fail_msg("%.*s", SPAN_ARG(buf_view(&f.d.text)));
	assert_int_equal(input_of(p, 0, "m"), 3); /* by its own `prices` */
	assert_int_equal(input_of(p, 0, "n"), 9);
	assert_int_equal(input_of(p, 1, "m"), 9);
	fix_done(&f);
}

static void
prices_are_part_of_the_policy_version(void **state)
{
	struct policy_fix f;
	char before[65];

	(void)state;
	put("prices.yaml", PRICES);
	assert_non_null(load(&f, POLICY("prices: prices.yaml\n", "")));
	memcpy(before, f.p->version, sizeof(before));
	fix_done(&f);
	put("prices.yaml", "# a comment\n" PRICES);
	assert_non_null(load(&f, POLICY("prices: prices.yaml\n", "")));
	assert_string_equal(f.p->version, before);
	fix_done(&f);
	put("prices.yaml", PRICES "  mistral: [{model: m, input: 3, output: 3}]\n");
	assert_non_null(load(&f, POLICY("prices: prices.yaml\n", "")));
	assert_string_not_equal(f.p->version, before);
	fix_done(&f);
}

static void
errors_of_prices_in_a_policy_are_reported(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
		{ POLICY("prices: nowhere.yaml\n", ""), "nowhere.yaml" },
		{ POLICY("prices: prices.yaml\n", ", prices: cheep"),
			"has no provider cheep, did you mean cheap?" },
		{ POLICY("", ", prices: cheap"), "prices: the policy has no price file: add prices: FILE" },
		{ POLICY("unknown_price: free\n", ""),
			"unknown_price: deny, or prices such as {input: 10, output: 50}, is "
			"expected, found free" },
		{ POLICY("unknown_price: {input: 1}\n", ""), "output is missing" },
		{ POLICY("unknown_price: {input: 1, output: 1, model: x}\n", ""),
			"model: unknown key" },
	};
	struct policy_fix f;

	(void)state;
	put("prices.yaml", PRICES);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_null(load(&f, rows[i].text));
		struct span said = buf_view(&f.d.text);
		if (!memmem(said.p, said.n, rows[i].says, strlen(rows[i].says)))
			fail_msg("%s: %.*s", rows[i].says, SPAN_ARG(said));
		fix_done(&f);
	}
}

/* ---- remarks of check ---- */

static char remarks[4096];

static void
remark(void *arg, const struct yaml_node *at, const char *text)
{
	size_t n = strlen(remarks);

	(void)arg;
	snprintf(remarks + n, sizeof(remarks) - n, "%u %s\n", at ? at->line : 0, text);
}

static void
models_without_a_price_are_remarked(void **state)
{
	static const char text[] =
		"tollgate: 1\nname: t\nprices: prices.yaml\n"
		"providers: {azure: {backend: openai, dialect: openai}, mine: {backend: "
		"local}}\n"
		"routes:\n"
		"  - {name: a, match: {path: /a}, targets: [{provider: azure, model: m}]}\n"
		"  - {name: b, match: {path: /b}, targets: [{provider: azure, model: n}]}\n"
		"  - {name: c, match: {path: /c}, targets: mine}\n"
		"  - {name: d, match: {path: /d}, targets: [{provider: azure, model: m}],\n"
		"     cache: {exact: {ttl: 1h}, semantic: {embeddings: azure/vectors}}}\n"
		"  - {name: e, match: {path: /e}, targets: [{provider: azure, model: m}],\n"
		"     cache: {exact: {ttl: 1h}, semantic: {embeddings: azure/m}}}\n"
		"  - {name: tools, match: {path: /m}, dialect: mcp, targets: mine}\n"
		"  - {name: reads, match: {methods: [GET], path: /r}, targets: mine}\n"
		"  - {name: spared, match: {path: /s}, targets: mine}\n"
		"rules:\n"
		"  - {name: good, when: 'model.name == \"x\"', route: {model: m}}\n"
		"  - {name: bad, when: 'model.name == \"x\"', route: {model: o}}\n"
		"limits:\n"
		"  - {name: l, usd: 5, window: 1h, at_limit: {model: p}, when: 'route.name != \"spared\"'}\n";
	struct policy_fix f;
	int64_t now;

	(void)state;
	assert_int_equal(clock_parse("2026-06-01T00:00:00Z", 20, &now), 0);
	put("prices.yaml", "as_of: 2026-03-02\n" PRICES);
	fix_config.cache_redis = "redis://127.0.0.1";
	if (!load(&f, text))
		fail_msg("%.*s", SPAN_ARG(buf_view(&f.d.text)));
	fix_config.cache_redis = NULL;
	remarks[0] = '\0';
	policy_price_notes(f.p, now, &(struct noting){ .note = remark });
	const char *want[] = { "prices.yaml: the prices are as of 2026-03-02, 91 days ago: compare them with",
		"\n7 target azure: model n has no price in ",
		"\n18 rule bad: model o has no price in ",
		"\n20 limit l: model p has no price in ",
		"prices.yaml: limits in dollars refuse it: add the price\n",
		"route d: cache: embeddings model vectors has no price in ",
		"prices.yaml: its cost is not counted\n",
		"\n8 route c: mine has no price list: limit l refuses every request: add the provider to the list, or set unknown_price\n" };
	for (size_t i = 0; i < COUNT_OF(want); i++)
		if (!strstr(remarks, want[i]))
			fail_msg("%s is not in: %s", want[i], remarks);
	assert_null(strstr(remarks, "model m"));
	assert_null(strstr(remarks, "route e"));
	assert_null(strstr(remarks, "route tools: mine has no price list"));
	assert_null(strstr(remarks, "route reads: mine has no price list"));
	assert_null(strstr(remarks, "route spared: mine has no price list"));
	remarks[0] = '\0';
	policy_price_notes(f.p, now - 86400000000000, &(struct noting){ .note = remark });
	assert_null(strstr(remarks, "as of"));
	fix_done(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_in_a_price_list_have_their_place),
		cmocka_unit_test(row_is_read_whole),
		cmocka_unit_test(minute_is_sixty_seconds),
		cmocka_unit_test(tier_begins_at_its_size),
		cmocka_unit_test(shipped_list_has_known_models),
		cmocka_unit_test(target_has_its_providers_price_list),
		cmocka_unit_test(prices_are_part_of_the_policy_version),
		cmocka_unit_test(errors_of_prices_in_a_policy_are_reported),
		cmocka_unit_test(models_without_a_price_are_remarked),
	};
	int failed = cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);

	arena_reset(&arena);
	diag_free(&diag);
	return failed;
}
