/* The subcommands of `tollgate`, and the helpers that they share.
 *
 * Each subcommand is a function in one file of cmd/ and a row of CMD_TABLE. The row is used
 * for dispatch, usage, --help and shell completion. */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include "base/scoped.h"

/* Exit codes of every command: 0, done; 1, a negative result (invalid, mismatch, denied);
 * 2, the command could not run (usage, a file, a connection). */
enum { EXIT_DONE = 0, EXIT_NO = 1, EXIT_CANNOT = 2 };

/* The jobs by which --help groups the commands, in the order of printing. */
enum cmd_group { CMD_RUN, CMD_POLICY, CMD_LIMITS, CMD_RECORDS, CMD_OPERATE, CMD_MAKE, CMD_GROUPS };

/* clang-format off */
/*  name        function      group       usage forms                     the line of --help */
#define CMD_TABLE(X) \
  X("serve",    cmd_serve,    CMD_RUN, "[-c FILE] [--instance a|b [--take]]", "run the daemon in the foreground") \
  X("decide",   cmd_decide,   CMD_POLICY, "[-c FILE] [--policy FILE] [--explain] < REQUEST.json", "print what the policy decides for a request, and why") \
  X("body",     cmd_body,     CMD_POLICY, "[--dialect D] [--path P] [--method M] [--content-type T]", "print the text segments of a request body as JSON") \
  X("status",   cmd_status,   CMD_RUN, "[--all] [-c FILE] [--json]", "print the running daemon's state, or that of all daemons of its Redis") \
  X("upgrade",  cmd_upgrade,  CMD_RUN, "[-c FILE] [--exec PROGRAM]", "replace the running daemon by the installed program without a refused request") \
  X("reload",   cmd_reload,   CMD_RUN, "[-c FILE]", "make the running daemon read its configuration, policy and keys again") \
  X("top",      cmd_top,      CMD_OPERATE, "[-c FILE] [--json]", "print the newest decisions of the running daemon, and update them") \
  X("check",    cmd_check,    CMD_RUN, "[-c FILE] [--policy FILE|-] [--user NAME] [--haproxy FILE... [--haproxy-version V | --haproxy-binary BIN] [--haproxy-only] [--probe [--host H...]]] [--json]", "find errors in the configuration, the policy and HAProxy's files") \
  X("init",     cmd_init,     CMD_RUN, "[--haproxy FILE...] [--frontend N...] [--host H...] [--close-others] [--policy-routes] [--backend NAME=DIALECT...] [--person P] [--root DIR] [--haproxy-binary BIN] [--undo [--keep-guards]] [--write | --probe]", "add tollgate to an existing HAProxy configuration") \
  X("classify", cmd_classify, CMD_POLICY, "[--jsonl | --file FILE] [--json] [--policy FILE]", "print the entities that the detectors find in a text or a file") \
  X("key",      cmd_key,      CMD_LIMITS, "new --person P [--owner O] [--team T] [--department D] [--tier T] [--agent A] [--roles A,B] [--scopes ROUTE,ROUTE] [--models PATTERN,PATTERN] [--limits requests=100/1m,tokens=50000/1d] [--clearance N] [--ttl 90d | --until 2026-12-01] | list | change ID [the same] | rotate ID [--overlap 24h] [--ttl 90d | --until 2026-12-01] | revoke ID; all: [--keys FILE | -c FILE] or --live [-c FILE] [--by NAME] [--reason TEXT] [--json]", "create, list, change, rotate and revoke API keys") \
  X("admin-token", cmd_admin_token, CMD_LIMITS, "new NAME --roles viewer,operator,auditor [--ttl 90d | --until 2026-12-01] | list [--json] | revoke NAME; all: [--tokens FILE | -c FILE]", "create, list and revoke tokens of the admin server") \
  X("limit",    cmd_limit,    CMD_LIMITS, "set NAME --for WHAT=VALUE...|everyone --to N [--until TIME] | list | clear NAME --for WHAT=VALUE...|everyone | clear ID; all: [-c FILE] [--by NAME] [--reason TEXT] [--json]", "override a limit for some callers while the daemon runs") \
  X("target",   cmd_target,   CMD_OPERATE, "list | eject NAME | admit NAME; all: [-c FILE] [--by NAME] [--reason TEXT] [--json]", "list targets with their health; eject or readmit one") \
  X("node",     cmd_node,     CMD_OPERATE, "list | retire NAME --why TEXT [--journal DIR] [--keep-stream] | admit NAME --why TEXT; all: [-c FILE] [--by NAME] [--reason TEXT] [--json]", "list the nodes that share a Redis; retire one that will not return, or admit it again") \
  X("credential", cmd_credential, CMD_OPERATE, "try PROVIDER --token-file FILE [-c FILE]", "exchange a caller's token for a provider as the daemon does, and print each step") \
  X("cache",    cmd_cache,    CMD_OPERATE, "stats | purge [--route NAME] [--person P] [--older 10m] | purge --all; all: [-c FILE] [--by NAME] [--reason TEXT] [--json]", "print statistics of the response cache; purge responses") \
  X("log",      cmd_log,      CMD_OPERATE, "[error|warn|info|debug [--for 10m]] [-c FILE] [--by NAME] [--reason TEXT] [--json]", "print or change the running daemon's log level") \
  X("tools",    cmd_tools,    CMD_OPERATE, "list [--server S] [--state S] | show SERVER/NAME | diff SERVER/NAME | approve SERVER/NAME HASH [--only] | approve SERVER/NAME --none | approve SERVER LOOK --all; all: [--kind tool|prompt|instructions] [-c FILE] [--by NAME] [--reason TEXT] [--json]", "list the tools of MCP servers with their changes; approve them") \
  X("notify",   cmd_notify,   CMD_OPERATE, "status [--json] | test [--by NAME] [--reason TEXT]; all: [-c FILE]", "print the results of webhooks; send a test message") \
  X("quota",    cmd_quota,    CMD_LIMITS, "get [--person P] [--team T] [--department D] [--tier T] [--agent A] [--roles A,B] [--identity JSON] [--key ID] [--route R] [--model M] [--json] [-c FILE]", "print how much of each limit a caller has used and has left") \
  X("policy",   cmd_policy,   CMD_POLICY, "test [--policy FILE] [-c FILE] [--require-coverage] FILE|DIR... | diff A B [--examples N] [--json] < REQUESTS.jsonl | replay [-c FILE] --policy P [--key FILE [--passphrase-file F] [--shares FILE | --by NAME --reason TEXT]] [--since T] [--until T] [--journal DIR] [--redis URL] [--file F] [--examples N] [--json] | schema [config|prices] | next [--json] [-c FILE] | apply [FILE] --why TEXT [--since T] [--yes] [-c FILE] | back [VERSION] --why TEXT [--since T] [--yes] [-c FILE] | history [--since T] [--limit N] [--json] [--journal DIR] [-c FILE] | show VERSION [--journal DIR] [-c FILE]", "apply, revert, test, compare and replay policies; list and show their versions") \
  X("audit",    cmd_audit,    CMD_RECORDS, "list [--since T] [--until T] [--person P] [--decision D] [--route R] [--class C] [--outcome O] [--operation O] [--server S] [--tool T] [--shares FILE] [--follow] [--json] | search [--at T | --between A B | --since T --until T] [--zone Z] [--TERM VALUE...] [--where CEL] [--limit N] [--after CURSOR] [--oldest] [--count] [--by TERM] [--shares FILE] [--no-index] [--check-index] [--json] | verify [--texts] [--note FILE] [--manifest FILE] [--root FILE] [--statement FILE] [--tsa-ca FILE] [--witness-key FILE] [--program FILE...] [--json] | report [--since T] [--until T] [--article 12|14|19|26] [--json] | restore (SEGMENT... | --since T [--until T] [--texts]) [--archive PLACE] | subject --person NAME --key FILE --out DIR [--since T] [--until T] [--passphrase-file F] [--shares FILE | --by NAME --reason TEXT] [--sign-key FILE [--sign-passphrase-file F]] [--no-index] | show (ID | --seq [NODE/]N | --receipt R) [--proof[=TYPE] | --proof=html [--witness-key FILE]] [--no-index] | explain ID [--policy FILE] [--key FILE [--passphrase-file F] [--shares FILE | --by NAME --reason TEXT]] [--no-index] [--json] | open ID (--key FILE [--passphrase-file F] | --sealed) [--part prompt|response|tools] [--shares FILE] [--by NAME] [--reason TEXT] [--no-index] | erase (--person NAME --why TEXT [--ticket T] [--by NAME] [--reason TEXT] | --status) [--json] | accept NODE/SEQ --reason TEXT [--by NAME] [--json] | key (certify | revoke) KEY --root-key F --node N [--from SEQ] [--passphrase-file F] | export [--format jsonl|csv|ocsf|syslog] [--octets] [--between A B | --since T --until T] [--zone Z] [--TERM VALUE...] [--shares FILE] [--out FILE [--sign-key FILE]] [--follow] [--position FILE] [--skip-missing]; all except accept, key and erase: [--journal DIR] [--redis URL] [--file F] [--public-key FILE] [--from SEQ] [-c FILE]", "list, search, explain, verify, export, open, erase and restore records") \
  X("eval",     cmd_eval,     CMD_POLICY, "EXPR [--bindings JSON] [--typed] | --jsonl [--typed]", "print the value of a CEL expression as JSON") \
  X("detectors", cmd_detectors, CMD_POLICY, "list [--json | --markdown] | show ENTITY... | test [DIR|FILE...] | time [--bytes N] [--json] | fingerprint FILE...; all: [--policy FILE] [--dir DIR]", "list, test and time detection rules; make fingerprints of documents") \
  X("prices",   cmd_prices,   CMD_LIMITS, "check [--since T] [--until T] [--policy FILE] [--journal DIR | --redis URL | --file F] [-c FILE] | import LIST.json [--into FILE] [--source TEXT] [--write]", "find models without a price; import prices from a public list") \
  X("usage",    cmd_usage_sums, CMD_LIMITS, "[--by person,team,agent,key,model,route,tag,provider,target,tool,day] [--since T] [--until T] [--sort cost|requests|refused|redacted|tokens|last_seen|prompt_max|cost_max|total_p50|refused_growth|name] [--limit N] [--after CURSOR] [--match TEXT] [--no-index] [--csv | --json] [--journal DIR | --redis URL | --file F] [-c FILE]", "sum up requests, tokens and costs from the records") \
  X("keygen",   cmd_keygen,   CMD_MAKE, "[--secret | --hash-key [--from KEY | --rotate] | [--rotate | --root] [--passphrase-file F]] (FILE | --out FILE)", "make a signing key, an offline root, or a secret file") \
  X("ranks",    cmd_ranks,    CMD_MAKE, "pack --name NAME --pattern P LINES FILE | show FILE", "convert a published vocabulary to a file for counting tokens") \
  X("redact",   cmd_redact,   CMD_POLICY, "[--jsonl | --stream] [--with STYLE] [--key-file FILE] [--policy FILE]", "replace the findings in a text") \
  X("tokens",   cmd_tokens,   CMD_LIMITS, "[--encoding E | --model M] [--ids] [--jsonl] [--ranks DIR]", "count the tokens of a text") \
  X("completion", cmd_completion, CMD_MAKE, "bash|zsh|fish", "print a completion script for a shell") \
  X("version",  cmd_version,  CMD_MAKE, "", "print the versions of tollgate, SPOP and the linked libraries")
/* clang-format on */

#define X(name, fn, group, args, help) int fn(int argc, char **argv);
CMD_TABLE(X)
#undef X

/* Runs the whole program; argv[1] is the subcommand. Returns the exit code. */
int cmd_main(int argc, char **argv);
/* Each function of CMD_TABLE gets the subcommand's name as argv[0]. cmd_main() handles
 * --help, so a subcommand never sees it. cmd_usage() prints the forms of the command `name`
 * to stderr, or only the form of its verb ("audit show"). Returns EXIT_CANNOT. */
int cmd_usage(const char *name);
/* Reports why config_find() returned NULL: no file exists, or a file may not be read. `or`
 * is appended to the message and names an alternative, such as ", or a policy with
 * --policy"; "" if there is none. Returns EXIT_CANNOT. */
int cmd_no_config(const char *what, const char *named, const char * or);
/* Prints "tollgate: WHAT: message" and a newline to stderr. Returns EXIT_CANNOT. */
__attribute__((format(printf, 2, 3))) int cmd_fail(const char *what, const char *fmt, ...);
/* Prints the message in `why`, or the name of the error if `why` is empty. Returns
 * EXIT_CANNOT, or 0 without a message if `err` is 0. */
int cmd_failed(const char *what, int err, const struct buf *why);
struct config;
/* Loads the file of -c, or the usual file if `named` is NULL, into the arena. Returns NULL
 * without a message if there is no file or it has mistakes. */
const struct config *cmd_config(struct arena *a, const char *named);
/* An option of a command: `--name VALUE` or `--name=VALUE`. A name of one letter is a short
 * option such as -c. A table ends with a row whose name is NULL. */
struct cmd_option {
	const char *name;
	const char **text; /* gets the value; with `count`, the array that gets each value */
	size_t *count, most;
	bool *flag; /* set to true. Without `text`, the option takes no value. With `text`, a
		     * value is optional and only given as `--name=VALUE`. */
};
/* Reads the options of the command `what`, such as "audit list". If `what` is a command
 * alone and the command has verbs, its first operand is the verb. Operands may stand
 * between options. Returns the number of operands, and sets *operands to the first one.
 * Returns -1 after a message if an option has no row, lacks its value, occurs too often, or
 * belongs to other verbs (option_rows). A row with `text` and without `count` may occur
 * once. A table has at most 64 rows. */
int cmd_options(const char *what, int argc, char **argv, const struct cmd_option *options,
	char ***operands);
/* One row for each meaning of an option, for --help. Ends with a row whose name is NULL. */
extern const struct option_row {
	const char *name;
	const char *value;     /* what follows the option, such as FILE; "[=TYPE]": optional;
			        * NULL: nothing */
	const char *of;	       /* the verbs that have the option, such as "audit list, usage";
			        * a command alone stands for all its verbs */
	const char *help;      /* one line for --help */
} option_rows[];
enum { OPTION_WHAT_MAX = 64 };
/* Returns whether the option `name`, without dashes, belongs to the verb. The verb is in
 * `command` ("audit list") or is the operand, which may be NULL. If only other verbs of the
 * command have the option, a message names them. An option without a row for this command
 * belongs to every verb. */
bool option_belongs(const char *command, const char *operand, const char *name);
/* Writes the buffer to standard output. Returns false with errno if the buffer had failed
 * or the write fails. */
bool cmd_write(const struct buf *out);
/* As cmd_write(). Returns EXIT_DONE, or EXIT_CANNOT after a message. */
int cmd_print(const char *what, const struct buf *out);
/* Read all of standard input or of a file into `out`, up to the buffer's cap. Return 0,
 * ERR_IO, or ERR_LIMIT beyond the cap. */
int cmd_read_stdin(struct buf *out);
int cmd_read_file(const char *file, struct buf *out);
enum { CMD_FIX_BYTES = 2 * 4096 + 64 };
/* Returns true if the user `name` of this machine lacks one of the rights (04 read, 02
 * write, 01 search) to the file, or may not pass a folder on its path. `fix` gets a command
 * that grants the right. Returns false also if there is no such user or file. */
bool cmd_user_cannot(
	const char *name, const char *file, unsigned rights, char *fix, size_t size);
enum { CMD_END_LEN = 64 };
/* Parses when something ends: a date, which means its first second in UTC, or a time with
 * its zone. `full` gets the time in RFC 3339, *wall_ns the nanoseconds since 1970. Returns
 * false after a message that names --until. */
bool cmd_end(const char *what, const char *s, char full[CMD_END_LEN], int64_t *wall_ns);
/* Parses the duration of an option, from `least_us` to 36500 days, into *us (microseconds).
 * If `text` is NULL, *us is unchanged. Returns false after a message. */
bool cmd_ttl(const char *what, const char *option, const char *text, uint64_t least_us,
	uint64_t *us);
/* Computes when something ends from --ttl (a duration) or --until (a date, time or
 * duration). Each may be NULL; if both are, *end_ns is unchanged. Returns false after a
 * message. */
bool cmd_end_given(
	const char *what, const char *ttl, const char *until, int64_t now_ns, int64_t *end_ns);
/* Parses the whole number of an option. Returns false after a message. */
bool cmd_whole(const char *what, const char *option, const char *s, int64_t *out);
struct diag;
/* Prints the mistakes and their number to stderr. Returns EXIT_CANNOT. */
int cmd_mistakes(const char *what, const struct diag *d);
/* Calls each() for every line of standard input that is not empty, as it arrives, with its
 * newline and its number from 1. A result other than EXIT_DONE ends the reading and is
 * returned. */
int cmd_each_line(int (*each)(void *arg, struct span line, size_t number), void *arg);

#endif
