/* The patterns of a rule file, or of a policy's own class, to rows of a rule set: where each
 * may begin, and PCRE2's code of it. Apart from the rest of a rule for its size. */
#include "base/ascii.h"
#include "base/bits.h"
#include "base/caps.h"
#include "base/scoped.h"
#include "scan/detect/custom/custom_stage.h"
#include "scan/detect/load.h"

static void
definitions_of(struct loader *l, const struct yaml_node *map)
{
	if (!load_is(l, map, YAML_MAPPING, "define"))
		return;
	for (const struct yaml_node *c = map->child; c; c = c->next) {
		if (l->ndefs == COUNT_OF(l->defs)) {
			diag_at(l->d, c, "more than %zu definitions", l->ndefs);
			return;
		}
		l->defs[l->ndefs++] =
			(struct definition){ c->key->s, load_text(l, c, "definition") };
	}
}

/* %{name} becomes the definition. */
static char *
expand(struct loader *l, const struct yaml_node *n)
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

/* set = { byte | byte "-" byte }; "high" is 0x80-0xFF. */
static void
read_byte_set(struct loader *l, const struct yaml_node *n, uint64_t set[4])
{
	struct span s = load_text(l, n, "a set of bytes");

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

/* s is in the arena, and changed. */
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
		s.n == LITERAL_MIN ? ~0u : literal_fourth((unsigned char)s.p[3]);
}

static void
add_runs(struct loader *l, const struct yaml_node *n, uint32_t *runs)
{
	struct span rest = load_text(l, n, "digits"), low = span_next(&rest, '-');
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

/* A pattern begins in one way: the index that finds it is one. */
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
	if (!load_is(l, map, YAML_MAPPING, "start"))
		return;
	for (const struct yaml_node *c = map->child; c; c = c->next) {
		struct span k = c->key->s;
		bool names = span_is(k, "names"), words = names || span_is(k, "words");
		if (words || span_is(k, "literals") || span_is(k, "digits") ||
			span_is(k, "alone")) {
			if (!load_is(l, c, YAML_SEQUENCE, "start"))
				continue;
			bool digits = span_is(k, "digits"), alone = span_is(k, "alone");
			set_kind(l, c, p, digits || alone ? START_DIGITS : START_LITERAL);
			for (const struct yaml_node *n = c->child; n; n = n->next)
				if (digits || alone)
					add_runs(l, n, digits ? &p->runs : &p->alone);
				else
					add_literal(l, n,
						load_text(l, n, words ? "words" : "literals"),
						words, names, p);
		} else if (span_is(k, "bytes")) {
			set_kind(l, c, p, START_BYTE);
			add_bytes(l, load_text(l, c, "bytes"), p);
		} else if (span_is(k, "back")) {
			read_byte_set(l, c, p->back_set);
		} else if (span_is(k, "then")) {
			read_byte_set(l, c, p->then);
			p->has_then = true;
		} else if (span_is(k, "clear")) {
			p->clear = load_bool(l, c, "clear");
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
			"start: literals, words, digits or bytes is missing; or write start: "
			"anywhere");
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
	size_t length = strlen(p->regex);
	p->stream_work = (uint16_t)(p->work + length / STREAM_WORK_PART);
	p->work = (uint16_t)(p->work + length / TEXT_WORK_PART);
	int named = pcre2_substring_number_from_name(p->code, (PCRE2_SPTR) "value");
	p->group = named > 0 ? (uint32_t)named : 0;
	/* Without a JIT (not built in, or no executable memory) matching is slower, not other.
	 */
	p->jit = pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE | PCRE2_JIT_PARTIAL_HARD) == 0;
}

/* NULL, and said: too many. */
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

/* NULL, and said: there is none. */
static const struct check *
check_of(struct loader *l, const struct yaml_node *at)
{
	const struct check *check = check_find(load_text(l, at, "check"));
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

	if (!load_is(l, map, YAML_MAPPING, "a pattern"))
		return;
	struct pattern *p = new_pattern(l, map, entity);
	if (!p)
		return;
	p->check = check;
	for (const struct yaml_node *c = map->child; c; c = c->next) {
		struct span k = c->key->s;
		if (span_is(k, "name")) {
			p->name = load_text(l, c, "name").p;
		} else if (span_is(k, "regex")) {
			regex = c;
			load_text(l, c, "regex");
		} else if (span_is(k, "score")) {
			p->score = load_number(l, c, "score");
		} else if (span_is(k, "keyed")) {
			p->keyed = load_bool(l, c, "keyed");
		} else if (span_is(k, "utf")) {
			p->utf = load_bool(l, c, "utf");
		} else if (span_is(k, "near")) {
			p->needs_context = load_bool(l, c, "near");
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
	p->regex = expand(l, regex);
	if (p->regex)
		compile(l, regex, p);
	l->r->any_keyed |= p->keyed;
}

void
load_patterns(struct loader *l, const struct yaml_node *root, uint16_t entity)
{
	const struct yaml_node *list = yaml_get(root, "patterns"),
			       *named = yaml_get(root, "check");
	const struct check *check = NULL;

	l->ndefs = 0;
	if (yaml_get(root, "define"))
		definitions_of(l, yaml_get(root, "define"));
	if (named)
		check = check_of(l, named);
	if (!list || !load_is(l, list, YAML_SEQUENCE, "patterns"))
		return;
	for (const struct yaml_node *n = list->child; n; n = n->next)
		pattern_of(l, n, entity, check);
}

void
load_own_pattern(struct loader *l, const struct yaml_node *at, unsigned index, uint16_t entity)
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
	compile(l, at, p);
}
