/* Sums up records for tollgate usage. A journal has gigabytes, so that each line is read in one
 * pass, without a tree of its values. The key of a group is the raw text of the record's
 * values. */
#include "record/audit/usage.h"

#include <stdlib.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "record/journal/line.h"
#include "scan/text/placeholder.h"

const char *const usage_dim_names[BY_DIMS] = { "person", "team", "model", "route", "tag", "key",
	"provider", "target", "tool", "agent", "day" };
const char *const usage_sum_names[SUMS] = {
#define X(id, name, field) name,
	USAGE_SUMS(X)
#undef X
};
static const enum record_place sum_places[SUMS] = {
#define X(id, name, place) place,
	USAGE_SUMS(X)
#undef X
};

const char *const usage_spread_names[SPREADS] = {
#define X(id, name, place) name,
	USAGE_SPREADS(X)
#undef X
};
static const enum record_place spread_places[SPREADS] = {
#define X(id, name, place) place,
	USAGE_SPREADS(X)
#undef X
};

const enum usage_spread usage_largest_of[LARGESTS] = { [LARGEST_PROMPT] = SPREAD_PROMPT,
	[LARGEST_COST] = SPREAD_COST, [LARGEST_TIME] = SPREAD_TOTAL };

/* ---- lines ---- */

enum { MOST_MEMBERS = 32 }; /* the most members read from one object */

void
usage_members(struct span object, const char *const *names, struct span *out)
{
	struct span name[MOST_MEMBERS];
	size_t n = 0;

	for (; names[n]; n++) {
		INVARIANT(n < MOST_MEMBERS);
		name[n] = span_str(names[n]);
	}
	line_members(object, name, n, out);
}

/* Reads fields of an object, as usage_members() reads members. */
static void
fields_in(struct span object, const enum record_field *fields, size_t n, struct span *out)
{
	struct span name[MOST_MEMBERS];

	INVARIANT(n <= MOST_MEMBERS);
	for (size_t i = 0; i < n; i++) {
		const struct record_row *row = &record_rows[fields[i]];
		name[i] = span_of(row->name, row->key_bytes - 4u); /* without the ,"": of
								    * ,"NAME": */
	}
	line_members(object, name, n, out);
}

/* ---- sums ---- */

void
usage_set_largest(struct usage_sums *s, enum usage_largest of, struct span id)
{
	char *to = s->largest_id[of];

	to[0] = '\0';
	if (!id.n || id.n >= USAGE_ID_MAX || !span_is_alnum(id, ""))
		return;
	memcpy(to, id.p, id.n);
	to[id.n] = '\0';
}

static void
keep_largest(struct usage_sums *to, const struct usage_sums *add)
{
	for (size_t i = 0; i < LARGESTS; i++) {
		const struct distribution *had = &to->spread[usage_largest_of[i]],
					  *more = &add->spread[usage_largest_of[i]];
		if (!more->n || (had->n && more->max < had->max))
			continue;
		if (!had->n || more->max > had->max ||
			strcmp(add->largest_id[i], to->largest_id[i]) < 0)
			memcpy(to->largest_id[i], add->largest_id[i], USAGE_ID_MAX);
	}
}

bool
usage_sums_add(struct usage_sums *to, const struct usage_sums *add)
{
	bool ok = true;

	for (size_t i = 0; i < SUMS; i++)
		to->sum[i] += add->sum[i];
	keep_largest(to, add);
	for (size_t i = 0; i < SPREADS; i++)
		ok = distribution_merge(&to->spread[i], &add->spread[i]) && ok;
	if (add->last_ns > to->last_ns)
		to->last_ns = add->last_ns;
	return ok;
}

void
usage_sums_free(struct usage_sums *s)
{
	for (size_t i = 0; i < SPREADS; i++)
		distribution_free(&s->spread[i]);
}

/* ---- groups ---- */

int
usage_table_init(struct usage_table *t)
{
	t->size = 1024;
	t->index_size = 4096;
	t->group = calloc(t->size, sizeof(*t->group));
	t->index = calloc(t->index_size, sizeof(*t->index));
	t->ngroups = 1;
	buf_init(&t->key, 1 << 20);
	buf_init(&t->target, 1 << 20);
	buf_init(&t->tool, 1 << 20);
	return t->group && t->index ? 0 : ERR_NOMEM;
}

void
usage_table_free(struct usage_table *t)
{
	for (size_t i = 0; t->group && i < t->ngroups; i++) {
		free(t->group[i].key);
		usage_sums_free(&t->group[i].of);
	}
	usage_sums_free(&t->total);
	free(t->group);
	free(t->index);
	buf_free(&t->key);
	buf_free(&t->target);
	buf_free(&t->tool);
	*t = (struct usage_table){ .nby = 0 };
}

int
usage_table_clear(struct usage_table *t)
{
	struct usage_table was = *t;

	usage_table_free(t);
	memcpy(t->by, was.by, sizeof(t->by));
	t->nby = was.nby;
	return usage_table_init(t);
}

static struct usage_slot *
usage_slot_of(const struct usage_table *t, struct span key, uint64_t hash)
{
	size_t at = (size_t)hash & (t->index_size - 1);

	for (; t->index[at].place; at = (at + 1) & (t->index_size - 1)) {
		const struct usage_group *g = &t->group[t->index[at].place - 1];
		if (t->index[at].hash == (uint32_t)(hash >> 32) &&
			span_eq(key, span_of(g->key, g->n)))
			break;
	}
	return &t->index[at];
}

static bool
grow_usage(struct usage_table *t)
{
	struct usage_group *g = reallocarray(t->group, 2 * t->size, sizeof(*g));
	struct usage_slot *index = calloc(2 * t->index_size, sizeof(*index));

	if (g)
		t->group = g;
	if (!g || !index) {
		free(index);
		return false;
	}
	t->size *= 2;
	free(t->index);
	t->index = index;
	t->index_size *= 2;
	for (size_t i = 1; i < t->ngroups; i++) {
		struct span key = span_of(t->group[i].key, t->group[i].n);
		uint64_t hash = hash_words(0, key);
		*usage_slot_of(t, key, hash) =
			(struct usage_slot){ (uint32_t)(hash >> 32), (uint32_t)(i + 1) };
	}
	return true;
}

static struct usage_group *
group_of(struct usage_table *t, struct span key)
{
	uint64_t hash = hash_words(0, key);
	struct usage_slot *slot = usage_slot_of(t, key, hash);

	if (slot->place)
		return &t->group[slot->place - 1];
	if (t->ngroups > CAP_USAGE_GROUPS) {
		t->full = true;
		return &t->group[0];
	}
	if (t->ngroups == t->size) {
		if (!grow_usage(t)) {
			t->no_memory = true;
			return &t->group[0];
		}
		slot = usage_slot_of(t, key, hash);
	}
	INVARIANT(t->ngroups < t->size && t->size < t->index_size);
	struct usage_group *g = &t->group[t->ngroups];
	*g = (struct usage_group){ .key = malloc(key.n + 1), .n = key.n };
	if (!g->key) {
		t->no_memory = true;
		return &t->group[0];
	}
	memcpy(g->key, key.p, key.n);
	*slot = (struct usage_slot){ (uint32_t)(hash >> 32), (uint32_t)++t->ngroups };
	return g;
}

const struct usage_group *
usage_find(const struct usage_table *t, struct span key)
{
	uint32_t place = usage_slot_of(t, key, hash_words(0, key))->place;

	return place ? &t->group[place - 1] : NULL;
}

/* ---- records ---- */

static uint64_t
usage_number_of(struct span s)
{
	uint64_t v = 0;

	return span_u64(s, &v) == 0 ? v : 0;
}

/* Returns the thousandths of a token a second at which the text of a stream arrived, or 0 if that
 * is unknown. Reasoning came before the text. */
static uint64_t
stream_speed(const struct span *m)
{
	uint64_t tokens = usage_number_of(m[RP_USAGE_OUTPUT_TOKENS]),
		 reasoning = usage_number_of(m[RP_USAGE_REASONING_TOKENS]),
		 first_us = usage_number_of(m[RP_ANSWER_FIRST_TEXT_US]),
		 total_us = usage_number_of(m[RP_DURATION_US]);

	/* the first token is there when the time begins */
	if (tokens <= reasoning + 1 || total_us <= first_us ||
		tokens > UINT32_MAX)
		return 0;
	return (tokens - reasoning - 1) * UINT64_C(1000000000) / (total_us - first_us);
}

/* Times are counted for responses of providers that have text. The text of a response that is
 * not streamed begins at its end. */
static void
spread_completion(const struct span *m, struct distribution spread[SPREADS])
{
	bool timed = m[RP_ANSWER_FIRST_TEXT_US].n && !span_is(m[RP_CACHE], "\"hit\"");
	bool has[SPREADS] = { [SPREAD_PROMPT] = true,
		[SPREAD_COST] = true,
		[SPREAD_FIRST] = timed && m[RP_ANSWER_STREAMED].n,
		[SPREAD_TOTAL] = timed };

	for (size_t i = 0; i < SPREADS; i++) {
		uint64_t v = has[i] ? usage_number_of(m[spread_places[i]]) : 0;
		if (v)
			spread[i] = distribution_of(v);
	}
	uint64_t speed = has[SPREAD_FIRST] ? stream_speed(m) : 0;
	if (speed)
		spread[SPREAD_SPEED] = distribution_of(speed);
}

/* Reads the numbers of placeholders that stayed in calls, by reason. `map`: as in the record. */
static void
sum_left(struct span map, uint64_t sum[SUMS])
{
	const char *names[LEFT_REASONS + 1] = { NULL };
	struct span got[LEFT_REASONS] = { { NULL, 0 } };

	memcpy(names, placeholder_left_names, sizeof(placeholder_left_names));
	if (map.n)
		usage_members(map, names, got);
	for (size_t i = 0; i < LEFT_REASONS; i++)
		sum[SUM_LEFT_URL + i] = usage_number_of(got[i]);
}

static void
sum_completion(const struct span *m, struct usage_sums *to)
{
	static const enum record_field fields[] = { RF_ESTIMATED_USAGE_INPUT_TOKENS,
		RF_ESTIMATED_USAGE_OUTPUT_TOKENS, RF_ESTIMATED_USAGE_COST_NANOUSD };
	static const enum usage_sum sums[] = { SUM_EST_IN, SUM_EST_OUT, SUM_ESTIMATE };
	uint64_t *sum = to->sum;
	struct span id = m[RP_ID];

	spread_completion(m, to->spread);
	for (enum usage_largest i = 0; i < LARGESTS; i++)
		usage_set_largest(to, i, span_cut(id, 1, id.n ? id.n - 1 : 0));
	for (size_t i = 0; i < SUMS; i++)
		if (sum_places[i] < RP_COUNT && m[sum_places[i]].n)
			sum[i] = usage_number_of(m[sum_places[i]]);
	sum[SUM_COST] = usage_number_of(m[RP_COST_NANOUSD]);
	sum[SUM_UNPRICED] = m[RP_PRICE_UNKNOWN].n || m[RP_UNPRICED].n;
	sum[SUM_RULED] = span_is(m[RP_OUTCOME], "\"haproxy_answered\"");
	sum[SUM_UNKNOWN] = m[RP_USAGE_UNKNOWN].n > 0;
	sum[SUM_HITS] = span_is(m[RP_CACHE], "\"hit\"");
	sum_left(m[RP_ANSWER_LEFT_IN_CALLS], sum);
	for (int i = RP_ESTIMATED_USAGE; i <= RP_RESERVED_USAGE; i++) {
		struct span used[COUNT_OF(fields)];
		if (!m[i].n)
			continue;
		fields_in(m[i], fields, COUNT_OF(fields), used);
		for (size_t k = 0; k < COUNT_OF(fields); k++)
			sum[sums[k]] = usage_number_of(used[k]);
	}
}

void
usage_merge_total(struct usage_table *t, const struct usage_sums *add)
{
	if (!usage_sums_add(&t->total, add))
		t->no_memory = true;
}

void
usage_merge(
	struct usage_table *t, const struct span value[BY_DIMS], const struct usage_sums *add)
{
	buf_clear(&t->key);
	for (size_t i = 0; i < t->nby; i++) {
		buf_span(&t->key, value[t->by[i]]);
		buf_putc(&t->key, '\0');
	}
	if (buf_failed(&t->key)) {
		t->no_memory = true;
		return;
	}
	if (!usage_sums_add(&group_of(t, buf_view(&t->key))->of, add))
		t->no_memory = true;
}

static bool
groups_by(const struct usage_table *t, enum usage_dim d)
{
	for (size_t i = 0; i < t->nby; i++)
		if (t->by[i] == d)
			return true;
	return false;
}

void
usage_count_attempts(struct usage_table *t)
{
	if (!groups_by(t, BY_TARGET) && !groups_by(t, BY_PROVIDER) && !groups_by(t, BY_MODEL))
		return;
	for (size_t i = 0; i < t->ngroups; i++)
		t->group[i].of.sum[SUM_REQUESTS] += t->group[i].of.sum[SUM_FURTHER];
}

/* The values of a record that select its groups and add to the sums. */
struct place {
	const struct span *m; /* raw values, indexed by enum record_place */
	struct span value[BY_DIMS];
	bool decision;
};

/* Reads the next value of a list if it begins with that character. */
static bool
next_usage_item(struct line_rd *r, char begins, struct span *out)
{
	if (!line_item(r) || *r->p != begins)
		return false;
	const char *from = r->p;
	line_skip(r);
	*out = span_of(from, (size_t)(r->p - from));
	return r->p < r->end;
}

/* Adds the record to the group of each tag of a list that is not in `but`. Returns their
 * number. */
static size_t
add_tags(struct usage_table *t, struct span tags, struct span but, struct place *p,
	const struct usage_sums *sums)
{
	struct line_rd r = line_rd_over(tags);
	size_t n = 0;

	for (struct span tag; next_usage_item(&r, '"', &tag);) {
		if (but.n && memmem(but.p, but.n, tag.p, tag.n))
			continue;
		p->value[BY_TAG] = tag;
		usage_merge(t, p->value, sums);
		n++;
	}
	return n;
}

/* Returns "ONE/TWO" of two JSON strings, either of which may be empty. */
static struct span
both_names(struct buf *b, struct span one, struct span two)
{
	buf_clear(b);
	buf_putc(b, '"');
	buf_span(b, span_cut(one, 1, one.n ? one.n - 1 : 0));
	buf_putc(b, '/');
	buf_span(b, span_cut(two, 1, two.n ? two.n - 1 : 0));
	buf_putc(b, '"');
	return buf_view(b);
}

/* Adds the record to the group of each of its tool calls. A call of a response counts as a
 * request, and has the tokens and the cost of the response, as each of several tags has. A call by
 * way of another tool counts for the tool that it names. Its
 * placeholders are its own; those of a denied call were not sent. */
static size_t
add_calls(struct usage_table *t, struct place *p, const struct usage_sums *sums)
{
	static const enum record_field fields[] = { RF_CALLS_BY, RF_CALLS_SERVER, RF_CALLS_TOOL,
		RF_CALLS_METHOD, RF_CALLS_DECISION, RF_CALLS_LEFT, RF_CALLS_WRAPS };
	struct line_rd r = line_rd_over(p->m[RP_CALLS]);
	struct span call, got[COUNT_OF(fields)];
	size_t n = 0;

	for (; next_usage_item(&r, '{', &call); n++) {
		struct usage_sums one = *sums;
		fields_in(call, fields, COUNT_OF(fields), got);
		if (!p->decision && span_is(got[0], "\"answer\"")) {
			one.sum[SUM_REQUESTS] = 1;
			one.sum[SUM_REFUSED] = span_is(got[4], "\"deny\"");
			one.sum[SUM_REDACTED] = span_is(got[4], "\"redact\"");
			sum_left(one.sum[SUM_REFUSED] ? SPAN_LIT("") : got[5], one.sum);
		}
		p->value[BY_TOOL] =
			both_names(&t->tool, got[1],
				got[6].n > 2 ? got[6] : got[2].n > 2 ? got[2] : got[3]);
		usage_merge(t, p->value, &one);
	}
	p->value[BY_TOOL] = (struct span){ NULL, 0 };
	return n;
}

/* Adds the record to the total, and to each of its groups. */
static void
add_all(struct usage_table *t, struct place *p, const struct usage_sums *sums)
{
	const struct span none = { NULL, 0 };
	size_t n = 0;

	usage_merge_total(t, sums);
	if (groups_by(t, BY_TOOL) && p->m[RP_CALLS].n) {
		n = add_calls(t, p, sums);
	} else if (groups_by(t, BY_TAG)) {
		n = add_tags(t, p->m[RP_TAGS], none, p, sums);
		n += add_tags(t, p->m[RP_REQUEST_TAGS], p->m[RP_TAGS], p, sums);
		p->value[BY_TAG] = none;
	}
	if (!n)
		usage_merge(t, p->value, sums);
}

/* Adds the charges of attempts before the last one to their own targets. Their usage is not
 * reported, so that the charge is an estimate. */
static void
add_attempts(struct usage_table *t, const struct place *p, int64_t time_ns)
{
	static const enum record_field fields[] = { RF_ATTEMPTS_TARGET, RF_ATTEMPTS_COST };
	struct line_rd r = line_rd_over(p->m[RP_ATTEMPTS]);
	struct span attempt, got[COUNT_OF(fields)];

	while (next_usage_item(&r, '{', &attempt) && *r.p == ',') {
		struct usage_sums sums = { .last_ns = time_ns };
		fields_in(attempt, fields, COUNT_OF(fields), got);
		sums.sum[SUM_ESTIMATE] = usage_number_of(got[1]);
		if (!sums.sum[SUM_ESTIMATE] || got[0].n < 2)
			continue;
		struct place one = *p;
		one.value[BY_TARGET] = got[0];
		struct span model = span_cut(got[0], 1, got[0].n - 1);
		struct span provider = span_next(&model, '/');
		buf_clear(&t->target);
		buf_printf(&t->target, "\"%.*s\"", SPAN_ARG(provider));
		size_t n = t->target.n;
		if (model.n)
			buf_printf(&t->target, "\"%.*s\"", SPAN_ARG(model));
		one.value[BY_PROVIDER] = span_cut(buf_view(&t->target), 0, n);
		one.value[BY_MODEL] = span_cut(buf_view(&t->target), n, t->target.n);
		add_all(t, &one, &sums);
	}
}

void
usage_add(struct usage_table *t, struct span line, struct span day)
{
	struct span place[RP_COUNT], time = audit_time_of(line);
	int64_t ns = 0;

	if (!time.n || clock_parse(time.p, time.n, &ns))
		ns = 0;
	record_places(line, place);
	usage_add_each(t, 1, place, day, ns);
}

void
usage_add_each(
	struct usage_table *t, size_t n, const struct span *m, struct span day, int64_t time_ns)
{
	struct place p = { .m = m };
	struct usage_sums sums = { .last_ns = time_ns };

	p.decision = span_is(m[RP_TYPE], "\"decision\"");
	bool further =
		span_is(m[RP_TYPE], "\"attempt\"") && !span_is(m[RP_DECISION], "\"deny\"");
	if (!p.decision && !further && !span_is(m[RP_TYPE], "\"completion\""))
		return;
	if (further) {
		sums.sum[SUM_FURTHER] = 1;
	} else if (p.decision) {
		sums.sum[SUM_REQUESTS] = 1;
		sums.sum[SUM_REFUSED] = span_is(m[RP_DECISION], "\"deny\"");
		sums.sum[SUM_REDACTED] = span_is(m[RP_DECISION], "\"redact\"");
		sums.sum[SUM_NO_PRICE] =
			sums.sum[SUM_REFUSED] && span_is(m[RP_CODE], "\"price_unknown\"");
	} else {
		sum_completion(m, &sums);
	}
	p.value[BY_PERSON] = m[RP_IDENTITY_PERSON];
	p.value[BY_TEAM] = m[RP_IDENTITY_TEAM];
	p.value[BY_KEY] = m[RP_IDENTITY_KEY];
	p.value[BY_AGENT] = m[RP_IDENTITY_AGENT];
	p.value[BY_MODEL] = m[RP_MODEL];
	p.value[BY_ROUTE] = m[RP_ROUTE];
	p.value[BY_PROVIDER] = m[RP_TARGET];
	p.value[BY_DAY] = day;
	for (size_t i = 0; i < n; i++) {
		struct span provider = m[RP_TARGET];
		p.value[BY_TARGET] = provider;
		if (m[RP_MODEL].n > 2 && provider.n > 1 && groups_by(&t[i], BY_TARGET))
			p.value[BY_TARGET] = both_names(&t[i].target, provider, m[RP_MODEL]);
		add_all(&t[i], &p, &sums);
		if (m[RP_ATTEMPTS].n && !further)
			add_attempts(&t[i], &p, time_ns);
	}
}
