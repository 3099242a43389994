/* Compiles a policy: reads the top-level keys and calls the sections in the order that they
 * need (classes before the rules that name them, providers before routes). All errors are
 * reported; after any error, no policy is returned. The version is SHA-256 over the meaning of
 * the policy. Mappings are sorted by key, sequences keep their order, and scalars count by
 * their text, so comments, layout, quoting, anchors and the order of keys do not matter. The
 * version also covers the detectors, the price list, the polite phrases of a cache, and the
 * injection model if it is used, because with other detectors the same text has another
 * meaning. The length precedes every piece, so that two trees never have the same
 * serialization. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/wall.h"
#include "policy/build.h"
#include "policy/config/config.h"
#include "policy/config/include.h"
#include "policy/courtesy.h"
#include "policy/policy.h"
#include "scan/inject/inject.h"

/* Hashes one piece: its kind, its length and its bytes. */
static bool
hash_piece(EVP_MD_CTX *h, char kind, struct span s)
{
	char head[32];
	int n = snprintf(head, sizeof(head), "%c%zu:", kind, s.n);

	return EVP_DigestUpdate(h, head, (size_t)n) == 1 &&
	       (s.n == 0 || EVP_DigestUpdate(h, s.p, s.n) == 1);
}

static int
version_by_key(const void *x, const void *y)
{
	const struct yaml_node *a = *(const struct yaml_node *const *)x;
	const struct yaml_node *b = *(const struct yaml_node *const *)y;

	return strcmp(a->key->s.p, b->key->s.p); /* yaml.c refuses NUL */
}

/* Hashes a tree of nodes. */
static bool
hash_tree(EVP_MD_CTX *h, const struct yaml_node *n)
{
	static const struct span none = { NULL, 0 };
	bool map = n->kind == YAML_MAPPING;
	size_t count = 0;

	if (n->kind == YAML_SCALAR && yaml_is_null(n))
		return hash_piece(h, 'n', none);
	/* a block scalar ends with a newline, and the same text in quotes does not */
	if (n->kind == YAML_SCALAR)
		return hash_piece(h, 's', span_trim(n->s, " \t\r\n"));
	const struct yaml_node **c = calloc(n->count + 1, sizeof(const struct yaml_node *));
	bool ok = c != NULL && hash_piece(h, map ? '{' : '[', none);
	for (const struct yaml_node *x = n->child; ok && x; x = x->next)
		c[count++] = x;
	if (ok && map)
		qsort(c, count, sizeof(*c), version_by_key);
	for (size_t i = 0; ok && i < count; i++)
		ok = (!map || hash_piece(h, 'k', c[i]->key->s)) && hash_tree(h, c[i]);
	free(c);
	return ok && hash_piece(h, map ? '}' : ']', none);
}

/* Hashes the polite phrases that routes with `near` or `semantic` use. */
static bool
hash_phrases(const struct builder *b, EVP_MD_CTX *h)
{
	bool ok = true;

	for (size_t i = 0; ok && i < b->p->nroutes; i++) {
		const struct route_cache *c = &b->routes[i].cache;
		if (c->near || c->semantic)
			ok = hash_piece(h, 'c', span_str(b->routes[i].name));
		if (ok && c->near)
			ok = hash_tree(h, c->near->tree);
		if (ok && c->semantic)
			ok = hash_tree(h, c->semantic->words->tree);
	}
	return ok;
}

/* Sets p->version and p->label. Returns false if memory is exhausted. */
static bool
build_version(struct builder *b, const struct yaml_node *root)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	EVP_MD_CTX *h = EVP_MD_CTX_new();
	bool ok =
		h && EVP_DigestInit_ex(h, EVP_sha256(), NULL) == 1 &&
		hash_piece(h, 'v', SPAN_LIT("tollgate-policy-1")) && hash_tree(h, root) &&
		hash_piece(h, 'd', span_str(detect_version(b->rules))) &&
		(!b->prices_root || (hash_piece(h, 'p', SPAN_LIT("prices")) &&
					    hash_tree(h, b->prices_root))) &&
		hash_phrases(b, h) &&
		(!b->p->scores || hash_piece(h, 'i', span_str(inject_version(b->p->inject)))) &&
		EVP_DigestFinal_ex(h, md, &len) == 1 && len == 32;

	EVP_MD_CTX_free(h);
	for (size_t i = 0; ok && i < len; i++)
		snprintf(b->p->version + 2 * i, 3, "%02x", md[i]);
	if (ok) {
		struct span label = arena_printf(b->a, "%s@%.12s", b->p->name, b->p->version);
		b->p->label = label.p;
		ok = label.p != NULL;
	}
	return ok;
}

/* ---- functions for all sections ---- */

bool
build_section(struct builder *b, const struct yaml_node *n, enum section_name which, void *out)
{
	return n && section_read(b->a, b->d, n, which, out);
}

void *
build_array(struct builder *b, const struct yaml_node *at, size_t n, size_t size)
{
	return read_array(b->a, b->d, at, n, size);
}

void *
build_list(struct builder *b, const struct yaml_node *n, const char *what, size_t size)
{
	return n && read_list(b->d, n, what) ? build_array(b, n, n->count, size) : NULL;
}

const struct yaml_node *
build_each(struct builder *b, const struct yaml_node *n, const char *what, const char ***out,
	size_t *count)
{
	return read_each(b->a, b->d, n, what, out, count);
}

struct yaml_node
build_at(const struct builder *b, const struct yaml_node *n)
{
	return n ? *n : (struct yaml_node){ .line = 1, .column = 1, .file = b->file };
}

bool
build_name(struct builder *b, const struct yaml_node *n, size_t max, const char **out)
{
	bool ok = n->kind == YAML_SCALAR && n->s.n > 0 && n->s.n <= max &&
		  span_is_alnum(n->s, "._-:/");

	if (ok)
		*out = n->s.p;
	else
		diag_at(b->d, n,
			"a name of 1 to %zu letters, digits and . _ - : / is expected, found "
			"%s",
			max, yaml_found(n));
	return ok;
}

bool
build_path(struct builder *b, const struct yaml_node *n, const char **out)
{
	if (!read_path(b->a, b->d, n, out))
		return false;
	diag_reads(b->d, *out);
	return true;
}

bool
build_rotating_path(struct builder *b, const struct yaml_node *n, const char **out)
{
	if (!read_path(b->a, b->d, n, out))
		return false;
	diag_rotates(b->d, *out);
	return true;
}

bool
build_own_name(struct builder *b, const struct yaml_node *n, size_t max, const char **out,
	const void *taken, size_t ntaken, size_t stride)
{
	const struct yaml_node *c = read_needed(b->d, n, n, NULL, "name");

	if (!c || !build_name(b, c, max, out))
		return false;
	for (size_t i = 0; i < ntaken; i++) {
		struct {
			const char *name;
			const struct yaml_node *at;
		} other;
		memcpy(&other, (const char *)taken + i * stride, sizeof(other));
		if (other.name && !strcmp(other.name, *out)) {
			diag_at(b->d, c, "name: %s is already used, at %s:%u:%u", *out,
				other.at->file, other.at->line, other.at->column);
			return false;
		}
	}
	return true;
}

bool
build_backend(struct builder *b, const struct yaml_node *n, const char **out)
{
	struct nearest near = nearest_to(n->s);

	if (!build_name(b, n, 128, out))
		return false;
	if (!b->cfg || nearest_find(&near, b->cfg->backends, b->cfg->nbackends,
			       sizeof(char *)) < b->cfg->nbackends)
		return true;
	diag_at(b->d, n, "backend: %s is not one of the backends in %s%s", *out, b->cfg->file,
		nearest_hint(&near));
	return false;
}

/* on_failure.classifier: an outcome, or a mapping of classes to outcomes. */
static void
classifier_failure(struct builder *b, const struct yaml_node *n, struct on_failure *out)
{
	struct class_outcome *v;
	unsigned word;

	out->by_class = NULL;
	out->nby_class = 0;
	out->classifier = OUT_DENY;
	if (n->kind != YAML_MAPPING) {
		if (read_word(b->d, n, outcome_words, &word))
			out->classifier = (enum outcome)word;
		return;
	}
	if (n->count == 0)
		diag_at(b->d, n, "classifier: the mapping is empty");
	out->by_class = v = build_array(b, n, n->count, sizeof(*v));
	for (const struct yaml_node *c = n->child; c && v; c = c->next) {
		struct nearest near = nearest_to(c->key->s);
		size_t k = nearest_find(
			&near, b->p->classes, b->p->nclasses, sizeof(*b->p->classes));
		if (!read_word(b->d, c, outcome_words, &word))
			continue;
		if (span_is(c->key->s, "default"))
			out->classifier = (enum outcome)word;
		else if (k < b->p->nclasses)
			v[out->nby_class++] = (struct class_outcome){ k, (enum outcome)word };
		else
			diag_at(b->d, c->key,
				"classifier: a class or default is expected, found %s%s",
				c->key->s.p, nearest_hint(&near));
	}
}

void
build_on_failure(struct builder *b, const struct yaml_node *n, struct on_failure *out)
{
	const struct yaml_node *quota = yaml_get(n, "quota"),
			       *classifier = yaml_get(n, "classifier");

	if (!build_section(b, n, SECTION_ON_FAILURE, out))
		return;
	if (quota)
		build_quota_failure(b, quota, out);
	if (classifier)
		classifier_failure(b, classifier, out);
}

/* ---- observe ---- */

/* Reads `observe` of a policy: hosts whose callers without a key are passed to `backend` until
 * a date, while a deployment moves to the gateway. */

/* until: 2026-12-31: the end of the observation, at most OBSERVE_DAYS_MAX days ahead. */
static void
observe_until(struct builder *b, const struct yaml_node *n, struct observe *o)
{
	char latest[CLOCK_RFC3339_LEN];
	int64_t most = wall_now_ns() + OBSERVE_DAYS_MAX * CLOCK_DAY_NS;

	clock_rfc3339(most, latest);
	if (n->kind != YAML_SCALAR || (clock_parse_day(n->s.p, n->s.n, &o->until_ns) < 0 &&
					      clock_parse(n->s.p, n->s.n, &o->until_ns) < 0))
		diag_at(b->d, n,
			"until: a date such as 2026-12-31 (its first moment, UTC) or a time "
			"such as 2026-12-31T18:00:00Z is expected, found %s",
			yaml_found(n));
	else if (o->until_ns > most)
		diag_at(b->d, n,
			"until: %s is more than %d days ahead: the last possible day is %.10s",
			n->s.p, OBSERVE_DAYS_MAX, latest);
}

static void
build_observe(struct builder *b, const struct yaml_node *n)
{
	static const char *const needed[] = { "hosts", "backend", "until" };
	struct observe *o = &b->p->observe;
	const struct yaml_node *c;

	if (!n || !build_section(b, n, SECTION_OBSERVE, NULL))
		return;
	o->at = n->key;
	for (size_t i = 0; i < COUNT_OF(needed); i++)
		if (!yaml_get(n, needed[i]))
			diag_at(b->d, n->key, "observe: %s is missing", needed[i]);
	build_hosts(b, yaml_get(n, "hosts"), "hosts", &o->hosts, &o->nhosts);
	if ((c = yaml_get(n, "backend")))
		build_backend(b, c, &o->backend);
	if ((c = yaml_get(n, "until")))
		observe_until(b, c, o);
}

/* ---- conversation ---- */

/* Reads `conversation` of a policy: the fields of a request that name its conversation, in the
 * order in which they are tried, as in [{header: x-session}, dialect, hash]. */

static void
conversation_header(
	struct builder *b, const struct yaml_node *n, struct conversation_source *out)
{
	char *name = NULL;

	if (!build_section(b, n, SECTION_CONVERSATION, out))
		return;
	if (!out->header) {
		diag_at(b->d, n, "conversation: header is missing");
		return;
	}
	name = arena_strdup(b->a, out->header);
	if (!name)
		return;
	struct span s = span_str(name);
	ascii_lower(name, s.n);
	if (s.n > 64 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != s.n ||
		span_starts(s, SPAN_LIT("x-tollgate-")))
		diag_at(b->d, yaml_get(n, "header"),
			"header: the name of a header that callers send is expected, found %s",
			name);
	out->header = name;
}

/* n NULL: the default. */
static void
build_conversation(struct builder *b, const struct yaml_node *n)
{
	struct policy *p = b->p;

	if (!n) {
		p->conversation[p->nconversation++].kind = CONVERSATION_DIALECT;
		p->conversation[p->nconversation++].kind = CONVERSATION_HASH;
		return;
	}
	if (!read_list(b->d, n, "conversation"))
		return;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		size_t last = p->nconversation;
		if (last == CONVERSATION_MAX) {
			diag_at(b->d, c, "conversation: more than %d", CONVERSATION_MAX);
			return;
		}
		if (last && p->conversation[last - 1].kind == CONVERSATION_HASH)
			diag_at(b->d, c,
				"conversation: hash always finds a conversation, so entries "
				"after hash are never tried");
		struct conversation_source *s = &p->conversation[p->nconversation++];
		if (c->kind == YAML_MAPPING)
			conversation_header(b, c, s);
		else if (c->kind == YAML_SCALAR && span_is(c->s, "dialect"))
			s->kind = CONVERSATION_DIALECT;
		else if (c->kind == YAML_SCALAR && span_is(c->s, "hash"))
			s->kind = CONVERSATION_HASH;
		else
			diag_at(b->d, c,
				"conversation: dialect, hash or {header: NAME} is expected, "
				"found %s",
				yaml_found(c));
	}
	if (n->count == 0)
		diag_at(b->d, n, "conversation: the list is empty");
}

/* ---- tags ---- */

/* Reads `tags` of a policy: fields of a request that become tags of its record, as in [user,
 * {metadata: project}]. */

#define USER "user"

/* A metadata name must be one that can be written before a colon, because a tag is
 * NAME:VALUE. */
static void
tag_of_metadata(struct builder *b, const struct yaml_node *n, struct tag_source *out)
{
	static const char accepted[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789_-.";

	if (!build_section(b, n, SECTION_TAG, out))
		return;
	if (!out->metadata) {
		diag_at(b->d, n, "tags: metadata is missing");
		return;
	}
	size_t len = strlen(out->metadata);
	if (!len || len > TAG_NAME_MAX || strspn(out->metadata, accepted) != len)
		diag_at(b->d, yaml_get(n, "metadata"),
			"metadata: a name of at most %d letters, digits, _, - and . is "
			"expected, found %.80s",
			TAG_NAME_MAX, out->metadata);
	else
		out->metadata = arena_strdup(b->a, out->metadata);
}

static const char *
tag_name(const struct tag_source *s)
{
	return s->metadata ? s->metadata : USER;
}

static void
build_tag_sources(struct builder *b, const struct yaml_node *n)
{
	struct policy *p = b->p;

	if (!n || !read_list(b->d, n, "tags"))
		return;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		if (p->ntags == TAG_SOURCES_MAX) {
			diag_at(b->d, c, "tags: more than %d", TAG_SOURCES_MAX);
			return;
		}
		struct tag_source *s = &p->tags[p->ntags++];
		if (c->kind == YAML_MAPPING)
			tag_of_metadata(b, c, s);
		else if (c->kind != YAML_SCALAR || !span_is(c->s, USER))
			diag_at(b->d, c, "tags: user or {metadata: NAME} is expected, found %s",
				yaml_found(c));
		for (size_t i = 0; i + 1 < p->ntags; i++)
			if (!strcmp(tag_name(&p->tags[i]), tag_name(s)))
				diag_at(b->d, c, "tags: %s is listed twice", tag_name(s));
	}
	if (n->count == 0)
		diag_at(b->d, n, "tags: the list is empty");
}

/* ---- whole policy ---- */

static void
build_head(struct builder *b, const struct yaml_node *root)
{
	const struct yaml_node *c;
	int64_t version;

	if (!(c = yaml_get(root, "tollgate")))
		diag_at(b->d, root,
			"tollgate: the version of the language is missing: add tollgate: 1");
	else if (!yaml_int(c, &version) || version != 1)
		diag_at(b->d, c, "tollgate: 1 is expected, found %s", yaml_found(c));
	if ((c = read_needed(b->d, root, root, NULL, "name")))
		build_name(b, c, 64, &b->p->name);
}

const struct policy *
policy_compile(struct arena *a, const struct yaml_node *root, const char *file,
	const struct config *cfg, struct detect_rules *rules, struct diag *d)
{
	/* checks of the whole policy, made only if all sections are correct */
	static void (*const of_all[])(
		struct builder *) = { build_names, build_used, build_answers, build_aliases };
	unsigned errors = d->errors;
	struct policy *p = arena_new(a, struct policy);
	struct builder b = { .a = a, .d = d, .file = file, .cfg = cfg, .rules = rules, .p = p };
	const struct yaml_node *c;

	if (!p) {
		diag_at(d, root, "out of memory");
		return NULL;
	}
	p->file = arena_strdup(a, file);
	p->name = "";
	p->output_default = 4096;
	p->tool_calls_default = 10;
	if (!build_section(&b, root, SECTION_POLICY, p))
		return NULL;
	if ((c = yaml_get(root, "include")))
		diag_at(d, c->key, "include: is only possible in a file");
	build_head(&b, root);
	build_observe(&b, yaml_get(root, "observe"));
	build_identity(&b, yaml_get(root, "identity"));
	build_data(&b, yaml_get(root, "data"));
	build_conversation(&b, yaml_get(root, "conversation"));
	build_tag_sources(&b, yaml_get(root, "tags"));
	build_output_default(&b, yaml_get(root, "output_default"));
	if ((c = yaml_get(root, "detectors")) && c->kind == YAML_MAPPING)
		build_external(&b, yaml_get(c, "external"));
	build_classes(&b, yaml_get(root, "classes"));
	build_detectors(&b, yaml_get(root, "detectors"));
	build_section(&b, yaml_get(root, "placeholder"), SECTION_PLACEHOLDER, p);
	build_on_failure(&b, yaml_get(root, "on_failure"), &p->on_failure);
	build_prices(&b, root);
	build_providers(&b, yaml_get(root, "providers"));
	build_credentials(&b);
	if ((c = yaml_get(root, "routes")))
		build_routes(&b, c);
	else
		diag_at(d, root,
			"routes is missing, so every request would be refused: add a route");
	build_models(&b, yaml_get(root, "models"));
	build_operations(&b, yaml_get(root, "operations"));
	build_rules(&b, yaml_get(root, "rules"));
	build_limits(&b, yaml_get(root, "limits"));
	for (size_t i = 0; i < COUNT_OF(of_all) && d->errors == errors; i++)
		of_all[i](&b);
	if (d->errors == errors && (!build_version(&b, root) || arena_failed(a)))
		diag_at(d, root, "out of memory");
	return d->errors == errors ? p : NULL;
}

const struct policy *
policy_load(struct arena *a, const char *file, const struct config *cfg,
	struct detect_rules *rules, struct diag *d)
{
	const struct yaml_node *root = policy_tree(a, file, d);

	return root ? policy_compile(a, root, file, cfg, rules, d) : NULL;
}
