/* Loads rule files, and the classes of a policy, into a rule set. Every key is checked, every
 * mistake is reported with its place, and nothing is half-loaded. Patterns become rows of the
 * rule set, with the places at which each may begin and PCRE2's code.
 * policies/detectors/README.md describes the schema. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/bits.h"
#include "base/caps.h"
#include "base/codec/yaml.h"
#include "base/err.h"
#include "base/file_set.h"
#include "base/scoped.h"
#include "scan/detect/custom/custom_stage.h"
#include "scan/detect/engine.h"
#include "scan/detect/names/names.h"
#include "scan/detect/tools.h"

struct definition {
	struct span name, text;
};

struct loader {
	struct arena *a;   /* the rule set's */
	struct arena tree; /* YAML nodes, freed when all files are loaded */
	const char *file;  /* name of the file that is being loaded, in the rule set's arena */
	struct diag *d;
	struct detect_rules *r;
	const struct yaml_node **is; /* the `is` of each entity's file; NULL: it has none */
	size_t nliterals;
	bool full;			    /* too many literals were reported already */
	uint16_t alike[1u << LITERAL_BITS]; /* number of literals, by hash */
	struct definition defs[16];
	size_t ndefs;
};

/* ---- reading nodes ---- */

/* These functions return a node's value. If the node is of another kind, they report that with
 * its place, and return an empty text, 0 or false. Texts are in the arena; never NULL. */
static struct span
rule_text(struct loader *l, const struct yaml_node *n, const char *what)
{
	if (n->kind != YAML_SCALAR || n->s.n == 0) {
		diag_at(l->d, n, "%s must be a non-empty text", what);
		return SPAN_LIT("");
	}
	struct span s = arena_dup(l->a, n->s);
	return s.p ? s : SPAN_LIT(""); /* no room: reported once, at the end */
}

static float
rule_number(struct loader *l, const struct yaml_node *n, const char *what)
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
rule_bool(struct loader *l, const struct yaml_node *n, const char *what)
{
	bool yes = n->kind == YAML_SCALAR && span_is(n->s, "true");

	if (!yes && !(n->kind == YAML_SCALAR && span_is(n->s, "false")))
		diag_at(l->d, n, "%s must be true or false", what);
	return yes;
}

static bool
rule_is_kind(struct loader *l, const struct yaml_node *n, enum yaml_kind kind, const char *what)
{
	if (n->kind == kind)
		return true;
	diag_at(l->d, n, "%s must be a %s", what,
		kind == YAML_SEQUENCE  ? "list"
		: kind == YAML_MAPPING ? "mapping"
				       : "text");
	return false;
}

/* ---- patterns ---- */

#define TOOL_SCORE 0.8f

static void
definitions_of(struct loader *l, const struct yaml_node *map)
{
	if (!rule_is_kind(l, map, YAML_MAPPING, "define"))
		return;
	for (const struct yaml_node *c = map->child; c; c = c->next) {
		if (l->ndefs == COUNT_OF(l->defs)) {
			diag_at(l->d, c, "more than %zu definitions", l->ndefs);
			return;
		}
		l->defs[l->ndefs++] =
			(struct definition){ c->key->s, rule_text(l, c, "definition") };
	}
}

/* Replaces each %{name} by its definition. */
static char *
expand_definitions(struct loader *l, const struct yaml_node *n)
{
	SCOPED_BUF(b, CAP_RULE_REGEX);

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
	return arena_strdup(l->a, buf_failed(&b) ? "" : buf_view(&b).p);
}

/* set = { byte | byte "-" byte } [ "high" ]; "high" is 0x80-0xFF. */
static void
read_byte_set(struct loader *l, const struct yaml_node *n, uint64_t set[4])
{
	struct span s = rule_text(l, n, "a set of bytes");

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

/* Adds a literal to the prefilter. s is in the arena, and is changed to small letters if
 * `caseless`. */
static void
add_literal(struct loader *l, const struct yaml_node *n, struct span s, bool caseless,
	bool name, struct pattern *p)
{
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
				"more than %d literals in all rules, or more than %d that "
				"begin with the same bytes",
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
		s.n == LITERAL_MIN ? ~0u : literal_byte((unsigned char)s.p[3]);
}

static void
add_runs(struct loader *l, const struct yaml_node *n, uint32_t *runs)
{
	struct span rest = rule_text(l, n, "digits"), low = span_next(&rest, '-');
	uint64_t from, to;

	if (span_u64(low, &from) || (rest.p ? span_u64(rest, &to) : (to = from, 0)) ||
		from < 1 || to > DIGIT_RUN_MAX || from > to) {
		diag_at(l->d, n,
			"digits: lengths of the first run of digits are expected, from 1 to "
			"%d, such as 4 or 13-19",
			DIGIT_RUN_MAX);
		return;
	}
	for (; from <= to; from++)
		*runs |= 1u << from;
}

/* Sets how a pattern begins. There is only one way, because one index finds the pattern. */
static void
set_kind(struct loader *l, const struct yaml_node *n, struct pattern *p, enum start_kind kind)
{
	if (p->kind != START_ANYWHERE && p->kind != kind)
		diag_at(l->d, n,
			"start can have one of: literals, words and names; digits and alone; "
			"bytes");
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
		/* Add the pattern once, even if the text contains the byte several times. */
		if (*v && (*n == 0 || (*v)[*n - 1] != p->index))
			(*v)[(*n)++] = p->index;
	}
}

/* start = anywhere | seed | {literals|words|digits: list} | {bytes: text} */
static void
start_of(struct loader *l, const struct yaml_node *map, struct pattern *p)
{
	if (map->kind == YAML_SCALAR && span_is(map->s, "anywhere"))
		return;
	if (map->kind == YAML_SCALAR && span_is(map->s, "seed")) {
		p->kind = START_SEED;
		return;
	}
	if (!rule_is_kind(l, map, YAML_MAPPING, "start"))
		return;
	for (const struct yaml_node *c = map->child; c; c = c->next) {
		struct span k = c->key->s;
		bool names = span_is(k, "names"), words = names || span_is(k, "words");
		if (words || span_is(k, "literals") || span_is(k, "digits") ||
			span_is(k, "alone")) {
			if (!rule_is_kind(l, c, YAML_SEQUENCE, "start"))
				continue;
			bool digits = span_is(k, "digits"), alone = span_is(k, "alone");
			set_kind(l, c, p, digits || alone ? START_DIGITS : START_LITERAL);
			for (const struct yaml_node *n = c->child; n; n = n->next)
				if (digits || alone)
					add_runs(l, n, digits ? &p->runs : &p->alone);
				else
					add_literal(l, n,
						rule_text(l, n, words ? "words" : "literals"),
						words, names, p);
		} else if (span_is(k, "bytes")) {
			set_kind(l, c, p, START_BYTE);
			add_bytes(l, rule_text(l, c, "bytes"), p);
		} else if (span_is(k, "back")) {
			read_byte_set(l, c, p->back_set);
		} else if (span_is(k, "back_one")) {
			read_byte_set(l, c, p->back_one);
			p->needs_back = true;
		} else if (span_is(k, "then")) {
			read_byte_set(l, c, p->then);
			p->has_then = true;
		} else if (span_is(k, "clear")) {
			p->clear = rule_bool(l, c, "clear");
		} else if (span_is(k, "back_max")) {
			uint64_t v;
			if (c->kind != YAML_SCALAR || span_u64(c->s, &v) || v > 1024)
				diag_at(l->d, c, "back_max must be a number up to 1024");
			else
				p->back_max = (uint16_t)v;
		} else {
			diag_at(l->d, c->key,
				"unknown key: start has literals, words, names, digits, alone, "
				"then, clear, bytes, back, back_one, back_max");
		}
	}
	if (p->kind == START_ANYWHERE)
		diag_at(l->d, map,
			"start: literals, words, digits or bytes is missing; or write start: "
			"anywhere");
}

#define UTF_FLAGS (PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF)

/* Sets p->first to the bytes with which a match can begin, as PCRE2 computes them. The set
 * saves most attempts. */
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
compile_pattern(struct loader *l, const struct yaml_node *at, struct pattern *p)
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
	size_t length = strlen(p->regex);
	p->stream_work = (uint16_t)(p->work + length / STREAM_WORK_PART);
	p->work = (uint16_t)(p->work + length / TEXT_WORK_PART);
	int named = pcre2_substring_number_from_name(p->code, (PCRE2_SPTR) "value");
	p->group = named > 0 ? (uint32_t)named : 0;
	/* Without a JIT (not built in, or no executable memory), matching is slower and finds the
	 * same. */
	p->jit = pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD) == 0;
}

/* Returns a new pattern, or NULL after reporting that there are too many. */
static struct pattern *
new_pattern(struct loader *l, const struct yaml_node *at, uint16_t entity)
{
	struct pattern *p = &l->r->patterns[l->r->npatterns];

	if (l->r->npatterns == DETECT_PATTERNS_MAX) {
		diag_at(l->d, at, "more than %d patterns", DETECT_PATTERNS_MAX);
		return NULL;
	}
	*p = (struct pattern){ .index = (uint16_t)l->r->npatterns++,
		.entity = entity,
		.name = "",
		.regex = "",
		.work = WORK_MATCH };
	return p;
}

/* Returns the validator, or NULL after reporting that there is none with this name. */
static const struct check *
check_of(struct loader *l, const struct yaml_node *at)
{
	const struct check *check = check_find(rule_text(l, at, "check"));
	SCOPED_BUF(names, 0);

	if (!check) {
		check_names(&names);
		diag_at(l->d, at, "unknown check; give one of %.*s", (int)names.n, names.p);
	}
	return check;
}

static void
pattern_of(struct loader *l, const struct yaml_node *map, uint16_t entity,
	const struct check *check)
{
	const struct yaml_node *regex = NULL, *start = NULL;

	if (!rule_is_kind(l, map, YAML_MAPPING, "a pattern"))
		return;
	struct pattern *p = new_pattern(l, map, entity);
	if (!p)
		return;
	p->check = check;
	for (const struct yaml_node *c = map->child; c; c = c->next) {
		struct span k = c->key->s;
		if (span_is(k, "name")) {
			p->name = rule_text(l, c, "name").p;
		} else if (span_is(k, "regex")) {
			regex = c;
			rule_text(l, c, "regex");
		} else if (span_is(k, "score")) {
			p->score = rule_number(l, c, "score");
		} else if (span_is(k, "keyed")) {
			p->keyed = rule_bool(l, c, "keyed");
		} else if (span_is(k, "utf")) {
			p->utf = rule_bool(l, c, "utf");
		} else if (span_is(k, "near")) {
			p->needs_context = rule_bool(l, c, "near");
		} else if (span_is(k, "start")) {
			start = c;
		} else if (span_is(k, "check")) {
			p->check = check_of(l, c);
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
	p->regex = expand_definitions(l, regex);
	if (p->regex)
		compile_pattern(l, regex, p);
	l->r->any_keyed |= p->keyed;
}

/* Adds the pattern of a row of `tools`. */
static void
tool_row_of(struct loader *l, const struct yaml_node *row, uint16_t entity, const struct check *check)
{
	static const char *const ends[] = { " ", ".exe ", ".py " };
	SCOPED_BUF(regex, CAP_RULE_REGEX);
	struct pattern *p;

	if (!tool_row_regex(row, l->d, &regex) || !(p = new_pattern(l, row, entity)))
		return;
	p->name = rule_text(l, yaml_get(row, "manual"), "manual").p;
	p->check = check;
	p->score = TOOL_SCORE;
	p->kind = START_LITERAL;
	for (const struct yaml_node *n = yaml_get(row, "tools")->child; n; n = n->next)
		for (size_t i = 0; i < COUNT_OF(ends); i++)
			add_literal(l, n, arena_printf(l->a, "%.*s%s", SPAN_ARG(n->s), ends[i]),
				true, true, p);
	buf_putc(&regex, '\0');
	p->regex = arena_strdup(l->a, buf_failed(&regex) ? "" : buf_view(&regex).p);
	if (p->regex)
		compile_pattern(l, row, p);
}

/* Reads `define`, `check`, `patterns` and `tools` of a rule file. */
static void
load_rule_patterns(struct loader *l, const struct yaml_node *root, uint16_t entity)
{
	const struct yaml_node *list = yaml_get(root, "patterns"),
			       *tools = yaml_get(root, "tools"), *named = yaml_get(root, "check");
	const struct check *check = NULL;

	l->ndefs = 0;
	if (yaml_get(root, "define"))
		definitions_of(l, yaml_get(root, "define"));
	if (named)
		check = check_of(l, named);
	if (list && rule_is_kind(l, list, YAML_SEQUENCE, "patterns"))
		for (const struct yaml_node *n = list->child; n; n = n->next)
			pattern_of(l, n, entity, check);
	if (tools && rule_is_kind(l, tools, YAML_SEQUENCE, "tools"))
		for (const struct yaml_node *n = tools->child; n; n = n->next)
			tool_row_of(l, n, entity, check);
}

/* Reads the pattern with this index of a policy's own class. */
static void
load_class_pattern(struct loader *l, const struct yaml_node *at, unsigned index, uint16_t entity)
{
	struct regex_facts f;
	struct pattern *p;

	if (!custom_pattern(l->r, at, index, &f, l->d) || !(p = new_pattern(l, at, entity)))
		return;
	p->name = arena_printf(l->a, "patterns[%u]", index).p;
	p->regex = f.regex;
	p->score = OWN_SCORE;
	p->utf = f.utf;
	p->work = (uint16_t)(WORK_MATCH + f.width / 4);
	p->kind = f.start;
	for (unsigned n = f.digits[0]; n && n <= f.digits[1]; n++)
		p->runs |= 1u << n;
	for (size_t i = 0; i < f.nliterals; i++)
		add_literal(l, at, f.literals[i], f.caseless, false, p);
	p->back_max = f.back;
	memcpy(p->back_set, f.back_set, sizeof(p->back_set));
	compile_pattern(l, at, p);
}

/* ---- pieces of a rule ---- */

/* Reads a list of words. A policy may have a single word instead of a list. */
static struct words
words_of(struct loader *l, const struct yaml_node *list, const char *what)
{
	size_t count = list->kind == YAML_SEQUENCE ? list->count : 1;
	struct words w = { .n = 0 };

	if (count > CAP_RULE_WORDS) {
		diag_at(l->d, list, "%s: %zu words are too many; at most %d are accepted", what,
			count, CAP_RULE_WORDS);
		return w;
	}
	struct span *v = arena_array(l->a, count, sizeof(*v));
	struct word_link *links = arena_array(l->a, count, sizeof(*links));
	uint16_t last[32] = { 0 };
	for (const struct yaml_node *n = yaml_first(list); v && links && n;
		n = yaml_next(list, n)) {
		struct span s = rule_text(l, n, what);
		char *p = (char *)(uintptr_t)s.p; /* our own copy */
		ascii_lower(p, s.n);
		if (s.n == 0)
			continue;
		unsigned of = p[0] & 31;
		links[w.n].head = word_head_of(s);
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
	if (!rule_is_kind(l, list, YAML_SEQUENCE, "samples"))
		return;
	struct span *v = arena_array(l->a, list->count, sizeof(*v));
	for (const struct yaml_node *n = list->child; v && n; n = n->next) {
		struct span s = rule_text(l, n, "samples");
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
		struct yaml_node *place = arena_new(l->a, struct yaml_node);
		if (!place) /* reported once, at the end */
			return;
		*place = (struct yaml_node){
			.file = l->file, .line = n->line, .column = n->column
		};
		*x = (struct example){ .at = place };
		if (n->kind == YAML_SCALAR) {
			x->text = rule_text(l, n, "example");
			x->find = match ? x->text : (struct span){ NULL, 0 };
		} else if (n->kind == YAML_MAPPING) {
			for (const struct yaml_node *c = n->child; c; c = c->next) {
				if (span_is(c->key->s, "text"))
					x->text = rule_text(l, c, "example text");
				else if (span_is(c->key->s, "find") && match)
					x->find = rule_text(l, c, "example find");
				else if (span_is(c->key->s, "before"))
					x->before = rule_text(l, c, "example before");
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
	if (!rule_is_kind(l, map, YAML_MAPPING, "examples"))
		return;
	const struct yaml_node *yes = yaml_get(map, "match"), *no = yaml_get(map, "none");
	for (const struct yaml_node *c = map->child; c; c = c->next)
		if (c != yes && c != no)
			diag_at(l->d, c->key, "unknown key: examples have match and none");
		else
			rule_is_kind(l, c, YAML_SEQUENCE, "examples");
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

/* ---- a file ---- */

/* Reads `finder`: the name of a function that finds the entity by word lists (names.h). */
static void
finder_of(struct loader *l, const struct yaml_node *n, uint16_t entity)
{
	int f = finder_find(rule_text(l, n, "finder"));

	if (f < 0)
		diag_at(l->d, n, "unknown finder; give one of %s", finder_names());
	else if (l->r->finders[f])
		diag_at(l->d, n, "%s already has this finder",
			l->r->entities[l->r->finders[f] - 1].name);
	else
		l->r->finders[f] = (uint16_t)(entity + 1);
}

/* Returns a new entity, or NULL after reporting that there are too many. */
static struct entity_rule *
new_entity(struct loader *l, const struct yaml_node *at)
{
	struct entity_rule *e = &l->r->entities[l->r->nentities];

	if (l->r->nentities == DETECT_ENTITIES_MAX) {
		diag_at(l->d, at, "more than %d entities", DETECT_ENTITIES_MAX);
		return NULL;
	}
	l->r->nentities++;
	*e = (struct entity_rule){ .name = "",
		.class = "",
		.threshold = 0.5f,
		.context = { .boost = 0.35f, .penalty = 0.3f },
		.spreads = SPREADS_ALL };
	return e;
}

static enum spreads
load_spreads(struct loader *l, const struct yaml_node *n)
{
	static const char *const words[] = { [SPREADS_NONE] = "false",
		[SPREADS_DISTINCT] = "distinct",
		[SPREADS_ALL] = "true" };

	for (size_t i = 0; n->kind == YAML_SCALAR && i < COUNT_OF(words); i++)
		if (span_is(n->s, words[i]))
			return (enum spreads)i;
	diag_at(l->d, n, "spreads must be true, false or distinct");
	return SPREADS_NONE;
}

static void
rule_of(struct loader *l, const struct yaml_node *root)
{
	static const char *const required[] = { "entity", "class", "source", "examples" };
	struct detect_rules *r = l->r;

	if (!rule_is_kind(l, root, YAML_MAPPING, "a rule file"))
		return;
	if (arena_failed(l->a))
		return; /* reported once, at the end */
	for (size_t i = 0; i < COUNT_OF(required); i++)
		if (!yaml_get(root, required[i]))
			diag_at(l->d, root, "a rule needs `%s`", required[i]);
	if (!yaml_get(root, "patterns") && !yaml_get(root, "finder") && !yaml_get(root, "tools"))
		diag_at(l->d, root, "a rule needs `patterns`, `tools` or `finder`");
	struct entity_rule *e = new_entity(l, root);
	l->file = arena_strdup(l->a, root->file);
	if (!e)
		return;
	uint16_t index = (uint16_t)(e - r->entities);
	for (const struct yaml_node *c = root->child; c; c = c->next) {
		struct span k = c->key->s;
		if (span_is(k, "entity")) {
			struct span name = rule_text(l, c, "entity");
			if (name.n && !detect_entity_is_name(name))
				diag_at(l->d, c,
					"an entity's name is UPPER_CASE, up to 63 bytes");
			if (detect_entity_find(r, name) >= 0)
				diag_at(l->d, c, "%.*s already has a rule", SPAN_ARG(name));
			e->name = name.p;
		} else if (span_is(k, "class")) {
			e->class = rule_text(l, c, "class").p;
		} else if (span_is(k, "source")) {
			e->source = c->kind == YAML_SCALAR ? arena_strdup(l->a, c->s.p) : "";
		} else if (span_is(k, "is")) {
			if (rule_is_kind(l, c, YAML_SEQUENCE, "is"))
				l->is[index] = c;
		} else if (span_is(k, "threshold")) {
			e->threshold = rule_number(l, c, "threshold");
		} else if (span_is(k, "boost")) {
			e->context.boost = rule_number(l, c, "boost");
		} else if (span_is(k, "penalty")) {
			e->context.penalty = rule_number(l, c, "penalty");
		} else if (span_is(k, "separators")) {
			e->separators = rule_bool(l, c, "separators");
		} else if (span_is(k, "spreads")) {
			e->spreads = load_spreads(l, c);
		} else if (span_is(k, "yields")) {
			e->yields = rule_bool(l, c, "yields");
		} else if (span_is(k, "context")) {
			if (rule_is_kind(l, c, YAML_SEQUENCE, "context"))
				e->context.words = words_of(l, c, "context");
		} else if (span_is(k, "against")) {
			if (rule_is_kind(l, c, YAML_SEQUENCE, "against"))
				e->context.against = words_of(l, c, "against");
		} else if (span_is(k, "samples")) {
			samples_of(l, c, e);
		} else if (span_is(k, "examples")) {
			examples_of(l, c, e);
		} else if (span_is(k, "finder")) {
			finder_of(l, c, index);
		} else if (!span_is(k, "define") && !span_is(k, "check") &&
			   !span_is(k, "patterns") && !span_is(k, "tools")) {
			diag_at(l->d, c->key, "unknown key `%.*s`", SPAN_ARG(k));
		}
	}
	load_rule_patterns(l, root, index);
}

/* ---- all files ---- */

static void
load_dir(struct loader *l, const char *dir)
{
	const char **names;
	int n = file_set_list(l->a, dir, ".yaml", &names);

	if (n < 0 && errno == ENOTDIR) { /* one file */
		const struct yaml_node *root = yaml_load_file(&l->tree, dir, l->d);
		if (root)
			rule_of(l, root);
		return;
	}
	if (n < 0)
		diag_file(l->d, dir, "%s", strerror(errno));
	if (n == 0)
		diag_file(l->d, dir, "the folder has no rule file (*.yaml)");
	for (int i = 0; i < n; i++) {
		struct span path = arena_printf(l->a, "%s/%s", dir, names[i]);
		const struct yaml_node *root =
			path.p ? yaml_load_file(&l->tree, path.p, l->d) : NULL;
		if (root)
			rule_of(l, root);
	}
}

static void
own_class(struct loader *l, const struct detect_own *own)
{
	struct entity_rule *e = new_entity(l, own->at);
	const struct yaml_node *list = own->patterns;
	unsigned n = 0;

	if (!e)
		return;
	uint16_t index = (uint16_t)(e - l->r->entities);
	e->name = arena_strdup(l->a, own->entity);
	e->class = arena_strdup(l->a, own->class);
	e->source = "the policy";
	/* Words are found at every place anyway. A value that only patterns find is an
	 * identifier. */
	if (own->words || own->dictionary || own->fingerprints)
		e->spreads = SPREADS_NONE;
	for (const struct yaml_node *c = list ? yaml_first(list) : NULL; c;
		c = yaml_next(list, c))
		load_class_pattern(l, c, n++, index);
	if (own->context)
		e->context.words = words_of(l, own->context, "context");
	if (own->against)
		e->context.against = words_of(l, own->against, "against");
	custom_attach(l->r, own, index, l->d);
}

/* Loads a policy's classes after the rule files. A class with an entity of a rule file is
 * refused. */
static void
load_own(struct loader *l, const struct detect_extra *extra)
{
	for (size_t i = 0; extra && i < extra->n && !arena_failed(l->a); i++) {
		const struct detect_own *own = &extra->v[i];
		if (detect_entity_find(l->r, span_str(own->entity)) >= 0)
			diag_at(l->d, own->at,
				"%s: %s is already an entity: name the class's own entity with "
				"`entity:`",
				own->class, own->entity);
		else
			own_class(l, own);
	}
}

/* Links each entity to the general ones that its file names in `is`. Called after all files are
 * read, because a file may name the entity of a later one. */
static void
link_entities(struct loader *l)
{
	struct detect_rules *r = l->r;

	for (size_t e = 0; e < r->nentities; e++) {
		const struct yaml_node *list = l->is[e];
		uint16_t *is = list ? arena_array(l->a, list->count, sizeof(*is)) : NULL;
		if (!is)
			continue;
		r->entities[e].is = is;
		for (const struct yaml_node *c = list->child; c; c = c->next) {
			struct span name = rule_text(l, c, "is");
			int to = detect_entity_find(r, name);
			if (to >= 0)
				is[r->entities[e].nis++] = (uint16_t)to;
			else if (name.n)
				diag_at(l->d, c, "is: %.*s has no rule", SPAN_ARG(name));
		}
	}
	for (size_t e = 0; e < r->nentities; e++) {
		uint64_t above[DETECT_ENTITIES_MAX / 64] = { 0 };
		for (size_t i = 0; i < r->entities[e].nis; i++)
			detect_entity_above(r, r->entities[e].is[i], above);
		if (above[e / 64] >> (e % 64) & 1)
			diag_at(l->d, l->is[e], "is: %s contains itself by these entities",
				r->entities[e].name);
	}
}

/* Sets the word lists of the finders: those of the folder DIR/names if it exists, else the
 * compiled-in lists. */
static void
load_names(struct loader *l, const char *dir)
{
	struct detect_rules *r = l->r;
	struct stat st;
	bool any = false;
	struct span path = arena_printf(l->a, "%s/names", dir ? dir : "");

	for (size_t f = 0; f < FINDERS; f++)
		any |= r->finders[f] != 0;
	if (!any || !path.p)
		return;
	if (dir && file_set_stat(path.p, &st) == 0)
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
	struct loader l = { .a = &r->arena, .d = &d, .r = r };
	diag_init(&d);
	arena_init(&r->arena, 64u << 20, false);
	arena_init(&l.tree, 64u << 20, false);
	r->entities = arena_array(l.a, DETECT_ENTITIES_MAX, sizeof(*r->entities));
	l.is = arena_array(&l.tree, DETECT_ENTITIES_MAX, sizeof(*l.is));
	r->patterns = arena_array(l.a, DETECT_PATTERNS_MAX, sizeof(*r->patterns));
	r->prefilter.literals = arena_array(l.a, 1u << LITERAL_BITS, sizeof(struct literal *));
	if (!arena_failed(l.a) && l.is) {
		if (dir)
			load_dir(&l, dir);
		for (size_t i = 0; !dir && i < detect_builtin_count; i++) {
			const struct detect_file *f = &detect_builtin[i];
			struct span text = span_of(f->text, f->n);
			const struct yaml_node *root = yaml_load(&l.tree, f->name, text, l.d);
			file_set_note_built_in(f->name, text);
			if (root)
				rule_of(&l, root);
		}
		link_entities(&l);
		load_own(&l, extra);
		load_names(&l, dir);
	}
	int err = arena_failed(l.a) || arena_failed(&l.tree) ? ERR_NOMEM : 0;
	arena_reset(&l.tree);
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
