/* What is held is read again with what comes next: at most RESTORE_HELD_MOST bytes, so the work
 * is linear in the text. A string of arguments that waits for its end is not read again: it is
 * there twice, as it came and with its values. Separate from scan/text/spelling.c, which knows what
 * a placeholder looks like and nothing of pieces. */
#include "answer/restore.h"

#include "base/ascii.h"
#include "base/err.h"
#include "base/mem.h"

/* JSON in a string of JSON in a string and so on: deeper is text. Each layer may double the escapes of a value. */
enum { JSON_LAYERS = 4 };

/* A string, which may be JSON. */
struct json_layer {
	unsigned seen; /* how many characters other than blanks came; counted up to 2 */
	bool maybe, json;    /* it begins as JSON does */
	bool string, escape; /* in a string of that; after a backslash there */
};

struct restorer {
	const struct vault *vault;
	unsigned level;
	bool value; /* the text is one string, decoded */
	size_t count, held_n, left;
	struct url_place url;
	struct { /* of JSON, which string the text is in */
		bool string;
		struct json_layer layers[JSON_LAYERS]; /* that string, the one in it, … */
	} in;
	bool begun, text; /* of arguments: something has come; it is no JSON, but one string */
	bool ended, had_url; /* a string, with this unit; a URL or a host was in it */
	struct {	     /* a string of them, from its first placeholder on */
		size_t most;
		bool on, stays; /* it waits; nothing is put back into it */
		struct buf as_is, restored;
		size_t count;
	} waits;
	struct { /* what may be a placeholder that nobody was given: "<" and its name so far */
		bool on;
		size_t n, count;
		char name[SPELLING_NAME_MOST];
	} unknown;
	char held[RESTORE_HELD_MOST];
};

struct restorer *
restorer_new(const struct vault *v, enum restore_form form)
{
	struct restorer *r = mem_get_zeroed(sizeof(*r));

	if (!r)
		return NULL;
	r->vault = v;
	r->value = form == RESTORE_VALUE;
	r->level = r->value ? 0 : (unsigned)form;
	return r;
}

void
restorer_free(struct restorer **r)
{
	if (*r) {
		buf_free(&(*r)->waits.as_is);
		buf_free(&(*r)->waits.restored);
		mem_put(*r, sizeof(**r));
	}
	*r = NULL;
}

void
restorer_arguments(struct restorer *r, bool kept, size_t most)
{
	r->url.mode = kept ? URL_KEPT : URL_CALL;
	r->waits.most = most;
}

void
restorer_goes_on(struct restorer *r, const struct url_place *from)
{
	if (r->level == 0)
		r->url = *from;
}

const struct url_place *
restorer_place(const struct restorer *r)
{
	return &r->url;
}

size_t
restorer_held(const struct restorer *r)
{
	return r->held_n + r->waits.as_is.n;
}

size_t
restorer_count(const struct restorer *r)
{
	return r->count;
}

size_t
restorer_left(const struct restorer *r)
{
	return r->left;
}

size_t
restorer_unknown(const struct restorer *r)
{
	return r->unknown.count;
}

/* Counts what passes and is spelled as we spell placeholders, however it was cut. */
static void
count_unknown(struct restorer *r, struct span text)
{
	const char *end = text.p + text.n;

	for (const char *p = text.p; p < end; p++) {
		if (!r->unknown.on) {
			p = memchr(p, '<', (size_t)(end - p));
			if (!p)
				return;
			r->unknown.on = true;
			r->unknown.n = 0;
		} else if (*p == '>') {
			r->unknown.count += vault_is_unknown(
				r->vault, span_of(r->unknown.name, r->unknown.n));
			r->unknown.on = false;
		} else if ((is_upper(*p) || is_digit(*p) || *p == '_') &&
			   r->unknown.n < sizeof(r->unknown.name)) {
			r->unknown.name[r->unknown.n++] = *p;
		} else {
			r->unknown.on = *p == '<';
			r->unknown.n = 0;
		}
	}
}

/* The first two characters of a string, blanks aside, say whether it is JSON: {" or {} or an
 * array of strings, objects or arrays. "[see above] he said" is not. */
static void
note_beginning(struct json_layer *l, int c)
{
	if (l->seen > 1 || c == ' ' || c == '\n' || c == '\r' || c == '\t')
		return;
	if (l->seen++ == 0)
		l->maybe = c == '{' || c == '[';
	else
		l->json = l->maybe && (c == '"' || c == '{' || c == '[');
}

/* A character of the outermost string, decoded once for each layer that it is in. */
static void
note_layers(struct restorer *r, int c)
{
	for (struct json_layer *l = r->in.layers; l < r->in.layers + JSON_LAYERS; l++) {
		note_beginning(l, c);
		if (!l->json)
			return;
		if (l->escape) {
			l->escape = false;
			c = c == 'n' || c == 'r' || c == 't' ? ' ' : c;
		} else if (c == '\\') {
			l->escape = true;
			return;
		} else if (c == '"') {
			l->string = !l->string;
			if (l + 1 < r->in.layers + JSON_LAYERS)
				memset(l + 1, 0, sizeof(*l));
			return;
		}
		if (!l->string)
			return;
	}
}

/* In so many strings of JSON, each in the one before it. */
static unsigned
layers_deep(const struct restorer *r)
{
	unsigned n = 0;

	while (n < JSON_LAYERS && r->in.layers[n].json && r->in.layers[n].string)
		n++;
	return n;
}

/* Arguments that do not begin as JSON does are one string: servers pass on what a model wrote.
 */
static void
begin_arguments(struct restorer *r, int c)
{
	if (r->begun || c == ' ' || c == '\n' || c == '\r' || c == '\t')
		return;
	r->begun = true;
	r->text = c != '{' && c != '[' && c != '"';
}

/* A unit of the text: the character it spells, and whether it was escaped. What is between
 * strings is looked at as one. */
static void
note_unit(struct restorer *r, int c, bool escaped)
{
	begin_arguments(r, c);
	r->ended = c == '"' && !escaped && !r->text;
	if (r->ended) {
		bool begins = !r->in.string;
		memset(&r->in, 0, sizeof(r->in));
		r->in.string = begins;
		return;
	}
	if (!r->in.string && !r->text)
		return;
	note_layers(r, c);
}

/* ---- strings of arguments ---- */

static void
pass_text(struct restorer *r, struct span text, struct buf *out)
{
	if (text.n)
		count_unknown(r, text);
	buf_span(r->waits.on ? &r->waits.as_is : out, text);
	if (r->waits.on)
		buf_span(&r->waits.restored, text);
}

/* It need not wait any more: with its values, or as it came. */
static void
wait_no_more(struct restorer *r, bool stays, struct buf *out)
{
	stays |= r->waits.as_is.n > r->waits.most;
	buf_span(out, buf_view(stays ? &r->waits.as_is : &r->waits.restored));
	*(stays ? &r->left : &r->count) += r->waits.count;
	out->failed |= buf_failed(&r->waits.as_is) || buf_failed(&r->waits.restored);
	buf_free(&r->waits.as_is);
	buf_free(&r->waits.restored);
	r->waits.on = false;
	r->waits.stays = stays;
	r->waits.count = 0;
}

/* `in` goes to the end of a unit of it, and from *from on has not gone. */
static void
look_at_string(struct restorer *r, struct span in, size_t *from, struct buf *out)
{
	bool url = r->ended ? r->had_url : r->url.found;

	if (r->waits.on &&
		(r->ended || url || r->waits.as_is.n + in.n - *from > r->waits.most)) {
		pass_text(r, span_cut(in, *from, in.n), out);
		*from = in.n;
		wait_no_more(r, url, out);
	}
	if (r->ended)
		r->waits.stays = false;
}

static void
put_back(struct restorer *r, const struct spelling *s, struct span spelling, struct buf *out)
{
	struct buf *to = r->waits.on ? &r->waits.restored : out;
	unsigned deep = layers_deep(r);
	/* JSON's escapes of a placeholder there are those of the string that it is in */
	enum spelling_escape escape =
		deep && s->escape == ESCAPE_JSON ? ESCAPE_NONE : s->escape;

	spelling_value(to, vault_value(r->vault, s->node), escape, r->level + deep);
	if (r->waits.on)
		buf_span(&r->waits.as_is, spelling);
	*(r->waits.on ? &r->waits.count : &r->count) += 1;
	r->ended = false;
	url_place_step(&r->url, 'x');
	if ((r->value || (r->level && r->in.string)) && deep < JSON_LAYERS)
		note_beginning(&r->in.layers[deep], 'x');
}

/* How long the byte or escape at the beginning of `in` is; 0: more is needed. */
static size_t
step_restore(struct restorer *r, struct span in, bool final)
{
	size_t n, plain;
	int c;

	if (r->level == 0) {
		if (r->value)
			note_layers(r, (unsigned char)in.p[0]);
		url_place_step(&r->url, (unsigned char)in.p[0]);
		return 1;
	}
	n = spelling_unit(in, r->level, &c);
	if (n == 0)
		return final ? in.n : 0;
	plain = spelling_unit(in, r->level - 1, &(int){ 0 });
	note_unit(r, c, n > plain);
	if (r->ended) {
		r->had_url = url_place_found(&r->url);
		r->url = (struct url_place){ .mode = r->url.mode };
	} else {
		url_place_step(&r->url, c);
	}
	return n;
}

/* In a URL it stays as the model wrote it. */
static void
leave(struct restorer *r, struct span spelling)
{
	struct url_place was = r->url;

	while (spelling.n)
		spelling = span_cut(spelling, step_restore(r, spelling, true), spelling.n);
	r->url = was;
	url_place_step(&r->url, 'x');
	r->left++;
}

static bool
stays(const struct restorer *r)
{
	return !vault_urls(r->vault) && (url_place_inside(&r->url) || r->waits.stays ||
						(r->url.mode == URL_CALL && r->url.found));
}

/* On to the next byte that may begin a placeholder, or says which string the text is in. */
static size_t
past_plain(struct restorer *r, struct span in, size_t at)
{
	bool all = r->value ||
		   (r->level && (r->in.string || r->text || r->url.mode != URL_SHOWN));

	for (; !all && at < in.n && !spelling_begins[(unsigned char)in.p[at]] &&
		(r->level == 0 || in.p[at] != '"');
		at++)
		if (r->level == 0)
			url_place_step(&r->url, (unsigned char)in.p[at]);
	return at;
}

/* Passes on what can be decided; how many bytes of `in` that are. */
static size_t
advance(struct restorer *r, struct span in, bool final, struct buf *out)
{
	const struct spelling_names names = vault_names(r->vault);
	struct spelling s;
	size_t from = 0, at = 0;

	while (at < in.n) {
		at = past_plain(r, in, at);
		if (at == in.n)
			break;
		struct span rest = span_cut(in, at, in.n);
		int found = spelling_begins[(unsigned char)in.p[at]]
				    ? spelling_at(rest, r->level, final, &names, &s)
				    : 0;
		if (found > 0)
			begin_arguments(r, '<');
		if (found > 0 && stays(r)) {
			leave(r, span_cut(rest, 0, s.raw));
			at += s.raw;
			continue;
		}
		if (found > 0) {
			pass_text(r, span_cut(in, from, at), out);
			/* all of a string of a call's is looked at before */
			r->waits.on |= r->url.mode == URL_CALL && !vault_urls(r->vault);
			put_back(r, &s, span_cut(rest, 0, s.raw), out);
			from = at += s.raw;
			continue;
		}
		size_t n = found < 0 ? 0 : step_restore(r, rest, final);
		if (n == 0)
			break;
		at += n;
		look_at_string(r, span_cut(in, 0, at), &from, out);
	}
	pass_text(r, span_cut(in, from, at), out);
	from = at;
	look_at_string(r, span_cut(in, 0, at), &from, out);
	return at;
}

int
restorer_feed(struct restorer *r, struct span text, struct buf *out)
{
	if (vault_count(r->vault) == 0) {
		if (text.n)
			count_unknown(r, text);
		buf_span(out, text);
		text.n = 0;
	}
	while (text.n) {
		if (r->held_n == 0) {
			size_t n = advance(r, text, false, out);
			INVARIANT(n <= text.n);
			r->held_n = text.n - n;
			/* no spelling is as long */
			if (r->held_n > sizeof(r->held)) {
				r->held_n = 0;
				return ERR_LIMIT;
			}
			memcpy(r->held, text.p + n, r->held_n);
			break;
		}
		INVARIANT(r->held_n <= sizeof(r->held));
		size_t old = r->held_n, room = sizeof(r->held) - old;
		struct span more = span_cut(text, 0, room);
		memcpy(r->held + old, more.p, more.n);
		size_t n = advance(r, span_of(r->held, old + more.n), false, out);
		if (!n && !more.n)
			return ERR_LIMIT;
		if (n >= old) {
			r->held_n = 0;
			text = span_cut(text, n - old, text.n);
		} else {
			INVARIANT(n <= old + more.n);
			r->held_n = old + more.n - n;
			memmove(r->held, r->held + n, r->held_n);
			text = span_cut(text, more.n, text.n);
		}
	}
	return buf_failed(out) ? ERR_NOMEM : 0;
}

int
restorer_end(struct restorer *r, struct buf *out)
{
	size_t n = r->held_n;

	r->held_n = 0;
	if (n)
		advance(r, span_of(r->held, n), true, out);
	if (r->waits.on)
		wait_no_more(r, url_place_found(&r->url), out);
	return buf_failed(out) ? ERR_NOMEM : 0;
}
