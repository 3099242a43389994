/* The table of what a start opens. */
#include "operator/server/opens.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/scoped.h"
#include "base/why.h"
#include "net/listen.h"
#include "record/audit/audit.h"

int
opens_admin_token(const char *file, unsigned char hash[SHA256_BYTES], struct buf *why)
{
	char text[256];
	SCOPED_FD(fd, open(file, O_RDONLY | O_CLOEXEC));
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0)
		return why_err(why, ERR_IO, "%s: cannot read the admin token: %s", file,
			strerror(errno));
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	if (n == 0)
		return why_err(why, ERR_IO,
			"%s: cannot read the admin token: the file is empty: write the token "
			"into it",
			file);
	sha256(span_of(text, (size_t)n), hash);
	sodium_memzero(text, sizeof(text));
	return 0;
}

bool
opens_own_relay(const struct config *cfg, unsigned worker, struct address *out, char text[256])
{
	const char *path = cfg->relay_listen.path;
	size_t n = path ? strlen(path) : 0;

	if (n > 5 && !strcmp(path + n - 5, ".sock"))
		n -= 5;
	*out = (struct address){ .path = text, .text = text };
	return path &&
	       (size_t)snprintf(text, 256, "%.*s-%04x.sock", (int)n, path, worker) < 256;
}

/* ---- the rows: each returns 0, or an error with a message in *why ---- */

static int
try_audit(const struct config *cfg, const char **option, struct buf *why)
{
	bool of_keys = false;
	int err = cfg->journal && cfg->audit_key ? audit_try(cfg, &of_keys, why) : 0;

	*option = of_keys ? "audit.key" : "audit.journal";
	return err;
}

static int
try_token(const struct config *cfg, const char **option UNUSED, struct buf *why)
{
	unsigned char hash[SHA256_BYTES];

	return cfg->admin_token_file ? opens_admin_token(cfg->admin_token_file, hash, why) : 0;
}

static int
try_agent(const struct config *cfg, const char **option UNUSED, struct buf *why)
{
	int err = 0;

	for (size_t i = 0; i < cfg->nagent && !err; i++)
		err = listen_try(&cfg->agent[i], why);
	return err;
}

static int
try_relay(const struct config *cfg, const char **option UNUSED, struct buf *why)
{
	struct address own;
	char text[256];
	int err = cfg->relay ? listen_try(&cfg->relay_listen, why) : 0;

	return !err && cfg->relay && opens_own_relay(cfg, 0, &own, text) ? listen_try(&own, why)
									 : err;
}

static int
try_admin(const struct config *cfg, const char **option UNUSED, struct buf *why)
{
	return cfg->has_admin ? listen_try(&cfg->admin, why) : 0;
}

static int
try_admin_tcp(const struct config *cfg, const char **option UNUSED, struct buf *why)
{
	return cfg->has_admin_tcp ? listen_try(&cfg->admin_tcp, why) : 0;
}

static int
try_admin_tls(const struct config *cfg, const char **option UNUSED, struct buf *why)
{
	return cfg->has_admin_tls ? listen_try(&cfg->admin_tls, why) : 0;
}

static int
try_witness(const struct config *cfg, const char **option UNUSED, struct buf *why)
{
	return cfg->witness_listen.path ? listen_try(&cfg->witness_listen, why) : 0;
}

/* clang-format off */
static const struct {
	const char *option;
	int (*try)(const struct config *cfg, const char **option, struct buf *why);
} opens[] = {
	{ "audit",            try_audit },
	{ "agent.listen",     try_agent },
	{ "relay.listen",     try_relay },
	{ "witness.listen",   try_witness },
	{ "admin.token_file", try_token },
	{ "admin.tls",        try_admin_tls },
	{ "admin.listen",     try_admin },
	{ "admin.tcp",        try_admin_tcp },
};
/* clang-format on */

void
opens_try(const struct config *cfg, opens_found *found, void *arg)
{
	SCOPED_BUF(why, 4096);

	for (size_t i = 0; i < COUNT_OF(opens); i++) {
		const char *option = opens[i].option;
		buf_clear(&why);
		if (opens[i].try(cfg, &option, &why) && why.n)
			found(arg, option, buf_view(&why));
	}
}
