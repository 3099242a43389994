/* The sums of tollgate usage. A journal has gigabytes: each line is gone through once, without
 * building what it says, and a group's key is what the record says, as it says it. */
#include "record/audit/usage.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"

const char *const usage_dim_names[BY_DIMS] = { "person", "team", "model", "route", "tag",
	"provider", "target", "tool", "day" };
const char *const usage_sum_names[SUMS] = {
#define X(id, name, field) name,
	USAGE_SUMS(X)
#undef X
};
static const enum record_field sum_fields[SUMS] = {
#define X(id, name, field) field,
	USAGE_SUMS(X)
#undef X
};

/* ---- lines ---- */

/* After the string whose opening quote is at `at`. */
static size_t
after_string(struct span s, size_t at)
{
	for (size_t i = at + 1; i < s.n;) {
		const char *quote = memchr(s.p + i, '"', s.n - i);
		size_t end, slashes = 0;
		if (!quote)
			return s.n;
		end = (size_t)(quote - s.p);
		while (end - slashes > i && s.p[end - slashes - 1] == '\\')
			slashes++;
		i = end + 1;
		if (slashes % 2 == 0)
			return i;
	}
	return s.n;
}

/* After the value that begins at `at`. */
static size_t
after_value(struct span s, size_t at)
{
	size_t depth = 0;

	for (size_t i = at; i < s.n;) {
		char c = s.p[i];
		if (c == '"') {
			i = after_string(s, i);
			if (!depth)
				return i;
			continue;
		}
		if (depth == 0 && (c == ',' || c == '}' || c == ']'))
			return i;
		if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && --depth == 0)
			return i + 1;
		i++;
	}
	return s.n;
}

void
usage_members(struct span o, const char *const *names, struct span *out)
{
	uint64_t begins = 0; /* bits of the names' first letters: most others end there */
	size_t at = 1;

	for (size_t k = 0; names[k]; k++) {
		out[k] = (struct span){ NULL, 0 };
		begins |= 1ull << (names[k][0] & 63);
	}
	while (at < o.n && o.p[at] == '"') {
		size_t to = after_string(o, at);
		struct span name = span_cut(o, at + 1, to ? to - 1 : 0);
		if (to >= o.n || o.p[to] != ':')
			return;
		size_t end = after_value(o, to + 1);
		for (size_t k = 0; begins >> (*name.p & 63) & 1 && names[k]; k++)
			if (names[k][0] == *name.p && span_is(name, names[k]))
				out[k] = span_cut(o, to + 1, end);
		at = end + 1; /* the comma, or the brace that ends it */
	}
}

/* The same of fields, RECORD_FIELDS_COUNT for none. */
static void
fields_in(struct span object, const enum record_field *fields, size_t n, struct span *out)
{
	const char *names[SUMS + 1];

	for (size_t i = 0; i < n; i++)
		names[i] = fields[i] < RECORD_FIELDS_COUNT ? record_rows[fields[i]].name : "";
	names[n] = NULL;
	usage_members(object, names, out);
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
	buf_init(&t->scratch, 1 << 20);
	return t->group && t->index ? 0 : ERR_NOMEM;
}

void
usage_table_free(struct usage_table *t)
{
	for (size_t i = 0; t->group && i < t->ngroups; i++)
		free(t->group[i].key);
	free(t->group);
	free(t->index);
	buf_free(&t->scratch);
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
usage_slot_of(struct usage_table *t, struct span key, uint64_t hash)
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
		uint64_t hash = span_hash(key);
		*usage_slot_of(t, key, hash) =
			(struct usage_slot){ (uint32_t)(hash >> 32), (uint32_t)(i + 1) };
	}
	return true;
}

static struct usage_group *
group_of(struct usage_table *t, struct span key)
{
	uint64_t hash = span_hash(key);
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

/* ---- records ---- */

/* What of a record is read, by place in `members`. */
/* clang-format off */
#define MEMBERS_READ(X) \
  X(TYPE) X(DECISION) X(CODE) X(ROUTE) X(MODEL) X(TARGET) X(IDENTITY) X(TAGS) X(REQUEST_TAGS) X(USAGE) \
  X(COST_NANOUSD) X(PRICE_UNKNOWN) X(UNPRICED) X(USAGE_UNKNOWN) X(ESTIMATED_USAGE) X(RESERVED_USAGE) X(ATTEMPTS) \
  X(CALLS) X(OUTCOME)
/* clang-format on */
enum {
#define X(id) M_##id,
	MEMBERS_READ(X)
#undef X
		MEMBERS
};
_Static_assert((int)MEMBERS <= (int)SUMS, "fields_in");
static const enum record_field members[MEMBERS] = {
#define X(id) RF_##id,
	MEMBERS_READ(X)
#undef X
};
static const enum record_field who_members[] = { RF_IDENTITY_PERSON, RF_IDENTITY_TEAM };

static uint64_t
usage_number_of(struct span s)
{
	uint64_t v = 0;

	return span_u64(s, &v) == 0 ? v : 0;
}

static void
sum_completion(const struct span *m, uint64_t sum[SUMS])
{
	struct span used[SUMS];

	sum[SUM_COST] = usage_number_of(m[M_COST_NANOUSD]);
	sum[SUM_UNPRICED] = m[M_PRICE_UNKNOWN].n || m[M_UNPRICED].n;
	sum[SUM_RULED] = span_is(m[M_OUTCOME], "\"haproxy_answered\"");
	sum[SUM_UNKNOWN] = m[M_USAGE_UNKNOWN].n > 0;
	for (int i = M_ESTIMATED_USAGE; i <= M_RESERVED_USAGE; i++) {
		static const enum record_field cost = RF_ESTIMATED_USAGE_COST_NANOUSD;
		if (!m[i].n)
			continue;
		fields_in(m[i], &cost, 1, used);
		sum[SUM_ESTIMATE] = usage_number_of(used[0]);
	}
	if (!m[M_USAGE].n)
		return;
	fields_in(m[M_USAGE], sum_fields, SUMS, used);
	for (size_t i = 0; i < SUMS; i++)
		if (sum_fields[i] < RECORD_FIELDS_COUNT)
			sum[i] = usage_number_of(used[i]);
}

static void
put_usage_value(struct buf *key, struct span v)
{
	buf_span(key, v);
	buf_putc(key, '\0');
}

/* With one of its tags; empty: it has none. */
static void
add_to(struct usage_table *t, const struct span value[BY_DIMS], const uint64_t sum[SUMS],
	int64_t last_ns, struct buf *key)
{
	buf_clear(key);
	for (size_t i = 0; i < t->nby; i++)
		put_usage_value(key, value[t->by[i]]);
	if (buf_failed(key)) {
		t->no_memory = true;
		return;
	}
	struct usage_group *g = group_of(t, buf_view(key));
	for (size_t i = 0; i < SUMS; i++)
		if (sum[i])
			g->sum[i] += sum[i];
	if (last_ns > g->last_ns)
		g->last_ns = last_ns;
}

void
usage_merge(struct usage_table *t, const struct span value[BY_DIMS], const uint64_t sum[SUMS],
	int64_t last_ns)
{
	add_to(t, value, sum, last_ns, &t->scratch);
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
		t->group[i].sum[SUM_REQUESTS] += t->group[i].sum[SUM_FURTHER];
}

/* What a record is summed by. */
struct place {
	const struct span *m;
	struct span value[BY_DIMS];
	struct buf key, target, tool;
	bool decision;
	int64_t last_ns; /* when it was written */
};

/* With each tag of a list, but those that are in `but`; how many these are. */
static size_t
add_tags(struct usage_table *t, struct span tags, const struct span *but, struct place *p,
	const uint64_t sum[SUMS])
{
	size_t n = 0;

	for (size_t at = 1; at < tags.n && tags.p[at] == '"';) {
		size_t end = after_string(tags, at);
		p->value[BY_TAG] = span_cut(tags, at, end);
		at = end + 1;
		if (but && but->n &&
			memmem(but->p, but->n, p->value[BY_TAG].p, p->value[BY_TAG].n))
			continue;
		add_to(t, p->value, sum, p->last_ns, &p->key);
		n++;
	}
	return n;
}

/* With each of its calls: a request is one, and so is each that an answer makes, which has the
 * tokens and the cost of that answer as each of several tags has. */
static size_t
add_calls(struct usage_table *t, struct place *p, bool decision, const uint64_t sum[SUMS])
{
	static const enum record_field fields[] = { RF_CALLS_BY, RF_CALLS_SERVER, RF_CALLS_TOOL,
		RF_CALLS_METHOD, RF_CALLS_DECISION };
	struct span list = p->m[M_CALLS], got[COUNT_OF(fields)];
	size_t n = 0;

	for (size_t at = 1, end; at < list.n && list.p[at] == '{'; at = end + 1, n++) {
		uint64_t one[SUMS];
		end = after_value(list, at);
		if (end + 1 > list.n)
			break;
		fields_in(span_cut(list, at, end), fields, COUNT_OF(fields), got);
		struct span server = got[1], tool = got[2].n > 2 ? got[2] : got[3];
		memcpy(one, sum, sizeof(one));
		if (!decision && span_is(got[0], "\"answer\"")) {
			one[SUM_REQUESTS] = 1;
			one[SUM_REFUSED] = span_is(got[4], "\"deny\"");
		}
		buf_clear(&p->tool);
		buf_putc(&p->tool, '"');
		if (server.n > 2)
			buf_span(&p->tool, span_cut(server, 1, server.n - 1));
		buf_putc(&p->tool, '/');
		if (tool.n > 2)
			buf_span(&p->tool, span_cut(tool, 1, tool.n - 1));
		buf_putc(&p->tool, '"');
		p->value[BY_TOOL] = buf_view(&p->tool);
		add_to(t, p->value, one, p->last_ns, &p->key);
	}
	p->value[BY_TOOL] = (struct span){ NULL, 0 };
	return n;
}

/* To the totals, and to each group that it is of. */
static void
add_all(struct usage_table *t, struct place *p, const uint64_t sum[SUMS])
{
	size_t n = 0;

	for (size_t i = 0; i < SUMS; i++)
		t->total[i] += sum[i];
	if (groups_by(t, BY_TOOL) && p->m[M_CALLS].n) {
		n = add_calls(t, p, p->decision, sum);
	} else if (groups_by(t, BY_TAG)) {
		n = add_tags(t, p->m[M_TAGS], NULL, p, sum);
		n += add_tags(t, p->m[M_REQUEST_TAGS], &p->m[M_TAGS], p, sum);
		p->value[BY_TAG] = (struct span){ NULL, 0 };
	}
	if (!n)
		add_to(t, p->value, sum, p->last_ns, &p->key);
}

/* "PROVIDER/MODEL" of the record's own two texts. */
static void
name_target(struct place *p)
{
	struct span provider = p->m[M_TARGET], model = p->m[M_MODEL];

	if (provider.n < 2)
		return;
	buf_span(&p->target, span_cut(provider, 0, provider.n - 1));
	if (model.n > 2) {
		buf_putc(&p->target, '/');
		buf_span(&p->target, span_cut(model, 1, model.n - 1));
	}
	buf_putc(&p->target, '"');
	p->value[BY_TARGET] = buf_view(&p->target);
}

/* Attempts before the last one: what each is charged is its own target's. Nobody says what they
 * used, so that it is an estimate. */
static void
add_attempts(struct usage_table *t, struct place *p)
{
	static const enum record_field fields[] = { RF_ATTEMPTS_TARGET, RF_ATTEMPTS_COST };
	struct span list = p->m[M_ATTEMPTS], got[COUNT_OF(fields)];

	for (size_t at = 1, end; at < list.n && list.p[at] == '{'; at = end + 1) {
		uint64_t sum[SUMS] = { 0 };
		end = after_value(list, at);
		if (end + 1 >= list.n)
			return;
		fields_in(span_cut(list, at, end), fields, COUNT_OF(fields), got);
		sum[SUM_ESTIMATE] = usage_number_of(got[1]);
		if (!sum[SUM_ESTIMATE] || got[0].n < 2)
			continue;
		struct place one = *p;
		one.value[BY_TARGET] = got[0];
		struct span model = span_cut(got[0], 1, got[0].n - 1);
		struct span provider = span_next(&model, '/');
		buf_clear(&p->target);
		buf_printf(&p->target, "\"%.*s\"", SPAN_ARG(provider));
		size_t n = p->target.n;
		if (model.n)
			buf_printf(&p->target, "\"%.*s\"", SPAN_ARG(model));
		one.value[BY_PROVIDER] = span_cut(buf_view(&p->target), 0, n);
		one.value[BY_MODEL] = span_cut(buf_view(&p->target), n, p->target.n);
		add_all(t, &one, sum);
		p->key = one.key;
	}
}

void
usage_add(struct usage_table *t, struct span line, struct span day)
{
	usage_add_each(t, 1, line, day);
}

void
usage_add_each(struct usage_table *t, size_t n, struct span line, struct span day)
{
	struct span m[MEMBERS], who[2];
	struct place p = { .m = m };
	uint64_t sum[SUMS] = { 0 };

	fields_in(line, members, MEMBERS, m);
	bool decision = span_is(m[M_TYPE], "\"decision\""),
	     further = span_is(m[M_TYPE], "\"attempt\"") && !span_is(m[M_DECISION], "\"deny\"");
	if (!decision && !further && !span_is(m[M_TYPE], "\"completion\""))
		return;
	if (further) {
		sum[SUM_FURTHER] = 1;
	} else if (decision) {
		sum[SUM_REQUESTS] = 1;
		sum[SUM_REFUSED] = span_is(m[M_DECISION], "\"deny\"");
		sum[SUM_NO_PRICE] = sum[SUM_REFUSED] && span_is(m[M_CODE], "\"price_unknown\"");
	} else {
		sum_completion(m, sum);
	}
	fields_in(m[M_IDENTITY], who_members, COUNT_OF(who_members), who);
	p.value[BY_PERSON] = who[0];
	p.value[BY_TEAM] = who[1];
	p.value[BY_MODEL] = m[M_MODEL];
	p.value[BY_ROUTE] = m[M_ROUTE];
	p.value[BY_PROVIDER] = m[M_TARGET];
	p.value[BY_DAY] = day;
	buf_init(&p.key, 65536);
	buf_init(&p.target, 65536);
	buf_init(&p.tool, 65536);
	p.decision = decision;
	struct span time = audit_time_of(line);
	if (!time.n || clock_parse(time.p, time.n, &p.last_ns))
		p.last_ns = 0;
	for (size_t i = 0; i < n; i++) {
		p.value[BY_TARGET] = (struct span){ NULL, 0 };
		buf_clear(&p.target);
		if (groups_by(&t[i], BY_TARGET))
			name_target(&p);
		add_all(&t[i], &p, sum);
		if (m[M_ATTEMPTS].n && !further)
			add_attempts(&t[i], &p);
	}
	buf_free(&p.key);
	buf_free(&p.target);
	buf_free(&p.tool);
}
