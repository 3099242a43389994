/* The table of subcommands: dispatch, usage and --help, and the check that an option
 * belongs to a verb. main() is in main.c, so that tests can link this file. The table of
 * options is in options.c. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	enum cmd_group group;
	const char *args, *help;
} commands[] = {
#define X(name, fn, group, args, help) { name, fn, group, args, help },
	CMD_TABLE(X)
#undef X
};

static const char *const group_titles[CMD_GROUPS] = {
	[CMD_RUN] = "Run the gateway",
	[CMD_POLICY] = "Write and test the policy",
	[CMD_LIMITS] = "Manage keys, limits and costs",
	[CMD_RECORDS] = "Read and prove the records",
	[CMD_OPERATE] = "Operate the running daemon",
	[CMD_MAKE] = "Make keys and files",
};

/* Examples for --help. Each command has at least one. */
static const struct {
	const char *of, *line;
} examples[] = {
	{ "serve", "tollgate serve -c /etc/tollgate/tollgate.yaml" },
	{ "status", "tollgate status --json" },
	{ "status", "tollgate status --all" },
	{ "top", "tollgate top" },
	{ "reload", "tollgate reload" },
	{ "upgrade", "tollgate upgrade" },
	{ "check", "tollgate check --haproxy /etc/haproxy/haproxy.cfg" },
	{ "check", "tollgate check --haproxy /etc/haproxy/haproxy.cfg --probe --host api.example.com" },
	{ "init", "tollgate init --host api.example.com" },
	{ "init", "tollgate init --host api.example.com --write" },
	{ "policy test", "tollgate policy test --policy policies/default.yaml policies/tests" },
	{ "policy diff", "tollgate policy diff old.yaml new.yaml < requests.jsonl" },
	{ "policy replay", "tollgate policy replay --policy new.yaml --since 7d" },
	{ "policy next", "tollgate policy next" },
	{ "policy apply", "tollgate policy apply new.yaml --why \"block uploads of source code\"" },
	{ "policy back", "tollgate policy back --why \"the new rule denied too much\"" },
	{ "policy history", "tollgate policy history --since 30d" },
	{ "policy show", "tollgate policy show default@1f3c" },
	{ "policy schema", "tollgate policy schema > policy.schema.json" },
	{ "decide", "tollgate decide --policy policies/default.yaml --explain < request.json" },
	{ "credential try", "tollgate credential try tickets --token-file ann.token" },
	{ "body", "tollgate body --dialect openai < body.json" },
	{ "classify", "tollgate classify < letter.txt" },
	{ "classify", "tollgate classify --file payroll.xlsx" },
	{ "redact", "tollgate redact --with mask < letter.txt" },
	{ "detectors list", "tollgate detectors list --policy policies/default.yaml" },
	{ "detectors show", "tollgate detectors show IBAN" },
	{ "detectors test", "tollgate detectors test employee.yaml" },
	{ "detectors time", "tollgate detectors time --bytes 1m" },
	{ "detectors fingerprint", "tollgate detectors fingerprint src/*.c > source.list" },
	{ "eval", "tollgate eval 'size(name) > 3' --bindings '{\"name\": \"anna\"}'" },
	{ "key new", "tollgate key new --person anna --team search --ttl 90d" },
	{ "key list", "tollgate key list" },
	{ "key rotate", "tollgate key rotate k_1f3c --overlap 24h" },
	{ "key revoke", "tollgate key revoke k_1f3c --live --reason \"laptop lost\"" },
	{ "admin-token new", "tollgate admin-token new grafana --roles viewer --ttl 365d" },
	{ "limit set", "tollgate limit set team-budget --for team=search --to 500 --until 7d" },
	{ "limit list", "tollgate limit list" },
	{ "quota", "tollgate quota get --person anna" },
	{ "usage", "tollgate usage --by team,model --since 30d" },
	{ "prices check", "tollgate prices check --since 30d" },
	{ "prices import", "tollgate prices import list.json --into policies/prices.yaml --write" },
	{ "tokens", "tollgate tokens --model gpt-5 < prompt.txt" },
	{ "audit list", "tollgate audit list --since 1d --decision deny" },
	{ "audit search", "tollgate audit search --person anna --since 7d" },
	{ "audit search", "tollgate audit search --at \"2026-11-24 11:47\" --zone Europe/Berlin" },
	{ "audit show", "tollgate audit show 0192f0c1 --proof" },
	{ "audit explain", "tollgate audit explain 0192f0c1" },
	{ "audit verify", "tollgate audit verify" },
	{ "audit report", "tollgate audit report --since 2026-10-01 --until 2026-11-01" },
	{ "audit export", "tollgate audit export --format csv --since 30d --out november.csv" },
	{ "audit open", "tollgate audit open 0192f0c1 --key auditor.key --reason \"case 4711\"" },
	{ "audit subject", "tollgate audit subject --person anna --key auditor.key --out anna" },
	{ "audit accept", "tollgate audit accept gate-1/4711 --reason \"disk error on 28 November, restored from the archive\"" },
	{ "audit erase", "tollgate audit erase --person anna --why \"GDPR article 17\" --ticket 4711" },
	{ "audit key", "tollgate audit key certify audit.key.pub --root-key root.key --node edge1" },
	{ "audit restore", "tollgate audit restore --archive /mnt/archive --since 2026-01-01" },
	{ "target list", "tollgate target list" },
	{ "target eject", "tollgate target eject openai/gpt-5 --reason \"slow since 10:00\"" },
	{ "node list", "tollgate node list" },
	{ "node retire", "tollgate node retire gw-2 --why \"its machine was replaced\"" },
	{ "node admit", "tollgate node admit gw-2 --why \"repaired\"" },
	{ "cache stats", "tollgate cache stats" },
	{ "cache purge", "tollgate cache purge --route chat --older 1h" },
	{ "tools list", "tollgate tools list --state changed" },
	{ "tools diff", "tollgate tools diff files/read_file" },
	{ "log", "tollgate log debug --for 10m" },
	{ "notify test", "tollgate notify test" },
	{ "keygen", "tollgate keygen /etc/tollgate/audit.key" },
	{ "keygen", "tollgate keygen --secret /etc/tollgate/state.key" },
	{ "ranks pack", "tollgate ranks pack --name o200k_base --pattern o200k o200k_base.tiktoken o200k_base.ranks" },
	{ "completion", "tollgate completion bash > /etc/bash_completion.d/tollgate" },
	{ "version", "tollgate version" },
};

enum { NCOMMANDS = COUNT_OF(commands), ARGS_MAX = 64 };

/* Returns the next usage form of `args`, and moves *args behind the form or sets it to
 * NULL. " | " outside of brackets separates forms; "; all" ends them. */
static struct span
next_form(const char **args)
{
	const char *p = *args, *end;
	int depth = 0;

	for (end = p; *end && strncmp(end, "; all", 5) != 0; end++) {
		depth += (*end == '[' || *end == '(') - (*end == ']' || *end == ')');
		if (depth == 0 && !strncmp(end, " | ", 3))
			break;
	}
	*args = !strncmp(end, " | ", 3) ? end + 3 : NULL;
	return (struct span){ p, (size_t)(end - p) };
}

/* Prints one line for each form. If the command has a form of `verb`, prints that form
 * alone. */
static void
print_forms(FILE *f, const char *name, const char *args, const char *verb)
{
	const char *all = strstr(args, "; all");
	size_t n = verb ? strlen(verb) : 0, said = 0;

	for (int one = n != 0; one >= 0 && !said; one--)
		for (const char *rest = args; rest;) {
			struct span form = next_form(&rest);
			if (one && (form.n < n || memcmp(form.p, verb, n) != 0 ||
					   (form.n > n && form.p[n] != ' ')))
				continue;
			fprintf(f, "%s tollgate %s %.*s\n", said++ ? "      " : "usage:", name,
				SPAN_ARG(form));
		}
	if (all)
		fprintf(f, "       %s\n", all + 2);
}

int
cmd_usage(const char *name)
{
	size_t n = strcspn(name, " ");

	for (size_t i = 0; i < NCOMMANDS; i++)
		if (strlen(commands[i].name) == n && !memcmp(commands[i].name, name, n)) {
			fprintf(stderr, "tollgate: %s: ", name);
			print_forms(stderr, commands[i].name, commands[i].args,
				name[n] ? name + n + 1 : NULL);
		}
	return EXIT_CANNOT;
}

/* ---- options and their verbs ---- */

/* Returns the command of "audit list", which is "audit". */
static struct span
command_of(struct span what)
{
	return span_next(&what, ' ');
}

/* Returns "audit list" if `what` is "audit" and its forms have the verb `operand` "list".
 * Otherwise returns `what`. */
static struct span
with_verb(const char *what, const char *operand, char out[OPTION_WHAT_MAX])
{
	size_t n = operand && !strchr(what, ' ') ? strlen(operand) : 0;

	for (size_t i = 0; i < NCOMMANDS && n; i++)
		for (const char *rest = strcmp(commands[i].name, what) ? NULL : commands[i].args;
			rest;) {
			struct span form = next_form(&rest);
			if (!span_is(span_next(&form, ' '), operand))
				continue;
			snprintf(out, OPTION_WHAT_MAX, "%s %s", what, operand);
			return span_str(out);
		}
	return span_str(what);
}

/* Returns the first verb of a row's list, such as "audit list" or a command alone, and
 * removes it from the list. */
static struct span
next_verb(struct span *of)
{
	return span_trim(span_next(of, ','), " ");
}

/* Returns whether `one` of a row's list covers the verb `what`. A command alone covers all
 * its verbs. */
static bool
verb_covers(struct span one, struct span what)
{
	return span_eq(one, what) || span_eq(one, command_of(what));
}

/* Appends the verbs of the same command that the row lists to `of`. Returns true if `what`
 * is one of the row's verbs. */
static bool
add_verbs(const struct option_row *row, struct span what, struct buf *of)
{
	bool belongs = false;

	for (struct span rest = span_str(row->of); rest.n && !belongs;) {
		struct span one = next_verb(&rest);
		if (!span_eq(command_of(one), command_of(what)))
			continue;
		belongs = verb_covers(one, what);
		buf_printf(of, "%s%.*s", of->n ? ", " : "", SPAN_ARG(one));
	}
	return belongs;
}

bool
option_belongs(const char *command, const char *operand, const char *name)
{
	char verb[OPTION_WHAT_MAX];
	struct span what = with_verb(command, operand, verb);
	bool belongs = false;

	SCOPED_BUF(of, 4096);
	for (const struct option_row *row = option_rows; row->name && !belongs; row++)
		belongs = !strcmp(row->name, name) && add_verbs(row, what, &of);
	if (belongs || !of.n)
		return true;
	fprintf(stderr, "tollgate: %.*s: %s%s is an option of %.*s\n", SPAN_ARG(what),
		name[1] ? "--" : "-", name, SPAN_ARG(buf_view(&of)));
	return false;
}

static void
print_commands(FILE *f)
{
	fprintf(f, "usage: tollgate COMMAND [ARGUMENTS]\n");
	for (enum cmd_group g = 0; g < CMD_GROUPS; g++) {
		fprintf(f, "\n%s\n", group_titles[g]);
		for (size_t i = 0; i < NCOMMANDS; i++)
			if (commands[i].group == g)
				fprintf(f, "  %-12s %s\n", commands[i].name, commands[i].help);
	}
	fprintf(f, "\n\"tollgate COMMAND --help\" describes the options of a command, tollgate(1) all commands.\n"
		   "Exit codes: 0 success, 1 a negative result (such as invalid, denied or not found), 2 an error.\n");
}

static bool
asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (!strcmp(argv[i], "--help") || (i == 1 && !strcmp(argv[i], "-h")))
			return true;
	return false;
}

/* ---- help of a command ---- */

/* Returns whether the row belongs to `what`, such as "audit list". If `what` is a command
 * alone, a row of any of its verbs belongs to it. */
static bool
row_is_of(const struct option_row *row, struct span what)
{
	for (struct span rest = span_str(row->of); rest.n;) {
		struct span one = next_verb(&rest);
		if (verb_covers(one, what) || span_eq(command_of(one), what))
			return true;
	}
	return false;
}

/* Returns whether the command has another row with the same name, so that only the verbs
 * distinguish them. */
static bool
has_namesake(const struct option_row *row, struct span command)
{
	for (const struct option_row *other = option_rows; other->name; other++)
		if (other != row && !strcmp(other->name, row->name) && row_is_of(other, command))
			return true;
	return false;
}

/* Prints the verbs of the command that the row belongs to, such as "apply, back: ". More
 * than three verbs are printed only if another row has the same name. */
static void
print_verbs(const struct option_row *row, struct span command)
{
	enum { FEW = 3 };
	size_t n = 0;

	SCOPED_BUF(verbs, 1024);
	for (struct span rest = span_str(row->of); rest.n;) {
		struct span verb = next_verb(&rest);
		if (span_eq(span_next(&verb, ' '), command) && verb.n)
			buf_printf(&verbs, "%s%.*s", n++ ? ", " : "", SPAN_ARG(verb));
	}
	if (n && (n <= FEW || has_namesake(row, command)))
		printf("%.*s: ", SPAN_ARG(buf_view(&verbs)));
}

static void
print_options(struct span what, bool verbs)
{
	bool any = false;

	for (const struct option_row *row = option_rows; row->name; row++) {
		if (!row_is_of(row, what))
			continue;
		const char *value = row->value ? row->value : "";
		char left[OPTION_WHAT_MAX];
		snprintf(left, sizeof(left), "%s%s%s%s", row->name[1] ? "--" : "-", row->name,
			*value && *value != '[' ? " " : "", value);
		printf("%s  %-27s ", any ? "" : "\nOptions:\n", left);
		if (verbs)
			print_verbs(row, what);
		printf("%s\n", row->help);
		any = true;
	}
}

/* Prints the examples of `what`. If the verb has no examples of its own, prints those of
 * its command. */
static void
print_examples(struct span what)
{
	size_t said = 0;

	for (int exact = 1; exact >= 0 && !said; exact--)
		for (size_t i = 0; i < COUNT_OF(examples); i++) {
			struct span of = span_str(examples[i].of);
			if (exact ? !span_eq(of, what) : !span_eq(command_of(of), command_of(what)))
				continue;
			printf("%s  %s\n", said++ ? "" : "\nExamples:\n", examples[i].line);
		}
}

static int
help_of(size_t i, const char *verb)
{
	char text[OPTION_WHAT_MAX];
	struct span what = with_verb(commands[i].name, verb, text);

	print_forms(stdout, commands[i].name, commands[i].args, verb);
	printf("\n%s\n", commands[i].help);
	const char *args = commands[i].args;
	next_form(&args); /* NULL: the command has only one form */
	print_options(what, args && span_is(what, commands[i].name));
	print_examples(what);
	return EXIT_DONE;
}

/* Turns "-c FILE COMMAND ..." into "COMMAND -c FILE ...". */
static int
config_first(int argc, char **argv)
{
	char *moved[ARGS_MAX] = { argv[0], argv[3], argv[1], argv[2] };

	if (argc > ARGS_MAX - 1)
		return cmd_fail(argv[0], "too many arguments");
	for (int i = 4; i < argc; i++)
		moved[i] = argv[i];
	return cmd_main(argc, moved);
}

int
cmd_main(int argc, char **argv)
{
	if (argc < 2) {
		print_commands(stderr);
		return EXIT_CANNOT;
	}
	bool help = !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
		    !strcmp(argv[1], "help");
	if (help && argc == 2) {
		print_commands(stdout);
		return EXIT_DONE;
	}
	if (!strcmp(argv[1], "-c") && argc > 3 && argv[3][0] != '-')
		return config_first(argc, argv);
	const char *name = help ? argv[2] : !strcmp(argv[1], "--version") ? "version" : argv[1];
	opterr = 0; /* the command prints its own messages instead of getopt's */
	for (size_t i = 0; i < NCOMMANDS; i++) {
		if (strcmp(name, commands[i].name) != 0)
			continue;
		if (help)
			return help_of(i, argc > 3 ? argv[3] : NULL);
		if (asks_for_help(argc - 1, argv + 1))
			return help_of(i, argv[2]);
		return commands[i].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "tollgate: %s: no such command; see tollgate --help\n", name);
	return EXIT_CANNOT;
}
