/* Rule files to a rule set: every key is checked, every mistake is reported with
 * its place, nothing is half-loaded. The schema is described in
 * policies/detectors/README.md. */
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
#include "scan/detect/custom/custom_stage.h"
#include "scan/detect/load.h"
#include "scan/detect/names/names.h"

/* ---- reading nodes ---- */

struct span
load_text(struct loader *l, const struct yaml_node *n, const char *what)
{
	if (n->kind != YAML_SCALAR || n->s.n == 0) {
		diag_at(l->d, n, "%s must be a non-empty text", what);
		return SPAN_LIT("");
	}
	struct span s = arena_dup(l->a, n->s);
	return s.p ? s : SPAN_LIT(""); /* no room: said once, at the end */
}

float
load_number(struct loader *l, const struct yaml_node *n, const char *what)
{
	char *end = NULL;
	float v = n->kind == YAML_SCALAR && n->s.n ? strtof(n->s.p, &end) : NAN;

	if (!end || *end || !(v >= 0.0f && v <= 1.0f)) {
		diag_at(l->d, n, "%s must be a number from 0 to 1", what);
		return 0;
	}
	return v;
}

bool
load_bool(struct loader *l, const struct yaml_node *n, const char *what)
{
	bool yes = n->kind == YAML_SCALAR && span_is(n->s, "true");

	if (!yes && !(n->kind == YAML_SCALAR && span_is(n->s, "false")))
		diag_at(l->d, n, "%s must be true or false", what);
	return yes;
}

bool
load_is(struct loader *l, const struct yaml_node *n, enum yaml_kind kind, const char *what)
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

/* Of a list, or of the one word that a policy may have instead. */
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
		struct span s = load_text(l, n, what);
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
	if (!load_is(l, list, YAML_SEQUENCE, "samples"))
		return;
	struct span *v = arena_array(l->a, list->count, sizeof(*v));
	for (const struct yaml_node *n = list->child; v && n; n = n->next) {
		struct span s = load_text(l, n, "samples");
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
			x->text = load_text(l, n, "example");
			x->find = match ? x->text : (struct span){ NULL, 0 };
		} else if (n->kind == YAML_MAPPING) {
			for (const struct yaml_node *c = n->child; c; c = c->next) {
				if (span_is(c->key->s, "text"))
					x->text = load_text(l, c, "example text");
				else if (span_is(c->key->s, "find") && match)
					x->find = load_text(l, c, "example find");
				else if (span_is(c->key->s, "before"))
					x->before = load_text(l, c, "example before");
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
	if (!load_is(l, map, YAML_MAPPING, "examples"))
		return;
	const struct yaml_node *yes = yaml_get(map, "match"), *no = yaml_get(map, "none");
	for (const struct yaml_node *c = map->child; c; c = c->next)
		if (c != yes && c != no)
			diag_at(l->d, c->key, "unknown key: examples have match and none");
		else
			load_is(l, c, YAML_SEQUENCE, "examples");
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

/* finder: a part of the program that knows the entity by its words (names.h). */
static void
finder_of(struct loader *l, const struct yaml_node *n, uint16_t entity)
{
	int f = finder_find(load_text(l, n, "finder"));

	if (f < 0)
		diag_at(l->d, n, "unknown finder; give one of %s", finder_names());
	else if (l->r->finders[f])
		diag_at(l->d, n, "%s already has this finder",
			l->r->entities[l->r->finders[f] - 1].name);
	else
		l->r->finders[f] = (uint16_t)(entity + 1);
}

/* NULL, and said: too many. */
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

	if (!load_is(l, root, YAML_MAPPING, "a rule file"))
		return;
	if (arena_failed(l->a))
		return; /* said once, at the end */
	for (size_t i = 0; i < COUNT_OF(required); i++)
		if (!yaml_get(root, required[i]))
			diag_at(l->d, root, "a rule needs `%s`", required[i]);
	if (!yaml_get(root, "patterns") && !yaml_get(root, "finder"))
		diag_at(l->d, root, "a rule needs `patterns` or `finder`");
	struct entity_rule *e = new_entity(l, root);
	l->file = arena_strdup(l->a, root->file);
	if (!e)
		return;
	uint16_t index = (uint16_t)(e - r->entities);
	for (const struct yaml_node *c = root->child; c; c = c->next) {
		struct span k = c->key->s;
		if (span_is(k, "entity")) {
			struct span name = load_text(l, c, "entity");
			if (name.n && !detect_entity_is_name(name))
				diag_at(l->d, c,
					"an entity's name is UPPER_CASE, up to 63 bytes");
			if (detect_entity_find(r, name) >= 0)
				diag_at(l->d, c, "%.*s already has a rule", SPAN_ARG(name));
			e->name = name.p;
		} else if (span_is(k, "class")) {
			e->class = load_text(l, c, "class").p;
		} else if (span_is(k, "source")) {
			e->source = c->kind == YAML_SCALAR ? arena_strdup(l->a, c->s.p) : "";
		} else if (span_is(k, "threshold")) {
			e->threshold = load_number(l, c, "threshold");
		} else if (span_is(k, "boost")) {
			e->context.boost = load_number(l, c, "boost");
		} else if (span_is(k, "penalty")) {
			e->context.penalty = load_number(l, c, "penalty");
		} else if (span_is(k, "separators")) {
			e->separators = load_bool(l, c, "separators");
		} else if (span_is(k, "spreads")) {
			e->spreads = load_spreads(l, c);
		} else if (span_is(k, "yields")) {
			e->yields = load_bool(l, c, "yields");
		} else if (span_is(k, "context")) {
			if (load_is(l, c, YAML_SEQUENCE, "context"))
				e->context.words = words_of(l, c, "context");
		} else if (span_is(k, "against")) {
			if (load_is(l, c, YAML_SEQUENCE, "against"))
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
	load_patterns(l, root, index);
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
	/* Words are found wherever they are; what only patterns find is an identifier. */
	if (own->words || own->dictionary || own->fingerprints)
		e->spreads = SPREADS_NONE;
	for (const struct yaml_node *c = list ? yaml_first(list) : NULL; c;
		c = yaml_next(list, c))
		load_own_pattern(l, c, n++, index);
	if (own->context)
		e->context.words = words_of(l, own->context, "context");
	if (own->against)
		e->context.against = words_of(l, own->against, "against");
	custom_attach(l->r, own, index, l->d);
}

/* After the rule files: an entity that they have is refused. */
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

/* The word lists of the finders: those of DIR/names where there is such a folder. */
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
	r->patterns = arena_array(l.a, DETECT_PATTERNS_MAX, sizeof(*r->patterns));
	r->prefilter.literals = arena_array(l.a, 1u << LITERAL_BITS, sizeof(struct literal *));
	if (!arena_failed(l.a)) {
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
