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

#include "answer/command.h"
#include "answer/own_url.h"
#include "answer/vault.h"
#include "answer/wrapped.h"
#include "base/ascii.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/codec/json.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/scoped.h"
#include "scan/detect/detect.h"
#include "scan/text/argument_types.h"

/* ---- the vault ---- */

/* A character of a name. Nodes refer to each other by index. */
struct node {
	uint32_t child, sibling; /* index; 0: none */
	uint32_t value;		 /* index in `values` plus 1; 0: no name ends here */
	char c;
};

struct value {
	size_t at, n; /* bytes of `text` */
	/* whether it loses its quotes: an occurrence in the request was without quotes, and none
	 * was text */
	enum { BARE_UNKNOWN, BARE_ALWAYS, BARE_NOT } bare;
	bool number; /* a JSON number; if false and `bare`, a date, which JSON does not have */
};

enum { ROOT = 1, FIRST_NODES = 64, FIRST_VALUES = 8 };

struct vault {
	struct node *nodes; /* nodes[0] is unused, nodes[ROOT] is the root */
	size_t nnodes, nodes_room;
	struct value *values;
	size_t nvalues, values_room;
	struct buf text;
	/* URLs of the caller, and their authorities after a byte AUTHORITY, with open
	 * addressing; nurls is at most half of urls_room. A place of 0 bytes is free. */
	struct value *urls;
	size_t nurls, urls_room;
	size_t nbare;	 /* values of BARE_ALWAYS */
	const struct argument_types *types; /* NULL: none is known */
	bool some_types; /* tools of the model may not be in `types` */
	bool everywhere; /* URLs get values too */
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
	mem_put((*v)->urls, (*v)->urls_room * sizeof(*(*v)->urls));
	buf_free(&(*v)->text);
	mem_put(*v, sizeof(**v));
	*v = NULL;
}

void
vault_allow_urls(struct vault *v)
{
	v->everywhere = true;
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
	v->values[v->nvalues] = (struct value){ .at = v->text.n, .n = value.n };
	buf_span(&v->text, value);
	if (buf_failed(&v->text))
		return ERR_NOMEM;
	v->nodes[node].value = (uint32_t)++v->nvalues;
	return 0;
}

/* Returns the value of a placeholder; NULL: it has none. */
static struct value *
value_of(const struct vault *v, struct span placeholder)
{
	uint32_t node = is_placeholder(placeholder) ? ROOT : 0;

	for (size_t i = 1; node && i < placeholder.n - 1; i++)
		node = next_node(v, node, placeholder.p[i]);
	return node && v->nodes[node].value ? &v->values[v->nodes[node].value - 1] : NULL;
}

void
vault_note_occurrence(struct vault *v, struct span placeholder, enum occurrence is)
{
	struct value *value = value_of(v, placeholder);

	if (!value)
		return;
	v->nbare -= value->bare == BARE_ALWAYS;
	if (is == OCCURS_AS_TEXT)
		value->bare = BARE_NOT;
	else if (is == OCCURS_BARE && value->bare == BARE_UNKNOWN)
		value->bare = BARE_ALWAYS;
	value->number = !memchr(v->text.p + value->at + (value->n > 0), '-', value->n - (value->n > 0));
	v->nbare += value->bare == BARE_ALWAYS;
}

enum occurrence
vault_occurrence(const struct vault *v, struct span placeholder)
{
	const struct value *value = value_of(v, placeholder);

	return !value || value->bare == BARE_UNKNOWN ? OCCURS_IN_PROSE
	       : value->bare == BARE_ALWAYS	     ? OCCURS_BARE
						     : OCCURS_AS_TEXT;
}

void
vault_note_types(struct vault *v, const struct argument_types *types, bool all)
{
	v->types = types;
	v->some_types = !all;
}

bool
vault_has_bare(const struct vault *v)
{
	return v && v->nbare;
}

/* Returns true if the placeholder at the node where spelling_at() ended loses its quotes. */
static bool
vault_is_bare(const struct vault *v, uint32_t node)
{
	return v->values[v->nodes[node].value - 1].bare == BARE_ALWAYS;
}

/* ---- the URLs of the caller ---- */

enum { AUTHORITY = 1, FIRST_URLS = 16 };

/* Returns the place of a URL, or the free place where it would be. */
static struct value *
url_slot(const struct vault *v, struct value *urls, size_t room, struct span url)
{
	size_t at = (size_t)span_hash(url) & (room - 1);

	while (urls[at].n && !span_eq(span_cut(buf_view(&v->text), urls[at].at,
					      urls[at].at + urls[at].n),
				     url))
		at = (at + 1) & (room - 1);
	return &urls[at];
}

static bool
grow_urls(struct vault *v)
{
	size_t room = v->urls_room ? 2 * v->urls_room : FIRST_URLS;
	struct value *urls = mem_get_zeroed(room * sizeof(*urls));

	if (!urls)
		return false;
	for (size_t i = 0; i < v->urls_room; i++) {
		const struct value *u = &v->urls[i];
		if (u->n)
			*url_slot(v, urls, room,
				span_cut(buf_view(&v->text), u->at, u->at + u->n)) = *u;
	}
	mem_put(v->urls, v->urls_room * sizeof(*urls));
	v->urls = urls;
	v->urls_room = room;
	return true;
}

static int
add_url_text(struct vault *v, struct span url)
{
	if (2 * (v->nurls + 1) > v->urls_room && !grow_urls(v))
		return ERR_NOMEM;
	struct value *u = url_slot(v, v->urls, v->urls_room, url);
	if (u->n)
		return ERR_DUPLICATE;
	if (v->text.n + url.n > CAP_VAULT_BYTES)
		return ERR_LIMIT;
	struct value is = { .at = v->text.n, .n = url.n };
	buf_span(&v->text, url);
	if (buf_failed(&v->text))
		return ERR_NOMEM;
	*u = is;
	v->nurls++;
	return 0;
}

/* Writes the key of an authority. Returns its length, or 0 if it has no placeholder. */
static size_t
authority_key(struct span url, char key[OWN_URL_MOST + 1])
{
	struct span a = own_url_authority(url);

	if (!memchr(a.p, '<', a.n) || a.n > OWN_URL_MOST)
		return 0;
	key[0] = AUTHORITY;
	memcpy(key + 1, a.p, a.n);
	return a.n + 1;
}

int
vault_add_url(struct vault *v, struct span url)
{
	char key[OWN_URL_MOST + 1];
	size_t n = authority_key(url, key);
	const char *last = memrchr(url.p, '>', url.n);
	struct span cut = own_url_cut(url, last ? (size_t)(last - url.p) + 1 : url.n);
	int err = add_url_text(v, url);

	if (!err && cut.n < url.n)
		err = add_url_text(v, cut);
	if (n && (!err || err == ERR_DUPLICATE))
		err = add_url_text(v, span_of(key, n));
	return err == ERR_DUPLICATE ? 0 : err;
}

static bool
vault_has_url(const struct vault *v, struct span url)
{
	return url.n && url_slot(v, v->urls, v->urls_room, url)->n;
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

enum {
	ARGUMENT_DEPTH = 16,
	ARGUMENT_NAME_MOST = 128,
	LIST_NAME_MOST = 16,  /* bytes of a list's name that are compared */
	LIST_WORDS_MOST = 256, /* strings of a command line */
};

struct restorer {
	const struct vault *vault;
	unsigned level;
	bool value; /* the text is one decoded string */
	size_t count, held_n, left[LEFT_REASONS];
	struct url_place url;
	/* the URL at this place; NULL: the vault has no URLs of the caller */
	struct own_url *own;
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
	/* a string of a call: it has a URL or a host that is not the caller's own; it has one
	 * that is, whose authority is own->authority */
	bool foreign, has_own;
	/* a string of arguments that is held back from its first placeholder on */
	struct {
		size_t most;
		/* on: a string is held back, or only a URL (`url`); stays: its placeholders are
		 * not replaced */
		bool on, url, stays;
		/* as it came; with all values; with the values in the caller's URLs */
		struct buf as_is, restored, in_urls;
		size_t count, count_in_urls;
		/* a command: it is held back from its beginning, and `text` is what its
		 * string means */
		bool command;
		struct buf text;
		/* values are put only into the caller's own URLs, for the reason `leaving` */
		bool leaves;
		enum placeholder_left leaving;
		enum placeholder_left why; /* the reason of `stays` */
	} waits;
	/* Arguments that are held back as they came, before anything of them is read: all of
	 * them (restorer_wrapped()), or lists of strings, each of which may be a command. */
	struct {
		enum { HOLD_NOTHING, HOLD_ALL, HOLD_LISTS } what;
		size_t most;
		struct buf raw;
		/* reads the rest of what is longer than `most`; NULL: not that long */
		struct restorer *rest;
		restorer_as *as;
		void *arg;
		/* lists: on: a list is held back. begun: the arguments have begun; the place in
		 * them, and the last string and the last sign outside of strings */
		bool on, begun, string, escape;
		char before;
		size_t last_n, member_n;
		char last[LIST_NAME_MOST], member[LIST_NAME_MOST];
	} hold;
	/* Arguments that are JSON: the place in it, if values may lose their quotes. Beyond
	 * ARGUMENT_DEPTH no quote is removed. */
	struct {
		bool bare;
		uint64_t tool;
		unsigned depth;
		uint64_t name[ARGUMENT_DEPTH]; /* hash of the member; of a list: of the list's */
		bool list[ARGUMENT_DEPTH];
		char before;			/* the last character outside strings */
		size_t n;			/* bytes of the last string */
		char last[ARGUMENT_NAME_MOST]; /* its beginning */
	} args;
	/* the last character but spaces, and the kind of name before the last ':' or '=' */
	char before;
	enum { NAME_NO, NAME_PLAIN, NAME_QUOTED } after;
	struct { /* a possible unknown placeholder: "<" and its name so far */
		bool on;
		size_t n;
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
	r->args.bare = !r->value && r->level == 1 && v->nbare;
	if (v->nurls && !(r->own = mem_get_zeroed(sizeof(*r->own))))
		restorer_free(&r);
	return r;
}

void
restorer_free(struct restorer **r)
{
	if (*r) {
		buf_free(&(*r)->waits.as_is);
		buf_free(&(*r)->waits.restored);
		buf_free(&(*r)->waits.in_urls);
		buf_free(&(*r)->waits.text);
		buf_free(&(*r)->hold.raw);
		restorer_free(&(*r)->hold.rest);
		mem_put((*r)->own, sizeof(*(*r)->own));
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
restorer_command(struct restorer *r)
{
	r->waits.command = r->url.mode == URL_CALL && !r->vault->everywhere &&
			   vault_count(r->vault) > 0;
	r->waits.on = r->waits.command && r->level == 0;
	if (r->waits.command && r->level == 1) {
		r->hold.what = HOLD_LISTS;
		r->hold.most = r->waits.most;
	}
}

void
restorer_leaves(struct restorer *r, enum placeholder_left why)
{
	r->waits.leaves = r->url.mode == URL_CALL && !r->vault->everywhere;
	r->waits.leaving = why;
}

void
restorer_wrapped(struct restorer *r, size_t most, restorer_as *as, void *arg)
{
	if (r->level != 1)
		return;
	r->hold.what = HOLD_ALL;
	r->hold.most = most;
	r->hold.as = as;
	r->hold.arg = arg;
}

void
restorer_tool(struct restorer *r, uint64_t tool)
{
	r->args.tool = tool;
}

void
restorer_goes_on(struct restorer *r, const struct url_place *from)
{
	if (r->level)
		return;
	r->url = *from;
	if (r->own) {
		r->own->at = from->at;
		r->own->spoiled = from->at != URL_OUT;
	}
}

const struct url_place *
restorer_place(const struct restorer *r)
{
	return &r->url;
}

size_t
restorer_held(const struct restorer *r)
{
	return r->held_n + r->waits.as_is.n + r->hold.raw.n +
	       (r->hold.rest ? restorer_held(r->hold.rest) : 0);
}

size_t
restorer_count(const struct restorer *r)
{
	return r->count;
}

size_t
restorer_left(const struct restorer *r, enum placeholder_left why)
{
	return r->left[why];
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
			r->left[LEFT_UNKNOWN] += vault_is_unknown(
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

/* Follows the JSON of arguments by one unit. Remembers the last string, which may be the name of a
 * member, and the last character outside of strings, behind which a value may begin. */
static void
note_argument(struct restorer *r, int c, bool escaped)
{
	unsigned d = r->args.depth < ARGUMENT_DEPTH ? r->args.depth : ARGUMENT_DEPTH - 1;
	bool string = r->in.string;

	if (c == '"' && !escaped) {
		r->args.n = string ? r->args.n : 0;
		r->args.before = '"';
	} else if (string) {
		if (r->args.n < ARGUMENT_NAME_MOST)
			r->args.last[r->args.n] = (char)c;
		r->args.n++;
	} else if (c == '{' || c == '[') {
		uint64_t name = r->args.name[d];
		if (++r->args.depth < ARGUMENT_DEPTH) {
			r->args.list[r->args.depth] = c == '[';
			r->args.name[r->args.depth] = c == '[' ? name : 0;
		}
		r->args.before = (char)c;
	} else if (c == '}' || c == ']') {
		r->args.depth -= r->args.depth > 0;
		r->args.before = (char)c;
	} else if (c == ':' || c == ',') {
		if (c == ':' && r->args.n <= ARGUMENT_NAME_MOST)
			r->args.name[d] = span_hash(span_of(r->args.last, r->args.n));
		r->args.before = (char)c;
	}
}

/* Returns true if a string that begins here would be a value, whose quotes may be removed. */
static bool
argument_begins(const struct restorer *r)
{
	bool list = r->args.depth < ARGUMENT_DEPTH && r->args.list[r->args.depth];

	return r->args.bare && !r->in.string && !r->text && !r->waits.command &&
	       r->args.depth < ARGUMENT_DEPTH &&
	       (r->args.before == ':' || (list && (r->args.before == '[' || r->args.before == ',')));
}

/* Notes a character of a text in which dates may stand behind names. JSON has its names in quotes,
 * and no dates without them. */
static void
note_name_before(struct restorer *r, int c)
{
	if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
		return;
	if (c == ':')
		r->after = r->before == '"' ? NAME_QUOTED : NAME_PLAIN;
	else if (c == '=')
		r->after = NAME_PLAIN;
	r->before = (char)c;
}

/* Notes a unit of the text: the character that it stands for, and whether it was escaped. The
 * text between two strings is treated as a string. */
static void
note_unit(struct restorer *r, int c, bool escaped)
{
	begin_arguments(r, c);
	if (r->args.bare && !r->text)
		note_argument(r, c, escaped);
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

/* ---- the caller's own URLs ---- */

enum { URL_HELD_MOST = 2048 }; /* bytes of a URL that are held back from its first placeholder */

/* Returns true if the URL that ended, without signs that follow URLs in prose, is the caller's
 * own. A tool that stores its arguments may get another path at the same host if all values are
 * before that path. */
static bool
is_own_url(const struct restorer *r)
{
	struct span url = own_url_text(r->own);
	bool call = r->url.mode == URL_CALL;

	if (!url.p || (call && r->own->odd_word))
		return false;
	size_t last = r->own->last - (size_t)(url.p - r->own->text);
	for (struct span s = url; s.n >= last; s.n--) {
		if (vault_has_url(r->vault, s))
			return true;
		if (!strchr(call ? "'\"`;,)" : "'\"`;,)].:!?}*_|\\", s.p[s.n - 1]))
			break;
	}
	if (call)
		return false;
	struct span cut = own_url_cut(url, last);
	if (cut.n < url.n && vault_has_url(r->vault, cut))
		return true;
	char key[OWN_URL_MOST + 1];
	size_t n = r->url.mode == URL_KEPT ? authority_key(url, key) : 0;
	return n && last < n && vault_has_url(r->vault, span_of(key, n));
}

/* Decides about the URL that ended with the last unit. In a call, all hosts of a string must be
 * the one with which the values came. */
static bool
note_own_end(struct restorer *r)
{
	bool is = is_own_url(r);

	if (r->url.mode != URL_CALL || !is)
		return is;
	struct span a = own_url_authority(own_url_text(r->own));
	struct span first = span_of(r->own->authority, r->own->authority_n);
	if (r->foreign || (r->has_own && !span_eq(first, a)))
		return false;
	memcpy(r->own->authority, a.p, a.n);
	r->own->authority_n = a.n;
	r->has_own = true;
	r->url.found = false;
	return true;
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
	if (r->waits.on && r->own)
		buf_span(&r->waits.in_urls, text);
}

/* Appends a unit of a command to its text. A placeholder is a letter, since its value is a part
 * of a word. */
static void
note_command(struct restorer *r, int c)
{
	if (r->waits.on && r->waits.command)
		buf_putc(&r->waits.text, (char)(c < 0 ? 'x' : c));
}

/* Returns the text of a command without the quote that ended its string. */
static struct span
command_text(const struct restorer *r)
{
	struct span s = buf_view(&r->waits.text);

	return span_cut(s, 0, s.n - (r->ended && s.n));
}

/* Restores a string that stays on the machine, as that of a tool which stores its arguments. */
static void
put_staying(struct restorer *r, struct buf *out)
{
	struct restorer *in = restorer_new(r->vault, r->value ? RESTORE_VALUE : r->level);

	if (!in) {
		out->failed = true;
		return;
	}
	restorer_arguments(in, true, 0);
	in->begun = true;
	in->text = r->text;
	in->in.string = r->level && !r->text;
	int err = restorer_feed(in, buf_view(&r->waits.as_is), out);
	err = err ? err : restorer_end(in, out);
	out->failed |= err != 0;
	r->count += in->count;
	/* the text was searched for unknown placeholders as it arrived */
	for (int i = 0; i < LEFT_UNKNOWN; i++)
		r->left[i] += in->left[i];
	restorer_free(&in);
}

/* Ends the wait of a string or URL and appends it: with its values, or as it came if `stays` or
 * if it is too long. If the caller's own URLs are its only ones, they alone get values. */
static void
wait_no_more(struct restorer *r, bool stays, struct buf *out)
{
	bool over = r->waits.as_is.n > r->waits.most && !r->waits.url;
	bool command = !over && r->waits.command && r->waits.count && !r->waits.text.failed &&
		       command_stays(command_text(r));
	bool sends = !over && !command && r->waits.command && r->waits.count &&
		     command_sends(command_text(r));
	r->waits.why = r->waits.leaves		  ? r->waits.leaving
		       : stays && r->waits.url ? LEFT_URL
		       : stays || !over	  ? LEFT_HOST
					  : LEFT_SIZE;
	stays |= over || ((r->waits.leaves || sends) && !r->has_own);
	bool part = !stays && r->has_own && !r->waits.url;
	size_t count = stays ? 0 : part ? r->waits.count_in_urls : r->waits.count;

	if (command) {
		put_staying(r, out);
	} else {
		buf_span(out, buf_view(stays  ? &r->waits.as_is
				       : part ? &r->waits.in_urls
					      : &r->waits.restored));
		r->count += count;
		r->left[r->waits.why] += r->waits.count - count;
	}
	out->failed |= buf_failed(&r->waits.as_is) || buf_failed(&r->waits.restored) ||
		       buf_failed(&r->waits.in_urls);
	buf_free(&r->waits.as_is);
	buf_free(&r->waits.restored);
	buf_free(&r->waits.in_urls);
	buf_free(&r->waits.text);
	r->waits.on = false;
	r->waits.stays = stays && !r->waits.url && !r->waits.leaves;
	r->waits.url = false;
	r->waits.count = r->waits.count_in_urls = 0;
}

/* Ends the wait of a URL if it ended or is too long. */
static void
look_at_url(struct restorer *r, struct span in, size_t *from, struct buf *out)
{
	bool over = r->own->spoiled || r->waits.as_is.n + in.n - *from > URL_HELD_MOST;

	if (!r->own->ended && !over)
		return;
	pass_text(r, span_cut(in, *from, in.n), out);
	*from = in.n;
	wait_no_more(r, !r->own->ended || !is_own_url(r), out);
	r->own->spoiled = true;
}

/* Notes what the last unit means for the string of a call: a URL that ended is the caller's own
 * or not, and any other URL or host is not. */
static void
note_hosts(struct restorer *r)
{
	if (!r->own) {
		r->foreign = r->url.found;
		return;
	}
	if (r->own->ended)
		r->foreign |= !note_own_end(r) && (r->url.found || r->own->values);
	else if (r->url.at == URL_OUT || r->own->spoiled)
		r->foreign |= r->url.found;
}

/* Notes that the string or the text ends: whether it had a URL or host that is not the caller's
 * own. A URL in progress ends too. */
static void
end_of_string(struct restorer *r)
{
	if (r->own)
		own_url_stop(r->own);
	if (r->own && r->own->ended && r->url.mode == URL_CALL)
		note_hosts(r);
	r->had_url = r->foreign || url_place_found(&r->url);
}

/* Ends the wait if the string ended, has a foreign URL, or is too long. `in` ends with a unit of
 * the string; its bytes from *from on have not been passed on. */
static void
look_at_string(struct restorer *r, struct span in, size_t *from, struct buf *out)
{
	if (r->waits.on && r->waits.url) {
		look_at_url(r, in, from, out);
		return;
	}
	bool url = r->ended ? r->had_url : r->foreign && !r->waits.command;

	if (r->waits.on &&
		(r->ended || url || r->waits.as_is.n + in.n - *from > r->waits.most)) {
		pass_text(r, span_cut(in, *from, in.n), out);
		*from = in.n;
		wait_no_more(r, url, out);
	}
	if (r->ended) {
		r->waits.stays = false;
		r->foreign = r->has_own = false;
	}
	/* a command is held back from its beginning, after its quote */
	if (r->ended && r->waits.command && r->in.string) {
		pass_text(r, span_cut(in, *from, in.n), out);
		*from = in.n;
		r->waits.on = true;
	}
}

/* ---- placeholders ---- */

/* Advances the place in a URL by a placeholder. */
static void
step_over_value(struct restorer *r, const struct spelling *s)
{
	char name[SPELLING_NAME_MOST + 2] = "<";

	url_place_step(&r->url, 'x');
	memcpy(name + 1, s->name, s->name_n);
	name[s->name_n + 1] = '>';
	if (r->own)
		own_url_value(r->own, &r->url, span_of(name, s->name_n + 2));
	if (r->url.mode == URL_CALL)
		note_hosts(r);
}

static void
put_back(struct restorer *r, const struct spelling *s, struct span spelling, struct buf *out)
{
	struct buf *to = r->waits.on ? &r->waits.restored : out;
	bool in_url = url_place_inside(&r->url);
	unsigned deep = layers_deep(r);
	/* JSON escapes of the placeholder belong to the string around it, and the caller's own
	 * URL is written as the caller sent it */
	bool plain = (deep && s->escape == ESCAPE_JSON) || (in_url && r->waits.on);
	enum spelling_escape escape = plain ? ESCAPE_NONE : s->escape;

	spelling_value(to, vault_value(r->vault, s->node), escape, r->level + deep);
	if (r->waits.on)
		buf_span(&r->waits.as_is, spelling);
	if (r->waits.on && r->own && in_url)
		spelling_value(&r->waits.in_urls, vault_value(r->vault, s->node), escape,
			r->level + deep);
	else if (r->waits.on && r->own)
		buf_span(&r->waits.in_urls, spelling);
	note_command(r, 'x');
	*(r->waits.on ? &r->waits.count : &r->count) += 1;
	r->waits.count_in_urls += r->waits.on && in_url;
	r->ended = false;
	step_over_value(r, s);
	if ((r->value || (r->level && r->in.string)) && deep < JSON_LAYERS)
		note_beginning(&r->in.layers[deep], 'x');
}

/* ---- values without quotes ---- */

enum { QUOTE_MOST = 16 }; /* bytes of a quote with its backslashes */

/* Returns the length of a quote at the beginning of the text, with its backslashes; 0: no
 * quote; -1: more text is needed. */
static int
quote_at(struct span in)
{
	size_t n = 0;

	if (in.n && in.p[0] == '\'')
		return 1;
	while (n < in.n && n < QUOTE_MOST && in.p[n] == '\\')
		n++;
	if (n == in.n)
		return -1;
	return n < QUOTE_MOST && in.p[n] == '"' ? (int)n + 1 : 0;
}

static bool
vault_is_number(const struct vault *v, uint32_t node)
{
	return v->values[v->nodes[node].value - 1].number;
}

/* Returns true if this argument of the tool may have the value as a JSON number. */
static bool
argument_may_be(const struct vault *v, uint32_t node, uint64_t tool, uint64_t name)
{
	return vault_is_number(v, node) && !argument_is_string(v->types, tool, name) &&
	       (!v->some_types || argument_types_have(v->types, tool));
}

bool
vault_number(const struct vault *v, struct span text, uint64_t tool, uint64_t name, struct span *value)
{
	const struct spelling_names names = vault_names(v);
	struct spelling s;

	if (!v->nbare || !text.n || !spelling_begins[(unsigned char)text.p[0]] ||
		spelling_at(text, 0, true, &names, &s) <= 0 || s.raw != text.n ||
		!vault_is_bare(v, s.node) || !argument_may_be(v, s.node, tool, name))
		return false;
	*value = vault_value(v, s.node);
	return true;
}

/* Reads a quote, a placeholder whose value loses its quotes, and the same quote. The quotes of a
 * string of the arguments themselves count if its schema does not say string. Stores the lengths of the
 * quote in *quote and of the placeholder in s->raw. Returns 1 if the text begins so, 0 if it
 * does not, or -1 if more text is needed. */
static int
quoted_at(
	const struct restorer *r, struct span in, bool final, struct spelling *s, size_t *quote)
{
	const struct spelling_names names = vault_names(r->vault);
	int n = quote_at(in);

	if (n <= 0)
		return final ? 0 : n;
	/* a quote of the arguments has a backslash for each level but the first */
	bool single = in.p[0] == '\'', own = !single && r->level && n <= 1 << (r->level - 1);
	/* a single quote is one of YAML or Python behind a name, or else perhaps an apostrophe */
	if ((own && !argument_begins(r)) || (single && r->before != ':'))
		return 0;
	struct span rest = span_cut(in, (size_t)n, in.n);
	int found = !rest.n || spelling_begins[(unsigned char)rest.p[0]]
			    ? rest.n ? spelling_at(rest, r->level, final, &names, s) : -1
			    : 0;
	if (found <= 0)
		return final ? 0 : found;
	if (!vault_is_bare(r->vault, s->node) ||
		(own ? !argument_may_be(r->vault, s->node, r->args.tool, r->args.name[r->args.depth])
		     : !vault_is_number(r->vault, s->node) && r->after != NAME_PLAIN))
		return 0;
	rest = span_cut(rest, s->raw, rest.n);
	if (rest.n < (size_t)n)
		return final || memcmp(rest.p, in.p, rest.n) ? 0 : -1;
	*quote = (size_t)n;
	return !memcmp(rest.p, in.p, (size_t)n);
}

/* Notes a unit for the URL at this place, and for the hosts of the string. */
static void
step_url_of(struct restorer *r, int c)
{
	url_place_step(&r->url, c);
	if (r->own)
		own_url_step(r->own, &r->url, c);
	if (r->url.mode == URL_CALL)
		note_hosts(r);
}

/* Notes the byte or escape at the beginning of `in` and returns its length, or 0 if more text
 * is needed. */
static size_t
step_restore(struct restorer *r, struct span in, bool final)
{
	size_t n, plain;
	int c;

	if (r->level == 0) {
		note_name_before(r, (unsigned char)in.p[0]);
		if (r->value)
			note_layers(r, (unsigned char)in.p[0]);
		note_command(r, (unsigned char)in.p[0]);
		step_url_of(r, (unsigned char)in.p[0]);
		return 1;
	}
	n = spelling_unit(in, r->level, &c);
	if (n == 0)
		return final ? in.n : 0;
	plain = spelling_unit(in, r->level - 1, &(int){ 0 });
	note_name_before(r, c);
	note_unit(r, c, n > plain);
	note_command(r, c);
	if (!r->ended) {
		step_url_of(r, c);
		return n;
	}
	end_of_string(r);
	r->url = (struct url_place){ .mode = r->url.mode };
	return n;
}

/* Notes a quote that is not sent. A string that waits has it in the text that may be sent as
 * it came. */
static void
drop_quote(struct restorer *r, struct span quote)
{
	if (r->waits.on)
		buf_span(&r->waits.as_is, quote);
	if (r->waits.on && r->own)
		buf_span(&r->waits.in_urls, quote);
	while (quote.n)
		quote = span_cut(quote, step_restore(r, quote, true), quote.n);
}

/* Puts a value back without the quotes around its placeholder. */
static void
put_bare(struct restorer *r, const struct spelling *s, struct span quote, struct span spelling,
	struct buf *out)
{
	r->waits.on |= r->url.mode == URL_CALL && !r->vault->everywhere;
	drop_quote(r, quote);
	/* the string of an argument begins: the state of the previous one is over */
	if (r->ended)
		r->waits.stays = r->foreign = r->has_own = false;
	put_back(r, s, spelling, out);
	drop_quote(r, quote);
}

/* Leaves a placeholder as the model wrote it, because it is in a URL. */
static void
leave(struct restorer *r, struct span spelling)
{
	struct url_place was = r->url;
	struct own_url *own = r->own;

	r->own = NULL;
	while (spelling.n)
		spelling = span_cut(spelling, step_restore(r, spelling, true), spelling.n);
	r->own = own;
	r->url = was;
	step_url_of(r, 'x');
	if (r->own)
		r->own->spoiled = true;
	r->left[r->waits.stays		    ? r->waits.why
		: r->url.mode != URL_CALL ? LEFT_URL
		: r->waits.leaves	    ? r->waits.leaving
					    : LEFT_HOST]++;
}

/* Returns true if the placeholder at this place is in a URL that may turn out to be the
 * caller's own. */
static bool
may_be_own(const struct restorer *r)
{
	return r->own && !r->own->spoiled && url_place_inside(&r->url) && !r->waits.stays &&
	       !r->foreign;
}

static bool
stays(const struct restorer *r)
{
	return !r->vault->everywhere &&
	       (url_place_inside(&r->url) || r->waits.stays ||
		       (r->url.mode == URL_CALL && r->foreign));
}

/* Returns the offset of the next byte that may begin a placeholder or a string, from `at` on.
 * Bytes in between are noted for the URL. */
static size_t
past_plain(struct restorer *r, struct span in, size_t at)
{
	bool bare = r->vault->nbare > 0;
	bool all =
		r->value || r->waits.url || r->waits.command || (r->level && (r->in.string || r->text || r->url.mode != URL_SHOWN));

	for (; !all && at < in.n && !spelling_begins[(unsigned char)in.p[at]] &&
		((r->level == 0 && !bare) || in.p[at] != '"') && !(bare && (in.p[at] == '\\' || in.p[at] == '\''));
		at++)
		if (r->level == 0) {
			note_name_before(r, (unsigned char)in.p[at]);
			step_url_of(r, (unsigned char)in.p[at]);
		}
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
		size_t quote = 0;
		int bare = r->vault->nbare && !stays(r) && memchr("\"'\\", in.p[at], 3)
				   ? quoted_at(r, rest, final, &s, &quote)
				   : 0;
		if (bare < 0)
			break;
		if (bare > 0) {
			pass_text(r, span_cut(in, from, at), out);
			put_bare(r, &s, span_cut(rest, 0, quote),
				span_cut(rest, quote, quote + s.raw), out);
			from = at += 2 * quote + s.raw;
			look_at_string(r, span_cut(in, 0, at), &from, out);
			continue;
		}
		int found = spelling_begins[(unsigned char)in.p[at]]
				    ? spelling_at(rest, r->level, final, &names, &s)
				    : 0;
		if (found > 0)
			begin_arguments(r, '<');
		bool own = found > 0 && stays(r) &&
			   (may_be_own(r) || (r->waits.command && r->waits.on));
		if (found > 0 && stays(r) && !own) {
			leave(r, span_cut(rest, 0, s.raw));
			at += s.raw;
			continue;
		}
		if (found > 0) {
			pass_text(r, span_cut(in, from, at), out);
			/* a string of a call, and a URL that may be the caller's own, is read
			 * to its end before values are put into it */
			bool call = r->url.mode == URL_CALL && !r->vault->everywhere;
			r->waits.url |= own && !call && !r->waits.on;
			r->waits.on |= call || own;
			put_back(r, &s, span_cut(rest, 0, s.raw), out);
			from = at += s.raw;
			look_at_string(r, span_cut(in, 0, at), &from, out);
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

static int
feed_text(struct restorer *r, struct span text, struct buf *out)
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

/* Restores the bytes that were kept for the next piece: nothing follows that belongs to them. */
static void
end_held(struct restorer *r, struct buf *out)
{
	size_t n = r->held_n;

	r->held_n = 0;
	if (n)
		advance(r, span_of(r->held, n), true, out);
}

static int
end_restored_text(struct restorer *r, struct buf *out)
{
	end_held(r, out);
	end_of_string(r);
	if (r->waits.on)
		wait_no_more(r, r->waits.url ? !r->own->ended || !is_own_url(r) : r->had_url, out);
	return buf_failed(out) ? ERR_NOMEM : 0;
}

/* ---- arguments that are held back as they came ---- */

/* Holds the text back, unless another restorer reads it already. *full: more is held than may be. */
static int
hold_back(struct restorer *r, struct span text, struct buf *out, bool *full)
{
	*full = false;
	if (r->hold.rest)
		return restorer_feed(r->hold.rest, text, out);
	buf_span(&r->hold.raw, text);
	*full = r->hold.raw.n > r->hold.most;
	return buf_failed(&r->hold.raw) ? ERR_NOMEM : 0;
}

/* Begins to restore what is held back with another restorer, which the caller has set up. */
static int
begin_rest(struct restorer *r, struct restorer *in, struct buf *out)
{
	r->hold.rest = in;
	int err = restorer_feed(in, buf_view(&r->hold.raw), out);
	buf_free(&r->hold.raw);
	return err;
}

/* Ends the other restorer, if one has begun, and adds what it did. `err`: an error before, which is
 * returned. */
static int
end_rest(struct restorer *r, int err, struct buf *out)
{
	if (!r->hold.rest)
		return err;
	int ended = restorer_end(r->hold.rest, out);
	r->count += r->hold.rest->count;
	for (int i = 0; i < LEFT_REASONS; i++)
		r->left[i] += r->hold.rest->left[i];
	restorer_free(&r->hold.rest);
	return err ? err : ended;
}

/* Begins to restore the arguments of a call inside them. */
static int
begin_wrapped(struct restorer *r, struct span name, struct buf *out)
{
	struct restorer *in = restorer_new(r->vault, RESTORE_JSON);

	if (!in)
		return ERR_NOMEM;
	r->hold.as(r->hold.arg, in, name);
	return begin_rest(r, in, out);
}

static int
feed_wrapped(struct restorer *r, struct span text, struct buf *out)
{
	bool full;
	int err = hold_back(r, text, out, &full);

	return !err && full ? begin_wrapped(r, SPAN_LIT(""), out) : err;
}

static int
end_wrapped(struct restorer *r, struct buf *out)
{
	struct wrapped_call call;
	struct arena a;
	int err = 0;

	arena_init(&a, 0, true);
	if (!r->hold.rest) {
		bool named = wrapped_call(buf_view(&r->hold.raw), &a, &call);
		err = arena_failed(&a) ? ERR_NOMEM
				       : begin_wrapped(r, named ? call.name : SPAN_LIT(""), out);
	}
	err = end_rest(r, err, out);
	arena_reset(&a);
	return err;
}

/* Reads the strings of a list. Returns LIST_OF_TEXTS if it has other values, too. */
static enum command_list
read_command_list(const struct restorer *r, struct arena *a)
{
	struct span raw = buf_view(&r->hold.raw);
	struct json *j = json_open(a, raw);
	struct span *words = arena_array(a, LIST_WORDS_MOST, sizeof(*words));
	struct json_event ev;
	size_t n = 0;

	if (!j || !words)
		return LIST_HOST;
	if (json_next(j, &ev) != JSON_ARRAY)
		return LIST_HOST;
	while (json_next(j, &ev) == JSON_STRING) {
		if (n == LIST_WORDS_MOST)
			return LIST_HOST;
		words[n++] = json_text(a, raw, &ev);
	}
	if (ev.tok == JSON_ERROR || arena_failed(a))
		return LIST_HOST;
	return ev.tok == JSON_ARRAY_END
		       ? command_list(span_of(r->hold.member, r->hold.member_n), words, n)
		       : LIST_OF_TEXTS;
}

/* Begins to restore a list. `over`: it is too long to be read as a command. */
static int
begin_command_list(struct restorer *r, enum command_list is, bool over, struct buf *out)
{
	struct restorer *in = restorer_new(r->vault, RESTORE_JSON);

	if (!in)
		return ERR_NOMEM;
	restorer_arguments(in, is == LIST_STAYS, SIZE_MAX);
	if (is == LIST_HOST)
		restorer_leaves(in, over ? LEFT_SIZE : LEFT_HOST);
	in->args.bare = false; /* the words of a command are strings */
	return begin_rest(r, in, out);
}

/* Restores what is held back, and then `more`, as any other text. */
static int
feed_held(struct restorer *r, struct span more, struct buf *out)
{
	buf_span(&r->hold.raw, more);
	int err = buf_failed(&r->hold.raw) ? ERR_NOMEM
					   : feed_text(r, buf_view(&r->hold.raw), out);
	buf_free(&r->hold.raw);
	return err;
}

/* Ends a list, whose last byte was read. */
static int
end_command_list(struct restorer *r, struct buf *out)
{
	enum command_list is = LIST_HOST;
	struct arena a;
	int err = 0;

	r->hold.on = false;
	if (!r->hold.rest) {
		arena_init(&a, 0, true);
		is = read_command_list(r, &a);
		arena_reset(&a);
	}
	if (is == LIST_OF_TEXTS)
		return feed_held(r, SPAN_LIT(""), out);
	if (!r->hold.rest)
		err = begin_command_list(r, is, false, out);
	return end_rest(r, err, out);
}

/* Passes on text of a list that is held back. */
static int
hold_command_list(struct restorer *r, struct span text, struct buf *out)
{
	bool full;
	int err = hold_back(r, text, out, &full);

	return !err && full ? begin_command_list(r, LIST_HOST, true, out) : err;
}

/* Reads a byte of arguments and returns what it means for lists. */
enum list_step { LIST_GOES, LIST_BEGINS, LIST_ENDS, LIST_NESTS };
static enum list_step
step_command_list(struct restorer *r, char c)
{
	bool string = r->hold.string, escape = r->hold.escape;

	r->hold.escape = string && !escape && c == '\\';
	if (c == ' ' && !string)
		return LIST_GOES;
	if (string && (escape || c != '"')) {
		if (r->hold.last_n < LIST_NAME_MOST)
			r->hold.last[r->hold.last_n] = c;
		r->hold.last_n++;
		return LIST_GOES;
	}
	if (c == '"') {
		r->hold.string = !string;
		r->hold.last_n = string ? r->hold.last_n : 0;
		return LIST_GOES;
	}
	if (c == '\t' || c == '\r' || c == '\n')
		return LIST_GOES;
	bool named = r->hold.before == ':' && r->hold.last_n <= LIST_NAME_MOST;
	r->hold.before = c;
	if (c == '[' && !r->hold.on) {
		r->hold.member_n = named ? r->hold.last_n : 0;
		memcpy(r->hold.member, r->hold.last, r->hold.member_n);
		return LIST_BEGINS;
	}
	return !r->hold.on	      ? LIST_GOES
	       : c == ']'	      ? LIST_ENDS
	       : c == '{' || c == '[' ? LIST_NESTS
				      : LIST_GOES;
}

static int
feed_lists(struct restorer *r, struct span text, struct buf *out)
{
	size_t from = 0;
	int err = 0;

	for (size_t i = 0; i < text.n && !err; i++) {
		if (!r->hold.begun && !strchr(" \t\r\n", text.p[i])) {
			r->hold.begun = true;
			if (text.p[i] != '{' && text.p[i] != '[')
				r->hold.what = HOLD_NOTHING; /* not JSON */
		}
		if (r->hold.what == HOLD_NOTHING)
			break;
		enum list_step is = step_command_list(r, text.p[i]);
		struct span before = span_cut(text, from, i + (is == LIST_ENDS));
		if (is == LIST_GOES)
			continue;
		from = i + (is == LIST_ENDS);
		if (is == LIST_ENDS) {
			err = hold_command_list(r, before, out);
			err = err ? err : end_command_list(r, out);
		} else if (is == LIST_BEGINS) {
			err = feed_text(r, before, out);
			end_held(r, out);
			r->begun = true;
			r->hold.on = !r->waits.on;
		} else if (!r->hold.rest) {
			/* a list of objects or lists, each of which may have a command */
			r->hold.on = text.p[i] == '[';
			err = feed_held(r, before, out);
		}
	}
	struct span rest = span_cut(text, from, text.n);
	if (!err && rest.n)
		err = r->hold.on ? hold_command_list(r, rest, out) : feed_text(r, rest, out);
	return err;
}

int
restorer_feed(struct restorer *r, struct span text, struct buf *out)
{
	if (vault_count(r->vault) && r->hold.what == HOLD_ALL)
		return feed_wrapped(r, text, out);
	if (vault_count(r->vault) && r->hold.what == HOLD_LISTS)
		return feed_lists(r, text, out);
	return feed_text(r, text, out);
}

int
restorer_end(struct restorer *r, struct buf *out)
{
	int err = 0;

	if (vault_count(r->vault) && r->hold.what == HOLD_ALL)
		return end_wrapped(r, out);
	if (r->hold.on) /* a list that does not end */
		err = end_command_list(r, out);
	int ended = end_restored_text(r, out);
	return err ? err : ended;
}
