/* Reads translated responses as a client of the dialect reads them, whole or as a stream. */
#include <stdio.h>
#include <stdlib.h>

#include "support/translate_client.h"

static const char *const chat_texts[] = { "reasoning_content", "content", "refusal" };

static void
client_wants(struct translate_client *c, bool is, const char *what)
{
	if (!is && !c->bad)
		c->bad = what;
}

static void
client_head(struct translate_client *c, const struct tree *t, const struct node *n)
{
	struct span id = tree_text(t, tree_member(n, "id"));
	struct span model = tree_text(t, tree_member(n, "model"));

	client_wants(c, id.n && tree_member(n, "model"), "no id or model");
	if (!c->begun)
		buf_printf(&c->say, "%.*s %.*s|", SPAN_ARG(id), SPAN_ARG(model));
	c->begun = true;
}

static uint64_t
client_count(const struct tree *t, const struct node *usage, const char *in, const char *key)
{
	return tree_number(t, tree_member(in ? tree_member(usage, in) : usage, key), 0);
}

static void
client_error(struct translate_client *c, const struct tree *t)
{
	const struct node *e = tree_member(t->root, "error");

	buf_printf(&c->say, "error %.*s %.*s|", SPAN_ARG(tree_text(t, tree_member(e, "type"))),
		SPAN_ARG(tree_text(t, tree_member(e, "message"))));
	c->failed = true;
}

/* ---- chat ---- */
static void
client_chat_usage(struct translate_client *c, const struct tree *t, const struct node *u)
{
	static const char prompt[] = "prompt_tokens_details",
			  answer[] = "completion_tokens_details";

	if (!u || u->tok != JSON_OBJECT)
		return;
	client_wants(c, !c->usage.n, "usage twice");
	buf_printf(&c->usage, "%lu %lu cached %lu written %lu reasoned %lu",
		client_count(t, u, NULL, "prompt_tokens"),
		client_count(t, u, NULL, "completion_tokens"),
		client_count(t, u, prompt, "cached_tokens"),
		client_count(t, u, prompt, "cache_write_tokens"),
		client_count(t, u, answer, "reasoning_tokens"));
}

static void
client_chat_calls(struct translate_client *c, const struct tree *t, const struct node *list,
	bool streamed)
{
	for (const struct node *n = tree_elements(list); n; n = n->next) {
		const struct node *f = tree_member(n, "function");
		struct span id = tree_text(t, tree_member(n, "id"));
		struct span name = tree_text(t, tree_member(f, "name"));
		uint64_t i = streamed ? tree_number(t, tree_member(n, "index"), UINT64_MAX)
				      : c->ncalls;
		client_wants(c, i <= c->ncalls && i < CLIENT_CALLS, "a hole in the calls");
		client_wants(c, tree_member(f, "arguments") != NULL, "no arguments");
		if (c->bad)
			return;
		client_wants(c, (i == c->ncalls) == (id.n > 0) && (i < c->ncalls) == !name.n,
			"an id or name that is not where a call begins");
		struct client_tool *call = &c->calls[i];
		c->ncalls += i == c->ncalls;
		buf_span(&call->id, id);
		buf_span(&call->name, name);
		buf_span(&call->arguments, tree_text(t, tree_member(f, "arguments")));
	}
}

static void
client_chat_message(struct translate_client *c, const struct tree *t, const struct node *m,
	const struct node *finish, bool streamed)
{
	for (size_t i = 0; i < COUNT_OF(chat_texts); i++)
		buf_span(&c->texts[i], tree_text(t, tree_member(m, chat_texts[i])));
	client_chat_calls(c, t, tree_member(m, "tool_calls"), streamed);
	if (finish && finish->tok == JSON_STRING) {
		client_wants(c, !c->stop.n, "two ends");
		buf_span(&c->stop, tree_text(t, finish));
	}
}

static void
client_chat_event(struct translate_client *c, const struct tree *t)
{
	const struct node *choices = tree_member(t->root, "choices");
	const struct node *first = tree_elements(choices);
	const struct node *delta = tree_member(first, "delta");

	if (tree_member(t->root, "error")) {
		client_error(c, t);
		return;
	}
	client_wants(c, tree_is(t, tree_member(t->root, "object"), "chat.completion.chunk"),
		"no chunk");
	client_wants(c, choices && (first || !c->begun || c->stop.n), "no choices");
	client_wants(c, c->begun || tree_is(t, tree_member(delta, "role"), "assistant"),
		"no role first");
	client_wants(c, !first || !c->stop.n, "a delta after the end");
	client_head(c, t, t->root);
	client_chat_message(c, t, delta, tree_member(first, "finish_reason"), true);
	client_chat_usage(c, t, tree_member(t->root, "usage"));
}

/* ---- messages ---- */
static void
client_messages_usage(struct translate_client *c, const struct tree *t, const struct node *u)
{
	client_wants(c, u && tree_member(u, "input_tokens"), "no usage");
	buf_clear(&c->usage);
	buf_printf(&c->usage, "%lu %lu cached %lu written %lu",
		client_count(t, u, NULL, "input_tokens"),
		client_count(t, u, NULL, "output_tokens"),
		client_count(t, u, NULL, "cache_read_input_tokens"),
		client_count(t, u, NULL, "cache_creation_input_tokens"));
}

/* Reads the beginning of a block, or all of it in a whole response. */
static void
client_block(
	struct translate_client *c, const struct tree *t, const struct node *b, bool streamed)
{
	struct span type = tree_text(t, tree_member(b, "type"));
	const struct node *input = tree_member(b, "input");

	buf_printf(&c->say, "%.*s ", SPAN_ARG(type));
	snprintf(c->open, sizeof(c->open), "%.*s", SPAN_ARG(type));
	if (span_is(type, "tool_use")) {
		client_wants(c, input && input->tok == JSON_OBJECT, "no input");
		client_wants(c, tree_text(t, tree_member(b, "id")).n, "no id");
		client_wants(c, !streamed || !input || !input->first, "an input at the start");
		buf_printf(&c->say, "%.*s %.*s ", SPAN_ARG(tree_text(t, tree_member(b, "id"))),
			SPAN_ARG(tree_text(t, tree_member(b, "name"))));
		if (!streamed)
			buf_span(&c->say, tree_raw(t, input));
	} else {
		client_wants(c, !span_is(type, "thinking") || tree_member(b, "signature"),
			"no signature");
		client_wants(c, tree_member(b, c->open) != NULL, "no text");
		buf_span(&c->say, tree_text(t, tree_member(b, c->open)));
	}
	if (!streamed)
		buf_str(&c->say, "|");
}

static void
client_delta(struct translate_client *c, const struct tree *t, const struct node *d)
{
	static const char *const grows[][3] = { { "text", "text_delta", "text" },
		{ "thinking", "thinking_delta", "thinking" },
		{ "tool_use", "input_json_delta", "partial_json" } };
	bool any = false;

	for (size_t i = 0; i < COUNT_OF(grows); i++)
		if (!strcmp(grows[i][0], c->open) &&
			tree_is(t, tree_member(d, "type"), grows[i][1])) {
			buf_span(&c->block, tree_text(t, tree_member(d, grows[i][2])));
			any = tree_member(d, grows[i][2]) != NULL;
		}
	client_wants(c, any, "a delta that is not the block's");
}

static void
client_messages_event(struct translate_client *c, struct span event, const struct tree *t)
{
	const struct node *type = tree_member(t->root, "type");
	const struct node *index = tree_member(t->root, "index");
	const struct node *delta = tree_member(t->root, "delta");

	client_wants(c, span_eq(event, tree_text(t, type)), "an event without its name");
	client_wants(c, !index || tree_number(t, index, UINT64_MAX) == c->blocks,
		"the index of another block");
	client_wants(c,
		c->begun || tree_is(t, type, "message_start") || tree_is(t, type, "error"),
		"an event before message_start");
	if (tree_is(t, type, "error")) {
		client_error(c, t);
	} else if (tree_is(t, type, "message_start")) {
		client_wants(c, !c->begun, "message_start twice");
		client_head(c, t, tree_member(t->root, "message"));
	} else if (tree_is(t, type, "content_block_start")) {
		client_wants(
			c, !*c->open && !c->stop.n, "a block in a block, or after the end");
		client_block(c, t, tree_member(t->root, "content_block"), true);
	} else if (tree_is(t, type, "content_block_delta")) {
		client_delta(c, t, delta);
	} else if (tree_is(t, type, "content_block_stop")) {
		client_wants(c, *c->open, "a stop of no block");
		c->open[0] = '\0';
		c->blocks++;
		buf_span(&c->say, buf_view(&c->block));
		buf_clear(&c->block);
		buf_str(&c->say, "|");
	} else if (tree_is(t, type, "message_delta")) {
		client_wants(c, !c->stop.n && !*c->open, "two ends, or one in a block");
		buf_span(&c->stop, tree_text(t, tree_member(delta, "stop_reason")));
		client_messages_usage(c, t, tree_member(t->root, "usage"));
	} else if (tree_is(t, type, "message_stop")) {
		client_wants(c, c->stop.n > 0, "message_stop without a reason");
		c->ended = true;
	} else {
		client_wants(c, false, "an event of no type");
	}
}

/* ---- all ---- */
static void
client_stream(struct translate_client *c, enum form form, struct span out)
{
	struct frames frames;
	struct frame f;
	struct tree t;

	frames_init(&frames, FRAMES_SSE, 0);
	while (frames_next(&frames, &out, &f) == FRAME_WHOLE) {
		c->comments += !f.has_data;
		if (!f.has_data)
			continue;
		client_wants(c, !c->failed && !c->ended, "something after the end");
		if (form == FORM_CHAT && span_is(f.data, "[DONE]")) {
			client_wants(c, c->stop.n > 0, "[DONE] without a reason");
			c->ended = true;
		} else if (tree_read(&t, &c->a, f.data)) {
			client_wants(c, false, "no JSON");
		} else if (form == FORM_CHAT) {
			client_chat_event(c, &t);
		} else {
			client_messages_event(c, f.type, &t);
		}
	}
	client_wants(c, !frames_kept(&frames), "half an event");
	frames_free(&frames);
}

static void
client_whole(struct translate_client *c, enum form form, struct span out)
{
	struct tree t;

	if (tree_read(&t, &c->a, out)) {
		client_wants(c, false, "no JSON");
		return;
	}
	if (tree_member(t.root, "error")) {
		client_error(c, &t);
		return;
	}
	client_head(c, &t, t.root);
	c->ended = true;
	if (form == FORM_CHAT) {
		const struct node *choice = tree_elements(tree_member(t.root, "choices"));
		client_chat_message(c, &t, tree_member(choice, "message"),
			tree_member(choice, "finish_reason"), false);
		client_chat_usage(c, &t, tree_member(t.root, "usage"));
		return;
	}
	for (const struct node *n = tree_elements(tree_member(t.root, "content")); n;
		n = n->next)
		client_block(c, &t, n, false);
	buf_span(&c->stop, tree_text(&t, tree_member(t.root, "stop_reason")));
	client_messages_usage(c, &t, tree_member(t.root, "usage"));
}

void
client_hears(enum form form, bool streamed, struct span out, struct buf *say,
	struct translate_client *c)
{
	*c = (struct translate_client){ 0 };
	arena_init(&c->a, 0, false);
	if (streamed)
		client_stream(c, form, out);
	else
		client_whole(c, form, out);
	buf_span(say, buf_view(&c->say));
	for (size_t i = 0; i < COUNT_OF(chat_texts); i++) {
		if (c->texts[i].n)
			buf_printf(say, "%s %.*s|", chat_texts[i],
				SPAN_ARG(buf_view(&c->texts[i])));
		buf_free(&c->texts[i]);
	}
	for (size_t i = 0; i < c->ncalls; i++) {
		struct client_tool *k = &c->calls[i];
		buf_printf(say, "call %.*s %.*s %.*s|", SPAN_ARG(buf_view(&k->id)),
			SPAN_ARG(buf_view(&k->name)), SPAN_ARG(buf_view(&k->arguments)));
		buf_free(&k->id);
		buf_free(&k->name);
		buf_free(&k->arguments);
	}
	if (c->ended)
		buf_printf(say, "%.*s|%.*s", SPAN_ARG(buf_view(&c->stop)),
			SPAN_ARG(buf_view(&c->usage)));
	if (c->bad)
		buf_printf(say, "|BAD: %s", c->bad);
	buf_free(&c->say);
	buf_free(&c->block);
	buf_free(&c->stop);
	buf_free(&c->usage);
	arena_reset(&c->a);
}

unsigned translate_misses;

unsigned translate_choices; /* number of choices in the request */

const struct tool_alias *translate_aliases; /* aliases of the offered tools */

int
translate_run_to(enum form from, enum form to, bool streamed, int status, struct span in,
	size_t step, size_t cut, struct buf *out, const char **why)
{
	static const struct answer_format *const formats[FORMS] = {
		[FORM_CHAT] = &answer_openai,
		[FORM_RESPONSES] = &answer_openai_responses,
		[FORM_MESSAGES] = &answer_anthropic,
		[FORM_GENERATE] = &answer_gemini,
		[FORM_CONVERSE] = &answer_bedrock,
	};
	struct translate_plan plan = { .from = from,
		.to = to,
		.format = formats[from],
		.sent = form_dialect(from),
		.asked = form_dialect(to),
		.wants_usage = true,
		.choices = translate_choices,
		.aliases = translate_aliases,
		.model = SPAN_LIT("asked"),
		.id = SPAN_LIT("D1") };
	enum frames_kind kind = from == FORM_CONVERSE ? FRAMES_EVENTSTREAM : FRAMES_SSE;
	struct translator *t = translator_new(&plan, streamed, kind, status);
	int err = t ? 0 : ERR_NOMEM;

	*why = NULL;
	if (t)
		t->in.misses = translate_misses;
	for (size_t at = 0, until; at < in.n && !err; at = until) {
		until = step ? at + step : at < cut ? cut : in.n;
		err = translator_feed(t, span_cut(in, at, until), out, why);
	}
	if (!err)
		err = translator_end(t, out, why);
	if (err && streamed)
		translator_say_error(
			t, "service_unavailable", SPAN_LIT("broken"), SPAN_LIT("D1"), out);
	translator_drop(&t);
	return err;
}

int
translate_run(enum form from, bool streamed, int status, struct span in, size_t step,
	size_t cut, struct buf *out, const char **why)
{
	return translate_run_to(from, from == FORM_CHAT ? FORM_MESSAGES : FORM_CHAT, streamed,
		status, in, step, cut, out, why);
}
