/* Chooses the format of a body and reads forms and plain text. The rules are in body.h at
 * body_read(). Other formats have their own readers: body_json.c and multipart.c. The last
 * section decodes lists of token ids. */
#include "scan/text/body.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/caps.h"
#include "base/codec/uri.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/push.h"
#include "base/tokens/ranks.h"
#include "scan/media/media_file.h"
#include "scan/text/media.h"
#include "scan/text/model_names.h"
#include "scan/text/opaque.h"
#include "scan/text/named.h"
#include "scan/text/table.h"

static const char *const role_names[ROLE_COUNT] = {
	[ROLE_OTHER] = "other",
	[ROLE_SYSTEM] = "system",
	[ROLE_USER] = "user",
	[ROLE_ASSISTANT] = "assistant",
	[ROLE_TOOL_CALL] = "tool_call",
	[ROLE_TOOL_RESULT] = "tool_result",
	[ROLE_TOOL_DEFINITION] = "tool_definition",
	[ROLE_DOCUMENT] = "document",
	[ROLE_KEY] = "key",
	[ROLE_PATH] = "path",
	[ROLE_QUERY] = "query",
};

const char *
role_name(enum seg_role role)
{
	return role < ROLE_COUNT ? role_names[role] : "other";
}

int
refuse(struct body_refusal *why, int status, const char *code, size_t at, const char *what, ...)
{
	va_list ap;

	*why = (struct body_refusal){ .status = status, .code = code, .at = at };
	va_start(ap, what);
	vsnprintf(why->why, sizeof(why->why), what, ap);
	va_end(ap);
	return ERR_SYNTAX;
}

int
refuse_room(struct body_refusal *why, const char *what)
{
	refuse(why, 413, "request_too_complex", 0, "%s", what);
	return ERR_NOMEM;
}

static bool
looks_like_form(struct span raw)
{
	struct uri_pair pair;

	/* A line break at the end of a file belongs to the last value. */
	raw.n = span_back_set(raw, raw.n, 0, "\r\n");
	/* These are the characters between names and values, and those that URLs may contain
	 * unescaped; browsers write fewer. If a body that was not declared as a form contains
	 * other characters, it is read as text. */
	if (!span_is_alnum(raw, "-._~&=%+*!$'(),:;/?@[]"))
		return false;
	while (uri_pair_next(&raw, &pair))
		if (!pair.has_value || !pair.name.n)
			return false;
	return true;
}

/* ---- runs of parts ---- */

static int
run_add(struct body *b, struct run_rooms *rooms, struct text_run *run, uint32_t segment,
	struct arena *a)
{
	uint32_t at = (uint32_t)b->nparts;

	if (!ARENA_PUSH(a, b->parts, b->nparts, rooms->parts, 8,
		    (struct run_part){ .segment = segment }))
		return ERR_NOMEM;
	if (run->n)
		b->parts[run->last].next = at;
	else
		run->first = at;
	run->last = at;
	run->n++;
	return 0;
}

int
run_join(struct body *b, struct run_rooms *rooms, struct run_open *o, size_t segment,
	struct arena *a)
{
	int err = 0;

	if (!o->run && !o->alone) {
		o->alone = (uint32_t)segment + 1;
		return 0;
	}
	if (!o->run) {
		if (!ARENA_PUSH(a, b->runs, b->nruns, rooms->runs, 4, (struct text_run){ 0 }))
			return ERR_NOMEM;
		o->run = (uint32_t)b->nruns;
		err = run_add(b, rooms, &b->runs[o->run - 1], o->alone - 1, a);
	}
	return err ? err : run_add(b, rooms, &b->runs[o->run - 1], (uint32_t)segment, a);
}

struct field_value { /* a value of a form, with the segment of its name */
	struct span name;
	uint32_t key, value;
};

static int
fields_by_name(const void *x, const void *y)
{
	const struct field_value *a = x, *b = y;
	size_t n = a->name.n < b->name.n ? a->name.n : b->name.n;
	int c = n ? memcmp(a->name.p, b->name.p, n) : 0;

	if (c == 0 && a->name.n != b->name.n)
		c = a->name.n < b->name.n ? -1 : 1;
	return c ? c : (a->value > b->value) - (a->value < b->value);
}

int
runs_of_fields(struct body *b, struct run_rooms *rooms, struct arena *a)
{
	size_t n = 0;
	int err = 0;

	if (b->nsegments < 4) /* two names and two values */
		return 0;
	struct field_value *v = arena_array(a, b->nsegments / 2 + 1, sizeof(*v));
	if (!v)
		return ERR_NOMEM;
	for (size_t i = 0; i < b->nsegments; i++) {
		const struct segment *s = &b->segments[i];
		const struct segment *key = body_key_of(b, s);
		if (s->role == ROLE_KEY || !key || key->key != SEGMENT_NO_KEY)
			continue;
		/* A part with a file's name, or with a document in it, has several values. */
		bool several = n && v[n - 1].key == s->key;
		if (several)
			v[n - 1].value = SEGMENT_NO_KEY;
		else if (n < b->nsegments / 2 + 1)
			v[n++] = (struct field_value){ key->text, s->key,
				s->reserved || s->opaque || s->sealed ? SEGMENT_NO_KEY
								      : (uint32_t)i };
	}
	if (n > 1)
		qsort(v, n, sizeof(*v), fields_by_name);
	for (size_t i = 0, next; i < n && !err; i = next) {
		struct run_open run = { 0 };
		for (next = i; next < n && span_eq(v[next].name, v[i].name) && !err; next++)
			if (v[next].value != SEGMENT_NO_KEY)
				err = run_join(b, rooms, &run, v[next].value, a);
	}
	return err;
}

int
seglist_piece(struct seglist *l, enum seg_role role, enum seg_form form, uint32_t key,
	size_t start, struct span piece)
{
	struct span text;
	int err = l->n < CAP_SEGMENTS ? uri_decode(piece, form == SEG_FORM, l->a, &text)
				      : ERR_LIMIT;
	struct segment *s = err ? NULL : seglist_add(l);

	if (!s)
		return err ? err : ERR_NOMEM;
	*s = (struct segment){
		.role = role,
		.form = form,
		.escaped = text.p != piece.p,
		.key = key,
		.start = (uint32_t)start,
		.end = (uint32_t)(start + piece.n),
		.text = text,
	};
	return 0;
}

/* Adds a form's name or value, and counts its text as inspected. */
static int
add_form(struct seglist *l, struct span raw, struct span piece, enum seg_role role,
	uint32_t key, struct body *out)
{
	int err = seglist_piece(l, role, SEG_FORM, key, (size_t)(piece.p - raw.p), piece);

	if (!err)
		out->inspected_bytes += l->v[l->n - 1].text.n;
	return err;
}

/* Records the models that a form field names: the field that a row reads, or any field whose
 * name means a model. `why` is not NULL if the Content-Type declares a form. Returns 0,
 * ERR_NOMEM, or ERR_SYNTAX with *why filled in. */
static int
form_models(struct merge *m, const struct segment *name, struct segment *value,
	struct body_refusal *why)
{
	const struct table *t = m->out->table;
	const struct node *clash = NULL, *n = NULL;
	struct span inner = span_trim(value->text, " \t\r\n");

	if (t->no_models)
		return 0;
	if (t->rows)
		n = node_member(table_tree(t), name->text, &clash);
	if (n && n->row && n->row->read == READ_MODEL) {
		if (m->out->marks.nmodels && why)
			return refuse(why, 400, "duplicate_key", name->start,
				"the field \"%.*s\" occurs twice", SPAN_ARG(n->key));
		value->reserved = true;
		return merge_model(m, &(struct model_mark){ value->start, value->end,
					      value->text, false, SEG_FORM });
	}
	if (inner.n && (inner.p[0] == '{' || inner.p[0] == '[')) {
		struct body_refusal none;
		struct body sub;
		if (body_json(t, inner, m->a, &sub, &none))
			return 0;
		for (size_t i = 0; i < sub.marks.nmodels; i++)
			if (model_add_other(m->out, sub.marks.model[i].name, m->a))
				return ERR_NOMEM;
		for (size_t i = 0; i < sub.nothers; i++)
			if (model_add_other(m->out, sub.others[i], m->a))
				return ERR_NOMEM;
	}
	return model_key_path(name->text) ? model_add_other(m->out, value->text, m->a) : 0;
}

/* Records models in fields that a semicolon separates, because some servers end a field there
 * too. */
static int
cut_models(struct merge *m, struct uri_pair pair)
{
	struct span rest = pair.value, name = pair.name, text;
	bool cut = span_chr(rest, ';') < rest.n;

	while (cut && rest.p && !m->out->table->no_models) {
		struct span value = span_next(&rest, ';');
		if (name.n == 0)
			name = span_next(&value, '=');
		if (model_key_path(name) && !uri_decode(value, true, m->a, &text) &&
			model_add_other(m->out, text, m->a))
			return ERR_NOMEM;
		name.n = 0;
	}
	return 0;
}

static int
body_form(struct span raw, bool declared, struct arena *a, struct body *out,
	struct body_refusal *why)
{
	struct seglist l = { .a = a };
	struct merge m = { .a = a, .out = out, .segs = &l };
	struct span rest = raw;
	struct uri_pair pair;
	int err = 0;

	if (!declared && !looks_like_form(raw))
		return ERR_SYNTAX;
	while (!err && uri_pair_next(&rest, &pair)) {
		uint32_t name = (uint32_t)l.n;
		err = add_form(&l, raw, pair.name, ROLE_KEY, SEGMENT_NO_KEY, out);
		if (!err && pair.has_value)
			err = add_form(&l, raw, pair.value, ROLE_OTHER, name, out);
		if (!err && pair.has_value)
			err = form_models(&m, &l.v[name], &l.v[l.n - 1], declared ? why : NULL);
		if (!err && pair.has_value)
			err = cut_models(&m, pair);
	}
	if (err && why->status)
		return err;
	if (err == ERR_LIMIT || err == ERR_NOMEM) {
		refuse(why, 413, "request_too_complex", 0, "the form has too many fields");
		return err;
	}
	if (err)
		return refuse(why, 400,
			err == ERR_ENCODING ? "invalid_encoding" : "invalid_form",
			(size_t)(pair.name.p - raw.p), "the body is not a well-formed form: %s",
			err == ERR_ENCODING ? "a field is not valid UTF-8"
					    : "the body has an invalid percent escape");
	out->format = BODY_FORM;
	out->segments = l.v;
	out->nsegments = l.n;
	return runs_of_fields(out, &m.runs_room, a)
		       ? refuse_room(why, "the form has too many fields")
		       : 0;
}

static int
body_text(struct span raw, struct arena *a, struct body *out, struct body_refusal *why)
{
	if (!utf8_text(raw)) {
		refuse(why, 403, "unreadable_content", 0,
			"the body is not JSON, a form or UTF-8 text");
		why->unreadable = true;
		return ERR_UNSUPPORTED;
	}
	struct segment *s = arena_new(a, struct segment);
	if (!s)
		return refuse_room(why, "the gateway has no memory to read the body");
	*s = (struct segment){
		.role = ROLE_OTHER,
		.form = SEG_TEXT,
		.key = SEGMENT_NO_KEY,
		.end = (uint32_t)raw.n,
		.text = raw,
	};
	out->format = BODY_TEXT;
	out->segments = s;
	out->nsegments = 1;
	out->inspected_bytes = raw.n;
	return 0;
}

void
body_begin(struct body *out, const struct table *t, enum body_format format)
{
	*out = (struct body){ .table = t,
		.format = format,
		.stream = t->streams,
		.output_cap_tokens = -1,
		.choices = 1 };
}

static int
read_undeclared(const struct table *t, struct span raw, char first, struct arena *a,
	struct body *out, struct body_refusal *why)
{
	int err;

	/* A scalar JSON document begins with one of these characters. The JSON reader stops at
	 * the first error, so this attempt is cheap. */
	if (first && strchr("\"-0123456789tfn", first)) {
		err = body_json(t, raw, a, out, why);
		if (!err || err == ERR_NOMEM || err == ERR_LIMIT)
			return err;
		body_begin(out, t, BODY_EMPTY);
	}
	err = body_form(raw, false, a, out, why);
	if (!err || err == ERR_NOMEM || err == ERR_LIMIT)
		return err;
	body_begin(out, t, BODY_EMPTY);
	return body_text(raw, a, out, why);
}

/* Returns true if the whole body is a file. This reader does not inspect such a body; it is counted
 * as an opaque part. */
static bool
is_file_body(struct span raw)
{
	return file_is_coded(raw, true) || (file_kind_of(raw) != FILE_OTHER && !utf8_text(raw));
}

static int
body_file(struct span type, struct span raw, struct arena *a, struct body *out,
	struct body_refusal *why)
{
	struct media m = { .kind = span_str(file_kinds[file_kind_of(raw)].media),
		.end = raw.n,
		.segment = SEGMENT_NO_KEY,
		.data = raw,
		.type = type };

	out->format = BODY_TEXT;
	return opaque_add(&out->unread, a, &m, raw.n)
		       ? refuse_room(why, "the gateway has no memory to read the body")
		       : 0;
}

static int
read_any_format(const struct table *t, struct span content_type, struct span raw,
	struct arena *a, struct body *out, struct body_refusal *why)
{
	enum media_kind media = media_kind(content_type);
	struct span inner = span_trim(raw, " \t\r\n");
	char first = inner.n ? inner.p[0] : 0;

	body_begin(out, t, BODY_EMPTY);
	*why = (struct body_refusal){ 0 };
	if (media == MEDIA_TWO)
		return refuse(why, 400, "ambiguous_content_type", 0,
			"the Content-Type names more than one type");
	if (media == MEDIA_CHARSET)
		return refuse(why, 400, "unsupported_charset", 0,
			"the Content-Type names a charset that is not UTF-8");
	if (raw.n > UINT32_MAX)
		return refuse(
			why, 413, "request_too_large", 0, "the body is too large to be read");
	if (span_starts(raw, SPAN_LIT("\xef\xbb\xbf")))
		return refuse(why, 400, "invalid_encoding", 0,
			"the body begins with a byte order mark");

	bool json = t->json || media == MEDIA_JSON;
	if (!raw.n) {
		if (t->json) /* the endpoint needs one; a Content-Type alone does not */
			return refuse(why, 400, "empty_body", 0,
				"the body is empty, but must be JSON");
		out->format = BODY_EMPTY;
		return 0;
	}
	if (!json && media == MEDIA_PARTS)
		return body_multipart(t, content_type, raw, a, out, why);
	if (!json && media == MEDIA_LINES)
		return body_lines(t, raw, a, out, why);
	if (json || first == '{' || first == '[')
		return body_json(t, raw, a, out, why);
	if (media == MEDIA_FORM)
		return body_form(raw, true, a, out, why);
	if (is_file_body(raw))
		return body_file(content_type, raw, a, out, why);
	return read_undeclared(t, raw, first, a, out, why);
}

int
body_read(const struct table *t, struct span content_type, struct span raw, struct arena *a,
	struct body *out, struct body_refusal *why)
{
	int err = read_any_format(t, content_type, raw, a, out, why);

	if (!err &&
		(body_name_keys(out, NULL, a) ||
			opaque_count(out->segments, out->nsegments, a, &out->unread,
			 &out->inspected_bytes) ||
			(out->nids && opaque_note(&out->unread, a, "unknown", out->ids_bytes))))
		return refuse_room(why, "the gateway has no memory to read the body");
	return err;
}

/* ---- names of a value ---- */

struct span
segment_names(const struct segment *v, const struct segment *s, char room[SEGMENT_NAMES])
{
	size_t at = SEGMENT_NAMES;

	if (s->role == ROLE_KEY || s->key == SEGMENT_NO_KEY)
		return SPAN_LIT("");
	const struct segment *own = &v[s->key];
	for (const struct segment *k = own; k->text.n + (k != own) <= at; k = &v[k->key]) {
		if (k != own)
			room[--at] = ' ';
		at -= k->text.n;
		if (k->text.n)
			memcpy(room + at, k->text.p, k->text.n);
		if (k->key == SEGMENT_NO_KEY || v[k->key].reserved)
			break;
	}
	return at == SEGMENT_NAMES ? own->text : span_of(room + at, SEGMENT_NAMES - at);
}

const char *
segment_path(const struct segment *v, const struct segment *s, char room[SEGMENT_PATH])
{
	size_t at = SEGMENT_PATH - 1;

	room[at] = '\0';
	for (uint32_t k = s->key; k != SEGMENT_NO_KEY; k = v[k].key) {
		struct span name = v[k].reserved ? v[k].text : SPAN_LIT("*");
		size_t dot = at < SEGMENT_PATH - 1;
		if (name.n + dot > at)
			break;
		if (dot)
			room[--at] = '.';
		at -= name.n;
		memcpy(room + at, name.p, name.n);
	}
	return room + at;
}

/* ---- lists of token ids ----
 *
 * Such lists stand for a text. With the vocabulary of the request's model, the list becomes that
 * text again. The text is scanned, and replaces the list if it is changed. */

/* Reads the next id of a list. *id is RANK_NONE if the element is no id or an unknown one.
 * Returns false after the last element. */
static bool
next_id(struct span *rest, const struct ranks *ranks, uint32_t *id)
{
	struct span item = span_trim(span_next(rest, ','), " \t\r\n");
	uint64_t n;

	if (!item.p)
		return false;
	*id = span_u64(item, &n) == 0 && n < ranks->head->tokens ? (uint32_t)n : RANK_NONE;
	return true;
}

/* Returns 1 with *text set to the text that the list spells, 0 if the text cannot be determined
 * or exceeds `most` bytes, or ERR_NOMEM. */
static int
ids_to_text(struct span list, const struct ranks *ranks, size_t most, struct arena *a,
	struct span *text)
{
	struct span inside = span_cut(list, 1, list.n - 1), rest = inside;
	size_t n = 0;
	uint32_t id;

	while (rest.p && next_id(&rest, ranks, &id)) {
		if (id == RANK_NONE)
			return 0;
		n += ranks_token(ranks, id).n;
		if (n > most)
			return 0;
	}
	char *p = arena_array(a, n ? n : 1, 1);
	if (!p)
		return ERR_NOMEM;
	*text = span_of(p, n);
	for (rest = inside; rest.p && next_id(&rest, ranks, &id);) {
		struct span token = ranks_token(ranks, id);
		memcpy(p, token.p, token.n);
		p += token.n;
	}
	return utf8_valid(*text);
}

int
body_decode_ids(struct body *b, struct span raw, const struct ranks *ranks, struct arena *a)
{
	size_t left = CAP_BODY_BYTES, unread = 0;
	int err = 0;

	for (size_t i = 0; ranks && i < b->nsegments && err >= 0; i++) {
		struct segment *s = &b->segments[i];
		struct span text;
		if (s->form != SEG_TOKENS)
			continue;
		err = ids_to_text(span_cut(raw, s->start, s->end), ranks, left, a, &text);
		if (err <= 0) {
			unread++;
			continue;
		}
		left -= text.n;
		s->text = text;
		b->inspected_bytes += text.n;
		/* Long numbers in the list became segments too; they are no texts of their own. */
		for (size_t k = i + 1; k < b->nsegments && b->segments[k].start < s->end; k++) {
			b->inspected_bytes -= b->segments[k].text.n;
			b->segments[k].text.n = 0;
		}
		err = 0;
	}
	if (err < 0 || !ranks || unread || !b->nids)
		return err < 0 ? err : 0;
	/* body_read() added one part for all lists, as the last one. */
	b->unread.nmedia--;
	b->unread.bytes -= b->ids_bytes;
	b->ids_bytes = 0;
	for (size_t i = 0; i < b->nsegments && !err; i++)
		if (b->segments[i].form == SEG_TOKENS)
			err = opaque_count(
				&b->segments[i], 1, a, &b->unread, &b->inspected_bytes);
	return err;
}
