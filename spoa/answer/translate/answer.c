/* Translates a response while its bytes arrive: frames are cut, each document is read
 * (answer_read.c), put in order and written (answer_write.c). The provider's own error is
 * written in the caller's form; it ends a stream, and nothing follows.
 *
 * Every form can express one order: one block after the other, calls numbered again, each with
 * an id, a name and one JSON object. A format may mix calls that arrive in pieces.
 * answer_order() adds each piece to its block, and write_blocks() writes the first block; the
 * others wait until it ends. An inconsistent response is an error: an incomplete call or a
 * mixture of two is never written as a complete one.
 *
 * Example: pieces of calls 0, 1, 0 arrive. Call 0 is written immediately, and call 1 when
 * call 0 is complete. */
#include <stdlib.h>

#include "answer/document.h"
#include "answer/translate/answer_private.h"
#include "answer/translate/request.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/scoped.h"
#include "scan/dialect/refusal.h"

enum { NAME_BYTES = 1024 }; /* limit of an id or a model, which each event repeats */

/* the reason if input follows the end */
static const char translator_again[] = "the provider's response continues after its end";

int
translator_fail(struct translator *t, int err, const char *why)
{
	if (t->state != TRANSLATOR_ENDED)
		t->state = TRANSLATOR_FAILED;
	t->err = err;
	t->why = why;
	return err;
}

/* ---- order ---- */

static const char too_much[] =
	"the provider's response has too many tool calls, or a tool call is too long";

static bool
is_one_object(struct translator *t, struct span s)
{
	struct json *j = json_open(&t->work, s);
	struct json_event ev;

	if (!j)
		return false;
	json_take_halves(j);
	if (json_next(j, &ev) != JSON_OBJECT)
		return false;
	enum json_tok tok = json_skip(j, &ev);
	return tok == JSON_OBJECT_END && json_next(j, &ev) == JSON_END;
}

/* Returns true if all pieces have arrived. Empty text is no arguments. Each byte is scanned
 * once, and the text is parsed once, after its last bracket. */
static bool
is_whole_block(struct translator *t, struct answer_block *b)
{
	struct span text = buf_view(&b->text);
	bool was_closed = b->end.closed;

	if (b->is != SAID_CALL || b->over || b->custom)
		return true;
	calls_note_end(&b->end, span_cut(text, b->looked, text.n));
	b->looked = text.n;
	if (!was_closed && b->end.closed && !b->end.odd)
		b->end.odd = !is_one_object(t, text);
	return b->end.closed && !b->end.odd;
}

/* ---- order: pieces ---- */

static size_t
said_item(const struct said *s)
{
	return 2 * (size_t)s->number + (s->is == SAID_CALL);
}

static void
put_item_in(uint64_t items[ORDER_WORDS], size_t i)
{
	if (i < 2 * ORDER_ITEMS)
		items[i / 64] |= UINT64_C(1) << i % 64;
}

/* Makes a choice the current one. Returns 0 or the error. */
static int
answer_choose(struct translator *t, uint32_t choice)
{
	if (choice >= t->nchoices)
		return translator_fail(t, ERR_SYNTAX,
			"the provider's response has more choices than were requested");
	t->choice = &t->choices[choice];
	if (!t->choice->begun && t->streamed && t->writer->choice)
		t->writer->choice(t);
	t->choice->begun = true;
	return 0;
}

void
answer_each_choice(struct translator *t, void (*each)(struct translator *t))
{
	for (size_t i = 0; i < t->nchoices && !t->err; i++) {
		t->choice = &t->choices[i];
		if (t->choice->begun)
			each(t);
	}
}

/* Notes that an event follows: all earlier pieces are known. */
static void
answer_order_event(struct translator *t, const struct said_all *all)
{
	for (struct answer_choice *c = t->choices; c < t->choices + t->nchoices; c++)
		if (c->begun)
			memcpy(c->before, c->met, sizeof(c->before));
	t->choices->unnumbered |= all->unnumbered;
}

/* Returns true if an earlier event carried the item that a copy repeats. If items have no
 * numbers, any earlier item counts. */
static bool
is_said_before(const struct translator *t, const struct said *s)
{
	const uint64_t *before = t->choice->before;
	size_t item = said_item(s);
	bool any = false;

	if (!t->choice->unnumbered)
		return s->number >= ORDER_ITEMS || before[item / 64] >> item % 64 & 1;
	for (size_t i = 0; i < ORDER_WORDS; i++)
		any |= before[i] != 0;
	return any;
}

static void
block_free(struct translator *t, struct answer_block *b)
{
	TAILQ_REMOVE(&t->choice->blocks, b, all);
	t->choice->nblocks--;
	t->held -= b->text.n;
	buf_free(&b->id);
	buf_free(&b->name);
	buf_free(&b->text);
	buf_free(&b->half);
	free(b);
}

static void
answer_order_free(struct translator *t)
{
	for (size_t i = 0; t->choices && i < t->nchoices; i++) {
		t->choice = &t->choices[i];
		while (!TAILQ_EMPTY(&t->choice->blocks))
			block_free(t, TAILQ_FIRST(&t->choice->blocks));
		for (size_t k = 0; k < SAID_KINDS; k++)
			buf_free(&t->choice->parts[k]);
	}
	free(t->choices);
}

/* ---- order: output ---- */

/* Writes the text of a stream's block that has arrived. */
static void
write_block_text(struct translator *t, struct answer_block *b)
{
	struct span text = buf_view(&b->text);

	text = span_cut(text, b->gone, text.n);
	if (!b->open && t->writer->open)
		t->writer->open(t, b);
	b->open = true;
	if (!text.n)
		return;
	t->writer->text(t, b, text);
	if (b->is == SAID_CALL) {
		b->gone = b->text.n;
	} else {
		t->held -= b->text.n;
		buf_clear(&b->text);
	}
}

/* Returns true for a call of a tool that the caller did not offer. */
static bool
is_unoffered(const struct answer_block *b)
{
	return b->as && !b->as->name.n;
}

/* Returns true for a call that is written only when it is complete. */
static bool
waits_whole(const struct translator *t, const struct answer_block *b)
{
	return b->is == SAID_CALL &&
	       (t->writer->whole_calls || is_unoffered(b) || is_custom_call(b));
}

/* A custom tool's call is the text in its arguments. If the arguments have no such text, they
 * are the text. */
static void
take_input(struct translator *t, struct answer_block *b)
{
	struct tree tree;

	if (tree_read(&tree, &t->work, buf_view(&b->text)))
		return;
	struct node *input = tree_member(tree.root, "input");
	if (!input || input->tok != JSON_STRING)
		return;
	struct span text = tree_text(&tree, input);
	t->held -= b->text.n - text.n;
	buf_clear(&b->text);
	buf_span(&b->text, text);
}

/* Returns true if the arguments are not one complete JSON object. A custom tool's text does not
 * show that; it may be incomplete if the response was cut in it. */
static bool
is_half_call(struct translator *t, struct answer_block *b)
{
	enum answer_stop stop = t->choice->stop;

	if (b->custom)
		return !TAILQ_NEXT(b, all) &&
		       (stop == STOP_LENGTH || stop == STOP_WINDOW || stop == STOP_MALFORMED);
	return b->is == SAID_CALL && !is_one_object(t, buf_view(&b->text));
}

static int
close_block(struct translator *t, struct answer_block *b)
{
	const struct said s = { .is = b->is, .number = b->number };
	size_t before = b->text.n;

	if (b->half.n)
		buf_str(&b->text, "\xEF\xBF\xBD");
	if (b->is == SAID_CALL && !b->text.n && !b->custom)
		buf_str(&b->text, "{}");
	t->held += b->text.n - before;
	bool half = is_half_call(t, b);
	/* a response that was cut, or a malformed call that the provider reports, may be
	 * incomplete */
	if (half && t->choice->stop != STOP_LENGTH && t->choice->stop != STOP_WINDOW &&
		t->choice->stop != STOP_MALFORMED)
		return translator_fail(t, ERR_SYNTAX,
			"the arguments of a tool call are not a complete JSON object");
	t->choice->refused |= b->is == SAID_REFUSAL;
	put_item_in(t->choice->met, said_item(&s));
	t->choice->hidden += is_unoffered(b);
	bool may_be_half = t->streamed ? !waits_whole(t, b)
				       : t->writer->text_arguments && !is_custom_call(b);
	if (half && !may_be_half && !is_unoffered(b))
		t->losses |= 1u << LOSS_CALL;
	if (is_unoffered(b) || (half && !may_be_half))
		return 0;
	b->half_written = half;
	if (is_custom_call(b) && !b->custom)
		take_input(t, b);
	if (t->streamed) {
		write_block_text(t, b);
		if (t->writer->close)
			t->writer->close(t, b);
	} else {
		t->writer->whole_block(t, b);
	}
	t->blocks++;
	return 0;
}

/* An incomplete call is permitted or an error, depending on the finish reason. An ended block
 * does not change, so the check runs once. */
static bool
waits_for_stop(struct translator *t, struct answer_block *b)
{
	if (b->is != SAID_CALL || !b->text.n || t->choice->stop)
		return false;
	if (b->custom)
		return !TAILQ_NEXT(b, all);
	if (!b->seen)
		b->half_call = !is_one_object(t, buf_view(&b->text));
	b->seen = true;
	return b->half_call;
}

/* Writes the blocks that may be written. `all`: no more input follows. */
static int
write_blocks(struct translator *t, bool all)
{
	struct answer_block *b;
	int r = 0;

	while (!r && (b = TAILQ_FIRST(&t->choice->blocks))) {
		bool waits = b->over ? waits_for_stop(t, b)
				     : !(TAILQ_NEXT(b, all) && is_whole_block(t, b));
		if (!all && waits) {
			if (t->streamed && !waits_whole(t, b))
				write_block_text(t, b);
			break;
		}
		r = close_block(t, b);
		if (!r)
			block_free(t, b);
	}
	for (size_t i = 0; i < SAID_KINDS && !r; i++)
		if (buf_failed(&t->choice->parts[i]))
			return translator_fail(
				t, ERR_LIMIT, "the provider's response is too long");
	if (buf_failed(t->out) || arena_failed(&t->work))
		return translator_fail(t, ERR_NOMEM, NULL);
	return r;
}

/* ---- order: input ---- */

static struct answer_block *
find_block(struct translator *t, const struct said *s)
{
	struct answer_block *b, *last = TAILQ_LAST(&t->choice->blocks, answer_blocks);

	if (s->is != SAID_CALL)
		return last && last->is == s->is && last->number == s->number && !last->over
			       ? last
			       : NULL;
	TAILQ_FOREACH (b, &t->choice->blocks, all)
		if (b->is == SAID_CALL && b->number == s->number && !b->over)
			return b;
	return NULL;
}

static struct answer_block *
add_block(struct translator *t, const struct said *s)
{
	bool numbered = t->plan.format->blocks && !t->choice->unnumbered;
	struct answer_block *b = t->choice->nblocks < CAP_CALLS ? calloc(1, sizeof(*b)) : NULL;

	if (numbered && s->number < t->choice->last_number) {
		free(b);
		(void)translator_fail(t, ERR_SYNTAX,
			"the parts of the provider's response are numbered out of order");
		return NULL;
	}
	t->choice->last_number = s->number;
	if (!b) {
		bool full = t->choice->nblocks == CAP_CALLS;
		(void)translator_fail(t, full ? ERR_LIMIT : ERR_NOMEM, too_much);
		return NULL;
	}
	b->is = s->is;
	b->number = s->number;
	buf_init(&b->id, CALL_NAME);
	buf_init(&b->name, CALL_NAME);
	buf_init(&b->text, s->is == SAID_CALL ? CAP_CALL_ARGUMENTS : 0);
	buf_init(&b->half, 0);
	/* texts that the guard did not join are not joined here either */
	if (t->writer->joins && s->is != SAID_CALL && t->choice->kinds >> s->is & 1 &&
		t->choice->last != s->is)
		buf_str(&b->text, "\n\n");
	t->held += b->text.n;
	t->choice->kinds |= 1u << s->is;
	t->choice->last = s->is;
	TAILQ_INSERT_TAIL(&t->choice->blocks, b, all);
	t->choice->nblocks++;
	return b;
}

/* Begins a call, which must have a name. Numbered calls must come in their order. */
static struct answer_block *
begin_call_block(struct translator *t, const struct said *s)
{
	bool counted = !t->plan.format->blocks && s->number != CALL_OLDER && !s->each;
	const struct tool_alias *as = t->plan.aliases;
	const char *why = NULL;

	while (as && !span_eq(as->sent, s->name))
		as = as->next;
	if (!s->name.n)
		why = "the provider's response has a part of a tool call that has no name or "
		      "has ended";
	else if (counted && s->number != t->choice->calls)
		why = "the tool calls in the provider's response are not numbered "
		      "consecutively";
	else if (t->choice->calls == CAP_CALLS)
		why = too_much;
	else if (s->custom && !(as && as->custom))
		why = "the provider's response calls a custom tool that the caller did not "
		      "send";
	if (why) {
		(void)translator_fail(t, why == too_much ? ERR_LIMIT : ERR_SYNTAX, why);
		return NULL;
	}
	struct answer_block *b = add_block(t, s);
	if (!b)
		return NULL;
	b->place = t->choice->calls++;
	b->over = s->each;
	b->as = as;
	b->custom = s->custom;
	buf_span(&b->name, as ? as->name : s->name);
	/* Calls need different ids. An id that not every provider accepts is replaced, since
	 * the caller may send it to another provider. */
	uint64_t id = s->id.n ? span_hash(s->id) : 0;
	bool own = !translate_id_is_plain(s->id);
	for (uint32_t i = 0; i < b->place; i++)
		own |= t->choice->ids[i] == id;
	t->choice->ids[b->place] = id;
	if (!own)
		buf_span(&b->id, s->id);
	else
		buf_printf(&b->id, "%s%.*s_%u", t->writer->call_id, SPAN_ARG(t->plan.id),
			b->place);
	return b;
}

/* Returns the call of a piece. Another id with a name, after complete arguments, begins another
 * call with the same number, since some providers do not number calls. */
static struct answer_block *
call_block_of(struct translator *t, const struct said *s)
{
	struct answer_block *b = s->each ? NULL : find_block(t, s);

	if (!b)
		return begin_call_block(t, s);
	bool other = s->id.n && span_hash(s->id) != t->choice->ids[b->place];
	bool named = s->name.n && !span_eq(s->name, b->as ? b->as->sent : buf_view(&b->name));
	if (other && s->name.n && b->place + 1 == t->choice->calls && is_whole_block(t, b)) {
		struct said next = *s;
		next.number = t->choice->calls;
		b->over = true;
		b = begin_call_block(t, &next);
		if (b)
			b->number = s->number;
		return b;
	}
	if (other || named || (s->text.n && s->custom != b->custom) ||
		(!s->numbered && !s->name.n && t->choice->calls > 1)) {
		(void)translator_fail(t, ERR_SYNTAX,
			"a tool call in the provider's response changes its name or id");
		return NULL;
	}
	return b;
}

/* Returns the run that the text continues, or a new one. A block that is a call has no text. */
static struct answer_block *
text_block_of(struct translator *t, const struct said *s)
{
	const struct said call = { .is = SAID_CALL, .number = s->number };
	struct answer_block *b = find_block(t, s);

	if (!b && t->plan.format->blocks && find_block(t, &call)) {
		(void)translator_fail(
			t, ERR_SYNTAX, "a tool call in the provider's response contains text");
		return NULL;
	}
	return b ? b : add_block(t, s);
}

/* Takes a piece. Returns 0, or translator_fail(). */
static int
answer_order(struct translator *t, const struct said *s)
{
	if (answer_choose(t, s->choice))
		return t->err;
	if (s->copy && is_said_before(t, s))
		return 0;
	if (s->copy == SAID_PARTLY) {
		put_item_in(t->choice->partly, said_item(s));
		return 0;
	}
	if (s->is == SAID_CALL && !s->name.n && !s->id.n && !s->text.n)
		return 0;
	if (t->choice->stop && !t->plan.format->repeats)
		return translator_fail(t, ERR_SYNTAX, translator_again);
	struct answer_block *b = s->is == SAID_CALL ? call_block_of(t, s) : text_block_of(t, s);
	if (!b)
		return t->err;
	size_t before = b->text.n;
	if (b->half.n || memchr(s->text.p, '\xED', s->text.n)) {
		buf_span(&b->half, s->text);
		size_t left = utf8_join_halves(buf_view(&b->half), &b->text);
		buf_consume(&b->half, b->half.n - left);
	} else {
		buf_span(&b->text, s->text);
	}
	t->held += b->text.n - before;
	if (s->text.n)
		put_item_in(t->choice->met, said_item(s));
	if (buf_failed(&b->text) || buf_failed(&b->id) || buf_failed(&b->name) ||
		t->held > CAP_CALLS_HELD)
		return translator_fail(t, ERR_LIMIT, too_much);
	return write_blocks(t, false);
}

/* Notes that the block with this number ended. */
static int
answer_order_ended(struct translator *t, uint32_t number)
{
	struct answer_block *b;

	TAILQ_FOREACH (b, &t->choice->blocks, all)
		b->over |= b->number == number;
	return write_blocks(t, false);
}

/* Takes a finish reason. */
static int
answer_order_stop(struct translator *t, const struct said *s)
{
	enum answer_stop stop = answer_stop_of(t->plan.from, s->text);

	if (answer_choose(t, s->choice))
		return t->err;
	if (!stop)
		return translator_fail(t, ERR_SYNTAX,
			"the provider's response has a finish reason without an equivalent in "
			"the caller's API");
	/* the reason may be in each event, and the last one counts */
	if (t->plan.format->repeats) {
		t->choice->stop = stop;
		return 0;
	}
	if (stop == STOP_END && t->choice->calls)
		stop = STOP_CALLS; /* some providers send such a reason with calls */
	if (stop == STOP_CALLS && !t->choice->calls)
		return translator_fail(t, ERR_SYNTAX,
			"the provider's response has the finish reason for tool calls, but no "
			"tool call");
	if (t->choice->stop && t->choice->stop != stop)
		return translator_fail(t, ERR_SYNTAX,
			"the provider's response has two different finish reasons");
	t->choice->stop = stop;
	return write_blocks(t, true);
}

static void
finish_choice(struct translator *t)
{
	struct answer_choice *c = t->choice;
	int r = write_blocks(t, true);

	for (size_t i = 0; i < ORDER_WORDS && !r; i++)
		if (c->partly[i] & ~c->met[i])
			r = translator_fail(t, ERR_SYNTAX,
				"the provider's response lacks a part of a text that it began");
	if (!r && !c->stop)
		(void)translator_fail(t, ERR_TRUNCATED,
			"the provider's response ends without a finish reason");
	if (c->stop == STOP_END && c->calls)
		c->stop = STOP_CALLS;
}

/* Ends the response: writes the rest and the end. */
static int
answer_order_last(struct translator *t)
{
	if (t->state == TRANSLATOR_ENDED)
		return translator_fail(t, ERR_SYNTAX, translator_again);
	answer_each_choice(t, finish_choice);
	if (!t->err && !t->choices->begun)
		return translator_fail(t, ERR_TRUNCATED,
			"the provider's response ends without a finish reason");
	if (t->err)
		return t->err;
	t->choice = t->choices;
	t->ends = true;
	if (t->streamed)
		t->writer->end(t);
	else
		t->writer->whole(t);
	t->state = TRANSLATOR_ENDED;
	return buf_failed(t->out) ? translator_fail(t, ERR_NOMEM, NULL) : 0;
}

/* ---- a translator ---- */

struct translator *
translator_new(const struct translate_plan *p, bool streamed, enum frames_kind kind, int status)
{
	struct translator *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->plan = *p;
	t->writer = answer_writer_of(p->to);
	t->in.streamed = streamed && t->writer; /* vectors do not stream */
	t->streamed = p->other_way ? !t->in.streamed : t->in.streamed;
	t->status = status;
	arena_init(&t->work, CAP_ANSWER_WORK, true);
	frames_init(&t->in.frames, kind, CAP_CALL_EVENT);
	event_template_init(&t->in.like);
	buf_init(&t->in.body, CAP_ANSWER_BYTES);
	buf_init(&t->id, NAME_BYTES);
	buf_init(&t->model, NAME_BYTES);
	t->nchoices = p->choices ? p->choices : 1;
	t->choices = calloc(t->nchoices, sizeof(*t->choices));
	if (!t->choices)
		translator_drop(&t);
	for (size_t i = 0; t && i < t->nchoices; i++) {
		t->choices[i].index = (unsigned)i;
		TAILQ_INIT(&t->choices[i].blocks);
		for (size_t k = 0; k < SAID_KINDS; k++)
			buf_init(&t->choices[i].parts[k], CAP_ANSWER_BYTES);
	}
	if (t)
		t->choice = t->choices;
	return t;
}

void
translator_drop(struct translator **tp)
{
	struct translator *t = *tp;

	if (!t)
		return;
	answer_order_free(t);
	arena_reset(&t->work);
	frames_free(&t->in.frames);
	event_template_free(&t->in.like);
	buf_free(&t->in.body);
	buf_free(&t->id);
	buf_free(&t->model);
	buf_free(&t->head);
	free(t);
	*tp = NULL;
}

const char *
translator_id_begins(enum form f)
{
	const struct answer_writer *w = answer_writer_of(f);

	return w ? w->message_id : "";
}

const char *
translator_media_type(const struct translator *t)
{
	return t->streamed && !t->plan.array ? t->writer->media_type : "application/json";
}

static uint64_t
usage_count(const struct usage *u, char place)
{
	struct price_usage s = usage_split(u);
	uint64_t input = (uint64_t)u->input_tokens, output = (uint64_t)u->output_tokens;
	uint64_t written = s.n[PRICE_WRITE] + s.n[PRICE_WRITE_1H];

	if (!u->known)
		return 0;
	switch (place) {
	case 'i': return input;
	case 'o': return output;
	case 't': return input + output;
	case 'c': return (uint64_t)u->cached_tokens;
	case 'w': return u->details.n[PRICE_WRITE];
	case 'r': return u->details.n[PRICE_REASONING];
	case 'I': return input - written - s.n[PRICE_CACHED];
	case 'C': return s.n[PRICE_CACHED];
	case 'W': return written;
	default: return output - u->details.n[PRICE_REASONING];
	}
}

void
translator_put_usage(const struct translator *t, const struct usage *u, struct buf *b)
{
	json_put_name(b, NULL);
	for (const char *form = t->writer->usage; *form; form++) {
		if (*form == '[' && !usage_count(u, strchr(form, ']')[-1]))
			form = strchr(form, ']');
		else if (*form == '%')
			buf_int(b, (int64_t)usage_count(u, *++form));
		else if (*form != '[' && *form != ']')
			buf_putc(b, *form == '\'' ? '"' : *form);
	}
}

const char *
translator_stop_word(const struct translator *t)
{
	const struct answer_choice *c = t->choice;
	enum answer_stop stop = c->stop;

	if (c->refused && !t->writer->refusals)
		stop = STOP_REFUSAL;
	else if (stop == STOP_CALLS && c->calls == c->hidden)
		stop = STOP_END;
	return answer_stop_word(t->plan.to, stop);
}

static bool
translator_is_over(const struct translator *t)
{
	return t->err || t->state == TRANSLATOR_FAILED;
}

/* Keeps the connection alive with a comment, if the caller's form is an event stream whose
 * clients skip comments. Google's clients take a comment for an event. */
static void
say_nothing(struct translator *t)
{
	if (t->plan.to != FORM_GENERATE &&
		!strcmp(translator_media_type(t), "text/event-stream"))
		buf_str(t->out, ":\n\n");
}

/* ---- one document ---- */

/* Writes the beginning, with id and model as far as they are known. */
static int
begin_answer(struct translator *t, const struct said_all *all)
{
	if (t->state != TRANSLATOR_NEW || (!all->n && !all->model.n))
		return 0;
	t->state = TRANSLATOR_BEGUN;
	bool own = t->plan.own_id || !all->id.n;
	if (!own)
		buf_span(&t->id, all->id);
	else
		buf_printf(&t->id, "%s%.*s", t->writer->message_id, SPAN_ARG(t->plan.id));
	buf_span(&t->model, all->model.n ? all->model : t->plan.model);
	if (t->streamed && t->writer->begin)
		t->writer->begin(t);
	return buf_failed(&t->id) || buf_failed(&t->model) || buf_failed(&t->head)
		       ? translator_fail(
				 t, ERR_LIMIT, "a name in the provider's response is too long")
		       : answer_choose(t, 0);
}

static int
count_usage(struct translator *t, struct span type, struct span json)
{
	struct answer_document d;
	const char *why;
	int err = answer_read(NULL, t->plan.sent, type, json, &t->work, &d, &why);

	if (err)
		return translator_fail(
			t, err, "the usage in the provider's response is malformed");
	if (t->in.streamed)
		usage_event(d.usage, type, &t->in.usage);
	else
		usage_whole(d.usage, &t->in.usage);
	/* the parts must not exceed the whole */
	struct usage *u = &t->in.usage;
	if (u->known && u->cached_tokens > u->input_tokens)
		u->cached_tokens = u->input_tokens;
	if (u->known && u->details.n[PRICE_REASONING] > (uint64_t)u->output_tokens)
		u->details.n[PRICE_REASONING] = (uint64_t)u->output_tokens;
	return 0;
}

/* Writes the provider's error after the response began. */
static int
say_said_error(struct translator *t, struct span type, struct span json)
{
	struct said_all e;

	if (answer_said_error(json, &t->work, &e))
		return translator_fail(t, ERR_NOMEM, NULL);
	if (!e.code && dialect_refusal(0, type, json, &t->work) == REFUSAL_RATE)
		e.code = "rate_limit_exceeded"; /* its name depends on the code */
	translator_say_error(t, e.code, e.message, t->plan.id, t->out);
	return 0;
}

/* Reads an event that is like the last one except for its text, which most events are. */
static bool
is_like_the_last(struct translator *t, struct span type, struct span json, struct said *s)
{
	struct answer_document d;
	const char *why;

	if (!t->in.streamed || t->state != TRANSLATOR_BEGUN ||
		t->in.misses == TRANSLATOR_MISSES)
		return false;
	bool plain = !event_template_read(&t->in.like, t->plan.format, NULL, type, json,
			     &t->work, &d, &why) &&
		     answer_said_plain(t->plan.format, &d, s);
	t->in.misses = plain ? 0 : t->in.misses + 1;
	return plain;
}

static int
translate_document(struct translator *t, struct span type, struct span json)
{
	struct said_all all;
	const char *why = NULL;
	struct said s;
	int err;

	if (t->state == TRANSLATOR_ENDED)
		return span_is(type, "ping") ? 0
					     : translator_fail(t, ERR_SYNTAX, translator_again);
	if (is_like_the_last(t, type, json, &s))
		return answer_order(t, &s);
	err = answer_said(t->plan.from, t->plan.format, !t->in.streamed, type, json, &t->work,
		&all, &why);
	if (err)
		return translator_fail(t, err, why);
	if (all.is_error && !t->in.streamed)
		return translator_fail(t, ERR_SYNTAX, "the provider's response is an error");
	if (all.is_error)
		return say_said_error(t, type, json);
	t->losses |= all.losses;
	if (span_is(all.type, "ping")) {
		say_nothing(t);
		return 0;
	}
	answer_order_event(t, &all);
	err = all.counts ? count_usage(t, all.type, json) : 0;
	if (!err)
		err = begin_answer(t, &all);
	for (size_t i = 0; i < all.n && !err; i++)
		err = all.v[i].is == SAID_STOP ? 0 : answer_order(t, &all.v[i]);
	if (!err && all.ends)
		err = answer_order_ended(t, all.ended);
	for (size_t i = 0; i < all.n && !err && all.stops; i++)
		err = all.v[i].is == SAID_STOP ? answer_order_stop(t, &all.v[i]) : 0;
	if (!err && (all.last || !t->in.streamed))
		err = answer_order_last(t);
	return err;
}

/* ---- a stream ---- */

static int
translate_frame(struct translator *t, int r, const struct frame *f)
{
	bool sse = t->in.frames.kind == FRAMES_SSE;
	struct span data = span_trim(f->data, " \t\r\n"), raw = span_trim(f->raw, "\r\n");
	int err = 0;

	if (r == FRAME_OVER)
		return translator_fail(
			t, ERR_LIMIT, "an event of the provider's stream is too long");
	if (f->exception)
		err = say_said_error(t, f->type, f->data);
	else if (sse && !data.n && span_starts(raw, SPAN_LIT(":")))
		say_nothing(t);
	else if (f->has_data && data.n && !(sse && span_is(data, "[DONE]")))
		err = translate_document(t, f->type, f->data);
	/* otherwise [DONE] belongs to another form */
	else if (f->has_data && data.n && !t->plan.format->last)
		err = answer_order_last(t);
	arena_reset(&t->work);
	return err;
}

/* Returns true if all requested choices ended. A refused prompt has one reason for all. */
static bool
all_choices_ended(const struct translator *t)
{
	const struct answer_choice *first = t->choices;

	for (size_t i = 0; i < t->nchoices; i++)
		if (!first[i].stop && (first[i].begun || first->stop != STOP_REFUSAL))
			return false;
	return true;
}

/* Reads frames; `bytes` NULL: ends the stream. */
static int
translate_frames(struct translator *t, struct span *bytes)
{
	struct frame f;
	int r = 0;

	while (!translator_is_over(t) && (r = bytes ? frames_next(&t->in.frames, bytes, &f)
						    : frames_end(&t->in.frames, &f)) > 0)
		(void)translate_frame(t, r, &f);
	if (!translator_is_over(t) && r < 0)
		return translator_fail(
			t, r, "the framing of the provider's stream is malformed");
	if (bytes || translator_is_over(t) || t->state == TRANSLATOR_ENDED)
		return t->err;
	/* without a last event, the finish reason is the end */
	if (t->plan.format->last || !all_choices_ended(t))
		return translator_fail(
			t, ERR_TRUNCATED, "the provider's stream ends too early");
	return answer_order_last(t);
}

/* ---- the whole response ---- */

static int
translate_whole(struct translator *t)
{
	struct said_all e;
	int err = 0;

	if (t->status < 400 && !t->writer) {
		err = count_usage(t, SPAN_LIT(""), buf_view(&t->in.body));
		if (!err)
			err = answer_vectors(t, buf_view(&t->in.body));
	} else if (t->status < 400) {
		err = translate_document(t, SPAN_LIT(""), buf_view(&t->in.body));
	} else if (answer_said_error(buf_view(&t->in.body), &t->work, &e)) {
		err = translator_fail(t, ERR_NOMEM, NULL);
	} else {
		dialect_error(t->plan.asked, t->status, e.code, e.message, t->plan.id, t->out);
		t->state = TRANSLATOR_ENDED;
	}
	arena_reset(&t->work);
	return err;
}

int
translator_feed(struct translator *t, struct span bytes, struct buf *out, const char **why)
{
	int err = t->err;

	t->out = out;
	if (t->in.streamed) {
		err = translate_frames(t, &bytes);
	} else if (!err) {
		buf_span(&t->in.body, bytes);
		if (buf_failed(&t->in.body))
			err = translator_fail(
				t, ERR_LIMIT, "the provider's response is too long");
	}
	*why = t->why;
	return err;
}

int
translator_end(struct translator *t, struct buf *out, const char **why)
{
	int err = t->err;

	t->out = out;
	if (!translator_is_over(t))
		err = t->in.streamed ? translate_frames(t, NULL) : translate_whole(t);
	*why = t->why;
	return err;
}

void
answer_number_error(struct span event, uint64_t number, struct buf *out)
{
	static const char first[] = "\"sequence_number\":0";
	const char *at = memmem(event.p, event.n, first, sizeof(first) - 1);
	size_t n = at ? (size_t)(at - event.p) + sizeof(first) - 2 : event.n;

	buf_span(out, span_cut(event, 0, n));
	if (at)
		buf_printf(out, "%llu", (unsigned long long)number);
	buf_span(out, span_cut(event, n + (at != NULL), event.n));
}

void
translator_say_error(struct translator *t, const char *code, struct span message,
	struct span id, struct buf *out)
{
	bool said = t->error_said || t->state == TRANSLATOR_ENDED;

	t->error_said = true;
	t->state = TRANSLATOR_FAILED;
	if (!said && t->streamed && t->plan.array) {
		buf_str(out, t->events ? ",\n" : "[");
		dialect_stream_error_data(
			t->plan.asked, form_name(t->plan.to), code, message, id, out);
		buf_str(out, "]\n");
	} else if (!said) {
		SCOPED_BUF(event, 0);
		dialect_stream_error(
			t->plan.asked, form_name(t->plan.to), code, message, id, &event);
		answer_number_error(buf_view(&event), t->events, out);
	}
}

const char *const translate_losses[LOSSES] = { [LOSS_CITATIONS] = "citations",
	[LOSS_GROUNDING] = "grounding",
	[LOSS_CALL] = "call",
	[LOSS_REASONING] = "reasoning" };

unsigned
translator_losses(const struct translator *t)
{
	return t->losses;
}

size_t
translator_held(const struct translator *t)
{
	size_t n = t->held + t->in.body.n + frames_kept(&t->in.frames);

	for (size_t i = 0; i < t->nchoices * SAID_KINDS; i++)
		n += t->choices[i / SAID_KINDS].parts[i % SAID_KINDS].n;
	return n;
}
