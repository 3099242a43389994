/* tollgate cache: prints what the running daemon's response cache holds, served and saved,
 * and purges entries. */
#include <inttypes.h>
#include <stdio.h>

#include "base/price/price.h"
#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "cmd/plain.h"

/* ---- stats ---- */

static void
put_stat(struct buf *b, const char *name, const json_t *o, const char *member)
{
	const json_t *v = json_object_get(o, member);

	buf_printf(b, "%-22s ", name);
	if (json_is_integer(v))
		buf_int(b, json_integer_value(v));
	else
		buf_str(b, json_str_in(o, member) ? json_str_in(o, member) : "-");
	buf_putc(b, '\n');
}

static int
show_cache_stats(const json_t *o)
{
	/* clang-format off */
	static const struct {
		const char *name, *member;
	} rows[] = {
		{ "routes with a cache", "routes" },
		{ "bytes", "bytes" }, { "bytes, limit", "max_bytes" },
		{ "hits", "hits" }, { "exact hits", "exact_hits" },
		{ "near hits", "near_hits" }, { "semantic hits", "semantic_hits" },
		{ "hits by waiting", "waited_hits" }, { "waits without a hit", "waited_alone" },
		{ "misses", "misses" }, { "off", "off" },
		{ "kept", "kept" }, { "failures", "failures" }, { "unusable", "unusable" },
		{ "saved input tokens", "saved_input_tokens" },
		{ "saved output tokens", "saved_output_tokens" },
		{ "embedding tokens", "embedded_tokens" },
	};
	/* clang-format on */
	const char *redis = json_str_in(o, "redis"), *away = json_str_in(o, "away");
	char usd[PRICE_TEXT_MAX];

	SCOPED_BUF(b, 0);
	buf_printf(&b, "%-22s %s%s%s\n", "where", redis ? "Redis " : "this process",
		redis ? redis : "", away ? ", away" : "");
	if (redis)
		put_stat(&b, "keys in its database", o, "keys");
	else
		put_stat(&b, "entries", o, "entries");
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		put_stat(&b, rows[i].name, o, rows[i].member);
	price_text((uint64_t)json_int_in(o, "embedded_nanousd"), usd);
	buf_printf(&b, "%-22s %s\n", "US dollars for embeddings", usd);
	price_text((uint64_t)json_int_in(o, "saved_nanousd"), usd);
	buf_printf(&b, "%-22s %s\n", "saved US dollars", usd);
	plain_print(stdout, buf_view(&b));
	return EXIT_DONE;
}

static int
cache_stats(struct admin_cmd *c)
{
	json_auto_t *o = admin_answer(c, "/cache");
	const char *away = json_str_in(o, "away");

	if (o)
		c->code = c->json ? admin_print_json(c->what, o) : show_cache_stats(o);
	return away ? cmd_fail(c->what, "Redis is away: %s", away) : c->code;
}

/* ---- purge ---- */

static int
cache_purge_now(struct admin_cmd *c)
{
	json_auto_t *o = admin_answer(c, "/cache/purge");
	const char *note = json_str_in(o, "note"), *why = json_str_in(o, "why");
	int64_t failed = json_int_in(o, "failed");

	if (!o)
		return c->code;
	if (c->json)
		c->code = admin_print_json(c->what, o);
	else
		printf("%" PRId64 " purged\n", (int64_t)json_int_in(o, "purged"));
	if (note)
		fprintf(stderr, "tollgate: %s: %s\n", c->what, note);
	return failed ? cmd_fail(c->what, "%" PRId64 " could not be read or deleted: %s",
				failed, why ? why : "?")
		      : c->code;
}

int
cmd_cache(int argc, char **argv)
{
	struct admin_cmd c = { .what = "cache" };
	const char *route = NULL, *person = NULL, *older = NULL;
	bool all = false;
	const struct cmd_option options[] = {
		ADMIN_OPTIONS(&c),
		{ "route", .text = &route },
		{ "person", .text = &person },
		{ "older", .text = &older },
		{ "all", .flag = &all },
		{ .name = NULL },
	};
	char **operands;
	int n = cmd_options(argv[0], argc, argv, options, &operands);
	bool some = route || person || older;

	if (n == 1 && !strcmp(operands[0], "stats"))
		return cache_stats(&c);
	if (n != 1 || strcmp(operands[0], "purge") != 0)
		return cmd_usage(argv[0]);
	if (some == all)
		return cmd_fail("cache", "%s",
			some ? "purge: --all cannot be combined with --route, --person or "
			       "--older"
			     : "purge: give --route, --person or --older, or --all for all "
			       "entries");
	admin_give_text(&c, "route", route);
	admin_give_text(&c, "person", person);
	admin_give_text(&c, "older", older);
	if (all)
		admin_give(&c, "all", json_true());
	return cache_purge_now(&c);
}
