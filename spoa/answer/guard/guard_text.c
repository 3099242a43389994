/* Handles one text: scans, judges, replaces, restores. guard_look() finds, guard_scan() also
 * notes the findings, guard_edit() replaces and restores. The texts are decoded; guard_splice()
 * and guard_edit_whole() write them back into JSON. The texts of whole responses, and texts of
 * a stream that are complete in one event, are handled here. guard_channel.c uses parts of this
 * file for texts that arrive in pieces.
 *
 * Replaced values are remembered (struct known). If a stream or an MCP message repeats a value
 * in a text that is read alone, the value is replaced again.
 *
 * Placeholders are restored with values of the vault. Tools whose arguments stay on the
 * caller's machine, by the policy's `tools`, get values beside URLs; any other tool may send
 * its arguments to a host in them. */
#include "answer/guard/guard_stream.h"
#include "answer/command.h"
#include "answer/wrapped.h"
#include "base/ascii.h"
#include "base/caps.h"
#include "base/err.h"
#include "base/fnv.h"
#include "base/push.h"
#include "policy/on_failure.h"
#include "policy/route.h"
#include "scan/text/style.h"

/* limits of the names and keys that are remembered as scanned: their number, and the bytes of
 * each */
enum { CLEAN_MAX = 64, CLEAN_BYTES = 64 };

/* ---- results, and content that is not inspected ---- */

enum guard_result
guard_fail(struct guard *g, enum guard_result result, const char *why)
{
	if (!g->failed) {
		g->failed = result;
		g->report.why = why;
	}
	return g->failed;
}

enum guard_result
guard_no_memory(struct guard *g)
{
	return guard_fail(g, GUARD_NO_MEMORY, "out of memory");
}

enum guard_result
guard_scanned(struct guard *g, int err)
{
	if (!err || g->failed)
		return g->failed;
	if (err == ERR_NOMEM)
		return guard_no_memory(g);
	if (err == ERR_CLOSED)
		return guard_over(g);
	return guard_fail(g, GUARD_UNREAD, "the detectors stopped at a limit");
}

enum guard_result
guard_unread_run(struct guard *g, size_t bytes)
{
	bool over = detect_overworked(g->plan.scratch);

	g->report.overworked |= over;
	return guard_unread(g, bytes,
		over ? "the detectors stopped at a limit"
		     : "a text is too long to be inspected");
}

enum guard_result
guard_gave_up(struct guard *g, size_t bytes, int err)
{
	if (err == ERR_NOMEM || err == ERR_CLOSED)
		return guard_scanned(g, err);
	g->report.overworked |= detect_overworked(g->plan.scratch);
	return guard_unread(g, bytes, "the detectors stopped at a limit");
}

enum guard_result
guard_take(struct guard *g, struct buf *b, struct span *out)
{
	*out = b->n ? arena_dup(&g->work, buf_view(b)) : SPAN_LIT("");
	if (buf_failed(b) || !out->p)
		guard_no_memory(g);
	buf_free(b);
	return g->failed;
}

enum guard_result
guard_spliced(struct guard *g, struct span raw, struct splice *v, size_t n, struct span *out)
{
	struct buf b;

	buf_init(&b, 0);
	if (splice_apply(raw, v, n, &b))
		guard_no_memory(g);
	return guard_take(g, &b, out);
}

enum guard_result
guard_over(struct guard *g)
{
	return guard_is_stopped(g) ? guard_fail(g, GUARD_STOPPED,
					     "the client no longer waits for the response")
				   : g->failed;
}

/* Returns true if the policy permits uninspected content, by the request's content and by what
 * was found in the response so far. */
static bool
may_go_unread(const struct guard *g)
{
	const struct policy_class *by;

	return g->plan.unread == OUT_PERMIT &&
	       (!g->plan.on_failure ||
		       policy_unclassified(g->plan.policy, g->plan.on_failure, &g->entities,
			       g->roles, 0, &by) == OUT_PERMIT ||
		       !by);
}

enum guard_result
guard_unread(struct guard *g, size_t bytes, const char *why)
{
	if (!bytes)
		return g->failed;
	g->report.unread_bytes += bytes;
	if (!g->report.unread_why)
		g->report.unread_why = why;
	if (guard_inspects(g) && !may_go_unread(g))
		return guard_fail(g, GUARD_UNREAD, why);
	return g->failed;
}

/* ---- placeholders: calls by name ---- */

static struct named_call *
call_at(struct guard *g, const uint32_t slot[ANSWER_SLOTS])
{
	for (size_t i = 0; i < g->ncalls; i++)
		if (!memcmp(g->calls[i].slot, slot, ANSWER_NUMBERS * sizeof(*slot)))
			return &g->calls[i];
	return NULL;
}

/* A name in pieces may be the joined name or one of the pieces, depending on the client. If
 * the policy's `tools` differ for them, the call counts as one of an unlisted tool. */
void
guard_restore_call(struct guard *g, const struct answer_call *c)
{
	bool wanted = g->plan.ntools || vault_has_bare(g->plan.vault);
	struct named_call *n = wanted ? call_at(g, c->slot) : NULL;
	bool is_new = !n || n->over;

	if (!wanted || !c->name.n)
		return;
	const uint64_t tool = span_hash(c->name);
	if (!n && g->ncalls < CAP_ANSWER_CHANNELS)
		n = ARENA_PUSH(&g->life, g->calls, g->ncalls, g->calls_room, 16,
			(struct named_call){ .over = true });
	if (!n)
		return; /* counts as one of an unlisted tool */
	enum tool_arguments is = policy_tool_arguments(g->plan.tools, g->plan.ntools, c->name);
	if (is_new)
		*n = (struct named_call){ .arguments = is, .tool = tool };
	else if (n->arguments != is)
		n->arguments = ARGUMENTS_UNLISTED;
	if (n->tool != tool)
		n->tool = 0;
	memcpy(n->slot, c->slot, sizeof(n->slot));
}

bool
guard_wrapped(const struct guard *g, struct span name)
{
	return policy_tool_arguments(g->plan.tools, g->plan.ntools, name) == ARGUMENTS_CALL;
}

/* The arguments name the tool, so its row is known now. */
void
guard_restore_input(struct guard *g, const struct answer_input *in)
{
	struct named_call *n = call_at(g, in->slot);
	struct wrapped_call call;

	if (!n || n->arguments != ARGUMENTS_CALL)
		return;
	bool named = wrapped_call(in->json, &g->work, &call);
	n->arguments = named ? policy_tool_arguments(g->plan.tools, g->plan.ntools, call.name)
			     : ARGUMENTS_UNLISTED;
	if (n->arguments == ARGUMENTS_CALL)
		n->arguments = ARGUMENTS_UNLISTED;
}

/* ---- placeholders: command lines in lists ---- */

/* Returns true if both strings are neighbors in one list: only a comma is between their quotes. */
static bool
follows_in_list(const struct answer_text *a, const struct answer_text *b, struct span raw)
{
	size_t commas = 0;

	if (a->end + 1 >= b->start || b->start > raw.n || a->key || b->key || a->number || b->number)
		return false;
	for (size_t i = a->end + 1; i + 1 < b->start; i++)
		if (raw.p[i] == ',')
			commas++;
		else if (!strchr(" \t\r\n", raw.p[i]))
			return false;
	return commas == 1;
}

/* Returns the name of the member whose list begins with this string; empty: none. */
static struct span
list_member(const struct answer_text *first, struct span raw)
{
	size_t at = first->start - 1, end;

	while (at && strchr(" \t\r\n[:", raw.p[at - 1]))
		at--;
	if (!at || raw.p[at - 1] != '"')
		return SPAN_LIT("");
	for (end = --at; at && raw.p[at - 1] != '"'; at--)
		;
	return span_cut(raw, at, end);
}

/* Returns true if the text is an argument of a tool that runs a command. */
static bool
runs_command(struct guard *g, const struct answer_text *t)
{
	const struct guard_plan *p = &g->plan;
	const struct named_call *n = t->deep && !t->tool ? call_at(g, t->slot) : NULL;

	if (t->tool)
		return policy_tool_arguments(p->tools, p->ntools,
			       span_str(answer_own_name(t->tool))) == ARGUMENTS_COMMAND;
	return n && n->arguments == ARGUMENTS_COMMAND;
}

void
guard_restore_lists(struct guard *g, struct answer_document *d, struct span raw)
{
	size_t n;

	if (!g->plan.vault || !g->plan.ntools)
		return;
	for (size_t i = 0; i < d->ntexts; i += n) {
		n = 1;
		if (!runs_command(g, &d->texts[i]))
			continue;
		while (i + n < d->ntexts && d->texts[i + n].tool == d->texts[i].tool &&
			d->texts[i + n].deep == d->texts[i].deep &&
			follows_in_list(&d->texts[i + n - 1], &d->texts[i + n], raw))
			n++;
		struct span *words = n > 1 ? arena_array(&g->work, n, sizeof(*words)) : NULL;
		for (size_t k = 0; words && k < n; k++)
			words[k] = d->texts[i + k].text;
		enum command_list is = words ? command_list(list_member(&d->texts[i], raw), words, n)
				       : n > 1 ? LIST_HOST
					       : LIST_OF_TEXTS;
		for (size_t k = 0; k < n; k++)
			d->texts[i + k].list = (uint8_t)is;
	}
}

void
guard_restore_over(struct guard *g, enum answer_kind kind, const uint32_t slot[ANSWER_SLOTS])
{
	struct named_call *n = kind_is_call(kind) ? call_at(g, slot) : NULL;

	if (n)
		n->over = true;
}

/* ---- placeholders: where texts end in a URL ---- */

/* Returns the place in a URL at which the preceding text ended, for texts that clients join:
 * blocks, parts, and members without a row in a stream's events. Texts repeated at the end have
 * places of their own. `note`: a new member gets a place. NULL: none. */
static struct url_place *
url_place_of(struct guard *g, const struct answer_text *t, bool note)
{
	if (t->unnamed && !t->tool && g->report.streamed) {
		struct run *r = guard_run(g, t->kind, t->path, t->slot);
		if (r && note && !r->place)
			r->place = arena_new(&g->life, struct url_place);
		if (r && note)
			r->placed = r->place != NULL;
		return r && r->placed ? r->place : NULL;
	}
	if (!kind_is_shown(t->kind))
		return NULL;
	return t->copy && g->report.streamed ? &g->places->again[t->kind]
					     : &g->places->grown[t->kind];
}

void
guard_place_event(struct guard *g)
{
	for (size_t kind = 0; g->places && kind < KIND_OTHER; kind++)
		g->places->again[kind] =
			(struct url_place){ .at = g->places->split >> kind & 1 ? URL_IN
									       : URL_OUT };
}

void
guard_place_note(struct guard *g, const struct answer_text *t, const struct restorer *r)
{
	struct url_place *at = url_place_of(g, t, true);

	if (at)
		*at = *restorer_place(r);
}

/* ---- placeholders: restorers ---- */

static void restorer_of_named(void *arg, struct restorer *inner, struct span name);

/* `grows`: the arguments arrive in pieces. */
static void
restorer_of_call(struct guard *g, struct restorer *r, enum tool_arguments is, bool grows)
{
	size_t most = is == ARGUMENTS_COMMAND ? CAP_COMMAND_HELD : CAP_STREAM_HELD;

	restorer_arguments(r, is == ARGUMENTS_STAY, grows ? most : SIZE_MAX);
	if (is == ARGUMENTS_COMMAND)
		restorer_command(r);
	if (is == ARGUMENTS_LEAVE)
		restorer_leaves(r, LEFT_TOOL);
	if (is == ARGUMENTS_CALL)
		restorer_wrapped(r, CAP_COMMAND_HELD, restorer_of_named, g);
}

/* The arguments of a call are those of another tool, and are complete, unless the name is empty.
 * A tool that calls another one cannot call a third. */
static void
restorer_of_named(void *arg, struct restorer *inner, struct span name)
{
	struct guard *g = arg;
	enum tool_arguments is = policy_tool_arguments(g->plan.tools, g->plan.ntools, name);

	restorer_of_call(
		g, inner, is == ARGUMENTS_CALL ? ARGUMENTS_UNLISTED : is, !name.n);
}

struct restorer *
guard_restorer(struct guard *g, const struct answer_text *t)
{
	bool json = t->kind == KIND_ARGUMENTS && !t->deep;
	bool call = kind_is_call(t->kind) || t->tool;
	struct restorer *r = restorer_new(g->plan.vault, json	 ? RESTORE_JSON
							 : call ? RESTORE_VALUE
								: RESTORE_TEXT);
	const struct named_call *n = call && !t->tool ? call_at(g, t->slot) : NULL;
	enum tool_arguments is = n ? n->arguments : ARGUMENTS_UNLISTED;

	if (!r) {
		guard_no_memory(g);
		return NULL;
	}
	/* a repeated text must be restored in the same way as the first time */
	if (t->tool)
		is = policy_tool_arguments(
			g->plan.tools, g->plan.ntools, span_str(answer_own_name(t->tool)));
	bool grows = g->report.streamed && !t->deep;
	if (t->list == LIST_STAYS || t->list == LIST_HOST || t->list == LIST_LEAVES) {
		restorer_arguments(r, t->list == LIST_STAYS, grows ? CAP_COMMAND_HELD : SIZE_MAX);
		if (t->list == LIST_HOST)
			restorer_leaves(r, LEFT_HOST);
	} else if (call || t->strict) {
		restorer_of_call(g, r, is, grows);
	}
	if (n)
		restorer_tool(r, n->tool);
	const struct url_place *at = url_place_of(g, t, false);
	if (at)
		restorer_goes_on(r, at);
	if (at && at->at != URL_OUT && !t->copy)
		g->places->split |= 1u << t->kind;
	return r;
}

struct span
guard_meant(struct guard *g, struct span arguments, struct arena *a)
{
	const struct guard_plan *p = &g->plan;
	struct restorer *r;

	if (!p->asked || !p->asked->route || !p->asked->route->uses.origins || !p->vault ||
		!vault_count(p->vault) || !arguments.n)
		return (struct span){ NULL, 0 };
	if (!(r = restorer_new(p->vault, RESTORE_JSON))) {
		guard_no_memory(g);
		return (struct span){ NULL, 0 };
	}
	SCOPED_BUF(out, 0);
	int err = restorer_feed(r, arguments, &out);
	if (!err)
		err = restorer_end(r, &out);
	restorer_free(&r);
	return err || buf_failed(&out) ? (struct span){ NULL, 0 }
				       : arena_dup(a, buf_view(&out));
}

unsigned
guard_left(struct guard *g, const struct span *names, size_t nnames, struct span arguments,
	size_t left[LEFT_REASONS])
{
	const struct guard_plan *p = &g->plan;
	enum tool_arguments is = ARGUMENTS_UNLISTED;
	unsigned why = 0;

	memset(left, 0, LEFT_REASONS * sizeof(*left));
	if (!p->vault || !p->asked || !p->asked->route ||
		!(p->asked->route->uses.left || p->shadow))
		return 0;
	for (size_t i = 0; i < nnames; i++) {
		enum tool_arguments of = policy_tool_arguments(p->tools, p->ntools, names[i]);
		is = !i || is == of ? of : ARGUMENTS_UNLISTED;
	}
	struct restorer *r = restorer_new(p->vault, RESTORE_JSON);
	if (!r) {
		guard_no_memory(g);
		return 0;
	}
	SCOPED_BUF(out, 0);
	restorer_of_call(g, r, is, g->report.streamed);
	int err = restorer_feed(r, arguments, &out);
	if (!err)
		err = restorer_end(r, &out);
	if (err == ERR_NOMEM)
		guard_no_memory(g);
	for (int i = 0; i < LEFT_REASONS; i++) {
		left[i] = restorer_left(r, (enum placeholder_left)i);
		why |= left[i] ? 1u << i : 0;
	}
	restorer_free(&r);
	return why;
}

void
guard_restored(struct guard *g, const struct answer_text *t, const struct restorer *r)
{
	guard_place_note(g, t, r);
	size_t left[LEFT_REASONS];

	for (int i = 0; i < LEFT_REASONS; i++)
		left[i] = restorer_left(r, (enum placeholder_left)i);
	g->report.restorations += restorer_count(r);
	for (int i = 0; i < LEFT_UNKNOWN; i++)
		g->report.left_in_urls += left[i];
	g->report.unresolved += left[LEFT_UNKNOWN];
	if (kind_is_call(t->kind) || t->tool)
		guard_called_left(g, t, left);
}

/* Restores the placeholders of one text. *out is in g->work if something was restored. */
static enum guard_result
guard_put_back(struct guard *g, const struct answer_text *t, struct span text, struct span *out)
{
	struct restorer *r = guard_restorer(g, t);
	struct buf b;

	if (!r)
		return g->failed;
	buf_init(&b, 0);
	int err = restorer_feed(r, text, &b);
	if (!err)
		err = restorer_end(r, &b);
	if (!guard_scanned(g, err))
		guard_restored(g, t, r);
	if (restorer_count(r))
		guard_take(g, &b, out);
	else
		buf_free(&b);
	restorer_free(&r);
	return g->failed;
}

/* ---- known values ---- */

enum { KNOWN_BYTES = 64 << 10 }; /* bytes of all remembered values and replacements, at most */
enum { HEAD_BYTES = 16 };

static struct known **
known_head_of(const struct guard *g, const char *p)
{
	uint32_t h = fnv32_bytes(FNV32_BASIS, p, g->head_bytes);

	return &g->heads[(h ^ h >> 15) % HEADS];
}

static void
known_add_head(struct guard *g, struct known *k)
{
	struct known **head = known_head_of(g, k->value.p);

	k->same = *head;
	*head = k;
}

/* Remembers a replaced value, if the response is a stream. */
static void
guard_known_add(struct guard *g, struct span value, struct span with)
{
	struct known *k;

	if (!(g->report.streamed || g->plan.messages.is) || value.n < 4 ||
		g->known_bytes + value.n + with.n > KNOWN_BYTES)
		return;
	SLIST_FOREACH(k, &g->known, all)
	if (span_eq(k->value, value))
		return;
	k = arena_new(&g->life, struct known);
	if (!k)
		return;
	k->value = arena_dup(&g->life, value);
	k->with = arena_dup(&g->life, with);
	if (!k->value.p || !k->with.p)
		return;
	g->known_bytes += value.n + with.n;
	if (!g->known_least || value.n < g->known_least)
		g->known_least = value.n;
	SLIST_INSERT_HEAD(&g->known, k, all);
	if (value.n < g->head_bytes)
		g->head_bytes = 0;
	else if (g->head_bytes)
		known_add_head(g, k);
}

static void
put_known_text(struct buf *out, struct json_scan *at, bool json, struct span text)
{
	if (json)
		json_scan_all(at, text);
	buf_span(out, text);
}

/* Builds the hash lists. The hash covers as many bytes as the shortest value has, since
 * thousands of values may begin alike. Returns false if memory is out. */
static bool
index_known(struct guard *g)
{
	struct known *k;

	if (g->head_bytes)
		return true;
	if (!g->heads)
		g->heads = arena_array(&g->life, HEADS, sizeof(g->heads[0]));
	if (!g->heads)
		return false;
	memset(g->heads, 0, HEADS * sizeof(g->heads[0]));
	g->head_bytes = g->known_least < HEAD_BYTES ? g->known_least : HEAD_BYTES;
	SLIST_FOREACH(k, &g->known, all)
	known_add_head(g, k);
	return true;
}

/* In an MCP message, a name inside a longer word does not count. */
static bool
is_apart(const struct guard *g, struct span text, size_t at, const struct known *k)
{
	size_t end = at + k->value.n;

	return !g->plan.messages.is ||
	       !((at && is_alnum(text.p[at - 1]) && is_alnum(text.p[at])) ||
		       (end < text.n && is_alnum(text.p[end]) && is_alnum(text.p[end - 1])));
}

/* Returns the offset of the first known value from `from` on, and the longest value there;
 * text.n: none. */
static size_t
known_at(const struct guard *g, struct span text, size_t from, const struct known **which)
{
	*which = NULL;
	for (size_t at = from; at + g->known_least <= text.n; at++) {
		for (const struct known *k = *known_head_of(g, text.p + at); k; k = k->same)
			if (k->value.n <= text.n - at &&
				!memcmp(text.p + at, k->value.p, k->value.n) &&
				is_apart(g, text, at, k) &&
				(!*which || (*which)->value.n < k->value.n))
				*which = k;
		if (*which)
			return at;
	}
	return text.n;
}

/* Appends a text and replaces known values in it. `json`: the text is JSON. */
static void
guard_known_put(
	struct guard *g, struct buf *out, struct json_scan *at, bool json, struct span text)
{
	const struct known *k = NULL;
	size_t from = 0, to;

	if (!SLIST_EMPTY(&g->known) && !index_known(g)) {
		guard_no_memory(g);
		return;
	}
	while (!SLIST_EMPTY(&g->known) && text.n - from >= g->known_least &&
		(to = known_at(g, text, from, &k)) < text.n) {
		put_known_text(out, at, json, span_cut(text, from, to));
		guard_put_json(out, at, json, k->with);
		g->report.redactions++;
		from = to + k->value.n;
	}
	put_known_text(out, at, json, span_cut(text, from, text.n));
}

/* ---- scanning ---- */

/* Returns true if escapes in the text must be decoded for the scan. A call's arguments are the
 * text of a JSON document, and the tool gets the decoded strings: a name may follow \n or
 * contain \u00e9. The text that is sent keeps its escapes (RFC 8259 7). */
static bool
is_spelled(const struct answer_text *t)
{
	return t->kind == KIND_ARGUMENTS && !t->deep && memchr(t->text.p, '\\', t->text.n);
}

/* Returns the decoded form of a part of arguments, in g->work; other text is returned as it is.
 * p NULL: out of memory. */
static struct span
guard_spelled(struct guard *g, const struct answer_text *t, struct span text)
{
	char unit[SPELLED_MOST];
	struct buf said;
	size_t n;

	if (!text.n || !is_spelled(t))
		return text;
	buf_init(&said, 0);
	for (size_t at = 0; at < text.n;) {
		at += spelled_unit(span_cut(text, at, text.n), true, unit, &n);
		buf_put(&said, unit, n);
	}
	struct span all;
	return guard_take(g, &said, &all) ? span_of(NULL, 0) : all;
}

/* Converts offsets of findings in the decoded text to offsets in the text. */
static void
guard_unspell(const struct answer_text *t, struct findings *found)
{
	size_t raw = 0, said = 0, n;
	char unit[SPELLED_MOST];

	if (!found->n || !is_spelled(t))
		return;
	for (size_t i = 0; i < 2 * found->n; i++) {
		struct finding *f = &found->v[i / 2];
		size_t *at = i % 2 ? &f->end : &f->start;
		while (said < *at && raw < t->text.n) {
			raw += spelled_unit(span_cut(t->text, raw, t->text.n), true, unit, &n);
			said += n;
		}
		*at = raw;
	}
}

/* Returns true if the name or key was scanned before. A stream repeats them in each event. */
static bool
was_clean(const struct guard *g, struct span text)
{
	for (size_t i = 0; i < g->nclean; i++)
		if (span_eq(g->clean[i], text))
			return true;
	return false;
}

enum guard_result
guard_look(struct guard *g, const struct answer_text *t, struct findings *out)
{
	struct span text = t->text;

	*out = (struct findings){ 0 };
	if (guard_over(g))
		return g->failed;
	if (!guard_inspects(g) || !text.n ||
		(t->aside && !t->identifier && was_clean(g, text)))
		return g->failed;
	struct detect_options opt = g->plan.options;
	opt.identifier = t->identifier;
	struct span said = guard_spelled(g, t, text);
	int err = said.p ? detect_scan(g->plan.rules, g->plan.scratch, said, &opt, &g->work, out)
			 : ERR_NOMEM;
	if (err == ERR_NOMEM)
		return guard_no_memory(g);
	guard_unspell(t, out);
	g->evasion |= out->evasion;
	if (t->aside && !t->identifier && !err && !out->n && g->nclean < CLEAN_MAX && text.n <= CLEAN_BYTES) {
		struct span copy = arena_dup(&g->life, text);
		ARENA_PUSH(&g->life, g->clean, g->nclean, g->clean_room, CLEAN_MAX / 4, copy);
	}
	return err ? guard_gave_up(g, text.n, err) : g->failed;
}

enum guard_result
guard_scan(struct guard *g, const struct answer_text *t, struct findings *out, bool *is_new)
{
	*is_new = false;
	if (!t->aside)
		g->report.text_bytes += t->text.n;
	if (guard_look(g, t, out))
		return g->failed;
	for (size_t i = 0; i < out->n; i++)
		*is_new |= guard_found(g, out->v[i].entity, t->kind);
	return g->failed;
}

/* ---- editing ---- */

bool
guard_cuts_signed(struct guard *g, size_t entity)
{
	if (!g->report.judged || !entity_in(&g->report.verdict.redact.of, entity) ||
		g->plan.signed_reasoning == SIGNED_LEAVE)
		return false;
	if (g->plan.signed_reasoning == SIGNED_DENY)
		guard_fail(g, GUARD_UNREAD,
			"reasoning that the provider signed contains a value that must be "
			"replaced");
	return g->plan.signed_reasoning == SIGNED_DROP;
}

void
guard_unsign(const struct guard *g, struct answer_document *d)
{
	for (size_t i = 0; g->translator && i < d->ntexts; i++)
		if (d->texts[i].kind == KIND_SIGNED)
			d->texts[i].kind = KIND_REASONING;
}

bool
guard_replacement(
	struct guard *g, size_t entity, struct span value, bool named, struct span *with)
{
	const struct redactions *what = g->replacing ? g->replacing : &g->report.verdict.redact;

	if (!entity_in(&what->of, entity) || !(g->replacing || g->report.judged))
		return false;
	const unsigned char *key = g->plan.hash_key;
	struct redactor *r = redactor_new_plain(&g->work, key);
	*with = (struct span){ NULL, 0 };
	if (r && g->plan.plain_form)
		redactor_plain_form(r);
	if (r)
		*with = redactor_get(r, (enum redact_style)what->with[entity],
			span_str(detect_entity_name(g->plan.rules, entity)), value,
			detect_entity_folds(g->plan.rules, entity), named);
	g->report.redactions++;
	if (with->p)
		guard_known_add(g, value, *with);
	return true;
}

/* Sets *with to the replacement of found->v[i]. Returns as guard_replacement(). */
static bool
replacement_of(struct guard *g, const struct answer_text *t, const struct findings *found,
	size_t i, struct span *with)
{
	const struct finding *f = &found->v[i];
	struct span value = span_cut(t->text, f->start, f->end);

	if (g->wholes && g->wholes[i].p)
		value = g->wholes[i];
	if (value.n)
		return guard_replacement(
			g, f->entity, guard_spelled(g, t, value), t->aside || t->key, with);
	*with = SPAN_LIT("");
	return g->report.judged && entity_in(&g->report.verdict.redact.of, f->entity);
}

void
guard_put_json(struct buf *out, const struct json_scan *at, bool json, struct span with)
{
	if (json && !at->string)
		buf_json_str(out, with);
	else if (json)
		buf_json(out, with);
	else
		buf_span(out, with);
}

/* Signed text is kept or dropped as a whole, and nothing is restored in it. */
static enum guard_result
edit_signed(struct guard *g, const struct answer_text *t, const struct findings *found,
	struct span *out)
{
	for (size_t i = 0; i < found->n; i++)
		if (guard_cuts_signed(g, found->v[i].entity)) {
			g->report.signed_dropped++;
			*out = SPAN_LIT("");
			break;
		}
	guard_transcribe(g, t, *out);
	return g->failed;
}

/* An identifier is never edited: a finding that must be replaced denies the response. */
static enum guard_result
keep_identifier(struct guard *g, const struct findings *found)
{
	const struct redactions *what = g->replacing ? g->replacing : &g->report.verdict.redact;

	for (size_t i = 0; i < found->n && (g->replacing || g->report.judged); i++)
		if (entity_in(&what->of, found->v[i].entity)) {
			guard_deny(g, "a value that must be replaced is in a name, which "
				      "cannot be changed");
			break;
		}
	return g->failed;
}

/* Replaces findings and known values. *out is in g->work, or is the text itself. */
static enum guard_result
replace(struct guard *g, const struct answer_text *t, const struct findings *found,
	struct span *out)
{
	bool json = t->kind == KIND_ARGUMENTS && !t->deep;
	struct json_scan at = { 0 };
	struct buf b;
	size_t from = 0, redactions = g->report.redactions;
	bool edited = false;

	if (t->identifier)
		return keep_identifier(g, found);
	if (!found->n && SLIST_EMPTY(&g->known))
		return g->failed;
	buf_init(&b, 0);
	buf_reserve(&b, t->text.n + t->text.n / 8);
	for (size_t i = 0; i < found->n; i++) {
		const struct finding *f = &found->v[i];
		struct span with;
		if (f->end <= from || !replacement_of(g, t, found, i, &with))
			continue;
		edited = true;
		if (f->start >= from) {
			guard_known_put(g, &b, &at, json, span_cut(t->text, from, f->start));
			guard_put_json(&b, &at, json, with);
		}
		from = f->end;
		if (!with.p)
			guard_no_memory(g);
	}
	guard_known_put(g, &b, &at, json, span_cut(t->text, from, t->text.n));
	if (edited || g->report.redactions != redactions || buf_failed(&b))
		return guard_take(g, &b, out);
	buf_free(&b);
	return g->failed;
}

enum guard_result
guard_replace(struct guard *g, const struct answer_text *t, const struct findings *found,
	const struct redactions *what, struct span *out)
{
	*out = t->text;
	g->replacing = what;
	replace(g, t, found, out);
	g->replacing = NULL;
	return g->failed;
}

enum guard_result
guard_edit(struct guard *g, const struct answer_text *t, const struct findings *found,
	struct span *out)
{
	*out = t->text;
	if (!t->text.n)
		return g->failed;
	if (t->kind == KIND_SIGNED)
		return edit_signed(g, t, found, out);
	if (replace(g, t, found, out))
		return g->failed;
	guard_transcribe(g, t, *out);
	return g->plan.vault && out->n && !t->aside ? guard_put_back(g, t, *out, out)
						    : g->failed;
}

/* Writes one edit per finding, so a long text with few findings is not written again. */
static enum guard_result
splice_findings(struct guard *g, const struct answer_text *t, const struct findings *found,
	struct span raw, struct splice *out, size_t *n)
{
	struct segment s = { .form = SEG_JSON,
		.escaped = t->text.p != raw.p + t->start,
		.start = (uint32_t)t->start,
		.end = (uint32_t)t->end,
		.text = t->text };
	struct text_edit *v = arena_array(&g->work, found->n, sizeof(*v));
	size_t nv = 0, from = 0;

	if (t->identifier)
		return keep_identifier(g, found);
	for (size_t i = 0; v && i < found->n; i++) {
		const struct finding *f = &found->v[i];
		struct span with;
		if (f->end <= from || !replacement_of(g, t, found, i, &with))
			continue;
		v[nv++] = f->start < from ? (struct text_edit){ from, f->end, SPAN_LIT("") }
					  : (struct text_edit){ f->start, f->end, with };
		from = f->end;
		if (!with.p)
			v = NULL;
	}
	if (!v || (nv && segment_splices(&s, raw, v, nv, &g->work, out, n)))
		return guard_no_memory(g);
	return g->failed;
}

enum guard_result
guard_edit_whole(struct guard *g, const struct answer_text *t, const struct findings *found,
	struct span raw, struct splice *out, size_t *n, bool *gone)
{
	struct span now;

	*n = 0;
	*gone = false;
	/* only findings change, and a replacement is written like any other string */
	if (!t->number && t->kind != KIND_SIGNED && (t->kind != KIND_ARGUMENTS || t->deep) &&
		!g->plan.vault && SLIST_EMPTY(&g->known) && g->plan.keeps != GUARD_KEEPS_TEXT)
		return found->n ? splice_findings(g, t, found, raw, out, n) : g->failed;
	if (guard_edit(g, t, found, &now) || span_eq(now, t->text))
		return g->failed;
	*gone = !now.n;
	*n = 1;
	return guard_splice(g, t, now, out) ? g->failed : guard_no_memory(g);
}

enum guard_result
guard_edit_alone(struct guard *g, const struct answer_text *t, struct span *out)
{
	struct findings found;
	bool is_new;

	if (guard_scan(g, t, &found, &is_new) || (is_new && guard_judge(g, ANSWER_NEW)))
		return g->failed;
	if (guard_boundary_again(g, t, &found))
		return g->failed;
	guard_edit(g, t, &found, out);
	g->wholes = NULL;
	return g->failed;
}

size_t
guard_withhold(const struct answer_document *d, struct splice *out)
{
	for (size_t i = 0; i < d->nwithheld; i++)
		out[i] = (struct splice){ d->withheld[i].start, d->withheld[i].end,
			SPAN_LIT("null") };
	return d->nwithheld;
}

/* Returns true if the string of a call's arguments was a placeholder whose value replaces it
 * without quotes. */
static bool
is_bare_argument(struct guard *g, const struct answer_text *t, struct span with, struct span *value)
{
	const struct named_call *n = t->deep ? call_at(g, t->slot) : NULL;

	return t->deep && !t->key && !t->number && g->plan.vault &&
	       vault_number(g->plan.vault, t->text, n ? n->tool : 0, span_hash(t->member), value) &&
	       span_eq(with, *value);
}

bool
guard_splice(struct guard *g, const struct answer_text *t, struct span with, struct splice *out)
{
	struct buf b;

	/* clients validate a result against a schema */
	if (t->number && g->plan.messages.is) {
		guard_deny(g, "a number in the result would have to be replaced, which would "
			      "make it invalid");
		return false;
	}
	struct span value;
	if (is_bare_argument(g, t, with, &value)) {
		*out = (struct splice){ t->start - 1, t->end + 1, value };
		return true;
	}
	buf_init(&b, 0);
	buf_reserve(&b, with.n + with.n / 16);
	if (t->number)
		buf_json_str(&b, with);
	else
		buf_json(&b, with);
	*out = (struct splice){ t->start, t->end, SPAN_LIT("") };
	return !guard_take(g, &b, &out->with);
}
