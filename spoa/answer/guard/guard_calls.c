/* Judges each call when it ends, by the rules with `phase: tool`, before the response is read.
 *
 * calls/ holds the calls and asks judge_held_call(). A denied call is removed, with the reason
 * in its place. If the rule states `as: error`, or the rest would not be a valid response, the
 * whole response is denied. guard_judge() judges calls of dialects that calls/ does not know,
 * in their place. */
#include "answer/guard/guard_stream.h"
#include "base/ascii.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "policy/route.h"
#include "policy/verdict/tool.h"

enum { NAME_SHOWN = 128 };

/* ---- the reason ---- */

/* Writes the text in the call's place, for the agent to read. */
static void
put_tool_reason(struct span name, const char *reason, struct buf *out)
{
	buf_str(out, "The call of ");
	/* a plain name, which carries no other text */
	if (name.n && name.n <= NAME_SHOWN && span_is_alnum(name, "_-./:"))
		buf_printf(out, "the tool %.*s", SPAN_ARG(name));
	else
		buf_str(out, "a tool");
	buf_str(out, " was denied");
	if (reason && *reason)
		buf_printf(out, ": %s", reason);
}

/* ---- the rules ---- */

/* Asks the rules about each name of the call. *out is the first denial, with all redactions. */
static int
ask_tool_rules(struct guard *g, const struct call *c, struct arena *a, struct tool_verdict *out)
{
	struct tool_verdict *one = arena_new(a, struct tool_verdict);

	for (size_t i = 0; i < c->nnames; i++) {
		struct answer_tool t = {
			.name = c->names[i], .arguments = c->arguments, .lost = c->lost
		};
		if (!one || policy_called(g->plan.policy, g->plan.asked, &t, a, i ? one : out))
			return ERR_NOMEM;
		if (!i)
			continue;
		if (one->ruled.effect == RULE_DENY && out->ruled.effect != RULE_DENY) {
			struct tool_verdict first = *out;
			*out = *one;
			*one = first;
		}
		redactions_add(&out->redact, &one->redact, NULL);
	}
	return 0;
}

/* Asks about the repeated name, which is the call's name for clients that join pieces. It is
 * denied only if a rule names it: a rule that denies any unknown name does not count. */
static int
ask_repeated(struct guard *g, const struct call *c, struct arena *a, struct tool_verdict *out)
{
	struct tool_verdict *v = arena_array(a, 2, sizeof(*v));
	struct answer_tool t = {
		.name = c->repeated, .arguments = c->arguments, .lost = c->lost
	};
	struct answer_tool nobodys = t;

	nobodys.name = SPAN_LIT("\001");
	if (!c->repeated.n || out->ruled.effect == RULE_DENY)
		return 0;
	if (!v || policy_called(g->plan.policy, g->plan.asked, &t, a, &v[0]) ||
		policy_called(g->plan.policy, g->plan.asked, &nobodys, a, &v[1]))
		return ERR_NOMEM;
	if (v[0].ruled.effect == RULE_DENY && v[1].ruled.effect != RULE_DENY)
		*out = v[0];
	return 0;
}

/* Replaces the findings in the arguments that the rules name. *edited: something was
 * replaced. */
static int
edit(struct guard *g, const struct call *c, const struct tool_verdict *v, struct buf *out,
	bool *edited)
{
	struct answer_text t = { .kind = c->any_text ? KIND_INPUT : KIND_ARGUMENTS,
		.text = c->arguments };
	size_t redactions = g->report.redactions;
	struct findings found;
	struct span now;

	if (guard_look(g, &t, &found) || guard_replace(g, &t, &found, &v->redact, &now))
		return (int)g->failed;
	*edited = g->report.redactions != redactions;
	for (size_t i = 0; *edited && i < found.n; i++)
		if (entity_in(&v->redact.of, found.v[i].entity))
			guard_found(g, found.v[i].entity, t.kind);
	buf_span(out, now);
	return (int)g->failed;
}

/* Denies the whole response because of this call. `limit`: the limit's reason; NULL: a rule
 * denied it. */
static int
deny_turn(struct guard *g, const struct call *c, const char *limit)
{
	struct guard_report *r = &g->report;

	g->denied_call = (struct answer_tool){
		.name = c->names[0], .arguments = c->arguments, .lost = c->lost
	};
	for (size_t i = 0; i < c->nnames && !g->failed; i++) {
		g->denied_call.name = c->names[i];
		guard_judge(g, ANSWER_BLOCK);
	}
	if (limit && !g->failed) { /* no rule is involved */
		r->verdict.ruled.effect = r->sum.ruled.effect = RULE_DENY;
		r->verdict.ruled.rule = r->sum.ruled.rule = NULL;
		r->verdict.ruled.status = 403;
		r->verdict.ruled.reason = limit;
		r->sum.any = true;
	}
	return (int)guard_fail(g, GUARD_DENIED,
		limit ? "a limit denies a tool call of the response"
		      : "a rule with phase: tool denies a tool call of the response");
}

static int
judge_held_call(void *arg, const struct call *c, struct call_answer *out)
{
	struct guard *g = arg;
	const char *limit = NULL;
	struct tool_verdict *v;
	bool edited = false;
	int r = 0;

	if (!c->names[0].n)
		return 0; /* a call without a name cannot be made */
	arena_reset(&g->asking);
	buf_clear(&g->call_text);
	v = arena_new(&g->asking, struct tool_verdict);
	if (!v || ask_tool_rules(g, c, &g->asking, v) || ask_repeated(g, c, &g->asking, v))
		return (int)guard_no_memory(g);
	if (c->goes_with_denied && v->ruled.effect != RULE_DENY) {
		v->ruled.effect = RULE_DENY;
		v->ruled.reason = "the call belongs to the same step as a denied call";
	}
	if (v->ruled.effect == RULE_DENY) {
		out->is = CALL_DENIED;
		put_tool_reason(c->names[0], v->ruled.reason, &g->call_text);
	} else if (entities_any(&v->redact.of) && c->lost) {
		out->is = CALL_DENIED;
		put_tool_reason(c->names[0],
			"the arguments are longer than the gateway inspects", &g->call_text);
	} else if (entities_any(&v->redact.of)) {
		r = (int)edit(g, c, v, &g->call_text, &edited);
		out->is = edited ? CALL_EDITED : CALL_GOES;
	}
	if (!r && out->is != CALL_DENIED && g->plan.may_call)
		limit = g->plan.may_call(g->plan.may_call_arg, c->names[0]);
	if (limit) {
		v->ruled.effect = RULE_DENY;
		v->ruled.rule = NULL;
		out->is = CALL_DENIED;
		buf_clear(&g->call_text);
		put_tool_reason(c->names[0], limit, &g->call_text);
	}
	guard_sum_call(g, v, out->is);
	out->entry = guard_called_asked(g, c, v, out->is != CALL_DENIED,
		edited ? buf_view(&g->call_text) : c->arguments);
	if (!r && out->is == CALL_DENIED && (v->error || c->kept || g->plan.asked->keeps_turn))
		return deny_turn(g, c, limit);
	out->text = buf_view(&g->call_text);
	if (!r && buf_failed(&g->call_text))
		guard_no_memory(g);
	return r ? r : (int)g->failed;
}

/* Receives further arguments of a denied call, for the record. */
static int
more(void *arg, size_t entry, struct span arguments)
{
	struct guard *g = arg;

	guard_called_went_on(g, entry, arguments);
	return (int)g->failed;
}

/* ---- events ---- */

static int
pass_frame(void *arg, struct frame *f)
{
	struct guard *g = arg;

	guard_queue_pass(g, f, g->held_out);
	arena_reset(&g->work);
	return (int)g->failed;
}

static enum guard_result
ended(struct guard *g, int r)
{
	static const char *const why[] = {
		[CALLS_NO_JSON] = "an event next to a tool call is not JSON",
		[CALLS_AGAIN] = "a tool call continues after its end",
		[CALLS_OVER] =
			"the response has more or longer tool calls than the gateway holds",
		[CALLS_UNSOUND] =
			"the response has two conflicting descriptions of a tool call",
	};

	if (g->failed || !r)
		return g->failed;
	if (r == ERR_NOMEM)
		return guard_no_memory(g);
	return guard_fail(g, r == CALLS_OVER ? GUARD_UNREAD : GUARD_BROKEN,
		r > 0 ? why[r] : why[CALLS_NO_JSON]);
}

int
guard_calls_new(struct guard *g)
{
	const struct guard_plan *p = &g->plan;
	struct calls_user user = { judge_held_call, more, pass_frame, g, .names_only = false };

	if (!p->inspects || !p->asked || !p->asked->route || !p->asked->route->uses.calls ||
		!calls_dialect_of(g->format))
		return 0;
	user.names_only = !p->asked->route->uses.arguments;
	arena_init(&g->asking, 0, true);
	buf_init(&g->call_text, 0);
	if (g->way == WAY_STREAM)
		frames_init(&g->frames, g->frames.kind, CAP_CALL_EVENT);
	g->held = calls_new(g->format, g->frames.kind, g->writer.wrap, &user);
	g->report.holds_calls = true;
	return g->held ? 0 : ERR_NOMEM;
}

enum guard_result
guard_calls_pass(struct guard *g, struct frame *f, struct buf *out)
{
	if (!g->held || !f->has_data)
		return guard_queue_pass(g, f, out);
	g->held_out = out;
	if (ended(g, calls_frame(g->held, f)) || !calls_held(g->held))
		return g->failed;
	/* content that is held counts as received */
	g->report.content = true;
	if (!g->report.first_text_us)
		g->report.first_text_us = clock_mono_us();
	return g->failed;
}

enum guard_result
guard_calls_end(struct guard *g, struct buf *out)
{
	g->held_out = out;
	return g->held ? ended(g, calls_finish(g->held)) : g->failed;
}

enum guard_result
guard_calls_stop(struct guard *g, struct buf *out)
{
	g->held_out = out;
	return g->held ? ended(g, calls_stop(g->held)) : g->failed;
}

enum guard_result
guard_calls_cut(struct guard *g, enum guard_result how, const char *why)
{
	return g->held && calls_held(g->held) ? guard_fail(g, how, why) : g->failed;
}

enum guard_result
guard_calls_whole(struct guard *g)
{
	struct span raw = guard_past_mark(buf_view(&g->body));
	struct buf out;
	bool changed;

	if (!g->held || !guard_begins_json(raw))
		return g->failed;
	buf_init(&out, 0);
	int r = calls_whole(g->held, raw, &out, &changed);
	if (r < 0 && r != ERR_NOMEM)
		r = 0; /* guard_whole() reports invalid JSON */
	if (!r && changed) {
		buf_free(&g->body);
		g->body = out;
	} else {
		buf_free(&out);
	}
	return ended(g, r);
}

void
guard_calls_free(struct guard *g)
{
	if (!g->held)
		return;
	calls_free(&g->held);
	arena_reset(&g->asking);
	buf_free(&g->call_text);
}
