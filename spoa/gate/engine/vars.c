/* Converts a decided request to HAProxy's variables. Text is made printable and cut, because a
 * header or a claim may hold any byte, but HAProxy's log and headers may not. On the relay's
 * side, also the denial and x-tollgate-* fields, which HAProxy turns into the same variables.
 */
#include "base/caps.h"
#include "base/clock.h"
#include "base/scoped.h"
#include "gate/engine/engine.h"
#include "policy/policy.h"
#include "scan/dialect/denial.h"

/* The list being filled. */
struct vars {
	struct request *r;
	struct var *v;
	size_t n;
};

static void
push_var(struct vars *vs, const char *name, const char *field, struct span s)
{
	if (vs->n < VARS_MAX)
		vs->v[vs->n++] = (struct var){ name, field, false, 0, s };
}

/* Adds a text that is printable already; nothing if it is empty. */
static void
put_as_is(struct vars *vs, const char *name, const char *field, struct span s)
{
	if (s.n)
		push_var(vs, name, field, s);
}

/* Adds a text: ASCII without controls, cut to CAP_VAR_BYTES. If memory ran out, the variable is
 * present but empty: without the variable, HAProxy would choose a backend itself. */
static void
put_var(struct vars *vs, const char *name, const char *field, struct span s)
{
	if (!s.n)
		return;
	struct span out = arena_dup(&vs->r->arena, span_cut(s, 0, CAP_VAR_BYTES));
	for (size_t i = 0; i < out.n; i++)
		if (out.p[i] < ' ' || out.p[i] > '~')
			((char *)out.p)[i] = '?';
	push_var(vs, name, field, out);
}

static void
put_int(struct vars *vs, const char *name, const char *field, int64_t i)
{
	if (vs->n < VARS_MAX)
		vs->v[vs->n++] = (struct var){ name, field, true, i, { NULL, 0 } };
}

/* Returns true if `a` has less left than `b`, as a share of the limit. */
static bool
tighter(const struct quota_dim *a, const struct quota_dim *b)
{
	return (unsigned __int128)a->remaining * b->limit <
	       (unsigned __int128)b->remaining * a->limit;
}

/* Returns the counter of a limit that is shown there, with the least left; NULL: none. */
static const struct quota_dim *
tightest(const struct request *r, enum limit_shown shown)
{
	const struct quota_dim *best = NULL;

	for (int i = 0; i < 2; i++) {
		if (r->found.quota[i]->result == QUOTA_FAILED)
			continue;
		for (size_t k = 0; k < r->found.quota[i]->ndims; k++) {
			const struct quota_dim *d = &r->found.quota[i]->dim[k];
			if (limit_kinds[d->counts].shown == shown &&
				(!best || tighter(d, best)))
				best = d;
		}
	}
	return best;
}

/* Returns the limit in dollars that refused. Only the end of its window fits into these fields.
 */
static const struct quota_dim *
refused_dollars(const struct request *r)
{
	for (int i = 0; i < 2; i++) {
		const struct quota_request *q = r->found.quota[i];
		if (q->result == QUOTA_REFUSED && q->refused_by < q->ndims &&
			q->dim[q->refused_by].unit == QUOTA_NANOUSD)
			return &q->dim[q->refused_by];
	}
	return NULL;
}

/* Returns the time until a counter's window ends. The counts may have been read with the head,
 * and the body arrived later. */
static struct span
reset_text(struct request *r, const struct quota_dim *d)
{
	uint64_t since_us = 0, ms;

	for (int i = 0; i < 2; i++)
		if (d >= r->found.quota[i]->dim &&
			d < r->found.quota[i]->dim + r->found.quota[i]->ndims)
			since_us = clock_mono_us() - r->found.quota[i]->queued_us;
	ms = d->reset_ms > since_us / 1000 ? d->reset_ms - since_us / 1000 : 0;
	char text[SPAN_DECIMAL + 1];
	size_t n = span_decimal(text, (int64_t)(ms + 999) / 1000);
	text[n] = 's';
	return arena_dup(&r->arena, span_of(text, n + 1));
}

static void
put_limits(struct vars *vs)
{
	static const struct {
		enum limit_shown shown;
		const char *limit, *remaining, *reset, *flimit, *fremaining, *freset;
	} kinds[] = {
		{ SHOWN_REQUESTS, "limit_requests", "remaining_requests", "reset_requests",
			"limit-requests", "remaining-requests", "reset-requests" },
		{ SHOWN_TOKENS, "limit_tokens", "remaining_tokens", "reset_tokens",
			"limit-tokens", "remaining-tokens", "reset-tokens" },
	};

	for (size_t i = 0; i < 2; i++) {
		const struct quota_dim *d = tightest(vs->r, kinds[i].shown);
		if (d)
			put_int(vs, kinds[i].limit, kinds[i].flimit, (int64_t)d->limit);
		if (d && d->reset_ms)
			put_int(vs, kinds[i].remaining, kinds[i].fremaining,
				(int64_t)d->remaining);
		if (!d)
			d = refused_dollars(vs->r);
		if (d && d->reset_ms)
			put_var(vs, kinds[i].reset, kinds[i].freset, reset_text(vs->r, d));
	}
}

/* Returns true if a rule or the data denies, so that an agent can read the reason and continue.
 * Denials about the caller, the token's scope, limits or failures are HTTP errors. */
static bool
is_denied_by_content(const struct decision *d)
{
	return (d->status == 403 && !d->scope) || d->status == 451 ||
	       (d->status == 404 && d->rule && *d->rule);
}

/* Fills in how the denial is worded, except for its message, and the HTTP status. */
static void
word_mcp_denial(const struct request *r, struct mcp_refusal *out, int *status)
{
	const struct decision *d = &r->out.decision;
	const struct found_message *f = r->found.message;

	*status = d->status;
	*out = (struct mcp_refusal){
		.id = f->said.id,
		.era = f->said.era,
		.code = d->status >= 500   ? MCP_CODE_INTERNAL
			: d->status == 400 ? MCP_CODE_REQUEST
					   : MCP_CODE_DENIED,
		.reason = d->code,
	};
	if (f->wrong.code && d->status == f->wrong.status) {
		out->code = f->wrong.code;
		out->reason = f->wrong.code == MCP_CODE_VERSION ? NULL : d->code;
		out->requested = f->said.version;
	} else if (is_denied_by_content(d)) {
		mcp_denied(&f->said, out, status);
		out->result &= !f->as_error;
	}
}

/* Returns the denial in the caller's dialect, and its status; empty: out of memory. */
static struct span
error_document(struct request *r, int *status)
{
	const struct decision *d = &r->out.decision;
	struct denial said = { .dialect = r->found.endpoint.dialect,
		.status = d->status,
		.code = d->code,
		.message = d->message,
		.id = span_str(r->id) };
	struct mcp_refusal mcp;

	if (r->found.message) {
		word_mcp_denial(r, &mcp, &said.status);
		said.mcp = &mcp;
		said.worded = true;
	}
	SCOPED_BUF(b, 4 * CAP_ERROR_BYTES);
	*status = denial_document(&said, &b);
	return buf_failed(&b) ? (struct span){ NULL, 0 } : arena_dup(&r->arena, buf_view(&b));
}

/* ---- www-authenticate: RFC 6750 3, RFC 9728 5.1 ---- */

static bool
has_scope(struct span list, struct span one)
{
	while (list.p && list.n)
		if (span_eq(span_next(&list, ' '), one))
			return true;
	return false;
}

/* Adds the scopes in `list` that are not in `before`. */
static void
add_scopes(struct buf *to, struct span list, struct span before, bool *any)
{
	while (list.p && list.n) {
		struct span one = span_next(&list, ' ');
		if (!one.n || has_scope(before, one))
			continue;
		buf_str(to, *any ? " " : "");
		buf_span(to, one);
		*any = true;
	}
}

/* Returns the scopes of the caller's token (RFC 8693 4.2), because a client that asks only for
 * the missing scope would lose them. Empty: none that can be repeated. */
static struct span
token_scopes(const struct request *r)
{
	const struct identity *id = &r->found.identity;

	for (size_t i = 0; i < id->nattributes; i++) {
		const struct cel_value *v = &id->attributes[2 * i];
		if (v[0].type != CEL_STRING || v[1].type != CEL_STRING ||
			!span_is(v[0].s, "scope") || v[1].s.n > CAP_TOKEN_SCOPES)
			continue;
		struct span s = v[1].s;
		for (size_t k = 0; k < s.n; k++)
			if (s.p[k] < ' ' || s.p[k] > '~' || s.p[k] == '"' || s.p[k] == '\\')
				return (struct span){ NULL, 0 };
		return s;
	}
	return (struct span){ NULL, 0 };
}

static void
say_scopes(const struct request *r, const struct login *l, struct buf *to)
{
	struct span first = span_str(l ? l->scope : ""), none = { NULL, 0 },
		    lacks = span_str(r->out.decision.scope), has = none;
	bool any = false;

	if (!lacks.n && !first.n)
		return;
	if (lacks.n)
		has = token_scopes(r);
	buf_str(to, ", scope=\"");
	add_scopes(to, first, none, &any);
	add_scopes(to, lacks, first, &any);
	for (struct span rest = has; rest.p && rest.n;) {
		struct span one = span_next(&rest, ' ');
		if (!has_scope(first, one))
			add_scopes(to, one, lacks, &any);
	}
	buf_str(to, "\"");
}

/* Adds the challenge to log in: to a 401 of an MCP route with `login`, and if a rule states
 * which scope is missing. Other denials have none. */
static void
put_challenge(struct vars *vs)
{
	struct request *r = vs->r;
	const struct decision *d = &r->out.decision;
	const struct login *l = r->found.route ? r->found.route->login : NULL;

	if (!(d->status == 401 && l) && !d->scope)
		return;
	SCOPED_BUF(b, CAP_CHALLENGE_BYTES);
	buf_str(&b, "Bearer ");
	if (d->scope)
		buf_str(&b, "error=\"insufficient_scope\"");
	if (l)
		buf_printf(&b, "%sresource_metadata=\"%s\"", d->scope ? ", " : "", l->metadata);
	say_scopes(r, l, &b);
	if (!d->scope && r->found.presented)
		buf_str(&b, ", error=\"invalid_token\"");
	struct span s =
		buf_failed(&b) ? (struct span){ NULL, 0 } : arena_dup(&r->arena, buf_view(&b));
	put_as_is(vs, "challenge", "challenge", s);
}

/* Adds variables that are known late. The receipt exists when the record is durable, which may
 * be after the ACK of a request through the relay. Attempts are known when one succeeded, so
 * never in an ACK. */
static void
put_known_late(struct vars *vs)
{
	const char *target;
	unsigned n = vs->r->out.decision.kind == D_DENY ? 0 : request_attempts(vs->r, &target);

	put_var(vs, "receipt", "receipt", vs->r->out.receipt);
	if (!n || vs->r->x->ticket.live)
		return;
	put_var(vs, "target", "target", span_str(target));
	put_int(vs, "attempts", "attempts", n);
}

/* Returns the decision that HAProxy receives. A direct probe that stops before the provider
 * gets "observed", which every guard refuses: steps/step_identity.c. */
static const char *
decision_to_haproxy(const struct request *r)
{
	const struct decision *d = &r->out.decision;
	bool stops = r->found.probe_stops && d->via == VIA_DIRECT && d->kind == D_PERMIT;

	return decision_names[stops ? D_OBSERVED : d->kind];
}

size_t
request_vars(struct request *r, struct var out[VARS_MAX])
{
	struct vars vs = { r, out, 0 };
	const struct decision *d = &r->out.decision;
	int status;

	put_var(&vs, "decision", "decision", span_str(decision_to_haproxy(r)));
	put_var(&vs, "via", NULL, span_str(via_names[d->via]));
	put_var(&vs, "id", "id", span_str(r->id));
	if (d->via == VIA_RELAY && r->x)
		put_var(&vs, "ticket", NULL, span_str(r->x->ticket_text));
	if (d->kind == D_DENY) {
		put_int(&vs, "status", "status", d->status);
		struct span error = error_document(r, &status);
		if (error.n <= CAP_ERROR_BYTES)
			put_as_is(&vs, "error", NULL, error);
		put_challenge(&vs);
		if (d->retry_after_s)
			put_int(&vs, "retry_after", "retry-after", (int64_t)d->retry_after_s);
	}
	put_var(&vs, "backend", NULL, span_str(request_backend(r)));
	if (r->gate)
		put_var(&vs, "node", NULL, span_str(gate_cfg(r->gate)->node));
	/* for other targets, the frontend deletes the headers that no API needs */
	const struct target *to = request_target(r);
	if (d->via == VIA_DIRECT && d->kind == D_PERMIT && to && to->all_headers)
		put_int(&vs, "internal", NULL, 1);
	put_var(&vs, "policy", "policy", span_str(r->snap->policy->label));
	put_var(&vs, "rule", "rule", span_str(d->rule));
	put_limits(&vs);
	if (d->final)
		put_int(&vs, "final", "final", 1);
	put_var(&vs, "limit_warning", "limit-warning", request_limit_warning(r));
	if (r->found.fell.change)
		put_var(&vs, "at_limit", "at-limit", span_str(r->found.fell.limit->name));
	put_var(&vs, "identity", "identity", r->found.identity.person);
	put_var(&vs, "model", "model", r->in.body.model);
	SCOPED_BUF(classes, 4096);
	request_classes(r, &classes);
	put_var(&vs, "classes", "classes", buf_view(&classes));
	put_var(&vs, "path", NULL, request_path_shown(r));
	put_var(&vs, "traceparent", NULL, request_trace(r));
	put_int(&vs, "took_us", "took-us", (int64_t)r->out.took_us);
	put_known_late(&vs);
	return vs.n;
}

void
request_denial(struct request *r, struct exchange_denial *out)
{
	out->body = error_document(r, &out->status);
	out->fields = request_fields(r);
}

/* Returns the variables as header lines. */
static struct span
fields_of(struct request *r, const struct var *vars, size_t n)
{
	SCOPED_BUF(b, 16384);
	for (size_t i = 0; i < n; i++) {
		const struct var *v = &vars[i];
		if (!v->field)
			continue;
		buf_str(&b, "x-tollgate-");
		buf_str(&b, v->field);
		buf_str(&b, ": ");
		if (v->is_int)
			buf_int(&b, v->i);
		else
			buf_span(&b, v->s);
		buf_str(&b, "\r\n");
	}
	return arena_dup(&r->arena, buf_view(&b));
}

struct span
request_fields(struct request *r)
{
	struct var vars[VARS_MAX];

	return fields_of(r, vars, request_vars(r, vars));
}

struct span
request_attempt_fields(struct request *r)
{
	struct var vars[VARS_MAX];
	struct vars vs = { r, vars, 0 };

	put_known_late(&vs);
	return vs.n ? fields_of(r, vars, vs.n) : (struct span){ NULL, 0 };
}
