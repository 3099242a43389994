/* Counts and prints what changes between the decisions of two policies. */
#include "cmd/policies/policy_tally.h"
#include "base/codec/json_text.h"

#include <stdio.h>
#include <string.h>

static const char *const fields[TALLY_FIELDS] = { "decision", "status", "rule", "route",
	"target", "model", "tags", "redactions", "response" };

void
tally_init(struct tally *t, size_t examples_max)
{
	*t = (struct tally){
		.examples_max = examples_max, .examples = json_array(), .cannot = json_object()
	};
}

void
tally_free(struct tally *t)
{
	json_decref(t->examples);
	json_decref(t->cannot);
}

void
tally_compare(struct tally *t, json_t *was, json_t *is, json_t *where, const char *says)
{
	json_auto_t *old = json_object(), *new = json_object();

	t->total++;
	for (size_t i = 0; i < TALLY_FIELDS; i++) {
		json_t *a = json_object_get(was, fields[i]),
		       *b = json_object_get(is, fields[i]);
		if (!a || !b || json_equal(a, b))
			continue;
		t->by[i]++;
		json_object_set(old, fields[i], a);
		json_object_set(new, fields[i], b);
	}
	if (json_object_size(old) == 0) {
		t->same++;
	} else {
		t->different++;
		if (json_array_size(t->examples) < t->examples_max) {
			json_t *e = json_copy(where);
			json_object_update_new(e,
				json_pack("{sO sO ss*}", "was", old, "is", new, "says", says));
			json_array_append_new(t->examples, e);
		}
	}
}

void
tally_cannot(struct tally *t, const char *reason)
{
	json_int_t n = json_integer_value(json_object_get(t->cannot, reason));

	t->total++;
	json_object_set_new(t->cannot, reason, json_integer(n + 1));
}

static size_t
cannot_total(const struct tally *t)
{
	return t->total - t->same - t->different;
}

/* ---- output ---- */

static void
print_value(json_t *v)
{
	if (json_is_string(v)) {
		fputs(json_string_length(v) ? json_string_value(v) : "none", stdout);
		return;
	}
	if (json_is_object(v) && json_object_size(v) == 0) {
		fputs("none", stdout);
		return;
	}
	json_dumpf(v, stdout, JSON_ENCODE_ANY);
}

static void
print_example(json_t *e)
{
	json_t *is = json_object_get(e, "is"), *value;
	const char *name, *between = "";

	json_object_foreach(e, name, value)
	{
		if (!strcmp(name, "was") || !strcmp(name, "is") || !strcmp(name, "says"))
			continue;
		printf("%s%s ", between, name);
		print_value(value);
		between = ", ";
	}
	between = ": ";
	json_object_foreach(json_object_get(e, "was"), name, value)
	{
		printf("%s%s ", between, name);
		print_value(value);
		fputs(" → ", stdout);
		print_value(json_object_get(is, name));
		between = ", ";
	}
	putchar('\n');
	if (json_object_get(e, "says"))
		printf("    %s\n", json_str_in(e, "says"));
}

static void
print_words(const struct tally *t, const char *what)
{
	json_t *value;
	const char *name;
	size_t i;

	printf("%zu %s: %zu the same, %zu different", t->total, what, t->same, t->different);
	if (cannot_total(t))
		printf(", %zu not compared", cannot_total(t));
	putchar('\n');
	if (t->observed)
		printf("  observed     %zu: the rules' decision was not enforced\n",
			t->observed);
	for (i = 0; i < TALLY_FIELDS; i++)
		if (t->by[i])
			printf("  %-12s %zu\n", fields[i], t->by[i]);
	json_object_foreach(t->cannot, name, value)
		printf("  not compared %lld: %s\n", (long long)json_integer_value(value), name);
	json_array_foreach(t->examples, i, value) print_example(value);
}

json_t *
tally_json(const struct tally *t)
{
	json_t *by = json_object();

	for (size_t i = 0; i < TALLY_FIELDS; i++)
		json_object_set_new(by, fields[i], json_integer((json_int_t)t->by[i]));
	return json_pack("{sI sI sI sI so sO sO}", "total", (json_int_t)t->total, "same",
		(json_int_t)t->same, "different", (json_int_t)t->different, "observed",
		(json_int_t)t->observed, "changed", by, "not_compared", t->cannot, "examples",
		t->examples);
}

void
tally_print(const struct tally *t, const char *what, bool as_json)
{
	if (!as_json) {
		print_words(t, what);
		return;
	}
	json_auto_t *o = tally_json(t);
	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
}
