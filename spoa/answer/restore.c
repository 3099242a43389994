/* Replaces placeholders in text that arrives in pieces.
 *
 * advance() walks the text and asks spelling_at() at each byte that may begin a placeholder. An
 * undecided rest of at most RESTORE_HELD_MOST bytes is kept in `held` and read again with the
 * next piece, so the work is linear in the text. A string of arguments that waits for its end
 * is not read again: `waits` has it both as it came and with its values. url_place.c determines
 * whether the text is in a URL, and the layers determine how a value is escaped.
 * scan/text/spelling.c knows the spellings of placeholders, and nothing of pieces.
 *
 * Example: with <CITY_1> = Bern, the pieces "in <CI" and "TY_1>!" become "in " and "Bern!".
 *
 * The vault has the placeholders' names as a tree with one character per node. All placeholders
 * are compared in one pass, and text is held back only while one of them may continue. With
 * <EMAIL_1> and <EMAIL_2> the tree is E-M-A-I-L-_, then the nodes 1 and 2 with a value each.
 * Memory is bounded by CAP_VAULT_BYTES, which vault_add() checks. */
#include "answer/restore.h"

#include "answer/vault.h"
#include "base/ascii.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/err.h"
#include "base/mem.h"
#include "scan/detect/detect.h"

/* ---- the vault ---- */

/* A character of a name. Nodes refer to each other by index. */
struct node {
	uint32_t child, sibling; /* index; 0: none */
	uint32_t value;		 /* index in `values` plus 1; 0: no name ends here */
	char c;
};

struct value {
	size_t at, n; /* bytes of `text` */
};

enum { ROOT = 1, FIRST_NODES = 64, FIRST_VALUES = 8 };

struct vault {
	struct node *nodes; /* nodes[0] is unused, nodes[ROOT] is the root */
	size_t nnodes, nodes_room;
	struct value *values;
	size_t nvalues, values_room;
	struct buf text;
	bool urls;
	const struct detect_rules *rules; /* vault_count_unknown(); NULL: none */
	bool alone;
};

struct vault *
vault_new(void)
{
	struct vault *v = mem_get_zeroed(sizeof(*v));

	if (!v)
		return NULL;
	buf_init(&v->text, 0);
	v->nodes = mem_get_zeroed(FIRST_NODES * sizeof(*v->nodes));
	if (!v->nodes) {
		vault_free(&v);
		return NULL;
	}
	v->nodes_room = FIRST_NODES;
	v->nnodes = ROOT + 1;
	return v;
}

void
vault_free(struct vault **v)
{
	if (!*v)
		return;
	mem_put((*v)->nodes, (*v)->nodes_room * sizeof(*(*v)->nodes));
	mem_put((*v)->values, (*v)->values_room * sizeof(*(*v)->values));
	buf_free(&(*v)->text);
	mem_put(*v, sizeof(**v));
	*v = NULL;
}

void
vault_allow_urls(struct vault *v)
{
	v->urls = true;
}

size_t
vault_count(const struct vault *v)
{
	return v ? v->nvalues : 0;
}

void
vault_count_unknown(struct vault *v, const struct detect_rules *rules, bool alone)
{
	v->rules = rules;
	v->alone = alone;
}

bool
vault_matters(const struct vault *v)
{
	return v && (v->nvalues || v->alone);
}

static uint32_t
next_node(const void *of, uint32_t node, char c)
{
	const struct vault *v = of;

	for (node = v->nodes[node].child; node; node = v->nodes[node].sibling)
		if (v->nodes[node].c == c)
			return node;
	return 0;
}

static bool
is_whole_placeholder(const void *of, uint32_t node, struct span name)
{
	const struct vault *v = of;

	(void)name;
	return v->nodes[node].value != 0;
}

/* Returns the names for spelling_at(). They borrow from the vault. */
static struct spelling_names
vault_names(const struct vault *v)
{
	return (struct spelling_names){
		.of = v, .next = next_node, .whole = is_whole_placeholder
	};
}

/* Returns the value at the node where spelling_at() ended. Borrows from the vault. */
static struct span
vault_value(const struct vault *v, uint32_t node)
{
	INVARIANT(node < v->nnodes && v->nodes[node].value - 1 < v->nvalues);
	const struct value *value = &v->values[v->nodes[node].value - 1];

	return span_cut(buf_view(&v->text), value->at, value->at + value->n);
}

/* Doubles the room of an array from mem_get(). Returns false if memory is out. */
static bool
grow_vault(void *array, size_t *room, size_t first, size_t size)
{
	void **at = array, *p;
	size_t want = *room ? 2 * *room : first;

	p = *at ? mem_grow(*at, *room * size, want * size) : mem_get(want * size);
	if (!p)
		return false;
	*at = p;
	*room = want;
	return true;
}

/* Adds a child and returns its index, or 0 if memory is out. */
static uint32_t
add_node(struct vault *v, uint32_t parent, char c)
{
	if (v->nnodes == v->nodes_room &&
		!grow_vault(&v->nodes, &v->nodes_room, FIRST_NODES, sizeof(*v->nodes)))
		return 0;
	INVARIANT(parent && parent < v->nnodes && v->nnodes < v->nodes_room);
	uint32_t at = (uint32_t)v->nnodes++;
	v->nodes[at] = (struct node){ .sibling = v->nodes[parent].child, .c = c };
	v->nodes[parent].child = at;
	return at;
}

/* Returns true for "<" name ">", with name = A-Z *( A-Z / 0-9 / "_" ) "_" 1*DIGIT. */
static bool
is_placeholder(struct span s)
{
	size_t digits = 0;

	if (s.n < 5 || s.n > SPELLING_NAME_MOST + 2 || s.p[0] != '<' || s.p[s.n - 1] != '>' ||
		!is_upper(s.p[1]))
		return false;
	for (size_t i = 1; i < s.n - 1; i++)
		if (!is_upper(s.p[i]) && !is_digit(s.p[i]) && s.p[i] != '_')
			return false;
	while (is_digit(s.p[s.n - 2 - digits]))
		digits++;
	return digits > 0 && s.p[s.n - 2 - digits] == '_';
}

int
vault_add(struct vault *v, struct span placeholder, struct span value)
{
	uint32_t node = ROOT;

	if (!is_placeholder(placeholder))
		return ERR_SYNTAX;
	if (v->text.n + value.n + (v->nnodes + placeholder.n) * sizeof(struct node) >
		CAP_VAULT_BYTES)
		return ERR_LIMIT;
	for (size_t i = 1; i < placeholder.n - 1; i++) {
		uint32_t next = next_node(v, node, placeholder.p[i]);
		node = next ? next : add_node(v, node, placeholder.p[i]);
		if (!node)
			return ERR_NOMEM;
	}
	if (v->nodes[node].value)
		return ERR_DUPLICATE;
	if (v->nvalues == v->values_room &&
		!grow_vault(&v->values, &v->values_room, FIRST_VALUES, sizeof(*v->values)))
		return ERR_NOMEM;
	INVARIANT(v->nvalues < v->values_room);
	v->values[v->nvalues] = (struct value){ v->text.n, value.n };
	buf_span(&v->text, value);
	if (buf_failed(&v->text))
		return ERR_NOMEM;
	v->nodes[node].value = (uint32_t)++v->nvalues;
	return 0;
}

/* Removes from the end the `least` to `most` characters for which `is` is true, and the
 * underscore before them. p NULL: the name does not end so. */
static struct span
without_end(struct span name, bool (*is)(char), size_t least, size_t most)
{
	size_t n = 0;

	while (n < name.n && n < most && is(name.p[name.n - 1 - n]))
		n++;
	return n < least || n + 1 >= name.n || name.p[name.n - 1 - n] != '_'
		       ? (struct span){ NULL, 0 }
		       : span_cut(name, 0, name.n - n - 1);
}

/* Returns true if the name, without its brackets, is that of an unknown placeholder.
 * The form of names is entity [ "_" tag ] "_" 1*DIGIT (scan/text/placeholder.h). The tag has
 * eight characters. */
static bool
vault_is_unknown(const struct vault *v, struct span name)
{
	uint32_t node = ROOT;

	struct span entity =
		v->rules ? without_end(name, is_digit, 1, 9) : (struct span){ NULL, 0 };
	if (!entity.p)
		return false;
	for (size_t i = 0; node && i < name.n; i++)
		node = next_node(v, node, name.p[i]);
	if (node && v->nodes[node].value)
		return false;
	if (detect_entity_find(v->rules, entity) >= 0)
		return true;
	struct span before = without_end(entity, is_alnum, 8, 8);
	return before.p && detect_entity_find(v->rules, before) >= 0;
}

/* JSON strings inside JSON strings; deeper ones are plain text. Each level may double the
 * escapes of a value. */
enum { JSON_LAYERS = 4 };

/* State of a string that may contain JSON. */
struct json_layer {
	unsigned seen; /* characters other than spaces, counted up to 2 */
	/* maybe: the first character fits JSON; json: the first two characters do */
	bool maybe, json;
	/* inside a string of this JSON; after a backslash in such a string */
	bool string, escape;
};

struct restorer {
	const struct vault *vault;
	unsigned level;
	bool value; /* the text is one decoded string */
	size_t count, held_n, left;
	struct url_place url;
	struct { /* if level > 0: the string that contains the text */
		bool string;
		/* layers[0] is this string, layers[1] a JSON string inside it, and so on */
		struct json_layer layers[JSON_LAYERS];
	} in;
	/* arguments: begun: text has arrived; text: the arguments are one string, not JSON */
	bool begun, text;
	/* ended: a string ended with the current unit; had_url: this string had a URL or a
	 * host */
	bool ended, had_url;
	/* a string of arguments that is held back from its first placeholder on */
	struct {
		size_t most;
		/* on: a string is held back; stays: its placeholders are not replaced */
		bool on, stays;
		struct buf as_is, restored;
		size_t count;
	} waits;
	struct { /* a possible unknown placeholder: "<" and its name so far */
		bool on;
		size_t n, count;
		char name[SPELLING_NAME_MOST];
	} unknown;
	char held[RESTORE_HELD_MOST];
};

/* ---- the restorer ---- */

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

/* ---- unknown placeholders ---- */

/* Counts unknown placeholders in the text that is sent, in our own spelling, across pieces. */
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

/* ---- strings that contain JSON ---- */

/* Reads the first two characters of a string, without spaces. The string is JSON if they are {"
 * or {} or begin an array of strings, objects or arrays. "[see above]" is not JSON. */
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

/* Reads a character of the outermost string. Each layer decodes it once for the next one. */
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

/* Returns how many strings of JSON are around the place, each inside the previous one. */
static unsigned
layers_deep(const struct restorer *r)
{
	unsigned n = 0;

	while (n < JSON_LAYERS && r->in.layers[n].json && r->in.layers[n].string)
		n++;
	return n;
}

/* Determines whether the arguments are JSON. Servers pass on what a model wrote, so arguments
 * that do not begin as JSON are treated as one string. */
static void
begin_arguments(struct restorer *r, int c)
{
	if (r->begun || c == ' ' || c == '\n' || c == '\r' || c == '\t')
		return;
	r->begun = true;
	r->text = c != '{' && c != '[' && c != '"';
}

/* Notes a unit of the text: the character that it stands for, and whether it was escaped. The
 * text between two strings is treated as a string. */
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

/* Ends the wait of a string and appends it: with its values, or as it came if `stays` or if it
 * is too long. */
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

/* Ends the wait if the string ended, has a URL, or is too long. `in` ends with a unit of the
 * string; its bytes from *from on have not been passed on. */
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

/* ---- placeholders ---- */

static void
put_back(struct restorer *r, const struct spelling *s, struct span spelling, struct buf *out)
{
	struct buf *to = r->waits.on ? &r->waits.restored : out;
	unsigned deep = layers_deep(r);
	/* JSON escapes of the placeholder belong to the string around it */
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

/* Notes the byte or escape at the beginning of `in` and returns its length, or 0 if more text
 * is needed. */
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

/* Leaves a placeholder as the model wrote it, because it is in a URL. */
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
	return !r->vault->urls && (url_place_inside(&r->url) || r->waits.stays ||
						(r->url.mode == URL_CALL && r->url.found));
}

/* Returns the offset of the next byte that may begin a placeholder or a string, from `at` on.
 * Bytes in between are noted for the URL. */
static size_t
past_plain(struct restorer *r, struct span in, size_t at)
{
	bool all =
		r->value || (r->level && (r->in.string || r->text || r->url.mode != URL_SHOWN));

	for (; !all && at < in.n && !spelling_begins[(unsigned char)in.p[at]] &&
		(r->level == 0 || in.p[at] != '"');
		at++)
		if (r->level == 0)
			url_place_step(&r->url, (unsigned char)in.p[at]);
	return at;
}

/* Passes on the text that can be decided, and returns its length. */
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
			/* a string of a call is read to its end before values are put into
			 * it */
			r->waits.on |= r->url.mode == URL_CALL && !r->vault->urls;
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

/* ---- text in pieces ---- */

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
			/* no spelling is that long */
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
