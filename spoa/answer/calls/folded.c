/* Joins the events of a long call.
 *
 * A call of 4 MB in pieces of four characters would make 200 MB of events. Once
 * CAP_CALLS_EVENTS bytes wait, an event is not kept if it only adds arguments to one call and
 * is like the previous one. Its text is in the call's buffer already. One event (`fold`) stands
 * for all of them, and when the call is decided, it is written in events of FOLD_BYTES like the
 * original.
 *
 * Example: `{"delta":"ab","n":7}` and `{"delta":"cd","n":8}` are alike if `n` is in `varies`,
 * so the second one is folded. */
#include "answer/calls/calls_private.h"

#include <stdlib.h>

#include "base/caps.h"
#include "base/utf8.h"
#include "base/err.h"

/* Members that may differ between events. Their values carry nothing that a later event does
 * not repeat. */
static const char *const varies[] = { "sequence_number", "obfuscation", "p", "usage",
	"usageMetadata", "event_id", "created", "created_at", "createTime" };
/* Members that may hold a string. A string anywhere else may be text. */
static const char *const words[] = { "id", "object", "model", "modelVersion", "responseId",
	"system_fingerprint", "service_tier", "provider", "type", "event_type", "role", "name",
	"item_id", "call_id", "tool_call_id", "jsonPath", "json_path", "response_id",
	"conversation_id" };

/* Returns true if both nodes are equal, except for `text` and the members in `varies`, and no
 * other string in them may be text. */
static bool
are_alike(const struct tree *t, const struct node *n, const struct tree *u,
	const struct node *o, const struct node *text)
{
	if (n->tok != o->tok || !span_eq(n->key, o->key))
		return SPAN_IN(n->key, varies) && span_eq(n->key, o->key);
	if (n == text || SPAN_IN(n->key, varies))
		return true;
	if (n->tok != JSON_OBJECT && n->tok != JSON_ARRAY)
		return span_eq(tree_raw(t, n), tree_raw(u, o)) &&
		       (n->tok != JSON_STRING || n->end == n->start + 2 ||
			       SPAN_IN(n->key, words));
	const struct node *a = n->first, *b = o->first;
	for (; a && b; a = a->next, b = b->next)
		if (!are_alike(t, a, u, b, text))
			return false;
	return !a && !b;
}

/* Returns true if the event that is read is like `like`, except for this text. If `like` was
 * compared before (`plain`), equal bytes around the text suffice. */
static bool
is_like(struct calls *c, const struct node *text, struct held_event *like)
{
	struct span had = like->frame.data, now = c->t->raw;
	size_t after = had.n - like->text_end;
	struct tree u;

	if (like->plain && text->start == like->text && now.n - text->end == after &&
		!memcmp(now.p, had.p, like->text) &&
		!memcmp(now.p + text->end, had.p + like->text_end, after))
		return true;
	bool is = like->texts == 1 && !tree_read(&u, &c->work, had) &&
		  are_alike(c->t, c->root, &u, u.root, text);
	like->plain |= is;
	return is;
}

/* Joins a surrogate pair whose halves arrived in two events into one character. */
static void
join_folded(struct held_call *h, size_t from, size_t at)
{
	struct span all = buf_view(&h->arguments);
	char *to = h->arguments.p + h->arguments.start + at - UTF8_HALF, whole[4];

	if (at < from + UTF8_HALF || !utf8_half_at(all, at - UTF8_HALF) ||
		!utf8_half_at(all, at))
		return;
	uint32_t high = utf8_value(all.p + at - UTF8_HALF, UTF8_HALF),
		 low = utf8_value(all.p + at, UTF8_HALF);
	if (high >= 0xdc00 || low < 0xdc00)
		return;
	size_t n = utf8_encode(0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff), whole);
	memcpy(to, whole, n);
	memmove(to + n, to + 2 * UTF8_HALF, all.n - at - UTF8_HALF);
	h->arguments.n -= 2 * UTF8_HALF - n;
}

bool
calls_fold(struct calls *c, const struct held_event *e)
{
	struct held_call *h = e->npieces == 1 ? e->pieces[0].of : NULL;
	struct span had = h ? buf_view(&h->arguments) : SPAN_LIT("");
	/* the only string of the event that holds arguments */
	const struct node *text = e->texts == 1 ? c->root : NULL;

	if (!h || h->settled || h->over || !h->like || c->held < CAP_CALLS_EVENTS ||
		e->frame.exception || !span_eq(e->frame.type, h->like->frame.type))
		return false;
	while (text && (text->tok != JSON_STRING || text->start != e->text))
		text = tree_next(text, c->root);
	if (!text)
		return false;
	struct span said = tree_text(c->t, text);
	size_t from = had.n - said.n;
	if (!span_ends(had, said) || !is_like(c, text, h->like))
		return false;
	INVARIANT(said.n <= had.n && (!h->fold || h->fold->folded));
	if (!h->fold) {
		struct held_event *f = calls_event(c, &h->like->frame);
		if (!f || !(f->pieces = calloc(1, sizeof(struct call_piece)))) {
			calls_fail(c, ERR_NOMEM);
			return false;
		}
		f->pieces[f->npieces++] = h->like->pieces[0];
		f->text = h->like->text;
		f->text_end = h->like->text_end;
		f->folded = true;
		f->from = from;
		h->fold = f;
		h->folds++;
	}
	join_folded(h, h->fold->from, from);
	h->fold->to = h->arguments.n;
	return true;
}

/* The event waits. Later events may be folded into one like it. */
void
calls_unfolded(struct held_event *e)
{
	for (size_t i = 0; i < e->npieces; i++) {
		e->pieces[i].of->fold = NULL;
		e->pieces[i].of->like = NULL;
	}
	if (e->npieces == 1)
		e->pieces[0].of->like = e;
}

/* ---- writing ---- */

/* Returns the number of bytes that one event may carry, without splitting a character. */
static size_t
piece_of(struct span text)
{
	return text.n > FOLD_BYTES ? utf8_before(text.p, FOLD_BYTES + 1) : text.n;
}

/* Writes the inside of a JSON string. Unpaired halves of surrogate pairs become \u escapes
 * again. */
static void
put_folded_text(struct span s, struct buf *out)
{
	while (s.n) {
		const char *at = memchr(s.p, '\xED', s.n);
		size_t n = at ? (size_t)(at - s.p) : s.n;
		buf_json(out, span_cut(s, 0, n));
		s = span_cut(s, n, s.n);
		if (s.n && utf8_half_at(s, 0)) {
			buf_printf(out, "\\u%04x", utf8_value(s.p, UTF8_HALF));
			s = span_cut(s, UTF8_HALF, s.n);
		} else if (s.n) {
			buf_json(out, span_cut(s, 0, 1));
			s = span_cut(s, 1, s.n);
		}
	}
}

struct span
calls_first(const struct held_call *h)
{
	struct span all = buf_view(&h->text);

	return h->folds ? span_cut(all, 0, piece_of(all)) : all;
}

static void
say_one(struct calls *c, const struct held_event *e, struct span text)
{
	struct span like = e->frame.data;
	struct held_event one = *e;
	SCOPED_BUF(data, 0);

	buf_span(&data, span_cut(like, 0, e->text));
	buf_putc(&data, '"');
	put_folded_text(text, &data);
	buf_putc(&data, '"');
	buf_span(&data, span_cut(like, e->text_end, like.n));
	one.frame.data = buf_view(&data);
	if (buf_failed(&data))
		calls_fail(c, ERR_NOMEM);
	else
		calls_say_event(c, &one, &e->frame);
}

void
calls_say_folded(struct calls *c, struct held_event *e)
{
	struct held_call *h = e->pieces[0].of;
	enum call_verdict is = h->is;

	INVARIANT(e->folded && e->npieces == 1 && h->settled && h->folds > 0);
	struct span text = span_cut(buf_view(&h->arguments), e->from, e->to);

	/* the rest of the new arguments; calls_first() went into the first piece */
	if (is == CALL_EDITED) {
		text = buf_view(&h->text);
		text = h->rest_said ? SPAN_LIT("") : span_cut(text, calls_first(h).n, text.n);
		h->rest_said = true;
	}
	c->touched = true; /* sequence numbers of later events change */
	h->is = CALL_GOES;
	while (!c->err && is != CALL_DENIED && text.n) {
		size_t n = piece_of(text);
		say_one(c, e, span_cut(text, 0, n));
		text = span_cut(text, n, text.n);
	}
	h->is = is;
	if (--h->folds == 0)
		buf_free(&h->arguments);
}
