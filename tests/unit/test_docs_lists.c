/* Lists in pages that claim to be complete: each is compared with the names in the sources, in
 * both directions. Runs in the root of the source tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/deny_status.h"
#include "base/span.h"
#include "policy/limit.h"
#include "scan/dialect/usage.h"
#include "support/pages.h"
#include "support/redis_rig.h"

static char listing[256 << 10], running[256 << 10];
static struct words {
	char v[256][128];
	size_t n;
} wanted, listed;

static void
word_add(struct words *w, struct span word)
{
	char text[128];

	assert_true(word.n < sizeof(text));
	snprintf(text, sizeof(text), "%.*s", SPAN_ARG(word));
	for (size_t i = 0; i < w->n; i++)
		if (!strcmp(w->v[i], text))
			return;
	assert_true(w->n < COUNT_OF(w->v));
	memcpy(w->v[w->n++], text, sizeof(text));
}

/* Adds each `WORD` of the text that has no space and no "=". */
static void
list_codes(struct span text)
{
	for (size_t at, end; (at = span_chr(text, '`')) < text.n;) {
		struct span rest = span_cut(text, at + 1, text.n);
		end = span_chr(rest, '`');
		struct span word = span_cut(rest, 0, end);
		word = span_cut(word, 0, span_chr(word, ':'));
		if (span_chr(word, ' ') == word.n)
			word_add(&listed, word);
		text = span_cut(rest, end < rest.n ? end + 1 : end, rest.n);
	}
}

/* Returns the page's text between two strings. */
static struct span
section(const char *file, const char *from, const char *to)
{
	read_file(file, listing, sizeof(listing));
	const char *at = strstr(listing, from);
	if (!at)
		fail_msg("%s has no \"%s\"", file, from);
	at += strlen(from);
	const char *end = strstr(at, to);
	return span_of(at, end ? (size_t)(end - at) : strlen(at));
}

/* Adds the first cells of the rows of a table in the section. */
static void
list_rows(struct span text)
{
	while (text.n) {
		struct span line = span_next(&text, '\n');
		if (!span_starts(line, SPAN_LIT("| ")))
			continue;
		span_next(&line, '|');
		list_codes(span_next(&line, '|'));
	}
}

static void
lists_agree(const char *file, size_t at_least)
{
	for (int back = 0; back < 2; back++) {
		const struct words *of = back ? &listed : &wanted, *in = back ? &wanted : &listed;
		for (size_t i = 0; i < of->n; i++) {
			bool has = false;
			for (size_t k = 0; k < in->n; k++)
				has |= !strcmp(of->v[i], in->v[k]);
			if (has)
				continue;
			print_error(back ? "%s lists %s, which no source has\n"
					 : "%s does not list %s\n",
				file, of->v[i]);
			missing++;
		}
	}
	size_t n = wanted.n;
	wanted.n = listed.n = 0;
	none_missing(n, at_least);
}

static struct span
word_at(const char *p, const char *letters)
{
	return span_of(p, strspn(p, letters));
}

#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789"

static size_t
find_variables(void)
{
	static const char *const before[] = { "var(txn.tollgate.", "set-var(txn.tollgate.",
		"put_var(&vs, \"", "put_int(&vs, \"", "put_var(vs, \"", "put_int(vs, \"" };

	for (size_t i = 0; i < COUNT_OF(before); i++)
		for (const char *p = source; (p = strstr(p, before[i]));) {
			p += strlen(before[i]);
			word_add(&wanted, word_at(p, LOWER "_"));
		}
	return 1;
}

static void
haproxy_page_has_every_variable(void **state)
{
	(void)state;
	wanted.n = listed.n = 0;
	each_source("haproxy/*.cfg", find_variables);
	each_source("spoa/gate/engine/*.c", find_variables);
	word_add(&wanted, SPAN_LIT("body")); /* spoa/gate/engine/notify.c */
	read_file("docs/man/tollgate.8", running, sizeof(running));
	for (size_t i = 0; i < wanted.n; i++)
		want(running, "tollgate.8", "variable", wanted.v[i]);
	list_rows(section("docs/haproxy.md", "\n## Variables: ", "\n## "));
	lists_agree("docs/haproxy.md, Variables,", 30);
}

/* CORS headers have a section of their own, and three headers are only for the relay. */
static size_t
find_headers(void)
{
	static const char *const before[] = { "http-response set-header ",
		"http-response add-header ", "http-after-response set-header ",
		"http-after-response add-header ", " hdr " };

	for (size_t i = 0; i < COUNT_OF(before); i++)
		for (const char *p = source; (p = strstr(p, before[i]));) {
			p += strlen(before[i]);
			struct span name = word_at(p, LOWER "-");
			if (!span_starts(name, SPAN_LIT("access-control-")) &&
				!span_is(name, "vary") && !span_is(name, "x-tollgate-leaving") &&
				!span_is(name, "x-tollgate-said") &&
				!span_is(name, "x-tollgate-why"))
				word_add(&wanted, name);
		}
	for (const char *p = source; (p = strstr(p, "access-control-expose-headers \""));) {
		p += strlen("access-control-expose-headers \"");
		for (struct span names = span_of(p, strcspn(p, "\"")); names.n;)
			word_add(&wanted, span_trim(span_next(&names, ','), " "));
	}
	return 1;
}

static void
haproxy_page_has_every_header(void **state)
{
	(void)state;
	wanted.n = listed.n = 0;
	each_source("haproxy/*.cfg", find_headers);
	list_rows(section("docs/haproxy.md", "\n### Headers to the caller\n", "\n#"));
	lists_agree("docs/haproxy.md, Headers to the caller,", 20);
}

/* The first word of a Redis command: in an array of arguments, or in a format. */
static size_t
find_redis_commands(void)
{
	static const char *const before[] = { "(const char *[]){ \"", "] = { \"",
		"redis_ask(c, \"", "redis_ask(redis, \"", ".redis, \"", ", NULL, \"",
		"{ n > 1 ? \"", "{ fresh ? \"",
		"{ anew ? \"", "\"SET\" : \"" };
	static const char capital[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t n = 0;

	if (!strstr(source, "redis"))
		return 0;
	for (size_t i = 0; i < COUNT_OF(before); i++)
		for (const char *p = source; (p = strstr(p, before[i]));) {
			p += strlen(before[i]);
			struct span word = word_at(p, capital);
			if (word.n > 2 && strchr("\" ", word.p[word.n])) {
				word_add(&wanted, word);
				n++;
			}
		}
	return n;
}

static void
redis_page_has_every_command(void **state)
{
	static const char *const folders[] = { "spoa/base/redis/*.c", "spoa/gate/*.c",
		"spoa/gate/*/*.c", "spoa/budget/*/*.c", "spoa/budget/*/*/*.c",
		"spoa/record/*/*.c", "spoa/operator/*/*.c", "spoa/cmd/*.c",
		"spoa/cmd/*/*.c" };

	(void)state;
	wanted.n = listed.n = 0;
	for (size_t i = 0; i < COUNT_OF(folders); i++)
		each_source(folders[i], find_redis_commands);
	list_codes(section("docs/redis.md", "\n**Commands of tollgate.**", "\n### "));
	lists_agree("docs/redis.md", 30);
}

/* A user with the rights on the page may send each command, except those of clusters, Sentinels
 * and vector sets, for which the page adds rights or which are sent to another server. */
static void
acl_of_the_redis_page_permits_its_commands(void **state)
{
	static const char *const others[] = { "CLUSTER", "SENTINEL", "VADD", "VCARD", "VREM",
		"VSIM" };
	static const struct {
		const char *command, *whole;
	} forms[] = { { "CLIENT", "CLIENT SETNAME x" }, { "INFO", "INFO server" },
		{ "MEMORY", "MEMORY USAGE tollgate:x" },
		{ "XINFO", "XINFO STREAM tollgate:x" },
		{ "XREAD", "XREAD STREAMS tollgate:x 0" }, { "SELECT", "SELECT 0" },
		{ "XADD", "XADD tollgate:x * a b" },
		{ "ZADD", "ZADD tollgate:x 1 a" } };
	struct redis_rig rig;
	char folder[] = "/tmp/tollgate-docs-XXXXXX", rule[256];
	size_t n = 0;

	(void)state;
	if (!redis_rig_installed())
		skip();
	assert_non_null(mkdtemp(folder));
	listed.n = 0;
	struct span of = section("docs/redis.md", "\n    ACL SETUSER tollgate ", "\n");
	snprintf(rule, sizeof(rule), "ACL SETUSER tollgate %.*s", SPAN_ARG(of));
	list_codes(section("docs/redis.md", "\n**Commands of tollgate.**", "\n### "));
	redis_rig_start(&rig, folder);
	freeReplyObject(redisCommand(rig.c, rule));
	for (size_t i = 0; i < listed.n; i++) {
		bool other = false, may = false;
		for (size_t k = 0; k < COUNT_OF(others); k++)
			other |= !strcmp(others[k], listed.v[i]);
		const char *whole = NULL;
		for (size_t k = 0; k < COUNT_OF(forms); k++)
			if (!strcmp(forms[k].command, listed.v[i]))
				whole = forms[k].whole;
		/* as many arguments as the command takes */
		char text[256], why[128] = "";
		snprintf(text, sizeof(text), "ACL DRYRUN tollgate %s",
			whole ? whole : listed.v[i]);
		for (int args = 0; !other && !may && args < (whole ? 1 : 5); args++) {
			redisReply *r = redisCommand(rig.c, text);
			assert_non_null(r);
			may = r->type == REDIS_REPLY_STATUS && !strcmp(r->str, "OK");
			if (r->str && !strstr(r->str, "wrong number"))
				snprintf(why, sizeof(why), "%s", r->str);
			freeReplyObject(r);
			snprintf(text + strlen(text), sizeof(text) - strlen(text),
				" tollgate:x");
		}
		n++;
		if (other || may)
			continue;
		print_error("the rule of docs/redis.md does not permit %s: %s\n", listed.v[i],
			why);
		missing++;
	}
	listed.n = 0;
	redis_rig_stop(&rig);
	rmdir(folder);
	none_missing(n, 30);
}

static size_t
find_parts(void)
{
	const char *p = strstr(source, "} parts[] = {"), *end = p ? strstr(p, "\n};") : NULL;

	assert_non_null(end);
	for (; (p = strstr(p, "\n\t{ \"")) && p < end; p++)
		word_add(&wanted, word_at(p + 5, LOWER "_"));
	word_add(&wanted, SPAN_LIT("recogniser"));
	return 1;
}

static void
audit_page_has_every_part_that_degrades(void **state)
{
	(void)state;
	wanted.n = listed.n = 0;
	each_source("spoa/operator/server/degraded.c", find_parts);
	struct span text = section("docs/audit-report.md", "\n## Degraded periods\n", "\n## ");
	while (text.n) {
		struct span line = span_next(&text, '\n');
		if (!span_starts(line, SPAN_LIT("| *")))
			continue;
		span_next(&line, '|');
		for (struct span cell = span_next(&line, '|'); cell.n;) {
			span_next(&cell, '*');
			/* the cell may be a link */
			struct span name = span_trim(span_next(&cell, '*'), "[");
			name = span_cut(name, 0, span_chr(name, ']'));
			if (name.n && !span_is(name, "dependency"))
				word_add(&listed, name);
		}
	}
	lists_agree("docs/audit-report.md, Degraded periods,", 19);
}

static size_t
find_policy(void)
{
	return strstr(source, "\ntollgate: 1") != NULL;
}

/* A shipped policy is listed by the name that its tests use. */
static void
policy_page_has_every_policy(void **state)
{
	glob_t g;

	(void)state;
	wanted.n = listed.n = 0;
	assert_int_equal(glob("policies/*.yaml", 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++)
		if (each_source(g.gl_pathv[i], find_policy))
			word_add(&wanted, span_str(g.gl_pathv[i] + strlen("policies/")));
	globfree(&g);
	list_rows(section("docs/policy.md", "\n| file | for | content |", "\n\n"));
	lists_agree("docs/policy.md", 8);
}

static size_t
find_passing_fields(void)
{
	static const char *const tables[] = { "char *const known[] = {",
		"char *const families[] = {" };

	for (size_t i = 0; i < COUNT_OF(tables); i++) {
		const char *p = strstr(source, tables[i]), *end = p ? strstr(p, "};") : NULL;
		assert_non_null(end);
		while ((p = strchr(p, '"')) && p < end) {
			struct span name = word_at(p + 1, LOWER "-");
			word_add(&wanted, name);
			p += name.n + 2;
		}
	}
	return 1;
}

/* Response header fields that are not inspected: names, and prefixes of names. */
static void
answers_page_has_every_passing_field(void **state)
{
	(void)state;
	wanted.n = listed.n = 0;
	each_source("spoa/answer/guard/guard_metadata.c", find_passing_fields);
	struct span text = section(
		"docs/answers.md", "The values of these fields are not inspected:\n\n", "\n\n");
	while (text.n) {
		for (struct span line = span_trim(span_next(&text, '\n'), " "); line.n;)
			word_add(&listed, span_next(&line, ' '));
	}
	/* `cf-*` */
	text = section("docs/answers.md", " the value has no space and no `@`:", "`x-amz-meta-*`");
	for (const char *p = text.p; (p = memchr(p, '`', text.n - (size_t)(p - text.p))); p++) {
		struct span name = word_at(p + 1, LOWER "-");
		if (name.n && p[1 + name.n] == '*')
			word_add(&listed, name);
	}
	lists_agree("docs/answers.md", 50);
}

/* The units of limits: a row of the table `limit_kinds` with each key of the policy. */
static void
budgets_page_has_every_unit(void **state)
{
	(void)state;
	wanted.n = listed.n = 0;
	for (const struct limit_counted *c = limit_counted; c->key; c++) {
		const struct limit_kind *u = &limit_kinds[c->of];
		assert_ptr_equal(limit_kind_named(u->name), u);
		snprintf(running, sizeof(running), "%s|%s|%s", c->key, u->name, u->words);
		word_add(&wanted, span_str(running));
	}
	assert_null(limit_kind_named("usd"));
	assert_null(limit_kind_named(NULL));
	struct span text = section("docs/budgets.md", "\n## Units of limits\n", "\n## ");
	while (text.n) {
		struct span line = span_next(&text, '\n');
		if (!span_starts(line, SPAN_LIT("| `")))
			continue;
		span_next(&line, '|');
		struct span keys = span_next(&line, '|'), name = span_next(&line, '|'),
			    words = span_next(&line, '|');
		while (keys.n) {
			struct span key = span_trim(span_next(&keys, ','), " `");
			snprintf(running, sizeof(running), "%.*s|%.*s|%.*s", SPAN_ARG(key),
				SPAN_ARG(span_trim(name, " `")), SPAN_ARG(span_trim(words, " ")));
			word_add(&listed, span_str(running));
		}
	}
	lists_agree("docs/budgets.md, Units of limits,", 8);
}

/* The statuses of denials: haproxy/tollgate.cfg has a rule for each, and so have the pages. */
static const struct {
	int status;
	enum deny_by by;
} denials[] = {
#define F(X, status, by, ...) { status, DENY_BY_##by },
	DENY_STATUS(F, )
#undef F
};

/* Adds the statuses between each `before` and the next `until`. */
static void
list_statuses(struct span text, const char *before, const char *until)
{
	const char *at = text.p, *end = text.p + text.n;

	while ((at = memmem(at, (size_t)(end - at), before, strlen(before)))) {
		at += strlen(before);
		const char *to = memmem(at, (size_t)(end - at), until, strlen(until));
		for (to = to ? to : end; at < to; at++) {
			size_t digits = span_past(span_of(at, (size_t)(to - at)), 0, is_digit);
			/* 502 is a provider's response, and no denial */
			if (digits == 3 && strncmp(at, "502", 3) != 0)
				word_add(&listed, span_of(at, 3));
			at += digits;
		}
	}
}

static void
each_status_of_a_denial_has_its_places(void **state)
{
	static const struct {
		const char *file, *from, *to, *before, *until;
		enum deny_by last; /* the rows up to this one are expected */
	} places[] = {
		{ "haproxy/tollgate.cfg", "\nbackend tollgate-deny", "\n# ", "if deny { var(txn.tollgate.status) -m int ", "\n",
			DENY_BY_GATE },
		{ "docs/man/tollgate.8", ".Cm legal_restriction .\n.Bl -tag -width Ds", "\n.Sh ", "\n.It ", "\n", DENY_BY_RELAY },
		{ "docs/man/tollgate.8", "\n.It Va tollgate_denied_total\n", "\n.It Va ", ".Cm ", "\n", DENY_BY_RELAY },
		{ "docs/man/tollgate-policy.5", "\n.Ic status\nis the HTTP", "\nThe ", " status: ", ".", DENY_BY_DEFAULT },
		{ "docs/haproxy.md", "\n### Errors\n", "\n## ", "\n| ", " |", DENY_BY_RELAY },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		wanted.n = listed.n = 0;
		for (size_t k = 0; k < COUNT_OF(denials); k++)
			if (denials[k].by <= places[i].last) {
				snprintf(running, sizeof(running), "%d", denials[k].status);
				word_add(&wanted, span_str(running));
			}
		list_statuses(section(places[i].file, places[i].from, places[i].to),
			places[i].before, places[i].until);
		lists_agree(places[i].file, 8);
	}
}

/* The console's words of units: NAME: 'WORDS', */
static void
console_has_every_unit(void **state)
{
	(void)state;
	wanted.n = listed.n = 0;
	for (enum limit_of i = 0; i < LIMIT_OF_COUNT; i++) {
		/* is_money() of format.js compares this word */
		assert_true(limit_has(i, COUNTS_MONEY) == !strcmp(limit_kinds[i].words, "dollars"));
		snprintf(running, sizeof(running), "%s: '%s'", limit_kinds[i].name,
			limit_kinds[i].words);
		word_add(&wanted, span_str(running));
	}
	struct span text =
		section("spoa/operator/console/format.js", "\nexport const units = {\n", "\n};");
	while (text.n)
		word_add(&listed, span_trim(span_next(&text, '\n'), "\t,"));
	lists_agree("format.js of the console, units,", 7);
}

/* Members of usage: the rows of usage_*, each with its API and how it is charged. */
static void
dialects_page_has_every_member_of_usage(void **state)
{
	static const char *const charged[USAGE_FIELDS] = {
		[USAGE_INPUT] = "input",
		[USAGE_OUTPUT] = "output",
		[USAGE_CACHED] = "input read from the cache",
		[USAGE_WRITE] = "input written to the cache",
		[USAGE_WRITE_1H] = "input written to the cache for an hour",
		[USAGE_AUDIO_IN] = "audio input",
		[USAGE_IMAGE_IN] = "image input",
		[USAGE_CACHED_AUDIO] = "cached audio",
		[USAGE_CACHED_IMAGE] = "cached images",
		[USAGE_REASONING] = "reasoning",
		[USAGE_AUDIO_OUT] = "audio output",
		[USAGE_IMAGE_OUT] = "image output",
		[USAGE_IMAGES] = "pictures",
		[USAGE_SEARCHES] = "searches",
		[USAGE_MAPS] = "map queries",
		[USAGE_SESSIONS] = "code sessions",
		[USAGE_FILES] = "file searches",
		[USAGE_DRAWN] = "pictures by a tool",
		[USAGE_SECONDS] = "seconds",
		[USAGE_LENGTH] = "seconds, if nothing else is counted",
		[USAGE_KEPT] = "tokens of a created cache",
		[USAGE_APART] = "input, unless the total includes it",
		[USAGE_TOTAL] = "total, for comparison"
	};
	static const struct {
		const char *name;
		const struct usage_row *rows;
	} apis[] = { { "openai", usage_openai }, { "anthropic", usage_anthropic },
		{ "gemini", usage_gemini }, { "bedrock", usage_bedrock },
		{ "cohere", usage_cohere }, { "ollama", usage_ollama }, { "tgi", usage_tgi } };

	(void)state;
	wanted.n = listed.n = 0;
	for (size_t i = 0; i < COUNT_OF(apis); i++)
		for (const struct usage_row *r = apis[i].rows; r->path; r++) {
			snprintf(running, sizeof(running), "%s|%s|%s", apis[i].name,
				charged[r->field], r->path);
			word_add(&wanted, span_str(running));
		}
	struct span text = section("docs/dialects.md", "\n### Members of usage\n", "\n#");
	while (text.n) {
		struct span line = span_next(&text, '\n');
		if (!span_starts(line, SPAN_LIT("| ")))
			continue;
		span_next(&line, '|');
		struct span api = span_trim(span_next(&line, '|'), " "),
			    as = span_trim(span_next(&line, '|'), " "),
			    members = span_next(&line, '|');
		while (span_chr(members, '`') < members.n) {
			span_next(&members, '`');
			struct span path = span_next(&members, '`');
			snprintf(running, sizeof(running), "%.*s|%.*s|%.*s", SPAN_ARG(api),
				SPAN_ARG(as), SPAN_ARG(path));
			word_add(&listed, span_str(running));
		}
	}
	lists_agree("docs/dialects.md, Members of usage,", 100);
}

/* `spoa/NAME.c`, tests/NAME: a file that a page names must exist. */
static size_t
look_for_files(void)
{
	static const char *const folders[] = { "spoa/", "tests/" };
	size_t n = 0;

	for (size_t i = 0; i < COUNT_OF(folders); i++)
		for (const char *p = source; (p = strstr(p, folders[i])); p++) {
			char path[128];
			struct span name = word_at(p, LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-./*");
			while (name.n && strchr(".*", name.p[name.n - 1]))
				name.n--;
			/* a placeholder */
			if (memmem(name.p, name.n, "NAME", 4))
				continue;
			if ((p > source && strchr(LOWER "/_-", p[-1])) || name.n >= sizeof(path))
				continue;
			snprintf(path, sizeof(path), "%.*s", SPAN_ARG(name));
			glob_t g;
			if (glob(path, 0, NULL, &g) == 0) {
				n++;
				globfree(&g);
				continue;
			}
			print_error("a page names %s, which does not exist\n", path);
			missing++;
		}
	return n;
}

static void
files_named_by_pages_exist(void **state)
{
	(void)state;
	none_missing(each_source("*.md", look_for_files) +
			     each_source("docs/*.md", look_for_files),
		100);
}

static unsigned
count_of(const char *text, const char *end, const char *what)
{
	unsigned n = 0;

	for (const char *at = text; (at = strstr(at, what)) && at < end; at++)
		n++;
	return n;
}

/* README.md and docs/compare.md have the numbers of families of APIs and of the demo's steps. */
static void
pages_have_the_counts_of_the_program(void **state)
{
	static const char *const pages[] = { "README.md", "docs/compare.md" };
	char apis[64], steps[64];

	(void)state;
	read_file("spoa/scan/dialect/dialect.c", source, sizeof(source));
	const char *all = strstr(source, "*const all[] = {");
	assert_non_null(all);
	unsigned n = count_of(all, strstr(all, "};"), "&dialect_");
	snprintf(apis, sizeof(apis), " %u families of model APIs, MCP and REST", n - 2);
	read_file("tests/support/demo", source, sizeof(source));
	n = count_of(source, source + strlen(source), "\nstep \"");
	/* the first starts the stack, and the last reports the result */
	snprintf(steps, sizeof(steps), "The tour has %u steps", n - 2);
	for (size_t i = 0; i < COUNT_OF(pages); i++) {
		read_file(pages[i], source, sizeof(source));
		if (!strstr(source, apis))
			fail_msg("%s lacks \"%s\"", pages[i], apis);
		if (i == 0 && !strstr(source, steps))
			fail_msg("%s lacks \"%s\"", pages[i], steps);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(haproxy_page_has_every_variable),
		cmocka_unit_test(haproxy_page_has_every_header),
		cmocka_unit_test(redis_page_has_every_command),
		cmocka_unit_test(acl_of_the_redis_page_permits_its_commands),
		cmocka_unit_test(audit_page_has_every_part_that_degrades),
		cmocka_unit_test(policy_page_has_every_policy),
		cmocka_unit_test(answers_page_has_every_passing_field),
		cmocka_unit_test(budgets_page_has_every_unit),
		cmocka_unit_test(each_status_of_a_denial_has_its_places),
		cmocka_unit_test(console_has_every_unit),
		cmocka_unit_test(dialects_page_has_every_member_of_usage),
		cmocka_unit_test(files_named_by_pages_exist),
		cmocka_unit_test(pages_have_the_counts_of_the_program),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
