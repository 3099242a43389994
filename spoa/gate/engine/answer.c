/* Prepares the guard of a request's response: the facts that rules on responses read, the
 * values to restore, and how its texts are searched. */
#include "base/ascii.h"
#include "base/err.h"
#include "gate/engine/engine.h"
#include "gate/files/speech.h"
#include "gate/sealing/sealing.h"
#include "policy/policy.h"
#include "policy/prices.h"
#include "scan/text/argument_types.h"

/* Used while a vault is filled. */
struct filling {
	struct vault *vault;
	int err;
};

/* Adds a placeholder's value or a URL, unless the vault is full. The caller's own credential is never
 * restored, because anyone who can make the model call a tool would receive it. */
static void
put_in_vault(void *arg, struct span placeholder, struct span value)
{
	struct filling *f = arg;

	if (span_starts(placeholder, SPAN_LIT("<CREDENTIAL_")))
		return;
	int err = value.p ? vault_add(f->vault, placeholder, value)
			  : vault_add_url(f->vault, placeholder);

	if (err == ERR_NOMEM)
		f->err = err;
}

struct vault *
route_vault(const struct route *route)
{
	struct vault *v = vault_new();

	if (v && route->response & RESP_RESTORE_URLS)
		vault_allow_urls(v);
	return v;
}

int
vault_fill(struct vault *v, const struct placeholders *p)
{
	struct filling f = { v, 0 };

	placeholders_each(p, put_in_vault, &f);
	return f.err;
}

/* ---- values without quotes ---- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Returns true for a JSON number (RFC 8259 6) without exponent, or a date as in YAML and TOML,
 * perhaps with a time: YYYY-MM-DD. */
static bool
is_number_or_date(struct span s)
{
	size_t n = s.n && s.p[0] == '-', digits = n;

	while (n < s.n && is_digit(s.p[n]))
		n++;
	digits = n - digits;
	bool zero = digits > 1 && s.p[n - digits] == '0';
	if (n < s.n && s.p[n] == '.' && digits && !zero) {
		size_t point = ++n;
		while (n < s.n && is_digit(s.p[n]))
			n++;
		return n == s.n && n > point;
	}
	if (n == s.n)
		return digits > 0 && !zero;
	for (size_t i = 4; digits == 4 && i < s.n; i++)
		if (i == 4 || i == 7
				? s.p[i] != '-'
				: !is_digit(s.p[i]) && (i < 10 || !memchr("T:Z.+-", s.p[i], 6)))
			return false;
	return digits == 4 && s.n >= 10;
}

enum { LIST_MOST = 4096 /* bytes of a list before a value that are read */ };

/* Returns true if the text before the offset is inside a list [ … ]. */
static bool
inside_list(struct span text, size_t at)
{
	size_t least = at > LIST_MOST ? at - LIST_MOST : 0, deep = 0;

	while (at-- > least) {
		char c = text.p[at];
		if (c == '"')
			while (at > least && (text.p[--at] != '"' || (at && text.p[at - 1] == '\\')))
				continue;
		else if (c == ']' || c == '}' || c == ')')
			deep++;
		else if ((c == '[' || c == '{' || c == '(') && !deep--)
			return c == '[';
	}
	return false;
}

/* Returns true if a value without quotes may begin at the offset: behind ':', '=', '=>', '[', an
 * element of a list, or the '-' of an item of YAML. */
static bool
precedes_bare(struct span text, size_t at)
{
	size_t first = at;

	while (at && is_blank(text.p[at - 1]))
		at--;
	if (at && text.p[at - 1] == '-' && at < first) {
		while (--at && is_blank(text.p[at - 1]))
			continue;
		return !at || text.p[at - 1] == '\n';
	}
	if (at && text.p[at - 1] == '=')
		return true;
	if (at > 1 && text.p[at - 1] == '>' && text.p[at - 2] == '=')
		return true;
	while (at && is_space(text.p[at - 1]))
		at--;
	if (at && text.p[at - 1] == ',')
		return inside_list(text, at - 1);
	return at && memchr(":[", text.p[at - 1], 2);
}

/* Returns true if the text from the offset on ends a value without quotes. */
static bool
follows_bare(struct span text, size_t at)
{
	while (at < text.n && is_blank(text.p[at]))
		at++;
	return at == text.n || memchr(",]};\r\n#", text.p[at], 7);
}

static bool
is_quote(struct span text, size_t at)
{
	return at < text.n && memchr("\"'`\\", text.p[at], 4);
}

/* Returns the form in which the body, or a text in it such as a file, has the value. */
static enum occurrence
occurrence_of(const struct hit *h)
{
	const struct segment *s = h->segment;
	size_t start = h->f.start, end = h->f.end;

	if (h->piece || !is_number_or_date(span_cut(s->text, start, end)))
		return OCCURS_AS_TEXT;
	if (start == 0 && end == s->text.n)
		return s->form == SEG_NUMBER ? OCCURS_BARE : OCCURS_AS_TEXT;
	if (start && is_quote(s->text, start - 1) && is_quote(s->text, end))
		return OCCURS_AS_TEXT;
	return precedes_bare(s->text, start) && follows_bare(s->text, end) ? OCCURS_BARE
									   : OCCURS_IN_PROSE;
}

void
request_occurrences(const struct request *r, struct vault *v)
{
	const struct overlay *o = &r->scan.overlay;

	request_kept_occurrences(r, v);
	for (size_t i = 0; i < o->nhits; i++)
		if (o->hits[i].with.n)
			vault_note_occurrence(v, o->hits[i].with, occurrence_of(&o->hits[i]));
	for (size_t i = 0; i < o->nwholes; i++)
		if (o->wholes[i].with.n)
			vault_note_occurrence(v, o->wholes[i].with, occurrence_of(&o->wholes[i]));
}

int
request_vault(const struct request *r, struct vault **out, struct arena *own)
{
	if (!(r->found.route->response & RESP_RESTORE) ||
		(!r->out.redactor && !r->out.placeholders))
		return 0;
	vault_free(out);
	*out = route_vault(r->found.route);
	struct filling f = { *out, *out ? 0 : ERR_NOMEM };
	if (*out)
		vault_count_unknown(*out, r->snap->rules, r->found.kept.state > KEPT_BEGINS);
	if (*out && r->out.placeholders)
		f.err = vault_fill(*out, r->out.placeholders);
	else if (*out)
		redactor_each(r->out.redactor, put_in_vault, &f);
	if (!*out || f.err)
		return f.err;
	request_occurrences(r, *out);
	/* the provider may keep tools that the request does not have */
	if (vault_has_bare(*out))
		vault_note_types(*out, argument_types_read(r->in.raw, own),
			r->found.kept.state <= KEPT_BEGINS);
	return 0;
}

/* Returns true if the body asks Anthropic for a `thread`, in which the provider keeps the turn
 * and expects a result for each of its calls. A false positive is possible if another object
 * has this name. */
static bool
names_thread(const struct request *r, struct span body)
{
	static const char key[] = "\"thread\"";
	const char *at;

	if (strcmp(dialect_name(r->found.endpoint.dialect), "anthropic") != 0)
		return false;
	while ((at = memmem(body.p, body.n, key, strlen(key)))) {
		body = span_cut(body, (size_t)(at - body.p) + strlen(key), body.n);
		struct span rest = body;
		while (rest.n && strchr(" \t\r\n:", rest.p[0]))
			rest = span_cut(rest, 1, rest.n);
		if (rest.n && rest.p[0] == '{')
			return true;
	}
	return false;
}

/* Copies the names, because the response is read after the request's arena is gone. */
static const struct tool_alias *
keep_aliases(const struct tool_alias *from, struct arena *own)
{
	const struct tool_alias *kept = NULL;

	for (; from; from = from->next) {
		struct tool_alias *as = arena_new(own, struct tool_alias);
		if (!as)
			return NULL; /* the arena has failed */
		*as = (struct tool_alias){ .sent = arena_dup(own, from->sent),
			.name = arena_dup(own, from->name),
			.space = arena_dup(own, from->space),
			.custom = from->custom,
			.next = kept };
		kept = as;
	}
	return kept;
}

void
request_translate_plan(const struct request *r, struct arena *own, struct translate_plan *out)
{
	const struct found_form *f = r->found.form;

	*out = (struct translate_plan){ .from = FORM_NONE };
	if (!f || f->to == f->from) /* the response has the caller's form */
		return;
	struct span path = buf_view(&r->out.new_target);
	*out = (struct translate_plan){ .from = f->to,
		.to = f->from,
		.sent = form_dialect(f->to),
		.asked = r->found.endpoint.dialect,
		.array = f->from == FORM_GENERATE && f->made.stream && request_streams_array(r),
		.wants_usage = f->made.wants_usage,
		.choices = f->made.choices,
		.aliases = keep_aliases(f->made.aliases, own),
		.vectors = f->made.vectors,
		.base64 = f->made.base64,
		.model = r->found.route->alias ? span_str(r->found.route->alias)
					       : arena_dup(own, r->in.body.model),
		.id = span_str(r->id),
		.input_tokens = r->found.prompt_tokens };
	out->format =
		answer_format_find(span_str(dialect_name(out->sent)), span_next(&path, '?'));
}

int
exchange_expect(struct request *r, struct exchange *x, struct arena *own)
{
	const struct cel_value *data[CAP_DATA] = { NULL };
	struct policy_facts f;

	if (!x->plan.reads_answer)
		return 0;
	request_translate_plan(r, own, &x->translate);
	const struct dialect *sent = x->translate.sent;
	x->may_reason = dialect_may_reason(sent ? sent : r->found.endpoint.dialect,
		r->in.body.model, r->in.have_body && !sent ? &r->in.body : NULL);
	const struct body *b = r->in.have_body ? &r->in.body : NULL;
	x->asks_stream = r->found.endpoint.streams || (b && b->stream);
	x->responses = (b && b->choices > 1 ? (uint64_t)b->choices : 1) *
		       (b && b->prompts > 1 ? (uint64_t)b->prompts : 1);
	x->made_later =
		r->in.have_body && (dialect_responds_later(&r->found.endpoint, &r->in.body) ||
					   r->found.file.state == FILE_KNOWN);
	int err = x->of_session ? 0 : request_vault(r, &x->vault, own);
	err = err ? err : exchange_keep_placeholders(r, x, own);
	/* a known endpoint is not JSON-RPC */
	struct span body_sent =
		r->out.sends == SENDS_REWRITTEN ? buf_view(&r->out.rewritten) : r->in.raw;
	if (!err && body_sent.n && !r->found.endpoint.name && !r->found.message)
		err = dialect_rpc_ids(body_sent, own, &x->rpc_ids);
	bool inspects = r->found.route->response & RESP_INSPECT;
	if (!err && (inspects || request_is_pinned(r))) {
		request_asked_facts(r, &f);
		err = policy_answer_request(r->snap->policy, &f, own, &x->asked);
		x->asked.keeps_turn = r->found.route->uses.calls && names_thread(r, body_sent);
	}
	if (!err)
		err = request_messages(r, &x->asked, own, &x->messages);
	x->has_shadow = !err && inspects && request_shadow_facts(r, &f, data);
	return x->has_shadow ? policy_answer_request(
				       r->snap->shadow_policy, &f, own, &x->shadow_asked)
			     : err;
}

int
request_guard_plan(const struct request *r, struct span path,
	const struct answer_request *asked, const struct vault *vault,
	const struct translate_plan *translate, struct guard_plan *out)
{
	const struct route *route = r->found.route;
	bool other = translate->from != FORM_NONE;
	const struct dialect *d = other ? translate->sent : r->found.endpoint.dialect;
	const struct snapshot *s = r->snap;
	struct snapshot_local *own = snapshot_mine(r->snap, r->worker);

	if (!own)
		return ERR_NOMEM;
	*out = (struct guard_plan){
		.format = other ? translate->format
				: answer_format_find(span_str(dialect_name(d)), path),
		.translate = other ? translate : NULL,
		.dialect = d,
		.endpoint = other ? form_name(translate->from) : r->found.endpoint.name,
		.path = path,
		.rules = r->snap->rules,
		.scratch = own->scratch,
		.signed_reasoning = request_on_failure(r)->signed_reasoning,
		.unread = r->found.unclassified,
		.on_failure = request_on_failure(r),
		.hash_key = r->snap->hash_key_set ? r->snap->hash_key : NULL,
		.plain_form = r->snap->policy->plain_placeholders,
		.vault = vault_matters(vault) ? vault : NULL,
		.tools = route->tools,
		.ntools = route->ntools,
	};
	if (route->response & RESP_INSPECT) {
		out->inspects = true;
		out->policy = s->policy;
		out->options = policy_detect_options(s->policy);
		/* only the detectors that rules of this route use */
		if (!route->find_all && s->answers)
			out->options.used =
				s->answers[(route->of ? route->of : route) - s->policy->routes];
		out->asked = asked;
		out->scores = route->uses.injection;
		out->reads_calls = route->uses.tool_calls;
	}
	return 0;
}

/* Returns true if the query asks for another page of a list. */
static bool
is_next_page(struct span query)
{
	static const char *const words[] = { "after", "before", "ageToken", "age_token",
		"cursor", "offset" };
	bool is = false;

	for (size_t i = 0; i < COUNT_OF(words); i++)
		is |= query.n && memmem(query.p, query.n, words[i], strlen(words[i])) != NULL;
	return is;
}

struct span
gate_cost_field(struct exchange *x, const struct usage *u)
{
	struct priced p;
	char usd[PRICE_TEXT_MAX];

	if (x->plan.replays && x->r->found.route->show_cost)
		return SPAN_LIT("x-tollgate-cost: 0\r\n");
	if (!x->r->found.route->show_cost || !request_cost(x->r, u, &p) || p.cost.unpriced)
		return (struct span){ NULL, 0 };
	price_text(p.cost.nanousd, usd);
	return arena_printf(&x->r->arena, "x-tollgate-cost: %s\r\n", usd);
}

/* Returns the address by which the caller reached the gateway. Views of the plan's head. */
static struct url_lead
caller_address(const struct exchange *x)
{
	struct url_lead l = { .family = x->r->found.endpoint.family,
		.endpoint = x->r->found.endpoint.name,
		.https = x->https,
		.path = x->plan.head.path };

	http_field_one(&x->plan.head, "host", &l.host);
	return l;
}

bool
gate_lead(struct exchange *x, struct http_field *fields, size_t n)
{
	struct url_lead l = caller_address(x);

	for (size_t i = 0; i < n; i++) {
		fields[i].value =
			url_lead_field(&l, fields[i].name, fields[i].value, &x->r->arena);
		if (!fields[i].value.p)
			return false;
	}
	return true;
}

int
gate_answer(struct exchange *x, const struct guard_head *h, struct guard **out)
{
	const struct route *route = x->r->found.route;
	struct guard_plan plan;
	int err = request_guard_plan(x->r, x->plan.head.path, &x->asked,
		x->of_session ? x->of_session : x->vault, &x->translate, &plan);

	if (err)
		return err;
	plan.hide_usage = x->hide_usage;
	if (x->r->found.calls) {
		limits_answer_begins(x->r);
		plan.may_call = limits_may_call;
		plan.may_call_arg = x->r->found.calls;
	}
	plan.alias = route->alias;
	if (x->plan.leads && x->r->found.endpoint.leads) {
		x->lead = caller_address(x);
		plan.lead = &x->lead;
	}
	plan.card =
		route->alias && request_asks_of_models(x->r) && x->r->found.endpoint.model_end;
	plan.rpc_ids = x->rpc_ids;
	plan.mcp = x->plan.mcp;
	plan.messages = x->messages;
	if (plan.messages.filters) {
		plan.policy = x->r->snap->policy;
		plan.asked = &x->asked;
	}
	plan.messages.listens = x->plan.listens;
	if (x->has_shadow) {
		plan.shadow = x->r->snap->shadow_policy;
		plan.shadow_asked = &x->shadow_asked;
		plan.scores |= x->shadow_asked.route->uses.injection;
	}
	plan.usage_first = route->show_cost;
	plan.hears = route->uses.speech && !x->r->in.message && !x->session;
	struct price_row row;
	if (x->r->found.offered.n[PRICE_CHARACTERS] &&
		request_price(x->r, request_priced_model(x->r), &row) &&
		row.rates.has >> PRICE_CHARACTERS & 1)
		plan.characters = x->r->found.offered.n[PRICE_CHARACTERS];
	x->kept.saves &= h->status / 100 == 2;
	plan.notes_made = x->r->found.pin.asked || x->kept.saves;
	plan.taps = x->r->found.cache.keeps && x->r->found.cache.state == CACHED_MISS &&
		    h->status == 200;
	plan.keep_key = x->r->gate->shared->prompt_key;
	if (route->response & RESP_RECORD)
		plan.keeps = GUARD_KEEPS_HASH;
	if ((err = request_seal_answer(x->r, &plan)))
		return err;
	if (x->lists_models) {
		plan.may_use = request_may_use;
		plan.may_use_arg = x->r;
		plan.aliases = route->aliases;
		plan.naliases = is_next_page(x->r->in.head.query) ? 0 : route->naliases;
	}
	guard_drop(&x->guard);
	x->guard = guard_new(&plan, h);
	*out = x->guard;
	return x->guard ? 0 : ERR_NOMEM;
}

/* ---- speech in the response ---- */

/* The exchange waits for the transcripts, so it outlives the questions. */
static void
answer_heard(void *arg, const struct heard_answer *h)
{
	struct exchange *x = arg;
	void (*back)(void *arg) = x->hearing.back;

	guard_speech_told(x->guard, h->why ? NULL : &h->text, h->words, h->nwords,
		h->passes ? NULL : h->why);
	x->hearing.back = NULL;
	if (back && x->hearing.waits)
		back(x->hearing.arg);
	x->hearing.waits = false;
}

bool
gate_hear(struct exchange *x, void (*back)(void *arg), void *arg)
{
	const struct span *sounds;
	size_t n = guard_sounds(x->guard, &sounds);

	if (!n)
		return false;
	INVARIANT(!x->hearing.back);
	x->hearing.back = back;
	x->hearing.arg = arg;
	x->hearing.waits = false;
	speech_of_answer(x->r, sounds, n, answer_heard, x);
	x->hearing.waits = x->hearing.back != NULL;
	return x->hearing.waits;
}
