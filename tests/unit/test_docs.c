/* The manual pages contain every command, option, key, metric, code and log event of the tables
 * and sources that define them. A row without its page fails this test, which runs in the root
 * of the source tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"
#include "budget/tally/tally.h"
#include "cmd/cmd.h"
#include "policy/cel/fn.h"
#include "policy/config/options.h"
#include "policy/env.h"
#include "policy/own.h"
#include "policy/policy.h"
#include "policy/section.h"
#include "record/audit/record_terms.h"
#include "scan/detect/detect.h"
#include "support/pages.h"
#include "support/record_check.h"

#include "operator/admin/endpoint.h" /* its fcntl.h also defines F_TEST */

static char commands[256 << 10], config[256 << 10], policy[256 << 10], running[256 << 10],
	prices[256 << 10], extracting[256 << 10];

static int
setup(void **state)
{
	(void)state;
	read_file("docs/man/tollgate.1", commands, sizeof(commands));
	read_file("docs/man/tollgate.yaml.5", config, sizeof(config));
	read_file("docs/man/tollgate-policy.5", policy, sizeof(policy));
	read_file("docs/man/tollgate.8", running, sizeof(running));
	read_file("docs/man/tollgate-prices.5", prices, sizeof(prices));
	read_file("docs/man/tollgate-extract.8", extracting, sizeof(extracting));
	return 0;
}

/* ---- tables ---- */

static void
manual_has_every_command_and_option(void **state)
{
	static const struct {
		const char *name, *args;
	} rows[] = {
#define X(name, fn, group, args, help) { name, args },
		CMD_TABLE(X)
#undef X
	};
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		want(commands, "tollgate.1", "command", rows[i].name);
		for (const char *o = rows[i].args; (o = strstr(o, "--")); n++) {
			char option[64] = "-";
			o += 2;
			size_t len = strspn(o, "abcdefghijklmnopqrstuvwxyz-");
			snprintf(option, sizeof(option), "-%.*s", (int)len, o);
			want(commands, "tollgate.1", "option", option);
			o += len;
		}
	}
	none_missing(n, 12);
}

static void
manual_has_every_configuration_option_and_default(void **state)
{
	(void)state;
	for (size_t i = 0; i < config_option_count; i++) {
		const struct field *o = &config_options[i];
		char line[160];
		snprintf(line, sizeof(line), "\n.It Ic %s%s%s\n", o->key,
			o->fallback ? " No = " : "", o->fallback ? o->fallback : "");
		if (strstr(config, line))
			continue;
		print_error("docs/man/tollgate.yaml.5 lacks%s", line);
		missing++;
	}
	none_missing(config_option_count, 20);
}

static void
manual_has_every_metric_and_label(void **state)
{
	static const struct {
		const char *name, *labels;
	} rows[] = {
#define X(id, name, labels, help) { "tollgate_" name, labels },
		METRIC_TABLE(X)
#undef X
	};

	(void)state;
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		char value[64] = "";
		want(running, "tollgate.8", "metric", rows[i].name);
		if (sscanf(rows[i].labels, "%*[a-z_]=\"%63[^\"]", value) == 1)
			want(running, "tollgate.8", "label", value);
	}
	static const struct {
		const char *name, *labels;
	} series[] = {
#define X(id, name, labels, help) { "tollgate_" name, labels },
		SERIES_TABLE(X)
#undef X
	};
	static const char *const stages[] = {
#define X(id, name) name,
		STAGE_TABLE(X)
#undef X
	};
	for (size_t i = 0; i < SERIES_VALUES; i++) {
		char value[64] = "";
		want(running, "tollgate.8", "metric", series[i].name);
		if (sscanf(series[i].labels, "%*[a-z_]=\"%63[^\"]", value) == 1)
			want(running, "tollgate.8", "label", value);
	}
	static const char *const ends[] = {
#define X(id, code, means) code,
		PROVIDER_FAILURES(X)
#undef X
	};
	for (size_t i = 0; i < COUNT_OF(ends); i++)
		want(running, "tollgate.8", "status", ends[i]);
	for (size_t i = 0; i < STAGES; i++)
		want(running, "tollgate.8", "stage", stages[i]);
	none_missing(METRIC_COUNT, 30);
}

static void
manual_has_every_field_function_and_entity(void **state)
{
	static const struct cel_fn *const tables[] = { cel_fns_core, cel_fns_convert,
		cel_fns_time, cel_fns_string, cel_fns_math, cel_fns_net };
	struct buf why;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < V_COUNT; i++, n++)
		want(policy, "tollgate-policy.5", "field", policy_env.vars[i].path);
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct cel_fn *f = tables[t]; f->name; f++, n++)
			want(policy, "tollgate-policy.5", "function", f->name);
	buf_init(&why, 0);
	struct detect_rules *rules = detect_load(NULL, &why);
	assert_non_null(rules);
	for (size_t e = 0; e < detect_entity_count(rules); e++, n++) {
		want(policy, "tollgate-policy.5", "entity", detect_entity_name(rules, e));
		want(policy, "tollgate-policy.5", "class", detect_entity_class(rules, e));
	}
	detect_free(&rules);
	buf_free(&why);
	none_missing(n, 100);
}

/* ---- sources ---- */

/* Reads the string that begins at p, after white space and its quote. Returns false if there is
 * none. */
static bool
quoted(const char *p, char word[64], const char **end)
{
	p += strspn(p, " \t\n");
	if (*p != '"')
		return false;
	size_t n = strcspn(++p, "\"");
	if (n >= 64)
		return false;
	memcpy(word, p, n);
	word[n] = 0;
	if (end)
		*end = p + n + 1;
	return true;
}

static size_t
look_for_events(void)
{
	char word[64];
	size_t n = 0;

	for (const char *p = source; (p = strstr(p, "log_event(")); p++)
		if ((p = strchr(p, ',')) && quoted(p + 1, word, NULL)) {
			bool other = !strncmp(word, "extract.", strlen("extract."));
			want(other ? extracting : running,
				other ? "tollgate-extract.8" : "tollgate.8", "log event", word);
			n++;
		}
	return n;
}

static void
manual_has_every_log_event(void **state)
{
	(void)state;
	none_missing(each_source("spoa/*/*.c", look_for_events) +
			     each_source("spoa/*/*/*.c", look_for_events) +
			     each_source("spoa/*/*/*/*.c", look_for_events),
		20);
}

/* { "person", .text = …; -c and the like are no long ones */
static size_t
look_for_long_options(void)
{
	char word[64], option[66];
	size_t n = 0;

	for (const char *p = source; (p = strstr(p, "{ \"")); p++) {
		const char *rest;
		if (!quoted(p + 1, word, &rest) || !word[1] ||
			(strncmp(rest, ", .text = ", 10) && strncmp(rest, ", .flag = ", 10)))
			continue;
		snprintf(option, sizeof(option), "-%s", word);
		want(commands, "tollgate.1", "option", option);
		n++;
	}
	return n;
}

static void
manual_has_every_long_option(void **state)
{
	(void)state;
	none_missing(each_source("spoa/cmd/*.c", look_for_long_options) +
			     each_source("spoa/cmd/*/*.c", look_for_long_options),
		15);
}

/* { "person", .text = …; entries such as -c are not long options */
static size_t
look_for_codes(void)
{
	char word[64], status[4] = "";
	size_t n = 0;

	for (const char *p = source; (p = strchr(p, ',')); p++) {
		if (p - source < 4 || !strchr("45", p[-3]) || !isdigit((unsigned char)p[-2]) ||
			!isdigit((unsigned char)p[-1]) || isdigit((unsigned char)p[-4]) ||
			!quoted(p + 1, word, NULL) ||
			word[strspn(word, "abcdefghijklmnopqrstuvwxyz_")])
			continue;
		memcpy(status, p - 3, 3);
		if (!strcmp(status, "408"))
			continue; /* a name in the table that is never returned */
		want(running, "tollgate.8", "status", status);
		want(running, "tollgate.8", "code", word);
		n++;
	}
	for (const char *p = source; (p = strstr(p, "code = \"")); p++)
		if (quoted(p + strlen("code ="), word, NULL)) {
			want(running, "tollgate.8", "code", word);
			n++;
		}
	return n;
}

static void
manual_has_every_status_and_code(void **state)
{
	static const char *const computed[] = { "invalid_json", "duplicate_key", "invalid_form",
		"ambiguous_path", "content_policy_violation", "permission_denied",
		"gateway_unavailable", "quota_unavailable", "audit_unavailable" };

	(void)state;
	for (size_t i = 0; i < sizeof(computed) / sizeof(computed[0]); i++)
		want(running, "tollgate.8", "code", computed[i]);
	none_missing(each_source("spoa/gate/*.c", look_for_codes) +
			     each_source("spoa/gate/*/*.c", look_for_codes) +
			     each_source("spoa/net/*.c", look_for_codes) +
			     each_source("spoa/answer/*.c", look_for_codes) +
			     each_source("spoa/answer/*/*.c", look_for_codes) +
			     each_source("spoa/scan/*/*.c", look_for_codes),
		40);
}

static void
manual_has_every_policy_key(void **state)
{
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < SECTION_COUNT; i++) {
		const char *page = i < SECTION_PRICES ? policy : prices;
		const char *name =
			i < SECTION_PRICES ? "tollgate-policy.5" : "tollgate-prices.5";
		for (const struct field *f = sections[i].fields; f->key; f++, n++) {
			want(page, name, "key", f->key);
			for (size_t k = 0; f->words && f->words[k]; k++, n++)
				want(page, name, "word", f->words[k]);
		}
	}
	none_missing(n, 100);
}

static size_t
look_for_variables(void)
{
	static const char *const writers[] = { "put_var(&vs, ", "put_int(&vs, ", "put_var(vs, ",
		"put_int(vs, " };
	char word[64];
	size_t n = 0;

	for (size_t i = 0; i < COUNT_OF(writers); i++)
		for (const char *p = source; (p = strstr(p, writers[i])); p++)
			if (quoted(p + strlen(writers[i]), word, NULL)) {
				want(running, "tollgate.8", "variable", word);
				n++;
			}
	return n;
}

static void
manual_has_every_haproxy_variable(void **state)
{
	(void)state;
	none_missing(each_source("spoa/gate/engine/vars.c", look_for_variables), 12);
}

static size_t
look_for_gauges(void)
{
	static const char *const writers[] = { "gauge(out, ", "metrics_head(out, " };
	char word[64], name[80];
	size_t n = 0;

	for (size_t i = 0; i < COUNT_OF(writers); i++)
		for (const char *p = source; (p = strstr(p, writers[i])); p++)
			if (quoted(p + strlen(writers[i]), word, NULL)) {
				snprintf(name, sizeof(name), "tollgate_%s", word);
				want(running, "tollgate.8", "gauge", name);
				n++;
			}
	return n;
}

static void
manual_has_every_gauge_and_admin_endpoint(void **state)
{
	(void)state;
	none_missing(each_source("spoa/*/*.c", look_for_gauges) +
			     each_source("spoa/*/*/*.c", look_for_gauges),
		20);
	for (size_t i = 0; i < admin_endpoint_count; i++)
		want(running, "tollgate.8", "endpoint", admin_endpoints[i].path);
	none_missing(admin_endpoint_count, 20);
}

static size_t
look_for_macros(void)
{
	char word[64];
	size_t n = 0;

	const char *p = strstr(source, "macros[] = {"), *end = p ? strstr(p, "\n};") : NULL;

	for (; p && (p = strstr(p, "{ \"")) && p < end; p++)
		if (quoted(p + 1, word, NULL)) {
			want(policy, "tollgate-policy.5", "macro", word);
			n++;
		}
	return n;
}

static void
manual_has_every_macro(void **state)
{
	(void)state;
	want(policy, "tollgate-policy.5", "macro", "has");
	want(policy, "tollgate-policy.5", "macro", "cel.bind");
	none_missing(each_source("spoa/policy/cel/parse.c", look_for_macros), 8);
}

/* ---- format ---- */

static void
manual_pages_are_well_formed(void **state)
{
	char line[512];
	unsigned complaints = 0;

	(void)state;
	if (system("command -v mandoc >/dev/null") != 0) {
		print_message("SKIP: mandoc is not installed\n");
		skip();
	}
	FILE *p = popen("mandoc -Tlint docs/man/*.[158] 2>/dev/null", "r");
	assert_non_null(p);
	while (fgets(line, sizeof(line), p)) {
		/* mandoc knows these only after installation */
		if (strstr(line, "referenced manual not found") || strstr(line, "mandoc.db"))
			continue;
		print_error("%s", line);
		complaints++;
	}
	pclose(p);
	assert_int_equal(complaints, 0);
}

static void
markdown_pages_match_the_manual_pages(void **state)
{
	(void)state;
	if (system("command -v mandoc >/dev/null && command -v python3 >/dev/null") != 0) {
		print_message("SKIP: mandoc or python3 is not installed\n");
		skip();
	}
	assert_int_equal(system("tests/support/reference --check"), 0);
}

/* Each ```yaml block of a page, completed with the sections that it omits, must be a valid
 * policy. */
static size_t
recipes_compile(const char *page, const char *as)
{
	static const struct {
		const char *key, *text;
	} rest[] = {
		{ "identity:", "identity: [{api_key: {keys: k.yaml}}, {none: {}}]\n" },
		{ "providers:", "providers: {openai: {backend: openai, dialect: openai}}\n" },
		{ "routes:", "routes: [{name: r, match: {path: /v1/x}, targets: openai}]\n" },
		{ "default:", "default: permit\n" },
	};
	struct buf why, text;
	size_t n = 0;

	buf_init(&why, 0);
	buf_init(&text, 0);
	struct detect_rules *rules = detect_load(NULL, &why);
	assert_non_null(rules);
	read_file(page, source, sizeof(source));
	for (const char *p = source; (p = strstr(p, "\n```yaml\n")); n++) {
		struct arena a;
		struct diag d;
		p += strlen("\n```yaml\n");
		const char *end = strstr(p, "\n```");
		assert_non_null(end);
		buf_clear(&text);
		buf_str(&text, "\n");
		buf_put(&text, p, (size_t)(end - p));
		buf_putc(&text, 0);
		arena_init(&a, 0, false);
		diag_init(&d);
		struct buf whole;
		buf_init(&whole, 0);
		buf_str(&whole, buf_view(&text).p + 1);
		buf_str(&whole, "\ntollgate: 1\nname: recipe\n");
		for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++) {
			char at[32];
			snprintf(at, sizeof(at), "\n%s", rest[i].key);
			if (!strstr(buf_view(&text).p, at))
				buf_str(&whole, rest[i].text);
		}
		const struct yaml_node *root = yaml_load(&a, as, buf_view(&whole), &d);
		const struct detect_extra *own = root ? policy_own(&a, root, as, &d) : NULL;
		struct detect_rules *with =
			own && own->n ? detect_load_with(NULL, own, &d.text) : NULL;
		if (!root || !policy_compile(&a, root, as, NULL, with ? with : rules, &d))
			fail_msg("%s: piece %zu: %.*s", page, n + 1,
				SPAN_ARG(buf_view(&d.text)));
		detect_free(&with);
		buf_free(&whole);
		diag_free(&d);
		arena_reset(&a);
		p = end;
	}
	detect_free(&rules);
	buf_free(&why);
	buf_free(&text);
	return n;
}

/* A price list is in the folder of the policy that names it. */
static void
documented_policies_compile(void **state)
{
	(void)state;
	assert_true(recipes_compile("docs/policy.md", "policies/recipe") >= 8);
	assert_true(recipes_compile("docs/budgets.md", "policies/recipe") >= 3);
	assert_true(recipes_compile("docs/answers.md", "recipe") >= 2);
	assert_true(recipes_compile("docs/tools.md", "recipe") >= 1);
	assert_true(recipes_compile("docs/cache.md", "recipe") >= 1);
}

/* Links between files of this tree. */
static size_t
look_for_links(void)
{
	size_t n = 0;

	for (const char *p = source; (p = strstr(p, "](")); p++) {
		char target[256], beside[300];
		if (sscanf(p + 2, "%255[^)#]", target) != 1 || strstr(target, "://"))
			continue;
		snprintf(beside, sizeof(beside), "docs/%s", target);
		n++;
		FILE *f = fopen(target, "r");
		if (!f)
			f = fopen(beside, "r");
		if (f) {
			fclose(f);
			continue;
		}
		print_error("a page links to %s, which does not exist\n", target);
		missing++;
	}
	return n;
}

static void
links_lead_to_existing_files(void **state)
{
	(void)state;
	none_missing(
		each_source("*.md", look_for_links) + each_source("docs/*.md", look_for_links),
		8);
}

static unsigned
code_rows(const char *page)
{
	unsigned rows = 0;

	for (const char *at = page; (at = strstr(at, "\n| `")); at++)
		rows++;
	return rows;
}

/* docs/audit-fields.md has a row for each field of a record, with the type of the field's row in the
 * table, and no other rows. Also: an object of the table is a row too, and each field of
 * conditions on requests is read back from one field of a decision, except parameters and the
 * policy's facts of a target. */
static void
audit_page_has_every_field_of_records(void **state)
{
	static const char *const kinds[] = { [RECORD_DECISION] = "decision",
		[RECORD_COMPLETION] = "completion",
		[RECORD_BOTH] = "both",
		[RECORD_EVERY] = "every" };
	static char page[256 << 10];
	unsigned from[V_COUNT] = { 0 };

	(void)state;
	read_file("docs/audit-verify.md", page, sizeof(page));
	assert_int_equal(code_rows(page), 18); /* the types of records */
	read_file("docs/audit-fields.md", page, sizeof(page));
	assert_int_equal(code_rows(page), RECORD_FIELDS_COUNT);
	for (size_t i = 0; i < RECORD_FIELDS_COUNT; i++) {
		const struct record_row *r = &record_rows[i];
		const char *slot = r->slot < V_COUNT ? policy_env.vars[r->slot].path : NULL;
		char line[256];
		int object = (int)(strlen(r->path) - strlen(r->name));
		snprintf(line, sizeof(line), "\n| `%s` | %s | %s | %s | %s%s%s | %s | ",
			r->path, record_type_names[r->type], kinds[r->in], r->by,
			slot ? "`" : "", slot ? slot : "", slot ? "`" : "",
			r->called ? r->called : "");
		if (!strstr(page, line)) {
			print_error("docs/audit-fields.md lacks%s\n", line);
			missing++;
		}
		if (slot && r->in & RECORD_DECISION)
			from[r->slot]++;
		snprintf(line, sizeof(line), "%.*s", object, r->path);
		static const char *const ends[] = { "[].", ".*.", "." };
		enum record_type type = RECORD_OBJECT;
		for (size_t k = 0; object && k < COUNT_OF(ends); k++) {
			size_t n = strlen(line), end = strlen(ends[k]);
			if (n <= end || strcmp(line + n - end, ends[k]) != 0)
				continue;
			line[n - end] = '\0';
			type = k == 0 ? RECORD_OBJECTS : k == 1 ? RECORD_MAP : RECORD_OBJECT;
			break;
		}
		bool known = !object;
		for (size_t k = 0; k < RECORD_FIELDS_COUNT; k++) {
			known |= !strcmp(record_rows[k].path, line) &&
				 record_rows[k].type == type;
			assert_true(k == i || strcmp(record_rows[k].path, r->path) != 0);
		}
		if (!known)
			fail_msg(
				"%s is in no row that is %s", r->path, record_type_names[type]);
	}
	for (size_t slot = 0; slot < V_COUNT; slot++)
		if (!policy_slot_parameter(slot).n && !policy_slot_reads_answer(slot) &&
			!policy_slot_reads_tool(slot) && slot != V_TARGET_REGION &&
			slot != V_TARGET_EXTERNAL && from[slot] != 1)
			fail_msg("%s is read back from %u fields of a decision",
				policy_env.vars[slot].path, from[slot]);
	none_missing(RECORD_FIELDS_COUNT, 200);
}

static void
audit_page_has_every_term_of_search(void **state)
{
	static char page[64 << 10];
	char line[192];

	(void)state;
	read_file("docs/audit.md", page, sizeof(page));
	assert_int_equal(code_rows(page), RT_SEARCHED);
	for (enum record_term t = 0; t < RT_SEARCHED; t++) {
		snprintf(line, sizeof(line), "\n| `%s` | `%.*s", record_terms[t].name,
			(int)strcspn(record_terms[t].paths, " "), record_terms[t].paths);
		if (!strstr(page, line)) {
			print_error("docs/audit.md lacks%s\n", line);
			missing++;
		}
	}
	none_missing(RT_SEARCHED, 20);
}

/* docs/compliance.md names the evidence for each requirement: `decision.about.risk`. Fields of
 * decisions and completions must be rows of the table. tests/e2e/law.sh looks for the fields of
 * other types in records. */
static void
compliance_page_names_existing_fields(void **state)
{
	static const struct {
		const char *type;
		unsigned in;
	} types[] = { { "decision.", RECORD_DECISION }, { "completion.", RECORD_COMPLETION } };
	static char page[64 << 10];
	size_t n = 0;

	(void)state;
	read_file("docs/compliance.md", page, sizeof(page));
	for (const char *at = page; (at = strchr(at, '`')); at++) {
		struct span named = span_of(at + 1, strcspn(at + 1, "`"));
		at += 1 + named.n;
		for (size_t t = 0; t < COUNT_OF(types); t++) {
			bool known = false;
			if (!span_starts(named, span_str(types[t].type)))
				continue;
			struct span path = span_cut(named, strlen(types[t].type), named.n);
			for (size_t k = 0; k < RECORD_FIELDS_COUNT; k++)
				known |= span_is(path, record_rows[k].path) &&
					 (record_rows[k].in & types[t].in);
			n++;
			if (known)
				continue;
			print_error("docs/compliance.md names %.*s, which no record has\n",
				SPAN_ARG(named));
			missing++;
		}
	}
	none_missing(n, 30);
}

/* For a row of docs/tools.md, "| names | problem | `file` |", the file must contain each name
 * in a string, as the name of a test has it. */
static size_t
look_for_complaints(struct span line)
{
	struct span names = span_trim(span_next(&line, '|'), " ");
	size_t n = 0;

	span_next(&line, '|');
	struct span file = span_trim(span_next(&line, '|'), " `");
	char path[128];
	snprintf(path, sizeof(path), "%.*s", SPAN_ARG(file));
	read_file(path, source, sizeof(source));
	for (; names.n; n++) {
		struct span name = span_trim(span_next(&names, ','), " ");
		const char *at = source;
		bool found = false;
		while (!found && (at = memmem(at, strlen(at), name.p, name.n))) {
			const char *from = at;
			while (from > source && !strchr("\"'\n", from[-1]))
				from--;
			at += name.n;
			found = from > source && from[-1] != '\n' && strchr(":,", *at);
		}
		if (found)
			continue;
		print_error("%s has no check named %.*s\n", path, SPAN_ARG(name));
		missing++;
	}
	return n;
}

static void
every_known_problem_has_its_test(void **state)
{
	static char page[64 << 10];
	size_t n = 0;

	(void)state;
	read_file("docs/tools.md", page, sizeof(page));
	const char *at =
		strstr(page, "\n## Known problems of other gateways, and their tests\n");
	assert_non_null(at);
	at = strstr(at, "|\n|---|---|---|\n| ");
	assert_non_null(at);
	for (at = strchr(at + 2, '\n') + 1; *at == '|'; at += strcspn(at, "\n") + 1)
		n += look_for_complaints(span_of(at + 1, strcspn(at + 1, "\n")));
	none_missing(n, 35);
}

/* Paths of the package; README has the sentence about those of make install. */
static size_t
look_for_paths(void)
{
	static const char *const others[] = { "/usr/local/share/", "/usr/local/lib/systemd" };

	for (size_t i = 0; i < COUNT_OF(others); i++)
		if (strstr(source, others[i])) {
			print_error(
				"a page names %s: the package has it under /usr\n", others[i]);
			missing++;
		}
	return strstr(source, "/usr/share/tollgate/") != NULL;
}

static void
documented_paths_are_those_of_the_package(void **state)
{
	(void)state;
	none_missing(each_source("README.md", look_for_paths) +
			     each_source("docs/*.md", look_for_paths) +
			     each_source("docs/man/*", look_for_paths),
		5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(manual_has_every_command_and_option),
		cmocka_unit_test(manual_has_every_configuration_option_and_default),
		cmocka_unit_test(manual_has_every_metric_and_label),
		cmocka_unit_test(manual_has_every_field_function_and_entity),
		cmocka_unit_test(manual_has_every_long_option),
		cmocka_unit_test(manual_has_every_log_event),
		cmocka_unit_test(manual_has_every_status_and_code),
		cmocka_unit_test(manual_has_every_policy_key),
		cmocka_unit_test(manual_has_every_haproxy_variable),
		cmocka_unit_test(manual_has_every_gauge_and_admin_endpoint),
		cmocka_unit_test(manual_has_every_macro),
		cmocka_unit_test(manual_pages_are_well_formed),
		cmocka_unit_test(markdown_pages_match_the_manual_pages),
		cmocka_unit_test(documented_policies_compile),
		cmocka_unit_test(audit_page_has_every_field_of_records),
		cmocka_unit_test(audit_page_has_every_term_of_search),
		cmocka_unit_test(compliance_page_names_existing_fields),
		cmocka_unit_test(every_known_problem_has_its_test),
		cmocka_unit_test(links_lead_to_existing_files),
		cmocka_unit_test(documented_paths_are_those_of_the_package),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
