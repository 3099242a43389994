/* Reads bodies that consist of several documents: JSON lines (https://jsonlines.org), one
 * document per line, and multipart bodies (RFC 2046 5.1, RFC 7578). Each document is read on its
 * own, and then merged into one body. Texts of a multipart body are read; files that are no text
 * are opaque parts.
 *
 * The multipart reader accepts only bodies that every parser divides in the same way:
 * - There is no text around the parts.
 * - The boundary is only at the beginning of a line.
 * - Each header field is on one line.
 * - There are no content encodings, and no `_charset_` field (RFC 7578 4.6) other than UTF-8.
 * All other bodies are refused with 400. */
#include "base/among.h"
#include "base/caps.h"
#include "base/codec/json.h"
#include "base/codec/uri.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/push.h"
#include "base/scoped.h"
#include "scan/media/media_file.h"
#include "scan/text/media.h"
#include "scan/text/model_names.h"
#include "scan/text/opaque.h"
#include "scan/text/table.h"

/* ---- merging a document into the whole ---- */

int
ref_add(struct body *b, size_t *room, const struct body_ref *r, struct arena *a)
{
	for (size_t i = 0; i < b->nrefs; i++)
		if (!strcmp(b->refs[i].kind, r->kind)) {
			b->refs[i].n += r->n;
			return 0;
		}
	return ARENA_PUSH(a, b->refs, b->nrefs, *room, 4, *r) ? 0 : ERR_NOMEM;
}

static int
merge_param(struct merge *m, const struct body_param *p)
{
	struct body *b = m->out;

	return ARENA_PUSH(m->a, b->params, b->nparams, m->params_room, 8, *p) ? 0 : ERR_NOMEM;
}

int
merge_model(struct merge *m, const struct model_mark *mark)
{
	struct body_marks *k = &m->out->marks;

	if (!ARENA_PUSH(m->a, k->model, k->nmodels, m->models_room, 4, *mark))
		return ERR_NOMEM;
	if (!m->out->model.p && !mark->null)
		m->out->model = mark->name;
	return 0;
}

static int
add_request(struct merge *m, const struct request_mark *q, size_t base)
{
	struct body_marks *k = &m->out->marks;
	struct request_mark *v =
		ARENA_PUSH(m->a, k->request, k->nrequests, m->requests_room, 4, *q);

	if (!v)
		return ERR_NOMEM;
	v->top += base;
	if (q->holder) {
		v->holder += base;
		v->holder_end += base;
	}
	return 0;
}

static int
add_marks(struct merge *m, const struct body *sub, size_t base)
{
	const struct body_marks *k = &sub->marks;
	struct body_marks *to = &m->out->marks;
	size_t requests = to->nrequests;
	int err = 0;

	for (size_t i = 0; i < k->nmodels && !err; i++) {
		struct model_mark mark = k->model[i];
		mark.start += base;
		mark.end += base;
		err = merge_model(m, &mark);
	}
	for (size_t i = 0; i < k->nrequests && !err; i++)
		err = add_request(m, &k->request[i], base);
	for (size_t i = 0; i < k->ncaps && !err; i++) {
		struct cap_mark cap = k->cap[i];
		cap.start += base;
		cap.end += base;
		cap.request += (uint32_t)requests;
		if (!ARENA_PUSH(m->a, to->cap, to->ncaps, m->caps_room, 4, cap))
			err = ERR_NOMEM;
	}
	if (sub->output_cap_tokens > m->out->output_cap_tokens)
		m->out->output_cap_tokens = sub->output_cap_tokens;
	if (sub->choices > m->out->choices)
		m->out->choices = sub->choices;
	if (sub->prompts > m->out->prompts)
		m->out->prompts = sub->prompts;
	return err;
}

/* Adds a part of the body that was read as `sub` and begins at offset `base`: its segments,
 * marks, opaque parts and references. Keys of `sub` that have no parent are placed below `key`.
 * Returns 0, ERR_NOMEM or ERR_LIMIT. */
static int
merge_add(struct merge *m, const struct body *sub, size_t base, uint32_t key)
{
	uint32_t first = (uint32_t)m->segs->n;
	int err = 0;

	for (size_t i = 0; i < sub->nsegments; i++) {
		if (m->segs->n == CAP_SEGMENTS)
			return ERR_LIMIT;
		struct segment *to = seglist_add(m->segs);
		if (!to)
			return ERR_NOMEM;
		*to = sub->segments[i];
		to->start += (uint32_t)base;
		to->end += (uint32_t)base;
		to->key = to->key != SEGMENT_NO_KEY ? to->key + first : key;
	}
	m->out->inspected_bytes += sub->inspected_bytes;
	for (size_t i = 0; i < sub->unread.nmedia && !err; i++) {
		struct media file = sub->unread.media[i];
		file.start += base;
		file.end += base;
		file.segment += file.segment != SEGMENT_NO_KEY ? first : 0;
		err = opaque_add(&m->out->unread, m->a, &file, 0);
	}
	m->out->unread.bytes += sub->unread.bytes;
	m->out->nids += sub->nids;
	m->out->ids_bytes += sub->ids_bytes;
	for (size_t i = 0; i < sub->nrefs && !err; i++)
		err = ref_add(m->out, &m->refs_room, &sub->refs[i], m->a);
	for (size_t i = 0; i < sub->nothers && !err; i++)
		err = model_add_other(m->out, sub->others[i], m->a);
	for (size_t i = 0; i < sub->nruns && !err; i++) {
		struct run_open run = { 0 };
		uint32_t at = sub->runs[i].first;
		for (uint32_t k = 0; k < sub->runs[i].n && !err; k++) {
			const struct run_part *p = &sub->parts[at];
			err = run_join(m->out, &m->runs_room, &run, first + p->segment, m->a);
			at = p->next;
		}
	}
	return err ? err : add_marks(m, sub, base);
}

/* ---- JSON lines ---- */

/* Returns the "url" of a line that is a request of a batch; empty if there is none. */
static struct span
url_of(struct span line, struct arena *a)
{
	struct json *j = json_open(a, line);
	struct json_member m;
	struct json_event ev;
	struct span url = SPAN_LIT("");
	int err = 0;

	if (!j || json_next(j, &ev) != JSON_OBJECT)
		return url;
	while (json_member(j, a, line, &m, &ev, &err))
		if (span_is(m.key, "url") && ev.tok == JSON_STRING)
			url = json_text(a, line, &ev);
		else
			json_skip(j, &ev);
	return url;
}

/* Copies a text into the body's arena, unless it is a view of the raw line: the line's scratch
 * memory is released after it was read. */
static bool
keep_text_line(struct span *text, struct span raw, struct arena *a)
{
	if (!text->p || (text->p >= raw.p && text->p <= raw.p + raw.n))
		return true;
	*text = arena_dup(a, *text);
	return text->p != NULL;
}

static int
read_batch_line(const struct table *t, struct span line, struct arena *scratch, struct merge *m,
	size_t base, struct body_refusal *why)
{
	const struct table *by = t->line ? t->line(url_of(line, scratch)) : t;
	struct body sub;
	bool kept = true;

	m->out->loose |= !by->batch;
	int err = body_json(by, line, scratch, &sub, why);
	if (err) {
		why->at += base;
		return err;
	}
	for (size_t i = 0; i < sub.nsegments && kept; i++)
		kept = keep_text_line(&sub.segments[i].text, line, m->a);
	for (size_t i = 0; i < sub.marks.nmodels && kept; i++)
		kept = keep_text_line(&sub.marks.model[i].name, line, m->a);
	for (size_t i = 0; i < sub.nothers && kept; i++)
		kept = keep_text_line(&sub.others[i], line, m->a);
	err = kept ? merge_add(m, &sub, base, SEGMENT_NO_KEY) : ERR_NOMEM;
	if (err)
		refuse(why, 413, "request_too_complex", base, "the body has too many lines");
	return err;
}

int
body_lines(const struct table *t, struct span raw, struct arena *a, struct body *out,
	struct body_refusal *why)
{
	struct seglist segs = { .a = a };
	struct merge m = { .a = a, .out = out, .segs = &segs };
	struct span rest = raw;
	SCOPED_ARENA(scratch, CAP_REQUEST_ARENA, true);
	int err = 0;

	body_begin(out, t, BODY_LINES);
	while (rest.n && !err) {
		struct span line = span_next(&rest, '\n');
		if (!span_trim(line, " \t\r").n)
			continue;
		err = read_batch_line(t, line, &scratch, &m, (size_t)(line.p - raw.p), why);
		arena_reset(&scratch);
	}
	out->segments = segs.v;
	out->nsegments = segs.n;
	return err;
}

/* ---- multipart ---- */

enum { BOUNDARY_MAX = 70 };

/* The state of reading one body, on the stack of body_multipart(). */
struct reader {
	struct span raw, delimiter; /* "--" and the boundary */
	bool named;		    /* form-data: each part must have a name */
	struct arena *a;
	struct body *out;
	struct body_refusal *why;
	struct seglist segs;
	struct merge merge;
	uint64_t seen;	  /* fields read so far that the table knows: a bit for each node */
	bool unread_file; /* a file is no JSON, or has lines that are no requests */
};

/* The header fields of a part. */
struct part {
	struct span type;
	bool has_type, has_disposition, has_name, has_filename;
	bool is_lines; /* the type or the file name means JSON lines */
	bool counted;  /* a field states the length or the digest of the part, so it must not be
			* rewritten */
	/* indices of their segments; valid if has_name, has_filename */
	uint32_t name, filename;
};

static int
bad(struct reader *r, const char *at, const char *what)
{
	return refuse(r->why, 400, "invalid_multipart", (size_t)(at - r->raw.p),
		"the multipart body is not well-formed: %s", what);
}

static struct segment *
add_part_segment(struct reader *r, enum seg_role role, uint32_t key, struct span text)
{
	struct segment *s = r->segs.n < CAP_SEGMENTS ? seglist_add(&r->segs) : NULL;

	if (!s) {
		refuse_room(r->why, "the body has too many parts");
		return NULL;
	}
	*s = (struct segment){
		.role = role,
		.form = SEG_TEXT,
		.key = key,
		.start = (uint32_t)(text.p - r->raw.p),
		.end = (uint32_t)(text.p + text.n - r->raw.p),
		.text = text,
	};
	r->out->inspected_bytes += text.n;
	return s;
}

/* ---- fields of a part ---- */

/* Reads one parameter: name "=" ( token / DQUOTE *qdtext DQUOTE ). An escaped quote inside
 * quotes is refused, because parsers read it in two ways. */
static int
read_parameter(struct reader *r, struct span *rest, struct span *name, struct span *value,
	bool *in_quotes)
{
	struct span v = span_trim(*rest, " \t");

	*name = span_cut(v, 0, span_past(v, 0, is_tchar));
	size_t at = name->n + 1;
	if (!name->n || at >= v.n || v.p[name->n] != '=')
		return bad(r, v.p, "a parameter of Content-Disposition");
	bool quoted = *in_quotes = v.p[at] == '"';
	size_t from = at + quoted, to = from;
	if (quoted)
		to += span_chr(span_cut(v, from, v.n), '"');
	else
		to = span_past(v, from, is_tchar);
	if ((quoted && (to == v.n || (to > from && v.p[to - 1] == '\\'))) ||
		(!quoted && to == from))
		return bad(r, v.p + from, "a parameter has an invalid value");
	*value = span_cut(v, from, to);
	*rest = span_trim(span_cut(v, to + quoted, v.n), " \t");
	return rest->n && rest->p[0] != ';'
		       ? bad(r, rest->p, "unexpected characters follow a parameter's value")
		       : 0;
}

/* Returns true if an ext-value (RFC 8187 3.2.1), "utf-8''" *( attr-char / %XX ), has the same
 * text. .NET clients write each name in both ways. */
static bool
ext_value_is(struct span v, struct span text)
{
	const struct span charset = SPAN_LIT("utf-8''");
	size_t at = charset.n;

	if (v.n < at || !span_ieq(span_cut(v, 0, at), charset))
		return false;
	for (size_t i = 0; i < text.n; i++, at++) {
		if (at >= v.n)
			return false;
		int c = (unsigned char)v.p[at];
		if (c == '%') {
			c = uri_escape_at(v.p + at, v.p + v.n); /* -1: a broken escape, equal to
								 * no byte */
			at += 2;
		}
		if (c != (unsigned char)text.p[i])
			return false;
	}
	return at == v.n;
}

static int
read_disposition(struct reader *r, struct span value, struct part *p)
{
	size_t kind = span_past(value, 0, is_tchar);
	bool again = false;
	struct span rest = span_trim(span_cut(value, kind, value.n), " \t"), name, v;

	if (p->has_disposition)
		return bad(r, value.p, "Content-Disposition occurs more than once");
	p->has_disposition = true;
	if (!kind || (rest.n && rest.p[0] != ';') ||
		(r->named && !span_ieq(span_cut(value, 0, kind), SPAN_LIT("form-data"))))
		return bad(r, value.p, "Content-Disposition is malformed");
	while (rest.n) {
		bool quoted = false;
		rest = span_cut(rest, 1, rest.n);
		int err = read_parameter(r, &rest, &name, &v, &quoted);
		if (err)
			return err;
		if (p->has_filename && !again && span_ieq(name, SPAN_LIT("filename*")) &&
			ext_value_is(v, r->segs.v[p->filename].text)) {
			/* If one of the two were rewritten, they would differ. */
			again = r->segs.v[p->filename].reserved = true;
			continue;
		}
		bool is_name = span_ieq(name, SPAN_LIT("name"));
		if ((!is_name && !span_ieq(name, SPAN_LIT("filename"))) ||
			(is_name ? p->has_name : p->has_filename))
			return bad(r, name.p,
				"Content-Disposition can have one name and one filename, and "
				"no other parameter");
		if (is_name) {
			p->has_name = true;
			p->name = (uint32_t)r->segs.n;
		} else {
			p->has_filename = true;
			p->filename = (uint32_t)r->segs.n;
		}
		struct segment *s = add_part_segment(r, is_name ? ROLE_KEY : ROLE_OTHER,
			is_name ? SEGMENT_NO_KEY : p->name, v);
		if (!s)
			return ERR_NOMEM;
		s->reserved = !is_name && !quoted; /* an unquoted value is a token, and a
						    * placeholder is not */
	}
	return 0;
}

static int
read_field(struct reader *r, struct span line, struct part *p)
{
	struct span value = line, name = span_next(&value, ':');

	for (size_t i = 0; i < line.n; i++)
		if ((unsigned char)line.p[i] < ' ' ? line.p[i] != '\t' : line.p[i] == 0x7f)
			return bad(
				r, line.p, "a header field of a part has a control character");
	if (!name.n || name.n == line.n || span_past(name, 0, is_tchar) < name.n ||
		!utf8_valid(value))
		return bad(r, line.p, "a header field of a part is malformed");
	value = span_trim(value, " \t");
	if (span_ieq(name, SPAN_LIT("content-disposition")))
		return read_disposition(r, value, p);
	if (span_ieq(name, SPAN_LIT("content-transfer-encoding")) &&
		!span_ieq(value, SPAN_LIT("binary")) && !span_ieq(value, SPAN_LIT("8bit")) &&
		!span_ieq(value, SPAN_LIT("7bit")))
		return bad(r, line.p, "a part has a Content-Transfer-Encoding");
	if (span_ieq(name, SPAN_LIT("content-type"))) {
		if (p->has_type)
			return bad(r, line.p, "a part has two Content-Type fields");
		p->has_type = true;
		p->type = value;
	}
	p->counted = p->counted || span_ieq(name, SPAN_LIT("content-length")) ||
		     span_ieq(name, SPAN_LIT("content-md5")) ||
		     span_ieq(name, SPAN_LIT("content-digest"));
	/* A finding in any other field is denied, not replaced. */
	struct segment *s =
		value.n ? add_part_segment(r, ROLE_OTHER, SEGMENT_NO_KEY, value) : NULL;
	if (value.n && !s)
		return ERR_NOMEM;
	if (s)
		s->reserved = true;
	return 0;
}

/* ---- contents ---- */

/* Returns true if the part is the file of a table whose files have lines. */
static bool
is_file(const struct reader *r, const struct part *p)
{
	struct span name = p->has_name ? r->segs.v[p->name].text : SPAN_LIT("");

	return r->out->table->line &&
	       (p->has_filename || span_is(name, "file") || span_is(name, "data"));
}

/* Reads a JSON document or JSON lines in a part. Returns 0, or an error with *why filled in (400
 * if the text is no JSON). */
static int
read_json(struct reader *r, struct span text, const struct part *p)
{
	const struct table *t = r->out->table;
	struct body sub = { 0 };
	size_t base = (size_t)(text.p - r->raw.p), first = r->segs.n;
	bool file = is_file(r, p);
	int err = file ? body_lines(t, text, r->a, &sub, r->why)
		       : body_json(t, text, r->a, &sub, r->why);

	r->unread_file |= file && (err || sub.loose);
	/* The file may be one document over many lines. */
	if (err && file && !p->is_lines) {
		struct body_refusal as_lines = *r->why;
		sub = (struct body){ 0 };
		err = body_json(t, text, r->a, &sub, r->why);
		if (err)
			*r->why = as_lines;
	}
	if (!err && merge_add(&r->merge, &sub, base, p->has_name ? p->name : SEGMENT_NO_KEY))
		return refuse_room(r->why, "the body has too many parts");
	for (size_t i = first; i < r->segs.n && !err; i++)
		r->segs.v[i].reserved |= p->counted;
	r->why->at += err ? base : 0;
	return err;
}

/* ---- fields that a table reads ---- */

static int
add_param(struct reader *r, struct span name, struct span text)
{
	struct body_param v = { name, PARAM_STRING, text };

	if (span_is(text, "true") || span_is(text, "false"))
		v.kind = PARAM_BOOL;
	else if (text.n && span_all(text, is_number_char))
		v.kind = PARAM_NUMBER;
	return merge_param(&r->merge, &v);
}

/* Reads a text field that a row of the table knows by its name. */
static int
read_known(struct reader *r, const struct node *n, struct segment *s, const struct part *p)
{
	const struct row *row = n->row;
	uint64_t bit = UINT64_C(1) << n->bit, count;

	if (row->read && (r->seen & bit))
		return refuse(r->why, 400, "duplicate_key", s->start,
			"the field \"%.*s\" occurs twice", SPAN_ARG(n->key));
	r->seen |= bit;
	if (row->role < ROLE_COUNT)
		s->role = row->role;
	s->reserved = p->counted || (row->flags & F_RESERVED);
	s->identifier = row->flags & F_RESERVED;
	switch (row->read) {
	case READ_MODEL:
		return merge_model(&r->merge, &(struct model_mark){ s->start, s->end, s->text,
						      false, SEG_TEXT })
			       ? ERR_NOMEM
			       : 0;
	case READ_STREAM:
		if (!span_is(s->text, "true") && !span_is(s->text, "false"))
			return refuse(r->why, 400, "invalid_type", s->start,
				"%s must be true or false", row->path);
		r->out->stream = span_is(s->text, "true");
		return 0;
	case READ_CHOICES:
		if (span_u64(s->text, &count) || !count || count > INT64_MAX)
			return refuse(r->why, 400, "invalid_value", s->start,
				"%s is out of range", row->path);
		r->out->choices = (int64_t)count;
		return 0;
	default: return 0;
	}
}

/* Returns the table's node for the part's name, or NULL. Fills in *why if the name differs from
 * a known one only by case. */
static const struct node *
known_part(struct reader *r, const struct part *p, struct body_refusal *why)
{
	const struct table *t = r->out->table;
	const struct node *root = t->rows && p->has_name ? table_tree(t) : NULL, *clash, *n;

	if (!root)
		return NULL;
	struct span name = r->segs.v[p->name].text;
	n = node_member(root, name, &clash);
	if (clash)
		refuse(why, 400, "ambiguous_key", r->segs.v[p->name].start,
			"a field differs from \"%.*s\" only by case", SPAN_ARG(clash->key));
	return n && n->row ? n : NULL;
}

/* Returns true if the file's name ends in .jsonl or .ndjson. */
static bool
names_lines(const struct reader *r, const struct part *p)
{
	struct span name = p->has_filename ? r->segs.v[p->filename].text : SPAN_LIT("");

	return r->out->table->line &&
	       ((name.n > 6 && span_iends(name, SPAN_LIT(".jsonl"))) ||
		       (name.n > 7 && span_iends(name, SPAN_LIT(".ndjson"))));
}

/* Refuses a batch file that was not read line by line as requests. */
static int
check_batch(struct reader *r)
{
	if (!r->out->table->line || !r->unread_file)
		return 0;
	for (size_t i = 0; i < r->segs.n; i++) {
		const struct segment *s = &r->segs.v[i];
		if (span_is(segment_key(r->segs.v, s), "purpose") && span_is(s->text, "batch"))
			return refuse(r->why, 400, "invalid_json", s->start,
				"the file of a batch must be JSON lines, each with a url");
	}
	return 0;
}

static bool
is_json(struct span text, struct arena *a)
{
	struct json *j = json_open(a, text);
	struct json_event ev;
	enum json_tok tok = JSON_ERROR;

	while (j && (tok = json_next(j, &ev)) != JSON_END && tok != JSON_ERROR)
		;
	return tok == JSON_END;
}

/* Returns the text without the leading characters that readers of JSON lines may skip: a byte
 * order mark and spaces. */
static struct span
skip_blanks(struct span s)
{
	while (s.n) {
		bool mark = span_starts(s, SPAN_LIT("\xef\xbb\xbf"));
		if (!mark && !is_one_of(s.p[0], " \t\r\n\f\v"))
			break;
		s = span_cut(s, mark ? 3 : 1, s.n);
	}
	return s;
}

/* Returns true if a piece of a file ends with an incomplete line of JSON. The request on such a
 * line could not be read whole in any piece. The piece may also end within a character. */
static bool
cuts_line(struct reader *r, struct span text)
{
	struct span line = span_trim(text, " \t\r\n\f\v");
	size_t at = line.n;

	while (at && line.p[at - 1] != '\n' && line.p[at - 1] != '\r')
		at--;
	line = skip_blanks(span_cut(line, at, line.n));
	if (!line.n || line.p[0] != '{' || is_json(line, r->a))
		return false;
	for (unsigned i = 0; i < 3 && line.n && (line.p[line.n - 1] & 0x80); i++)
		if (utf8_text(line))
			break;
		else
			line.n--;
	return utf8_text(line);
}

static int
bad_piece(struct reader *r, struct span text)
{
	return refuse(r->why, 400, "invalid_json", (size_t)(text.p - r->raw.p),
		"a part of a JSON Lines file ends inside a line: send whole lines in "
		"each part");
}

/* Returns true if the part's name means a model. The caller checks that no row reads the part. */
static bool
names_model(const struct reader *r, const struct part *p)
{
	return p->has_name && !r->out->table->no_models &&
	       model_key_path(r->segs.v[p->name].text);
}

/* The content of a part, before it is read. */
struct content {
	struct span text, inner; /* the whole content; without the spaces around it */
	enum media_kind media;
	const struct node *field; /* the table's node for the part's name; NULL: none */
	bool read;		  /* the table reads the value of the field */
};

static int
refuse_content(struct reader *r, const struct content *c, const char *code, const char *what)
{
	return refuse(r->why, 400, code, (size_t)(c->text.p - r->raw.p),
		"the field \"%.*s\" %s", SPAN_ARG(c->field->key), what);
}

/* Returns true if the field `_charset_`, which names the charset of all other fields (RFC 7578
 * 4.6), names one other than UTF-8. */
static bool
names_other_charset(const struct reader *r, const struct content *c, const struct part *p)
{
	return p->has_name && span_ieq(r->segs.v[p->name].text, SPAN_LIT("_charset_")) &&
	       c->inner.n && !span_ieq(c->inner, SPAN_LIT("utf-8")) &&
	       !span_ieq(c->inner, SPAN_LIT("us-ascii"));
}

/* Refuses content whose type or charset readers would understand in different ways. */
static int
check_content_type(struct reader *r, const struct content *c, const struct part *p)
{
	if (c->media == MEDIA_TWO)
		return bad(r, p->type.p, "a part has two Content-Type fields");
	if (names_other_charset(r, c, p))
		return refuse(r->why, 400, "unsupported_charset",
			(size_t)(c->text.p - r->raw.p),
			"_charset_ names a charset that is not UTF-8");
	if (r->out->table->pieces && cuts_line(r, c->text))
		return bad_piece(r, c->text);
	if (c->read && c->media == MEDIA_CHARSET)
		return refuse_content(
			r, c, "unsupported_charset", "is in a charset that is not UTF-8");
	return 0;
}

static int
note_opaque_content(struct reader *r, const struct content *c, const struct part *p)
{
	struct media m = { .kind = span_str(opaque_kind(p->type, c->text)),
		.start = (size_t)(c->text.p - r->raw.p),
		.end = (size_t)(c->text.p + c->text.n - r->raw.p),
		.segment = p->has_filename ? p->filename : p->name,
		.data = c->text,
		.type = p->type };

	r->unread_file |= is_file(r, p);
	if (opaque_add(&r->out->unread, r->a, &m, c->text.n))
		return refuse_room(r->why, "the body has too many parts");
	return 0;
}

static int
read_json_content(struct reader *r, const struct content *c, const struct part *p)
{
	size_t first = r->segs.n;
	int err = read_json(r, c->text, p);

	for (size_t i = first; i < r->segs.n && !err && names_model(r, p); i++)
		if (r->segs.v[i].role != ROLE_KEY)
			err = model_add_other(r->out, r->segs.v[i].text, r->a);
	return err;
}

static int
read_text_content(struct reader *r, const struct content *c, const struct part *p)
{
	struct span begin = skip_blanks(c->text), name = SPAN_LIT("");

	if (r->out->table->pieces && begin.n && begin.p[0] == '{')
		return bad_piece(r, c->text);
	if (!c->text.n)
		return 0;
	struct segment *s = add_part_segment(r, p->has_filename ? ROLE_DOCUMENT : ROLE_OTHER,
		p->has_name ? p->name : SEGMENT_NO_KEY, c->text);
	if (!s)
		return ERR_NOMEM;
	s->reserved = p->counted;
	/* Parsers disagree on a field with filename="": some take it as a file, others as a
	 * value. */
	if (c->field && (c->read || !p->has_filename) && read_known(r, c->field, s, p))
		return ERR_SYNTAX;
	if (!c->read && names_model(r, p) && model_add_other(r->out, c->text, r->a))
		return ERR_NOMEM;
	if (p->has_name)
		name = r->segs.v[p->name].text;
	return (p->has_filename && !c->read) || !name.n ? 0 : add_param(r, name, c->text);
}

/* Reads a part by its type: text, JSON and JSON lines are read, anything opaque is noted.
 * Returns 0 or an error. */
static int
read_content(struct reader *r, struct span text, struct part *p)
{
	struct content c = { .text = text,
		.inner = span_trim(text, " \t\r\n"),
		.media = media_kind(p->type),
		.field = known_part(r, p, r->why) };

	if (r->why->status)
		return ERR_SYNTAX;
	c.read = c.field && c.field->row->read != READ_NOTHING;
	int err = check_content_type(r, &c, p);
	if (err)
		return err;
	if (!utf8_text(text) || c.media == MEDIA_CHARSET || file_is_coded(text, true))
		return note_opaque_content(r, &c, p);
	/* Some parsers would unquote "model" as a JSON string, others would keep the quotes. */
	if (c.read && c.inner.n && c.inner.p[0] == '"')
		return refuse_content(
			r, &c, "invalid_type", "must be its text alone, without quotes");
	p->is_lines = c.media == MEDIA_LINES || names_lines(r, p);
	bool json = c.media == MEDIA_JSON || p->is_lines;
	bool like_json = c.inner.n && (c.inner.p[0] == '{' || c.inner.p[0] == '[');
	if (c.read || !(json || like_json)) {
		r->unread_file |= is_file(r, p);
		return read_text_content(r, &c, p);
	}
	err = read_json_content(r, &c, p);
	if (!err || json || r->why->status != 400)
		return err;
	/* The text only begins like JSON. */
	*r->why = (struct body_refusal){ 0 };
	return read_text_content(r, &c, p);
}

/* Reads one part: *( field CRLF ) CRLF content */
static int
read_multipart_part(struct reader *r, struct span part)
{
	struct part p = { .name = SEGMENT_NO_KEY };
	int err = 0;

	for (;;) {
		const char *end = memmem(part.p, part.n, "\r\n", 2);
		if (!end)
			return bad(r, part.p, "the header of a part does not end");
		struct span line = span_of(part.p, (size_t)(end - part.p));
		part = span_cut(part, line.n + 2, part.n);
		if (!line.n)
			break;
		err = read_field(r, line, &p);
		if (err)
			return err;
	}
	if (r->named && !p.has_name)
		return bad(r, part.p, "a part has no name");
	return read_content(r, part, &p);
}

/* Returns the next place of the boundary, or NULL. The caller checks that it begins a line. */
static const char *
next_delimiter(struct reader *r, const char *from)
{
	return memmem(
		from, (size_t)(r->raw.p + r->raw.n - from), r->delimiter.p, r->delimiter.n);
}

/* Reads the body: delimiter CRLF part *( CRLF delimiter CRLF part ) CRLF delimiter "--" [ CRLF ] */
static int
read_parts(struct reader *r)
{
	const char *at = r->raw.p, *end = r->raw.p + r->raw.n;

	if (next_delimiter(r, at) != at)
		return bad(r, at, "the body does not begin with its boundary");
	for (;;) {
		const char *head = at + r->delimiter.n;
		if (end - head < 2 || memcmp(head, "\r\n", 2) != 0)
			return bad(r, head, "unexpected characters follow a boundary");
		head += 2;
		/* If a part has no header fields, its first line end is also the one before the
		 * boundary. */
		const char *next = next_delimiter(r, head);
		if (!next || next - head < 2 || memcmp(next - 2, "\r\n", 2) != 0)
			return bad(r, next ? next : end,
				next ? "the boundary occurs within a part"
				     : "the body has no closing boundary");
		int err = read_multipart_part(r, span_of(head, (size_t)(next - 2 - head)));
		if (err)
			return err;
		at = next;
		const char *tail = at + r->delimiter.n;
		if (end - tail >= 2 && memcmp(tail, "--", 2) == 0) {
			tail += 2;
			if (tail != end && (end - tail != 2 || memcmp(tail, "\r\n", 2) != 0))
				return bad(r, tail, "the body continues after its end");
			return 0;
		}
	}
}

int
body_multipart(const struct table *t, struct span content_type, struct span raw,
	struct arena *a, struct body *out, struct body_refusal *why)
{
	char delimiter[2 + BOUNDARY_MAX] = "--";
	struct span boundary = media_boundary(content_type);
	struct reader r = { .raw = raw, .a = a, .out = out, .why = why, .segs.a = a };

	if (!boundary.n || boundary.n > BOUNDARY_MAX)
		return refuse(why, 400, "invalid_multipart", 0,
			"the Content-Type must have exactly one boundary of 1 to %d characters",
			BOUNDARY_MAX);
	memcpy(delimiter + 2, boundary.p, boundary.n);
	r.delimiter = span_of(delimiter, 2 + boundary.n);
	r.named = media_is_form_data(content_type);
	out->table = t;
	out->format = BODY_MULTIPART;
	r.merge = (struct merge){ .a = a, .out = out, .segs = &r.segs };
	int err = read_parts(&r);
	if (!err)
		err = check_batch(&r);
	out->segments = r.segs.v;
	out->nsegments = r.segs.n;
	if (!err && runs_of_fields(out, &r.merge.runs_room, a))
		return refuse_room(why, "the body has too many parts");
	return err;
}
