/* price/: patterns, the row that applies, and exact sums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/price/price.h"

#define BIT(k) (1u << (k))

/* ---- numbers ---- */

static const struct {
	const char *name, *in;
	unsigned scale;
	int err;
	uint64_t pico;
} numbers[] = {
	{ "a whole number", "15", PRICE_SCALE_TOKEN, 0, 15000000 },
	{ "a fraction of a nano-dollar a token is exact", "0.0375", PRICE_SCALE_TOKEN, 0,
		37500 },
	{ "the last digit that counts", "0.000001", PRICE_SCALE_TOKEN, 0, 1 },
	{ "zeros after it say nothing", "0.0000010", PRICE_SCALE_TOKEN, 0, 1 },
	{ "a digit below it is not cut off", "0.0000001", PRICE_SCALE_TOKEN, ERR_RANGE, 0 },
	{ "nothing is a price too", "0", PRICE_SCALE_TOKEN, 0, 0 },
	{ "for one of something", "0.01", PRICE_SCALE_EACH, 0, 10000000000 },
	{ "the highest", "1000000", PRICE_SCALE_TOKEN, 0, 1000000000000 },
	{ "over it", "1000001", PRICE_SCALE_TOKEN, ERR_RANGE, 0 },
	{ "far over it", "99999999999999999999999", PRICE_SCALE_TOKEN, ERR_RANGE, 0 },
	{ "below nothing", "-1", PRICE_SCALE_TOKEN, ERR_SYNTAX, 0 },
	{ "an exponent", "1e3", PRICE_SCALE_TOKEN, ERR_SYNTAX, 0 },
	{ "a point without digits", "1.", PRICE_SCALE_TOKEN, ERR_SYNTAX, 0 },
	{ "no digit before the point", ".5", PRICE_SCALE_TOKEN, ERR_SYNTAX, 0 },
	{ "two points", "1.2.3", PRICE_SCALE_TOKEN, ERR_SYNTAX, 0 },
	{ "nothing at all", "", PRICE_SCALE_TOKEN, ERR_SYNTAX, 0 },
	{ "a letter after all digits", "0.000001x", PRICE_SCALE_TOKEN, ERR_SYNTAX, 0 },
};

static void
numbers_are_parsed_exactly(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		uint64_t pico = 0;
		int err = price_parse(span_str(numbers[i].in), numbers[i].scale, &pico);
		if (err != numbers[i].err || (!err && pico != numbers[i].pico))
			fail_msg(
				"%s: %d, %llu", numbers[i].name, err, (unsigned long long)pico);
	}
}

static void
dollars_are_read_in_common_spellings(void **state)
{
	static const struct {
		uint64_t nano;
		const char *want;
	} rows[] = { { 0, "0.0" }, { 1, "0.000000001" }, { 1230000, "0.00123" },
		{ 2000000000, "2.0" }, { INT64_MAX, "9223372036.854775807" } };
	char text[PRICE_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		price_text(rows[i].nano, text);
		assert_string_equal(text, rows[i].want);
	}
}

/* ---- patterns ---- */

static void
patterns_match_only_whole_names(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool want;
	} rows[] = {
		{ "gpt-4o", "gpt-4o", true },
		{ "gpt-4o", "gpt-4o-mini", false },
		{ "gpt-4o*", "gpt-4o", true },
		{ "gpt-4o*", "gpt-4o-mini", true },
		{ "*sonnet-4-5*", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", true },
		{ "*a*b", "xaxbxab", true },
		{ "*a*b", "xaxbxa", false },
		{ "*", "", true },
		{ "", "", true },
		{ "", "x", false },
		{ "a**b", "ab", true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (price_matches(rows[i].pattern, span_str(rows[i].name)) != rows[i].want)
			fail_msg("%s on %s", rows[i].pattern, rows[i].name);
}

static void
overlap_and_inclusion_of_patterns_are_known(void **state)
{
	static const struct {
		const char *a, *b;
		bool a_in_b, overlap;
	} rows[] = {
		{ "gpt-4o", "gpt-4o", true, true },
		{ "gpt-4o-mini*", "gpt-4o*", true, true },
		{ "gpt-4*", "*-mini", false, true },
		{ "gpt-4*", "gpt-5*", false, false },
		{ "a*b", "a*c", false, false },
		{ "a*b*", "a*c", false, true },
		{ "*", "x", false, true },
		{ "x", "*", true, true },
		{ "ab*", "a*", true, true },
		{ "*ab", "*b", true, true },
		{ "a*a", "a", false, false },
		{ "b*a", "a*a", false, false },
		{ "*aa", "*ba", false, false },
		{ "ab", "a", false, false },
		{ "", "a", false, false },
		{ "", "*", true, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (price_within(rows[i].a, rows[i].b) != rows[i].a_in_b)
			fail_msg("%s within %s", rows[i].a, rows[i].b);
		if (price_overlap(rows[i].a, rows[i].b) != rows[i].overlap ||
			price_overlap(rows[i].b, rows[i].a) != rows[i].overlap)
			fail_msg("%s overlaps %s", rows[i].a, rows[i].b);
	}
}

/* Compared with every name of up to five letters out of two. */
static void
overlap_equals_the_result_of_trying_all_names(void **state)
{
	static const char letters[] = "ab*";
	char pattern[2][5], name[6];

	(void)state;
	for (unsigned x = 0; x < 81 * 81; x++) {
		bool both = false, inside = true;
		unsigned v = x;
		for (int p = 0; p < 2; p++) {
			for (int i = 0; i < 4; i++, v /= 3)
				pattern[p][i] = letters[v % 3];
			pattern[p][4] = '\0';
		}
		for (unsigned len = 0; len <= 5; len++)
			for (unsigned bits = 0; bits < 1u << len; bits++) {
				for (unsigned i = 0; i < len; i++)
					name[i] = bits >> i & 1 ? 'a' : 'b';
				bool a = price_matches(pattern[0], span_of(name, len));
				bool b = price_matches(pattern[1], span_of(name, len));
				both |= a && b;
				inside &= !a || b;
			}
		/* names of five letters show all differences of patterns of four, except
		 * overlaps that need longer names */
		if (both && !price_overlap(pattern[0], pattern[1]))
			fail_msg("%s and %s have a name in common", pattern[0], pattern[1]);
		if (price_within(pattern[0], pattern[1]) && !inside)
			fail_msg("%s is not within %s", pattern[0], pattern[1]);
		if (price_within(pattern[0], pattern[1]) &&
			!price_overlap(pattern[0], pattern[1]))
			fail_msg("%s is within %s but apart", pattern[0], pattern[1]);
	}
}

/* ---- rows ---- */

#define SECOND_NS 1000000000ll

static const struct price_row shop_rows[] = {
	{ .model = "gpt-4o*", .rates = { .pico = { [PRICE_INPUT] = 3 }, .has = 1 } },
	{ .model = "gpt-4o-mini*", .rates = { .pico = { [PRICE_INPUT] = 1 }, .has = 1 } },
	{ .model = "gpt-4o-mini*",
		.from_s = 1000,
		.rates = { .pico = { [PRICE_INPUT] = 2 }, .has = 1 } },
	{ .model = "gpt-4o-mini-tts",
		.from_s = 5000,
		.rates = { .pico = { [PRICE_INPUT] = 9 }, .has = 1 } },
};
static const struct price_list shop[] = {
	{ .name = "openai", .rows = shop_rows, .nrows = COUNT_OF(shop_rows) },
	{ .name = "azure*", .rows = shop_rows, .nrows = 1 },
	{ .name = "azure-eu", .rows = shop_rows, .nrows = 2 },
};
static const struct prices prices = { .lists = shop, .nlists = COUNT_OF(shop) };

static void
most_specific_row_applies_from_its_date(void **state)
{
	static const struct {
		const char *model;
		int64_t at_s;
		int row; /* -1: none */
	} rows[] = {
		{ "gpt-4o", 0, 0 },
		{ "gpt-4o-2024-08-06", 0, 0 },
		{ "gpt-4o-mini", 999, 1 },
		{ "gpt-4o-mini", 1000, 2 },
		{ "gpt-4o-mini-tts", 4999, 2 },
		{ "gpt-4o-mini-tts", 5000, 3 },
		{ "gpt-4", 5000, -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct price_row *got =
			price_find(&shop[0], span_str(rows[i].model), rows[i].at_s * SECOND_NS);
		const struct price_row *want = rows[i].row < 0 ? NULL : &shop_rows[rows[i].row];
		if (got != want)
			fail_msg("%s at %lld", rows[i].model, (long long)rows[i].at_s);
	}
	assert_null(price_find(NULL, SPAN_LIT("gpt-4o"), 0));
}

static void
price_list_is_found_by_provider_then_dialect(void **state)
{
	struct span none = { NULL, 0 };

	(void)state;
	assert_ptr_equal(prices_list(&prices, SPAN_LIT("azure-eu"), none), &shop[2]);
	assert_ptr_equal(
		prices_list(&prices, SPAN_LIT("azure-us"), SPAN_LIT("openai")), &shop[1]);
	assert_ptr_equal(prices_list(&prices, SPAN_LIT("mine"), SPAN_LIT("openai")), &shop[0]);
	assert_null(prices_list(&prices, SPAN_LIT("mine"), SPAN_LIT("gemini")));
	assert_null(prices_list(NULL, SPAN_LIT("openai"), none));
}

static void
row_applies_to_versions_of_its_model(void **state)
{
	static const struct price_row rows[] = {
		{ .model = "*" },
		{ .model = "claude-opus-5" },
		{ .model = "gpt-4o" },
		{ .model = "gpt-4o-2024-05-13" },
		{ .model = "gpt-4o-2024-08*" },
		{ .model = "us.x.nova-pro" },
	};
	static const struct price_list l = { .name = "p", .rows = rows, .nrows = COUNT_OF(rows) };
	static const struct {
		const char *model;
		int row;
	} names[] = {
		{ "claude-opus-5", 1 },
		{ "claude-opus-5-20260101", 1 },
		{ "claude-opus-5@20260101", 1 },
		{ "claude-opus-5@2026-01-01", 1 },
		{ "claude-opus-5-20260101-v1:0", 1 },
		{ "claude-opus-5-latest", 1 },
		{ "claude-opus-5-001", 1 },
		{ "claude-opus-5-0613", 1 },
		{ "claude-opus-5-v2", 1 },
		{ "us.x.nova-pro-v1:0", 5 },
		{ "gpt-4o-2024-11-20", 2 },
		{ "gpt-4o-2024-05-13", 3 },
		{ "gpt-4o-2024-08-06", 4 },
		/* other models, or none */
		{ "claude-opus-5-1", 0 },
		{ "claude-opus-5-5-20260101", 0 },
		{ "claude-opus-5.5", 0 },
		{ "claude-opus-55", 0 },
		{ "claude-opus-5-20261301", 0 },
		{ "claude-opus-5-2026-01-32", 0 },
		{ "claude-opus-5-1399", 0 },
		{ "claude-opus-5-v", 0 },
		{ "claude-opus-5-v1:", 0 },
		{ "claude-opus-5-mini", 0 },
		{ "claude-opus-5-latest2", 0 },
		{ "claude-opus-5-", 0 },
		{ "-latest", 0 },
		{ "", 0 },
	};

	struct price_row read[COUNT_OF(rows)]; /* as read from a file */
	const struct price_list of_file = { .name = "p", .rows = read, .nrows = COUNT_OF(rows) };

	(void)state;
	memcpy(read, rows, sizeof(read));
	for (size_t i = 0; i < COUNT_OF(read); i++)
		price_row_names(&read[i], read[i].model);
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		struct span name = span_str(names[i].model);
		if (price_find(&l, name, 0) != &rows[names[i].row] ||
			price_find(&of_file, name, 0) != &read[names[i].row])
			fail_msg("%s", names[i].model);
	}
}

/* ---- sums ---- */

static const struct price_row row = {
	.model = "m",
	.rates = { .pico = { [PRICE_INPUT] = 3000000,
			   [PRICE_CACHED] = 300000,
			   [PRICE_WRITE] = 3750000,
			   [PRICE_WRITE_1H] = 6000000,
			   [PRICE_OUTPUT] = 15000000,
			   [PRICE_SEARCHES] = 10000000000 },
		.has = BIT(PRICE_INPUT) | BIT(PRICE_CACHED) | BIT(PRICE_WRITE) |
		       BIT(PRICE_WRITE_1H) | BIT(PRICE_OUTPUT) | BIT(PRICE_SEARCHES) },
	.tier = { { .over = 200000,
		.rates = { .pico = { [PRICE_INPUT] = 6000000,
				   [PRICE_CACHED] = 600000,
				   [PRICE_OUTPUT] = 22500000 },
			.has = BIT(PRICE_INPUT) | BIT(PRICE_CACHED) | BIT(PRICE_OUTPUT) } } },
	.ntiers = 1,
	.share = { [PRICE_BATCH] = 5000, [PRICE_PRIORITY] = 20000 },
	.us_only = 11000,
};
static const struct price_row fast = {
	.model = "f",
	.rates = { .pico = { [PRICE_INPUT] = 3000000,
			   [PRICE_SEARCHES] = 10000000000,
			   [PRICE_SESSIONS] = 30000000000 },
		.has = BIT(PRICE_INPUT) | BIT(PRICE_SEARCHES) | BIT(PRICE_SESSIONS) },
	.share = { [PRICE_BATCH] = 5000, [PRICE_FAST] = 60000 },
	.shared = BIT(PRICE_SESSIONS),
};
static const struct price_row cheap = {
	.model = "c",
	.rates = { .pico = { [PRICE_INPUT] = 37500 }, .has = BIT(PRICE_INPUT) },
};
static const struct price_row pieces = {
	.rates = { .pico = { [PRICE_SECONDS] = 100000000,
			   [PRICE_CHARACTERS] = 15000000,
			   [PRICE_STORED] = 4500000 },
		.has = BIT(PRICE_SECONDS) | BIT(PRICE_CHARACTERS) | BIT(PRICE_STORED) },
};

static const struct {
	const char *name;
	const struct price_row *row;
	struct price_usage used;
	uint64_t nanousd;
	unsigned unpriced;
} sums[] = {
	{ "input and output", &row, { .n = { [PRICE_INPUT] = 1000, [PRICE_OUTPUT] = 100 } },
		3000000 + 1500000, 0 },
	{ "what was cached costs its own price, not the full one", &row,
		{ .n = { [PRICE_INPUT] = 10, [PRICE_CACHED] = 1000 } }, 30000 + 300000, 0 },
	{ "cache writes of 5 minutes and of an hour differ", &row,
		{ .n = { [PRICE_WRITE] = 1000, [PRICE_WRITE_1H] = 1000 } }, 3750000 + 6000000,
		0 },
	{ "what was thought costs as output where it has no price of its own", &row,
		{ .n = { [PRICE_REASONING] = 1000 } }, 15000000, 0 },
	{ "sound without a price costs as text", &row,
		{ .n = { [PRICE_AUDIO_IN] = 1, [PRICE_AUDIO_OUT] = 1 } }, 3000 + 15000, 0 },
	{ "searches", &row, { .n = { [PRICE_SEARCHES] = 3 } }, 30000000, 0 },
	{ "an image has no price here, and that is said", &row,
		{ .n = { [PRICE_INPUT] = 1, [PRICE_IMAGES] = 2 } }, 3000, BIT(PRICE_IMAGES) },
	{ "output has no price here", &cheap,
		{ .n = { [PRICE_INPUT] = 2, [PRICE_OUTPUT] = 9 } }, 75, BIT(PRICE_OUTPUT) },
	{ "a sum is rounded up, once", &cheap, { .n = { [PRICE_INPUT] = 3 } }, 113, 0 },
	{ "one token below a nano-dollar's part is rounded up", &cheap,
		{ .n = { [PRICE_INPUT] = 1 } }, 38, 0 },
	{ "a prompt of just the tier's size is below it", &row,
		{ .n = { [PRICE_INPUT] = 100000, [PRICE_CACHED] = 100000 } },
		300000000 + 30000000, 0 },
	{ "a token more, and all of it costs the tier's price", &row,
		{ .n = { [PRICE_INPUT] = 100001,
			  [PRICE_CACHED] = 100000,
			  [PRICE_OUTPUT] = 10 } },
		600006000 + 60000000 + 225000, 0 },
	{ "output does not reach a tier", &row, { .n = { [PRICE_OUTPUT] = 300000 } },
		4500000000, 0 },
	{ "a batch costs its share", &row,
		{ .n = { [PRICE_INPUT] = 1000 }, .service = PRICE_BATCH }, 1500000, 0 },
	{ "priority costs more", &row,
		{ .n = { [PRICE_INPUT] = 1000 }, .service = PRICE_PRIORITY }, 6000000, 0 },
	{ "so does fast, which OpenAI calls priority", &row,
		{ .n = { [PRICE_INPUT] = 1000 }, .service = PRICE_FAST }, 6000000, 0 },
	{ "priority is no fast where only that has a share", &fast,
		{ .n = { [PRICE_INPUT] = 1000 }, .service = PRICE_PRIORITY }, 3000000, 0 },
	{ "fast has its share", &fast, { .n = { [PRICE_INPUT] = 1000 }, .service = PRICE_FAST },
		18000000, 0 },
	{ "searches cost the same at any rate", &row,
		{ .n = { [PRICE_INPUT] = 1000, [PRICE_SEARCHES] = 3 },
			.service = PRICE_PRIORITY },
		36000000, 0 },
	{ "of a batch too, and in the United States alone", &row,
		{ .n = { [PRICE_INPUT] = 1000, [PRICE_SEARCHES] = 3 },
			.service = PRICE_BATCH,
			.us_only = true },
		31650000, 0 },
	{ "but for what the row names", &fast,
		{ .n = { [PRICE_SEARCHES] = 1, [PRICE_SESSIONS] = 1 }, .service = PRICE_BATCH },
		25000000, 0 },
	{ "in the United States alone costs its share of that", &row,
		{ .n = { [PRICE_INPUT] = 1000 }, .service = PRICE_FAST, .us_only = true },
		6600000, 0 },
	{ "and of a batch", &row,
		{ .n = { [PRICE_INPUT] = 1000 }, .service = PRICE_BATCH, .us_only = true },
		1650000, 0 },
	{ "not where the row says nothing of it", &cheap,
		{ .n = { [PRICE_INPUT] = 1000 }, .us_only = true }, 37500, 0 },
	{ "a service without a share costs all of it", &row,
		{ .n = { [PRICE_INPUT] = 1000 }, .service = PRICE_FLEX }, 3000000, 0 },
	{ "seconds and characters", &pieces,
		{ .n = { [PRICE_SECONDS] = 9, [PRICE_CHARACTERS] = 20 } },
		9 * 100000 + 20 * 15000, 0 },
	{ "a million tokens kept for an hour", &pieces,
		{ .n = { [PRICE_STORED] = 1000000ull * 3600 } }, 4500000000, 0 },
	{ "a token kept for a second", &pieces, { .n = { [PRICE_STORED] = 1 } }, 2, 0 },
	{ "seconds without a price", &row, { .n = { [PRICE_SECONDS] = 9 } }, 0,
		BIT(PRICE_SECONDS) },
	{ "a count beyond any request does not wrap", &row,
		{ .n = { [PRICE_OUTPUT] = UINT64_MAX } }, (1ull << 48) * 15000, 0 },
};

static void
sums_of_prices_are_exact(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(sums); i++) {
		struct price_cost c;
		assert_int_equal(price_cost(sums[i].row, &sums[i].used, &c), 0);
		if (c.nanousd != sums[i].nanousd || c.unpriced != sums[i].unpriced)
			fail_msg("%s: %llu, unpriced %x", sums[i].name,
				(unsigned long long)c.nanousd, c.unpriced);
	}
}

static void
batch_is_bounded_by_its_share_of_tokens(void **state)
{
	struct price_usage most = { .n = { [PRICE_INPUT] = 1000, [PRICE_SEARCHES] = 3 } };
	struct price_cost c;

	(void)state;
	most.batch = true;
	assert_int_equal(price_worst(&row, &most, 0, &c), 0);
	assert_int_equal(c.nanousd, 31500000);
	most.service = PRICE_PRIORITY; /* of one line of the batch */
	assert_int_equal(price_worst(&row, &most, 0, &c), 0);
	assert_int_equal(c.nanousd, 33000000);
}

static void
overflowing_sum_is_an_error(void **state)
{
	struct price_row dear = { .model = "d", .rates = { .has = ~0u } };
	struct price_usage used = { .n = { [PRICE_INPUT] = 1ull << 48 } };
	struct price_cost c;

	(void)state;
	dear.rates.pico[PRICE_INPUT] = 1000000000000;
	assert_int_equal(price_cost(&dear, &used, &c), ERR_RANGE);
	assert_int_equal(c.nanousd, INT64_MAX);
}

/* ---- bounds ---- */

static uint64_t
random_next(uint64_t *s)
{
	*s = *s * 6364136223846793005ull + 1442695040888963407ull;
	return *s >> 33;
}

/* The cost of any prompt and response is at most the reserved amount. */
static void
reservation_is_never_below_the_cost(void **state)
{
	static const enum price_kind prompt[] = { PRICE_INPUT, PRICE_CACHED, PRICE_WRITE,
		PRICE_WRITE_1H, PRICE_AUDIO_IN, PRICE_IMAGE_IN };
	static const enum price_kind answer[] = { PRICE_OUTPUT, PRICE_REASONING,
		PRICE_AUDIO_OUT, PRICE_IMAGE_OUT };
	uint64_t seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct price_usage most = { 0 }, used = { 0 };
		struct price_cost worst, cost;
		struct price_row r = row;
		if (round & 1) /* long prompts are cheaper, so a shorter one costs more */
			r.tier[0].rates.pico[PRICE_INPUT] = 1000000;
		most.n[PRICE_INPUT] = random_next(&seed) % 400000;
		most.n[PRICE_OUTPUT] = random_next(&seed) % 5000;
		most.n[PRICE_SEARCHES] = random_next(&seed) % 4;
		most.service = random_next(&seed) % PRICE_SERVICES;
		most.us_only = random_next(&seed) & 1;
		used.us_only = most.us_only && random_next(&seed) & 1;
		/* requested, and not always granted */
		used.service = random_next(&seed) & 1 ? most.service : PRICE_STANDARD;
		uint64_t left = most.n[PRICE_INPUT] + 1;
		for (size_t i = 0; i < COUNT_OF(prompt); i++) {
			used.n[prompt[i]] = random_next(&seed) % left;
			left -= used.n[prompt[i]];
		}
		left = most.n[PRICE_OUTPUT] + 1;
		for (size_t i = 0; i < COUNT_OF(answer); i++) {
			used.n[answer[i]] = random_next(&seed) % left;
			left -= used.n[answer[i]];
		}
		used.n[PRICE_SEARCHES] = random_next(&seed) % (most.n[PRICE_SEARCHES] + 1);
		assert_int_equal(price_worst(&r, &most, PRICE_MAY_ANY, &worst), 0);
		assert_int_equal(price_cost(&r, &used, &cost), 0);
		if (cost.nanousd > worst.nanousd)
			fail_msg("round %d: %llu costs more than %llu", round,
				(unsigned long long)cost.nanousd,
				(unsigned long long)worst.nanousd);
	}
}

/* ---- requested options ---- */

static const struct price_where by_asked[] = {
	{ .is = { [ASKED_SIZE] = "1024x1792", [ASKED_QUALITY] = "hd" },
		.rates = { .pico = { [PRICE_IMAGES] = 120 }, .has = BIT(PRICE_IMAGES) } },
	{ .is = { [ASKED_SIZE] = "1024x1792" },
		.rates = { .pico = { [PRICE_IMAGES] = 80 }, .has = BIT(PRICE_IMAGES) } },
	{ .is = { [ASKED_CONTEXT] = "low" },
		.rates = { .pico = { [PRICE_SEARCHES] = 30 }, .has = BIT(PRICE_SEARCHES) } },
	{ .is = { [ASKED_CONTEXT] = "high" },
		.rates = { .pico = { [PRICE_SEARCHES] = 50 }, .has = BIT(PRICE_SEARCHES) } },
	{ .is = { [ASKED_REGION] = "eu*" }, .share = 11000 },
};
static const struct price_row asked_row = {
	.rates = { .pico = { [PRICE_INPUT] = 1, [PRICE_IMAGES] = 40, [PRICE_SEARCHES] = 40 },
		.has = BIT(PRICE_INPUT) | BIT(PRICE_IMAGES) | BIT(PRICE_SEARCHES) },
	.share = { [PRICE_BATCH] = 5000 },
	.where = by_asked,
	.nwhere = COUNT_OF(by_asked),
};

static void
requested_options_determine_the_price(void **state)
{
	static const struct {
		const char *name, *v[PRICE_ASKS];
		bool most;
		uint64_t image, search;
		uint32_t standard, batch;
	} rows[] = {
		{ "nothing said", { 0 }, false, 40, 40, 0, 5000 },
		{ "nothing said: the dearest is held", { 0 }, true, 120, 50, 0, 5000 },
		{ "a size", { "1024x1792" }, false, 80, 40, 0, 5000 },
		{ "a size: its dearest quality is held", { "1024x1792" }, true, 120, 50, 0,
			5000 },
		{ "size and quality", { "1024x1792", "hd" }, false, 120, 40, 0, 5000 },
		{ "and no more is held", { "1024x1792", "standard", "low" }, true, 80, 30, 0,
			5000 },
		{ "the provider's choice is the dearest", { "auto", "hd" }, false, 120, 40, 0,
			5000 },
		{ "another size", { "512x512", "hd" }, true, 40, 50, 0, 5000 },
		{ "little is searched", { 0, 0, "low" }, false, 40, 30, 0, 5000 },
		{ "much", { 0, 0, "high" }, false, 40, 50, 0, 5000 },
		{ "a region multiplies every share", { 0, 0, 0, "eu-west-1" }, false, 40, 40,
			11000, 5500 },
		{ "also held", { "512x512", 0, "low", "eu" }, true, 40, 30, 11000, 5500 },
		{ "another region", { 0, 0, 0, "us" }, false, 40, 40, 0, 5000 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct price_asked asked = { 0 };
		for (size_t k = 0; k < PRICE_ASKS; k++)
			asked.v[k] = span_str(rows[i].v[k]);
		struct price_row r = price_where(&asked_row, &asked, rows[i].most);
		if (r.rates.pico[PRICE_IMAGES] != rows[i].image ||
			r.rates.pico[PRICE_SEARCHES] != rows[i].search ||
			r.share[PRICE_STANDARD] != rows[i].standard ||
			r.share[PRICE_BATCH] != rows[i].batch)
			fail_msg("%s: %d an image, %d a search, %u %u", rows[i].name,
				(int)r.rates.pico[PRICE_IMAGES],
				(int)r.rates.pico[PRICE_SEARCHES], r.share[PRICE_STANDARD],
				r.share[PRICE_BATCH]);
	}
}

static void
service_tiers_are_read_as_providers_write_them(void **state)
{
	static const struct {
		const char *word;
		enum price_service service;
	} rows[] = {
		{ "priority", PRICE_PRIORITY },
		{ "SERVICE_TIER_PRIORITY", PRICE_PRIORITY },
		{ "SERVICE_TIER_FLEX", PRICE_FLEX },
		{ "ON_DEMAND_PRIORITY", PRICE_PRIORITY },
		{ "ON_DEMAND_FLEX", PRICE_FLEX },
		{ "ON_DEMAND", PRICE_STANDARD },
		{ "SERVICE_TIER_STANDARD", PRICE_STANDARD },
		{ "PROVISIONED_THROUGHPUT", PRICE_STANDARD },
		{ "", PRICE_STANDARD },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(price_service_of(span_str(rows[i].word)), rows[i].service);
}

static void
reservation_leaves_out_impossible_usage(void **state)
{
	struct price_usage most = { .n = { [PRICE_INPUT] = 1000, [PRICE_OUTPUT] = 10 } };
	struct price_cost c;

	(void)state;
	assert_int_equal(price_worst(&row, &most, 0, &c), 0);
	assert_int_equal(c.nanousd, 3000000 + 150000);
	assert_int_equal(price_worst(&row, &most, BIT(PRICE_WRITE), &c), 0);
	assert_int_equal(c.nanousd, 3750000 + 150000);
	assert_int_equal(price_worst(&row, &most, PRICE_MAY_ANY, &c), 0);
	assert_int_equal(c.nanousd, 6000000 + 150000);
	most.n[PRICE_INPUT] = 200001;
	assert_int_equal(price_worst(&row, &most, 0, &c), 0);
	assert_int_equal(c.nanousd, 200001ull * 6000 + 225000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_parsed_exactly),
		cmocka_unit_test(dollars_are_read_in_common_spellings),
		cmocka_unit_test(patterns_match_only_whole_names),
		cmocka_unit_test(overlap_and_inclusion_of_patterns_are_known),
		cmocka_unit_test(overlap_equals_the_result_of_trying_all_names),
		cmocka_unit_test(most_specific_row_applies_from_its_date),
		cmocka_unit_test(price_list_is_found_by_provider_then_dialect),
		cmocka_unit_test(row_applies_to_versions_of_its_model),
		cmocka_unit_test(sums_of_prices_are_exact),
		cmocka_unit_test(batch_is_bounded_by_its_share_of_tokens),
		cmocka_unit_test(overflowing_sum_is_an_error),
		cmocka_unit_test(reservation_is_never_below_the_cost),
		cmocka_unit_test(reservation_leaves_out_impossible_usage),
		cmocka_unit_test(requested_options_determine_the_price),
		cmocka_unit_test(service_tiers_are_read_as_providers_write_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
