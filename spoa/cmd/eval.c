/* tollgate eval: a CEL expression's value, for people who write conditions and for the
 * language's conformance tests. Names come from the bindings, not from a request. */
#include "cmd/eval.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/json_put.h"
#include "cmd/cmd.h"

struct bindings {
	struct arena *a;
	json_t *j; /* an object, or NULL */
	bool typed;
	const char *why; /* of a binding that cannot be read */
};

static bool
lookup_name(void *ctx, struct span name, struct cel_value *out)
{
	struct bindings *b = ctx;
	json_t *v = b->j ? json_object_getn(b->j, name.p, name.n) : NULL;
	const char *why = NULL;

	if (!v)
		return false;
	if (eval_read(b->a, v, b->typed, out, &why))
		return true;
	b->why = arena_printf(b->a, "%.*s: %s", SPAN_ARG(name), why).p;
	return false;
}

/* True with the value as JSON in *out, false with the error's text. */
static bool
evaluate(struct arena *a, struct span expr, json_t *bindings, bool typed, struct buf *out)
{
	struct bindings b = { a, bindings, typed, NULL };
	struct cel_activation act = { .ctx = &b, .lookup_name = lookup_name };
	struct cel_error err;
	struct cel_value v;

	const struct cel_program *p = cel_compile(a, NULL, expr, CEL_DYN, &err);
	if (!p) {
		buf_printf(out, "%u:%u: %s", err.line, err.column, err.message);
		return false;
	}
	if (cel_eval(p, &act, a, &v)) {
		if (b.why)
			buf_str(out, b.why);
		else
			buf_put(out, v.s.p, v.s.n);
		return false;
	}
	eval_write(&v, typed, out);
	return true;
}

static json_t *
parse(const char *text, size_t n, const char *what, char why[256])
{
	json_error_t e;
	json_t *j = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);

	if (j && json_is_object(j))
		return j;
	snprintf(why, 256, "%s: %s", what, j ? "a JSON object is expected" : e.text);
	json_decref(j);
	return NULL;
}

static int
eval_one(const char *expr, const char *bindings, bool typed)
{
	char why[256];
	json_auto_t *j = bindings ? parse(bindings, strlen(bindings), "--bindings", why) : NULL;

	if (bindings && !j)
		return cmd_fail("eval", "%s", why);
	SCOPED_ARENA(a, 0, false);
	SCOPED_BUF(out, 0);
	bool ok = evaluate(&a, span_str(expr), j, typed, &out);
	fprintf(ok ? stdout : stderr, "%s%.*s\n",
		ok ? "" : "error: ", SPAN_ARG(buf_view(&out)));
	int code = ok ? EXIT_DONE : EXIT_NO;
	if (buf_failed(&out) || fflush(stdout))
		code = cmd_fail("eval", "%s", err_str(buf_failed(&out) ? ERR_NOMEM : ERR_IO));
	return code;
}

/* {"expr","bindings"?} to {"value":…} or {"error":"…"}. NULL, or why it is neither. */
static const char *
eval_line(struct arena *a, json_t *line, bool typed, struct buf *out)
{
	json_t *expr = json_object_get(line, "expr"),
	       *bindings = json_object_get(line, "bindings");

	if (!json_is_string(expr))
		return "\"expr\" is not a string";
	if (bindings && !json_is_object(bindings))
		return "\"bindings\" is not an object";
	SCOPED_BUF(value, 0);
	bool ok = evaluate(a, json_span(expr), bindings, typed, &value);
	json_put_form(out, ok ? "{'value':%j}\n" : "{'error':%t}\n", buf_view(&value));
	return buf_failed(&value) ? err_str(ERR_NOMEM) : NULL;
}

static int
answer_line(void *arg, struct span line, size_t number)
{
	const bool *typed = arg;
	char why[256];
	json_auto_t *j = parse(line.p, line.n, "not a line of eval", why);

	SCOPED_ARENA(a, 0, false);
	SCOPED_BUF(out, 0);
	const char *bad = j ? eval_line(&a, j, *typed, &out) : why;
	if (bad || buf_failed(&out))
		return cmd_fail("eval", "line %zu: %s", number, bad ? bad : err_str(ERR_NOMEM));
	return cmd_print("stdout", &out);
}

int
cmd_eval(int argc, char **argv)
{
	const char *expr = NULL, *bindings = NULL;
	bool typed = false, jsonl = argc > 1 && !strcmp(argv[1], "--jsonl");
	int i = 1;

	/* The first argument is the expression, also where it begins with '-'; before
	 * --jsonl alone --typed may be. */
	if (argc == 3 && !strcmp(argv[1], "--typed") && !strcmp(argv[2], "--jsonl"))
		return cmd_each_line(answer_line, &(bool){ true });
	if (argc < 2)
		return cmd_usage(argv[0]);
	if (!jsonl)
		expr = argv[1];
	for (i = 2; i < argc; i++) {
		struct span value = span_str(argv[i]), name = span_next(&value, '=');
		if (!strcmp(argv[i], "--typed"))
			typed = true;
		else if (jsonl || !span_is(name, "--bindings"))
			return cmd_usage(argv[0]);
		else if (value.p)
			bindings = value.p;
		else if (++i < argc)
			bindings = argv[i];
		else
			return cmd_usage(argv[0]);
	}
	return jsonl ? cmd_each_line(answer_line, &typed) : eval_one(expr, bindings, typed);
}
