/* The file of API keys as commands change it: under a lock, written anew, never half. */
#include "cmd/daemon/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/replace.h"
#include "cmd/cmd.h"

/* The lock is next to the file, since the file itself is replaced. */
static int
lock(const char *file)
{
	char name[4096];

	snprintf(name, sizeof(name), "%s.lock", file);
	int fd = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void
put_key_time(struct buf *b, const char *name, int64_t wall_ns)
{
	char when[CLOCK_SECOND_LEN];

	if (!wall_ns)
		return;
	clock_second(wall_ns, when);
	buf_printf(b, ", %s: %s", name, when);
}

static void
put_key(struct buf *b, struct apikey *k)
{
	buf_printf(b, "  - {id: \"%s\", sha256: \"", k->id);
	buf_hex(b, k->sha256, sizeof(k->sha256));
	buf_putc(b, '"');
	for (size_t i = 1; i < APIKEY_TEXTS; i++) {
		const char *value = *apikey_text(k, i);
		if (!value || !value[0])
			continue;
		buf_printf(b, ", %s: ", apikey_texts[i].name);
		buf_json_str(b, span_str(value)); /* a YAML double-quoted scalar */
	}
	for (size_t i = 0; i < APIKEY_LISTS; i++) {
		for (size_t v = 0; v < *apikey_count(k, i); v++) {
			buf_printf(b, v ? ", " : ", %s: [", apikey_lists[i].name);
			buf_json_str(b, span_str((*apikey_list(k, i))[v]));
		}
		buf_str(b, *apikey_count(k, i) ? "]" : "");
	}
	if (k->clearance)
		buf_printf(b, ", clearance: %lld", (long long)k->clearance);
	put_key_time(b, "created", k->created_ns);
	put_key_time(b, "expires", k->expires_ns);
	put_key_time(b, "revoked", k->revoked_ns);
	buf_str(b, "}\n");
}

struct apikeys *
key_file_load(const char *file, bool may_be_missing)
{
	struct stat st;

	if (may_be_missing && stat(file, &st) < 0 && errno == ENOENT)
		return calloc(1, sizeof(struct apikeys));
	SCOPED_DIAG(d);
	struct apikeys *k = apikeys_load(file, &d);
	if (!k)
		fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&d.text)));
	return k;
}

bool
key_file_open(struct key_file *f, const char *file, bool may_be_missing)
{
	f->lock = lock(file);
	f->keys = f->lock < 0 ? NULL : key_file_load(file, may_be_missing);
	if (f->lock < 0)
		cmd_fail(file, "%s", strerror(errno));
	return f->keys != NULL;
}

void
key_file_close(struct key_file *f)
{
	apikeys_free(&f->keys);
	scoped_fd_close(&f->lock);
}

int
key_file_save(const char *file, const struct apikeys *keys, struct apikey *extra)
{
	char made[PATH_MAX + sizeof(REPLACE_SUFFIX)];
	struct apikeys *again = NULL;

	SCOPED_BUF(b, 0);
	SCOPED_BUF(why, 8192);
	buf_str(&b, "# API keys of tollgate, hashed. Written by `tollgate key`; the daemon "
		    "reads it at\n"
		    "# start and when it changes.\nkeys:\n");
	for (size_t i = 0; i < keys->n; i++)
		put_key(&b, &keys->keys[i]);
	if (extra)
		put_key(&b, extra);
	snprintf(made, sizeof(made), "%s" REPLACE_SUFFIX, file);
	SCOPED_FD(fd, replace_begin(AT_FDCWD, file, 0640, &why));
	int err = fd < 0 ? fd : 0;
	if (!err)
		err = buf_failed(&b) ? ERR_NOMEM : replace_write(fd, file, buf_view(&b), &why);
	/* A file that the daemon would refuse takes no place of one it has. */
	if (!err && !(again = key_file_load(made, false)))
		err = ERR_SYNTAX;
	if (!err)
		err = replace_place(AT_FDCWD, file, fd, &why);
	else if (fd >= 0)
		replace_drop(AT_FDCWD, file);
	cmd_failed("key", err == ERR_SYNTAX ? 0 : err, &why); /* that was said */
	apikeys_free(&again);
	return err ? EXIT_CANNOT : EXIT_DONE;
}
