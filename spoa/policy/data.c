/* Reads `data` of a policy. A file is read and checked with the policy and belongs to its
 * snapshot, so every request sees the same rows from its beginning to its end. */
#include "base/ascii.h"
#include "base/codec/json_text.h"
#include "policy/data.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/err.h"
#include "base/fetch/http_client.h"
#include "base/search.h"
#include "policy/build.h"
#include "policy/config/config.h"
#include "policy/env.h"
#include "policy/policy.h"

/* ---- values ---- */

static int json_value(
	json_t *v, unsigned depth, bool caseless, struct arena *a, struct cel_value *out);

/* Converts an object. After an error, conversion continues, so that the value is complete. */
static int
map_of(json_t *o, unsigned depth, bool caseless, struct arena *a, struct cel_value *out)
{
	struct cel_value *pairs = arena_array(a, 2 * json_object_size(o), sizeof(*pairs));
	const char *key;
	json_t *v;
	size_t n = 0;
	int err = pairs ? 0 : ERR_NOMEM;

	json_object_foreach(o, key, v)
	{
		if (!pairs)
			break;
		pairs[2 * n] = cel_string(arena_dup(a, span_str(key)));
		int e = json_value(v, depth, caseless, a, &pairs[2 * n + 1]);
		err = err ? err : e;
		n++;
	}
	*out = (struct cel_value){
		.type = CEL_MAP, .caseless = caseless, .list = { pairs, n }
	};
	return err;
}

static int
cel_list_of(json_t *l, unsigned depth, bool caseless, struct arena *a, struct cel_value *out)
{
	size_t n = json_array_size(l);
	struct cel_value *v = arena_array(a, n, sizeof(*v));
	int err = v ? 0 : ERR_NOMEM;

	for (size_t i = 0; v && i < n; i++) {
		int e = json_value(json_array_get(l, i), depth, caseless, a, &v[i]);
		err = err ? err : e;
	}
	*out = cel_list(v, v ? n : 0);
	return err;
}

static int
json_value(json_t *v, unsigned depth, bool caseless, struct arena *a, struct cel_value *out)
{
	*out = (struct cel_value){ .type = CEL_NULL };
	if (depth == 0)
		return ERR_LIMIT;
	switch (json_typeof(v)) {
	case JSON_OBJECT: return map_of(v, depth - 1, caseless, a, out);
	case JSON_ARRAY: return cel_list_of(v, depth - 1, caseless, a, out);
	case JSON_STRING: *out = cel_string(arena_dup(a, json_span(v))); break;
	case JSON_INTEGER: *out = cel_int((int64_t)json_integer_value(v)); break;
	case JSON_REAL: *out = cel_double(json_real_value(v)); break;
	case JSON_TRUE:
	case JSON_FALSE: *out = cel_bool(json_is_true(v)); break;
	case JSON_NULL: break;
	}
	return 0;
}

int
data_json(json_t *v, unsigned depth, struct arena *a, struct cel_value *out)
{
	return json_value(v, depth, false, a, out);
}

int
data_json_of_others(json_t *v, unsigned depth, struct arena *a, struct cel_value *out)
{
	return json_value(v, depth, true, a, out);
}

/* Converts a YAML node. yaml.c bounds depth and number of nodes. */
static struct cel_value
of_yaml(const struct yaml_node *n, struct arena *a)
{
	bool map = n->kind == YAML_MAPPING, truth;
	struct cel_value *v;
	size_t k = 0;
	int64_t i;
	double d;

	if (n->kind == YAML_SCALAR) {
		if (yaml_is_null(n))
			return (struct cel_value){ .type = CEL_NULL };
		if (yaml_bool(n, &truth))
			return cel_bool(truth);
		if (yaml_int(n, &i))
			return cel_int(i);
		if (yaml_double(n, &d))
			return cel_double(d);
		return cel_string(n->s);
	}
	v = arena_array(a, (map ? 2 : 1) * n->count, sizeof(*v));
	for (const struct yaml_node *c = n->child; v && c; c = c->next) {
		if (map)
			v[k++] = cel_string(c->key->s);
		v[k++] = of_yaml(c, a);
	}
	return (struct cel_value){ .type = map ? CEL_MAP : CEL_LIST,
		.list = { v, v ? n->count : 0 } };
}

/* ---- rows ---- */

static int
data_by_key(const void *x, const void *y)
{
	return span_order(((const struct cel_value *)x)->s, ((const struct cel_value *)y)->s);
}

const struct cel_value *
data_row(const struct data_source *s, struct span key)
{
	const struct cel_value *v = s->whole.list.v;
	size_t n = s->whole.list.n, i = SEARCH_FIRST(n, k, span_order(v[2 * k].s, key) < 0);

	return i < n && span_eq(v[2 * i].s, key) ? &v[2 * i + 1] : NULL;
}

/* ---- one source ---- */

/* key: identity.person: the field whose value selects the row. */
static void
data_row_key(struct builder *b, const struct yaml_node *n, struct data_source *s)
{
	const char *name;
	struct nearest near;

	if (!read_text(b->d, n, "key", &name))
		return;
	near = nearest_to(n->s);
	for (size_t slot = 0; slot < V_COUNT; slot++) {
		const struct cel_var *v = &policy_env.vars[slot];
		if (v->type != CEL_STRING || policy_slot_reads_body(slot))
			continue;
		if (nearest_is(&near, v->path)) {
			s->has_key = true;
			s->key = slot;
			return;
		}
	}
	diag_at(b->d, n,
		"key: a string that is known before the body, such as identity.person, is "
		"expected, found %s%s",
		name, nearest_hint(&near));
}

static void
from_file(struct builder *b, const struct yaml_node *n, struct data_source *s)
{
	const struct yaml_node *c = yaml_get(n, "file"), *root;
	const char *file;

	if (!build_section(b, n, SECTION_DATA_FILE, s) || !build_path(b, c, &file))
		return;
	s->kind = DATA_FILE;
	s->place = file;
	if ((root = yaml_get(n, "key")))
		data_row_key(b, root, s);
	root = yaml_load_file(b->a, file, b->d);
	if (!root || !read_map(b->d, root, s->name, NULL, NULL))
		return;
	s->whole = of_yaml(root, b->a);
	if (s->whole.list.n)
		qsort((void *)(uintptr_t)s->whole.list.v, s->whole.list.n,
			2 * sizeof(struct cel_value), data_by_key);
}

static void
from_redis(struct builder *b, const struct yaml_node *n, struct data_source *s)
{
	const struct yaml_node *c = yaml_get(n, "redis");

	s->kind = DATA_REDIS;
	s->ttl_us = 5 * SECOND_US;
	if (!build_section(b, n, SECTION_DATA_REDIS, s))
		return;
	if (c->s.n > 512)
		diag_at(b->d, c, "redis: a key of at most 512 bytes is expected");
	if (b->cfg && !b->cfg->redis_url)
		diag_at(b->d, c, "redis: %s has no redis.url", b->cfg->file);
}

static void
from_url(struct builder *b, const struct yaml_node *n, struct data_source *s)
{
	const struct yaml_node *c = yaml_get(n, "url");
	const char *why;

	s->kind = DATA_URL;
	s->ttl_us = 5 * SECOND_US;
	s->timeout_us = 200 * MS;
	if (!build_section(b, n, SECTION_DATA_URL, s))
		return;
	if (s->place && (why = http_url_check(s->place)))
		diag_at(b->d, c, "url: %s", why);
	if ((c = yaml_get(n, "token_file")))
		s->authorization = build_bearer(b, c);
}

/* ---- all sources ---- */

/* Reads one source. */
static void
read_data_source(struct builder *b, const struct yaml_node *n, struct data_source *s)
{
	bool file = yaml_get(n, "file"), redis = yaml_get(n, "redis"), url = yaml_get(n, "url");

	s->at = n;
	s->name = n->key->s.p;
	struct span name = n->key->s;
	if (!name.n || name.n > 64 || is_digit(name.p[0]) ||
		span_past(name, 0, is_word) != name.n)
		diag_at(b->d, n->key,
			"%s: a name of 1 to 64 letters, digits and _, without a digit at its "
			"beginning, is expected",
			n->key->s.p);
	if (file + redis + url != 1)
		diag_at(b->d, n, "%s: one of file, redis, url is expected", n->key->s.p);
	else if (file)
		from_file(b, n, s);
	else if (redis)
		from_redis(b, n, s);
	else
		from_url(b, n, s);
}

void
build_data(struct builder *b, const struct yaml_node *n)
{
	struct cel_env *env = arena_new(b->a, struct cel_env);
	struct cel_var *vars = arena_array(b->a, V_ALL, sizeof(*vars));
	struct data_source *list = arena_array(b->a, CAP_DATA, sizeof(*list));

	b->p->env = &policy_env;
	if (!env || !vars || !list || !n || !read_map(b->d, n, "data", NULL, NULL))
		return;
	memcpy(vars, policy_env.vars, V_COUNT * sizeof(*vars));
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		if (b->p->ndata == CAP_DATA) {
			diag_at(b->d, c->key, "data: more than %d sources", CAP_DATA);
			break;
		}
		struct cel_var *v = &vars[V_COUNT + b->p->ndata];
		read_data_source(b, c, &list[b->p->ndata++]);
		v->path = arena_printf(b->a, "data.%s", c->key->s.p).p;
		v->type = v->elem = CEL_DYN;
		if (!v->path)
			return;
	}
	b->p->data = list;
	*env = (struct cel_env){ vars, V_COUNT + b->p->ndata };
	b->p->env = env;
}
