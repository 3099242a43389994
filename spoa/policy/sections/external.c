/* detectors.external: which recognizers are asked over HTTP, about which texts, and
 * what their silence means. Entities that no rule file knows are added to the rules,
 * so that classes and rules can name them. Nothing is asked here. */
#include <stdio.h>
#include <unistd.h>

#include "base/file_set.h"
#include "base/among.h"
#include "base/ascii.h"
#include "base/caps.h"
#include "base/codec/json.h"
#include "base/fetch/http_client.h"
#include "base/scoped.h"
#include "policy/build.h"
#include "scan/text/body.h"

/* What OpenAI documents (omni-moderation). */
static const char *const categories[] = { "harassment", "harassment/threatening", "hate",
	"hate/threatening", "illicit", "illicit/violent", "self-harm", "self-harm/intent",
	"self-harm/instructions", "sexual", "sexual/minors", "violence", "violence/graphic" };
enum { NCATEGORIES = COUNT_OF(categories), LABELS_MAX = 512 };

struct making {
	struct builder *b;
	const struct yaml_node *n;
	struct external *x;
	const char *class;
	struct recognizer_label *labels; /* x->rec.labels */
};

/* A key that another shape has. */
static const struct yaml_node *
only_for(struct making *m, const char *key, enum recognizer_shape shape)
{
	const struct yaml_node *c = yaml_get(m->n, key);

	if (!c || m->x->rec.shape == shape)
		return c;
	diag_at(m->b->d, c->key, "%s: belongs to shape: %s", key, shape_words[shape]);
	return NULL;
}

/* ---- entities ---- */

static int
entity(struct making *m, const struct yaml_node *at, const char *name)
{
	int e = detect_entity_add(m->b->rules, name, m->class);

	if (e >= 0)
		entity_add(&m->x->entities, (size_t)e);
	else if (detect_entity_count(m->b->rules) == DETECT_ENTITIES_MAX)
		diag_at(m->b->d, at, "%s: more than %d entities", name, DETECT_ENTITIES_MAX);
	else
		diag_at(m->b->d, at,
			"%s: an entity's name is UPPER_CASE letters, digits and _, at most 63",
			name);
	return e;
}

static void
label(struct making *m, const struct yaml_node *at, const char *theirs, int e)
{
	struct recognizer *r = &m->x->rec;

	if (e < 0)
		return;
	for (size_t i = 0; i < r->nlabels; i++)
		if (!strcmp(r->labels[i].theirs, theirs))
			return;
	if (r->nlabels == LABELS_MAX)
		diag_at(m->b->d, at, "more than %d names", LABELS_MAX);
	else
		m->labels[r->nlabels++] = (struct recognizer_label){ theirs, (uint16_t)e };
}

/* map: {PER: PERSON}: their names for our entities. */
static void
map(struct making *m, const struct yaml_node *n)
{
	if (n->kind != YAML_MAPPING || n->count == 0) {
		diag_at(m->b->d, n, "map: their names and our entities are expected, found %s",
			n->kind == YAML_MAPPING ? "nothing" : yaml_type_name(n));
		return;
	}
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		if (c->kind != YAML_SCALAR || yaml_is_null(c))
			diag_at(m->b->d, c, "map: the name of an entity is expected, found %s",
				yaml_type_name(c));
		else if (c->key->s.n > 128)
			diag_at(m->b->d, c->key,
				"map: a name of at most 128 bytes is expected");
		else
			label(m, c, c->key->s.p, entity(m, c, c->s.p));
	}
}

static bool
mapped(const struct making *m, int e)
{
	for (size_t i = 0; i < m->x->rec.nlabels; i++)
		if (m->x->rec.labels[i].entity == e)
			return true;
	return false;
}

/* entities: [PERSON, …]: those that the map does not rename are asked for by name. */
static void
listed(struct making *m, const struct yaml_node *n)
{
	const struct yaml_node *c = build_each(m->b, n, "entities", NULL, NULL);

	for (; c; c = yaml_next(n, c)) {
		int e = entity(m, c, c->s.p);
		if (!mapped(m, e))
			label(m, c, c->s.p, e);
	}
}

/* "violence/graphic" is MODERATION_VIOLENCE_GRAPHIC. */
static const char *
category_entity(struct making *m, const char *category)
{
	struct span s = arena_printf(m->b->a, "MODERATION_%s", category);

	for (size_t i = 0; i < s.n; i++) {
		char *c = (char *)s.p + i;
		*c = *c == '/' || *c == '-' ? '_' : to_upper(*c);
	}
	return s.p ? s.p : "";
}

/* Every category that is documented and not mapped, and `flagged` for what comes
 * later; or those of them that are listed. */
static void
moderation(struct making *m, const struct yaml_node *list)
{
	const struct yaml_node *c = build_each(m->b, list, "entities", NULL, NULL);
	struct recognizer *r = &m->x->rec;

	r->flagged = -1;
	if (!list) {
		for (size_t i = 0; i < NCATEGORIES; i++) {
			bool known = false;
			for (size_t k = 0; k < r->nlabels; k++)
				known |= !strcmp(r->labels[k].theirs, categories[i]);
			if (!known)
				label(m, m->n, categories[i],
					entity(m, m->n, category_entity(m, categories[i])));
		}
		r->flagged = entity(m, m->n, "MODERATION_FLAGGED");
	}
	for (; c; c = yaml_next(list, c)) {
		struct nearest near = nearest_to(c->s);
		bool known = mapped(m, detect_entity_find(m->b->rules, c->s));
		for (size_t i = 0; i < NCATEGORIES && !known; i++) {
			const char *name = category_entity(m, categories[i]);
			if ((known = nearest_is(&near, name)))
				label(m, c, categories[i], entity(m, c, name));
		}
		if (!known && (known = span_is(c->s, "MODERATION_FLAGGED")))
			r->flagged = entity(m, c, "MODERATION_FLAGGED");
		if (!known)
			diag_at(m->b->d, c,
				"entities: no category of moderations is %s%s; name it in map",
				c->s.p, nearest_hint(&near));
	}
}

static void
entities(struct making *m)
{
	const struct yaml_node *list = yaml_get(m->n, "entities"), *c = yaml_get(m->n, "class"),
			       *names = yaml_get(m->n, "map");

	m->class = m->x->rec.shape == SHAPE_MODERATION ? "moderation" : "";
	if (c)
		build_name(m->b, c, 64, &m->class);
	m->labels = build_array(m->b, m->n, LABELS_MAX, sizeof(*m->labels));
	m->x->rec.labels = m->labels;
	if (!m->labels)
		return;
	if (names)
		map(m, names);
	struct entity_set of_map = m->x->entities;
	if (m->x->rec.shape == SHAPE_MODERATION) {
		moderation(m, list);
		return;
	}
	if (!list && !names)
		diag_at(m->b->d, m->n, "entities is missing");
	if (!list)
		return;
	m->x->entities = (struct entity_set){ { 0 } };
	listed(m, list);
	/* What the map names and the list does not: nobody would ask for it. */
	for (c = names && names->kind == YAML_MAPPING ? names->child : NULL; c; c = c->next) {
		int e = c->kind == YAML_SCALAR ? detect_entity_find(m->b->rules, c->s) : -1;
		if (e >= 0 && !entity_in(&m->x->entities, (size_t)e))
			diag_at(m->b->d, c, "map: %s is not among the entities", c->s.p);
	}
	entities_join(&m->x->entities, &of_map);
}

/* ---- shape: json ---- */

/* request: a JSON document in which $text or $texts is where a value would be. */
static void
request(struct making *m, const struct yaml_node *n)
{
	struct recognizer *r = &m->x->rec;
	const char *text = "{\"text\":$text}";
	struct json_event ev;

	if (n && !read_text(m->b->d, n, "request", &text))
		return;
	if (!n)
		n = m->n;
	const char *at = strstr(text, "$text");
	if (!at || strstr(at + 1, "$text")) {
		diag_at(m->b->d, n, "request: $text or $texts is expected once");
		return;
	}
	r->batch = at[5] == 's';
	r->before = span_of(text, (size_t)(at - text));
	r->after = span_str(at + (r->batch ? 6 : 5));
	struct span x = SPAN_LIT("x");
	SCOPED_BUF(sample, 0);
	recognizer_ask(r, &x, 1, &sample);
	struct json *j = json_open(m->b->a, buf_view(&sample));
	enum json_tok t = JSON_ERROR;
	while (j && (t = json_next(j, &ev)) != JSON_END && t != JSON_ERROR)
		;
	if (t != JSON_END)
		diag_at(m->b->d, n,
			"request: with a text in the place of $text it is no JSON document");
}

static void
read_answer(struct making *m, const struct yaml_node *n)
{
	struct recognizer *r = &m->x->rec;
	static const char *const names[] = { "results", "items", "label", "score" };
	const char **const places[] = { &r->results, &r->items, &r->label, &r->score };

	r->results = r->items = "";
	r->label = "/label";
	r->score = "/score";
	if (!n || !build_section(m->b, n, SECTION_ANSWER, NULL))
		return;
	if (yaml_get(n, "label") && !yaml_get(n, "score"))
		r->score = NULL;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		const struct yaml_node *c = yaml_get(n, names[i]);
		if (!c)
			continue;
		if (c->kind != YAML_SCALAR || !recognizer_pointer(c->s.p))
			diag_at(m->b->d, c,
				"%s: a JSON pointer such as /%s is expected, found %s",
				names[i], names[i], yaml_found(c));
		else
			*places[i] = c->s.p;
	}
	if (yaml_get(n, "results") && !r->batch)
		diag_at(m->b->d, yaml_get(n, "results")->key,
			"results: belongs to a request with $texts");
}

static void
shape(struct making *m)
{
	struct recognizer *r = &m->x->rec;
	const struct yaml_node *c = yaml_get(m->n, "batch");

	if (!c)
		r->batch = r->shape != SHAPE_JSON;
	else if (r->shape == SHAPE_JSON)
		diag_at(m->b->d, c->key, "batch: a request with $texts says so");
	r->score_threshold = r->shape == SHAPE_MODERATION ? -1.0 : 0.5;
	only_for(m, "language", SHAPE_PRESIDIO);
	only_for(m, "model", SHAPE_MODERATION);
	const struct yaml_node *asked = only_for(m, "request", SHAPE_JSON),
			       *said = only_for(m, "answer", SHAPE_JSON);
	if (r->shape == SHAPE_JSON) {
		request(m, asked);
		read_answer(m, said);
	}
	if ((c = yaml_get(m->n, "score_threshold")))
		read_score(m->b->d, c, &r->score_threshold);
}

/* ---- the call ---- */

static bool
add_field(struct making *m, const struct yaml_node *at, struct span line)
{
	if (line.p)
		m->x->fields[m->x->nfields++] = line.p;
	else
		diag_at(m->b->d, at, "out of memory");
	return line.p != NULL;
}

/* Letters, digits and - in a name that frames nothing. */
static bool
header_ok(struct span s)
{
	static const char *const ours[] = { "host", "content-length", "content-type",
		"transfer-encoding", "connection", "expect", "te", "upgrade", "authorization" };
	return s.n > 0 && s.n <= 64 && span_is_alnum(s, "-_") && !SPAN_AMONG(s, ours, span_ieq);
}

static bool
is_printable_name(struct span s)
{
	return s.n <= 4096 && span_past(s, 0, is_in_line) == s.n;
}

static void
headers(struct making *m, const struct yaml_node *n)
{
	if (!read_map(m->b->d, n, "headers", NULL, NULL))
		return;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		const char *v;
		if (!header_ok(c->key->s))
			diag_at(m->b->d, c->key, "headers: %s cannot be set here%s",
				c->key->s.p,
				span_ieq(c->key->s, SPAN_LIT("authorization"))
					? "; token_file: FILE sends a bearer token"
					: "");
		else if (!read_text(m->b->d, c, c->key->s.p, &v))
			continue;
		else if (!is_printable_name(c->s))
			diag_at(m->b->d, c, "%s: one printable line is expected", c->key->s.p);
		else
			add_field(m, c, arena_printf(m->b->a, "%s: %s", c->key->s.p, v));
	}
}

const char *
build_bearer(struct builder *b, const struct yaml_node *n)
{
	const char *path, *line = NULL;

	if (!build_rotating_path(b, n, &path))
		return NULL;
	SCOPED_BUF(text, 4096);
	bool read = file_set_read_as(FILE_ROTATES, &text, path);
	struct span s = span_trim(buf_view(&text), " \r\n");
	if (!read || s.n == 0 || buf_failed(&text) || !is_printable_name(s))
		diag_at(b->d, n, "token_file: %s: %s", path,
			read ? "one line of at most 4096 bytes is expected" : "cannot be read");
	else
		line = arena_printf(b->a, "Authorization: Bearer %.*s", SPAN_ARG(s)).p;
	return line;
}

static void
connection(struct making *m)
{
	struct external *x = m->x;
	const struct yaml_node *c = read_needed(m->b->d, m->n, m->n, NULL, "url"),
			       *h = yaml_get(m->n, "headers");
	const char *why, *line;

	x->url = "";
	if (c && read_text(m->b->d, c, "url", &x->url) && (why = http_url_check(x->url)))
		diag_at(m->b->d, c, "url: %s", why);
	x->fields = build_array(
		m->b, m->n, 2 + (h && h->kind == YAML_MAPPING ? h->count : 0), sizeof(char *));
	if (!x->fields || !add_field(m, m->n, SPAN_LIT("Content-Type: application/json")))
		return;
	if (h)
		headers(m, h);
	if ((c = yaml_get(m->n, "token_file")) && (line = build_bearer(m->b, c)))
		add_field(m, c, span_str(line));
	if (x->ca_file && access(x->ca_file, R_OK) < 0)
		diag_at(m->b->d, yaml_get(m->n, "ca_file"), "ca_file: %s: cannot be read",
			x->ca_file);
}

/* What is remembered of it, and when it is left in peace. */
static void
bounds(struct making *m)
{
	const struct yaml_node *c = yaml_get(m->n, "cache");
	bool on = true;

	if (c && c->kind == YAML_SCALAR) {
		if (read_bool(m->b->d, c, &on) && !on)
			m->x->cache_entries = 0;
	} else if (c) {
		build_section(m->b, c, SECTION_CACHE, m->x);
	}
	build_section(m->b, yaml_get(m->n, "breaker"), SECTION_BREAKER, m->x);
}

/* ---- the whole ---- */

static void
make_external(struct making *m, const struct external *before, size_t nbefore)
{
	struct external *x = m->x;
	const struct yaml_node *c;
	bool reads_body = false;
	uint16_t roles;

	*x = (struct external){ .name = "",
		.at = m->n,
		.rec = { .name = "", .language = "en", .source = (unsigned)nbefore + 1 },
		.timeout_us = 80 * MS,
		.concurrency = 8,
		.max_bytes = 64 << 10,
		.cache_entries = 10000,
		.cache_ttl_us = 600 * SECOND_US,
		.breaker_failures = 5,
		.breaker_open_us = 2 * SECOND_US,
		.roles = ~(1u << ROLE_KEY | 1u << ROLE_PATH) };
	if (!build_section(m->b, m->n, SECTION_EXTERNAL, x))
		return;
	build_own_name(m->b, m->n, 64, &x->name, before, nbefore, sizeof(*x));
	x->rec.name = x->name;
	shape(m);
	entities(m);
	if ((c = yaml_get(m->n, "roles"))) {
		build_roles(m->b, c, UINT16_MAX, &roles);
		x->roles = roles;
	}
	connection(m);
	bounds(m);
	if ((c = yaml_get(m->n, "when"))) {
		x->when = build_condition(m->b, c, &reads_body);
		x->reads_target = build_reads_target(x->when);
	}
	x->own_outcome = yaml_get(m->n, "on_failure") != NULL;
}

void
build_external(struct builder *b, const struct yaml_node *n)
{
	struct external *list = build_list(b, n, "external", sizeof(*list));

	if (!list)
		return;
	b->p->externals = list;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		struct making m = { .b = b, .n = c, .x = &list[b->p->nexternals] };
		if (b->p->nexternals == CAP_RECOGNIZERS) {
			diag_at(b->d, c, "more than %d external recognizers", CAP_RECOGNIZERS);
			return;
		}
		make_external(&m, list, b->p->nexternals);
		b->p->nexternals++;
	}
}
