/* tollgate tokens: how many tokens a text is, as limits count it. */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/err.h"
#include "cmd/cmd.h"
#include "tokens/encodings.h"

struct counting {
	const struct ranks *ranks;
	bool ids;
};

static int
put_id(void *arg, uint32_t id)
{
	struct buf *out = arg;

	if (out->n && buf_view(out).p[out->n - 1] != '[')
		buf_putc(out, ',');
	buf_int(out, id);
	return 0;
}

/* {"tokens":N,"ids":[…]}, or without ids what limits count: "estimated" where that is a bound.
 */
static int
count_json(const struct counting *c, struct span text, struct buf *out)
{
	struct bpe_count n = { 0 };
	struct buf ids;
	int err;

	buf_init(&ids, 0);
	if (c->ids) {
		buf_putc(&ids, '[');
		err = bpe_encode(c->ranks, text, put_id, &ids);
		buf_putc(&ids, ']');
		for (size_t i = 0; i < ids.n; i++)
			n.tokens += buf_view(&ids).p[i] == ',';
		n.tokens += ids.n > 2;
	} else {
		err = bpe_count(c->ranks, text, &n);
	}
	buf_str(out, "{\"tokens\":");
	buf_int(out, (int64_t)n.tokens);
	if (n.bounded)
		buf_str(out, ",\"estimated\":true");
	if (c->ids) {
		buf_str(out, ",\"ids\":");
		buf_span(out, buf_view(&ids));
	}
	buf_str(out, "}\n");
	err = err ? err : buf_failed(&ids) || buf_failed(out) ? ERR_NOMEM : 0;
	buf_free(&ids);
	return err;
}

static int
count_line(void *arg, struct span line, size_t number)
{
	json_error_t e;
	json_t *j = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e),
	       *text = json_object_get(j, "text");
	struct buf out;
	int code = EXIT_DONE;

	buf_init(&out, 0);
	if (!json_is_string(text))
		code = cmd_fail("tokens", "line %zu: %s", number,
			!j		    ? e.text
			: json_is_object(j) ? "\"text\" is not a string"
					    : "a JSON object is expected");
	else if (count_json(
			 arg, span_of(json_string_value(text), json_string_length(text)), &out))
		code = cmd_fail("tokens", "line %zu: %s", number, err_str(ERR_NOMEM));
	else if (!cmd_write(&out))
		code = cmd_fail("stdout", "%s", strerror(errno));
	buf_free(&out);
	json_decref(j);
	return code;
}

static int
count_text(const struct counting *c)
{
	struct bpe_count n;
	struct buf in, out;
	int err, code = EXIT_DONE;

	buf_init(&in, 0);
	buf_init(&out, 0);
	err = cmd_read_stdin(&in);
	if (err)
		code = cmd_fail("stdin", "%s", err == ERR_IO ? strerror(errno) : err_str(err));
	else if (c->ids)
		err = count_json(c, buf_view(&in), &out);
	else if (!(err = bpe_count(c->ranks, buf_view(&in), &n)))
		buf_printf(&out, "%llu\n", (unsigned long long)n.tokens);
	if (!code && err)
		code = cmd_fail("tokens", "%s", err_str(err));
	else if (!code && !cmd_write(&out))
		code = cmd_fail("stdout", "%s", strerror(errno));
	if (!code && !c->ids && n.bounded)
		fprintf(stderr,
			"tollgate: tokens: an upper bound: a run of over %u bytes has no "
			"break\n",
			BPE_PIECE_MAX);
	buf_free(&in);
	buf_free(&out);
	return code;
}

static int
no_encoding(const struct encodings *e, const char *name, const struct buf *why)
{
	struct buf known;

	if (!e || !e->n)
		return cmd_fail("tokens", "no file of ranks (make ranks brings them):\n%.*s",
			SPAN_ARG(buf_view(why)));
	buf_init(&known, 0);
	for (size_t i = 0; i < e->n; i++)
		buf_printf(&known, "%s%s", i ? ", " : "", e->v[i]->head->name);
	int code = cmd_fail("tokens", "%s: no such encoding in %s, which has %.*s", name,
		e->dir, SPAN_ARG(buf_view(&known)));
	buf_free(&known);
	return code;
}

int
cmd_tokens(int argc, char **argv)
{
	const char *encoding = "o200k_base", *dir = NULL;
	struct counting c = { 0 };
	bool jsonl = false;
	const struct cmd_option options[] = {
		{ "encoding", .text = &encoding },
		{ "ranks", .text = &dir },
		{ "ids", .flag = &c.ids },
		{ "jsonl", .flag = &jsonl },
		{ .name = NULL },
	};
	struct encodings *e = NULL;
	struct buf why;
	char **operands;
	int code;

	if (cmd_options(argc, argv, options, &operands) != 0)
		return cmd_usage(argv[0]);
	buf_init(&why, 0);
	encodings_open(dir, &e, &why);
	c.ranks = encodings_find(e, span_str(encoding));
	if (e && e->refused)
		fprintf(stderr, "tollgate: tokens: %.*s", SPAN_ARG(buf_view(&why)));
	if (!c.ranks)
		code = no_encoding(e, encoding, &why);
	else
		code = jsonl ? cmd_each_line(count_line, &c) : count_text(&c);
	buf_free(&why);
	encodings_close(&e);
	return code;
}
