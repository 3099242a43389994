/* The tables of subcommands and of their options: dispatch, usage, and which verb an option belongs to. Apart from
 * main() so that tests link it. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *args, *help;
} commands[] = {
#define X(name, fn, args, help) { name, fn, args, help },
	CMD_TABLE(X)
#undef X
};

#define AUDIT_FOUR "audit list, audit verify, audit show, audit explain"
#define AUDIT_READS AUDIT_FOUR ", audit search, audit report, audit subject, audit open, audit export"
#define CHANGES "key, limit, target eject, target admit, cache purge, tools approve, log, notify test, audit erase"

/* clang-format off */
const struct option_row option_rows[] = {
	/* where records, policies and configuration are */
	{ "c", "serve, decide, status, upgrade, reload, top, check, key, admin-token, quota get, policy test, policy replay, "
	  "policy apply, policy back, policy history, policy show, prices check, usage, audit restore, limit, target, cache, "
	  "tools, log, notify, audit erase, " AUDIT_READS,
		"the configuration file; default: tollgate.yaml, then /etc/tollgate/tollgate.yaml" },
	{ "config", AUDIT_READS ", audit restore, policy replay, policy apply, policy back, policy history, policy show, prices check, usage",
		"the same as -c" },
	{ "journal", AUDIT_READS ", audit restore, policy replay, policy history, policy show, prices check, usage",
		"the folder of the journal, instead of the configured one" },
	{ "redis", AUDIT_READS ", policy replay, policy history, prices check, usage",
		"read the stream of records at this Redis URL" },
	{ "file", AUDIT_READS ", policy replay, policy history, prices check, usage",
		"read records from this file; -: from standard input" },
	{ "public-key", AUDIT_FOUR ", audit restore, audit report, audit subject, audit open, audit export",
		"a file of public keys that sign the records; may be repeated" },
	{ "policy", "check, classify, redact, decide, detectors, audit explain, policy test, policy replay, prices check",
		"use this policy file instead of the configured one" },
	{ "policy", "audit search, audit export",
		"only records of this policy: NAME@BEGIN or its version" },
	{ "keys", "key",
		"the file of API keys, instead of the one that the policy names" },
	{ "tokens", "admin-token",
		"the file of tokens, instead of the configured one" },
	{ "dir", "detectors",
		"a folder of detectors, instead of the shipped ones" },
	{ "ranks", "tokens",
		"the folder of ranks files" },

	/* what is printed */
	{ "json", "check, classify, status, top, detectors list, detectors time, admin-token list, audit list, audit search, "
	  "audit verify, audit report, audit explain, audit erase, key, limit, target, cache, log, tools list, tools show, "
	  "tools approve, notify status, quota get, policy diff, policy replay, policy history, usage",
		"print JSON" },
	{ "jsonl", "classify, redact, tokens, eval",
		"read one JSON value from each line, and print one result per line" },
	{ "csv", "usage",
		"print CSV" },
	{ "markdown", "detectors list",
		"print a table in Markdown" },
	{ "format", "audit export",
		"jsonl, csv, ocsf or syslog; default: jsonl" },
	{ "octets", "audit export",
		"put the length before each syslog message (RFC 6587)" },
	{ "out", "audit export, audit subject, keygen",
		"write to this file; for audit subject: to this new folder" },
	{ "examples", "policy diff, policy replay",
		"print at most this number of different decisions; default: 5" },
	{ "explain", "decide",
		"also print how each rule decided" },
	{ "ids", "tokens",
		"print the ids of the tokens" },
	{ "typed", "eval",
		"print the type with the value" },

	/* which records */
	{ "since", "audit list, audit search, audit report, audit restore, audit subject, audit export, policy replay, policy history, prices check, usage",
		"only records from this time on: a date, a time or a duration such as 7d" },
	{ "since", "policy apply, policy back",
		"replay records from this time on before the change; default: 1d" },
	{ "until", "audit list, audit search, audit report, audit restore, audit subject, audit export, policy replay, policy history, prices check, usage",
		"only records before this time" },
	{ "until", "key new, key change, key rotate, admin-token new, limit set",
		"when it ends: a date, a time or a duration such as 7d" },
	{ "at", "audit search",
		"only records around this time" },
	{ "between", "audit search, audit export",
		"only records between these two times" },
	{ "zone", "audit search, audit export",
		"the time zone of times without a zone" },
	{ "person", "audit list, audit search, audit export",
		"only records of this person" },
	{ "decision", "audit list, audit search, audit export",
		"only records with this decision: permit, redact, deny or observed" },
	{ "route", "audit list, audit search, audit export",
		"only records of this route" },
	{ "class", "audit list, audit search, audit export",
		"only records with this data class" },
	{ "outcome", "audit list, audit search, audit export",
		"only records with this outcome" },
	{ "operation", "audit list, audit search, audit export",
		"only records of this kind of operation" },
	{ "server", "audit list, audit search, audit export",
		"only records with a call of a tool of this MCP server" },
	{ "tool", "audit list, audit search, audit export",
		"only records with a call of this tool" },
	{ "key", "audit search, audit export",
		"only records of the API key with this ID" },
	{ "node", "audit search, audit export",
		"only records of this node" },
	{ "where", "audit search",
		"only records for which this CEL expression is true" },
	{ "text", "audit search",
		"only records whose recorded text contains this phrase" },
	{ "text-file", "audit search",
		"only records whose text is the content of this file" },
	{ "hash-key", "audit search",
		"the key of the keyed hashes of texts" },
	{ "limit", "audit search, policy history, usage",
		"print at most this number of rows; 0: all" },
	{ "after", "audit search, usage",
		"continue after this place, which the page before printed at its end" },
	{ "oldest", "audit search",
		"print the oldest records first" },
	{ "count", "audit search",
		"print only the number of records" },
	{ "by", "audit search",
		"count records by this term" },
	{ "by", "usage",
		"sum up by these columns: person, team, model, route, tag, provider, target, tool, day" },
	{ "match", "usage",
		"only rows whose name contains this text" },
	{ "sort", "usage",
		"order rows by cost, requests, refused, tokens, last_seen, prompt_max or name" },
	{ "no-index", "audit show, audit explain, audit search, audit subject, audit open, usage",
		"read every record, without the indexes" },
	{ "check-index", "audit search",
		"compare the indexes with the records, and make wrong ones again" },
	{ "follow", "audit list, audit export",
		"continue with new records as they are written" },
	{ "from", "audit verify, audit show, audit explain",
		"begin at the record with this sequence number" },
	{ "from", "audit key",
		"the statement holds from this record on" },
	{ "from", "keygen",
		"derive the key from this file" },
	{ "position", "audit export",
		"continue after the position in this file, and update the file" },
	{ "skip-missing", "audit export",
		"continue if a segment is missing" },
	{ "article", "audit report",
		"the article of Regulation (EU) 2024/1689: 12, 14, 19 or 26" },

	/* proof and sealed texts */
	{ "texts", "audit verify, audit restore",
		"also verify or restore the sealed texts" },
	{ "note", "audit verify",
		"verify that the records lead to the signed checkpoint in this file" },
	{ "manifest", "audit verify",
		"verify an export by the manifest in this file" },
	{ "program", "audit verify",
		"a program that may have written the records; may be repeated" },
	{ "tsa-ca", "audit verify",
		"the certificates of the time-stamping authority" },
	{ "witness-key", "audit verify, audit show",
		"the public keys of witnesses" },
	{ "root", "audit verify, audit restore, audit subject, audit open",
		"the public key of the offline root" },
	{ "root", "keygen",
		"make an offline root" },
	{ "root", "init",
		"a folder that takes the place of /" },
	{ "statement", "audit verify, audit restore, audit subject, audit open",
		"a file of statements of the offline root; may be repeated" },
	{ "proof", "audit show",
		"also print the proof of the record, of this type; html: as a page" },
	{ "seq", "audit show",
		"the record with this sequence number, or NODE/NUMBER" },
	{ "receipt", "audit show",
		"the record of this receipt" },
	{ "key", "audit explain, audit subject, audit open, policy replay",
		"the private key of the auditor" },
	{ "passphrase-file", "audit explain, audit subject, audit open, policy replay, audit key, keygen, audit export",
		"the passphrase of the private key" },
	{ "shares", "audit list, audit search, audit explain, audit subject, audit open, audit export, policy replay",
		"the file of the daemon's shares, instead of the running daemon" },
	{ "by", "audit explain, audit subject, audit open, policy replay, " CHANGES,
		"your name, for the record" },
	{ "reason", "audit explain, audit subject, audit open, policy replay, " CHANGES,
		"the reason, for the record" },
	{ "part", "audit open",
		"only this part: prompt, response or tools" },
	{ "sealed", "audit open",
		"print the sealed texts without opening them" },
	{ "sign-key", "audit export, audit subject",
		"sign the result with this private key" },
	{ "sign-passphrase-file", "audit subject",
		"the passphrase of the key that signs" },
	{ "archive", "audit restore",
		"the folder or s3:// place of the archive" },
	{ "person", "audit subject, audit erase",
		"the person whose records are meant" },
	{ "why", "audit erase, policy apply, policy back",
		"the reason, for the record" },
	{ "ticket", "audit erase",
		"the number of the request for erasure, for the record" },
	{ "status", "audit erase",
		"print the state of all erasures" },
	{ "status", "audit search, audit export",
		"only records with this HTTP status" },
	{ "root-key", "audit key",
		"the private key of the offline root" },
	{ "node", "audit key",
		"the node whose journal the key signs" },

	/* keys, tokens and limits */
	{ "live", "key",
		"use the keys that the running daemon keeps" },
	{ "person", "key new, key change",
		"the person that the key authenticates" },
	{ "owner", "key new, key change",
		"who is responsible for the key" },
	{ "team", "key new, key change, quota get",
		"the team" },
	{ "department", "key new, key change, quota get",
		"the department" },
	{ "tier", "key new, key change, quota get",
		"the tier" },
	{ "agent", "key new, key change, quota get",
		"the agent" },
	{ "roles", "key new, key change, quota get",
		"the roles, separated by commas" },
	{ "roles", "admin-token new",
		"viewer, operator and auditor, separated by commas" },
	{ "scopes", "key new, key change",
		"the routes that the key may use" },
	{ "models", "key new, key change",
		"patterns of the models that the key may use" },
	{ "limits", "key new, key change",
		"limits of the key, such as requests=100/1m" },
	{ "clearance", "key new, key change",
		"the clearance, a whole number" },
	{ "ttl", "key new, key change, key rotate, admin-token new",
		"how long it is valid, such as 90d" },
	{ "overlap", "key rotate",
		"how long the old key stays valid; default: 24h" },
	{ "for", "limit set, limit clear",
		"whose limit: person=NAME, team=NAME and the like, or everyone" },
	{ "for", "log",
		"how long the level holds, such as 10m" },
	{ "to", "limit set",
		"the new amount" },
	{ "person", "quota get",
		"the person" },
	{ "identity", "quota get",
		"the identity as JSON" },
	{ "key", "quota get",
		"the ID of an API key" },
	{ "route", "quota get",
		"only limits of this route" },
	{ "model", "quota get",
		"only limits of this model" },

	/* the running daemon */
	{ "route", "cache purge",
		"only responses of this route" },
	{ "person", "cache purge",
		"only responses to this person" },
	{ "older", "cache purge",
		"only responses that are older, such as 10m" },
	{ "all", "cache purge",
		"purge all responses" },
	{ "kind", "tools",
		"tool, prompt or instructions" },
	{ "server", "tools list",
		"only tools of this MCP server" },
	{ "state", "tools list",
		"only tools in this state" },
	{ "only", "tools approve",
		"approve this form, and no earlier one" },
	{ "none", "tools approve",
		"withdraw the approval" },
	{ "all", "tools approve",
		"approve all tools of the server as they were listed" },
	{ "exec", "upgrade",
		"the program that takes over; default: this program" },
	{ "instance", "serve",
		"which of two instances on one host this is: a or b" },
	{ "take", "serve",
		"take over from the other instance" },
	{ "yes", "policy apply, policy back",
		"do not ask before the change" },

	/* files, texts and tests */
	{ "require-coverage", "policy test",
		"fail if a rule was tested by no case" },
	{ "into", "prices import",
		"the price file that gets the rows" },
	{ "source", "prices import",
		"a note on the source of the prices" },
	{ "write", "prices import",
		"write the file instead of printing the rows" },
	{ "write", "init",
		"write the files instead of printing the changes" },
	{ "secret", "keygen",
		"make a secret file for state_key" },
	{ "hash-key", "keygen",
		"make the key of the keyed hashes of texts" },
	{ "rotate", "keygen",
		"replace the key in the file" },
	{ "dialect", "body",
		"the dialect of the request" },
	{ "path", "body",
		"the path of the request" },
	{ "method", "body",
		"the method of the request" },
	{ "content-type", "body",
		"the content type of the request" },
	{ "stream", "redact",
		"read the text as it arrives" },
	{ "with", "redact",
		"placeholder, mask, hash, remove or last4" },
	{ "key-file", "redact",
		"the key of the keyed hashes" },
	{ "encoding", "tokens",
		"the encoding of tokens; default: o200k_base" },
	{ "model", "tokens",
		"the model whose tokens are counted" },
	{ "bindings", "eval",
		"the variables as JSON" },
	{ "bytes", "detectors time",
		"how much text to scan, from 1k to 16m" },
	{ "name", "ranks pack",
		"the name of the vocabulary" },
	{ "pattern", "ranks pack",
		"the pattern that splits a text before it is encoded" },
	{ "user", "check",
		"also check that this user can read the files" },
	{ "haproxy", "check, init",
		"a configuration file of HAProxy; may be repeated" },
	{ "haproxy-version", "check",
		"the version of HAProxy that the files are for" },
	{ "haproxy-binary", "check, init",
		"the haproxy program, which also checks the files" },
	{ "haproxy-only", "check",
		"check only the files of HAProxy" },
	{ "probe", "check, init",
		"send requests to the running HAProxy" },
	{ "host", "check, init",
		"a host name of the API; may be repeated" },
	{ "frontend", "init",
		"the frontend that gets the stanza; may be repeated" },
	{ "close-others", "init",
		"refuse the API's paths at all other frontends" },
	{ "backend", "init",
		"the dialect of a backend, as NAME=DIALECT; may be repeated" },
	{ "person", "init",
		"the person of the first API key" },
	{ "undo", "init",
		"remove what an earlier run wrote" },
	{ "keep-guards", "init",
		"keep the rules that guard the paths of the API" },

	{ .name = NULL },
};
/* clang-format on */

enum { NCOMMANDS = COUNT_OF(commands), ARGS_MAX = 64 };

/* The next form in `args`: " | " outside of brackets parts them, "; all" ends them. */
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

/* A line a form; of `verb`, where it has one, that alone. */
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

/* The command of "audit list". */
static struct span
command_of(struct span what)
{
	return span_next(&what, ' ');
}

/* "audit list" if `what` is "audit" and its forms have the verb "list"; else `what`. */
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

/* The verbs of the same command that the row's option belongs to are added to `of`. Returns true if `what` is one. */
static bool
add_verbs(const struct option_row *row, struct span what, struct buf *of)
{
	bool belongs = false;

	for (struct span rest = span_str(row->of); rest.n && !belongs;) {
		struct span one = span_trim(span_next(&rest, ','), " ");
		if (!span_eq(command_of(one), command_of(what)))
			continue;
		belongs = span_eq(one, what) || span_eq(one, command_of(what));
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
usage(FILE *f)
{
	fprintf(f, "usage: tollgate COMMAND [ARGUMENTS]\n\n");
	for (size_t i = 0; i < NCOMMANDS; i++)
		fprintf(f, "  %-10s %s\n", commands[i].name, commands[i].help);
	fprintf(f, "\nExit: 0 done, 1 the answer is no, 2 could not do it. See tollgate(1).\n");
}

static bool
asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (!strcmp(argv[i], "--help") || (i == 1 && !strcmp(argv[i], "-h")))
			return true;
	return false;
}

static int
help_of(size_t i, const char *verb)
{
	print_forms(stdout, commands[i].name, commands[i].args, verb);
	printf("\n  %s\n", commands[i].help);
	return EXIT_DONE;
}

/* "-c FILE COMMAND …" is "COMMAND -c FILE …". */
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
		usage(stderr);
		return EXIT_CANNOT;
	}
	bool help = !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
		    !strcmp(argv[1], "help");
	if (help && argc == 2) {
		usage(stdout);
		return EXIT_DONE;
	}
	if (!strcmp(argv[1], "-c") && argc > 3 && argv[3][0] != '-')
		return config_first(argc, argv);
	const char *name = help ? argv[2] : !strcmp(argv[1], "--version") ? "version" : argv[1];
	opterr = 0; /* what is wrong is said in our own form */
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
