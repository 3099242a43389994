/* Conditions: compiles the input after its first two bytes and evaluates it. The first byte
 * selects whether there is an environment, the second the values of its fields. */
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "policy/cel/cel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct cel_var vars[] = {
	{ "s", CEL_STRING, CEL_DYN },
	{ "id.person", CEL_STRING, CEL_DYN },
	{ "id.roles", CEL_LIST, CEL_STRING },
	{ "id.level", CEL_INT, CEL_DYN },
	{ "id.score", CEL_DOUBLE, CEL_DYN },
	{ "id.map", CEL_MAP, CEL_DYN },
	{ "b", CEL_BOOL, CEL_DYN },
	{ "data", CEL_DYN, CEL_DYN },
	{ "now", CEL_TIMESTAMP, CEL_DYN },
};
static const struct cel_env env = { vars, sizeof(vars) / sizeof(vars[0]) };

static const char *const texts[] = { "", "alice", "\xc3\xa4\xf0\x9f\x90\xb1", "\xff\xfe",
	"2025-07-01T00:00:00Z", "1h", "a/b\n", "-9223372036854775808" };

static struct cel_value
pick(unsigned seed, enum cel_type type)
{
	static struct cel_value items[8][4];
	struct cel_value v = { .type = type };

	if (type == CEL_DYN)
		v.type = (enum cel_type)(seed * 7 % CEL_TYPE);
	switch (v.type) {
	case CEL_BOOL: v.b = seed & 1; break;
	case CEL_INT: v.i = seed % 3 ? (int64_t)seed - 100 : INT64_MIN; break;
	case CEL_UINT: v.u = seed % 3 ? seed : UINT64_MAX; break;
	case CEL_DOUBLE: v.d = seed % 3 ? seed / 3.0 : 1e300 * 1e300; break;
	case CEL_STRING:
	case CEL_BYTES: v.s = span_str(texts[seed % 8]); break;
	case CEL_LIST:
	case CEL_MAP:
		for (unsigned i = 0; i < 4; i++)
			items[seed % 8][i] = cel_string(span_str(texts[(seed + i) % 8]));
		v.list.v = items[seed % 8];
		v.list.n = v.type == CEL_LIST ? seed % 5 : seed % 3;
		break;
	case CEL_TIMESTAMP: v.t.s = seed % 2 ? 1751351400 : -62135596800; break;
	case CEL_DURATION: v.t.s = (int64_t)seed * 1000 - 60000; break;
	default: break;
	}
	return v;
}

static struct cel_value
lookup(void *ctx, size_t slot, bool *present)
{
	unsigned seed = *(const unsigned *)ctx + (unsigned)slot;

	*present = seed & 1;
	return pick(seed, vars[slot].type);
}

static bool
lookup_name(void *ctx, struct span name, struct cel_value *out)
{
	unsigned seed = *(const unsigned *)ctx + (unsigned)name.n;

	*out = pick(seed, CEL_DYN);
	return seed % 4 != 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct cel_error err;
	struct cel_value v;

	if (size < 2)
		return 0;
	unsigned seed = data[1];
	bool checked = data[0] & 1;
	struct cel_activation act = { &seed, lookup, lookup_name, 20000 };
	/* Some inputs get an arena that is soon full. */
	arena_init(&a, data[0] & 2 ? 4096 : 64u << 20, false);
	const struct cel_program *p = cel_compile(
		&a, checked ? &env : NULL, span_of(data + 2, size - 2), CEL_DYN, &err);
	if (!p) {
		INVARIANT(err.message[0] && err.line >= 1 && err.column >= 1);
	} else {
		struct buf out;
		int rc = cel_eval(p, &act, &a, &v);
		INVARIANT((rc != 0) == (v.type == CEL_ERROR));
		buf_init(&out, 1u << 20);
		cel_json(&v, &out);
		buf_free(&out);
	}
	arena_reset(&a);
	return 0;
}
