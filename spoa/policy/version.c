/* A policy's version: SHA-256 over what it means. Keys of mappings are sorted,
 * sequences keep their order, scalars count by their text, so that comments,
 * layout, quoting, anchors and the order of keys change nothing. The detectors'
 * version is part of it, the price list, a cache's courtesies, and the injection model's where
 * it is used: the same words may find other things. A length is
 * before every piece, so that no two trees share a serialisation. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/build.h"

static bool
piece(EVP_MD_CTX *h, char kind, struct span s)
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

static bool
tree(EVP_MD_CTX *h, const struct yaml_node *n)
{
	static const struct span none = { NULL, 0 };
	bool map = n->kind == YAML_MAPPING;
	size_t count = 0;

	if (n->kind == YAML_SCALAR && yaml_is_null(n))
		return piece(h, 'n', none);
	/* A block scalar ends with a newline, the same text in quotes does not. */
	if (n->kind == YAML_SCALAR)
		return piece(h, 's', span_trim(n->s, " \t\r\n"));
	const struct yaml_node **c = calloc(n->count + 1, sizeof(const struct yaml_node *));
	bool ok = c != NULL && piece(h, map ? '{' : '[', none);
	for (const struct yaml_node *x = n->child; ok && x; x = x->next)
		c[count++] = x;
	if (ok && map)
		qsort(c, count, sizeof(*c), version_by_key);
	for (size_t i = 0; ok && i < count; i++)
		ok = (!map || piece(h, 'k', c[i]->key->s)) && tree(h, c[i]);
	free(c);
	return ok && piece(h, map ? '}' : ']', none);
}

/* What prompts of a route with `near` are compared without. */
static bool
courtesies(const struct builder *b, EVP_MD_CTX *h)
{
	bool ok = true;

	for (size_t i = 0; ok && i < b->p->nroutes; i++) {
		const struct route_cache *c = &b->routes[i].cache;
		if (c->near || c->semantic)
			ok = piece(h, 'c', span_str(b->routes[i].name));
		if (ok && c->near)
			ok = tree(h, c->near->tree);
		if (ok && c->semantic)
			ok = tree(h, c->semantic->words->tree);
	}
	return ok;
}

bool
build_version(struct builder *b, const struct yaml_node *root)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	EVP_MD_CTX *h = EVP_MD_CTX_new();
	bool ok = h && EVP_DigestInit_ex(h, EVP_sha256(), NULL) == 1 &&
		  piece(h, 'v', SPAN_LIT("tollgate-policy-1")) && tree(h, root) &&
		  piece(h, 'd', span_str(detect_version(b->rules))) &&
		  (!b->prices_root ||
			  (piece(h, 'p', SPAN_LIT("prices")) && tree(h, b->prices_root))) &&
		  courtesies(b, h) &&
		  (!b->p->scores || piece(h, 'i', span_str(inject_version(b->p->inject)))) &&
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
