/* Rule files to a rule set: every key is checked, every mistake is reported with
 * its place, nothing is half-loaded. The schema is described in
 * policies/detectors/README.md. */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/bits.h"
#include "base/caps.h"
#include "base/err.h"
#include "codec/yaml.h"
#include "detect/custom/custom_stage.h"
#include "detect/engine.h"
#include "detect/names/names.h"

struct definition {
	struct span name, text;
};

struct loader {
	struct arena *a; /* the rule set's */
	struct diag *d;
	struct detect_rules *r;
	bool own; /* a policy's class: no examples, and perhaps no pattern */
	size_t nliterals;
	bool full;			    /* of literals, and it was said */
	uint16_t alike[1u << LITERAL_BITS]; /* literals of each hash */
	struct definition defs[16];
	size_t ndefs;
};

/* ---- reading nodes ---- */

static struct span
text_of(struct loader *l, const struct yaml_node *n, const char *what)
{
	if (n->kind != YAML_SCALAR || n->s.n == 0) {
		diag_at(l->d, n, "%s must be a non-empty text", what);
		return SPAN_LIT("");
	}
	struct span s = arena_dup(l->a, n->s);
	return s.p ? s : SPAN_LIT(""); /* no room: said once, at the end */
}

static float
number_of(struct loader *l, const struct yaml_node *n, const char *what)
{
	char *end = NULL;
	float v = n->kind == YAML_SCALAR && n->s.n ? strtof(n->s.p, &end) : NAN;

	if (!end || *end || !(v >= 0.0f && v <= 1.0f)) {
		diag_at(l->d, n, "%s must be a number from 0 to 1", what);
		return 0;
	}
	return v;
}

static bool
bool_of(struct loader *l, const struct yaml_node *n, const char *what)
{
	bool yes = n->kind == YAML_SCALAR && span_is(n->s, "true");

	if (!yes && !(n->kind == YAML_SCALAR && span_is(n->s, "false")))
		diag_at(l->d, n, "%s must be true or false", what);
	return yes;
}

static bool
is_kind(struct loader *l, const struct yaml_node *n, enum yaml_kind kind, const char *what)
{
	if (n->kind == kind)
		return true;
	diag_at(l->d, n, "%s must be a %s", what,
		kind == YAML_SEQUENCE  ? "list"
		: kind == YAML_MAPPING ? "mapping"
				       : "text");
	return false;
}

/* ---- pieces of a rule ---- */

static struct words
words_of(struct loader *l, const struct yaml_node *list, const char *what)
{
	struct words w = { .n = 0 };

	if (!is_kind(l, list, YAML_SEQUENCE, what))
		return w;
	if (list->count > CAP_RULE_WORDS) {
		diag_at(l->d, list, "%s: %zu words, at most %d are expected", what, list->count,
			CAP_RULE_WORDS);
		return w;
	}
	struct span *v = arena_array(l->a, list->count, sizeof(*v));
	struct word_link *links = arena_array(l->a, list->count, sizeof(*links));
	uint16_t last[32] = { 0 };
	for (const struct yaml_node *n = list->child; v && links && n; n = n->next) {
		struct span s = text_of(l, n, what);
		char *p = (char *)(uintptr_t)s.p; /* our own copy */
		ascii_lower(p, s.n);
		if (s.n == 0)
			continue;
		unsigned of = p[0] & 31;
		links[w.n].pair = words_pair(p[0], s.n > 1 ? p[1] : ' ');
		*(last[of] ? &links[last[of] - 1].next : &w.from[of]) = (uint16_t)(w.n + 1);
		last[of] = (uint16_t)(w.n + 1);
		v[w.n++] = s;
		set_add(w.first, (unsigned char)p[0]);
		set_add(w.first, (unsigned char)to_upper(p[0]));
		w.second[p[0] & 31] |=
			s.n < 2 || p[1] == ' ' ? UINT32_MAX : UINT32_C(1) << (p[1] & 31);
	}
	w.links = links;
	w.v = v;
	return w;
}

static void
samples_of(struct loader *l, const struct yaml_node *list, struct entity_rule *e)
{
	if (!is_kind(l, list, YAML_SEQUENCE, "samples"))
		return;
	struct span *v = arena_array(l->a, list->count, sizeof(*v));
	for (const struct yaml_node *n = list->child; v && n; n = n->next) {
		struct span s = text_of(l, n, "samples");
		char *p = (char *)(uintptr_t)s.p;
		size_t m = 0;
		for (size_t i = 0; i < s.n; i++)
			if (is_alnum(p[i]))
				p[m++] = to_upper(p[i]);
		v[e->nsamples++] = span_of(p, m);
	}
	e->samples = v;
}

static void
add_examples(struct loader *l, const struct yaml_node *list, struct example *v, size_t *at,
	bool match)
{
	for (const struct yaml_node *n = list ? list->child : NULL; n; n = n->next) {
		struct example *x = &v[*at];
		*x = (struct example){ .at = n };
		if (n->kind == YAML_SCALAR) {
			x->text = text_of(l, n, "example");
			x->find = match ? x->text : (struct span){ NULL, 0 };
		} else if (n->kind == YAML_MAPPING) {
			for (const struct yaml_node *c = n->child; c; c = c->next) {
				if (span_is(c->key->s, "text"))
					x->text = text_of(l, c, "example text");
				else if (span_is(c->key->s, "find") && match)
					x->find = text_of(l, c, "example find");
				else if (span_is(c->key->s, "before"))
					x->before = text_of(l, c, "example before");
				else
					diag_at(l->d, c->key,
						"unknown key in an example: text, %sbefore",
						match ? "find, " : "");
			}
			if (match && !x->find.p)
				x->find = x->text;
			if (!x->text.p)
				diag_at(l->d, n, "an example needs a text");
		} else {
			diag_at(l->d, n, "an example is a text or {text, find, before}");
		}
		++*at;
	}
}

static void
examples_of(struct loader *l, const struct yaml_node *map, struct entity_rule *e)
{
	if (!is_kind(l, map, YAML_MAPPING, "examples"))
		return;
	const struct yaml_node *yes = yaml_get(map, "match"), *no = yaml_get(map, "none");
	for (const struct yaml_node *c = map->child; c; c = c->next)
		if (c != yes && c != no)
			diag_at(l->d, c->key, "unknown key: examples have match and none");
		else
			is_kind(l, c, YAML_SEQUENCE, "examples");
	struct example *v =
		arena_array(l->a, (yes ? yes->count : 0) + (no ? no->count : 0), sizeof(*v));
	if (!v)
		return;
	add_examples(l, yes, v, &e->nexamples, true);
	add_examples(l, no, v, &e->nexamples, false);
	e->examples = v;
	if (!yes || yes->count == 0)
		diag_at(l->d, map, "a rule needs at least one example that must match");
}

/* ---- patterns ---- */

static void
definitions_of(struct loader *l, const struct yaml_node *map)
{
	if (!is_kind(l, map, YAML_MAPPING, "define"))
		return;
	for (const struct yaml_node *c = map->child; c; c = c->next) {
		if (l->ndefs == sizeof(l->defs) / sizeof(l->defs[0])) {
			diag_at(l->d, c, "more than %zu definitions", l->ndefs);
			return;
		}
		l->defs[l->ndefs++] =
			(struct definition){ c->key->s, text_of(l, c, "definition") };
	}
}

/* %{name} becomes the definition. */
static char *
expand(struct loader *l, const struct yaml_node *n)
{
	struct buf b;

	buf_init(&b, CAP_RULE_REGEX);
	for (size_t i = 0; i < n->s.n; i++) {
		struct span rest = span_cut(n->s, i, n->s.n);
		size_t close = span_chr(rest, '}'), k = 0;
		if (!span_starts(rest, SPAN_LIT("%{")) || close == rest.n) {
			buf_putc(&b, n->s.p[i]);
			continue;
		}
		struct span name = span_cut(rest, 2, close);
		while (k < l->ndefs && !span_eq(l->defs[k].name, name))
			k++;
		if (k == l->ndefs)
			diag_at(l->d, n, "%%{%.*s} is not defined", SPAN_ARG(name));
		else
			buf_span(&b, l->defs[k].text);
		i += close;
	}
	if (buf_failed(&b))
		diag_at(l->d, n, "the pattern is over %u bytes, definitions included",
			CAP_RULE_REGEX);
	buf_putc(&b, '\0');
	char *s = arena_strdup(l->a, buf_failed(&b) ? "" : buf_view(&b).p);
	buf_free(&b);
	return s;
}

/* set = { byte | byte "-" byte }; "high" stands for 0x80-0xFF. */
static void
set_of(struct loader *l, const struct yaml_node *n, uint64_t set[4])
{
	struct span s = text_of(l, n, "a set of bytes");

	if (span_ends(s, SPAN_LIT("high"))) {
		for (unsigned c = 0x80; c < 0x100; c++)
			set_add(set, (unsigned char)c);
		s.n -= 4;
	}
	for (size_t i = 0; i < s.n; i++) {
		unsigned char from = (unsigned char)s.p[i], to = from;
		if (i + 2 < s.n && s.p[i + 1] == '-') {
			to = (unsigned char)s.p[i + 2];
			i += 2;
		}
		for (unsigned c = from; c <= to; c++)
			set_add(set, (unsigned char)c);
	}
}

static void
add_literal(struct loader *l, const struct yaml_node *n, bool caseless, bool name,
	struct pattern *p)
{
	struct span s = text_of(l, n, caseless ? "words" : "literals");
	struct literal *lit = arena_new(l->a, struct literal);

	if (!lit || s.n == 0)
		return;
	if (s.n < LITERAL_MIN) {
		diag_at(l->d, n, "a literal needs at least %d bytes; use `bytes`", LITERAL_MIN);
		return;
	}
	if (caseless)
		ascii_lower((char *)(uintptr_t)s.p, s.n);
	uint32_t h = literal_hash(three_bytes(s.p));
	if (l->nliterals == CAP_RULE_LITERALS || l->alike[h] == CAP_RULE_ALIKE) {
		if (!l->full)
			diag_at(l->d, n,
				"at most %d literals are expected in all rules, and %d that "
				"begin alike",
				CAP_RULE_LITERALS, CAP_RULE_ALIKE);
		l->full = true;
		return;
	}
	l->nliterals++;
	l->alike[h]++;
	*lit = (struct literal){ .text = s,
		.caseless = caseless,
		.name = name,
		.pattern = p->index,
		.next = l->r->prefilter.literals[h] };
	l->r->prefilter.literals[h] = lit;
	l->r->prefilter.fourth[h] |=
		s.n == LITERAL_MIN ? ~0u : literal_fourth((unsigned char)s.p[3]);
}

static void
add_runs(struct loader *l, const struct yaml_node *n, uint32_t *runs)
{
	struct span rest = text_of(l, n, "digits"), low = span_next(&rest, '-');
	uint64_t from, to;

	if (span_u64(low, &from) || (rest.p ? span_u64(rest, &to) : (to = from, 0)) ||
		from < 1 || to > DIGIT_RUN_MAX || from > to) {
		diag_at(l->d, n, "digits: lengths of the first run, 1 to %d, as 4 or 13-19",
			DIGIT_RUN_MAX);
		return;
	}
	for (; from <= to; from++)
		*runs |= 1u << from;
}

/* A pattern begins in one way: the index that finds it is one. */
static void
set_kind(struct loader *l, const struct yaml_node *n, struct pattern *p, enum start_kind kind)
{
	if (p->kind != START_ANYWHERE && p->kind != kind)
		diag_at(l->d, n,
			"start has one of: literals, words and names; digits and alone; bytes");
	else
		p->kind = kind;
}

static void
add_bytes(struct loader *l, struct span s, const struct pattern *p)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char b = (unsigned char)s.p[i];
		uint16_t **v = &l->r->prefilter.byte_patterns[b];
		size_t *n = &l->r->prefilter.nbyte_patterns[b];
		if (!*v)
			*v = arena_array(l->a, DETECT_PATTERNS_MAX, sizeof(uint16_t));
		/* Once, however often the text has the byte. */
		if (*v && (*n == 0 || (*v)[*n - 1] != p->index))
			(*v)[(*n)++] = p->index;
	}
}

/* start = anywhere | {literals|words|digits: list} | {bytes: text} */
static void
start_of(struct loader *l, const struct yaml_node *map, struct pattern *p)
{
	if (map->kind == YAML_SCALAR && span_is(map->s, "anywhere"))
		return;
	if (!is_kind(l, map, YAML_MAPPING, "start"))
		return;
	for (const struct yaml_node *c = map->child; c; c = c->next) {
		struct span k = c->key->s;
		bool names = span_is(k, "names"), words = names || span_is(k, "words");
		if (words || span_is(k, "literals") || span_is(k, "digits") ||
			span_is(k, "alone")) {
			if (!is_kind(l, c, YAML_SEQUENCE, "start"))
				continue;
			bool digits = span_is(k, "digits"), alone = span_is(k, "alone");
			set_kind(l, c, p, digits || alone ? START_DIGITS : START_LITERAL);
			for (const struct yaml_node *n = c->child; n; n = n->next)
				if (digits || alone)
					add_runs(l, n, digits ? &p->runs : &p->alone);
				else
					add_literal(l, n, words, names, p);
		} else if (span_is(k, "bytes")) {
			set_kind(l, c, p, START_BYTE);
			add_bytes(l, text_of(l, c, "bytes"), p);
		} else if (span_is(k, "back")) {
			set_of(l, c, p->back_set);
		} else if (span_is(k, "then")) {
			set_of(l, c, p->then);
			p->has_then = true;
		} else if (span_is(k, "clear")) {
			p->clear = bool_of(l, c, "clear");
		} else if (span_is(k, "back_max")) {
			uint64_t v;
			if (c->kind != YAML_SCALAR || span_u64(c->s, &v) || v > 1024)
				diag_at(l->d, c, "back_max must be a number up to 1024");
			else
				p->back_max = (uint16_t)v;
		} else {
			diag_at(l->d, c->key,
				"unknown key: start has literals, words, names, digits, alone, "
				"then, clear, bytes, back, back_max");
		}
	}
	if (p->kind == START_ANYWHERE)
		diag_at(l->d, map,
			"start needs literals, words, digits or bytes; or is `anywhere`");
}

#define UTF_FLAGS (PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF)

/* What PCRE2 knows of a match's first byte: saves most attempts. */
static void
first_bytes(struct pattern *p)
{
	int err;
	PCRE2_SIZE where;
	uint32_t type = 0, unit = 0;
	const uint8_t *bitmap = NULL;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)p->regex, PCRE2_ZERO_TERMINATED,
		p->utf ? UTF_FLAGS : PCRE2_NEVER_UTF, &err, &where, NULL);

	memset(p->first, 0xFF, sizeof(p->first));
	if (!code)
		return;
	pcre2_pattern_info(code, PCRE2_INFO_FIRSTBITMAP, &bitmap);
	pcre2_pattern_info(code, PCRE2_INFO_FIRSTCODETYPE, &type);
	pcre2_pattern_info(code, PCRE2_INFO_FIRSTCODEUNIT, &unit);
	if (bitmap || type == 1)
		memset(p->first, 0, sizeof(p->first));
	for (unsigned c = 0; c < 256; c++)
		if (bitmap ? bitmap[c / 8] >> (c % 8) & 1
			   : type == 1 && (c | 0x20) == (unit | 0x20))
			set_add(p->first, (unsigned char)c); /* either case: it may be (?i) */
	pcre2_code_free(code);
}

static void
compile(struct loader *l, const struct yaml_node *at, struct pattern *p)
{
	uint32_t flags = (p->utf ? UTF_FLAGS : PCRE2_NEVER_UTF) | PCRE2_NO_START_OPTIMIZE |
			 PCRE2_NEVER_BACKSLASH_C;
	PCRE2_SIZE where;
	int err;

	if (p->kind != START_ANYWHERE)
		flags |= PCRE2_ANCHORED;
	else
		flags &= ~PCRE2_NO_START_OPTIMIZE;
	p->code = pcre2_compile(
		(PCRE2_SPTR)p->regex, PCRE2_ZERO_TERMINATED, flags, &err, &where, NULL);
	if (!p->code) {
		char why[128];
		pcre2_get_error_message(err, (PCRE2_UCHAR *)why, sizeof(why));
		diag_at(l->d, at, "regex: %s at offset %zu", why, (size_t)where);
		return;
	}
	first_bytes(p);
	int named = pcre2_substring_number_from_name(p->code, (PCRE2_SPTR) "value");
	p->group = named > 0 ? (uint32_t)named : 0;
	/* Without a JIT (not built in, or no executable memory) matching is slower, not other.
	 */
	p->jit = pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE) == 0;
}

static void
pattern_of(struct loader *l, const struct yaml_node *map, uint16_t entity,
	const struct check *check)
{
	if (!is_kind(l, map, YAML_MAPPING, "a pattern"))
		return;
	if (l->r->npatterns == DETECT_PATTERNS_MAX) {
		diag_at(l->d, map, "more than %d patterns", DETECT_PATTERNS_MAX);
		return;
	}
	const struct yaml_node *regex = NULL, *start = NULL;
	struct pattern *p = &l->r->patterns[l->r->npatterns];
	*p = (struct pattern){ .index = (uint16_t)l->r->npatterns,
		.entity = entity,
		.check = check,
		.name = "",
		.regex = "" };
	l->r->npatterns++;
	for (const struct yaml_node *c = map->child; c; c = c->next) {
		struct span k = c->key->s;
		if (span_is(k, "name")) {
			p->name = text_of(l, c, "name").p;
		} else if (span_is(k, "regex")) {
			regex = c;
			text_of(l, c, "regex");
		} else if (span_is(k, "score")) {
			p->score = number_of(l, c, "score");
		} else if (span_is(k, "keyed")) {
			p->keyed = bool_of(l, c, "keyed");
		} else if (span_is(k, "utf")) {
			p->utf = bool_of(l, c, "utf");
		} else if (span_is(k, "near")) {
			p->near = bool_of(l, c, "near");
		} else if (span_is(k, "start")) {
			start = c;
		} else if (span_is(k, "check")) {
			p->check = check_find(text_of(l, c, "check"));
			if (!p->check)
				diag_at(l->d, c, "unknown check; there are %s", check_names());
		} else {
			diag_at(l->d, c->key,
				"unknown key `%.*s`: a pattern has name, regex, score, "
				"start, check, keyed, near, utf",
				SPAN_ARG(k));
		}
	}
	if (!regex || !start || p->score <= 0) {
		diag_at(l->d, map, "a pattern needs regex, start and a score above 0");
		return;
	}
	start_of(l, start, p);
	p->regex = expand(l, regex);
	if (p->regex)
		compile(l, regex, p);
	l->r->any_keyed |= p->keyed;
}

/* ---- a file ---- */

static bool
good_name(struct span s)
{
	bool good = s.n > 0 && s.n < 64 && is_upper(s.p[0]);

	for (size_t i = 0; i < s.n; i++)
		good = good && (is_upper(s.p[i]) || is_digit(s.p[i]) || s.p[i] == '_');
	return good;
}

static void
patterns_of(struct loader *l, const struct yaml_node *root, uint16_t entity)
{
	const struct yaml_node *list = yaml_get(root, "patterns"),
			       *named = yaml_get(root, "check");
	const struct check *check = NULL;

	l->ndefs = 0;
	if (yaml_get(root, "define"))
		definitions_of(l, yaml_get(root, "define"));
	if (named) {
		check = check_find(text_of(l, named, "check"));
		if (!check)
			diag_at(l->d, named, "unknown check; there are %s", check_names());
	}
	if (!list || !is_kind(l, list, YAML_SEQUENCE, "patterns"))
		return;
	for (const struct yaml_node *n = list->child; n; n = n->next)
		pattern_of(l, n, entity, check);
}

/* finder: a part of the program that knows the entity by its words (names.h). */
static void
finder_of(struct loader *l, const struct yaml_node *n, uint16_t entity)
{
	int f = finder_find(text_of(l, n, "finder"));

	if (f < 0)
		diag_at(l->d, n, "unknown finder; there are %s", finder_names());
	else if (l->r->finders[f])
		diag_at(l->d, n, "%s has this finder already",
			l->r->entities[l->r->finders[f] - 1].name);
	else
		l->r->finders[f] = (uint16_t)(entity + 1);
}

static void
rule_of(struct loader *l, const struct yaml_node *root)
{
	static const char *const required[] = { "entity", "class", "source", "examples" };
	struct detect_rules *r = l->r;

	if (!is_kind(l, root, YAML_MAPPING, "a rule file"))
		return;
	if (arena_failed(l->a))
		return; /* said once, at the end */
	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++)
		if (!l->own && !yaml_get(root, required[i]))
			diag_at(l->d, root, "a rule needs `%s`", required[i]);
	if (!l->own && !yaml_get(root, "patterns") && !yaml_get(root, "finder"))
		diag_at(l->d, root, "a rule needs `patterns` or `finder`");
	if (r->nentities == DETECT_ENTITIES_MAX) {
		diag_at(l->d, root, "more than %d entities", DETECT_ENTITIES_MAX);
		return;
	}
	uint16_t index = (uint16_t)r->nentities++;
	struct entity_rule *e = &r->entities[index];
	*e = (struct entity_rule){ .name = "",
		.class = "",
		.threshold = 0.5f,
		.context = { .boost = 0.35f, .penalty = 0.3f },
		.spreads = true };
	for (const struct yaml_node *c = root->child; c; c = c->next) {
		struct span k = c->key->s;
		if (span_is(k, "entity")) {
			struct span name = text_of(l, c, "entity");
			if (name.n && !good_name(name))
				diag_at(l->d, c,
					"an entity's name is UPPER_CASE, up to 63 bytes");
			if (detect_entity_find(r, name) >= 0)
				diag_at(l->d, c, "%.*s has a rule already", SPAN_ARG(name));
			e->name = name.p;
		} else if (span_is(k, "class")) {
			e->class = text_of(l, c, "class").p;
		} else if (span_is(k, "source")) {
			e->source = c->kind == YAML_SCALAR ? arena_strdup(l->a, c->s.p) : "";
		} else if (span_is(k, "threshold")) {
			e->threshold = number_of(l, c, "threshold");
		} else if (span_is(k, "boost")) {
			e->context.boost = number_of(l, c, "boost");
		} else if (span_is(k, "penalty")) {
			e->context.penalty = number_of(l, c, "penalty");
		} else if (span_is(k, "separators")) {
			e->separators = bool_of(l, c, "separators");
		} else if (span_is(k, "spreads")) {
			e->spreads = bool_of(l, c, "spreads");
		} else if (span_is(k, "yields")) {
			e->yields = bool_of(l, c, "yields");
		} else if (span_is(k, "context")) {
			e->context.words = words_of(l, c, "context");
		} else if (span_is(k, "against")) {
			e->context.against = words_of(l, c, "against");
		} else if (span_is(k, "samples")) {
			samples_of(l, c, e);
		} else if (span_is(k, "examples")) {
			examples_of(l, c, e);
		} else if (span_is(k, "finder")) {
			finder_of(l, c, index);
		} else if (!span_is(k, "define") && !span_is(k, "check") &&
			   !span_is(k, "patterns")) {
			diag_at(l->d, c->key, "unknown key `%.*s`", SPAN_ARG(k));
		}
	}
	patterns_of(l, root, index);
}

/* ---- all files ---- */

static void
load_builtin(struct loader *l)
{
	for (size_t i = 0; i < detect_builtin_count; i++) {
		const struct detect_file *f = &detect_builtin[i];
		const struct yaml_node *root =
			yaml_load(l->a, f->name, span_of(f->text, f->n), l->d);
		if (root)
			rule_of(l, root);
	}
}

static int
is_rule_file(const struct dirent *e)
{
	struct span name = span_str(e->d_name);

	return name.n > 5 && name.p[0] != '.' && span_ends(name, SPAN_LIT(".yaml"));
}

static void
load_dir(struct loader *l, const char *dir)
{
	struct dirent **v = NULL;
	int n = scandir(dir, &v, is_rule_file, alphasort);

	if (n < 0 && errno == ENOTDIR) { /* one file */
		const struct yaml_node *root = yaml_load_file(l->a, dir, l->d);
		if (root)
			rule_of(l, root);
		return;
	}
	if (n < 0)
		diag_file(l->d, dir, "%s", strerror(errno));
	if (n == 0)
		diag_file(l->d, dir, "no rule file (*.yaml) in it");
	for (int i = 0; i < n; i++) {
		struct span path = arena_printf(l->a, "%s/%s", dir, v[i]->d_name);
		const struct yaml_node *root =
			path.p ? yaml_load_file(l->a, path.p, l->d) : NULL;
		if (root)
			rule_of(l, root);
		free(v[i]);
	}
	free(v);
}

/* After the rule files: an entity that they have is refused. */
static void
load_own(struct loader *l, const struct detect_extra *extra)
{
	l->own = true;
	for (size_t i = 0; extra && i < extra->n && !arena_failed(l->a); i++) {
		const struct detect_own *own = &extra->v[i];
		size_t index = l->r->nentities;
		if (detect_entity_find(l->r, span_str(own->entity)) >= 0) {
			diag_at(l->d, own->at,
				"%s: %s is an entity already: name the class's own with "
				"`entity:`",
				own->class, own->entity);
			continue;
		}
		const struct yaml_node *rule = custom_rule(l->r, own, l->d);
		if (rule)
			rule_of(l, rule);
		if (rule && l->r->nentities > index)
			custom_attach(l->r, own, (uint16_t)index, l->d);
	}
}

/* The word lists of the finders: those of DIR/names where there is such a folder. */
static void
load_names(struct loader *l, const char *dir)
{
	struct detect_rules *r = l->r;
	bool any = false;
	struct span path = arena_printf(l->a, "%s/names", dir ? dir : "");

	for (size_t f = 0; f < FINDERS; f++)
		any |= r->finders[f] != 0;
	if (!any || !path.p)
		return;
	if (dir && access(path.p, F_OK) == 0)
		r->names = r->names_own = names_load(path.p, l->a, l->d);
	else
		r->names = names_builtin();
	if (!r->names)
		diag_file(l->d, path.p, "%s", err_str(ERR_NOMEM));
}

struct detect_rules *
detect_load(const char *dir, struct buf *errors)
{
	return detect_load_with(dir, NULL, errors);
}

struct detect_rules *
detect_load_with(const char *dir, const struct detect_extra *extra, struct buf *errors)
{
	struct detect_rules *r = calloc(1, sizeof(*r));
	struct diag d;

	if (!r)
		return NULL;
	diag_init(&d);
	arena_init(&r->arena, 64u << 20, false);
	struct loader l = { .a = &r->arena, .d = &d, .r = r };
	r->entities = arena_array(l.a, DETECT_ENTITIES_MAX, sizeof(*r->entities));
	r->patterns = arena_array(l.a, DETECT_PATTERNS_MAX, sizeof(*r->patterns));
	r->prefilter.literals = arena_array(l.a, 1u << LITERAL_BITS, sizeof(struct literal *));
	if (!arena_failed(l.a)) {
		if (dir)
			load_dir(&l, dir);
		else
			load_builtin(&l);
		load_own(&l, extra);
		load_names(&l, dir);
	}
	int err = arena_failed(l.a) ? ERR_NOMEM : 0;
	if (!d.errors && !err)
		err = rules_finish(r);
	if (!d.errors && !err)
		err = custom_finish(r);
	if (err || arena_failed(l.a))
		diag_file(&d, dir ? dir : "detectors", "%s", err_str(ERR_NOMEM));
	if (d.errors) {
		buf_span(errors, buf_view(&d.text));
		detect_free(&r);
	}
	diag_free(&d);
	return r;
}
