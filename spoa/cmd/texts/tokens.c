/* tollgate tokens: counts the tokens of a text as limits count them. */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/err.h"
#include "base/json_put.h"
#include "base/tokens/bpe.h"
#include "base/tokens/estimate.h"
#include "cmd/cmd.h"
#include "policy/config/models.h"

/* The vocabulary and the options of the command. */
struct counting {
	const struct ranks *ranks;
	struct token_meter
		meter; /* the meter for --model; without --model, the family is NULL */
	bool ids;
};

/* Counts the tokens. Without a model family, returns the vocabulary's own count. */
static int
count_tokens(const struct counting *c, struct span text, struct bpe_count *n)
{
	struct token_sum sum = { 0 };

	if (!c->meter.family)
		return bpe_count(c->ranks, text, n);
	token_sum_text(&c->meter, text, &sum);
	n->tokens = (uint64_t)token_sum_tokens(sum.mean);
	n->bounded = sum.estimated;
	return 0;
}

static int
put_id(void *arg, uint32_t id)
{
	json_put_uint(arg, NULL, id);
	return 0;
}

/* Writes {"tokens":N,"ids":[...]}, or without ids the count of limits, where "estimated"
 * marks an upper bound. */
static int
count_json(const struct counting *c, struct span text, struct buf *out)
{
	struct bpe_count n = { 0 };
	int err;

	SCOPED_BUF(ids, 0);
	if (c->ids) {
		buf_putc(&ids, '[');
		err = bpe_encode(c->ranks, text, put_id, &ids);
		buf_putc(&ids, ']');
		for (size_t i = 0; i < ids.n; i++)
			n.tokens += buf_view(&ids).p[i] == ',';
		n.tokens += ids.n > 2;
	} else {
		err = count_tokens(c, text, &n);
	}
	json_put_open(out, NULL, '{');
	json_put_uint(out, "tokens", n.tokens);
	if (n.bounded)
		json_put_bool(out, "estimated", true);
	if (c->ids)
		json_put_raw(out, "ids", buf_view(&ids));
	buf_str(out, "}\n");
	return err ? err : buf_failed(&ids) || buf_failed(out) ? ERR_NOMEM : 0;
}

static int
count_line(void *arg, struct span line, size_t number)
{
	json_error_t e;
	json_auto_t *j =
		json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
	json_t *text = json_object_get(j, "text");

	SCOPED_BUF(out, 0);
	if (!json_is_string(text))
		return cmd_fail("tokens", "line %zu: %s", number,
			!j		    ? e.text
			: json_is_object(j) ? "\"text\" is not a string"
					    : "a JSON object is expected");
	if (count_json(arg, span_of(json_string_value(text), json_string_length(text)), &out))
		return cmd_fail("tokens", "line %zu: %s", number, err_str(ERR_NOMEM));
	return cmd_print("stdout", &out);
}

static int
count_text(const struct counting *c)
{
	struct bpe_count n;
	int err, code = EXIT_DONE;

	SCOPED_BUF(in, 0);
	SCOPED_BUF(out, 0);
	err = cmd_read_stdin(&in);
	if (err)
		code = cmd_fail("stdin", "%s", err == ERR_IO ? strerror(errno) : err_str(err));
	else if (c->ids)
		err = count_json(c, buf_view(&in), &out);
	else if (!(err = count_tokens(c, buf_view(&in), &n)))
		buf_printf(&out, "%llu\n", (unsigned long long)n.tokens);
	if (!code && err)
		code = cmd_fail("tokens", "%s", err_str(err));
	else if (!code)
		code = cmd_print("stdout", &out);
	if (!code && !c->ids && n.bounded)
		fprintf(stderr, "tollgate: tokens: %s\n",
			c->meter.family && !c->meter.own
				? "an estimate: the model's tokenizer is unknown, or its "
				  "file is not installed"
				: "an upper bound: a run of over 16 KB has no break");
	return code;
}

static int
no_encoding(const struct encodings *e, const char *name, const struct buf *why)
{
	if (!e || !e->n)
		return cmd_fail("tokens", "no vocabulary is installed: run make ranks\n%.*s",
			SPAN_ARG(buf_view(why)));
	SCOPED_BUF(known, 0);
	for (size_t i = 0; i < e->n; i++)
		buf_printf(&known, "%s%s", i ? ", " : "", e->v[i]->head->name);
	return cmd_fail("tokens", "%s: no such encoding in %s, which has %.*s", name, e->dir,
		SPAN_ARG(buf_view(&known)));
}

/* Loads the model's vocabulary, or the one that is used in its place. Returns false after a
 * message. */
static bool
use_model(struct counting *c, struct arena *a, const struct encodings *e, const char *model)
{
	const struct token_models *m;

	SCOPED_DIAG(d);
	m = models_load(a, NULL, &d);
	if (m) {
		c->meter = token_meter_of(e, m, span_str(model));
		c->ranks = c->meter.ranks;
	} else {
		cmd_fail("tokens", "%.*s", SPAN_ARG(buf_view(&d.text)));
	}
	if (m && c->ids && !c->meter.own) {
		cmd_fail("tokens", "--ids: the tokenizer of %s is unknown, or its file is "
				   "not installed: run make ranks",
			model);
		return false;
	}
	return m != NULL;
}

int
cmd_tokens(int argc, char **argv)
{
	const char *encoding = NULL, *model = NULL, *dir = NULL;
	struct counting c = { 0 };
	bool jsonl = false;
	const struct cmd_option options[] = {
		{ "encoding", .text = &encoding },
		{ "model", .text = &model },
		{ "ranks", .text = &dir },
		{ "ids", .flag = &c.ids },
		{ "jsonl", .flag = &jsonl },
		{ .name = NULL },
	};
	struct encodings *e = NULL;
	char **operands;
	int code = EXIT_CANNOT;

	if (cmd_options(argv[0], argc, argv, options, &operands) != 0 || (encoding && model))
		return cmd_usage(argv[0]);
	SCOPED_ARENA(a, 0, false);
	SCOPED_BUF(why, 0);
	encodings_open(dir, &e, &why);
	if (e && e->refused)
		fprintf(stderr, "tollgate: tokens: %.*s", SPAN_ARG(buf_view(&why)));
	if (!encoding)
		encoding = "o200k_base";
	c.ranks = encodings_find(e, span_str(encoding));
	if (!model || use_model(&c, &a, e, model))
		code = !c.ranks ? no_encoding(e,
					  c.meter.family ? c.meter.family->encoding : encoding,
					  &why)
		       : jsonl	? cmd_each_line(count_line, &c)
				: count_text(&c);
	encodings_close(&e);
	return code;
}
