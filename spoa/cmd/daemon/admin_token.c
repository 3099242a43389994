/* tollgate admin-token new|list|revoke: changes the file of admin.tokens. The text of a
 * token is printed once, by `new`, on standard output. The file holds only its hash. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/replace.h"
#include "cmd/cmd.h"
#include "cmd/daemon/admin.h"
#include "operator/admin/tokens.h"
#include "policy/config/config.h"

/* The file of admin tokens. `lock` is the descriptor of its lock, -1 if the file is only
 * read. Owned by cmd_admin_token(), which frees `tokens`. */
struct token_file {
	char name[4096];
	int lock;
	struct admin_tokens *tokens;
};

/* ---- the file ---- */

static bool
find_file(const char *config, const char *named, char file[4096])
{
	const char *where = config_find(config);

	if (named) {
		snprintf(file, 4096, "%s", named);
		return true;
	}
	if (!where) {
		cmd_no_config("admin-token", config, ", or --tokens FILE");
		return false;
	}
	SCOPED_ARENA(a, 0, false);
	SCOPED_DIAG(d);
	const struct config *cfg = config_read(&a, where, &d);
	bool found = cfg && cfg->admin_tokens;
	if (found)
		snprintf(file, 4096, "%s", cfg->admin_tokens);
	else
		cmd_fail("admin-token",
			cfg ? "%s: has no admin.tokens: name a file there, or give "
			      "--tokens FILE"
			    : "%s: cannot be used: tollgate check lists its mistakes",
			where);
	return found;
}

/* Reads the file under a lock on a second file, because the token file itself is replaced
 * when it is written. A missing file counts as empty. */
static bool
open_token_file(struct token_file *f, bool to_write)
{
	char lock[4200];
	struct stat st;

	f->lock = -1;
	f->tokens = NULL;
	snprintf(lock, sizeof(lock), "%s.lock", f->name);
	if (to_write && ((f->lock = open(lock, O_CREAT | O_RDWR | O_CLOEXEC, 0600)) < 0 ||
				flock(f->lock, LOCK_EX) < 0)) {
		cmd_fail(lock, "%s", strerror(errno));
		return false;
	}
	if (stat(f->name, &st) < 0 && errno == ENOENT)
		return (f->tokens = admin_tokens_new()) != NULL;
	SCOPED_BUF(why, 8192);
	f->tokens = admin_tokens_load(f->name, &why);
	if (!f->tokens)
		cmd_fail("admin-token", "%.*s", SPAN_ARG(buf_view(&why)));
	return f->tokens != NULL;
}

static int
save_tokens(const struct token_file *f)
{
	SCOPED_BUF(b, TOKEN_FILE_MAX);
	SCOPED_BUF(why, 8192);
	admin_tokens_write(f->tokens, &b);
	int err = buf_failed(&b) ? ERR_LIMIT
				 : replace_file(AT_FDCWD, f->name, 0640, buf_view(&b), &why);
	return cmd_failed("admin-token", err, &why);
}

/* ---- commands ---- */

static int
token_new(struct token_file *f, const char *name, const char *roles, const char *ttl,
	const char *until)
{
	struct admin_token one = { .created_ns = clock_wall_ns() };
	char text[TOKEN_TEXT];

	if (!admin_token_name_ok(span_str(name)))
		return cmd_fail("admin-token new",
			"%.80s: a name is 1 to 64 letters, digits, dots, dashes, underscores "
			"or @",
			name);
	if (!roles || !(one.roles = roles_parse(span_str(roles))))
		return cmd_fail("admin-token new",
			"--roles: give viewer, operator or auditor, separated by commas");
	if (ttl && until)
		return cmd_fail(
			"admin-token new", "give --ttl or --until, not both");
	if (!cmd_end_given("admin-token new", ttl, until, one.created_ns, &one.end_ns) ||
		!open_token_file(f, true))
		return EXIT_CANNOT;
	if (admin_tokens_named(f->tokens, name))
		return cmd_fail("admin-token new",
			"%s: a token in %s has this name already: choose another name",
			name, f->name);
	if (f->tokens->n == CAP_ADMIN_TOKENS)
		return cmd_fail("admin-token new",
			"%s: holds %d tokens, which is the limit: delete the lines of "
			"revoked tokens", f->name,
			CAP_ADMIN_TOKENS);
	memcpy(one.name, name, strlen(name) + 1);
	admin_token_make(text, one.sha256);
	f->tokens->row[f->tokens->n++] = one;
	int code = save_tokens(f);
	if (code == EXIT_DONE) {
		printf("%s\n", text);
		fprintf(stderr,
			"tollgate: admin token %s is in %s. It is shown only now. A "
			"running daemon accepts it at once.\n",
			name, f->name);
	}
	sodium_memzero(text, sizeof(text));
	return code;
}

static int
token_revoke(struct token_file *f, const char *name)
{
	if (!open_token_file(f, true))
		return EXIT_CANNOT;
	struct admin_token *t = admin_tokens_named(f->tokens, name);
	if (!t) {
		cmd_fail("admin-token revoke", "%.80s: no such token in %s", name, f->name);
		return EXIT_NO;
	}
	if (!t->revoked_ns) {
		t->revoked_ns = clock_wall_ns();
		if (save_tokens(f) != EXIT_DONE)
			return EXIT_CANNOT;
	}
	fprintf(stderr,
		"tollgate: admin token %s is revoked; its sessions end with their next "
		"request.\n",
		name);
	return EXIT_DONE;
}

/* clang-format off */
static const struct admin_column token_columns[] = {
	{ "NAME",    24, .name = "name" },
	{ "ROLES",   18, .name = "roles" },
	{ "STATE",    8, .name = "state" },
	{ "CREATED", 20, .name = "created" },
	{ "END",      0, "end", .none = "never", .bare = true },
	{ .heading = NULL },
};
/* clang-format on */

static int
token_list(struct token_file *f, bool as_json)
{
	json_auto_t *list = json_array();
	char roles[ROLES_TEXT], when[CLOCK_SECOND_LEN];

	if (!open_token_file(f, false))
		return EXIT_CANNOT;
	for (size_t i = 0; i < f->tokens->n; i++) {
		const struct admin_token *t = &f->tokens->row[i];
		json_t *o = json_pack("{s:s,s:s,s:s}", "name", t->name, "roles",
			roles_text(t->roles, roles), "state",
			t->revoked_ns			       ? "revoked"
			: admin_token_live(t, clock_wall_ns()) ? "live"
							       : "over");
		clock_second(t->created_ns, when);
		json_object_set_new(o, "created", json_string(when));
		if (t->end_ns)
			clock_second(t->end_ns, when);
		json_object_set_new(o, "end", t->end_ns ? json_string(when) : json_null());
		json_array_append_new(list, o);
	}
	return admin_print_table("admin-token list", token_columns, list, as_json);
}

int
cmd_admin_token(int argc, char **argv)
{
	const char *config = NULL, *tokens = NULL, *roles = NULL, *ttl = NULL, *until = NULL;
	bool as_json = false;
	const struct cmd_option options[] = { { "c", .text = &config },
		{ "tokens", .text = &tokens }, { "roles", .text = &roles },
		{ "ttl", .text = &ttl }, { "until", .text = &until },
		{ "json", .flag = &as_json }, { .name = NULL } };
	struct token_file f = { .lock = -1 };
	char **operands;
	int n = cmd_options(argv[0], argc, argv, options, &operands), code = EXIT_CANNOT;
	const char *verb = n > 0 ? operands[0] : "";
	bool is_new = !strcmp(verb, "new"), is_list = !strcmp(verb, "list");

	if (n != (is_list ? 1 : 2) || (!is_new && !is_list && strcmp(verb, "revoke") != 0))
		return cmd_usage(argv[0]);
	if (sodium_init() < 0)
		return cmd_fail("admin-token", "libsodium cannot be initialized");
	if (find_file(config, tokens, f.name))
		code = is_new	 ? token_new(&f, operands[1], roles, ttl, until)
		       : is_list ? token_list(&f, as_json)
				 : token_revoke(&f, operands[1]);
	free(f.tokens);
	scoped_fd_close(&f.lock);
	return code;
}
