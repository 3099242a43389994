/* Limits that count the tool calls of a model's response. When the request is decided, the rest
 * of each offered tool's limits is read from Redis without charging. While the response is
 * read, calls take from these numbers. When it ends, the calls made are charged. */
#include "gate/limits/limits.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/scoped.h"
#include "gate/exchange.h"
#include "gate/gate_private.h"
#include "policy/policy.h"

/* limits of one request; beyond them ERR_LIMIT */
enum { TOOLS_MAX = 256, COUNTERS_MAX = 512, COUNTERS_A_TOOL = 8 };

/* The tools of one request. owner: the request; the guard's thread while it checks calls. */
struct call_limits {
	struct arena own;
	struct quota_request look; /* the current question to Redis */
	bool asking;
	size_t asked;			 /* counters asked for so far */
	size_t ntools, ncounters, rooms; /* rooms: allocated counters */
	struct counter {
		struct quota_dim dim;
		uint64_t bound, left; /* the limit; the rest, UINT64_MAX: no limit now */
		const char *why;      /* the reason to deny a call if nothing is left */
	} * counter;
	struct tool_counts {
		struct span name;
		uint64_t let_go; /* calls that this attempt's response may make */
		size_t n;
		uint16_t counter[COUNTERS_A_TOOL];
	} tool[TOOLS_MAX];
};

/* ---- offered tools ---- */

bool
limits_names_tool(const struct body *b, const struct segment *s)
{
	static const char *const of[] = { "tools", "function", "functions",
		"functionDeclarations", "function_declarations", "toolSpec" };
	const struct segment *k = body_key_of(b, s), *in = body_key_of(b, k);

	if (s->role != ROLE_TOOL_DEFINITION || !k || !in)
		return false;
	if (span_is(k->text, "name"))
		return span_find(in->text, of, COUNT_OF(of)) < COUNT_OF(of);
	return span_is(k->text, "type") && span_is(in->text, "tools") &&
	       !span_is(s->text, "function") && !span_is(s->text, "custom");
}

static struct tool_counts *
find_tool_counts(struct call_limits *c, struct span name)
{
	for (size_t i = 0; i < c->ntools; i++)
		if (span_eq(c->tool[i].name, name))
			return &c->tool[i];
	return NULL;
}

/* ---- their counters ---- */

static int
add_counter(const struct request *r, struct call_limits *c, struct tool_counts *t,
	const struct policy_limit_hit *hit, bool burst)
{
	struct quota_dim d;
	size_t k = 0;

	limits_call_dim(r, hit, burst, &d);
	while (k < c->ncounters && strcmp(c->counter[k].dim.key, d.key) != 0)
		k++;
	if (t->n == COUNTERS_A_TOOL || k == COUNTERS_MAX)
		return ERR_LIMIT;
	if (k == c->ncounters) {
		struct counter *v = arena_grow(
			&c->own, c->counter, c->ncounters, &c->rooms, sizeof(*v), 16);
		if (!v)
			return ERR_NOMEM;
		c->counter = v;
		c->counter[c->ncounters++] = (struct counter){
			.dim = d,
			.bound = d.limit - (d.apart < d.limit ? d.apart : d.limit),
		};
	}
	t->counter[t->n++] = (uint16_t)k;
	return 0;
}

static int
add_tool(struct request *r, struct call_limits *c, struct span name)
{
	struct tool_call call = { .name = name, .lost = true };
	struct tool_counts *t = &c->tool[c->ntools];
	struct policy_limit_hit *hits;
	struct policy_facts f;
	size_t n = 0;

	if (!name.n || find_tool_counts(c, name))
		return 0;
	if (c->ntools == TOOLS_MAX)
		return ERR_LIMIT;
	SCOPED_ARENA(a, 0, true);
	request_facts(r, &f);
	f.call = &call;
	int err = policy_limits(r->snap->policy, &f, &a, &hits, &n);
	err = err ? err : limits_live(r, &f, hits, &n);
	*t = (struct tool_counts){ .name = arena_dup(&c->own, name) };
	for (size_t i = 0; i < n && !err; i++) {
		if (!hits[i].of || !hits[i].of->reads_tool)
			continue;
		err = add_counter(r, c, t, &hits[i], false);
		if (!err && hits[i].limit->burst.amount)
			err = add_counter(r, c, t, &hits[i], true);
	}
	c->ntools += t->n > 0;
	return arena_failed(&c->own) ? ERR_NOMEM : err;
}

static bool
may_count(const struct request *r)
{
	const struct policy *p = r->snap->policy;
	bool any = false;

	if (!r->found.route->uses.calls || !r->in.have_body || r->found.message ||
		r->found.observed)
		return false;
	for (size_t i = 0; i < p->nlimits; i++)
		any |= p->limits[i].reads_tool;
	return any;
}

static int
make_calls(struct request *r)
{
	const struct body *b = &r->in.body;
	struct call_limits *c = mem_get_zeroed(sizeof(*c));
	int err = 0;

	if (!c)
		return ERR_NOMEM;
	arena_init(&c->own, 0, true);
	r->found.calls = c;
	for (size_t i = 0; i < b->nsegments && !err; i++)
		if (limits_names_tool(b, &b->segments[i]))
			err = add_tool(r, c, b->segments[i].text);
	return err;
}

/* Asks for the counters that were not read yet, as many as one request to Redis holds. NULL:
 * all were read. */
static struct quota_request *
next_look(struct call_limits *c)
{
	struct quota_request *q = &c->look;

	memset(q, 0, sizeof(*q));
	for (; c->asked < c->ncounters && q->ndims < QUOTA_DIMS_MAX; c->asked++) {
		struct quota_dim *d = &q->dim[q->ndims++];
		*d = c->counter[c->asked].dim;
		d->limit = LIMITS_NO_BOUND;
	}
	c->asking = q->ndims > 0;
	return c->asking ? q : NULL;
}

int
limits_look_calls(struct request *r, struct quota_request **q)
{
	int err = 0;

	*q = NULL;
	if (!r->found.calls && may_count(r) && !(err = make_calls(r)))
		*q = next_look(r->found.calls);
	return err;
}

static void
take_reading(struct call_limits *c, struct counter *k, const struct quota_dim *d)
{
	const struct quota_request *q = &c->look;
	uint64_t used = d->used + d->held, bound = k->bound;

	if (q->result != QUOTA_ADMITTED) {
		k->left = k->dim.away == QUOTA_AWAY_ALLOW ? UINT64_MAX : 0;
		k->why = "a limit on this tool cannot be checked now";
		return;
	}
	if (q->alone)
		bound = k->dim.away == QUOTA_AWAY_SHARE ? d->limit : UINT64_MAX;
	k->left = used < bound ? bound - used : 0;
	k->why = arena_printf(&c->own, "the limit %s is reached", k->dim.name).p;
}

bool
limits_calls_heard(struct request *r, struct quota_request **q)
{
	struct call_limits *c = r->found.calls;

	if (!c || !c->asking)
		return false;
	for (size_t i = 0; i < c->look.ndims; i++)
		take_reading(c, &c->counter[c->asked - c->look.ndims + i], &c->look.dim[i]);
	*q = next_look(c);
	return true;
}

/* ---- the response ---- */

void
limits_answer_begins(struct request *r)
{
	struct call_limits *c = r->found.calls;

	for (size_t i = 0; c && i < c->ntools; i++) {
		struct tool_counts *t = &c->tool[i];
		for (size_t k = 0; k < t->n; k++)
			if (c->counter[t->counter[k]].left != UINT64_MAX)
				c->counter[t->counter[k]].left += t->let_go;
		t->let_go = 0;
	}
}

const char *
limits_may_call(void *arg, struct span name)
{
	struct call_limits *c = arg;
	struct tool_counts *t = find_tool_counts(c, name);

	for (size_t k = 0; t && k < t->n; k++)
		if (!c->counter[t->counter[k]].left)
			return c->counter[t->counter[k]].why ? c->counter[t->counter[k]].why
							     : "a limit is reached";
	for (size_t k = 0; t && k < t->n; k++)
		if (c->counter[t->counter[k]].left != UINT64_MAX)
			c->counter[t->counter[k]].left--;
	if (t)
		t->let_go++;
	return NULL;
}

void
limits_called(struct request *r, struct span name)
{
	struct tool_counts *t = r->found.calls ? find_tool_counts(r->found.calls, name) : NULL;

	if (t)
		t->let_go++;
}

void
limits_count_calls(struct request *r)
{
	struct call_limits *c = r->found.calls;

	for (size_t i = 0; c && i < c->ntools; i++) {
		struct tool_counts *t = &c->tool[i];
		for (size_t k = 0; t->let_go && k < t->n; k++) {
			struct quota_dim d = c->counter[t->counter[k]].dim;
			d.n = t->let_go;
			quota_add(r->gate->quota, &d, clock_mono_us());
		}
		t->let_go = 0;
	}
}

void
limits_free_calls(struct request *r)
{
	struct call_limits *c = r->found.calls;

	if (!c)
		return;
	arena_reset(&c->own);
	mem_put(c, sizeof(*c));
	r->found.calls = NULL;
}
