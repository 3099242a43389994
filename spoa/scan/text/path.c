/* Determines the paths of segments by walking the document once more. Storing a path for each of
 * up to a million segments would cost more than this walk for the few segments that are
 * reported. */
#include "base/scoped.h"
#include "scan/text/body.h"

#include "base/ascii.h"
#include "base/caps.h"
#include "base/codec/json.h"
#include "base/utf8.h"

enum { PATH_BYTES = 1024, KEY_BYTES = 64 };

/* An open object or list. */
struct level {
	size_t n; /* length of the path of the object or list */
	/* of a list: index of the next element */
	uint32_t index;
	bool object;
};

/* The state of the walk, in the arena. `path` holds the path of the current token. */
struct path_reader {
	struct arena *a;
	const struct body *b;
	struct span raw;
	struct json *j; /* NULL: the body is not JSON */
	struct json_event ev;
	struct level levels[CAP_JSON_DEPTH + 1];
	unsigned depth;
	size_t n;
	char path[PATH_BYTES];
};

struct path_reader *
path_open(struct arena *a, const struct body *b, struct span raw)
{
	struct path_reader *r = arena_new(a, struct path_reader);

	if (!r)
		return NULL;
	r->a = a;
	r->b = b;
	r->raw = raw;
	if (b->format == BODY_JSON) {
		r->j = json_open(a, raw);
		if (!r->j)
			return NULL;
	}
	return r;
}

/* Appends a step to the path. A step that does not fit is left out as a whole. */
static void
append_path(struct path_reader *r, struct span s)
{
	if (s.n <= sizeof(r->path) - r->n) {
		memcpy(r->path + r->n, s.p, s.n);
		r->n += s.n;
	}
}

static void
append_key(struct path_reader *r, struct span key)
{
	SCOPED_BUF(step, 0);
	bool word = key.n > 0 && span_is_alnum(key, "_-$"), cut = key.n > KEY_BYTES;

	if (cut)
		key.n = utf8_prefix(span_cut(key, 0, KEY_BYTES));
	buf_str(&step, !word ? "[\"" : r->n ? "." : "");
	if (word)
		buf_span(&step, key);
	else
		buf_json(&step, key);
	if (cut)
		buf_str(&step, "\xe2\x80\xa6");
	if (!word)
		buf_str(&step, "\"]");
	append_path(r, buf_view(&step));
}

static void
value_path(struct path_reader *r)
{
	struct level *l = &r->levels[r->depth];
	char index[SPAN_DECIMAL + 2] = "[";

	if (r->depth == 0 || l->object)
		return; /* the path of the key is the path of its value */
	r->n = l->n;
	size_t n = 1 + span_decimal(index + 1, l->index++);
	index[n++] = ']';
	append_path(r, span_of(index, n));
}

/* Reads a token and updates the path. Returns false at the end. */
static bool
step_path(struct path_reader *r)
{
	struct level *l = &r->levels[r->depth];

	switch (json_next(r->j, &r->ev)) {
	case JSON_END:
	case JSON_ERROR: return false;
	case JSON_KEY:
		r->n = l->n;
		append_key(r, json_text(r->a, r->raw, &r->ev));
		return true;
	case JSON_OBJECT_END:
	case JSON_ARRAY_END: r->n = r->levels[r->depth--].n; return true;
	case JSON_OBJECT:
	case JSON_ARRAY:
		value_path(r);
		r->levels[++r->depth] =
			(struct level){ .n = r->n, .object = r->ev.tok == JSON_OBJECT };
		return true;
	default: value_path(r); return true;
	}
}

struct span
path_at(struct path_reader *r, size_t segment)
{
	const struct segment *s = &r->b->segments[segment];

	if (!r->j) {
		if (s->key != SEGMENT_NO_KEY)
			s = &r->b->segments[s->key];
		r->n = 0;
		if (s->role == ROLE_KEY)
			append_key(r, s->text);
		return span_of(r->path, r->n);
	}
	enum json_tok within = s->form == SEG_TOKENS ? JSON_OBJECT_END : JSON_ARRAY_END;
	while (r->ev.start < s->start || r->ev.tok <= within)
		if (!step_path(r))
			break;
	return span_of(r->path, r->n);
}
