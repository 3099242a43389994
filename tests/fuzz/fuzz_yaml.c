/* Any bytes as YAML: a tree without errors, or no tree and errors. The scalars are read as
 * every type. */
#include <stddef.h>
#include <stdint.h>

#include "base/codec/yaml.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk(const struct yaml_node *n)
{
	bool b;
	int64_t i;
	double v;

	INVARIANT(n->line > 0 && n->column > 0 && n->file);
	if (n->kind == YAML_SCALAR) {
		INVARIANT(n->s.p[n->s.n] == 0);
		(void)yaml_bool(n, &b);
		(void)yaml_int(n, &i);
		(void)yaml_double(n, &v);
	}
	INVARIANT(yaml_type_name(n) != NULL);
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		INVARIANT((c->key != NULL) == (n->kind == YAML_MAPPING));
		walk(c);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct diag d;

	arena_init(&a, 64 << 20, false);
	diag_init(&d);
	const struct yaml_node *n = yaml_load(&a, "fuzz.yaml", span_of(data, size), &d);
	INVARIANT((n != NULL) == (d.errors == 0));
	if (n) {
		walk(n);
		diag_within(&d, n, 1, 1 + (unsigned)(size % 7), "x");
	}
	diag_free(&d);
	arena_reset(&a);
	return 0;
}
