/* Subcommands: one file each under cmd/, one row each in the table here. The
 * same row feeds dispatch and usage. */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include "base/scoped.h"

/* Exit codes (every command): done; the answer is no (invalid, mismatch,
 * denied); could not do it (usage, file, connection). */
enum { EXIT_DONE = 0, EXIT_NO = 1, EXIT_CANNOT = 2 };

/* The jobs by which --help groups the commands. */
enum cmd_group { CMD_RUN, CMD_POLICY, CMD_LIMITS, CMD_RECORDS, CMD_OPERATE, CMD_MAKE, CMD_GROUPS };

/* clang-format off */
/*  name        function      group       usage forms                     the line of --help */
#define CMD_TABLE(X) \
  X("serve",    cmd_serve,    CMD_RUN, "[-c FILE] [--instance a|b [--take]]", "run the daemon in the foreground") \
  X("decide",   cmd_decide,   CMD_POLICY, "[-c FILE] [--policy FILE] [--explain] < REQUEST.json", "print what the policy decides for a request, and why") \
  X("body",     cmd_body,     CMD_POLICY, "[--dialect D] [--path P] [--method M] [--content-type T]", "print the text segments of a request body as JSON") \
  X("status",   cmd_status,   CMD_RUN, "[-c FILE] [--json]", "print the running daemon's state: ready or not, policy, requests in flight") \
  X("upgrade",  cmd_upgrade,  CMD_RUN, "[-c FILE] [--exec PROGRAM]", "replace the running daemon by the installed program without a refused request") \
  X("reload",   cmd_reload,   CMD_RUN, "[-c FILE]", "make the running daemon read its configuration, policy and keys again") \
  X("top",      cmd_top,      CMD_OPERATE, "[-c FILE] [--json]", "print the newest decisions of the running daemon, and update them") \
  X("check",    cmd_check,    CMD_RUN, "[-c FILE] [--policy FILE|-] [--user NAME] [--haproxy FILE... [--haproxy-version V | --haproxy-binary BIN] [--haproxy-only] [--probe [--host H...]]] [--json]", "find errors in the configuration, the policy and HAProxy's files") \
  X("init",     cmd_init,     CMD_RUN, "[--haproxy FILE...] [--frontend N...] [--host H...] [--close-others] [--backend NAME=DIALECT...] [--person P] [--root DIR] [--haproxy-binary BIN] [--undo [--keep-guards]] [--write | --probe]", "add tollgate to an existing HAProxy configuration") \
  X("classify", cmd_classify, CMD_POLICY, "[--jsonl] [--json] [--policy FILE]", "print the entities that the detectors find in a text") \
  X("key",      cmd_key,      CMD_LIMITS, "new --person P [--owner O] [--team T] [--department D] [--tier T] [--agent A] [--roles A,B] [--scopes ROUTE,ROUTE] [--models PATTERN,PATTERN] [--limits requests=100/1m,tokens=50000/1d] [--clearance N] [--ttl 90d | --until 2026-12-01] | list | change ID [the same] | rotate ID [--overlap 24h] [--ttl 90d | --until 2026-12-01] | revoke ID; all: [--keys FILE | -c FILE] or --live [-c FILE] [--by NAME] [--reason TEXT] [--json]", "create, list, change, rotate and revoke API keys") \
  X("admin-token", cmd_admin_token, CMD_LIMITS, "new NAME --roles viewer,operator,auditor [--ttl 90d | --until 2026-12-01] | list [--json] | revoke NAME; all: [--tokens FILE | -c FILE]", "create, list and revoke tokens of the admin server") \
  X("limit",    cmd_limit,    CMD_LIMITS, "set NAME --for WHAT=VALUE...|everyone --to N [--until TIME] | list | clear NAME --for WHAT=VALUE...|everyone | clear ID; all: [-c FILE] [--by NAME] [--reason TEXT] [--json]", "override a limit for some callers while the daemon runs") \
  X("target",   cmd_target,   CMD_OPERATE, "list | eject NAME | admit NAME; all: [-c FILE] [--by NAME] [--reason TEXT] [--json]", "list targets with their health; eject or readmit one") \
  X("cache",    cmd_cache,    CMD_OPERATE, "stats | purge [--route NAME] [--person P] [--older 10m] | purge --all; all: [-c FILE] [--by NAME] [--reason TEXT] [--json]", "print statistics of the response cache; purge responses") \
  X("log",      cmd_log,      CMD_OPERATE, "[error|warn|info|debug [--for 10m]] [-c FILE] [--by NAME] [--reason TEXT] [--json]", "print or change the running daemon's log level") \
  X("tools",    cmd_tools,    CMD_OPERATE, "list [--server S] [--state S] | show SERVER/NAME | diff SERVER/NAME | approve SERVER/NAME HASH [--only] | approve SERVER/NAME --none | approve SERVER LOOK --all; all: [--kind tool|prompt|instructions] [-c FILE] [--by NAME] [--reason TEXT] [--json]", "list the tools of MCP servers with their changes; approve them") \
  X("notify",   cmd_notify,   CMD_OPERATE, "status [--json] | test [--by NAME] [--reason TEXT]; all: [-c FILE]", "print the results of webhooks; send a test message") \
  X("quota",    cmd_quota,    CMD_LIMITS, "get [--person P] [--team T] [--department D] [--tier T] [--agent A] [--roles A,B] [--identity JSON] [--key ID] [--route R] [--model M] [--json] [-c FILE]", "print how much of each limit a caller has used and has left") \
  X("policy",   cmd_policy,   CMD_POLICY, "test [--policy FILE] [-c FILE] [--require-coverage] FILE|DIR... | diff A B [--examples N] [--json] < REQUESTS.jsonl | replay [-c FILE] --policy P [--key FILE [--passphrase-file F] [--shares FILE | --by NAME --reason TEXT]] [--since T] [--until T] [--journal DIR] [--redis URL] [--file F] [--examples N] [--json] | schema [config|prices] | apply [FILE] --why TEXT [--since T] [--yes] [-c FILE] | back [VERSION] --why TEXT [--since T] [--yes] [-c FILE] | history [--since T] [--limit N] [--json] [--journal DIR] [-c FILE] | show VERSION [--journal DIR] [-c FILE]", "apply, revert, test, compare and replay policies; list and show their versions") \
  X("audit",    cmd_audit,    CMD_RECORDS, "list [--since T] [--until T] [--person P] [--decision D] [--route R] [--class C] [--outcome O] [--operation O] [--server S] [--tool T] [--shares FILE] [--follow] [--json] | search [--at T | --between A B | --since T --until T] [--zone Z] [--TERM VALUE...] [--where CEL] [--limit N] [--after CURSOR] [--oldest] [--count] [--by TERM] [--shares FILE] [--no-index] [--check-index] [--json] | verify [--texts] [--note FILE] [--manifest FILE] [--root FILE] [--statement FILE] [--tsa-ca FILE] [--witness-key FILE] [--program FILE...] [--json] | report [--since T] [--until T] [--article 12|14|19|26] [--json] | restore (SEGMENT... | --since T [--until T] [--texts]) [--archive PLACE] | subject --person NAME --key FILE --out DIR [--since T] [--until T] [--passphrase-file F] [--shares FILE | --by NAME --reason TEXT] [--sign-key FILE [--sign-passphrase-file F]] [--no-index] | show (ID | --seq [NODE/]N | --receipt R) [--proof[=TYPE] | --proof=html [--witness-key FILE]] [--no-index] | explain ID [--policy FILE] [--key FILE [--passphrase-file F] [--shares FILE | --by NAME --reason TEXT]] [--no-index] [--json] | open ID (--key FILE [--passphrase-file F] | --sealed) [--part prompt|response|tools] [--shares FILE] [--by NAME] [--reason TEXT] [--no-index] | erase (--person NAME --why TEXT [--ticket T] [--by NAME] [--reason TEXT] | --status) [--json] | key (certify | revoke) KEY --root-key F --node N [--from SEQ] [--passphrase-file F] | export [--format jsonl|csv|ocsf|syslog] [--octets] [--between A B | --since T --until T] [--zone Z] [--TERM VALUE...] [--shares FILE] [--out FILE [--sign-key FILE]] [--follow] [--position FILE] [--skip-missing]; all except key and erase: [--journal DIR] [--redis URL] [--file F] [--public-key FILE] [--from SEQ] [-c FILE]", "list, search, explain, verify, export, open, erase and restore records") \
  X("eval",     cmd_eval,     CMD_POLICY, "EXPR [--bindings JSON] [--typed] | --jsonl [--typed]", "print the value of a CEL expression as JSON") \
  X("detectors", cmd_detectors, CMD_POLICY, "list [--json | --markdown] | show ENTITY... | test [DIR|FILE...] | time [--bytes N] [--json] | fingerprint FILE...; all: [--policy FILE] [--dir DIR]", "list, test and time detection rules; make fingerprints of documents") \
  X("prices",   cmd_prices,   CMD_LIMITS, "check [--since T] [--until T] [--policy FILE] [--journal DIR | --redis URL | --file F] [-c FILE] | import LIST.json [--into FILE] [--source TEXT] [--write]", "find models without a price; import prices from a public list") \
  X("usage",    cmd_usage_sums, CMD_LIMITS, "--by person,team,model,route,tag,provider,target,tool,day [--since T] [--until T] [--sort cost|requests|refused|tokens|last_seen|prompt_max|name] [--limit N] [--after CURSOR] [--match TEXT] [--no-index] [--csv | --json] [--journal DIR | --redis URL | --file F] [-c FILE]", "sum up requests, tokens and costs from the records") \
  X("keygen",   cmd_keygen,   CMD_MAKE, "[--secret | --hash-key [--from KEY | --rotate] | [--rotate | --root] [--passphrase-file F]] (FILE | --out FILE)", "make a signing key, an offline root, or a secret file") \
  X("ranks",    cmd_ranks,    CMD_MAKE, "pack --name NAME --pattern P LINES FILE | show FILE", "convert a published vocabulary to a file with which tokens counts") \
  X("redact",   cmd_redact,   CMD_POLICY, "[--jsonl | --stream] [--with STYLE] [--key-file FILE] [--policy FILE]", "replace the findings in a text") \
  X("tokens",   cmd_tokens,   CMD_LIMITS, "[--encoding E | --model M] [--ids] [--jsonl] [--ranks DIR]", "count the tokens of a text") \
  X("completion", cmd_completion, CMD_MAKE, "bash|zsh|fish", "print a completion script for a shell") \
  X("version",  cmd_version,  CMD_MAKE, "", "print the versions of tollgate, SPOP and the linked libraries")
/* clang-format on */

#define X(name, fn, group, args, help) int fn(int argc, char **argv);
CMD_TABLE(X)
#undef X

/* The whole program: argv[1] names the subcommand. */
int cmd_main(int argc, char **argv);
/* argv[0] is the subcommand's name; --help never reaches a subcommand. cmd_usage
 * prints its forms to stderr ("audit show": that one) and returns EXIT_CANNOT. */
int cmd_usage(const char *name);
/* "tollgate: what: why\n" on stderr; returns EXIT_CANNOT. */
/* config_find() found none: says so, or which one may not be read. `or` is what may be given in
 * its place, after a comma, or "". EXIT_CANNOT. */
int cmd_no_config(const char *what, const char *named, const char * or);
__attribute__((format(printf, 2, 3))) int cmd_fail(const char *what, const char *fmt, ...);
/* After a message where err is not 0: why, or else what the error is called. 0 or EXIT_CANNOT.
 */
int cmd_failed(const char *what, int err, const struct buf *why);
struct config;
/* The configuration of -c, or the usual one, in the arena; NULL, and nothing is said: there is
 * none, or it is not valid. */
const struct config *cmd_config(struct arena *a, const char *named);
/* A row a command has: `--name VALUE` or `--name=VALUE`; a name of one letter is -c. Rows end
 * with a name NULL. */
struct cmd_option {
	const char *name;
	const char **text; /* gets the value, or with `count` that of each time */
	size_t *count, most;
	bool *flag; /* becomes true; without `text` it takes no value, with it only
		       `--name=VALUE` */
};
/* Reads the options of the command `what`, such as "audit list". If `what` is a command alone and the command has
 * verbs, its first operand is the verb. Returns the number of operands, which may stand between options, and *operands
 * is the first. Returns -1 after a message if an option has no row, lacks its value, is given too often (a row with
 * text and without `count` may stand once), or belongs to other verbs (option_rows). At most 64 rows. */
int cmd_options(const char *what, int argc, char **argv, const struct cmd_option *options,
	char ***operands);
/* One row for each meaning of an option. Ends with a name NULL. */
extern const struct option_row {
	const char *name;
	const char *value;     /* what follows the option, such as FILE; NULL: nothing; "[=TYPE]" */
	const char *of;	       /* the verbs that it belongs to, such as "audit list, usage"; a
				  command alone: all its verbs */
	const char *help;      /* one line */
} option_rows[];
enum { OPTION_WHAT_MAX = 64 };
/* Returns whether the option `name`, without dashes, belongs to the verb. The verb is in `command` ("audit list") or is
 * the operand, which may be NULL. If other verbs of the command have the option, a message names them. An option that
 * no row has for the command belongs to it. */
bool option_belongs(const char *command, const char *operand, const char *name);
/* Writes all of it to standard output; false: it had failed, or the output does, and errno says
 * why. */
bool cmd_write(const struct buf *out);
/* The same; EXIT_DONE, or EXIT_CANNOT after a message. */
int cmd_print(const char *what, const struct buf *out);
/* All of standard input (fd 0) or of a file, up to the buffer's cap. 0 or ERR_IO, ERR_LIMIT. */
int cmd_read_stdin(struct buf *out);
int cmd_read_file(const char *file, struct buf *out);
enum { CMD_FIX_BYTES = 2 * 4096 + 64 };
/* That user of this machine lacks one of these rights (04 to read, 02, 01) to the file, or may not
 * pass a folder on the way; `fix` is the command that mends it. False too: no such user, or no
 * such file. */
bool cmd_user_cannot(
	const char *name, const char *file, unsigned rights, char *fix, size_t size);
enum { CMD_END_LEN = 64 };
/* When something ends: a date, which is its first second in UTC, or a time with its zone; as RFC
 * 3339 in `full` too. False after a message that names --until. */
bool cmd_end(const char *what, const char *s, char full[CMD_END_LEN], int64_t *wall_ns);
/* A duration that an option gives, from `least_us` to 36500 days; as it was where it is not
 * given (NULL). False after a message. */
bool cmd_ttl(const char *what, const char *option, const char *text, uint64_t least_us,
	uint64_t *us);
/* When something ends by --ttl or --until, either of which may be NULL and --until a duration
 * too; as it was where neither is given. False after a message. */
bool cmd_end_given(
	const char *what, const char *ttl, const char *until, int64_t now_ns, int64_t *end_ns);
/* The whole number that an option gives; false after a message. */
bool cmd_whole(const char *what, const char *option, const char *s, int64_t *out);
struct diag;
/* Says the mistakes, and how many they are. EXIT_CANNOT. */
int cmd_mistakes(const char *what, const struct diag *d);
/* Every line of standard input that is not blank, as it comes, with its newline and its number;
 * another code than EXIT_DONE ends it and is returned. */
int cmd_each_line(int (*each)(void *arg, struct span line, size_t number), void *arg);

#endif
