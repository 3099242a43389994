/* Reads policies/models.yaml: families of tokenizers (how tokens are counted), the models of
 * each family, and the sizes of each model's window and output. tokens_load() also opens the
 * files of ranks that exact counts need. */
#include "policy/config/models.h"

#include <math.h>
#include <stddef.h>

#include "base/err.h"
#include "base/price/price.h"
#include "base/scoped.h"
#include "policy/config/read.h"

enum {
	FAMILIES_MAX = 64,
	MODELS_MAX = 1024,
	TOKENS_MAX = 1000000,
	SIZE_MAX_TOKENS = 1000000000
};

/* clang-format off */
static const struct {
	const char *key;
	size_t at;
} numbers[] = {
#define X(field, key, help) { key, offsetof(struct token_family, field) },
	FAMILY_TABLE(X)
#undef X
};

static const char *const family_keys[] = {
	"like", "encoding", "otherwise", "exact", "latin", "code", "cjk", "other",
#define X(field, key, help) key,
	FAMILY_TABLE(X)
#undef X
	NULL };
/* clang-format on */
static const char *const top_keys[] = { "families", "models", "unknown", NULL };
static const char *const model_keys[] = { "model", "family", "window", "output", "rate",
	"effort", "sampling", "custom_tools", NULL };

/* State of one models_load() call. Lives on its stack; families are in the arena. */
struct reader {
	struct arena *a;
	struct diag *d;
	struct token_family *families;
	size_t nfamilies;
};

/* Returns a family that was read before, or NULL after it reported an error. */
static const struct token_family *
find_token_family(const struct reader *r, const struct yaml_node *n, const char *what)
{
	struct nearest near = nearest_to(n->kind == YAML_SCALAR ? n->s : SPAN_LIT(""));

	size_t i = nearest_find(&near, r->families, r->nfamilies, sizeof(*r->families));

	if (i < r->nfamilies)
		return &r->families[i];
	diag_at(r->d, n, "%s: there is no family %s above%s", what, yaml_found(n),
		nearest_hint(&near));
	return NULL;
}

/* Reads a factor into thousandths: 1.25 becomes 1250. */
static bool
read_factor(struct reader *r, const struct yaml_node *n, const char *what, uint32_t *out)
{
	double v;

	if (!yaml_double(n, &v) || !(v >= 0.1 && v <= 20)) {
		diag_at(r->d, n, "%s: a factor from 0.1 to 20 is expected, found %s", what,
			yaml_found(n));
		return false;
	}
	*out = (uint32_t)lround(v * 1000);
	return true;
}

/* latin: [1.1, 1.4]: the average and the highest factor for characters of a script. */
static void
read_factors(struct reader *r, const struct yaml_node *n, size_t script, struct token_family *f)
{
	const char *what = text_script_names[script];
	uint32_t mean, most;

	if (n->kind != YAML_SEQUENCE || n->count != 2) {
		diag_at(r->d, n, "%s: [average, highest] is expected, found %s", what,
			yaml_found(n));
		return;
	}
	if (!read_factor(r, n->child, what, &mean) ||
		!read_factor(r, n->child->next, what, &most))
		return;
	if (most < mean)
		diag_at(r->d, n, "%s: the highest factor is less than the average", what);
	f->factor[script].mean = mean;
	f->factor[script].most = most;
}

/* Reads a family. `like: NAME` copies another family first. */
static void
read_family(struct reader *r, const struct yaml_node *n)
{
	struct token_family *f = &r->families[r->nfamilies];
	const struct yaml_node *c;
	bool factors = false;

	if (!read_map(r->d, n, n->key->s.p, family_keys, NULL))
		return;
	*f = (struct token_family){ .name = "" };
	for (size_t i = 0; i < TEXT_SCRIPTS; i++)
		f->factor[i].mean = f->factor[i].most = 1000;
	if ((c = yaml_get(n, "like"))) {
		const struct token_family *like = find_token_family(r, c, "like");
		if (like)
			*f = *like;
	}
	f->name = n->key->s.p;
	if ((c = yaml_get(n, "encoding")))
		read_text(r->d, c, "encoding", &f->encoding);
	if ((c = yaml_get(n, "otherwise")))
		read_text(r->d, c, "otherwise", &f->otherwise);
	if ((c = yaml_get(n, "exact")))
		read_bool(r->d, c, &f->exact);
	for (size_t i = 0; i < TEXT_SCRIPTS; i++)
		if ((c = yaml_get(n, text_script_names[i]))) {
			read_factors(r, c, i, f);
			factors = true;
		}
	if (f->exact && factors)
		diag_at(r->d, n, "%s: an exact family has no factors: remove one of the two",
			f->name);
	if (!f->encoding)
		diag_at(r->d, n, "%s: encoding is missing", f->name);
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		int64_t v;
		if (!(c = yaml_get(n, numbers[i].key)))
			continue;
		if (!yaml_int(c, &v) || v < -100 || v > TOKENS_MAX)
			diag_at(r->d, c, "%s: tokens from -100 to %d are expected, found %s",
				numbers[i].key, TOKENS_MAX, yaml_found(c));
		else
			*(int32_t *)(void *)((char *)f + numbers[i].at) = (int32_t)v;
	}
	r->nfamilies++;
}

/* Returns a size in tokens, or 0 if it is not set. */
static uint64_t
read_most(struct reader *r, const struct yaml_node *row, const char *what)
{
	const struct yaml_node *n = yaml_get(row, what);
	int64_t v;

	if (!n)
		return 0;
	if (yaml_int(n, &v) && v >= 1 && v <= SIZE_MAX_TOKENS)
		return (uint64_t)v;
	diag_at(r->d, n, "%s: tokens from 1 to %d are expected, found %s", what,
		SIZE_MAX_TOKENS, yaml_found(n));
	return 0;
}

/* effort: none, a list of levels, or {budget: [least, most]} in tokens. */
static struct model_effort
read_model_effort(struct reader *r, const struct yaml_node *n)
{
	struct model_effort e = { .takes = EFFORT_ANY };
	const struct yaml_node *budget = n ? yaml_get(n, "budget") : NULL;
	int64_t least, most;

	if (!n)
		return e;
	if (n->kind == YAML_SCALAR && span_is(n->s, "none")) {
		e.takes = EFFORT_IS_OFF;
	} else if (n->kind == YAML_SEQUENCE && n->count) {
		e.takes = EFFORT_LEVELS;
		for (const struct yaml_node *c = n->child; c; c = c->next) {
			unsigned i = 0;
			while (efforts[i] &&
				!(c->kind == YAML_SCALAR && span_is(c->s, efforts[i])))
				i++;
			if (!efforts[i])
				diag_at(r->d, c,
					"effort: none, minimal, low, medium, high, xhigh or "
					"max is "
					"expected, found %s",
					yaml_found(c));
			e.levels |= efforts[i] ? 1u << i : 0;
		}
	} else if (budget && n->count == 1 && budget->kind == YAML_SEQUENCE &&
		   budget->count == 2 && yaml_int(budget->child, &least) &&
		   yaml_int(budget->child->next, &most) && least >= 0 && most >= least &&
		   most > 0 && most <= TOKENS_MAX) {
		e = (struct model_effort){
			.takes = EFFORT_BUDGET, .least = (uint64_t)least, .most = (uint64_t)most
		};
	} else {
		diag_at(r->d, n,
			"effort: none, a list of levels, or {budget: [least, most]} in tokens "
			"is "
			"expected, found %s",
			yaml_found(n));
	}
	return e;
}

/* Returns true if the row has the key, whose only value is this word. */
static bool
read_model_word(
	struct reader *r, const struct yaml_node *row, const char *key, const char *word)
{
	const struct yaml_node *n = yaml_get(row, key);

	if (n && !(n->kind == YAML_SCALAR && span_is(n->s, word)))
		diag_at(r->d, n, "%s: %s is expected, found %s", key, word, yaml_found(n));
	return n;
}

/* If two patterns may match the same name, one must be more specific, as in price lists. */
static void
check_size(struct reader *r, const struct token_models *m, const struct model_size *s)
{
	for (size_t i = 0; i < m->nsizes; i++) {
		const struct model_size *o = &m->sizes[i];
		const struct yaml_node *at = o->at;
		if (((o->window && s->window) || (o->output && s->output) ||
			    (o->rate && s->rate) ||
			    (o->effort.takes && s->effort.takes)) &&
			price_ambiguous(o->model, s->model))
			diag_at(r->d, s->at,
				"model: %s and %s at %s:%u:%u may match the same name, and "
				"neither is more specific: change one of them",
				s->model, o->model, at->file, at->line, at->column);
	}
}

/* Adds one row for each pattern that the text expands to. */
static void
add_model(struct reader *r, const struct yaml_node *n, const struct token_family *f,
	struct model_size size, struct token_models *out)
{
	struct token_model *models = (struct token_model *)(uintptr_t)out->models;
	struct model_size *sizes = (struct model_size *)(uintptr_t)out->sizes;
	const char **patterns, *text;

	if (!read_text(r->d, n, "model", &text))
		return;
	size_t variants = read_patterns(r->a, r->d, n, &patterns);
	for (size_t i = 0; i < variants; i++) {
		if (out->nmodels == MODELS_MAX || out->nsizes == MODELS_MAX) {
			diag_at(r->d, n, "models: more than %d", MODELS_MAX);
			return;
		}
		size.at = n;
		size.model = patterns[i];
		if (f)
			models[out->nmodels++] = (struct token_model){ size.model, f };
		if (!size.window && !size.output && !size.rate && !size.effort.takes &&
			!size.fixed_sampling && !size.custom_tools)
			continue;
		check_size(r, out, &size);
		sizes[out->nsizes++] = size;
	}
}

/* Reads `models`. */
static void
read_models(struct reader *r, const struct yaml_node *n, struct token_models *out)
{
	out->models = arena_array(r->a, MODELS_MAX, sizeof(*out->models));
	out->sizes = arena_array(r->a, MODELS_MAX, sizeof(*out->sizes));
	if (!out->models || !out->sizes) {
		diag_at(r->d, n, "out of memory");
		return;
	}
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		const struct yaml_node *family, *names;
		if (!read_map(r->d, c, "models", model_keys, NULL))
			continue;
		family = yaml_get(c, "family");
		names = yaml_get(c, "model");
		struct model_size size = { .window = read_most(r, c, "window"),
			.output = read_most(r, c, "output"),
			.rate = read_most(r, c, "rate"),
			.effort = read_model_effort(r, yaml_get(c, "effort")),
			.fixed_sampling = read_model_word(r, c, "sampling", "none"),
			.custom_tools = read_model_word(r, c, "custom_tools", "true") };
		if (!names)
			diag_at(r->d, c, "models: model is missing");
		else if (!family && !yaml_get(c, "window") && !yaml_get(c, "output") &&
			 !yaml_get(c, "rate") && !yaml_get(c, "effort") &&
			 !yaml_get(c, "sampling") && !yaml_get(c, "custom_tools"))
			diag_at(r->d, c,
				"models: family, window, output, rate, effort, sampling or "
				"custom_tools is missing");
		const struct token_family *f =
			family ? find_token_family(r, family, "family") : NULL;
		for (const struct yaml_node *m = names ? yaml_first(names) : NULL;
			m && (f || !family); m = yaml_next(names, m))
			add_model(r, m, f, size, out);
	}
}

/* Sets bounds below which no request can exceed a window or an output cap: a token has at least
 * one byte, before factors. Most requests need not be counted. */
static void
find_least(struct token_models *m)
{
	uint64_t factor = 1000;

	m->least_window = m->least_output = UINT64_MAX;
	for (size_t i = 0; i < m->nsizes; i++) {
		const struct model_size *s = &m->sizes[i];
		if (s->window && s->window < m->least_window)
			m->least_window = s->window;
		if (s->output && s->output < m->least_output)
			m->least_output = s->output;
	}
	for (size_t i = 0; i < m->nfamilies; i++)
		for (size_t k = 0; k < TEXT_SCRIPTS; k++)
			if (m->families[i].factor[k].mean > factor)
				factor = m->families[i].factor[k].mean;
	m->least_bytes = m->nsizes && m->least_window != UINT64_MAX
				 ? m->least_window * 1000 / factor
				 : UINT64_MAX;
}

const struct token_models *
models_load(struct arena *a, const char *file, struct diag *d)
{
	const struct models_file *own = &models_builtin[0];
	unsigned errors = d->errors;
	const struct yaml_node *tree =
		file ? yaml_load_file(a, file, d)
		     : yaml_load(a, own->name, span_of(own->text, own->n), d);
	struct token_models *m = arena_new(a, struct token_models);
	struct reader r = { .a = a, .d = d };
	const struct yaml_node *c;

	r.families = arena_array(a, FAMILIES_MAX, sizeof(*r.families));
	if (!tree || !m || !r.families || !read_map(d, tree, "models", top_keys, NULL))
		return NULL;
	c = read_needed(d, tree, tree, NULL, "families");
	if (!c || !read_map(d, c, "families", NULL, NULL))
		return NULL;
	if (c->count > FAMILIES_MAX) {
		diag_at(d, c, "families: more than %d", FAMILIES_MAX);
		return NULL;
	}
	for (const struct yaml_node *f = c->child; f; f = f->next)
		read_family(&r, f);
	m->families = r.families;
	m->nfamilies = r.nfamilies;
	if ((c = yaml_get(tree, "models")) && read_list(d, c, "models"))
		read_models(&r, c, m);
	if ((c = yaml_get(tree, "unknown")))
		m->unknown = find_token_family(&r, c, "unknown");
	else
		diag_at(d, tree,
			"unknown is missing: name the family of models that no pattern "
			"matches");
	find_least(m);
	return d->errors == errors ? m : NULL;
}

bool
tokens_load(struct arena *a, const struct config *cfg, const struct token_models **models,
	struct encodings **encodings, const char **no_ranks, struct diag *d)
{
	const char *dir = cfg ? cfg->tokens_ranks : NULL;

	*no_ranks = NULL;
	*models = models_load(a, cfg ? cfg->tokens_models : NULL, d);
	SCOPED_BUF(why, 16384);
	bool good = encodings_open(dir, encodings, &why) != ERR_NOMEM && *models;
	struct span says = span_trim(buf_view(&why), "\n");
	if (dir)
		diag_reads(d, dir);
	if (dir && says.n) {
		diag_file(d, cfg->file, "tokens.ranks: %.*s", SPAN_ARG(says));
		good = false;
	} else if (says.n) {
		char *line = arena_alloc(a, 2 * says.n + 1), *to = line;
		for (size_t i = 0; line && i < says.n; i++) {
			*to++ = says.p[i] == '\n' ? ',' : says.p[i];
			if (says.p[i] == '\n')
				*to++ = ' ';
		}
		if (line)
			*to = '\0';
		*no_ranks = line ? line : err_str(ERR_NOMEM);
	}
	return good;
}
