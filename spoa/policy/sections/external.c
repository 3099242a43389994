/* Reads detectors.external: recognizers that are asked over HTTP, which segments they receive,
 * and what happens if they do not answer. Entities that no rule file has are added to the rules
 * here, so that classes and rules can name them. No recognizer is asked while a policy is
 * read. */
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
#include "policy/config/config.h"
#include "policy/external.h"
#include "policy/policy.h"
#include "scan/recognizer/recognizer.h"
#include "scan/text/body.h"

/* the categories of OpenAI's omni-moderation */
static const char *const categories[] = { "harassment", "harassment/threatening", "hate",
	"hate/threatening", "illicit", "illicit/violent", "self-harm", "self-harm/intent",
	"self-harm/instructions", "sexual", "sexual/minors", "violence", "violence/graphic" };
enum { NCATEGORIES = COUNT_OF(categories), LABELS_MAX = 512 };

/* One item of the list while it is read. Lives on the stack of build_external(). */
struct making {
	struct builder *b;
	const struct yaml_node *n;
	struct external *x;
	const char *class;
	struct recognizer_label *labels; /* x->rec.labels */
};

/* Returns the value of a key that only recognizers of `shape` have. Reports an error and
 * returns NULL if this one has another shape. */
static const struct yaml_node *
only_for(struct making *m, const char *key, enum recognizer_shape shape)
{
	const struct yaml_node *c = yaml_get(m->n, key);

	if (!c || m->x->rec.shape == shape)
		return c;
	diag_at(m->b->d, c->key, "%s: is for shape: %s only", key, shape_words[shape]);
	return NULL;
}

/* ---- entities ---- */

/* Adds an entity to the rules and to the recognizer's set. Returns its number, or -1 after it
 * reported an error. */
static int
add_external_entity(struct making *m, const struct yaml_node *at, const char *name)
{
	int e = detect_entity_add(m->b->rules, name, m->class);

	if (e >= 0)
		entity_add(&m->x->entities, (size_t)e);
	else if (detect_entity_count(m->b->rules) == DETECT_ENTITIES_MAX)
		diag_at(m->b->d, at, "%s: more than %d entities", name, DETECT_ENTITIES_MAX);
	else
		diag_at(m->b->d, at,
			"%s: the name of an entity is at most 63 upper case letters, digits "
			"and _",
			name);
	return e;
}

/* Adds a name that the recognizer uses (`theirs`) for entity `e`. The first of equal names
 * counts. */
static void
add_label(struct making *m, const struct yaml_node *at, const char *theirs, int e)
{
	struct recognizer *r = &m->x->rec;

	if (e < 0)
		return;
	for (size_t i = 0; i < r->nlabels; i++)
		if (!strcmp(r->labels[i].theirs, theirs))
			return;
	if (r->nlabels == LABELS_MAX)
		diag_at(m->b->d, at, "more than %d names of entities", LABELS_MAX);
	else
		m->labels[r->nlabels++] = (struct recognizer_label){ theirs, (uint16_t)e };
}

/* Adds one entity of a name of the map. */
static void
add_mapped(struct making *m, const struct yaml_node *c, const struct yaml_node *key)
{
	struct recognizer *r = &m->x->rec;

	if (c->kind != YAML_SCALAR || (yaml_is_null(c) && r->shape != SHAPE_JSON)) {
		diag_at(m->b->d, c, "map: the name of an entity is expected, found %s",
			yaml_type_name(c));
		return;
	}
	if (r->nlabels == LABELS_MAX) {
		diag_at(m->b->d, c, "more than %d names of entities", LABELS_MAX);
	} else if (yaml_is_null(c)) {
		r->closed = true;
		m->labels[r->nlabels++] =
			(struct recognizer_label){ key->s.p, LABEL_HARMLESS };
	} else {
		int e = add_external_entity(m, c, c->s.p);
		if (e >= 0)
			m->labels[r->nlabels++] =
				(struct recognizer_label){ key->s.p, (uint16_t)e };
	}
}

/* map: {PER: PERSON}: the recognizer's names, each with our entity. With shape: json, a name may
 * have several entities, or null if it means that nothing was found. */
static void
read_label_map(struct making *m, const struct yaml_node *n)
{
	bool lists = m->x->rec.shape == SHAPE_JSON;

	if (n->kind != YAML_MAPPING || n->count == 0) {
		diag_at(m->b->d, n,
			"map: names of the recognizer, each with an entity, are expected, "
			"found %s",
			n->kind == YAML_MAPPING ? "nothing" : yaml_type_name(n));
		return;
	}
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		if (c->key->s.n > 128)
			diag_at(m->b->d, c->key,
				"map: a name of at most 128 bytes is expected");
		else if (lists && c->kind == YAML_SEQUENCE && c->count)
			for (const struct yaml_node *v = c->child; v; v = v->next)
				add_mapped(m, v, c->key);
		else
			add_mapped(m, c, c->key);
	}
	if (m->x->rec.closed && !entities_any(&m->x->entities))
		diag_at(m->b->d, n, "map: no name has an entity, so that nothing can be found");
}

/* Returns true if the map has a name for the entity. */
static bool
has_mapped_label(const struct making *m, int e)
{
	for (size_t i = 0; i < m->x->rec.nlabels; i++)
		if (m->x->rec.labels[i].entity == e)
			return true;
	return false;
}

/* entities: [PERSON, …]: entities that the map does not rename have the same name at the
 * recognizer. */
static void
add_listed_entities(struct making *m, const struct yaml_node *n)
{
	const struct yaml_node *c = build_each(m->b, n, "entities", NULL, NULL);

	for (; c; c = yaml_next(n, c)) {
		int e = add_external_entity(m, c, c->s.p);
		if (!has_mapped_label(m, e))
			add_label(m, c, c->s.p, e);
	}
}

/* Returns the entity of a category: "violence/graphic" becomes MODERATION_VIOLENCE_GRAPHIC. */
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

/* Without a list, all documented categories are asked for, and MODERATION_FLAGGED stands for
 * categories that are added later. With a list, only its categories count. */
static void
add_categories(struct making *m, const struct yaml_node *list)
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
				add_label(m, m->n, categories[i],
					add_external_entity(
						m, m->n, category_entity(m, categories[i])));
		}
		r->flagged = add_external_entity(m, m->n, "MODERATION_FLAGGED");
	}
	for (; c; c = yaml_next(list, c)) {
		struct nearest near = nearest_to(c->s);
		bool known = has_mapped_label(m, detect_entity_find(m->b->rules, c->s));
		for (size_t i = 0; i < NCATEGORIES && !known; i++) {
			const char *name = category_entity(m, categories[i]);
			if ((known = nearest_is(&near, name)))
				add_label(m, c, categories[i], add_external_entity(m, c, name));
		}
		if (!known && (known = span_is(c->s, "MODERATION_FLAGGED")))
			r->flagged = add_external_entity(m, c, "MODERATION_FLAGGED");
		if (!known)
			diag_at(m->b->d, c,
				"entities: the moderation API has no category %s%s: name it "
				"in map",
				c->s.p, nearest_hint(&near));
	}
}

/* Reads class, map and entities. */
static void
external_entities(struct making *m)
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
		read_label_map(m, names);
	struct entity_set of_map = m->x->entities;
	if (m->x->rec.shape == SHAPE_MODERATION) {
		add_categories(m, list);
		return;
	}
	if (!list && !names)
		diag_at(m->b->d, m->n, "entities is missing");
	if (!list)
		return;
	m->x->entities = (struct entity_set){ { 0 } };
	add_listed_entities(m, list);
	/* an entity that the map names and the list does not have would never be asked for */
	for (c = names && names->kind == YAML_MAPPING ? names->child : NULL; c; c = c->next) {
		int e = c->kind == YAML_SCALAR ? detect_entity_find(m->b->rules, c->s) : -1;
		if (e >= 0 && !entity_in(&m->x->entities, (size_t)e))
			diag_at(m->b->d, c, "map: %s is not one of the entities", c->s.p);
	}
	entities_join(&m->x->entities, &of_map);
}

/* ---- shape: json ---- */

/* request: a JSON document in which $text, or $texts for a list, stands where a value would be.
 * The part before and the part after are kept. A sample is parsed to check that the result is
 * JSON. */
static void
request_template(struct making *m, const struct yaml_node *n)
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
		diag_at(m->b->d, n, "request: $text or $texts is expected exactly once");
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
			"request: is not a JSON document when $text is replaced by a string");
}

/* label: [POINTER, …]: each place has a name. Keeps the pointers after the first, and returns the
 * node of the first. */
static const struct yaml_node *
read_label_places(struct making *m, const struct yaml_node *list)
{
	struct recognizer *r = &m->x->rec;
	const char **others = build_array(m->b, list, list->count, sizeof(*others));

	if (!others || !list->count)
		return list;
	for (const struct yaml_node *c = list->child->next; c; c = c->next) {
		if (c->kind != YAML_SCALAR || !recognizer_pointer(c->s.p))
			diag_at(m->b->d, c, "label: a JSON pointer such as /label is expected, found %s",
				yaml_found(c));
		others[r->nothers++] = c->s.p;
	}
	r->others = others;
	return list->child;
}

/* answer: {results, items, label, score}: JSON pointers (RFC 6901) into the response. */
static void
read_answer(struct making *m, const struct yaml_node *n)
{
	struct recognizer *r = &m->x->rec;
	static const char *const names[] = { "results", "items", "label", "score" };
	const char **const places[] = { &r->results, &r->items, &r->label, &r->score };

	r->results = r->items = "";
	r->label = "/label";
	r->score = "/score";
	r->score_max = 1.0;
	if (!n || !build_section(m->b, n, SECTION_ANSWER, NULL))
		return;
	if (yaml_get(n, "label") && !yaml_get(n, "score"))
		r->score = NULL;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		const struct yaml_node *c = yaml_get(n, names[i]);
		if (!c)
			continue;
		if (c->kind == YAML_SEQUENCE && places[i] == &r->label)
			c = read_label_places(m, c);
		if (c->kind != YAML_SCALAR || !recognizer_pointer(c->s.p))
			diag_at(m->b->d, c,
				"%s: a JSON pointer such as /%s is expected, found %s",
				names[i], names[i], yaml_found(c));
		else
			*places[i] = c->s.p;
	}
	const struct yaml_node *max = yaml_get(n, "score_max");
	if (max && (!yaml_double(max, &r->score_max) || !(r->score_max > 0)))
		diag_at(m->b->d, max, "score_max: a number above 0 is expected, found %s",
			yaml_found(max));
	if (yaml_get(n, "results") && !r->batch)
		diag_at(m->b->d, yaml_get(n, "results")->key,
			"results: is for a request with $texts only");
}

/* Reads the keys that depend on `shape`. */
static void
read_shape(struct making *m)
{
	struct recognizer *r = &m->x->rec;
	const struct yaml_node *c = yaml_get(m->n, "batch");

	if (!c)
		r->batch = r->shape != SHAPE_JSON;
	else if (r->shape == SHAPE_JSON)
		diag_at(m->b->d, c->key,
			"batch: a request with $texts is a batch already: remove it");
	r->score_threshold = r->shape == SHAPE_MODERATION ? -1.0 : 0.5;
	only_for(m, "language", SHAPE_PRESIDIO);
	only_for(m, "model", SHAPE_MODERATION);
	const struct yaml_node *asked = only_for(m, "request", SHAPE_JSON),
			       *said = only_for(m, "answer", SHAPE_JSON);
	if (r->shape == SHAPE_JSON) {
		request_template(m, asked);
		read_answer(m, said);
	}
	if ((c = yaml_get(m->n, "score_threshold")))
		read_score(m->b->d, c, &r->score_threshold);
}

/* ---- the HTTP request ---- */

static bool
add_field(struct making *m, const struct yaml_node *at, struct span line)
{
	if (line.p)
		m->x->fields[m->x->nfields++] = line.p;
	else
		diag_at(m->b->d, at, "out of memory");
	return line.p != NULL;
}

/* Returns true for letters, digits, - and _, except names that frame the message. */
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
external_headers(struct making *m, const struct yaml_node *n)
{
	if (!read_map(m->b->d, n, "headers", NULL, NULL))
		return;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		const char *v;
		if (!header_ok(c->key->s))
			diag_at(m->b->d, c->key, "headers: %s cannot be set%s", c->key->s.p,
				span_ieq(c->key->s, SPAN_LIT("authorization"))
					? ": use token_file: FILE to send a bearer token"
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

/* Returns true if an https URL has another host than the one that a signature covers. */
static bool
signs_for_another(const struct provider_credential *c, const char *url)
{
	struct span host = span_str(url);

	if (c->kind != BY_SIGV4 || !c->host || !span_starts(host, SPAN_LIT("https://")))
		return false;
	host = span_cut(host, strlen("https://"), host.n);
	host.n = strcspn(host.p, "/?");
	return !span_ieq(host, span_str(c->host));
}

/* credential: NAME, an entry of `credentials` in tollgate.yaml. `tollgate decide` has no
 * configuration, and sends nothing. */
static void
external_credential(struct making *m, const struct yaml_node *c)
{
	const struct config *cfg = m->b->cfg;
	struct nearest near = nearest_to(c->s);
	const char *name;
	size_t i = 0;

	if (!read_text(m->b->d, c, "credential", &name))
		return;
	if (yaml_get(m->n, "token_file"))
		diag_at(m->b->d, c, "credential: a recognizer has one credential: remove token_file");
	while (cfg && i < cfg->ncredentials && !nearest_is(&near, cfg->credentials[i].provider))
		i++;
	if (!cfg)
		return;
	if (i == cfg->ncredentials) {
		diag_at(m->b->d, c, "credential: %s has no credential %s%s", cfg->file, name,
			nearest_hint(&near));
		return;
	}
	m->x->credential = &cfg->credentials[i];
	if (signs_for_another(m->x->credential, m->x->url))
		diag_at(m->b->d, c,
			"credential: %s signs requests to %s, and url has another host: set its "
			"region, or host",
			name, m->x->credential->host);
}

static void
external_connection(struct making *m)
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
		external_headers(m, h);
	if ((c = yaml_get(m->n, "token_file")) && (line = build_bearer(m->b, c)))
		add_field(m, c, span_str(line));
	if ((c = yaml_get(m->n, "credential")))
		external_credential(m, c);
	if (x->ca_file && access(x->ca_file, R_OK) < 0)
		diag_at(m->b->d, yaml_get(m->n, "ca_file"), "ca_file: %s: cannot be read",
			x->ca_file);
}

/* cache and breaker: how many results are kept, and when a failing recognizer is left alone. */
static void
cache_and_breaker(struct making *m)
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

/* ---- one recognizer ---- */

/* Reads one item of the list. `before` are the items that were read already, for unique
 * names. */
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
	read_shape(m);
	external_entities(m);
	if ((c = yaml_get(m->n, "roles"))) {
		build_roles(m->b, c, UINT16_MAX, &roles);
		x->roles = roles;
	}
	external_connection(m);
	cache_and_breaker(m);
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
