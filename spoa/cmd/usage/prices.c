/* tollgate prices check: lists the models and units that records use and that have no price in
 * the policy's price lists.
 *
 * tollgate prices import: merges a public list of prices into a price file. Each imported row
 * ends in "# imported"; an import replaces only these rows. It adds no row for a model that
 * another row of the file already matches. Two formats are read: the data of
 * @pydantic/genai-prices, where a name in starts_with may end in a version, and LiteLLM's
 * model_prices_and_context_window. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/replace.h"
#include "cmd/cmd.h"
#include "cmd/plain.h"
#include "cmd/records/recorded.h"
#include "cmd/usage/usage.h"
#include "policy/policy.h"
#include "policy/prices.h"
#include "policy/route.h"
#include "policy/target.h"

/* ---- prices import ---- */

#define MARK " # imported"
#define HEAD "# Imported rows: "

enum { NAMES_MAX = 24, ROWS_MAX = 4096 };

/* Which price of the public list becomes which price of our row, multiplied by the factor. */
struct kind {
	const char *ours, *theirs;
	double factor;
};

/* genai-prices states prices for a million tokens, or for a thousand searches or requests. */
static const struct kind genai_kinds[] = { { "input", "input_mtok", 1 },
	{ "cached", "cache_read_mtok", 1 }, { "cache_write", "cache_write_mtok", 1 },
	{ "cache_write_1h", "cache_write_1h_mtok", 1 },
	{ "audio_input", "input_audio_mtok", 1 }, { "image_input", "input_image_mtok", 1 },
	{ "cached_audio", "cache_audio_read_mtok", 1 },
	{ "cached_image", "cache_image_read_mtok", 1 },
	{ "output", "output_mtok", 1 }, { "reasoning", "output_reasoning_mtok", 1 },
	{ "audio_output", "output_audio_mtok", 1 }, { "image_output", "output_image_mtok", 1 },
	{ "search", "web_searches_kcount", 1e-3 },
	{ "file_search", "storage_searches_kcount", 1e-3 },
	{ "request", "requests_kcount", 1e-3 } };

/* LiteLLM states prices for one token, image, second, character or request. */
static const struct kind litellm_kinds[] = { { "input", "input_cost_per_token", 1e6 },
	{ "cached", "cache_read_input_token_cost", 1e6 },
	{ "cache_write", "cache_creation_input_token_cost", 1e6 },
	{ "cache_write_1h", "cache_creation_input_token_cost_above_1hr", 1e6 },
	{ "audio_input", "input_cost_per_audio_token", 1e6 },
	{ "output", "output_cost_per_token", 1e6 },
	{ "reasoning", "output_cost_per_reasoning_token", 1e6 },
	{ "audio_output", "output_cost_per_audio_token", 1e6 },
	{ "image", "output_cost_per_image", 1 }, { "second", "input_cost_per_second", 1 },
	{ "character", "input_cost_per_character", 1 },
	{ "request", "input_cost_per_request", 1 } };

/* The providers' names in the public lists, and our name for each. */
static const struct {
	const char *theirs, *ours;
} providers[] = { { "openai", "openai" }, { "anthropic", "anthropic" }, { "google", "gemini" },
	{ "gemini", "gemini" }, { "vertex_ai-language-models", "gemini" }, { "aws", "bedrock" },
	{ "bedrock", "bedrock" }, { "bedrock_converse", "bedrock" }, { "mistral", "mistral" },
	{ "cohere", "cohere" }, { "cohere_chat", "cohere" } };

struct made {
	const char *provider;
	struct buf line;
};

struct import {
	const char *file, *source;
	struct buf own;		     /* the file without imported rows */
	struct buf old;		     /* the imported rows, each as "PROVIDER\tLINE\n" */
	const struct prices *prices; /* the prices in `own` */
	struct made *rows;
	size_t nrows, kept, skipped, lists;
	json_t *seen; /* "PROVIDER MODEL": index of the first model with this name */
	struct arena a;
};

static const char *
provider_of(const char *theirs)
{
	for (size_t i = 0; i < COUNT_OF(providers); i++)
		if (theirs && !strcmp(theirs, providers[i].theirs))
			return providers[i].ours;
	return NULL;
}

/* ---- rows ---- */

/* Writes a price in US dollars without exponent, sign and trailing zeros. */
static void
put_price(struct buf *b, const char *name, double v, bool each)
{
	char text[64];
	int n = snprintf(text, sizeof(text), each ? "%.9f" : "%.6f", v);

	while (n > 1 && text[n - 1] == '0')
		n--;
	if (text[n - 1] == '.')
		n--;
	buf_printf(b, ", %s: %.*s", name, n, text);
}

static double
base_of(const json_t *v)
{
	return json_number_value(json_is_object(v) ? json_object_get(v, "base") : v);
}

static bool
is_each(const char *name)
{
	for (enum price_kind k = 0; k < PRICE_KINDS; k++)
		if (!strcmp(name, price_names[k]))
			return price_of(k) == PRICE_EACH;
	return false;
}

/* Removes the version, or a part of it, from the end of a starts_with name. */
static struct span
stem_of(struct span s)
{
	size_t at = s.n;

	while (at > 0 && is_digit(s.p[at - 1]))
		at--;
	if (at > 1 && s.n - at >= 2 && s.p[at - 1] == '-' && !memcmp(s.p + at, "20", 2))
		s.n = at - 1;
	while (s.n && (s.p[s.n - 1] == '-' || s.p[s.n - 1] == '@'))
		s.n--;
	return s;
}

struct names {
	struct span v[NAMES_MAX];
	size_t n;
};

static void
add_name(struct import *m, struct names *names, const char *provider, struct span s,
	size_t model)
{
	char key[PRICE_PATTERN_MAX + 32];

	if (!s.n || s.n > PRICE_PATTERN_MAX || !span_is_alnum(s, "-._:/@") ||
		names->n == NAMES_MAX)
		return;
	for (size_t i = 0; i < names->n; i++)
		if (span_eq(names->v[i], s))
			return;
	snprintf(key, sizeof(key), "%s %.*s", provider, SPAN_ARG(s));
	json_t *was = json_object_get(m->seen, key);
	if (was && (size_t)json_integer_value(was) != model)
		return; /* an earlier model of the list has this name */
	json_object_set_new(m->seen, key, json_integer((json_int_t)model));
	names->v[names->n++] = s;
}

/* Adds the names in equals and starts_with, alone or within an `or`. For other conditions, the
 * caller uses the model's id. */
static void
add_match(struct import *m, struct names *names, const char *provider, const json_t *match,
	size_t model)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(match, "or"), i, one)
		add_match(m, names, provider, one, model);
	const char *same = json_str_in(match, "equals"),
		   *begins = json_str_in(match, "starts_with");
	if (same)
		add_name(m, names, provider, span_str(same), model);
	if (begins)
		add_name(m, names, provider, stem_of(span_str(begins)), model);
}

/* Prints the prices of the file's own row that the list has with another value. The own row
 * applies. */
static void
say_own(const struct price_row *own, const char *provider, struct span name,
	const struct kind *kinds, size_t nkinds, const json_t *prices)
{
	SCOPED_BUF(yours, 0);
	SCOPED_BUF(theirs, 0);
	for (size_t i = 0; i < nkinds; i++) {
		const json_t *v = json_object_get(prices, kinds[i].theirs);
		bool each = is_each(kinds[i].ours);
		double unit = each ? 1e12 : 1e6, usd = base_of(v) * kinds[i].factor;
		enum price_kind k = 0;
		while (k < PRICE_KINDS - 1 && strcmp(kinds[i].ours, price_names[k]) != 0)
			k++;
		double diff = (double)own->rates.pico[k] - usd * unit;
		if (!v || !(own->rates.has >> k & 1) || (diff > -1 && diff < 1))
			continue;
		put_price(&yours, kinds[i].ours, (double)own->rates.pico[k] / unit, each);
		put_price(&theirs, kinds[i].ours, usd, each);
	}
	if (yours.n)
		printf("= %s %.*s: your row has %.*s, the list has %.*s\n", provider,
			SPAN_ARG(name), SPAN_ARG(span_cut(buf_view(&yours), 2, yours.n)),
			SPAN_ARG(span_cut(buf_view(&theirs), 2, theirs.n)));
}

/* Drops each name that is another name of the model plus a version, and each name that a row of
 * the file's owner matches. */
static void
drop_names(struct import *m, struct names *names, const char *provider,
	const struct kind *kinds, size_t nkinds, const json_t *prices)
{
	const struct price_list *l = prices_list(m->prices, span_str(provider), SPAN_LIT(""));
	size_t kept = 0;

	for (size_t i = 0; i < names->n; i++) {
		struct span base = names->v[i];
		bool version = false;
		for (size_t n; !version && (n = price_version(base)) > 0;) {
			base.n -= n;
			for (size_t k = 0; k < names->n && !version; k++)
				version = span_eq(names->v[k], base);
		}
		const struct price_row *own = price_find(l, names->v[i], clock_wall_ns());
		bool theirs = own && strcmp(own->model, "*") != 0;
		m->kept += theirs;
		if (theirs && !version)
			say_own(own, provider, names->v[i], kinds, nkinds, prices);
		if (!version && !theirs)
			names->v[kept++] = names->v[i];
	}
	names->n = kept;
}

static struct buf *
begin_row(struct import *m, const char *provider, const struct names *names, const char *from)
{
	if (m->nrows == ROWS_MAX)
		return NULL;
	struct made *r = &m->rows[m->nrows++];
	r->provider = provider;
	buf_init(&r->line, 0);
	buf_str(&r->line, names->n > 1 ? "    - {model: [" : "    - {model: ");
	for (size_t i = 0; i < names->n; i++)
		buf_printf(&r->line, "%s\"%.*s\"", i ? ", " : "", SPAN_ARG(names->v[i]));
	buf_str(&r->line, names->n > 1 ? "]" : "");
	if (from)
		buf_printf(&r->line, ", from: %s", from);
	return &r->line;
}

static void
say_skipped(struct import *m, const char *provider, struct span name, const char *why)
{
	SCOPED_BUF(shown, 0);
	plain_put(&shown, name, 80);
	printf("? %s %.*s: %s\n", provider, SPAN_ARG(buf_view(&shown)), why);
	m->skipped++;
}

/* ---- genai-prices ---- */

/* Returns the price that applies to a prompt of more than `over` tokens. */
static double
price_over(const json_t *v, json_int_t over)
{
	double found = base_of(v);
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(v, "tiers"), i,
		one) if (json_int_in(one, "start") <= over) found =
		json_number_value(json_object_get(one, "price"));
	return found;
}

static void
put_genai_tiers(struct buf *b, json_t *prices)
{
	json_int_t last = 0;
	size_t n = 0;

	for (;; n++) {
		json_int_t next = 0;
		const char *name;
		json_t *v, *one;
		size_t i;
		json_object_foreach(prices, name, v)
			json_array_foreach(json_object_get(v, "tiers"), i, one)
		{
			json_int_t at = json_int_in(one, "start");
			if (at > last && (!next || at < next))
				next = at;
		}
		if (!next || n == PRICE_TIERS_MAX)
			break;
		buf_printf(b, "%s{over: %lld", n ? ", " : ", tiers: [", (long long)next);
		for (size_t k = 0; k < COUNT_OF(genai_kinds); k++)
			if ((v = json_object_get(prices, genai_kinds[k].theirs)) &&
				!is_each(genai_kinds[k].ours))
				put_price(b, genai_kinds[k].ours, price_over(v, next), false);
		if (!json_object_get(prices, "output_mtok"))
			buf_str(b, ", output: 0");
		buf_putc(b, '}');
		last = next;
	}
	if (n)
		buf_putc(b, ']');
}

static void
import_genai_prices(struct import *m, const char *provider, const struct names *names,
	json_t *prices, const char *from)
{
	const json_t *v;
	struct buf *b;

	if (!json_object_get(prices, "input_mtok")) {
		say_skipped(m, provider, names->v[0], "the list does not price it by tokens");
		return;
	}
	if (!(b = begin_row(m, provider, names, from)))
		return;
	for (size_t k = 0; k < COUNT_OF(genai_kinds); k++)
		if ((v = json_object_get(prices, genai_kinds[k].theirs)))
			put_price(b, genai_kinds[k].ours, base_of(v) * genai_kinds[k].factor,
				is_each(genai_kinds[k].ours));
	if (!json_object_get(prices, "output_mtok"))
		buf_str(b, ", output: 0");
	put_genai_tiers(b, prices);
	buf_str(b, "}" MARK "\n");
}

/* Returns the prices of a model that apply today. If several have begun, the last one
 * applies. */
static const json_t *
genai_today(const json_t *prices)
{
	char now[CLOCK_SECOND_LEN];
	const json_t *one, *found = json_is_object(prices) ? prices : NULL;
	size_t i;

	clock_second(clock_wall_ns(), now);
	json_array_foreach(json_is_array(prices) ? prices : NULL, i, one)
	{
		const json_t *when = json_object_get(one, "constraint");
		const char *from = json_str_in(when, "start_date");
		if (!when || (from && strncmp(from, now, 10) <= 0))
			found = json_object_get(one, "prices");
	}
	return found;
}

static void
import_genai(struct import *m, json_t *list)
{
	json_t *provider, *model, *one;
	size_t i, k, p, count = 0;

	json_array_foreach(list, i, provider)
	{
		const char *ours = provider_of(json_str_in(provider, "id"));
		json_array_foreach(ours ? json_object_get(provider, "models") : NULL, k, model)
		{
			json_t *prices = json_object_get(model, "prices");
			struct names names = { .n = 0 };
			const char *id = json_str_in(model, "id");
			add_name(m, &names, ours, span_str(id ? id : ""), ++count);
			add_match(m, &names, ours, json_object_get(model, "match"), count);
			drop_names(m, &names, ours, genai_kinds, COUNT_OF(genai_kinds),
				genai_today(prices));
			if (!names.n)
				continue;
			if (json_is_object(prices) && json_object_size(prices))
				import_genai_prices(m, ours, &names, prices, NULL);
			json_array_foreach(json_is_array(prices) ? prices : NULL, p, one)
			{
				json_t *when = json_object_get(one, "constraint");
				const char *from = json_str_in(when, "start_date");
				int64_t ns;
				if (when && (!from || clock_parse_day(from, strlen(from), &ns)))
					say_skipped(m, ours, names.v[0],
						"its price depends on the time of day");
				else
					import_genai_prices(m, ours, &names,
						json_object_get(one, "prices"), from);
			}
		}
	}
}

/* ---- LiteLLM ---- */

/* LiteLLM has a member for each tier, such as input_cost_per_token_above_200k_tokens. */
static void
put_litellm_tiers(struct buf *b, json_t *o)
{
	static const unsigned sizes[] = { 128, 200, 256, 272, 512 };
	char name[96];
	size_t n = 0;

	for (size_t i = 0; i < COUNT_OF(sizes) && n < PRICE_TIERS_MAX; i++) {
		snprintf(name, sizeof(name), "input_cost_per_token_above_%uk_tokens", sizes[i]);
		if (!json_object_get(o, name))
			continue;
		buf_printf(b, "%s{over: %u000", n++ ? ", " : ", tiers: [", sizes[i]);
		for (size_t k = 0; k < COUNT_OF(litellm_kinds); k++) {
			const json_t *v = json_object_get(o, litellm_kinds[k].theirs);
			if (is_each(litellm_kinds[k].ours) ||
				(!v && strcmp(litellm_kinds[k].ours, "output") != 0))
				continue;
			snprintf(name, sizeof(name), "%s_above_%uk_tokens",
				litellm_kinds[k].theirs, sizes[i]);
			const json_t *tier = json_object_get(o, name);
			put_price(b, litellm_kinds[k].ours,
				json_number_value(tier ? tier : v) * litellm_kinds[k].factor,
				false);
		}
		buf_putc(b, '}');
	}
	if (n)
		buf_putc(b, ']');
}

static void
import_litellm(struct import *m, json_t *list)
{
	const char *name;
	size_t count = 0;
	json_t *o;

	json_object_foreach(list, name, o)
	{
		const char *ours = provider_of(json_str_in(o, "litellm_provider"));
		const char *slash = strrchr(name, '/');
		struct names names = { .n = 0 };
		const json_t *v, *half = json_object_get(o, "input_cost_per_token_batches");
		struct buf *b;
		if (!ours || !strcmp(name, "sample_spec"))
			continue;
		add_name(m, &names, ours, span_str(slash ? slash + 1 : name), ++count);
		drop_names(m, &names, ours, litellm_kinds, COUNT_OF(litellm_kinds), o);
		if (!names.n)
			continue;
		v = json_object_get(o, "input_cost_per_token");
		if (!v && !json_object_get(o, "input_cost_per_second") &&
			!json_object_get(o, "input_cost_per_character")) {
			say_skipped(m, ours, names.v[0],
				"the list does not price it by tokens, seconds or characters");
			continue;
		}
		if (!(b = begin_row(m, ours, &names, NULL)))
			return;
		for (size_t k = 0; k < COUNT_OF(litellm_kinds); k++) {
			const struct kind *kind = &litellm_kinds[k];
			const json_t *one = json_object_get(o, kind->theirs);
			if (one || !strcmp(kind->ours, "input") ||
				!strcmp(kind->ours, "output"))
				put_price(b, kind->ours, json_number_value(one) * kind->factor,
					is_each(kind->ours));
		}
		if (half && json_number_value(v) > 0)
			buf_printf(b, ", batch: %.0f%%",
				100 * json_number_value(half) / json_number_value(v));
		put_litellm_tiers(b, o);
		buf_str(b, "}" MARK "\n");
	}
}

/* ---- the file ---- */

/* Returns the name of the price list that the line begins (" openai:" below `providers:`), or
 * an empty span. */
static struct span
list_of_line(struct span line)
{
	if (line.n < 4 || !span_starts(line, SPAN_LIT("  ")) || line.p[2] == ' ' ||
		line.p[2] == '#' || line.p[2] == '-')
		return span_of(NULL, 0);
	return span_trim(span_cut(line, 2, span_chr(line, ':')), "\"' ");
}

/* Separates the rows of the file's owner from the rows of an earlier import. */
static void
read_price_lines(struct import *m, struct span text)
{
	struct span list = { NULL, 0 };

	while (text.n) {
		struct span line = span_next(&text, '\n'), name = list_of_line(line);
		if (name.n)
			list = name;
		if (name.n && span_ends(line, SPAN_LIT(MARK)))
			continue; /* this list has imported rows only */
		m->lists += name.n > 0;
		if (span_ends(line, SPAN_LIT(MARK)) && list.n)
			buf_printf(&m->old, "%.*s\t%.*s\n", SPAN_ARG(list), SPAN_ARG(line));
		else if (!span_starts(line, SPAN_LIT(HEAD)))
			buf_printf(&m->own, "%.*s\n", SPAN_ARG(line));
	}
}

static void
put_rows(const struct import *m, struct span list, bool *done, struct buf *out)
{
	for (size_t i = 0; i < m->nrows; i++)
		if (span_is(list, m->rows[i].provider) && !done[i]) {
			buf_span(out, buf_view(&m->rows[i].line));
			done[i] = true;
		}
}

/* Writes the new rows of this list. With `last`, also writes the lists that the file does not
 * have yet. */
static void
end_list(const struct import *m, struct span list, bool last, bool *done, struct buf *out)
{
	put_rows(m, list, done, out);
	for (size_t i = 0; last && i < m->nrows; i++) {
		if (done[i])
			continue;
		buf_printf(out, "  %s:" MARK "\n", m->rows[i].provider);
		put_rows(m, span_str(m->rows[i].provider), done, out);
	}
}

/* Writes the whole file. The new rows of a list follow its own rows, before the empty lines and
 * comments at its end. */
static void
compose(const struct import *m, struct buf *out)
{
	struct span text = buf_view(&m->own), list = { NULL, 0 };
	bool *done = calloc(m->nrows + 1, sizeof(*done)), within = false;

	SCOPED_BUF(wait, 0);
	char now[CLOCK_SECOND_LEN];
	clock_second(clock_wall_ns(), now);
	buf_printf(out, HEAD "from %s, %.10s\n", m->source, now);
	while (done && text.n) {
		struct span line = span_next(&text, '\n'), name = list_of_line(line);
		struct span bare = span_trim(line, " ");
		bool top = line.n && line.p[0] != ' ' && line.p[0] != '#';
		if (within && (name.n || top))
			end_list(m, list, top, done, out);
		if (name.n)
			list = name;
		if (top) {
			within = span_starts(line, SPAN_LIT("providers:"));
			list = span_of(NULL, 0);
		}
		if (within && !top && (!bare.n || bare.p[0] == '#')) {
			buf_printf(&wait, "%.*s\n", SPAN_ARG(line));
			continue;
		}
		buf_span(out, buf_view(&wait));
		buf_clear(&wait);
		buf_printf(out, "%.*s\n", SPAN_ARG(line));
	}
	if (done && within)
		end_list(m, list, true, done, out);
	buf_span(out, buf_view(&wait));
	free(done);
}

/* Returns true if a line of `text` begins with `begin`. */
static bool
has_line(struct span text, struct span begin)
{
	while (text.n)
		if (span_starts(span_next(&text, '\n'), begin))
			return true;
	return false;
}

/* Prints each line of `a` that is not in `b`, after the sign, and returns their number. Adds to
 * *gone the number of those for whose models `b` has no row at all. */
static size_t
print_other(char sign, struct span a, struct span b, size_t *gone)
{
	size_t n = 0;

	while (a.n) {
		struct span line = span_next(&a, '\n');
		if (has_line(b, line))
			continue;
		const char *prices = memmem(line.p, line.n, ", input: ", 9);
		*gone +=
			!prices || !has_line(b, span_of(line.p, (size_t)(prices - line.p) + 9));
		struct span list = span_next(&line, '\t');
		line = span_trim(span_cut(line, 0, line.n - strlen(MARK)), " ");
		printf("%c %.*s: %.*s\n", sign, SPAN_ARG(list),
			SPAN_ARG(span_cut(line, 2, line.n)));
		n++;
	}
	return n;
}

static void
print_changes(const struct import *m, bool write)
{
	size_t gone = 0, added = 0;

	SCOPED_BUF(now, 0);
	for (size_t i = 0; i < m->nrows; i++)
		buf_printf(&now, "%s\t%.*s", m->rows[i].provider,
			SPAN_ARG(buf_view(&m->rows[i].line)));
	print_other('-', buf_view(&m->old), buf_view(&now), &gone);
	size_t n = print_other('+', buf_view(&now), buf_view(&m->old), &added);
	fprintf(stderr,
		"tollgate: prices import: %zu row%s, new: %zu, changed: %zu; removed rows of "
		"an earlier import: %zu; names that your own rows have: %zu; left out: %zu%s\n",
		m->nrows, m->nrows == 1 ? "" : "s", added, n - added, gone, m->kept, m->skipped,
		write ? "" : "; nothing is written without --write");
}

/* Writes the text to a temporary file and reads it as prices. Returns NULL after a message;
 * otherwise the caller calls replace_place() or replace_drop(). */
static const struct prices *
load_text(struct arena *a, const char *file, struct span text, int *fd)
{
	char made[PATH_MAX + sizeof(REPLACE_SUFFIX)];
	const struct prices *p = NULL;

	SCOPED_BUF(why, 8192);
	SCOPED_DIAG(d);
	snprintf(made, sizeof(made), "%s" REPLACE_SUFFIX, file);
	*fd = replace_begin(AT_FDCWD, file, 0644, &why);
	if (*fd < 0 || replace_write(*fd, file, text, &why))
		cmd_fail("prices import", "%.*s", SPAN_ARG(buf_view(&why)));
	else if (!(p = prices_load(a, made, &d, NULL)))
		cmd_fail("prices import", "the result would not be a valid price list:\n%.*s",
			SPAN_ARG(buf_view(&d.text)));
	return p;
}

static int
lay(struct import *m, json_t *list, bool write, int *fd)
{
	if (m->lists && !(m->prices = load_text(&m->a, m->file, buf_view(&m->own), fd)))
		return EXIT_CANNOT;
	if (m->lists) {
		replace_drop(AT_FDCWD, m->file);
		close(*fd);
		*fd = -1;
	}
	if (json_is_array(list))
		import_genai(m, list);
	else
		import_litellm(m, list);
	if (m->nrows + m->kept == 0)
		return cmd_fail("prices import",
			"the list has no row that can be imported (%zu left out): check that "
			"it is a list of prices; %s was not changed",
			m->skipped, m->file);
	SCOPED_BUF(why, 8192);
	SCOPED_BUF(out, 0);
	compose(m, &out);
	SCOPED_ARENA(checked, 64u << 20, false);
	int code = load_text(&checked, m->file, buf_view(&out), fd) ? EXIT_DONE : EXIT_CANNOT;
	if (code == EXIT_DONE)
		print_changes(m, write);
	if (code == EXIT_DONE && write)
		code = cmd_failed(
			"prices import", replace_place(AT_FDCWD, m->file, *fd, &why), &why);
	return code;
}

static int
prices_import(int argc, char **argv)
{
	const char *source = NULL, *into = "prices.yaml";
	bool write = false;
	const struct cmd_option options[] = { { "into", .text = &into },
		{ "source", .text = &source }, { "write", .flag = &write }, { .name = NULL } };
	struct import m = { .seen = json_object() };
	char **operands;
	json_error_t why;
	int code = EXIT_CANNOT;
	SCOPED_FD(fd, -1);

	if (cmd_options("prices import", argc, argv, options, &operands) != 1)
		return cmd_usage("prices import");
	json_auto_t *list = json_load_file(operands[0], JSON_REJECT_DUPLICATES, &why);
	m.file = into;
	m.source = source ? source : operands[0];
	m.rows = calloc(ROWS_MAX, sizeof(*m.rows));
	arena_init(&m.a, 64u << 20, false);
	buf_init(&m.own, 0);
	buf_init(&m.old, 0);
	SCOPED_BUF(text, 0);
	if (!list || (!json_is_array(list) && !json_is_object(list)))
		cmd_fail("prices import", "%s:%d: %s", operands[0], why.line,
			list ? "a list of providers, or an object of models, is expected"
			     : why.text);
	else if (access(into, F_OK) < 0 && errno == ENOENT)
		buf_str(&text, "prices: 1\nproviders:\n");
	else if (cmd_read_file(into, &text))
		buf_clear(&text);
	read_price_lines(&m, buf_view(&text));
	if (list && text.n && m.rows)
		code = lay(&m, list, write, &fd);
	if (fd >= 0)
		replace_drop(AT_FDCWD, into);
	for (size_t i = 0; i < m.nrows; i++)
		buf_free(&m.rows[i].line);
	free(m.rows);
	buf_free(&m.own);
	buf_free(&m.old);
	arena_reset(&m.a);
	json_decref(m.seen);
	return code;
}

/* ---- prices check ---- */

struct check {
	struct usage_table used;
	struct policy_alone policy;
	size_t models, missing;
};

/* Units that are counted individually. No other price applies to a unit that has none. */
static const struct {
	enum usage_sum sum;
	enum price_kind kind;
} pieces[] = { { SUM_IMAGES, PRICE_IMAGES }, { SUM_SEARCHES, PRICE_SEARCHES },
	{ SUM_SESSIONS, PRICE_SESSIONS } };

static void
read_price_record(void *arg, struct span line)
{
	struct check *c = arg;

	usage_add(&c->used, line, (struct span){ NULL, 0 });
}

/* Decodes a JSON string of a record. The arena owns the result. */
static struct span
usage_price_text(struct span raw, struct arena *a)
{
	json_auto_t *v = raw.n ? json_loadb(raw.p, raw.n, JSON_DECODE_ANY, NULL) : NULL;
	struct span s = { NULL, 0 };

	if (json_is_string(v))
		s = arena_dup(a, span_of(json_string_value(v), json_string_length(v)));
	return s;
}

/* Returns the price list of the provider on any route of the policy, or the list that a
 * provider of this name would have. If the policy has no providers, its records name none. Then
 * the result is the first list of the route's targets that has a price for the model. Returns
 * NULL if there is none. */
static const struct price_list *
price_list_of(
	const struct policy *p, struct span route, struct span provider, struct span model)
{
	const struct price_list *found = NULL;

	for (size_t i = 0; i < p->nroutes; i++)
		for (size_t k = 0; k < p->routes[i].ntargets; k++) {
			const struct target *t = &p->routes[i].targets[k];
			bool here = span_is(route, p->routes[i].name);
			if (span_is(provider, t->known) && (!found || here))
				found = t->prices;
			else if (!provider.n && !found && here &&
				 price_find(t->prices, model, clock_wall_ns()))
				found = t->prices;
		}
	return found || !provider.n
		       ? found
		       : prices_list(p->prices, provider, (struct span){ NULL, 0 });
}

static void
say_price(struct check *c, struct span route, struct span provider, struct span model,
	const struct usage_group *g, const char *what)
{
	SCOPED_BUF(raw, 0);
	buf_printf(&raw, "%.*s%s%.*s: %s: %llu requests by route %.*s", SPAN_ARG(provider),
		provider.n ? " " : "", SPAN_ARG(model), what,
		(unsigned long long)g->of.sum[SUM_REQUESTS], SPAN_ARG(route));
	if (g->of.sum[SUM_NO_PRICE])
		buf_printf(&raw, ", %llu of which were refused for this",
			(unsigned long long)g->of.sum[SUM_NO_PRICE]);
	SCOPED_BUF(shown, 0);
	plain_put(&shown, buf_view(&raw), SIZE_MAX);
	printf("%.*s\n", SPAN_ARG(buf_view(&shown)));
	c->missing++;
}

static void
check_group(struct check *c, const struct usage_group *g, struct arena *a)
{
	const struct policy *p = c->policy.p;
	struct span key = span_of(g->key, g->n), raw = span_next(&key, '\0'),
		    route = usage_price_text(raw, a),
		    provider = usage_price_text(span_next(&key, '\0'), a),
		    model = usage_price_text(span_next(&key, '\0'), a);
	char what[96];

	/* A model is not listed if all requests with it were refused. */
	if (!model.n ||
		(g->of.sum[SUM_REQUESTS] == g->of.sum[SUM_REFUSED] && !g->of.sum[SUM_NO_PRICE]))
		return;
	c->models++;
	const struct price_row *row =
		price_find(price_list_of(p, route, provider, model), model, clock_wall_ns());
	if (!row) {
		say_price(c, route, provider, model, g,
			p->unknown_price ? "no price of its own, unknown_price counts"
					 : "no price");
		return;
	}
	for (size_t i = 0; i < COUNT_OF(pieces); i++) {
		if (!g->of.sum[pieces[i].sum] || row->rates.has >> pieces[i].kind & 1)
			continue;
		snprintf(what, sizeof(what), "%s: no price, but %llu were used",
			price_names[pieces[i].kind],
			(unsigned long long)g->of.sum[pieces[i].sum]);
		say_price(c, route, provider, model, g, what);
	}
}

/* Warns of patterns such as "gpt-*": a new model that matches gets the price of an older
 * one. */
static void
warn_of_stars(const struct prices *p)
{
	for (size_t i = 0; i < p->nlists; i++)
		for (size_t k = 0; k < p->lists[i].nrows; k++) {
			const char *m = p->lists[i].rows[k].model, *star = strchr(m, '*');
			while (star && (star == m || !is_digit(star[-1])))
				star = strchr(star + 1, '*');
			if (star)
				cmd_fail("prices check",
					"%s: %s %s: * after a digit also matches newer models: "
					"name the version, which includes its dates and "
					"-latest",
					p->file, p->lists[i].name, m);
		}
}

static int
check_all(struct check *c)
{
	const struct policy *p = c->policy.p;

	if (c->used.no_memory)
		return cmd_fail("prices check", "out of memory");
	if (c->used.full)
		return cmd_fail("prices check", "more than %u models: give a later --since",
			CAP_USAGE_GROUPS);
	usage_sort(&c->used);
	for (size_t i = 1; i < c->used.ngroups; i++) {
		SCOPED_ARENA(a, 16u << 20, false);
		check_group(c, &c->used.group[i], &a);
	}
	if (!c->missing)
		printf("all %zu models in %llu requests have a price in %s%s%s\n", c->models,
			(unsigned long long)c->used.total.sum[SUM_REQUESTS], p->prices->file,
			p->prices->as_of[0] ? ", as of " : "", p->prices->as_of);
	return c->missing ? EXIT_NO : EXIT_DONE;
}

static int
check_prices(int argc, char **argv)
{
	const char *policy = NULL;
	struct check c = { .used = { .by = { BY_ROUTE, BY_PROVIDER, BY_MODEL }, .nby = 3 } };
	struct query q = {
		.what = "prices check", .within = true, .arg = &c, .line = read_price_record
	};
	const struct cmd_option options[] = { QUERY_SOURCE(&q), QUERY_TIMES(&q),
		{ "policy", .text = &policy }, { .name = NULL } };
	char **operands;

	if (cmd_options(q.what, argc, argv, options, &operands) != 0 ||
		!!q.journal + !!q.redis + !!q.file > 1)
		return cmd_usage(q.what);
	int code = query_times(&q);
	if (code)
		return code;
	if (!policy_alone_load(&c.policy, q.what, q.config, policy))
		code = EXIT_CANNOT;
	else if (!c.policy.p->prices)
		code = cmd_fail(q.what, "%s: the policy names no price file", c.policy.p->file);
	else
		warn_of_stars(c.policy.p->prices);
	if (!code && usage_table_init(&c.used))
		code = cmd_fail(q.what, "out of memory");
	code = code ? code : query_source(&q);
	code = code ? code : query_run(&q);
	code = code ? code : check_all(&c);
	policy_alone_free(&c.policy);
	usage_table_free(&c.used);
	return query_end(&q, code);
}

int
cmd_prices(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "import"))
		return prices_import(argc - 1, argv + 1);
	if (argc < 2 || strcmp(argv[1], "check") != 0)
		return cmd_usage("prices");
	return check_prices(argc - 1, argv + 1);
}
