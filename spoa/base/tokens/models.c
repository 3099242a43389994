/* Finds the family of a model and its limits by the patterns of the table (models.h), and
 * determines the script of a text by its lead bytes: prose, source code, Han or another
 * script. A pattern that is more specific takes precedence, and a model's versions count as
 * the model. */
#include "base/tokens/models.h"

#include "base/among.h"
#include "base/price/price.h"

const char *const text_script_names[TEXT_SCRIPTS] = { "latin", "code", "cjk", "other" };

const char *const efforts[] = { "none", "minimal", "low", "medium", "high", "xhigh", "max",
	NULL };

enum { SAMPLE = 4096 };

/* Chooses by letters of scripts without spaces between words, other letters beyond Latin, or
 * signs. Lead bytes are enough: E3 to ED are Chinese, Japanese and Korean; C2 to CB are Latin
 * letters, punctuation and marks. */
enum text_script
text_script(struct span text)
{
	size_t n = text.n < SAMPLE ? text.n : SAMPLE, han = 0, other = 0, signs = 0, ascii = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if (c >= 0x80) {
			han += c >= 0xE3 && c <= 0xED;
			other += (c >= 0xCC && c <= 0xE1) || c >= 0xEE;
			continue;
		}
		ascii++;
		signs += (c > ' ' && c < '0') || (c > '9' && c < 'A') || (c > 'Z' && c < 'a') ||
			 c > 'z';
		signs -= c == '.' || c == ',' || c == '\'' || c == '-';
	}
	if (han * 3 > n / 4)
		return SCRIPT_HAN;
	if (other * 2 > n / 4)
		return SCRIPT_ELSE;
	return signs * 16 > ascii ? SCRIPT_SOURCE : SCRIPT_PROSE;
}

const struct token_family *
token_family_of(const struct token_models *m, struct span model)
{
	model = span_cut(model, span_behind(model, '/'), model.n);
	for (size_t i = 0; i < m->nmodels && model.n; i++)
		if (price_matches(m->models[i].pattern, model))
			return m->models[i].family;
	return m->unknown;
}

/* The rows that state a property of a model; NULL: none does. */
struct size_rows {
	const struct model_size *window, *output, *rate, *effort, *sampling, *custom;
};

/* Finds the rows of a name. `version`: the name is the base of one of its versions, for which
 * patterns that end in * were already tried. */
static void
sizes_of(const struct token_models *m, struct span model, bool version, struct size_rows *of)
{
	for (size_t i = 0; i < m->nsizes; i++) {
		const struct model_size *s = &m->sizes[i];
		if ((version && span_ends(span_str(s->model), SPAN_LIT("*"))) ||
			!price_matches(s->model, model))
			continue;
		if (s->window && (!of->window || price_within(s->model, of->window->model)))
			of->window = s;
		if (s->output && (!of->output || price_within(s->model, of->output->model)))
			of->output = s;
		if (s->rate && (!of->rate || price_within(s->model, of->rate->model)))
			of->rate = s;
		if (s->effort.takes &&
			(!of->effort || price_within(s->model, of->effort->model)))
			of->effort = s;
		if (s->fixed_sampling)
			of->sampling = s;
		if (s->custom_tools)
			of->custom = s;
	}
}

struct model_size
model_size_of(const struct token_models *m, struct span model)
{
	struct size_rows of = { 0 };
	size_t n;

	model = price_bare_name(model);
	sizes_of(m, model, false, &of);
	while ((n = price_version(model)) > 0) {
		model.n -= n;
		sizes_of(m, model, true, &of);
	}
	return (struct model_size){ .window = of.window ? of.window->window : 0,
		.output = of.output ? of.output->output : 0,
		.rate = of.rate ? of.rate->rate : MODEL_RATE_DEFAULT,
		.fixed_sampling = of.sampling,
		.custom_tools = of.custom,
		.effort = of.effort ? of.effort->effort
				    : (struct model_effort){ .takes = EFFORT_ANY } };
}
