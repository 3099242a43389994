/* Finds the values of search terms in a record's line: see record_terms.h. The line is read
 * in one pass without building objects, so that a segment of 64 MB is indexed in a second.
 * The daemon wrote these lines; for other input the result is undefined, but reading never
 * leaves the line.
 *
 * The fields of all terms form a tree of names (`nodes`), which is built once. walk_value()
 * follows the line and this tree together and skips members that are not in the tree. */
#include "record/audit/record_terms.h"

#include <pthread.h>

#include "base/ascii.h"
#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/fnv.h"
#include "record/audit/record_fields.h"
#include "record/journal/chain.h"
#include "record/journal/line.h"

const struct record_term_row record_terms[RT_COUNT] = {
#define X(id, name, paths, flags, what) { name, paths, flags, what },
	RECORD_TERMS(X)
#undef X
};
_Static_assert(RT_COUNT <= 64, "a bit each");
static const enum record_field place_fields[RP_COUNT] = {
#define X(id) RF_##id,
	RECORD_PLACES(X)
#undef X
};

/* ---- outcomes ---- */

static const char *const outcomes[] = { "complete", "client_abort", "provider_abort",
	"never_sent", "denied", "answer_denied", "haproxy_answered", "abandoned", "orphaned" };
/* the word for every request that failed */
static const char failed[] = "error";

/* The names of failures as in /metrics, with the beginning of the record's `why`
 * (net/relay_answer.c). NULL: the provider reported an error in a response with a success
 * status. */
static const struct {
	const char *word, *why;
} failures[] = { { "provider_unavailable", "the provider could not be reached" },
	{ "provider_timeout", "the provider did not answer in time" },
	{ "provider_aborted", "the provider closed before" },
	{ "provider_error", "the response could not be read" }, { "error_in_answer", NULL } };

/* A status ("429") or a class of statuses ("4xx"). */
static bool
is_status(struct span word)
{
	return word.n == 3 && word.p[0] >= '1' && word.p[0] <= '5' &&
	       ((is_digit(word.p[1]) && is_digit(word.p[2])) || !memcmp(word.p + 1, "xx", 2));
}

bool
record_outcome_known(struct span word)
{
	bool known = is_status(word) || span_is(word, failed);

	for (size_t i = 0; i < COUNT_OF(failures); i++)
		known |= span_is(word, failures[i].word);
	return known || span_find(word, outcomes, COUNT_OF(outcomes)) < COUNT_OF(outcomes);
}

bool
record_ended_so(const struct record_end *e, struct span word)
{
	char text[SPAN_DECIMAL];
	struct span status = span_of(text, span_decimal(text, e->status));

	if (span_eq(word, e->outcome) || span_eq(word, status) ||
		(is_status(word) && word.p[1] == 'x' && word.p[0] == text[0] && status.n == 3))
		return true;
	/* Errors that matter to an operator: those of the provider, not those of the caller. */
	if (span_is(word, failed))
		return e->said_error || e->status >= 400 ||
		       span_is(e->outcome, "provider_abort");
	for (size_t i = 0; i < COUNT_OF(failures); i++)
		if (span_is(word, failures[i].word))
			return failures[i].why ? span_starts(e->why, span_str(failures[i].why))
					       : e->said_error && e->status < 400;
	return false;
}

/* ---- the tree of names ---- */

enum { NODES = 128, DEPTH = 12, PLACES = 1024 };

/* A name in the tree. parent and place are indexes. */
static struct node {
	struct span name;
	/* bits of the terms that its values belong to, and of those that its members' names
	 * belong to */
	uint64_t values, names;
	uint8_t parent, place; /* place: index into RECORD_PLACES plus 1; 0: none */
	bool has_members, has_places;
} nodes[NODES];
/* open addressing: indexes into `nodes`, by parent and name; 0: free */
static uint8_t places[PLACES];
static size_t nnodes = 1;
static uint64_t version, seeds[RT_COUNT]; /* version of the index format; a seed for the
					   * hashes of each term */
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Returns the slot of a member's name, used or free. */
static uint8_t *
term_place_of(const struct node *n, struct span name)
{
	size_t parent = (size_t)(n - nodes);
	size_t at = parent * 37 + name.n * 64 + (unsigned char)name.p[0] * 5u +
		    (unsigned char)name.p[name.n - 1];

	for (;; at++) {
		uint8_t *place = &places[at % PLACES];
		const struct node *is = &nodes[*place];
		if (!*place || (is->parent == parent && span_eq(is->name, name)))
			return place;
	}
}

static struct node *
term_member_of(const struct node *n, struct span name)
{
	uint8_t i = n->has_members && name.n ? *term_place_of(n, name) : 0;

	return i ? &nodes[i] : NULL;
}

/* Returns the node for a path and adds missing ones. For a path "x.*" returns x and sets
 * *names. */
static struct node *
node_of(struct span path, bool *names, bool place)
{
	struct node *n = &nodes[0];

	while (path.n) {
		struct span name = span_next(&path, '.');
		n->has_places |= place;
		*names = span_is(name, "*");
		if (*names)
			break;
		struct node *m = term_member_of(n, name);
		if (!m) {
			INVARIANT(nnodes < NODES);
			m = &nodes[nnodes];
			*m = (struct node){ .name = name, .parent = (uint8_t)(n - nodes) };
			*term_place_of(n, name) = (uint8_t)nnodes++;
			n->has_members = true;
		}
		n = m;
	}
	return n;
}

/* Builds the tree and the version, which changes if terms change. Runs once. */
static void
make_tree(void)
{
	bool names = false;

	version = 1;
	for (enum record_term t = 0; t < RT_COUNT; t++) {
		struct span paths = span_str(record_terms[t].paths);
		seeds[t] = record_terms[t].name ? span_hash(span_str(record_terms[t].name)) : 0;
		version = version * 31 + span_hash(paths) + seeds[t];
		while (paths.n) {
			struct node *n = node_of(span_next(&paths, ' '), &names, false);
			*(names ? &n->names : &n->values) |= 1ull << t;
		}
	}
	for (uint8_t i = 0; i < RP_COUNT; i++) {
		struct span path = span_str(record_rows[place_fields[i]].path);
		node_of(path, &names, true)->place = i + 1;
	}
}

/* ---- reading a line ---- */

enum { TEXTS = 4, TEXT_BYTES = 512 };

/* State of one pass. */
struct walk {
	struct line_rd r;
	/* called for each value; NULL: only places are wanted */
	void (*value)(void *arg, enum record_term t, struct span value);
	void *arg;
	struct span *place; /* gets the places; NULL: not wanted */
	struct record_end how;
	struct span provider, sent;
	struct index_record *record; /* gets the data for an index; NULL: not wanted */
	/* Unescaped copies of `how`, `provider` and `sent`, which are used after their line
	 * was read. */
	char text[TEXTS][TEXT_BYTES];
};

/* Reports a value of the given terms (a bit each), or notes it if it is needed at the end. */
static void
tell_term(struct walk *w, uint64_t terms, struct span v)
{
	for (; terms; terms &= terms - 1) {
		enum record_term t = (enum record_term)__builtin_ctzll(terms);
		if (t < RT_SEARCHED && t != RT_OUTCOME)
			w->value(w->arg, t, v);
		switch ((int)t) {
		case RT_OUTCOME: w->how.outcome = v; break;
		case RT_WHY: w->how.why = v; break;
		case RT_ASKED: w->provider = v; break;
		case RT_SENT: w->sent = v; break;
		case RT_SAID_ERROR: w->how.said_error = span_is(v, "true"); break;
		case RT_STATUS:
			if (v.n == 3 && is_digit(v.p[0]))
				w->how.status = (v.p[0] - '0') * 100 + (v.p[1] - '0') * 10 +
						(v.p[2] - '0');
			break;
		case RT_VIA:
			if (w->record && !span_is(v, "relay"))
				w->record->expects = false;
			break;
		case RT_DECISION:
			if (w->record && span_is(v, "deny"))
				w->record->expects = false;
			break;
		default: break;
		}
	}
}

/* Reports a string, a value or a name. Its escapes, which are rare, are removed. */
static void
tell_string(struct walk *w, uint64_t terms, struct span raw)
{
	if (!memchr(raw.p, '\\', raw.n)) {
		tell_term(w, terms, raw);
		return;
	}
	json_auto_t *j =
		json_loadb(raw.p - 1, raw.n + 2, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	struct span v = json_span(j);
	/* Values that are used at the end must outlive this call. */
	unsigned slot = terms & 1ull << RT_OUTCOME ? 0
			: terms & 1ull << RT_WHY   ? 1
			: terms & 1ull << RT_ASKED ? 2
						   : 3;
	if (v.n && v.n < TEXT_BYTES && terms >> RT_SEARCHED) {
		memcpy(w->text[slot], v.p, v.n);
		v.p = w->text[slot];
	}
	if (j && (v.n < TEXT_BYTES || !(terms >> RT_SEARCHED)))
		tell_term(w, terms, v);
}

/* Handles the value at which the reader is. `n` is the node of its name. Arrays are read item
 * by item. */
static void
walk_value(struct walk *w, const struct node *n, unsigned depth)
{
	struct line_rd *r = &w->r;
	const char *from = r->p;
	struct span v = { from, 0 };

	if (r->p == r->end)
		return;
	if (*r->p == '"') {
		if (line_string(r, &v) && depth <= DEPTH && n->values && w->value)
			tell_string(w, n->values, v);
	} else if (depth > DEPTH ||
		   !(w->value ? n->has_members || n->values || n->names : n->has_places)) {
		line_skip(r);
	} else if (*r->p == '{') {
		while (line_member(r, &v)) {
			if (n->names && w->value)
				tell_string(w, n->names, v);
			const struct node *m = term_member_of(n, v);
			if (m)
				walk_value(w, m, depth + 1);
			else
				line_skip(r);
		}
	} else if (*r->p == '[') {
		while (line_item(r))
			walk_value(w, n, depth + 1);
	} else {
		line_skip(r);
		v.n = (size_t)(r->p - v.p);
		if (n->values && w->value)
			tell_term(w, n->values, v);
	}
	if (n->place && w->place)
		w->place[n->place - 1] = span_of(from, (size_t)(r->p - from));
}

/* Reports the terms that are derived from several fields: PROVIDER/MODEL, and the words for
 * the outcome. */
static void
tell_derived(struct walk *w)
{
	char both[TEXT_BYTES];
	size_t n = w->provider.n + 1 + w->sent.n;

	if (w->provider.n && w->sent.n && n < sizeof(both)) {
		memcpy(both, w->provider.p, w->provider.n);
		both[w->provider.n] = '/';
		memcpy(both + w->provider.n + 1, w->sent.p, w->sent.n);
		w->value(w->arg, RT_TARGET, span_of(both, n));
	}
	if (!w->how.outcome.n)
		return;
	char class[4] = { (char)('0' + w->how.status / 100), 'x', 'x', '\0' };
	char status[SPAN_DECIMAL];
	w->value(w->arg, RT_OUTCOME, w->how.outcome);
	if (w->how.status) {
		w->value(w->arg, RT_OUTCOME,
			span_of(status, span_decimal(status, w->how.status)));
		w->value(w->arg, RT_OUTCOME, span_str(class));
	}
	if (record_ended_so(&w->how, span_str(failed)))
		w->value(w->arg, RT_OUTCOME, span_str(failed));
	for (size_t i = 0; i < COUNT_OF(failures) && (w->how.why.n || w->how.said_error); i++)
		if (record_ended_so(&w->how, span_str(failures[i].word)))
			w->value(w->arg, RT_OUTCOME, span_str(failures[i].word));
}

static void
walk_line(struct span line, void (*value)(void *arg, enum record_term t, struct span value),
	void *arg, struct index_record *record, struct span *place)
{
	struct walk w;

	pthread_once(&once, make_tree);
	memset(&w, 0, offsetof(struct walk, text));
	w.r = line_rd_over(line);
	w.value = value;
	w.arg = arg;
	w.record = record;
	w.place = place;
	if (place)
		memset(place, 0, RP_COUNT * sizeof(*place));
	walk_value(&w, &nodes[0], 0);
	if (value)
		tell_derived(&w);
}

void
record_values(struct span line, void (*value)(void *arg, enum record_term t, struct span value),
	void *arg)
{
	walk_line(line, value, arg, NULL, NULL);
}

void
record_places(struct span line, struct span place[RP_COUNT])
{
	walk_line(line, NULL, NULL, NULL, place);
}

/* ---- indexes ---- */

uint64_t
record_term_hash(enum record_term t, struct span v)
{
	pthread_once(&once, make_tree);
	uint64_t h = fnv64_bytes(fnv64_step(seeds[t], 0), v.p, v.n);

	/* The upper bits of FNV are poor for short texts, but the index uses them, so mix
	 * them. */
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93u;
	return h ^ h >> 32;
}

static void
hash_value(void *arg, enum record_term t, struct span v)
{
	struct index_line *l = arg;
	uint64_t hash = record_term_hash(t, v);

	if (t == RT_ID && v.n && !l->record.id)
		l->record.id = hash;
	index_line_term(l, hash);
}

static void
read_record_terms(struct index_line *out)
{
	struct chain_line l;
	struct index_record *r = &out->record;

	*r = (struct index_record){ .expects = true };
	out->is_record = !chain_parse(out->line, &l) && !l.commit;
	if (!out->is_record) {
		record_places(out->line, out->place);
		return;
	}
	out->time = l.time;
	r->seq = l.seq;
	r->time_ns = l.time_ns;
	walk_line(out->line, hash_value, out, r, out->place);
	r->first = span_is(l.type, "decision");
	r->ends = span_is(l.type, "completion");
	if (!r->first && !r->ends && !span_is(l.type, "attempt"))
		r->id = 0;
}

static uint64_t
terms_version(void)
{
	pthread_once(&once, make_tree);
	return version;
}

const struct index_terms record_index_terms = { terms_version, read_record_terms };
