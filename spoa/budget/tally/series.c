/* The tables of workers and of the sum are hashed with linear probing, and only grow. A hash
 * without a secret is enough: a caller whose model names all have one hash makes a table as
 * slow as a list, which takes some microseconds. */
#include "budget/tally/series.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/metrics.h"
#include "base/scoped.h"
#include "budget/tally/names.h"

static const struct {
	const char *name, *labels, *help;
} rows[SERIES_VALUES] = {
#define X(id, name, labels, help) { name, labels, help },
	SERIES_TABLE(X)
#undef X
};
static const char *const label_names[SERIES_LABELS] = { "route", "provider", "model" };

#define NONE SPAN_LIT("-")

static bool
label_is(const char *label, struct span s)
{
	return s.n < SERIES_LABEL_BYTES && !memcmp(label, s.p, s.n) && !label[s.n];
}

static void
set_label(char *label, struct span s)
{
	INVARIANT(s.n < SERIES_LABEL_BYTES);
	memcpy(label, s.p, s.n);
	label[s.n] = '\0';
}

static bool
key_is(const struct series_key *k, const struct span label[SERIES_LABELS])
{
	for (size_t i = 0; i < SERIES_LABELS; i++)
		if (!label_is(k->label[i], label[i]))
			return false;
	return true;
}

static void
set_key(struct series_key *k, const struct span label[SERIES_LABELS])
{
	for (size_t i = 0; i < SERIES_LABELS; i++)
		set_label(k->label[i], label[i]);
}

/* ---- models ---- */

/* Returns the model's place in the index, or the free place for it. */
static size_t
model_slot(const struct series *s, struct span model)
{
	size_t at = hash_words(0, model) % COUNT_OF(s->model_index);

	while (s->model_index[at] && !label_is(s->model[s->model_index[at] - 1], model))
		at = (at + 1) % COUNT_OF(s->model_index);
	return at;
}

bool
series_has_model(const struct series *s, struct span model)
{
	return model.n && model.n < SERIES_LABEL_BYTES && s->model_index[model_slot(s, model)];
}

bool
series_may_be_model(struct span model)
{
	return model.n > 0 && model.n < SERIES_LABEL_BYTES && span_is_alnum(model, "-_.:/@+");
}

bool
series_add_model(struct series *s, struct span model)
{
	size_t at = model_slot(s, model);

	if (s->model_index[at])
		return true;
	if (s->nmodels == CAP_SERIES_MODELS)
		return false;
	INVARIANT(s->nmodels < CAP_SERIES_MODELS);
	set_label(s->model[s->nmodels], model);
	s->model_index[at] = (uint16_t)++s->nmodels;
	return true;
}

/* ---- counting ---- */

/* Returns the place of the entry with these labels, which is made if there is room; 0: "other".
 * Entry 0 is made together with the first entry. */
static size_t
find_entry(struct series *s, const struct span label[SERIES_LABELS])
{
	static const struct span all_other[SERIES_LABELS] = { { "other", 5 }, { "other", 5 },
		{ "other", 5 } };
	uint64_t hash = 0;
	size_t n = atomic_load_explicit(&s->n, memory_order_relaxed);

	for (size_t i = 0; i < SERIES_LABELS; i++)
		hash = hash_words(hash, label[i]);
	size_t at = hash % COUNT_OF(s->index);
	if (n == 0)
		set_key(&s->entry[n++].key, all_other);
	while (s->index[at] && !key_is(&s->entry[s->index[at]].key, label))
		at = (at + 1) % COUNT_OF(s->index);
	if (s->index[at] || n > CAP_SERIES)
		return s->index[at];
	INVARIANT(n <= CAP_SERIES);
	set_key(&s->entry[n].key, label);
	s->index[at] = (uint16_t)n;
	atomic_store_explicit(&s->n, n + 1, memory_order_release);
	return n;
}

bool
series_count(struct series *s, const struct span given[SERIES_LABELS],
	const struct series_part *parts, size_t nparts)
{
	struct span label[SERIES_LABELS];

	/* A longer label is cut at a character. */
	for (size_t i = 0; i < SERIES_LABELS; i++) {
		label[i] = given[i].n ? given[i] : NONE;
		if (given[i].n >= SERIES_LABEL_BYTES)
			label[i].n = utf8_begin(given[i], SERIES_LABEL_BYTES - 1);
	}
	size_t at = find_entry(s, label);
	for (size_t i = 0; i < nparts; i++) {
		INVARIANT(parts[i].v < SERIES_VALUES);
		tally_grow(&s->entry[at].v[parts[i].v], parts[i].n);
	}
	return at != 0;
}

/* ---- by team ---- */

void
team_tally_add(
	struct team_tally *t, struct span team, const struct series_part *parts, size_t nparts)
{
	if (!team.n)
		return;
	struct team_entry *e =
		names_entry(&(struct names){ &t->n, t->entry, sizeof(t->entry[0]), TEAM_NAMES,
				    SERIES_LABEL_BYTES },
			team);
	for (size_t i = 0; i < nparts; i++) {
		INVARIANT(parts[i].v < SERIES_VALUES);
		tally_grow(&e->v[parts[i].v], parts[i].n);
	}
}

/* ---- the sum ---- */

struct series_sum {
	pthread_mutex_t lock; /* taken by the admin server's threads */
	struct series table;  /* labels, and the sum in progress */
	uint64_t lost;
};

struct series_sum *
series_sum_new(void)
{
	struct series_sum *s = calloc(1, sizeof(*s));

	if (s)
		pthread_mutex_init(&s->lock, NULL);
	return s;
}

void
series_sum_free(struct series_sum **s)
{
	if (*s)
		pthread_mutex_destroy(&(*s)->lock);
	free(*s);
	*s = NULL;
}

static void
add_up(struct series_sum *sum, const struct series *s)
{
	size_t n = atomic_load_explicit(&s->n, memory_order_acquire);

	for (size_t i = 0; i < n; i++) {
		const struct series_entry *e = &s->entry[i];
		struct span label[SERIES_LABELS];
		for (size_t k = 0; k < SERIES_LABELS; k++)
			label[k] = span_str(e->key.label[k]);
		size_t at = i ? find_entry(&sum->table, label) : 0;
		for (size_t v = 0; v < SERIES_VALUES; v++) {
			uint64_t count = tally_value(&e->v[v]);
			sum->table.entry[at].v[v] += count;
			if (i && !at && v < SERIES_INPUT)
				sum->lost += count;
		}
	}
}

/* Prometheus text format 0.0.4: a backslash, a quote and a newline are escaped. */
static void
put_label(struct buf *out, const char *s)
{
	for (; *s; s++)
		switch (*s) {
		case '\\': buf_str(out, "\\\\"); break;
		case '"': buf_str(out, "\\\""); break;
		case '\n': buf_str(out, "\\n"); break;
		default: buf_putc(out, (unsigned char)*s < ' ' || *s == 0x7f ? '?' : *s);
		}
}

static void
put_series_value(struct buf *out, const struct series_entry *e, size_t v)
{
	if (e->v[v] == 0)
		return;
	buf_printf(out, "tollgate_%s{", rows[v].name);
	for (size_t k = 0; k < SERIES_LABELS; k++) {
		buf_printf(out, "%s%s=\"", k ? "," : "", label_names[k]);
		put_label(out, e->key.label[k]);
		buf_putc(out, '"');
	}
	buf_printf(out, "%s%s} %" PRIu64 "\n", rows[v].labels[0] ? "," : "", rows[v].labels,
		e->v[v]);
}

/* ---- by team ---- */

/* The metrics of teams, and the values that they show. */
/* clang-format off */
static const struct { const char *name, *label, *help; enum series_value of; } team_rows[] = {
	{ "team_decisions_total",    "decision=\"permit\"",   "Counts final decisions, by team and decision.",        SERIES_PERMIT },
	{ "team_decisions_total",    "decision=\"redact\"",   NULL,                                                   SERIES_REDACT },
	{ "team_decisions_total",    "decision=\"deny\"",     NULL,                                                   SERIES_DENY },
	{ "team_decisions_total",    "decision=\"observed\"", NULL,                                                   SERIES_OBSERVED },
	{ "team_tokens_total",       "type=\"input\"",        "Counts tokens that providers reported, by team and type.", SERIES_INPUT },
	{ "team_tokens_total",       "type=\"output\"",       NULL,                                                   SERIES_OUTPUT },
	{ "team_cost_nanousd_total", "",                      "Counts the cost of responses in billionths of a US dollar, by team.", SERIES_COST },
};
/* clang-format on */

/* Returns the sum of a value over the workers' entries of a team. */
static uint64_t
team_sum(const struct team_tally *const *t, size_t n, const char *name, enum series_value v)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		size_t entries = atomic_load_explicit(&t[i]->n, memory_order_acquire);
		for (const struct team_entry *e = t[i]->entry; e < t[i]->entry + entries; e++)
			if (!strcmp(e->name, name))
				sum += tally_value(&e->v[v]);
	}
	return sum;
}

void
team_tally_write(struct buf *out, const struct team_tally *const *t, size_t n)
{
	const char *names[4 * TEAM_NAMES];
	size_t nnames = 0;

	for (size_t i = 0; i < n; i++) {
		size_t entries = atomic_load_explicit(&t[i]->n, memory_order_acquire), k;
		for (const struct team_entry *e = t[i]->entry; e < t[i]->entry + entries; e++) {
			for (k = 0; k < nnames && strcmp(names[k], e->name) != 0; k++)
				;
			if (k == nnames && nnames < COUNT_OF(names) && utf8_valid(span_str(e->name)))
				names[nnames++] = e->name;
		}
	}
	for (size_t r = 0; r < COUNT_OF(team_rows); r++) {
		if (team_rows[r].help)
			metrics_head(out, team_rows[r].name, "counter", team_rows[r].help);
		for (size_t k = 0; k < nnames; k++) {
			uint64_t sum = team_sum(t, n, names[k], team_rows[r].of);
			if (!sum)
				continue;
			buf_printf(out, "tollgate_%s{team=\"", team_rows[r].name);
			put_label(out, names[k]);
			buf_printf(out, "\"%s%s} %" PRIu64 "\n", team_rows[r].label[0] ? "," : "",
				team_rows[r].label, sum);
		}
	}
}

uint64_t
series_write(struct series_sum *sum, struct buf *out, const struct series *const *s, size_t n)
{
	SCOPED_LOCK(&sum->lock);
	sum->lost = 0;
	for (size_t i = 0; i <= CAP_SERIES; i++)
		memset(sum->table.entry[i].v, 0, sizeof(sum->table.entry[i].v));
	for (size_t i = 0; i < n; i++)
		add_up(sum, s[i]);
	for (size_t v = 0; v < SERIES_VALUES; v++) {
		if (rows[v].help[0])
			metrics_head(out, rows[v].name, "counter", rows[v].help);
		for (size_t i = 0; i < sum->table.n; i++)
			put_series_value(out, &sum->table.entry[i], v);
	}
	return sum->lost;
}
